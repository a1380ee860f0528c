"""Files over the API: brought as a stream and sealed as they come, taken out with their hash checked."""

import hashlib
import http.client
import io
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from openpyxl import Workbook

from finops_core import files
from finops_core.api.v1.files import UPLOADS_OF_ONE
from tests.api.v1.programs import STRIPE, Office, code_of, open_office
from tests.bench import api as bench
from tests.desks import settings_for
from tests.processes import until
from tests.world import COMPANY

pytestmark = pytest.mark.slow


def ends(value: object) -> str:
    """Of what a test is about: its name, not its bytes."""
    return value if isinstance(value, str) else "bytes"


def stored_names(office: Office) -> set[str]:
    return set(office.world.desk.ports.file_store.names())


def test_a_file_comes_back_byte_for_byte_and_lies_sealed(both_offices: Office):
    # Given bytes of more than two sealed pieces, sent in odd pieces
    ana = both_offices.program("ana")
    content = b"currency\n" + b"EUR,0123456789\n" * 170_000

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), 70_001):
            yield content[start : start + 70_001]

    # When they are brought, chunked
    told = requests.post(
        f"{both_offices.base}/files",
        params={"name": "grün.csv"},
        data=pieces(),
        headers={"Authorization": f"Bearer {ana.secret}"},
        timeout=60,
    )
    # Then hash, size and content are right, also on the screen, and nothing lies open
    assert told.status_code == 201, told.text
    view = told.json()
    assert (view["size_bytes"], view["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    taken = ana.get(f"/files/{view['id']}/content")
    assert taken.content == content
    assert "gr%C3%BCn.csv" in taken.headers["content-disposition"]
    with both_offices.world.desk.read(both_offices.world.actor("ana")) as reading:
        assert files.content(reading, view["id"]) == content
        assert files.page(reading, files.FileFilter()).rows[0].id == view["id"]
    folder = both_offices.world.desk.settings.data_dir
    assert [path for path in folder.rglob("*") if path.is_file() and b"EUR,0123456789" in path.read_bytes()] == []
    assert any(view["id"] in line for line in both_offices.log("file.stored"))
    assert any(view["id"] in line for line in both_offices.log("file.downloaded"))


def test_the_same_bytes_are_stored_once_whichever_way_they_came(office: Office):
    ana = office.program("ana")
    first = ana.upload("currency\nNOK\n", "a.csv").json()
    drafted = ana.post("/executions", {"operation": STRIPE, "file": first["id"], "reason": "x"}).json()
    second = ana.upload("currency\nNOK\n", "a.csv").json()

    with office.world.desk.read(office.world.actor("ana")) as reading:
        contents = {files.content(reading, each) for each in (first["id"], second["id"], drafted["file"])}
        versions = [files.one(reading, each).version for each in (first["id"], drafted["file"], second["id"])]

    assert contents == {b"currency\nNOK\n"}
    assert versions == [1, 2, 3]


def test_bytes_whose_key_was_destroyed_can_be_brought_again(office: Office):
    from sqlalchemy import update

    from finops_core.files.models import stored_file
    from finops_core.kernel.actor import worker_actor

    ana, content = office.program("ana"), b"currency\nZAR\n"
    first = ana.upload(content).json()
    with office.world.desk.work(worker_actor(office.world.orgs["harbour"])) as work:
        same = stored_file.c.org_id == work.org_id, stored_file.c.sha256 == first["sha256"]
        work.execute(update(stored_file).where(*same).values(data_key=None, shredded_at=work.now))
    gone = ana.get(f"/files/{first['id']}/content")

    second = ana.upload(content).json()

    assert code_of(gone) == (404, "FILE_SHREDDED")
    assert ana.get(f"/files/{second['id']}/content").content == content


def test_a_file_past_the_limit_is_cut_off_and_leaves_nothing_but_a_line(tmp_path: Path):
    with open_office(tmp_path, upload_max_bytes=100_000) as office:
        ana, before = office.program("ana"), stored_names(office)

        exact, over = ana.upload(b"x" * 100_000), ana.upload(b"x" * 100_001)

        assert exact.status_code == 201
        assert code_of(over) == (413, "FILE_TOO_LARGE")
        assert len(stored_names(office) - before) == 1
        assert any("FILE_TOO_LARGE" in line for line in office.log("upload.refused"))


def test_an_empty_file_is_refused(office: Office):
    before = stored_names(office)

    assert code_of(office.program("ana").upload(b"")) == (400, "FILE_EMPTY")
    assert stored_names(office) == before


@pytest.mark.parametrize(
    ("name", "content", "mime"),
    [
        ("a.csv", b"currency\nUSD\n", "text/csv"),
        ("A.CSV", b"BM,currency\n1,USD\n", "text/csv"),
        ("latin.csv", "name\nGrün\n".encode("latin-1"), "text/csv"),
        ("no end", b"currency\nUSD\n", "text/csv"),
        ("a.tsv", b"currency\tmaximum\nUSD\t1\n", "text/tab-separated-values"),
        ("a.txt", b"currency\nUSD\n", "text/plain"),
        ("proof.pdf", b"%PDF-1.7\n\x00\x01", "application/pdf"),
        ("proof.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "image/png"),
    ],
    ids=ends,
)
def test_an_upload_is_labelled_by_its_name_and_content(office: Office, name: str, content: bytes, mime: str):
    answer = office.program("ana").upload(content, name)

    assert (answer.status_code, answer.json().get("mime")) == (201, mime)


def test_a_workbook_is_labelled_as_one_and_no_operation_takes_it(office: Office):
    ana, written = office.program("ana"), io.BytesIO()
    Workbook().save(written)

    kept = ana.upload(written.getvalue(), "book.xlsx").json()
    drafted = ana.post("/executions", {"operation": STRIPE, "file": kept["id"]})

    assert kept["mime"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert code_of(drafted) == (422, "DRAFT_REFUSED")
    assert [fault["code"] for fault in drafted.json()["faults"]] == ["FILE_TYPE"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.pdf", bytes(range(256))),
        ("b.exe", b"MZ" + bytes(200)),
        ("program.csv", b"MZ" + bytes(200)),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(40)),
        ("page.html", b"<html>"),
        ("payouts.2026", b"currency\nUSD\n"),
    ],
    ids=ends,
)
def test_what_nothing_takes_or_is_not_what_its_name_says_is_refused(office: Office, name: str, content: bytes):
    before, ana = stored_names(office), office.program("ana")

    answer = ana.upload(content, name)

    assert code_of(answer) == (400, "FILE_TYPE")
    assert stored_names(office) == before
    assert any("FILE_TYPE" in line for line in office.log("upload.refused"))


def test_a_sender_who_goes_away_in_the_middle_leaves_nothing(office: Office):
    before, ana = stored_names(office), office.program("ana")
    place = urlsplit(office.base)
    with socket.create_connection((place.hostname or "", place.port or 0)) as line:
        head = f"POST {place.path}/files?name=x.csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ana.secret}\r\n"
        line.sendall(f"{head}Content-Length: 5000000\r\n\r\n".encode() + b"x" * 2_000_000)
        time.sleep(0.2)

    drafts = office.world.desk.settings.data_dir / "files"
    until(lambda: not list(drafts.rglob(".draft-*")), what="the draft is gone")
    assert stored_names(office) == before
    assert ana.get("/me").status_code == 200


def test_who_may_not_bring_files_is_refused_before_they_are_read(office: Office):
    before = stored_names(office)

    answer = office.program("ben").upload(b"x" * 3_000_000)

    assert code_of(answer) == (403, "NOT_ALLOWED")
    assert stored_names(office) == before


@pytest.mark.parametrize("name", ["", "a/b.csv", "a\\b.csv", "a\nb", "x" * 201])
def test_a_name_that_is_none_is_refused(office: Office, name: str):
    assert code_of(office.program("ana").upload("a\n", name)) == (422, "REQUEST_BAD")


def test_fifty_mebibytes_come_in_with_less_than_thirty_more_in_memory(tmp_path: Path):
    settings = settings_for(tmp_path, demo=True, demo_file=COMPANY, upload_max_bytes=2**30)
    secret, _number = bench.office(settings)

    with bench.serving(settings) as (address, server):
        assert bench.upload(address, secret, bench.PIECE) == 201
        statuses: list[int] = []
        more = bench.grown(server, lambda: statuses.append(bench.upload(address, secret)))
        connection = http.client.HTTPConnection(address, timeout=20)
        connection.request("GET", "/api/v1/me", headers={"Authorization": f"Bearer {secret}"})

        assert connection.getresponse().status == 200
    assert statuses == [201]
    assert more < 30 * 2**20, f"{more / 2**20:.1f} MiB"


def slow_sender(office: Office, who: str, scopes: str) -> socket.socket:
    """Somebody whose file never ends; give each two."""
    place = urlsplit(office.base)
    secret = office.program(who, scopes).secret
    line = socket.create_connection((place.hostname or "", place.port or 0))
    head = f"POST {place.path}/files?name=slow.csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
    line.sendall(f"{head}Content-Length: 1000\r\n\r\nx".encode())
    return line


def test_one_program_takes_two_places_at_most(office: Office):
    lines: list[socket.socket] = []

    def its_places_are_taken() -> bool:
        lines.extend(slow_sender(office, "ana", "run") for _ in range(1 if lines else UPLOADS_OF_ONE))
        return office.program("ana", "run").upload(b"x").status_code == 503

    until(its_places_are_taken, what="its places are taken")
    other = office.program("ana", "files").upload(b"x")
    for line in lines:
        line.close()

    assert other.status_code == 201
    until(lambda: office.program("ana", "run").upload(b"x").status_code == 201, what="its places are free again")


def test_slow_senders_take_no_more_than_their_places_and_nobody_else_waits_for_them(office: Office):
    ana = office.program("ana")
    lines: list[socket.socket] = []
    tokens = [" ".join(sorted({"run", *more})) for more in (["read"], ["approve"], ["files"], ["read", "files"])]

    def all_taken() -> bool:
        # One more each time: whoever tried before them may have had the place of one.
        senders = tokens[len(lines) % len(tokens) :][:1] if lines else tokens * UPLOADS_OF_ONE
        lines.extend(slow_sender(office, "ana", scopes) for scopes in senders)
        return ana.upload(b"x").status_code == 503

    until(all_taken, what="all places are taken")

    one_more, meanwhile = ana.upload(b"x"), ana.get("/me")
    for line in lines:
        line.close()
    until(lambda: ana.upload(b"x").status_code == 201, what="the places are free again")

    assert code_of(one_more) == (503, "UPLOADS_MANY")
    assert meanwhile.status_code == 200
