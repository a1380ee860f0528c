"""The record an auditor takes away: it holds everything, checks itself without the desk, and shows any change."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from finops_core import audit, files, insight, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.audit import AuditFilter
from finops_core.audit.proofs import paths
from finops_core.audit.rules import Frontier, leaf_hash
from finops_core.insight import verify
from finops_core.insight.verify import CHANGED, UNPROVEN, WHOLE, is_in
from finops_core.kernel.actor import Via, system_actor, worker_actor
from finops_core.kernel.errors import NotAllowed, NotFound
from tests.desks import issued_token
from tests.payouts.test_bank_transfers import TRANSFERS, TWO
from tests.payouts.walks import act, again
from tests.world import World, company

PASSWORD = company()["password"]


def paid(world: World) -> str:
    """A payout with one row made and one refused, all of it sealed."""
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": "sek"}))
    seen = world.approved("currency,maximum\nUSD,10.00\nSEK,5.00\n")
    world.work_off()
    sealed(world)
    return seen.id


def sealed(world: World) -> None:
    with world.desk.work(worker_actor("")) as work:
        audit.seal(work, world.desk.settings.heads_dir)


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
        issued = issued_token(work, "ana", PASSWORD, ["run"], work.now + timedelta(days=1), "ci")
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

    assert code == WHOLE, told
    assert "15 of 15 audit records proven" in told
    assert "It cannot prove" in told, "it says what it does not prove"
    assert "All is" not in told


def test_the_zip_is_checked_as_it_is_and_its_hash_is_the_one_that_was_noted(world: World, tmp_path: Path):
    execution_id = paid(world)
    with world.desk.work(world.actor("eva")) as work:
        pack = insight.take_record(work, execution_id)
    (tmp_path / pack.name).write_bytes(pack.content)

    command = [sys.executable, "-I", verify.__file__, str(tmp_path / pack.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    with world.desk.read(world.actor("eva")) as reading:
        (noted,) = insight.records_taken(reading, execution_id)
    assert done.returncode == WHOLE, done.stdout + done.stderr
    assert noted.sha256 == pack.sha256
    assert f"SHA-256 of the ZIP: {noted.sha256}" in done.stdout
    assert f"SHA-256 of SHA256SUMS: {noted.sums}" in done.stdout


def test_what_came_of_every_kind_of_execution_is_proven(world: World, tmp_path: Path):
    # Given a total that needed no approval, a refused plan, a retry of what failed, and a bank file
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": "sek"}, times=1))
    totals = world.draft("amount,currency\n1.50,USD\n2,JPY\n", operation="reporting.csv_totals")
    world.work_off()
    with world.desk.work(world.actor("ana")) as work:
        operations.submit(work, totals.execution_id, operations.execution(work, totals.execution_id).plan_hash)
    refused = world.submitted("currency,maximum\nEUR,1.00\n")
    world.decide(refused, "rejected")
    partly = world.approved("currency,maximum\nUSD,10.00\nSEK,5.00\n")
    world.work_off()
    act(world, payouts.retry, partly.id)
    again(world, partly.id)
    bank = world.approved(TWO, operation=TRANSFERS).id
    world.work_off()
    sealed(world)

    # When the record of each is checked
    for number, execution_id in enumerate((totals.execution_id, refused.id, partly.id, bank)):
        place = tmp_path / str(number)
        unpacked(world, execution_id, place)
        code, told = verdict(place)

        # Then everything in it is proven
        assert code == WHOLE, told


def edit_file(folder: Path) -> None:
    next((folder / "files").iterdir()).write_bytes(b"currency,maximum\nUSD,99.00\n")


def edit_file_and_its_sum(folder: Path) -> None:
    edit_file(folder)
    _sums_anew(folder)


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


def lose_file_and_its_sum(folder: Path) -> None:
    """And a page with another amount, all sums written anew."""
    lost = next((folder / "files").iterdir())
    lost.unlink()
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(True) if lost.name not in line))
    edit_page(folder)
    _sums_anew(folder)


def lose_file_and_its_facts(folder: Path) -> None:
    """As if it had never been: the log knows of it."""
    record = json.loads((folder / "record.json").read_text())
    lost = record["files"].pop()
    (folder / lost["path"]).unlink()
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(True) if lost["path"] not in line))
    _written(folder, record)


def add_file(folder: Path) -> None:
    (folder / "files" / "invoice.pdf").write_bytes(b"never a part of it")


def add_file_and_its_sum(folder: Path) -> None:
    add_file(folder)
    with (folder / "SHA256SUMS").open("a") as sums:
        sums.write("0" * 64 + "  files/invoice.pdf\n")
    _sums_anew(folder)


def lose_all_sums(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text("")


def _written(folder: Path, record: dict) -> None:
    (folder / "record.json").write_text(json.dumps(record))
    _sums_anew(folder)


def total(record: dict) -> None:
    record["execution"]["totals"]["USD"] = "99.00"


def amount(record: dict) -> None:
    """Everywhere, and hashed as the plan's hash is: it is not the one that was agreed to."""
    row, paid = record["plan"]["rows"][0], record["payouts"][0]
    row["amount"] = paid["amount"] = "99.00"
    row["amount_minor"] = paid["amount_minor"] = 9900
    totals(record)["USD"] = record["execution"]["totals"]["USD"] = "99.00"
    record["approvals"][0]["amounts"] = ["5.00 SEK", "99.00 USD"]
    new = verify.plan_hash(record["execution"], record["plan"])
    old = record["plan"]["hash"]
    record["plan"]["hash"] = record["execution"]["plan_hash"] = new
    record["approvals"] = json.loads(json.dumps(record["approvals"]).replace(old, new))


def totals(record: dict) -> dict:
    return record["plan"]["totals"]


def amount_to_read(record: dict) -> None:
    record["plan"]["rows"][0]["amount"] = record["payouts"][0]["amount"] = "1000"


def approver(record: dict) -> None:
    record["approvals"][0]["decisions"][0]["person_id"] = record["made_by"]


def decision(record: dict) -> None:
    record["approvals"][0]["decisions"] = []


def preparer(record: dict) -> None:
    record["execution"]["requested_by"] = record["made_by"]


def payout_state(record: dict) -> None:
    record["payouts"][1]["state"] = "paid"


def payout_id(record: dict) -> None:
    record["payouts"][0]["provider_id"] = "po_another"


def planned_bank(record: dict) -> None:
    record["plan"]["rows"][0]["body"]["destination"] = "ba_another"


def payout_gone(record: dict) -> None:
    record["payouts"].pop()


def file_hash(record: dict) -> None:
    record["files"][0]["sha256"] = "0" * 64


def approval_of_another(record: dict) -> None:
    record["approvals"][0]["content_hash"] = "0" * 64


def no_plan(record: dict) -> None:
    record["plan"] = None


def strange(record: dict) -> None:
    del record["approvals"]


FACTS = [
    total,
    amount,
    amount_to_read,
    approver,
    decision,
    preparer,
    payout_state,
    payout_id,
    planned_bank,
    payout_gone,
    file_hash,
    approval_of_another,
    no_plan,
    strange,
]


def test_a_fact_that_the_log_tells_otherwise_is_found_though_the_sums_are_right(world: World, folder: Path):
    unpacked(world, paid(world), folder)

    for change in FACTS:
        forged = folder.with_name(change.__name__)
        shutil.copytree(folder, forged)
        record = json.loads((forged / "record.json").read_text())
        change(record)
        _written(forged, record)

        code, told = verdict(forged)
        assert code == CHANGED, (change.__name__, told)


def test_lines_that_are_not_proven_are_never_passed_over(world: World, folder: Path):
    # Given a record whose lines say nothing any more, and with another amount and another approver
    record = unpacked(world, paid(world), folder)
    amount(record)
    approver(record)
    for line in record["audit"]["records"]:
        line["position"] = None
    _written(folder, record)

    code, told = verdict(folder)

    # Then the auditor hears that nothing of it is proven
    assert code == UNPROVEN, told
    assert "0 of 15 audit records proven" in told
    assert "NOT PROVEN: AP-2026-0001 was approved by" in told
    assert "What the log can prove is proven" not in told


def test_what_was_not_sealed_yet_is_told_as_not_proven(world: World, folder: Path):
    seen = world.approved("currency,maximum\nUSD,10.00\n")
    unpacked(world, seen.id, folder)

    code, told = verdict(folder)

    assert code == UNPROVEN, told
    assert "was not sealed" in told


TAMPERED = [
    edit_file,
    edit_file_and_its_sum,
    edit_page,
    lose_file,
    lose_file_and_its_sum,
    lose_file_and_its_facts,
    lose_all_sums,
    add_file,
    add_file_and_its_sum,
    edit_audit,
    move_audit,
]


def test_whatever_is_changed_in_it_is_found(world: World, folder: Path):
    unpacked(world, paid(world), folder)

    for tamper in TAMPERED:
        changed = folder.with_name(tamper.__name__)
        shutil.copytree(folder, changed)
        tamper(changed)

        code, told = verdict(changed)
        assert code == CHANGED, (tamper.__name__, told)
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


def test_each_file_in_it_counts_as_downloaded_and_the_page_has_none(world: World):
    execution_id = paid(world)

    # When the record is gathered, which only reads, and then noted
    with world.desk.read(world.actor("eva")) as reading:
        pack = insight.gather_record(reading, execution_id)
        page = insight.gather_record_page(reading, execution_id)
    counts = []
    for taken in (pack, page):
        with world.desk.work(world.actor("eva")) as work:
            insight.record_taken(work, taken)
        with world.desk.read(world.actor("eva")) as reading:
            counts.append(sorted(files.downloads(reading, [file.id for file in pack.files]).values()))

    # Then the ZIP has counted once for each file, and the page for none
    assert counts == [[1, 1, 1], [1, 1, 1]]


def test_only_who_may_export_the_log_gets_one_and_only_of_what_they_may_see(world: World):
    execution_id = paid(world)

    for who in ("ana", "ben"):
        with pytest.raises(NotAllowed), world.desk.work(world.actor(who)) as work:
            insight.take_record(work, execution_id)
    with world.desk.read(world.actor("eva")) as reading:
        pack = insight.gather_record_page(reading, execution_id)
    with pytest.raises(NotAllowed), world.desk.work(world.actor("ana")) as work:
        insight.record_taken(work, pack)
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
