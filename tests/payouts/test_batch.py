"""The walk of a batch against the real SDK and the sandbox, with every kind of answer in its way."""

from dataclasses import replace

import pytest

from finops_core import connections, operations, payouts
from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Conflict, NotAllowed
from finops_core.operations import admission, engine
from finops_core.operations.runner import Run, carry_out
from finops_core.payouts import PayoutState, service
from finops_core.payouts.operations import STRIPE
from finops_core.payouts.running import ordering
from finops_core.platform import queue
from tests.world import World

HARBOUR = "acct_sbx_harbour"
HARBOUR_KEY = "rk_test_sbx_harbour_demo_0001"
TEN = "currency\nUSD\nEUR\nGBP\nJPY\nCAD\nCHF\nSEK\nHUF\nKWD\nAUD\n"


def rows_of(world: World, execution_id: str):
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return payouts.rows(reading, execution_id)


def created(world: World) -> list[tuple[str, int]]:
    return sorted((payout["currency"], payout["amount"]) for payout in world.sandbox.control.payouts(HARBOUR))


def test_a_ten_currency_plan_is_paid_exactly_once_and_to_the_last_minor_unit(both):
    # Given a plan that somebody else approved
    seen = both.approved(TEN)
    with both.desk.read(both.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    # When the worker carries it out
    both.work_off()
    # Then every row exists at the provider, nothing more
    done = both.execution(seen.id)
    assert done.state is operations.State.COMPLETED, done.message
    rows = rows_of(both, seen.id)
    assert [row.state for row in rows] == [PayoutState.CREATED] * len(rows)
    assert {row.currency: row.amount_minor for row in rows} == dict(plan.totals)
    assert len(created(both)) == len(rows) == 10
    assert both.sandbox.control.available("usd", HARBOUR) == 0
    # and the forint that cannot be paid stays
    assert dict(plan.totals)["HUF"] == 91_234_500
    assert both.sandbox.control.available("huf", HARBOUR) == 50


def test_a_plan_says_what_stays_and_why_and_where_the_money_goes(world):
    seen = world.planned(
        "currency,maximum,minimum_to_leave\nUSD,,500.00\nEUR,100.00,\nNOK,,\n",
        params={"unpayable": "leave the row out"},
    )
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    usd, eur = plan.rows
    assert usd.amount_minor == 18_422_015 - 50_000
    assert (usd.body["left"], usd.body["why_left"]) == ("500.00", "the file asks to leave this much")
    assert usd.body["bank"] == "Harbour Bank •••• 6789"
    assert (eur.amount_minor, eur.body["why_left"]) == (10_000, "the file sets a maximum")
    assert len(plan.warnings) == 1
    assert "Line 4 of the file is left out" in plan.warnings[0]


def test_a_row_that_cannot_be_paid_is_a_fault_with_its_row_and_column(world):
    seen = world.planned("currency,destination,account\nUSD,ba_sbx_nope,\nEUR,,acct_sbx_nobody\nNOK,,\n")
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert seen.state is operations.State.FAILED
    assert plan is not None
    assert [(fault.row, fault.column, fault.code) for fault in plan.faults] == [
        (2, "destination", "DESTINATION_UNKNOWN"),
        (3, "account", "ACCOUNT_UNKNOWN"),
        (4, "currency", "NO_BANK_ACCOUNT"),
    ]


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.RESET_BEFORE,
        FaultKind.RESET_AFTER,
        FaultKind.ERROR_BEFORE,
        FaultKind.ERROR_AFTER,
        FaultKind.HALF_BODY,
        FaultKind.CUT_BODY,
        FaultKind.BAD_JSON,
        FaultKind.RATE_LIMIT,
        FaultKind.CONFLICT,
    ],
)
def test_one_broken_answer_never_pays_twice_and_never_loses_a_row(world, kind):
    # Given a fault on the second payout
    seen = world.approved("currency\nUSD\nEUR\nGBP\n")
    world.sandbox.control.fault(Fault(kind, nth=2, keep=False))
    # When the batch runs
    world.work_off()
    world.sandbox.forgive()
    # Then the provider has exactly the plan
    assert created(world) == [("eur", 6_120_050), ("gbp", 904_210), ("usd", 18_422_015)]
    assert {row.state for row in rows_of(world, seen.id)} == {PayoutState.CREATED}


def test_a_refused_row_stops_its_currency_only_and_the_run_says_it_failed(world):
    # Dollars from two sources, so that there is a second payout in the currency
    world.sandbox.control.fund(5_000_000, "usd", HARBOUR, source_type="bank_account")
    seen = world.approved("currency\nUSD\nEUR\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    done = world.execution(seen.id)
    states = [(row.currency, row.state) for row in rows_of(world, seen.id)]
    assert states == [
        ("USD", PayoutState.REJECTED),
        ("USD", PayoutState.CANCELED),
        ("EUR", PayoutState.CREATED),
    ]
    assert done.state is operations.State.FAILED
    assert created(world) == [("eur", 6_120_050)]


def test_a_refused_key_stops_the_whole_batch(world):
    seen = world.approved("currency\nUSD\nEUR\nGBP\n")
    world.sandbox.control.fault(Fault(FaultKind.FORBIDDEN))
    world.work_off()
    states = [row.state for row in rows_of(world, seen.id)]
    assert states == [PayoutState.REJECTED, PayoutState.CANCELED, PayoutState.CANCELED]
    assert created(world) == []


def test_an_approval_is_void_when_less_is_available_than_was_approved(world):
    seen = world.approved("currency\nUSD\n")
    world.sandbox.control.fund(-1, "usd", HARBOUR, kind="refund")
    world.work_off()
    done = world.execution(seen.id)
    assert (done.state, done.error_code) == (operations.State.SUPERSEDED, "FUNDS_FELL")
    assert rows_of(world, seen.id) == ()
    assert created(world) == []
    # and a new plan, newly approved, pays what is there now
    with world.desk.work(world.actor("ana")) as work:
        operations.replan(work, seen.id)
    world.work_off()
    again = world.execution(seen.id)
    with world.desk.work(world.actor("ana")) as work:
        operations.submit(work, again.id, again.plan_hash)
    world.decide(again)
    world.work_off()
    assert world.execution(seen.id).state is operations.State.COMPLETED
    assert created(world) == [("usd", 18_422_014)]


def test_a_balance_that_the_provider_sweeps_by_itself_is_warned_of_and_that_is_approved(world: World):
    swept, key = "acct_sbx_swept", "rk_test_sbx_swept_0001"
    world.sandbox.control.open(NewAccount(key, swept, banks=(Bank("usd"),), schedule="daily"))
    world.sandbox.control.fund(50_000, account=swept)
    with world.desk.read(world.actor("adam")) as reading:
        connection_id = connections.active(reading, "stripe").id
    connections.replace_key(world.desk, world.actor("adam"), connection_id, key)

    seen = world.planned("currency\nUSD\n")

    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert plan.warnings == (f"{swept} is swept by the provider (daily): the balance may be gone before we pay.",)
    assert admission.hash_of(seen, replace(plan.as_plan(), warnings=())) != seen.plan_hash


def test_the_preparer_may_not_approve_their_own_payout(world):
    seen = world.submitted("currency\nUSD\n")
    with pytest.raises(NotAllowed):
        world.decide(seen, who="ana")
    assert world.execution(seen.id).state is operations.State.AWAITING_APPROVAL


def test_a_new_plan_after_the_approval_needs_a_new_approval(world):
    # Given an approved plan whose run has not begun, and a new plan made of it
    seen = world.submitted("currency\nUSD\n")
    with world.desk.work(world.actor("ana")) as work:
        operations.replan(work, seen.id)
    # When the approver decides on what they saw
    with pytest.raises(Conflict):
        world.decide(seen)
    # Then nothing is paid
    world.work_off()
    assert world.execution(seen.id).state is operations.State.READY
    assert created(world) == []


def test_a_stop_before_the_run_lets_nothing_leave(world):
    seen = world.approved("currency\nUSD\nEUR\n")
    with world.desk.work(world.actor("ana")) as work:
        operations.cancel(work, seen.id, "wrong week")
    world.work_off()
    assert world.execution(seen.id).state is operations.State.CANCELLED
    assert created(world) == []


def test_the_same_file_again_asks_for_a_reason(world):
    world.approved("currency\nUSD\n")
    again = world.draft("currency\nUSD\n")
    assert isinstance(again, operations.Refused)
    assert [fault.code for fault in again.faults] == ["ALREADY_RAN"]
    assert "EX-" in again.faults[0].message
    assert isinstance(world.draft("currency\nUSD\n", reason="second sweep"), operations.Drafted)


def test_the_result_can_be_read_back_as_csv_and_xlsx(world):
    import csv
    import io

    from openpyxl import load_workbook

    from finops_core import files

    seen = world.approved("currency\nUSD\nJPY\n")
    world.work_off()
    with world.desk.work(world.actor("ana")) as work:
        references = {item.name: item.id for item in files.of(work, "execution", seen.id) if item.role == "output"}
        downloads = {name: files.download(work, reference).content for name, reference in references.items()}
    text = next(content for name, content in downloads.items() if name.endswith(".csv")).decode("utf-8-sig")
    table = list(csv.reader(io.StringIO(text)))
    assert any("po_" in cell for cell in table[1])
    book = load_workbook(io.BytesIO(next(c for n, c in downloads.items() if n.endswith(".xlsx"))))
    assert book.active is not None
    assert book.active.max_row == 3


def test_a_row_that_was_being_sent_when_its_run_died_is_never_called_off_by_a_stop(world):
    """Found SUBMITTING, nothing listed yet, and the provider says "later": it may still be executing the first call."""
    # Given a row whose intent stands, and a provider that only says "not now"
    seen = world.approved("currency\nUSD\n")
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "first", 30)
    assert claim is not None
    with world.desk.work(worker_actor(claim.org_id)) as work:
        begun = engine.begin_run(work, claim)
    assert begun is not None
    died = Run(world.desk, begun, lambda _message: None, lambda: False)
    with died.unit() as work:
        provider = StripePayouts(world.sandbox.credentials(HARBOUR_KEY), 5)
        row = service.prepare(work, seen.id, 1, died.plan, provider, ordering(STRIPE, seen.id, 1, "test"))[0]
    with died.unit() as work:
        assert service.intend(work, row).state is PayoutState.SUBMITTING
    world.sandbox.control.fault(Fault(FaultKind.CONFLICT, times=50))
    # When it is resumed, and somebody presses Stop
    with world.desk.work(world.actor("ana")) as work:
        operations.cancel(work, seen.id, "wrong week")
    carry_out(Run(world.desk, begun, lambda _message: None, lambda: True))
    # Then nobody says that it was not sent
    assert [row.state for row in rows_of(world, seen.id)] == [PayoutState.IN_DOUBT]


def test_the_own_account_named_by_its_id_and_left_empty_is_one_balance(world):
    seen = world.planned(f"currency,account\nUSD,\nUSD,{HARBOUR}\n")
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert seen.state is operations.State.FAILED
    assert plan is not None
    assert [(fault.row, fault.code) for fault in plan.faults] == [(3, "BALANCE_TWICE")]
