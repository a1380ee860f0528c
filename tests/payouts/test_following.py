"""Payouts on their way to the bank: news early, late, twice, in any order; the statement; what is new this time."""

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random  # noqa: TID251 - seeded: the same order in every run
from typing import Any

import pytest
from sqlalchemy import select

from finops_core import notifications, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import webhook_actor, worker_actor
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.errors import Invalid, Unavailable
from finops_core.kernel.provider import Mode, PayoutStatus, ProviderEvent, ProviderPayout
from finops_core.payouts import PayoutFilter, PayoutState, Standing, Verdict, following
from finops_core.payouts.models import provider_news
from finops_core.payouts.news import FOLLOW_JOB
from finops_core.payouts.rounds import LASTS_S, Round
from finops_core.platform.queue import JobState, job
from finops_core.platform.work import Work
from tests.held_up import HELD_UP_S
from tests.operations.walks import code_of
from tests.payouts.walks import (
    HARBOUR,
    USD,
    act,
    begin,
    change_bank,
    clock_of,
    due_now,
    prepared,
    provider,
    resume,
    row_as_stored,
    rows_of,
    sent_and_died,
    states,
    violations,
    with_provider,
)
from tests.world import World

TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"


def connection_id(world: World) -> str:
    from finops_core import connections

    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return connections.active(reading, "stripe").id


def event(world: World, payout_id: str, kind: str, number: int, item: str = "") -> ProviderEvent:
    metadata = {"fod_item": item} if item else {}
    now = world.desk.ports.clock.now()
    return ProviderEvent(f"evt_sbx_{number}", kind, "", payout_id, metadata, Mode.TEST, now)


def hear(world: World, *events: ProviderEvent) -> list[int]:
    """News arrives, piece by piece, as the receiver hands it over; of each, how much was new."""
    told = []
    for each in events:
        with world.desk.work(webhook_actor(world.orgs["harbour"])) as work:
            told.append(payouts.take_news(work, connection_id(world), [(each, b"{}")]))
    return told


def news(world: World) -> list[tuple[str, str]]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        mine = provider_news.c.org_id == reading.org_id
        return [
            (row.kind, row.state)
            for row in reading.rows(select(provider_news).where(mine).order_by(provider_news.c.id))
        ]


def paid_batch(world: World) -> tuple[str, list[str]]:
    seen = world.approved(TWO)
    world.work_off()
    return seen.id, [row.provider_id for row in rows_of(world, seen.id)]


def move(world: World, payout_id: str, *to: str, code: str = "") -> None:
    world.sandbox.control.transition(payout_id, *to, account=HARBOUR, code=code)


def test_news_moves_a_payout_to_where_it_stands_by_now(both: World):
    world = both
    execution_id, (first, second) = paid_batch(world)
    move(world, first, "in_transit", "paid")
    move(world, second, "in_transit")

    hear(world, event(world, first, "payout.updated", 1), event(world, second, "payout.updated", 2))
    world.work_off()

    assert states(world, execution_id) == ["paid", "in_transit"]
    assert [state for _, state in news(world)] == ["done", "done"]
    assert violations(world) == {}


def test_failed_before_paid_and_three_times_at_once_have_one_effect(both: World):
    # Given a payout that was paid and then came back
    world = both
    execution_id, (first, _) = paid_batch(world)
    move(world, first, "in_transit", "paid", "failed", code="no_account")
    # When the news of it comes in the wrong order, and each of it three times
    failed, paid = event(world, first, "payout.failed", 1), event(world, first, "payout.paid", 2)
    told = hear(world, failed, failed, failed, paid, paid, paid)
    world.work_off()
    # Then each was kept once, and the payout has failed once
    assert told == [True, False, False, True, False, False]
    assert states(world, execution_id) == ["failed", "created"]
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        from finops_core import audit

        steps = audit.steps(reading, "payout.", reading.now - timedelta(days=1))
    ((moves),) = [steps[f"payout:{row.id}"] for row in rows_of(world, execution_id) if row.provider_id == first]
    assert [step["to"] for step in moves] == ["submitting", "created", "failed"]
    assert violations(world) == {}


def test_news_that_comes_before_the_answer_waits_for_it(world: World):
    # Given a payout whose call has not been answered: its run is still at it
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    begun = begin(world)
    row = prepared(world, begun)[0]
    sent_and_died(world, begun, row)
    (found,) = world.sandbox.control.payouts(HARBOUR)
    move(world, found["id"], "in_transit")
    # When the provider's news of it is faster
    hear(world, event(world, found["id"], "payout.created", 1, row.item))
    world.look_through_the_inbox()
    assert states(world, seen.id) == ["submitting"]
    assert news(world) == [("payout.created", "waiting")]
    # Then it is heard once the run has gone on
    resume(world)
    due_now(world)
    world.look_through_the_inbox()
    assert states(world, seen.id) == ["in_transit"]
    assert news(world) == [("payout.created", "done")]
    assert violations(world) == {}


def test_news_of_a_payout_in_doubt_settles_it(timed: World):
    seen = timed.approved("currency,maximum\nUSD,100.00\n")
    timed.sandbox.control.fault(
        Fault(FaultKind.ERROR_AFTER), Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=50)
    )
    timed.work_off()
    assert states(timed, seen.id) == ["in_doubt"]
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    (found,) = timed.sandbox.control.payouts(HARBOUR)

    hear(timed, event(timed, found["id"], "payout.created", 1, found["metadata"]["fod_item"]))
    timed.work_off()

    assert states(timed, seen.id) == ["created"]
    assert timed.execution(seen.id).state is operations.State.COMPLETED


def test_news_of_a_strangers_payout_is_kept_and_changes_nothing(world: World):
    hear(world, event(world, "po_sbx_nobody", "payout.paid", 1), event(world, "", "balance.available", 2))
    world.work_off()

    assert news(world) == [("payout.paid", "stranger"), ("balance.available", "other")]


def test_only_a_provider_leaves_news(world: World):
    told = event(world, "po_sbx_x", "payout.paid", 1)

    assert code_of(act, world, payouts.take_news, connection_id(world), [(told, b"{}")]) == "NOT_ALLOWED"


def test_a_payout_whose_news_was_lost_is_looked_at_now_and_then(timed: World):
    execution_id, (first, second) = paid_batch(timed)
    move(timed, first, "in_transit", "paid")
    move(timed, second, "in_transit")

    timed.run_job("payouts.refresh")
    assert states(timed, execution_id) == ["paid", "in_transit"]
    move(timed, second, "paid")
    timed.run_job("payouts.refresh")
    assert states(timed, execution_id) == ["paid", "in_transit"]  # it was looked at a moment ago
    timed.advance(timedelta(minutes=16))
    timed.run_job("payouts.refresh")

    assert states(timed, execution_id) == ["paid", "paid"]


def test_a_paid_payout_is_watched_until_no_bank_returns_it_any_more(timed: World):
    execution_id, (first, second) = paid_batch(timed)
    for each in (first, second):
        move(timed, each, "in_transit", "paid")
    timed.run_job("payouts.refresh")
    move(timed, first, "failed", code="no_account")

    timed.advance(timedelta(days=2))
    timed.run_job("payouts.refresh")

    assert states(timed, execution_id) == ["failed", "paid"]


def test_a_reversal_is_told_once_and_the_payout_is_not_retried_for_it(timed: World):
    # Given a payout that arrived and is then reversed by the platform its account belongs to
    execution_id, (first, _) = paid_batch(timed)
    move(timed, first, "in_transit", "paid")
    timed.follow()
    reversed_there = with_provider(timed, Reversed)
    # When it is looked at, twice
    reversed_there.follow()
    reversed_there.follow()
    # Then it stays made, and says so; those near it and the checks have it
    row = next(row for row in rows_of(timed, execution_id) if row.provider_id == first)
    assert (row.state.value, row.error_code) == ("paid", "reversed")
    assert "po_sbx_back" in row.error_message
    assert code_of(act, timed, payouts.retry, execution_id) == "NOTHING_TO_RETRY"
    for who in ("ana", "ben"):
        with timed.desk.read(timed.actor(who)) as reading:
            kinds = [told.kind for told in notifications.unread(reading)]
        assert [kind for kind in kinds if kind.startswith("payout.")] == ["payout.reversed"]
    assert list(violations(timed)) == ["payouts.statement"]


@dataclass
class Reversed:
    """A provider at which every payout that arrived has been reversed; the reversal is on its way."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def get(self, account: str, payout_id: str) -> ProviderPayout:
        told = self.real.get(account, payout_id)
        return replace(told, reversed_by="po_sbx_back") if told.status is PayoutStatus.PAID else told


def test_what_should_have_arrived_is_late(timed: World):
    paid_batch(timed)
    with timed.desk.read(timed.actor("ana")) as reading:
        assert payouts.page(reading, PayoutFilter(standing=Standing.LATE)).sums.count == 0

    timed.advance(timedelta(days=8))

    with timed.desk.read(timed.actor("ana")) as reading:
        late = payouts.page(reading, PayoutFilter(standing=Standing.LATE))
        in_flight = payouts.page(reading, PayoutFilter(standing=Standing.IN_FLIGHT))
    assert (late.sums.count, late.sums.amounts) == (2, {"EUR": 10_000, "USD": 10_000})
    assert all(row.late for row in in_flight.rows)


def test_each_payout_is_held_against_the_providers_statement(both: World):
    world = both
    execution_id, (first, _) = paid_batch(world)
    move(world, first, "in_transit", "paid", "failed", code="no_account")
    world.follow()
    world.run_job("payouts.reconcile")

    with world.desk.read(world.actor("ana")) as reading:
        eur, usd = payouts.tie_out(reading, execution_id)
        rows = payouts.rows(reading, execution_id)
    assert (eur.planned, eur.in_flight, eur.difference, eur.complete) == (10_000, 10_000, 0, True)
    assert (usd.planned, usd.returned, usd.difference, usd.complete) == (10_000, 10_000, 0, True)
    assert [row.returned_minor for row in rows] == [10_000, None]
    assert violations(world) == {}


def test_money_of_which_the_statement_says_nothing_yet_is_no_difference_and_not_complete(world: World):
    execution_id, (first, _) = paid_batch(world)
    world.run_job("payouts.reconcile")
    move(world, first, "in_transit", "paid", "failed")
    world.follow(reconcile=False)

    with world.desk.read(world.actor("ana")) as reading:
        _, usd = payouts.tie_out(reading, execution_id)

    assert (usd.returned, usd.difference, usd.complete) == (10_000, 0, False)


def test_every_part_of_a_batch_adds_up_to_its_plan(timed: World):
    seen = timed.approved("currency,maximum\nUSD,100.00\nEUR,100.00\nGBP,100.00\nCAD,100.00\nCHF,100.00\n")
    timed.sandbox.control.fault(
        Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2), Fault(FaultKind.RESET_BEFORE, nth=3, times=9)
    )
    timed.work_off()

    with timed.desk.read(timed.actor("ana")) as reading:
        found = payouts.tie_out(reading, seen.id)

    for each in found:
        parts = each.in_flight + each.arrived + each.returned + each.refused + each.not_sent + each.in_doubt
        assert each.planned == parts == 10_000
    assert {each.currency for each in found} == {"USD", "EUR", "GBP", "CAD", "CHF"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shuffled_doubled_news_of_many_payouts_has_one_effect_each(world: World, seed: int):
    chance = Random(seed)
    execution_id, ids = paid_batch(world)
    move(world, ids[0], "in_transit", "paid", "failed", code="no_account")
    move(world, ids[1], "in_transit", "paid")
    kinds = ("payout.created", "payout.updated", "payout.paid", "payout.failed")
    events = [
        event(world, each, kind, index * 10 + n) for index, each in enumerate(ids) for n, kind in enumerate(kinds)
    ]
    heard = events + chance.sample(events, 4)
    chance.shuffle(heard)

    for each in heard:
        hear(world, each)
        if chance.random() < 0.3:
            world.work_off()
    world.work_off()

    assert states(world, execution_id) == ["failed", "paid"]
    assert violations(world) == {}


# --- against the last one


def change_of(world: World, csv: str) -> dict[str, str]:
    """What the plan of a one-row file says is different this time."""
    seen = world.planned(csv)
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    return dict(plan.rows[0].body["change"])


def test_the_first_payout_of_its_kind_says_so(world: World):
    assert change_of(world, USD) == {"bank": "first"}


def test_a_plan_is_compared_with_the_last_batch_that_was_sent(world: World):
    first = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    world.planned("currency,maximum\nUSD,999.00\n")  # never sent, so nothing to compare with

    told = change_of(world, "currency,maximum\nUSD,70.00\n")

    assert told["bank"] == "same"
    assert (told["last"], told["last_amount"], told["difference"]) == (first.number, "100.00", "-30.00")


def test_another_bank_account_and_other_details_behind_the_same_one_are_told_apart(world: World):
    world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    change_bank(world, "USD")

    told = change_of(world, "currency,maximum\nUSD,70.00\n")

    assert told["bank"] == "changed"
    assert told["last_bank"] == "Harbour Bank •••• 6789"


def test_the_comparison_is_part_of_what_is_approved(world: World):
    from tests.tampering import tamper

    seen = world.approved("currency,maximum\nUSD,100.00\n")
    changed = tamper(world.desk.settings, "UPDATE execution_plan_row SET body = replace(body, 'first', 'same')")
    assert changed
    world.work_off()

    view = world.execution(seen.id)
    assert (view.state, view.error_code) == (operations.State.SUPERSEDED, "PLAN_CHANGED")


def test_a_file_that_ran_before_is_warned_of_however_long_ago(timed: World):
    first = timed.approved(USD)
    timed.work_off()
    timed.advance(timedelta(days=40))
    timed.sandbox.control.fund(1_000, "usd", HARBOUR)

    seen = timed.planned(USD)

    with timed.desk.read(timed.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    (warning,) = plan.warnings
    assert warning.startswith(f"This file ran before, as {first.number} on ")
    assert PayoutState.PAID in payouts.LIVE


def test_a_provider_that_contradicts_itself_leaves_the_payout_to_a_person(both: World):
    # Given a payout that came back
    world = both
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    (row,) = rows_of(world, seen.id)
    world.sandbox.control.transition(row.provider_id, "in_transit", "failed", account=HARBOUR)
    world.follow()
    assert states(world, seen.id) == ["failed"]
    # When the provider says that it was paid
    told = replace(provider(world).get("", row.provider_id), status=PayoutStatus.PAID)
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        following.move_on(work, row_as_stored(world, seen.id), told)
    # Then it is not paid again, and once a person has settled it the provider's present word counts
    assert (states(world, seen.id), world.execution(seen.id).state) == (["needs_review"], operations.State.UNSETTLED)
    assert code_of(act, world, payouts.retry, seen.id) == "STILL_IN_DOUBT"
    assert violations(world) == {}
    act(world, payouts.resolve, row.id, Verdict.EXISTS, "", "Seen in the dashboard.", who="ben")
    world.work_off()
    assert (states(world, seen.id), world.execution(seen.id).state) == (["failed"], operations.State.FAILED)
    assert violations(world) == {}


# --- a provider that hangs


@dataclass
class Mute:
    """A provider of which no read is answered, however long one waits."""

    real: Any
    clock: ManualClock
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return partial(self._hang, name) if name in {"get", "find"} else getattr(self.real, name)

    def _hang(self, name: str, *_: object) -> None:
        self.asked.append(name)
        self.clock.advance(timedelta(seconds=1))
        raise Unavailable("PROVIDER_UNAVAILABLE", "Nobody answered.", hint="Later.")


def muted(world: World) -> tuple[World, list[str]]:
    asked: list[str] = []
    return with_provider(world, lambda real: Mute(real, clock_of(world), asked)), asked


def test_a_provider_that_hangs_is_asked_once_a_round(timed: World):
    # Given payouts on their way and in doubt, and news of some, at a provider that hangs
    _, ids = paid_batch(timed)
    other = timed.approved("currency,maximum\nGBP,100.00\nCAD,100.00\n")
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    timed.work_off()
    assert states(timed, other.id) == ["in_doubt", "in_doubt"]
    hear(timed, *(event(timed, each, "payout.updated", number) for number, each in enumerate(ids)))
    timed.advance(timedelta(hours=1))
    world, asked = muted(timed)
    # When each of the rounds comes
    world.run_job("payouts.refresh")
    world.run_job("payouts.look_up")
    world.look_through_the_inbox()
    # Then one payout of each waits for it, and the others for the next round
    assert asked == ["get", "find", "get"]


def test_a_round_ends_when_its_time_is_up(timed: World):
    asked = Round(timed.desk)
    clock = clock_of(timed)

    def slow() -> str:
        clock.advance(timedelta(seconds=LASTS_S / 2))
        return "told"

    assert [asked.ask("one", slow), asked.ask("two", slow), asked.ask("three", slow)] == ["told", "told", None]
    assert asked.over()


ANSWERED = {
    "a refusal": Invalid("ROW_BAD", "Not this one.", hint="Another."),
    "an error of its own": Unavailable("PROVIDER_UNAVAILABLE", "It broke.", hint="Later.", status=500),
    "what cannot be read": Unavailable("PROVIDER_ANSWER_BAD", "It cannot be read.", hint="Later."),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_an_answer_that_is_no_use_for_one_payout_keeps_no_other_waiting(timed: World, name: str):
    def answered() -> str:
        raise ANSWERED[name]

    asked = Round(timed.desk)

    assert [asked.ask("one", answered), asked.ask("one", lambda: "told")] == [None, "told"]


def test_two_who_keep_the_same_news_at_once_never_wait_for_each_other_crosswise(both: World):
    # Given two pieces of news, the first of which is being kept
    world = both
    earlier, later = event(world, "po_sbx_x", "payout.paid", 1), event(world, "po_sbx_x", "payout.paid", 2)
    given: list[int] = []

    def keep(work: Work, *told: ProviderEvent) -> None:
        given.append(payouts.take_news(work, connection_id(world), [(each, b"{}") for each in told]))

    def both_in_another_order() -> None:
        with world.desk.work(webhook_actor(world.orgs["harbour"])) as work:
            keep(work, later, earlier)

    second = threading.Thread(target=both_in_another_order, daemon=True)
    with world.desk.work(webhook_actor(world.orgs["harbour"])) as work:
        keep(work, earlier)
        # When somebody else keeps both of them, the last one first, and then the first one goes on
        second.start()
        second.join(HELD_UP_S)
        keep(work, later)
    second.join(60)
    # Then both come to their end, and each piece was kept once
    assert given == [1, 1, 0]
    assert len(news(world)) == 2


def test_the_worker_is_asked_to_look_only_when_news_of_a_payout_is_new(world: World):
    paid, again = (event(world, "po_sbx_x", "payout.paid", number) for number in (1, 2))
    other, another = (event(world, "", "balance.available", number) for number in (3, 4))

    def asks(*told: ProviderEvent) -> tuple[int, int]:
        """How much was new, and how often the worker has to look."""
        with world.desk.work(webhook_actor(world.orgs["harbour"])) as work:
            new = payouts.take_news(work, connection_id(world), [(each, b"{}") for each in told])
        with world.desk.read(worker_actor("")) as reading:
            waiting = job.c.kind == FOLLOW_JOB, job.c.state == JobState.QUEUED
            looks = len(reading.rows(select(job.c.id).where(*waiting)))
        world.work_off()
        return new, looks

    assert asks(other) == (1, 0)
    assert asks(paid, another) == (2, 1)
    assert asks(paid, other) == (0, 0)
    assert asks(again) == (1, 1)
