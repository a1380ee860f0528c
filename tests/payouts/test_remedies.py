"""What screens offer about payouts: how they stand, what can be done and by whom, what is known of one."""

import csv
import io
from typing import Any

import openpyxl
import pytest

from finops_core import audit, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.audit import AuditFilter
from finops_core.kernel.actor import worker_actor
from finops_core.operations import PlanRowView, State
from finops_core.payouts import (
    CSV,
    TIE_OUT_CSV,
    XLSX,
    Differences,
    PayoutFilter,
    PayoutState,
    Remedies,
    Standing,
    StepKind,
    Tie,
    TieOut,
    Verdict,
    service,
)
from tests.operations.walks import code_of
from tests.payouts.walks import HARBOUR, act, row_as_stored, rows_of, states
from tests.world import World

THREE = "currency,maximum\nUSD,100.00\nEUR,50.00\nGBP,25.00\n"


def open_to(world: World, who: str, execution_id: str) -> Remedies:
    with world.desk.read(world.actor(who)) as reading:
        return payouts.remedies(reading, operations.execution(reading, execution_id))


def offers(found: Remedies) -> set[str]:
    names = ("may_retry", "may_send_on", "may_take_back", "may_settle")
    return {name for name in names if getattr(found, name)}


def one_of_each(world: World) -> str:
    """A batch of which the first row was made, the second was refused, and the third is in doubt."""
    seen = world.approved(THREE)
    world.sandbox.control.fault(
        Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": "eur"}),
        Fault(FaultKind.RESET_BEFORE, where={"currency": "gbp"}, times=50),
    )
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    assert states(world, seen.id) == ["created", "rejected", "in_doubt"]
    return seen.id


def needs_review(world: World, execution_id: str, row_no: int = 3) -> str:
    """The row is left to a person; its id."""
    row = row_as_stored(world, execution_id, row_no)
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        service.review(work, row, "for the test")
    return row.id


def test_a_batch_is_counted_and_summed_by_what_became_of_it(both: World):
    execution_id = one_of_each(both)

    found = open_to(both, "ana", execution_id)

    assert {state.value: (sums.count, dict(sums.amounts)) for state, sums in found.by_state.items()} == {
        "created": (1, {"USD": 10_000}),
        "rejected": (1, {"EUR": 5_000}),
        "in_doubt": (1, {"GBP": 2_500}),
    }
    assert (found.payouts, found.failed.amounts, found.doubtful.amounts) == (3, {"EUR": 5_000}, {"GBP": 2_500})
    assert found.takeable.amounts == {"USD": 10_000}


def test_who_may_do_what_about_it(world: World):
    execution_id = one_of_each(world)

    assert offers(open_to(world, "ana", execution_id)) == {"may_send_on", "may_take_back"}
    assert offers(open_to(world, "ben", execution_id)) == {"may_take_back"}
    assert offers(open_to(world, "carla", execution_id)) == {"may_take_back"}
    assert offers(open_to(world, "eva", execution_id)) == set()

    needs_review(world, execution_id)

    assert offers(open_to(world, "ana", execution_id)) == {"may_take_back"}
    assert offers(open_to(world, "ben", execution_id)) == {"may_take_back", "may_settle"}
    assert offers(open_to(world, "eva", execution_id)) == set()


def test_what_was_asked_is_counted_until_it_is_answered(both: World):
    world = both
    execution_id = one_of_each(world)
    payout_id = needs_review(world, execution_id)

    act(world, payouts.ask_cancel, execution_id, reason="wrong")
    act(world, payouts.resolve, payout_id, Verdict.NEVER_MADE, "", "Not in the dashboard.", who="ben")

    found = open_to(world, "ben", execution_id)
    assert (found.asked, found.takeable.count) == (2, 0)
    with world.desk.read(world.actor("ben")) as reading:
        said = payouts.resolutions(reading, [payout_id])[payout_id]
    assert (said.verdict, said.comment, said.checking) == ("never_made", "Not in the dashboard.", True)

    world.work_off()

    assert open_to(world, "ben", execution_id).asked == 0
    assert states(world, execution_id) == ["canceled", "rejected", "rejected"]
    with world.desk.read(world.actor("ben")) as reading:
        assert not payouts.resolutions(reading, [payout_id])[payout_id].checking


def test_nothing_in_doubt_can_be_cancelled_away(world: World):
    execution_id = one_of_each(world)
    seen = world.execution(execution_id)

    assert code_of(act, world, operations.cancel, execution_id, who="carla") == "EXECUTION_MOVED_ON"

    with world.desk.read(world.actor("carla")) as reading:
        assert not operations.may_stop(reading, seen)
    assert world.execution(execution_id).state is State.UNSETTLED


def test_whoever_asked_or_approved_may_stop_it_and_an_auditor_may_not(world: World):
    seen = world.approved(THREE)

    def may(who: str) -> bool:
        with world.desk.read(world.actor(who)) as reading:
            return operations.may_stop(reading, operations.execution(reading, seen.id))

    assert [may(who) for who in ("ana", "ben", "carla", "eva", "dan")] == [True, True, True, False, False]
    act(world, operations.cancel, seen.id, who="ben")
    assert not may("ana")


def test_the_rows_that_were_not_made_can_be_looked_for(both: World):
    execution_id = one_of_each(both)

    with both.desk.read(both.actor("ana")) as reading:
        not_made = payouts.page(reading, PayoutFilter(execution_id, Standing.NOT_MADE))
        by_state = payouts.page(reading, PayoutFilter(execution_id, states=frozenset({PayoutState.CREATED})))

    assert [row.row_no for row in not_made.rows] == [2]
    assert [row.row_no for row in by_state.rows] == [1]


def test_its_history_tells_every_call_and_what_to_look_for_at_the_provider(world: World):
    execution_id = one_of_each(world)
    row = rows_of(world, execution_id)[2]

    with world.desk.read(world.actor("ben")) as reading:
        known = payouts.history(reading, row.id)

    assert known.marks == {"fod_item": f"{execution_id}:3", "fod_attempt": "1"}
    assert known.destination.startswith("ba_")
    calls = [step for step in known.steps if step.kind is StepKind.CALLED]
    assert (calls[0].what, calls[0].told) == ("submit", "No answer came: the connection broke off.")
    assert {call.what for call in calls} == {"submit", "find"}
    with world.desk.read(world.actor("ana", "norrland")) as reading:
        assert code_of(payouts.history, reading, row.id) == "PAYOUT_UNKNOWN"


def test_news_of_earlier_payouts_changes_nothing_of_what_a_retry_that_could_not_be_planned_says(both: World):
    # Given a batch with a row that failed, and no money for its retry
    world = both
    seen = world.approved("currency,maximum\nUSD,100.00\nEUR,50.00\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": "eur"}))
    world.work_off()
    world.sandbox.control.fund(-world.sandbox.control.available("eur", HARBOUR), "eur", HARBOUR, kind="refund")
    act(world, payouts.retry, seen.id)
    world.work_off()
    told = world.execution(seen.id)
    assert (told.error_code, told.message) == ("PLAN_FAULTY", "The plan found 1 thing to mend.")

    # When the row that was made moves on
    world.sandbox.control.transition(rows_of(world, seen.id)[0].provider_id, "in_transit", account=HARBOUR)
    world.follow()

    # Then the row has moved, and the retry still says what is in its way
    assert states(world, seen.id) == ["in_transit", "rejected"]
    assert world.execution(seen.id).message == "The plan found 1 thing to mend."


# --- the report


def test_the_tie_out_holds_the_payouts_against_the_approved_plan(both: World):
    world = both
    execution_id = one_of_each(world)
    with world.desk.read(world.actor("ana")) as reading:
        sums = {each.currency: each for each in payouts.tie_out(reading, execution_id)}

    assert {each.planned - each.accounted for each in sums.values()} == {0}
    assert {currency: each.tie for currency, each in sums.items()} == {
        "USD": Tie.TIED,
        "EUR": Tie.TIED,
        "GBP": Tie.DOUBT,
    }


def test_what_came_back_is_missing_in_the_statement_until_it_shows_both_ways(both: World):
    # Given a payout whose way out stands in the statement, and that came back since
    world = both
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    world.run_job("payouts.reconcile")
    world.sandbox.control.transition(
        rows_of(world, seen.id)[0].provider_id, "in_transit", "paid", "failed", account=HARBOUR
    )
    world.follow(reconcile=False)

    def usd() -> TieOut:
        with world.desk.read(world.actor("ana")) as reading:
            (told,) = payouts.tie_out(reading, seen.id)
        return told

    # Then nothing contradicts anything: it is only not stated yet
    assert (usd().returned, usd().reconciled, usd().difference, usd().tie) == (10_000, 0, 0, Tie.UNSTATED)

    # and once the statement is read again, it ties out
    world.run_job("payouts.reconcile")
    assert (usd().reconciled, usd().difference, usd().tie) == (1, 0, Tie.TIED)


@pytest.mark.parametrize(
    ("changes", "tie"),
    [
        ({}, Tie.TIED),
        ({"reconciled": 0}, Tie.UNSTATED),
        ({"arrived": 60, "in_doubt": 40}, Tie.DOUBT),
        ({"arrived": 99}, Tie.OFF),
        ({"difference": -1}, Tie.OFF),
        ({"difference": 1, "arrived": 60, "in_doubt": 40}, Tie.OFF),
        ({"in_doubt": 100, "beside": 100}, Tie.DOUBT),
        ({"arrived": 200, "beside": 100, "made": 2, "reconciled": 2}, Tie.TIED),
        ({"arrived": 200, "beside": 100, "twice": 100, "made": 2, "reconciled": 2}, Tie.TWICE),
    ],
)
def test_what_is_worst_tells_how_a_currency_ties_out(changes, tie):
    parts = dict.fromkeys(("in_flight", "returned", "refused", "not_sent", "in_doubt", "fees", "difference"), 0)
    usual = {"currency": "USD", "planned": 100, "arrived": 100, "payouts": 1, "reconciled": 1, "made": 1}

    assert TieOut(**{**parts, **usual, **changes}).tie is tie


def test_a_payout_that_is_not_what_was_planned_does_not_tie_out(world: World):
    from tests.tampering import tamper

    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    tamper(world.desk.settings, "UPDATE payout SET amount_minor = 9999")

    with world.desk.read(world.actor("ana")) as reading:
        (usd,) = payouts.tie_out(reading, seen.id)

    assert (usd.planned, usd.accounted, usd.tie) == (10_000, 9_999, Tie.OFF)


def test_a_report_is_exported_exactly_and_the_log_says_who_took_it(world: World):
    seen = world.approved(THREE)
    world.work_off()

    files = {kind: act(world, payouts.export, seen.number, kind, who="eva") for kind in (CSV, TIE_OUT_CSV, XLSX)}

    assert [(row["Row"], row["Amount"], row["Currency"]) for row in read_csv(files[CSV])] == [
        ("1", "100.00", "USD"),
        ("2", "50.00", "EUR"),
        ("3", "25.00", "GBP"),
    ]
    assert [(row["Currency"], row["In flight"], row["Planned"]) for row in read_csv(files[TIE_OUT_CSV])] == [
        ("EUR", "50.00", "50.00"),
        ("GBP", "25.00", "25.00"),
        ("USD", "100.00", "100.00"),
    ]
    book = openpyxl.load_workbook(io.BytesIO(files[XLSX]))
    assert book.sheetnames == ["Payouts", "Tie-out"]
    with world.desk.read(world.actor("eva")) as reading:
        taken = audit.records(reading, AuditFilter(verb="payouts.report_exported")).rows
    assert [(row.actor, row.object) for row in taken] == [(world.people["eva"], f"execution:{seen.id}")] * 3


def test_text_of_a_bank_or_a_provider_is_no_formula_in_an_export(world: World):
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    from tests.tampering import tamper

    tamper(world.desk.settings, "UPDATE payout SET error_message = '=HYPERLINK(1)', bank = '+cmd'")

    (row,) = read_csv(act(world, payouts.export, seen.id, CSV))
    sheet: Any = openpyxl.load_workbook(io.BytesIO(act(world, payouts.export, seen.id, XLSX)))["Payouts"]
    header, cells = sheet.iter_rows()
    typed = {name.value: cell for name, cell in zip(header, cells, strict=True)}

    assert (row["Problem"], row["Bank account"]) == ("'=HYPERLINK(1)", "'+cmd")
    assert (typed["Problem"].value, typed["Problem"].data_type) == ("=HYPERLINK(1)", "s")


def test_an_export_that_is_not_offered_is_refused_and_one_may_not_see_is_not_there(world: World):
    seen = world.approved(THREE)

    assert code_of(act, world, payouts.export, seen.id, "pdf") == "EXPORT_KIND_UNKNOWN"
    with world.desk.work(world.actor("ana", "norrland")) as work:
        assert code_of(payouts.export, work, seen.id, CSV) == "EXECUTION_UNKNOWN"


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


# --- what is new in a plan


def planned(minor: int = 100, currency: str = "USD", **body: Any) -> PlanRowView:
    return PlanRowView(1, "", currency, minor, body)


def test_what_is_new_in_a_plan_is_counted_once_for_a_balance_paid_in_parts():
    same = {"bank": "same", "difference": "0.00"}
    rows = [
        planned(currency="USD", change={"bank": "first"}),
        planned(currency="EUR", change={"bank": "changed", "difference": "-1.00"}),
        planned(currency="EUR", change={"bank": "changed", "difference": "-1.00"}),
        planned(currency="GBP", change={"bank": "another", "difference": "0.00"}),
        planned(currency="JPY", change=same),
        planned(0, currency="CAD", change={"bank": "first"}),
    ]

    assert payouts.differences(rows) == Differences(first=1, moved=2, amounts=1)
    assert payouts.differences([planned(change=same)]).none


def test_two_payments_to_one_account_are_one_new_destination():
    first = {"bank": "first"}
    rows = [planned(payee=name, destination=name[0], change=first) for name in ("Nordlicht", "Lumen", "Nordlicht")]

    assert payouts.differences(rows).first == 2


def test_each_payee_counts_for_themselves():
    rows = [planned(payee=name, change={"bank": "first"}) for name in ("Nordlicht", "Lumen")]

    assert payouts.differences(rows).first == 2
