"""The record an auditor takes away: it holds everything, checks itself without the desk, and shows any change."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from finops_core import audit, insight, operations, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.audit import AuditFilter
from finops_core.audit.proofs import paths
from finops_core.audit.rules import Frontier, leaf_hash
from finops_core.insight.verify import is_in
from finops_core.kernel.actor import Via, system_actor, worker_actor
from finops_core.kernel.errors import NotAllowed, NotFound
from tests.world import World


def paid(world: World) -> str:
    """A payout with one row made and one refused, all of it sealed."""
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": "sek"}))
    seen = world.approved("currency,maximum\nUSD,10.00\nSEK,5.00\n")
    world.work_off()
    with world.desk.work(worker_actor("")) as work:
        audit.seal(work, world.desk.settings.heads_dir)
    return seen.id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the record is unpacked, apart from the desk."""
    return tmp_path / "taken-away"


def unpacked(world: World, execution_id: str, folder: Path, who: str = "eva") -> dict:
    with world.desk.work(world.actor(who)) as work:
        pack = insight.take_record(work, execution_id)
    ZipFile(BytesIO(pack.content)).extractall(folder)
    return json.loads((folder / "record.json").read_text())


def verdict(folder: Path) -> tuple[int, str]:
    """As an auditor runs it: nothing of the desk can be imported."""
    command = [sys.executable, "-I", str(folder / "verify.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_the_record_holds_what_was_asked_agreed_done_and_logged(world: World, folder: Path):
    execution_id = paid(world)

    record = unpacked(world, execution_id, folder)

    assert record["execution"]["totals"] == {"USD": "10.00", "SEK": "5.00"}
    assert [row["state"] for row in record["payouts"]] == ["created", "rejected"]
    assert [said["decision"] for request in record["approvals"] for said in request["decisions"]] == ["approved"]
    assert record["log"]
    assert {file["role"] for file in record["files"]} == {"input", "output"}
    given = next(file for file in record["files"] if file["role"] == "input")
    assert (folder / given["path"]).read_bytes() == b"currency,maximum\nUSD,10.00\nSEK,5.00\n"
    verbs = {json.loads(line["body"])["verb"] for line in record["audit"]["records"]}
    assert {"execution.drafted", "approval.approved", "payout.created", "payout.rejected"} <= verbs
    assert set(record["people"].values()) >= {"Ana Brito", "Ben Osei"}


def test_what_a_program_did_stands_in_it_with_the_name_of_its_token(world: World):
    # Given a draft by a program of Ana's
    with world.desk.work(world.actor("ana")) as work:
        issued = security.issue_token(work, "ci", ["run"], work.now + timedelta(days=1))
    program = replace(world.actor("ana"), via=Via.API, token_id=issued.token.id)
    with world.desk.work(program) as work:
        drafted = operations.draft(work, "payouts.stripe_balance", {}, operations.Upload("x.csv", b"currency\nEUR\n"))
    assert isinstance(drafted, operations.Drafted)

    # When the page is taken by an auditor
    with world.desk.work(world.actor("eva")) as work:
        page = insight.take_record_page(work, drafted.execution_id).content.decode()

    # Then the token's name stands beside hers
    assert 'Ana Brito<br><span class="faint">with token “ci”</span>' in page
    assert issued.secret not in page


def test_the_page_reads_alone_and_shows_the_same(world: World, folder: Path):
    execution_id = paid(world)

    unpacked(world, execution_id, folder)

    page = (folder / "record.html").read_text()
    for told in ("Stripe balance payout", "10.00", "SEK", "Ana Brito", "Ben Osei", "approved", "rejected", "UTC"):
        assert told in page
    for foreign in ("<script", "src=", "href=", "@import", "url("):
        assert foreign not in page, "nothing is fetched from anywhere and nothing runs"


def test_it_checks_itself_without_the_desk(world: World, folder: Path):
    unpacked(world, paid(world), folder)

    code, told = verdict(folder)

    assert code == 0, told
    assert "All is as the record says." in told


def edit_file(folder: Path) -> None:
    next((folder / "files").iterdir()).write_bytes(b"currency,maximum\nUSD,99.00\n")


def edit_page(folder: Path) -> None:
    page = folder / "record.html"
    page.write_text(page.read_text().replace("10.00", "90.00"))


def lose_file(folder: Path) -> None:
    next((folder / "files").iterdir()).unlink()


def edit_audit(folder: Path) -> None:
    """By somebody who also writes the sums anew: the log's root gives it away."""
    path = folder / "record.json"
    path.write_text(path.read_text().replace("approval.approved", "approval.rejected"))
    _sums_anew(folder)


def move_audit(folder: Path) -> None:
    path = folder / "record.json"
    record = json.loads(path.read_text())
    sealed = [line for line in record["audit"]["records"] if line["position"] is not None]
    sealed[0]["position"], sealed[1]["position"] = sealed[1]["position"], sealed[0]["position"]
    path.write_text(json.dumps(record))
    _sums_anew(folder)


def _sums_anew(folder: Path) -> None:
    sums = folder / "SHA256SUMS"
    done = subprocess.run(
        ["sha256sum", *(line.partition("  ")[2] for line in sums.read_text().splitlines())],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    sums.write_text(done.stdout)


@pytest.mark.parametrize("tamper", [edit_file, edit_page, lose_file, edit_audit, move_audit])
def test_whatever_is_changed_in_it_is_found(world: World, folder: Path, tamper):
    unpacked(world, paid(world), folder)

    tamper(folder)

    code, told = verdict(folder)
    assert code == 1
    assert "NOT AS IT SHOULD BE" in told


def test_the_root_in_it_is_that_of_the_log(world: World, folder: Path):
    record = unpacked(world, paid(world), folder)

    with world.desk.read(system_actor()) as reading:
        found = audit.verify(reading, world.desk.settings.heads_dir)
    assert record["audit"]["root"] == found.root
    assert record["audit"]["size"] == found.size
    assert all(line["position"] is not None for line in record["audit"]["records"])


def test_what_somebody_typed_cannot_become_a_part_of_the_page(world: World, folder: Path):
    upload = operations.Upload("<img src=x onerror=alert(1)>.csv", b"currency\nUSD\n")
    with world.desk.work(world.actor("ana")) as work:
        draft = operations.draft(work, "payouts.stripe_balance", {}, upload)
    assert isinstance(draft, operations.Drafted)

    unpacked(world, draft.execution_id, folder)

    page = (folder / "record.html").read_text()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_taking_it_is_recorded_with_its_hash(world: World):
    execution_id = paid(world)

    with world.desk.work(world.actor("eva")) as work:
        pack = insight.take_record_page(work, execution_id)

    with world.desk.read(world.actor("eva")) as reading:
        (line,) = audit.records(reading, AuditFilter(verb="execution.record_taken")).rows
    assert line.object == f"execution:{execution_id}"
    assert line.detail["file"] == pack.name
    assert len(line.after) == 64


def test_only_who_may_export_the_log_gets_one_and_only_of_what_they_may_see(world: World):
    execution_id = paid(world)

    for who in ("ana", "ben"):
        with pytest.raises(NotAllowed), world.desk.work(world.actor(who)) as work:
            insight.take_record(work, execution_id)
    with pytest.raises(NotFound), world.desk.work(world.actor("eva")) as work:
        insight.take_record(work, "EX-2026-9999")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 33, 64, 100])
def test_every_leaf_of_a_tree_of_any_size_is_proven_and_no_other_place(size: int):
    bodies = [f"record {number}" for number in range(size)]
    tree = Frontier()
    for body in bodies:
        tree.push(leaf_hash(body.encode()))

    proofs = paths([leaf_hash(body.encode()) for body in bodies], range(size))

    root = tree.root().hex()
    for place, body in enumerate(bodies):
        line = {"position": place, "path": list(proofs[place]), "body": body}
        assert is_in(line, size, root)
        assert not is_in({**line, "body": body + "!"}, size, root)
        assert not is_in({**line, "position": (place + 1) % size}, size, root) or size == 1
        assert not is_in({**line, "path": [*proofs[place], "00" * 32]}, size, root)
