"""A connection whose key opens another account than its payouts were made from: nothing of them is ever "not there"."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from finops_core import connections, operations, payouts
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.operations import State
from finops_core.payouts import PayoutState, Verdict, look_up
from tests.payouts.walks import (
    HARBOUR,
    USD,
    act,
    begin,
    made,
    prepared,
    resume,
    rows_of,
    sent_and_died,
    states,
    violations,
    with_provider,
)
from tests.world import World

ANOTHER, ANOTHER_KEY = "acct_sbx_another", "rk_test_sbx_another_0002"
SECOND_KEY = "rk_test_sbx_harbour_second_0003"


@pytest.fixture
def two(timed: World) -> World:
    """Harbour's provider knows a second key of its account, and a key of somebody else's account."""
    timed.sandbox.control.open(NewAccount(ANOTHER_KEY, ANOTHER, banks=(Bank("usd"),)))
    timed.sandbox.control.fund(50_000, account=ANOTHER)
    timed.sandbox.control.open(NewAccount(SECOND_KEY, HARBOUR))
    return timed


def connection_id(world: World) -> str:
    with world.desk.read(world.actor("adam")) as reading:
        return connections.active(reading, "stripe").id


def replace(world: World, key: str) -> None:
    """As an administrator does, the provider asked first."""
    connections.replace_key(world.desk, world.actor("adam"), connection_id(world), key)


def slip_in(world: World, key: str) -> None:
    """As by a change that did not ask the provider."""
    with world.desk.work(world.actor("adam")) as work:
        connections.replace_secret(work, connection_id(world), key)


def made_and_unheard(world: World) -> str:
    """A payout that was made, and whose answer nobody heard."""
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    begun = begin(world)
    (row,) = prepared(world, begun)
    sent_and_died(world, begun, row)
    return seen.id


def test_a_payout_is_never_said_not_to_be_there_by_another_accounts_key(two: World):
    # Given a payout that was made, its answer lost, and then another account's key in the connection
    execution_id = made_and_unheard(two)
    two.advance(timedelta(hours=24))
    slip_in(two, ANOTHER_KEY)
    resume(two)
    # When the desk looks it up
    two.look_up()
    # Then a person is told why nobody can
    (row,) = rows_of(two, execution_id)
    assert (row.state, row.error_message) == (PayoutState.NEEDS_REVIEW, look_up.ELSEWHERE)
    # and is not believed that it was never made, nor that it is another account's payout
    for verdict, named in ((Verdict.NEVER_MADE, ""), (Verdict.EXISTS, "po_sbx_other")):
        two.advance(timedelta(seconds=1))
        act(two, payouts.resolve, row.id, verdict, named, "I looked.", who="ben")
        two.work_off()
        (still,) = rows_of(two, execution_id)
        assert (still.state, still.refusal) == (PayoutState.NEEDS_REVIEW, look_up.ELSEWHERE)
    # When a key of the right account is back, then it is found
    replace(two, SECOND_KEY)
    two.advance(timedelta(seconds=1))
    act(two, payouts.resolve, row.id, Verdict.NEVER_MADE, "", "I looked.", who="ben")
    two.work_off()
    assert states(two, execution_id) == ["created"]
    assert made(two) == [("usd", 10_000)]
    assert violations(two) == {}


def test_once_a_payout_was_made_only_a_key_of_its_account_takes_the_place_of_the_old_one(two: World):
    two.approved("currency,maximum\nUSD,100.00\n")
    two.work_off()

    with pytest.raises(FinOpsError) as refused:
        replace(two, ANOTHER_KEY)
    replace(two, SECOND_KEY)

    assert refused.value.code == "CONNECTION_OTHER_ACCOUNT"
    assert connections.try_connection(two.desk, two.actor("adam"), connection_id(two)).passed


UNKNOWN_KEY = "rk_test_other_9999"


@pytest.mark.parametrize("paid", [True, False], ids=["after payouts", "before any"])
def test_a_key_the_provider_does_not_know_never_takes_the_place_of_the_old_one(two: World, paid: bool):
    if paid:
        two.approved("currency,maximum\nUSD,100.00\n")
        two.work_off()
    before = kept(two)

    with pytest.raises(FinOpsError) as refused:
        replace(two, UNKNOWN_KEY)

    assert refused.value.code == "CONNECTION_KEY_UNKNOWN"
    assert UNKNOWN_KEY not in f"{refused.value!r} {refused.value.hint} {refused.value.context}"
    assert kept(two) == before
    assert connections.try_connection(two.desk, two.actor("adam"), connection_id(two)).passed


def test_a_key_that_cannot_be_tried_waits_until_the_provider_answers(two: World):
    before = kept(two)
    two.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/balance", times=20))

    with pytest.raises(FinOpsError) as refused:
        replace(two, SECOND_KEY)
    assert (refused.value.code, refused.value.kind) == ("CONNECTION_KEY_UNTRIED", "unavailable")
    assert kept(two) == before

    two.sandbox.control.post("reset", {"only": ["fault"]})
    replace(two, SECOND_KEY)
    assert kept(two).shown.endswith(SECOND_KEY[-4:])


def test_the_first_payout_that_leaves_while_a_key_is_tried_still_binds_the_connection_to_its_account(two: World):
    def pay(real: object) -> Meanwhile:
        return Meanwhile(real, lambda: noted(two))

    with pytest.raises(FinOpsError) as refused:
        replace(with_provider(two, pay), ANOTHER_KEY)

    assert refused.value.code == "CONNECTION_OTHER_ACCOUNT"
    assert kept(two).shown.endswith("0001")


class Meanwhile:
    """A provider that takes its time to tell of the account, in which something else happens."""

    def __init__(self, real: object, then: Callable[[], None]) -> None:
        self.real, self.then = real, then

    def __getattr__(self, name: str):
        return getattr(self.real, name)

    def facts(self, account: str):
        found = self.real.facts(account)
        self.then()
        return found


def noted(world: World) -> None:
    """What a batch does before its first payout."""
    connection = connection_id(world)
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        connections.note_account(work, connection, HARBOUR)


def kept(world: World) -> connections.ConnectionView:
    with world.desk.read(world.actor("adam")) as reading:
        return connections.active(reading, "stripe")


def test_before_anything_was_paid_any_account_may_take_the_place_of_another(two: World):
    replace(two, ANOTHER_KEY)

    two.approved("currency,maximum\nUSD,100.00\n")
    two.work_off()

    assert made(two, ANOTHER) == [("usd", 10_000)]


def test_a_key_of_another_account_that_slipped_in_is_told_by_trial_and_plan(two: World):
    # Given a connection that has paid, and another account's key that slipped in
    two.approved("currency,maximum\nUSD,100.00\n")
    two.work_off()
    slip_in(two, ANOTHER_KEY)
    # Then a test fails
    trial = connections.try_connection(two.desk, two.actor("adam"), connection_id(two))
    assert not trial.passed
    assert f"opens {ANOTHER}" in trial.problem
    # and no plan is made with it
    seen = two.planned(USD)
    with two.desk.read(two.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    assert [fault.code for fault in plan.faults] == ["CONNECTION_OTHER_ACCOUNT"]
    assert seen.state is not State.READY


def test_the_key_of_a_retired_connection_is_replaced_so_that_what_is_in_doubt_is_still_looked_up(two: World):
    # Given a payout that was made and not heard of, a connection retired since, and its key ended at the provider
    no_look_up = Fault(FaultKind.UNAUTHORIZED, method="GET", path="/v1/payouts", times=50)
    two.sandbox.control.fault(Fault(FaultKind.RESET_AFTER), no_look_up)
    execution_id = two.approved("currency,maximum\nUSD,100.00\n").id
    two.work_off()
    retired = connection_id(two)
    with two.desk.work(two.actor("adam")) as work:
        connections.retire(work, retired)
    two.look_up()
    assert states(two, execution_id) == ["in_doubt"]
    two.sandbox.control.post("reset", {"only": ["fault"]})
    # When an administrator gives it another key: of the same account, and of another one
    with pytest.raises(FinOpsError) as refused:
        connections.replace_key(two.desk, two.actor("adam"), retired, ANOTHER_KEY)
    assert refused.value.code == "CONNECTION_OTHER_ACCOUNT"
    connections.replace_key(two.desk, two.actor("adam"), retired, SECOND_KEY)
    # Then it can be tested, the payout is found, and nothing new can be planned with it
    assert connections.try_connection(two.desk, two.actor("adam"), retired).passed
    two.advance(timedelta(minutes=20))
    two.look_up()
    assert states(two, execution_id) == ["created"]
    assert violations(two) == {}
    with pytest.raises(FinOpsError) as missing:
        connection_id(two)
    assert missing.value.code == "CONNECTION_MISSING"
