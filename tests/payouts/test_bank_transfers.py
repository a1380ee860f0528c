"""Bank transfers: a list of payees becomes one file for the bank, once, and the bank's answer moves each payment on."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import select

from finops_core import audit, connections, files, notifications, operations, payouts, security
from finops_core.adapters.bank_file.payouts import BankFilePayouts
from finops_core.answers.operations import plan as told_plan
from finops_core.commands import words
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.business_days import add_business_days
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.provider import Unknown
from finops_core.operations import State, engine
from finops_core.operations.engine import Begun
from finops_core.payouts import PayoutState, Verdict, bank_export, bank_transfers, running, service
from finops_core.payouts.models import payout_call
from tests.operations.walks import code_of
from tests.payouts.walks import act, again, begin, resume, row_as_stored, rows_of, run_of, states, violations
from tests.tampering import tamper
from tests.world import World
from ui import changes
from ui import plan as drawn
from ui.format import Format

HEAD = "name,iban,bic,currency,amount,reference,street,building,post_code,town,country\n"
NORDLICHT = (
    "Nordlicht GmbH,DE02120300000000202051,BYLADEM1001,EUR,1250.00,Invoice 2026-114,Hafenstr.,12,20457,Hamburg,DE\n"
)
LUMEN = "Atelier Lumen,FR14 2004 1010 0505 0001 3M02 606,PSSTFRPPXXX,EUR,480.50,Invoice 77,,,13002,Marseille,FR\n"
TWO = HEAD + NORDLICHT + LUMEN
SHOWN = Format()
TRANSFERS = "payouts.bank_transfers"
NS = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


def approved(world: World, csv: str = TWO, **more: object) -> operations.ExecutionView:
    return world.approved(csv, operation=TRANSFERS, **more)


def outputs(world: World, execution_id: str) -> dict[str, bytes]:
    """The run's files, downloaded."""
    with world.desk.work(world.actor("ana")) as work:
        found = [each for each in files.of(work, "execution", execution_id) if each.role == files.OUTPUT]
        return {each.name: files.download(work, each.id).content for each in found}


def written(world: World, execution_id: str) -> list[bytes]:
    """The bank files among them, oldest attempt first."""
    found = outputs(world, execution_id)
    return [content for name, content in sorted(found.items()) if name.endswith(".xml")]


def bank_file(world: World, execution_id: str) -> bytes:
    (content,) = written(world, execution_id)
    return content


def outbox_of(world: World) -> BankFilePayouts:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        credentials = connections.credentials(reading, connections.active(reading, bank_transfers.PROVIDER).id)
    outbox = world.desk.ports.provider(credentials)
    assert isinstance(outbox, BankFilePayouts)
    return outbox


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


def test_every_fault_is_told_at_the_upload_by_row_and_column_and_nothing_is_stored(world: World):
    wrong = HEAD + (
        "Nordlicht GmbH,DE02120300000000202052,BYLADEM1001,EUR,-5,,,,,Hamburg,XX\n"
        "Atelier Lümen,FR14 2004 1010 0505 0001 3M02 606,XX,EUR,480.505,,,,,Marseille,FR\n"
        "Ana Brito,us64svbkus6s3300958879,,USD,0,Für Sie,,,,Boston,us\n"
        "Ben Osei,GB82WEST12345698765432,,GBP,1.00,,,,,London,GB\n"
        "Eva Roth,DE02120300000000202052,,EUR,1.005,,,,,Hamburg,DE\n"
    )

    refused = world.draft(wrong, operation=TRANSFERS)

    assert isinstance(refused, operations.Refused)
    assert {(fault.row, fault.column, fault.value) for fault in refused.faults} == {
        (2, "iban", "DE02120300000000202052"),
        (2, "amount", "-5"),
        (2, "country", "XX"),
        (3, "name", "Atelier Lümen"),
        (3, "bic", "XX"),
        (3, "amount", "480.505"),
        (4, "iban", "us64svbkus6s3300958879"),
        (4, "amount", "0"),
        (4, "reference", "Für Sie"),
        (5, "bic", ""),
        (6, "iban", "DE02120300000000202052"),
        (6, "amount", "1.005"),
    }
    assert "ü (U+00FC)" in next(fault.message for fault in refused.faults if fault.column == "name")
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        assert operations.executions(reading, operations.ExecutionFilter()).total == 0
        assert files.page(reading, files.FileFilter()).total == 0


def test_the_plan_looks_once_more_at_what_only_our_own_account_tells(world: World):
    much = HEAD + NORDLICHT.replace("1250.00", "1000000000.00")

    seen = world.planned(much, operation=TRANSFERS)

    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert seen.state is State.FAILED
    assert [(fault.row, fault.code, fault.column) for fault in plan.faults] == [(2, "BANK_AMOUNT_BAD", "amount")]


def test_the_plan_says_which_account_of_ours_is_debited_and_pays_nothing_to_it(world: World):
    ours = NORDLICHT.replace("DE02120300000000202051", "DE89 3704 0044 0532 0130 00")

    seen, itself = (world.planned(HEAD + row, operation=TRANSFERS) for row in (NORDLICHT, ours))

    with world.desk.read(world.actor("ana")) as reading:
        plan, wrong = operations.plan(reading, seen.id), operations.plan(reading, itself.id)
    assert plan is not None
    assert wrong is not None
    assert [row.body["debited"] for row in plan.rows] == ["Harbour Labs Inc •••• 3000"]
    assert "Paid from" in drawn.paid_from(plan.rows)
    assert "3000" in drawn.paid_from(plan.rows)
    assert itself.state is State.FAILED
    assert [(fault.row, fault.code, fault.column) for fault in wrong.faults] == [(2, "BANK_PAYEE_OURS", "iban")]


@pytest.mark.parametrize("anew", [False, True], ids=["one connection", "a connection retired and added anew"])
def test_a_known_payee_with_another_account_is_marked_and_warned_of(world: World, anew: bool):
    approved(world)
    world.work_off()
    if anew:
        another_connection(world)

    moved = NORDLICHT.replace("DE02120300000000202051", "DE75512108001245126199").replace("1250.00", "1300.00")
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


def test_the_days_of_a_plan_are_those_of_the_organisation(timed: World):
    # Given half past ten in the evening in New York, when it is tomorrow in UTC
    world, now = timed, timed.desk.ports.clock.now()
    world.advance(datetime.combine(now.date() + timedelta(days=2), time(3, 30), UTC) - now)
    day = (now + timedelta(days=1)).date()
    approved(world, HEAD + NORDLICHT)
    world.work_off()

    # When the next list is planned that evening
    seen = world.planned(TWO, operation=TRANSFERS)

    # Then the last payment was today, and the next is for the next working day
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert plan.rows[0].body["change"]["last_on"] == day.isoformat()
    assert plan.rows[0].body["execute_on"] == add_business_days(day, 1, "DE").isoformat()


@pytest.mark.parametrize("weekday", [3, 5])
def test_the_plan_tells_the_day_of_arrival_that_the_run_gives(timed: World, weekday: int):
    # Given noon of a Thursday, or of a Saturday, and no execution date
    world, now = timed, timed.desk.ports.clock.now()
    day = now.date() + timedelta(days=(weekday - now.weekday()) % 7 + 7)
    world.advance(datetime.combine(day, time(12), UTC) - now)

    # When a list is planned, approved and run
    seen = approved(world)
    begun = begin(world)
    bank_transfers.run(run_of(world, begun))

    # Then the arrival is that of the plan, a weekday after the bank is asked to pay
    assert begun.plan is not None
    body = begun.plan.rows[0].body
    execute_on = add_business_days(day, 1, "DE")
    assert body["execute_on"] == execute_on.isoformat()
    assert body["arrival_on"] == add_business_days(execute_on, 1, "").isoformat()
    assert {row.arrival_on for row in rows_of(world, seen.id)} == {body["arrival_on"]}
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert drawn._transfer_row(plan.rows[0], SHOWN, drawn.NOTHING_SINCE)[-2:] == (
        body["execute_on"],
        body["arrival_on"],
    )
    said = words.plan(told_plan(plan))
    assert body["arrival_on"] in said.splitlines()[1]
    assert f"; the bank is asked to pay on {body['execute_on']}" in said


def test_a_plan_of_before_leaves_on_the_day_that_was_agreed_to(world: World):
    seen, begun = orders_without_a_file(world)
    assert begun.plan is not None
    day = (world.desk.ports.clock.now().date() + timedelta(days=30)).isoformat()
    body = {name: told for name, told in begun.plan.rows[0].body.items() if name != "execute_on"} | {"arrival_on": day}
    rows = (replace(begun.plan.rows[0], body=body), *begun.plan.rows[1:])

    bank_export.release(run_of(world, replace(begun, plan=replace(begun.plan, rows=rows))), outbox_of(world))

    root = ET.fromstring(outbox_of(world).exported(f"TEST-{seen.number}"))  # noqa: S314 - our own file
    assert root.findtext(".//p:ReqdExctnDt/p:Dt", "", NS) == day
    assert drawn._days(body) == (day, "")


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
    assert states(world, seen.id) == ["in_transit", "in_transit"]
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


def test_an_order_that_was_in_doubt_leaves_in_its_file_once_it_is_found(both: World):
    # Given a run that died, and ended without knowing of its first order, so without a file
    world = both
    seen = approved(world)
    broken = left_in_doubt(world, begin(world))
    resume(world)
    assert (world.execution(seen.id).state, states(world, seen.id)) == (State.UNSETTLED, ["in_doubt", "created"])
    assert written(world, seen.id) == []
    # When the outbox can be read again, and the next look-up finds the order
    broken.unlink()
    world.look_up()
    world.work_off()
    # Then the run came to its end, with the file of what was ordered
    done = world.execution(seen.id)
    assert (done.state, done.message) == (State.COMPLETED, "2 of 2 payouts made.")
    assert len(paid_in(bank_file(world, seen.id))) == 2
    assert violations(world) == {}


def stopped(world: World, seen: operations.ExecutionView) -> None:
    act(world, operations.cancel, seen.id)


def aged(world: World, _seen: operations.ExecutionView) -> None:
    world.advance(timedelta(seconds=world.desk.settings.approval_expires_s + 60))


def approver_left(world: World, _seen: operations.ExecutionView) -> None:
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        security.set_active(work, world.people["ben"], active=False)


def operation_changed(world: World, seen: operations.ExecutionView) -> None:
    tamper(world.desk.settings, "UPDATE execution SET operation_version = '0.9.0' WHERE id = :id", id=seen.id)


def plan_changed(world: World, seen: operations.ExecutionView) -> None:
    theirs = "(SELECT id FROM execution_plan WHERE execution_id = :id)"
    tamper(
        world.desk.settings,
        f"UPDATE execution_plan_row SET amount_minor = amount_minor - 1 WHERE row_no = 2 AND plan_id IN {theirs}",
        id=seen.id,
    )


Befall = Callable[[World, operations.ExecutionView], None]
VOID: list[tuple[Befall, State]] = [
    (stopped, State.CANCELLED),
    (aged, State.FAILED),
    (approver_left, State.FAILED),
    (operation_changed, State.FAILED),
    (plan_changed, State.FAILED),
]


@pytest.mark.parametrize(("befell", "end"), VOID)
def test_no_file_leaves_once_what_was_agreed_to_holds_no_more(timed: World, befell: Befall, end: State):
    # Given a run that ended without knowing of its first order, so without a file
    world = timed
    seen = approved(world)
    broken = left_in_doubt(world, begin(world))
    resume(world)
    # When it is stopped, or its approval does not hold any more, and then the order is found
    if befell is stopped:
        tamper(world.desk.settings, "UPDATE execution SET stop_requested = 1, stopped_at = ended_at")
    else:
        befell(world, seen)
    broken.unlink()
    world.look_up()
    world.work_off()
    # Then no file has left, and none ever can: every order is taken back for ever
    assert world.execution(seen.id).state is end
    assert written(world, seen.id) == []
    assert states(world, seen.id) == ["canceled", "canceled"]
    assert outbox_of(world).waiting() == outbox_of(world).exports() == ()


def connection_changed(world: World, _seen: operations.ExecutionView) -> None:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        ours = connections.active(reading, bank_transfers.PROVIDER)
        debtor = json.loads(connections.credentials(reading, ours.id).secret)
    with world.desk.work(world.actor("adam")) as work:
        connections.replace_secret(work, ours.id, json.dumps({**debtor, "name": "Somebody Else"}))


@pytest.mark.parametrize(("befell", "end"), [*VOID, (connection_changed, State.FAILED)])
def test_no_file_leaves_when_that_happens_just_before_it_is_written(timed: World, befell: Befall, end: State):
    # Given a run whose orders are all stored
    world = timed
    seen = approved(world)
    begun = begin(world)
    running.carry_out(run_of(world, begun), bank_transfers.rail(run_of(world, begun)))
    assert len(outbox_of(world).waiting()) == 2
    # When it is stopped, or its approval does not hold any more, before the file is written
    befell(world, seen)
    released = bank_export.release(run_of(world, begun), outbox_of(world))
    # Then none is written, and the run ends so
    assert released == ()
    assert states(world, seen.id) == ["canceled", "canceled"]
    assert outbox_of(world).waiting() == outbox_of(world).exports() == ()
    resume(world)
    assert world.execution(seen.id).state is end
    assert written(world, seen.id) == []


def test_a_file_that_left_in_time_is_handed_out_after_a_stop(both: World):
    # Given a run that wrote the file and died before anybody heard of it
    world = both
    seen = approved(world)
    bank_transfers.run(run_of(world, begin(world)))
    # When a stop comes, too late, before it is resumed
    stopped(world, seen)
    resume(world)
    # Then people have the file that left, and the payouts stand as on their way
    assert len(paid_in(bank_file(world, seen.id))) == 2
    assert states(world, seen.id) == ["in_transit", "in_transit"]
    assert violations(world) == {}


def test_an_order_that_somebody_took_back_does_not_leave_with_the_others(world: World):
    seen = approved(world)
    begun = begin(world)
    running.carry_out(run_of(world, begun), bank_transfers.rail(run_of(world, begun)))
    outbox_of(world).cancel("", rows_of(world, seen.id)[0].provider_id, "taken-back")

    resume(world)

    assert [name for name, *_ in paid_in(bank_file(world, seen.id))] == ["Atelier Lumen"]
    assert states(world, seen.id) == ["canceled", "in_transit"]
    assert violations(world) == {}


@pytest.mark.parametrize(("check", "befell"), [("payouts.I9", "stopped_at = started_at"), ("payouts.I11", "")])
def test_the_standing_checks_see_a_file_that_left_too_late(timed: World, check: str, befell: str):
    world = timed
    seen = approved(world)
    world.work_off()
    assert violations(world) == {}

    if befell:
        tamper(world.desk.settings, f"UPDATE execution SET {befell} WHERE id = :id", id=seen.id)
    late = world.desk.ports.clock.now() + timedelta(seconds=world.desk.settings.approval_expires_s + 60)
    # As of a run that noted its file, died, and let one of its orders leave when it was resumed.
    rest = "payout_id, kind, outcome, told, request_id, duration_ms, fence, body_hash FROM payout_call"
    tamper(
        world.desk.settings,
        "INSERT INTO payout_call (org_id, id, at, payout_id, kind, outcome, told, request_id, duration_ms, fence, "
        f"body_hash) SELECT org_id, 'call_late', :late, {rest} WHERE kind = 'export' LIMIT 1",
        late=late.isoformat(),
    )

    assert check in violations(world)


def test_the_banks_status_file_moves_each_payment_on(both: World):
    world = both
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    ids = end_to_end_ids(content)

    taken = payouts.take_bank_status(
        world.desk,
        world.actor("ben"),
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
    payouts.take_bank_status(world.desk, world.actor("ben"), seen.id, "answer.xml", answer)

    act(world, payouts.retry, seen.id)
    done = again(world, seen.id)

    assert done.state is State.COMPLETED
    assert [len(paid_in(content)) for content in written(world, seen.id)] == [2, 1]
    assert violations(world) == {}


@pytest.mark.parametrize("content", [b"", b"<html/>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"\x00\xff"])
def test_what_is_no_status_file_changes_nothing(world: World, content: bytes):
    seen = approved(world)
    world.work_off()

    taken = payouts.take_bank_status(world.desk, world.actor("ben"), seen.id, "answer.xml", content)

    assert taken.faults
    assert states(world, seen.id) == ["in_transit", "in_transit"]


def test_a_status_file_about_another_batch_changes_nothing(world: World):
    first = approved(world)
    world.work_off()
    content = bank_file(world, first.id)
    answer = report(content, (end_to_end_ids(content)["Atelier Lumen"], "RJCT", "AC04"))
    second = approved(world, HEAD + NORDLICHT.replace("1250.00", "99.00"))
    world.work_off()

    taken = payouts.take_bank_status(world.desk, world.actor("ben"), second.id, "answer.xml", answer)

    assert [fault.code for fault in taken.faults] == ["BANK_STATUS_NOT_OURS"]
    assert states(world, first.id) == ["in_transit", "in_transit"]


def test_the_banks_answer_is_brought_by_somebody_who_settles_and_did_not_prepare(world: World):
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    answer = report(content, (end_to_end_ids(content)["Atelier Lumen"], "RJCT", "AC04"))

    def said(who: str) -> str:
        return code_of(payouts.take_bank_status, world.desk, world.actor(who), seen.id, "x.xml", answer)

    assert [said(who) for who in ("ana", "eva", "adam")] == ["NOT_ALLOWED"] * 3
    tamper(
        world.desk.settings,
        "UPDATE execution SET requested_by = :ben WHERE id = :id",
        ben=world.people["ben"],
        id=seen.id,
    )
    assert said("ben") == "NOT_THE_PREPARER"
    assert states(world, seen.id) == ["in_transit", "in_transit"]
    taken = payouts.take_bank_status(world.desk, world.actor("carla"), seen.id, "x.xml", answer)
    assert (taken.named, taken.moved) == (1, 1)


def test_orders_whose_file_was_never_written_can_be_taken_back_and_paid_by_a_retry(world: World):
    # Given a run that broke off for good after its orders were stored
    seen = broken_off(world)
    with world.desk.read(world.actor("ana")) as reading:
        assert payouts.remedies(reading, world.execution(seen.id)).may_take_back
    # When its preparer takes them back and retries
    assert act(world, payouts.ask_cancel, seen.id) == 2
    world.work_off()
    assert states(world, seen.id) == ["canceled", "canceled"]
    act(world, payouts.retry, seen.id)
    assert again(world, seen.id).state is State.COMPLETED
    # Then one file has left, of the second attempt, and nothing of it can be taken back any more
    assert [len(paid_in(content)) for content in written(world, seen.id)] == [2]
    with world.desk.read(world.actor("ana")) as reading:
        assert not payouts.remedies(reading, world.execution(seen.id)).may_take_back
    assert violations(world) == {}


def test_an_order_that_left_in_a_file_cannot_be_taken_back(world: World):
    seen = approved(world)
    world.work_off()

    assert code_of(act, world, payouts.ask_cancel, seen.id) == "NOTHING_TO_CANCEL"
    assert states(world, seen.id) == ["in_transit", "in_transit"]


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


@pytest.mark.parametrize("who", ["dan", "eva", "carla"])
def test_who_prepares_nothing_does_not_take_the_bank_file_and_that_they_tried_is_recorded(world: World, who: str):
    seen = approved(world)
    world.work_off()
    with world.desk.read(world.actor(who)) as reading:
        stored = files.of(reading, "execution", seen.id)
        (xml,) = [each.id for each in stored if each.name.endswith(".xml")]
        (csv,) = [each.id for each in stored if each.name.endswith("result-1.csv") or each.name.endswith("result.csv")]

    assert code_of(act, world, files.download, xml, who=who) == "NOT_ALLOWED"
    assert code_of(act, world, files.download_all, [csv, xml], who=who) == "NOT_ALLOWED"

    act(world, files.download, csv, who=who)
    with world.desk.read(world.actor("eva")) as reading:
        assert files.downloads(reading, [xml]) == {}
        assert files.payable(reading, "execution", seen.id)[0].downloads == 0
        refused = audit.records(reading, audit.AuditFilter(verb="access.denied")).rows
    assert world.people[who] in {row.actor for row in refused}


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


def test_a_bank_that_contradicts_itself_keeps_its_payment_from_being_paid_again(both: World):
    # Given a payment that the bank refused
    world = both
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    payment = end_to_end_ids(content)["Nordlicht GmbH"]

    def told(status: str, why: str = "") -> payouts.StatusTaken:
        answer = report(content, (payment, status, why))
        return payouts.take_bank_status(world.desk, world.actor("ben"), seen.id, f"{status}.xml", answer)

    told("RJCT", "AC04")
    # When the bank says that it was paid
    assert told("ACSC").moved == 1
    # Then it waits for a person, those who may settle it are told, and it cannot be paid again meanwhile
    assert states(world, seen.id) == ["needs_review", "in_transit"]
    assert world.execution(seen.id).state is State.UNSETTLED
    assert code_of(act, world, payouts.retry, seen.id) == "STILL_IN_DOUBT"
    with world.desk.read(world.actor("carla")) as reading:
        kinds = [each.kind for each in notifications.unread(reading)]
    assert [kind for kind in kinds if kind.startswith("payout.")] == ["payout.review"]
    assert violations(world) == {}
    # And when somebody has asked the bank and settled it, the bank's next answer counts again
    act(world, payouts.resolve, rows_of(world, seen.id)[0].id, Verdict.EXISTS, "", "Called the bank.", who="carla")
    world.work_off()
    assert states(world, seen.id) == ["in_transit", "in_transit"]
    told("ACSC")
    assert states(world, seen.id) == ["paid", "in_transit"]
    assert world.execution(seen.id).state is State.COMPLETED
    assert len(written(world, seen.id)) == 1
    assert violations(world) == {}


def test_a_first_attempt_that_was_paid_after_all_is_told_and_blocks_a_third(world: World):
    # Given a payment that was refused, paid again, and refused again
    seen = approved(world, HEAD + NORDLICHT)
    world.work_off()
    first = bank_file(world, seen.id)

    def told(content: bytes, status: str, why: str = "") -> None:
        (payment,) = end_to_end_ids(content).values()
        answer = report(content, (payment, status, why))
        assert payouts.take_bank_status(world.desk, world.actor("ben"), seen.id, "answer.xml", answer).moved == 1

    told(first, "RJCT", "AC04")
    act(world, payouts.retry, seen.id)
    again(world, seen.id)
    told(written(world, seen.id)[1], "RJCT", "AC04")
    # When the bank says that the first one was paid
    told(first, "ACSC")
    # Then its row is not tried a third time, and it can be settled
    assert code_of(act, world, payouts.retry, seen.id) == "STILL_IN_DOUBT"
    with world.desk.read(world.actor("carla")) as reading:
        assert payouts.remedies(reading, world.execution(seen.id)).may_settle


def test_the_same_payment_twice_in_a_file_is_warned_of(world: World):
    other = NORDLICHT.replace("2026-114", "2026-115")

    seen = world.planned(HEAD + NORDLICHT + LUMEN + NORDLICHT + other, operation=TRANSFERS)

    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    (warning,) = plan.warnings
    assert warning.startswith("Row 3 pays what row 1 pays: Nordlicht GmbH, 1250.00 EUR, with the same reference.")


def test_a_payment_that_the_bank_refused_makes_no_payee_known(world: World):
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    answer = report(content, (end_to_end_ids(content)["Nordlicht GmbH"], "RJCT", "AC01"))
    payouts.take_bank_status(world.desk, world.actor("ben"), seen.id, "answer.xml", answer)

    later = world.planned(TWO.replace("1250.00", "1251.00"), operation=TRANSFERS)

    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, later.id)
    assert plan is not None
    assert [row.body["change"]["bank"] for row in plan.rows] == ["first", "same"]


def take(world: World, execution_id: str, content: bytes, who: str = "ben", name: str = "x.xml") -> payouts.StatusTaken:
    """The bank's answer, brought by somebody."""
    return payouts.take_bank_status(world.desk, world.actor(who), execution_id, name, content)


def logged(world: World, execution_id: str, verb: str) -> list[audit.AuditView]:
    """The log's records of a kind about an execution."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return [each for each in audit.of_object(reading, f"execution:{execution_id}") if each.verb == verb]


def test_the_log_says_who_brought_which_answer_of_the_bank_and_what_was_in_it(world: World):
    # Given a bank file, something that is no answer, and one about one of its two payments
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    answer = report(content, (end_to_end_ids(content)["Atelier Lumen"], "RJCT", "AC04"))
    # When both are brought
    take(world, seen.id, b"<html/>")
    take(world, seen.id, answer, name="answer.xml")
    # Then the log tells them apart
    (refused,) = logged(world, seen.id, "payouts.bank_status_refused")
    (taken,) = logged(world, seen.id, "payouts.bank_status_taken")
    assert (refused.actor, taken.actor) == (world.people["ben"], world.people["ben"])
    assert refused.detail == {"number": seen.number, "faults": 1, "payments": 0}
    assert taken.detail == {"number": seen.number, "faults": 0, "payments": 1}
    assert (refused.after, taken.after) == ("", hashlib.sha256(answer).hexdigest())
    # and the answer, but nothing else, is kept beside the bank file, for its preparer too
    with world.desk.read(world.actor("ana")) as reading:
        kept = [each for each in files.of(reading, "execution", seen.id) if each.role == files.STATUS]
    assert [(each.name, each.sha256) for each in kept] == [("answer.xml", taken.after)]


def test_an_answer_that_is_brought_twice_or_late_moves_nothing_back(world: World):
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    payment = end_to_end_ids(content)["Nordlicht GmbH"]
    pending, paid = report(content, (payment, "PDNG", "")), report(content, (payment, "ACSC", ""))

    taken = [take(world, seen.id, each) for each in (paid, paid, pending)]

    assert [(each.named, each.moved, each.faults) for each in taken] == [(1, 1, ()), (1, 0, ()), (1, 0, ())]
    assert states(world, seen.id) == ["paid", "in_transit"]
    assert violations(world) == {}


def test_why_the_bank_refused_stands_at_the_payment_in_its_code_and_in_words(world: World):
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    ids = end_to_end_ids(content)
    answer = report(content, (ids["Nordlicht GmbH"], "RJCT", ""), (ids["Atelier Lumen"], "RJCT", "AC04"))

    take(world, seen.id, answer.replace(b"</Rsn>", b"</Rsn><AddtlInf>Since May.</AddtlInf>"))

    assert [(row.error_code, row.error_message) for row in rows_of(world, seen.id)] == [
        ("RJCT", "The bank returned it."),
        ("AC04", "The account is closed. Since May."),
    ]


def test_the_plan_of_a_retry_says_why_the_bank_refused_each_row_and_compares_it_with_nothing_else(world: World):
    # Given a payment the bank refused, and another batch that paid its payee something else
    seen = approved(world)
    world.work_off()
    content = bank_file(world, seen.id)
    answer = report(content, (end_to_end_ids(content)["Atelier Lumen"], "RJCT", "AC04"))
    take(world, seen.id, answer)
    approved(world, HEAD + LUMEN.replace("480.50", "99.00"))
    world.work_off()
    # When it is retried
    act(world, payouts.retry, seen.id)
    world.work_off()
    # Then the plan says why it failed, in the bank's words, and that its account is the one that was approved
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    (row,) = plan.rows
    assert row.body["change"] == {
        "bank": "same",
        "retry_of": "1",
        "failed": "AC04",
        "why": "The account is closed.",
    }
    assert "Tried again" in changes.cell(row, SHOWN)
    assert "attempt 1: The account is closed." in changes.cell(row, SHOWN)
    assert changes.summary(plan.rows, SHOWN) == ""


def test_an_execution_that_wrote_no_bank_file_takes_no_answer_of_a_bank(world: World):
    seen = approved(world)
    world.work_off()
    answer = bank_file(world, seen.id)
    by_stripe = world.approved("currency,maximum\nUSD,100.00\n")
    unpaid = approved(world, HEAD + NORDLICHT.replace("1250.00", "99.00"))
    assert rows_of(world, unpaid.id) == ()

    for each in (by_stripe, unpaid):
        assert code_of(take, world, each.id, answer) == "PROVIDER_UNKNOWN"


def test_a_late_answer_is_held_against_the_connection_its_file_was_written_through(world: World):
    # Given a payment the bank refused, and its retry through a new connection
    seen = approved(world, HEAD + NORDLICHT)
    world.work_off()
    first = bank_file(world, seen.id)
    (payment,) = end_to_end_ids(first).values()
    take(world, seen.id, report(first, (payment, "RJCT", "AC04")))
    another_connection(world)
    act(world, payouts.retry, seen.id)
    assert again(world, seen.id).state is State.COMPLETED
    # When the bank has the second file, and says of the first one that it was paid after all
    second = written(world, seen.id)[1]
    (another,) = end_to_end_ids(second).values()
    assert take(world, seen.id, report(second, (another, "RCVD", ""))).named == 1
    taken = take(world, seen.id, report(first, (payment, "ACSC", "")))
    # Then somebody has to look
    assert (taken.named, taken.moved, taken.faults) == (1, 1, ())
    with world.desk.read(world.actor("carla")) as reading:
        assert payouts.remedies(reading, world.execution(seen.id)).may_settle


def another_connection(world: World) -> None:
    """The old connection for bank files is retired, and the account gets a new one."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        old = connections.active(reading, bank_transfers.PROVIDER).id
        secret = connections.credentials(reading, old).secret
    with world.desk.work(world.actor("adam")) as work:
        connections.retire(work, old)
        connections.add(work, provider=bank_transfers.PROVIDER, name="Anew", secret=secret)


def orders_without_a_file(world: World, **more: object) -> tuple[operations.ExecutionView, Begun]:
    """A run whose orders are all stored, just before its file is written."""
    seen = approved(world, **more)
    begun = begin(world)
    running.carry_out(run_of(world, begun), bank_transfers.rail(run_of(world, begun)))
    return seen, begun


def broken_off(world: World, **more: object) -> operations.ExecutionView:
    """A run that broke off for good after its orders were stored, and before its file was written."""
    seen, begun = orders_without_a_file(world, **more)
    break_off(world, begun)
    return world.execution(seen.id)


def break_off(world: World, begun: Begun) -> None:
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        engine.fail(work, begun, engine.interrupted(begun.execution, "for the test"), State.INTERRUPTED)


def calls(world: World, payout_id: str, kind: str) -> list[tuple[str, str, int]]:
    """The calls of a kind about a payout: what came of each, what it told, and under which fence."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        mine = payout_call.c.org_id == reading.org_id, payout_call.c.payout_id == payout_id
        found = reading.rows(select(payout_call).where(*mine, payout_call.c.kind == kind).order_by(payout_call.c.id))
        return [(call.outcome, call.told, call.fence) for call in found]


def test_each_order_says_in_which_file_it_left_and_the_file_says_the_day_that_was_planned(world: World):
    seen, begun = orders_without_a_file(world)
    resume(world)

    for row in rows_of(world, seen.id):
        ((outcome, told, fence),) = calls(world, row.id, "export")
        assert (outcome, told) == ("intended", f"TEST-{seen.number}")
        assert fence > begun.claim.fence
    assert begun.plan is not None
    root = ET.fromstring(bank_file(world, seen.id))  # noqa: S314 - our own file
    assert root.findtext(".//p:ReqdExctnDt/p:Dt", "", NS) == begun.plan.rows[0].body["execute_on"]


def test_each_order_that_is_taken_back_for_its_run_says_why(timed: World):
    world = timed
    seen, begun = orders_without_a_file(world)
    stopped(world, seen)
    world.advance(timedelta(minutes=1))

    bank_export.release(run_of(world, begun), outbox_of(world))

    why = "Stopped before its bank file was written."
    for row in rows_of(world, seen.id):
        assert (row.error_code, row.error_message) == (service.CALLED_OFF, why)
        assert calls(world, row.id, "cancel") == [("canceled", why, begun.claim.fence)]
    assert violations(world) == {}


class Stuck:
    """An outbox that gives no clear answer to who wants to take an order back."""

    def __init__(self, outbox: BankFilePayouts) -> None:
        self._outbox = outbox

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)

    def cancel(self, *_order: str) -> Unknown:
        return Unknown("The outbox cannot be used now.")


def test_while_an_order_cannot_be_taken_back_it_is_not_said_to_be_and_is_tried_again(world: World):
    # Given a run that was stopped before its file was written, and an outbox that cannot be used
    seen, begun = orders_without_a_file(world)
    stopped(world, seen)
    # When its file may not leave, then no order is said to be taken back
    with pytest.raises(Unavailable):
        bank_export.release(run_of(world, begun), Stuck(outbox_of(world)))
    assert states(world, seen.id) == ["created", "created"]
    # and the next run does it
    resume(world)
    assert states(world, seen.id) == ["canceled", "canceled"]
    assert outbox_of(world).waiting() == outbox_of(world).exports() == ()


def test_orders_are_taken_back_by_those_near_them_and_can_never_leave_in_a_file_again(world: World):
    # Given orders that wait without a file
    seen = broken_off(world)
    outbox = outbox_of(world)
    waiting = outbox.waiting()
    assert [code_of(act, world, payouts.ask_cancel, seen.id, who=who) for who in ("eva", "dan")] == ["NOT_ALLOWED"] * 2
    # When their approver has them taken back
    assert act(world, payouts.ask_cancel, seen.id, reason="wrong list", who="ben") == 2
    assert code_of(act, world, payouts.retry, seen.id) == "NOTHING_TO_RETRY"
    world.work_off()
    # Then the log says who asked, why, and for which row, and what came of it
    for row in rows_of(world, seen.id):
        with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
            asked, canceled = audit.of_object(reading, f"payout:{row.id}")[-2:]
        told = {"execution": seen.id, "row": row.row_no}
        assert (asked.verb, asked.actor, asked.detail) == (
            "payout.cancel_asked",
            world.people["ben"],
            {**told, "reason": "wrong list"},
        )
        assert (canceled.verb, canceled.detail) == ("payout.canceled", {**told, "from": "created", "to": "canceled"})
        assert asked.before == canceled.before == canceled.after == row_as_stored(world, seen.id, row.row_no).row_hash
        assert calls(world, row.id, "cancel") == [("canceled", "", 0)]
    # and no file can be written of them
    day = world.desk.ports.clock.now().date()
    assert code_of(outbox.export, waiting, "TEST-LATE", world.desk.ports.clock.now(), day) == "BANK_ORDER_CANCELED"
    assert outbox.waiting() == outbox.exports() == ()
