"""Bank transfers: a list of payees becomes one file for the bank, once, and the bank's answer moves each payment on."""

import re
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from finops_core import files, operations, payouts
from finops_core.kernel.actor import worker_actor
from finops_core.operations import State
from finops_core.operations.engine import Begun
from finops_core.payouts import PayoutState, bank_transfers, running, service
from tests.operations.walks import code_of
from tests.payouts.walks import act, again, begin, resume, rows_of, run_of, states, violations
from tests.tampering import tamper
from tests.world import World

HEAD = "name,iban,bic,currency,amount,reference,street,building,post_code,town,country\n"
NORDLICHT = (
    "Nordlicht GmbH,DE02120300000000202051,BYLADEM1001,EUR,1250.00,Invoice 2026-114,Hafenstr.,12,20457,Hamburg,DE\n"
)
LUMEN = "Atelier Lumen,FR14 2004 1010 0505 0001 3M02 606,PSSTFRPPXXX,EUR,480.50,Invoice 77,,,13002,Marseille,FR\n"
TWO = HEAD + NORDLICHT + LUMEN
TRANSFERS = "payouts.bank_transfers"
NS = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


def approved(world: World, csv: str = TWO, **more: object) -> operations.ExecutionView:
    return world.approved(csv, operation=TRANSFERS, **more)


def outputs(world: World, execution_id: str) -> dict[str, bytes]:
    """The run's files, downloaded."""
    with world.desk.work(world.actor("ana")) as work:
        found = [each for each in files.of(work, "execution", execution_id) if each.role == files.OUTPUT]
        return {each.name: files.download(work, each.id).content for each in found}


def bank_file(world: World, execution_id: str) -> bytes:
    (content,) = [content for name, content in outputs(world, execution_id).items() if name.endswith(".xml")]
    return content


def paid_in(content: bytes) -> list[tuple[str, str, Decimal]]:
    """Payee, account and amount of each payment in a bank file, read by somebody else's parser."""
    root = ET.fromstring(content)  # noqa: S314 - our own file
    return [
        (
            each.findtext("p:Cdtr/p:Nm", "", NS),
            each.findtext("p:CdtrAcct/p:Id/p:IBAN", "", NS),
            Decimal(each.findtext("p:Amt/p:InstdAmt", "", NS)),
        )
        for each in root.iter(f"{{{NS['p']}}}CdtTrfTxInf")
    ]


def report(content: bytes, *told: tuple[str, str, str]) -> bytes:
    """The bank's status file about ours: (end-to-end id, status, reason)."""
    root = ET.fromstring(content)  # noqa: S314 - our own file
    message = root.findtext(".//p:GrpHdr/p:MsgId", "", NS)
    block = root.findtext(".//p:PmtInf/p:PmtInfId", "", NS)
    payments = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{end}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        + (f"<StsRsnInf><Rsn><Cd>{why}</Cd></Rsn></StsRsnInf>" if why else "")
        + "</TxInfAndSts>"
        for end, status, why in told
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>R1</MsgId><CreDtTm>2026-11-26T10:00:00</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        "</OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{block}</OrgnlPmtInfId>{payments}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


def end_to_end_ids(content: bytes) -> dict[str, str]:
    """Payee -> the id of their payment."""
    root = ET.fromstring(content)  # noqa: S314 - our own file
    return {
        each.findtext("p:Cdtr/p:Nm", "", NS): each.findtext("p:PmtId/p:EndToEndId", "", NS)
        for each in root.iter(f"{{{NS['p']}}}CdtTrfTxInf")
    }


def test_an_approved_list_becomes_one_file_with_exactly_these_payments(both: World):
    world = both
    seen = approved(world)
    assert seen.totals == {"EUR": 173_050}

    world.work_off()

    done = world.execution(seen.id)
    assert (done.state, done.message) == (State.COMPLETED, "2 of 2 payouts made.")
    content = bank_file(world, seen.id)
    assert sorted(paid_in(content)) == [
        ("Atelier Lumen", "FR1420041010050500013M02606", Decimal("480.50")),
        ("Nordlicht GmbH", "DE02120300000000202051", Decimal("1250.00")),
    ]
    assert f"<MsgId>TEST-{seen.number}</MsgId>".encode() in content
    assert violations(world) == {}


def test_nobody_sees_a_whole_bank_number_in_plan_or_rows(world: World):
    seen = approved(world)
    world.work_off()
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        plan = operations.plan(reading, seen.id)
        rows = payouts.rows(reading, seen.id)

    shown = f"{plan} {rows}"
    assert re.findall(r"DE02120300000000202051|FR14\s?2004", shown) == []
    assert [row.bank for row in rows] == ["Nordlicht GmbH •••• 2051", "Atelier Lumen •••• 2606"]


def test_every_row_that_a_bank_would_refuse_is_told_at_once(world: World):
    wrong = HEAD + (
        "Nordlicht GmbH,DE02120300000000202052,BYLADEM1001,EUR,1250.00,,,,,Hamburg,DE\n"
        "Atelier Lümen,FR1420041010050500013M02606,XX,EUR,480.50,,,,,Marseille,FR\n"
    )
    seen = world.planned(wrong, operation=TRANSFERS)

    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)

    assert seen.state is State.FAILED
    assert plan is not None
    assert {(fault.row, fault.code) for fault in plan.faults} == {
        (2, "BANK_IBAN_BAD"),
        (3, "BANK_CHARACTERS_BAD"),
        (3, "BANK_BIC_BAD"),
    }


def test_a_known_payee_with_another_account_is_marked_and_warned_of(world: World):
    approved(world)
    world.work_off()

    moved = NORDLICHT.replace("DE02120300000000202051", "DE89370400440532013000").replace("1250.00", "1300.00")
    seen = world.planned(HEAD + moved, operation=TRANSFERS)

    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    change = plan.rows[0].body["change"]
    assert (change["bank"], change["last_bank"]) == ("another", "Nordlicht GmbH •••• 2051")
    assert change["difference"] == "50.00"
    assert "another bank account before" in plan.warnings[0]


def test_a_new_payee_and_a_known_one_are_told_apart(world: World):
    approved(world, HEAD + NORDLICHT)
    world.work_off()

    seen = world.planned(TWO, operation=TRANSFERS)

    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert [row.body["change"]["bank"] for row in plan.rows] == ["same", "first"]


def test_a_run_that_died_after_writing_the_file_hands_out_the_same_one(both: World):
    # Given a run that wrote the file and died before anybody heard of it
    world = both
    seen = approved(world)
    begun = begin(world)
    bank_transfers.run(run_of(world, begun))
    # When it is resumed
    resume(world)
    # Then there is one file, and each order stands in it once
    assert world.execution(seen.id).state is State.COMPLETED
    content = bank_file(world, seen.id)
    assert len(paid_in(content)) == 2
    assert states(world, seen.id) == ["in_transit", "in_transit"] or states(world, seen.id) == ["created", "created"]
    assert violations(world) == {}


def left_in_doubt(world: World, begun: Begun) -> Path:
    """A run that died between storing its first order and hearing of it; gives what keeps the outbox unreadable."""
    run = run_of(world, begun)
    rail = bank_transfers.rail(run)
    outbox, _ = running.connect(run, rail)
    with run.unit() as work:
        order_of = running.ordering(rail, begun.execution.id, 1, "test")
        first, _ = service.prepare(work, begun.execution.id, 1, run.plan, outbox, order_of)
        sent = service.intend(work, first)
    outbox.submit(sent.account, service.body_of(run, sent), sent.key)
    folder = next((world.desk.settings.data_dir / "bank-files").rglob("*.order")).parent
    broken = folder / f"bf_{'0' * 32}.order"
    broken.write_bytes(b"nothing that was ever sealed")
    return broken


@pytest.mark.parametrize(
    ("stopped", "second", "end", "message"),
    [
        (False, "created", State.COMPLETED, "2 of 2 payouts made."),
        (True, "canceled", State.CANCELLED, "1 of 2 payouts made, 1 not sent."),
    ],
)
def test_an_order_that_was_in_doubt_leaves_in_its_file_once_it_is_found(
    both: World, stopped: bool, second: str, end: State, message: str
):
    # Given a run that died, was stopped or not, and ended without knowing of its first order, so without a file
    world = both
    seen = approved(world)
    broken = left_in_doubt(world, begin(world))
    if stopped:
        act(world, operations.cancel, seen.id)
    resume(world)
    assert (world.execution(seen.id).state, states(world, seen.id)) == (State.UNSETTLED, ["in_doubt", second])
    assert [name for name in outputs(world, seen.id) if name.endswith(".xml")] == []
    # When the outbox can be read again, and the next look-up finds the order
    broken.unlink()
    world.look_up()
    world.work_off()
    # Then the run came to its end, with the file of what was ordered
    done = world.execution(seen.id)
    assert (done.state, done.message) == (end, message)
    assert len(paid_in(bank_file(world, seen.id))) == 1 + (second == "created")
    assert violations(world) == {}


def test_the_banks_status_file_moves_each_payment_on(both: World):
    world = both
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    ids = end_to_end_ids(content)

    taken = payouts.take_bank_status(
        world.desk,
        world.actor("ana"),
        seen.id,
        "answer.xml",
        report(content, (ids["Nordlicht GmbH"], "ACSC", ""), (ids["Atelier Lumen"], "RJCT", "AC04")),
    )

    assert (taken.named, taken.moved, taken.faults) == (2, 2, ())
    first, second = rows_of(world, seen.id)
    assert (first.state, second.state) == (PayoutState.PAID, PayoutState.FAILED)
    assert second.error_code == "AC04"
    assert world.execution(seen.id).message == "1 of 2 payouts made, 1 came back."
    assert violations(world) == {}


def test_what_the_bank_refused_is_paid_by_a_retry_in_a_file_of_its_own(world: World):
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    answer = report(content, (end_to_end_ids(content)["Atelier Lumen"], "RJCT", "AC04"))
    payouts.take_bank_status(world.desk, world.actor("ana"), seen.id, "answer.xml", answer)

    act(world, payouts.retry, seen.id)
    done = again(world, seen.id)

    assert done.state is State.COMPLETED
    written = {name: paid_in(content) for name, content in outputs(world, seen.id).items() if name.endswith(".xml")}
    assert [len(paid) for _, paid in sorted(written.items())] == [2, 1]
    assert violations(world) == {}


@pytest.mark.parametrize("content", [b"", b"<html/>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"\x00\xff"])
def test_what_is_no_status_file_changes_nothing(world: World, content: bytes):
    seen = approved(world)
    world.work_off()

    taken = payouts.take_bank_status(world.desk, world.actor("ana"), seen.id, "answer.xml", content)

    assert taken.faults
    assert states(world, seen.id) == ["created", "created"]


def test_a_status_file_about_another_batch_changes_nothing(world: World):
    first = approved(world)
    world.work_off()
    content = bank_file(world, first.id)
    answer = report(content, (end_to_end_ids(content)["Atelier Lumen"], "RJCT", "AC04"))
    second = approved(world, HEAD + NORDLICHT.replace("1250.00", "99.00"))
    world.work_off()

    taken = payouts.take_bank_status(world.desk, world.actor("ana"), second.id, "answer.xml", answer)

    assert [fault.code for fault in taken.faults] == ["BANK_STATUS_NOT_OURS"]
    assert states(world, first.id) == ["created", "created"]


def test_only_who_prepares_payouts_brings_the_banks_answer(world: World):
    seen = approved(world)
    world.work_off()

    for who in ("ben", "eva", "adam"):
        said = code_of(payouts.take_bank_status, world.desk, world.actor(who), seen.id, "x.xml", b"<x/>")
        assert said == "NOT_ALLOWED"


def test_an_order_that_left_in_a_file_cannot_be_taken_back(world: World):
    seen = approved(world)
    world.work_off()

    act(world, payouts.ask_cancel, seen.id)
    world.work_off()

    assert "canceled" not in states(world, seen.id)
    assert [row.cancel_asked for row in rows_of(world, seen.id)] == [False, False]


def test_each_download_of_the_bank_file_is_counted(world: World):
    seen = approved(world)
    world.work_off()
    for _ in range(3):
        bank_file(world, seen.id)

    with world.desk.read(world.actor("eva")) as reading:
        found = {each.name: each.id for each in files.of(reading, "execution", seen.id)}
        counted = files.downloads(reading, list(found.values()))

    (xml,) = [counted[reference] for name, reference in found.items() if name.endswith(".xml")]
    assert xml == 3


def test_a_stored_file_that_was_exchanged_pays_nobody(world: World):
    other = world.planned(HEAD + NORDLICHT.replace("1250.00", "99.00"), operation=TRANSFERS)
    seen = approved(world)
    theirs = "(SELECT input_reference FROM execution WHERE id = :other)"
    tamper(
        world.desk.settings,
        f"UPDATE execution SET input_reference = {theirs} WHERE id = :id",
        other=other.id,
        id=seen.id,
    )

    world.work_off()

    view = world.execution(seen.id)
    assert (view.state, view.error_code) == (State.SUPERSEDED, "FILE_CHANGED")
    assert rows_of(world, seen.id) == ()
