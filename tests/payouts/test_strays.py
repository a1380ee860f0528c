"""Payouts that carry a row and are not its payout: what the provider says of them counts, never what news says."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from finops_core import connections, notifications, operations, payouts
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.provider import ProviderPayout
from finops_core.operations import State
from finops_core.payouts import Verdict, service, strays
from tests.operations.walks import code_of
from tests.payouts.test_following import TWO, connection_id, event, hear, news
from tests.payouts.walks import (
    HARBOUR,
    act,
    again,
    alive,
    begin,
    prepared,
    provider,
    resume,
    row_as_stored,
    rows_of,
    run_of,
    sent_and_died,
    states,
    violations,
    with_provider,
)
from tests.world import World

NEVER = "po_sbx_neverexisted"
ONE = "currency,maximum\nUSD,100.00\n"


def refused_second(world: World) -> str:
    """Two rows, of which the second was refused."""
    seen = world.approved(TWO)
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    world.work_off()
    assert states(world, seen.id) == ["created", "rejected"]
    return seen.id


def stray_of(world: World, execution_id: str, row_no: int = 2) -> str:
    """Somebody makes a payout with a row's name on it; the news of it comes."""
    row = row_as_stored(world, execution_id, row_no)
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        body = service.body_of(reading, row)
    answer: Any = provider(world).submit("", body, f"by-hand-{row_no}")
    stray = str(answer.payout.id)
    hear(world, event(world, stray, "payout.created", 100 + row_no, row.item))
    return stray


def may_retry(world: World, execution_id: str) -> bool:
    with world.desk.read(world.actor("ana")) as reading:
        return payouts.remedies(reading, operations.execution(reading, execution_id)).may_retry


def told(world: World, who: str) -> list[str]:
    with world.desk.read(world.actor(who)) as reading:
        return [each.kind for each in notifications.unread(reading)]


def test_a_stray_whose_cancellation_nobody_told_of_holds_its_row_back_no_longer(both: World):
    # Given a row that another payout may pay, so that it is neither retried nor offered to be
    world = both
    execution_id = refused_second(world)
    stray = stray_of(world, execution_id)
    world.work_off()
    assert (code_of(act, world, payouts.retry, execution_id), may_retry(world, execution_id)) == (
        "OTHER_PAYOUT_FOUND",
        False,
    )
    assert list(violations(world)) == ["payouts.unexpected"]
    # When that one is taken back, the news of it is lost, and the provider is asked anew
    provider(world).cancel("", stray, "take-back")
    strays.look_at_all(world.desk, world.actor("ana"), execution_id)
    # Then the row is retried
    assert violations(world) == {}
    assert may_retry(world, execution_id)
    act(world, payouts.retry, execution_id)
    assert again(world, execution_id).state is State.COMPLETED
    assert alive(world) == [("eur", 10_000), ("usd", 10_000)]


def test_strays_are_asked_about_now_and_then_without_anybody_asking(timed: World):
    execution_id = refused_second(timed)
    stray = stray_of(timed, execution_id)
    timed.work_off()
    provider(timed).cancel("", stray, "take-back")

    timed.run_job("payouts.refresh")
    assert not may_retry(timed, execution_id)  # it was asked about a moment ago
    timed.advance(timedelta(minutes=16))
    timed.run_job("payouts.refresh")

    assert may_retry(timed, execution_id)
    assert violations(timed) == {}


def test_an_event_about_a_payout_that_never_was_holds_nothing_back(both: World):
    # Given an approved batch, and a forged event that carries its first row
    world = both
    seen = world.approved(TWO)
    hear(world, event(world, NEVER, "payout.created", 1, f"{seen.id}:1"))
    # When the batch runs before anybody has looked into it
    begun = begin(world)
    rows = prepared(world, begun)
    assert len(rows) == 2
    resume(world)
    # Then both rows are paid, and the event is about nobody's payout
    assert states(world, seen.id) == ["created", "created"]
    world.work_off()
    assert news(world) == [("payout.created", "stranger")]
    assert violations(world) == {}


def test_forged_events_are_looked_into_one_after_the_other_wherever_they_place_their_payout(world: World):
    # Given an approved row, and forged events about it: of several payouts, in accounts that are not ours
    seen = world.approved(ONE)
    for number, account in enumerate(["", "acct_sbx_nobody", "acct_sbx_another", "no account at all"]):
        told = event(world, f"{NEVER}{number}", "payout.created", number, f"{seen.id}:1")
        hear(world, replace(told, account=account))
    # When the batch runs before they are looked into
    prepared(world, begin(world))
    resume(world)
    world.work_off()
    # Then the row is paid, and they are nobody's
    assert states(world, seen.id) == ["created"]
    assert {state for _, state in news(world)} == {"stranger"}
    assert violations(world) == {}


def test_an_event_about_a_payout_that_never_was_blocks_no_retry_once_it_is_looked_into(world: World):
    execution_id = refused_second(world)
    hear(world, event(world, NEVER, "payout.paid", 1, f"{execution_id}:2"))
    assert code_of(act, world, payouts.retry, execution_id) == "OTHER_PAYOUT_FOUND"  # for safety

    world.work_off()

    assert may_retry(world, execution_id)
    act(world, payouts.retry, execution_id)
    assert again(world, execution_id).state is State.COMPLETED
    assert told(world, "ben") == []


def test_an_event_that_says_that_a_payout_came_to_nothing_frees_no_row(world: World):
    execution_id = refused_second(world)
    stray = stray_of(world, execution_id)
    world.work_off()

    hear(world, event(world, stray, "payout.canceled", 2), event(world, stray, "payout.failed", 3))
    world.work_off()

    assert code_of(act, world, payouts.retry, execution_id) == "OTHER_PAYOUT_FOUND"
    assert alive(world) == [("eur", 10_000), ("usd", 10_000)]


def test_an_event_that_lies_about_what_a_payout_carries_holds_nothing_back(world: World):
    # Given a payout that carries nothing of ours, and a forged event that says it carries a row
    execution_id = refused_second(world)
    answer: Any = provider(world).submit("", b"amount=5000&currency=usd", "theirs")

    hear(world, event(world, answer.payout.id, "payout.paid", 1, f"{execution_id}:2"))
    world.work_off()

    assert news(world) == [("payout.paid", "stranger")]
    assert may_retry(world, execution_id)
    assert violations(world) == {}


@dataclass
class NotReading:
    """A provider that reads no single payout."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def get(self, *_: object) -> ProviderPayout:
        raise Unavailable("PROVIDER_UNAVAILABLE", "Nobody answered.", hint="Later.")


def test_while_a_payout_of_which_news_tells_cannot_be_read_its_row_is_not_sent(world: World):
    seen = world.approved(TWO)
    hear(world, event(world, NEVER, "payout.created", 1, f"{seen.id}:1"))

    with_provider(world, NotReading).work_off()

    first, second = rows_of(world, seen.id)
    assert (first.state.value, second.state.value) == ("canceled", "created")
    assert NEVER in first.error_message
    assert alive(world) == [("eur", 10_000)] or alive(world) == [("usd", 10_000)]


def test_another_accounts_key_does_not_say_that_a_stray_is_not_there(timed: World):
    # Given a row that another payout may pay, and another account's key that slipped into the connection
    timed.sandbox.control.open(NewAccount("rk_test_sbx_another_0002", "acct_sbx_another", banks=(Bank("usd"),)))
    execution_id = refused_second(timed)
    with timed.desk.work(timed.actor("adam")) as work:
        connections.replace_secret(work, connection_id(timed), "rk_test_sbx_another_0002")
    stray_of(timed, execution_id)

    timed.look_through_the_inbox()

    assert news(timed) == [("payout.created", "new")]
    assert code_of(act, timed, payouts.retry, execution_id) == "OTHER_PAYOUT_FOUND"


def test_a_stray_of_an_earlier_attempt_is_told_while_a_later_one_is_in_doubt(timed: World):
    # Given a row whose second attempt is in doubt, its run over
    seen = timed.approved(ONE)
    timed.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    timed.work_off()
    first = row_as_stored(timed, seen.id)
    act(timed, payouts.retry, seen.id)
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    again(timed, seen.id)
    assert states(timed, seen.id) == ["in_doubt"]
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    # When a payout that carries the first one is made, and news of it comes
    with timed.desk.read(worker_actor(timed.orgs["harbour"])) as reading:
        body = service.body_of(reading, first)
    answer: Any = provider(timed).submit("", body, "late")
    hear(timed, event(timed, answer.payout.id, "payout.created", 1, first.item))
    timed.work_off()
    # Then it is told and found, and the second attempt is still in doubt
    assert states(timed, seen.id) == ["in_doubt"]
    assert news(timed) == [("payout.created", "unexpected")]
    assert "payout.unexpected" in told(timed, "ben")
    assert list(violations(timed)) == ["payouts.unexpected"]
    # and is not sent again, though the provider does not know it
    act(timed, payouts.send_on, seen.id)
    timed.work_off()
    assert states(timed, seen.id) == ["in_doubt"]
    assert alive(timed) == [("usd", 10_000)]
    # until the other one was taken back
    provider(timed).cancel("", answer.payout.id, "take-back")
    strays.look_at_all(timed.desk, timed.actor("ana"), seen.id)
    act(timed, payouts.send_on, seen.id)
    timed.work_off()
    assert states(timed, seen.id) == ["created"]
    assert violations(timed) == {}


def test_of_two_payouts_for_a_row_the_one_taken_back_is_forgotten_though_nobody_told(timed: World):
    # Given two payouts for one row, of both of which news came, and one of them then taken back without news
    seen = timed.approved(ONE)
    begun = begin(timed)
    (row,) = prepared(timed, begun)
    sent_and_died(timed, begun, row)
    answer: Any = provider(timed).submit("", service.body_of(run_of(timed, begun), row), f"{row.key}x")
    resume(timed)
    (other,) = {each["id"] for each in timed.sandbox.control.payouts(HARBOUR)} - {answer.payout.id}
    hear(timed, event(timed, other, "payout.created", 1, row.item))
    hear(timed, event(timed, answer.payout.id, "payout.created", 2, row.item))
    timed.work_off()
    assert states(timed, seen.id) == ["needs_review"]
    provider(timed).cancel("", answer.payout.id, "take-back")
    # When a person settles the row
    act(timed, payouts.resolve, row.id, Verdict.EXISTS, other, "The other one was cancelled.", who="ben")
    timed.work_off()
    assert states(timed, seen.id) == ["created"]
    # Then the checks have it until the provider was asked
    assert list(violations(timed)) == ["payouts.unexpected"]
    timed.run_job("payouts.refresh")
    assert violations(timed) == {}


def test_what_has_become_a_rows_own_payout_meanwhile_is_kept_for_no_stray(world: World):
    execution_id = refused_second(world)
    (mine,) = [row for row in rows_of(world, execution_id) if row.row_no == 1]
    there = provider(world).get("", mine.provider_id)

    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        named = strays.Stray(connection_id(world), "", mine.provider_id, f"{execution_id}:1")
        kept = strays.note(work, named, replace(there))

    assert kept is None
    assert violations(world) == {}


def test_only_who_prepares_payouts_has_the_provider_asked(world: World):
    execution_id = refused_second(world)

    assert code_of(strays.look_at_all, world.desk, world.actor("ben"), execution_id) == "NOT_ALLOWED"
