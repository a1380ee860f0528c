"""A provider's news through the real receiver, as it may come: late, lost, twice, out of order, before the answer.

The sandbox sends and signs it, the route of the running app takes it, the worker's jobs act on it. Whatever happened
on the way, each payout ends where the provider has it, and each change had its effect once.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from finops_core import audit, notifications, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.adapters.stripe_sandbox.webhook_faults import WebhookFault, WebhookFaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.payouts import PayoutState, queries, service
from finops_core.payouts.models import provider_news
from finops_core.payouts.queries import Unsettled
from finops_core.upkeep import demo
from tests.api.conftest import listening
from tests.operations.walks import code_of
from tests.payouts.walks import (
    HARBOUR,
    act,
    again,
    alive,
    begin,
    due_now,
    prepared,
    provider,
    resume,
    row_as_stored,
    rows_of,
    run_of,
    sent_and_died,
    states,
    steps,
    violations,
)
from tests.processes import until
from tests.world import World, running_world

TWO = "currency,maximum\nUSD,100.00\nEUR,100.00\n"
K = WebhookFaultKind
# Those whose news is good, only late, twice or in another order; the others are refused or never come.
GOOD = {K.NONE, K.DELAYED, K.DOUBLED, K.TWIN, K.REORDERED}


@contextmanager
def hearing(world: World) -> Iterator[World]:
    """The world with its receiver: the app's own routes on loopback. News goes out when the test says so."""
    with listening(world.desk) as url:
        demo.hear_news(world.desk, url)
        world.sandbox.control.settings(delivers_by_itself=False)
        yield world


@pytest.fixture
def told(tmp_path: Path) -> Iterator[World]:
    """Time stands still until it is told to go on."""
    with running_world(tmp_path, clock=ManualClock(SystemClock().now() + timedelta(seconds=5))) as made, hearing(made):
        yield made


@pytest.fixture
def both_told(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, provider_timeout_s=120.0) as made, hearing(made):
        yield made


def paid_batch(world: World) -> tuple[str, list[str]]:
    seen = world.approved(TWO)
    world.work_off()
    return seen.id, [row.provider_id for row in rows_of(world, seen.id)]


def move(world: World, payout_id: str, *to: str) -> None:
    world.sandbox.control.transition(payout_id, *to, account=HARBOUR, code="account_closed")


def endpoints(world: World) -> list[dict[str, str]]:
    """Where the sandbox sends Harbour's news, and what it signs it with."""
    with closing(sqlite3.connect(world.sandbox.database)) as store:
        found = store.execute("SELECT url, secrets FROM webhook_endpoint WHERE account = ?", (HARBOUR,)).fetchall()
    return [{"url": url, "secret": json.loads(secrets)[0]} for url, secrets in found]


def at_provider(world: World, ids: list[str]) -> list[str]:
    known = {each["id"]: each["status"] for each in world.sandbox.control.payouts(HARBOUR)}
    names = {"pending": "created"}
    return [names.get(known[each], known[each]) for each in ids]


def inbox(world: World) -> dict[str, int]:
    """How many different events there are, by what became of them."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        state, mine = provider_news.c.state, provider_news.c.org_id == reading.org_id
        found = reading.rows(select(state, func.count().label("many")).where(mine).group_by(state))
        return {row.state: row.many for row in found}


def kinds_heard(world: World) -> list[str]:
    """What the news was about, in the order it came."""
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        mine = provider_news.c.org_id == reading.org_id
        return [row.kind for row in reading.rows(select(provider_news.c.kind).where(mine).order_by(provider_news.c.id))]


def notices(world: World, who: str) -> list[str]:
    """What somebody was told of payouts, beside how the run itself went."""
    with world.desk.read(world.actor(who)) as reading:
        return [each.title for each in notifications.unread(reading) if each.kind.startswith("payout.")]


def test_news_that_cannot_be_followed_now_is_followed_later_and_does_not_spin(told: World):
    # Given news of a payout, and a provider that does not answer
    execution_id, ids = paid_batch(told)
    told.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, "GET", "/v1/payouts/*", times=100))
    move(told, ids[0], "in_transit")
    told.sandbox.control.deliver()
    # When the worker looks into it, then it comes to an end
    assert told.work_off(limit=20) < 20
    assert states(told, execution_id) == ["created", "created"]
    # and once the provider answers and the pause it was given is over, the news is followed
    told.sandbox.control.post("reset", {"only": ["fault"]})
    told.run_job("payouts.follow_all")
    told.work_off()
    assert states(told, execution_id) == ["created", "created"]
    due_now(told)
    told.work_off()
    assert states(told, execution_id) == ["in_transit", "created"]
    assert violations(told) == {}


def test_news_of_two_payouts_for_one_row_is_no_endless_story(told: World):
    # Given a row for which the provider has two payouts, so that it waits for a person
    seen = told.approved("currency,maximum\nUSD,100.00\n")
    begun = begin(told)
    (row,) = prepared(told, begun)
    sent_and_died(told, begun, row)
    provider(told).submit("", service.body_of(run_of(told, begun), row), f"{row.key}x")
    resume(told)
    assert states(told, seen.id) == ["needs_review"]
    # When the news of both comes
    told.sandbox.control.deliver()
    # Then it is looked into once, and the row still waits
    assert told.work_off(limit=20) < 20
    assert states(told, seen.id) == ["needs_review"]
    assert inbox(told) == {"done": 2}


def test_a_payout_for_a_row_that_was_refused_is_told_and_found_by_the_checks(told: World):
    # Given a row that was refused, and a payout somebody made with the row's name on it
    seen = told.approved("currency,maximum\nUSD,100.00\n")
    told.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    told.work_off()
    (row,) = [row_as_stored(told, seen.id)]
    with told.desk.read(worker_actor(told.orgs["harbour"])) as reading:
        provider(told).submit("", service.body_of(reading, row), "by-hand")
    # When its news comes
    told.sandbox.control.deliver()
    # Then nothing moves, and nobody asks again and again
    assert told.work_off(limit=20) < 20
    assert states(told, seen.id) == ["rejected"]
    # but everybody who should know is told once, and the log and the checks say so
    assert_unexpected(told, row, 1)


def refused_with_a_stray(world: World) -> tuple[str, str]:
    """An execution whose one row was refused, and the payout somebody made with the row's name on it."""
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        provider(world).submit("", service.body_of(reading, row_as_stored(world, seen.id)), "by-hand")
    (stray,) = world.sandbox.control.payouts(HARBOUR)
    return seen.id, str(stray["id"])


def test_a_row_that_another_payout_may_pay_is_not_retried_until_that_came_to_nothing(told: World):
    # Given a row that was refused, and news of a payout behind the desk's back
    execution_id, stray = refused_with_a_stray(told)
    told.sandbox.control.deliver()
    # Then it is not retried, before and after the news was looked into
    assert code_of(act, told, payouts.retry, execution_id) == "OTHER_PAYOUT_FOUND"
    told.work_off()
    assert code_of(act, told, payouts.retry, execution_id) == "OTHER_PAYOUT_FOUND"
    # until the provider says that it came to nothing
    provider(told).cancel("", stray, "take-back")
    told.sandbox.control.deliver()
    told.work_off()
    act(told, payouts.retry, execution_id)
    assert again(told, execution_id).state is operations.State.COMPLETED
    assert alive(told) == [("usd", 10_000)]


def test_rows_beside_one_that_another_payout_may_pay_are_retried(told: World):
    # Given two rows that were refused, and news of a payout that carries the first of them
    seen = told.approved(TWO)
    told.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, times=2))
    told.work_off()
    first = rows_of(told, seen.id)[0]
    with told.desk.read(worker_actor(told.orgs["harbour"])) as reading:
        (row,) = [each for each in queries.newest_of(reading, seen.id) if each.row_no == first.row_no]
        provider(told).submit("", service.body_of(reading, row), "by-hand")
    told.sandbox.control.deliver()
    # When its preparer retries
    act(told, payouts.retry, seen.id)
    again(told, seen.id)
    # Then the other one is paid, and each of them once
    assert alive(told) == [("eur", 10_000), ("usd", 10_000)]
    assert code_of(act, told, payouts.retry, seen.id) == "OTHER_PAYOUT_FOUND"


def test_a_retry_that_was_approved_is_not_carried_out_once_another_payout_is_told_of(told: World):
    # Given a retry that was approved
    execution_id, stray = refused_with_a_stray(told)
    act(told, payouts.retry, execution_id)
    told.work_off()
    act(told, operations.submit, execution_id, told.execution(execution_id).plan_hash)
    told.decide(told.execution(execution_id))
    # When the news comes before it runs
    told.sandbox.control.deliver()
    told.work_off()
    # Then nothing is sent, and the row says why
    row = rows_of(told, execution_id)[-1]
    assert (row.state, row.attempt) == (PayoutState.CANCELED, 2)
    assert stray in row.error_message
    assert alive(told) == [("usd", 10_000)]


def test_what_is_heard_of_another_payout_in_the_midst_of_a_run_counts_for_what_is_not_sent_yet(told: World):
    # Given a run that was killed as its rows were prepared, and a payout made by hand that carries the second
    seen = told.approved(TWO)
    rows = prepared(told, begin(told))
    with told.desk.read(worker_actor(told.orgs["harbour"])) as reading:
        provider(told).submit("", service.body_of(reading, rows[1]), "by-hand")
    # When news of it comes, and another run goes on
    told.sandbox.control.deliver()
    resume(told)
    # Then only the first is paid by the desk
    assert [row.state.value for row in rows_of(told, seen.id)] == ["created", "canceled"]
    assert alive(told) == [("eur", 10_000), ("usd", 10_000)]


def assert_unexpected(world: World, row: Unsettled, news: int) -> str:
    """That a second payout for a row is known of; gives its id."""
    assert inbox(world)["unexpected"] == news
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        (record,) = [each for each in audit.of_object(reading, f"payout:{row.id}") if each.verb == "payout.unexpected"]
    stray = str(record.detail["provider_id"])
    assert violations(world) == {
        "payouts.unexpected": [f"{stray} at the provider carries {row.item}, and is not its payout"]
    }
    for who in ("ben", "carla"):
        assert [title for title in notices(world, who) if "may be paid twice" in title] != []
    assert notices(world, "eva") == []
    return stray


def test_a_second_payout_for_a_row_that_was_made_is_told_until_it_is_taken_back(told: World):
    # Given a row that was paid, and a second payout that carries its marks
    seen = told.approved("currency,maximum\nUSD,100.00\n")
    told.work_off()
    row = row_as_stored(told, seen.id)
    with told.desk.read(worker_actor(told.orgs["harbour"])) as reading:
        provider(told).submit("", service.body_of(reading, row), "by-hand")
    # When its news comes
    told.sandbox.control.deliver()
    told.work_off()
    # Then it is told
    stray = assert_unexpected(told, row, 1)
    # until the provider says that it came to nothing
    provider(told).cancel("", stray, "take-back")
    told.sandbox.control.deliver()
    told.work_off()
    assert states(told, seen.id) == ["created"]
    assert violations(told) == {}
    assert len([title for title in notices(told, "ben") if "may be paid twice" in title]) == 1


# --- every bad day of a delivery


def bad_day(world: World, kind: WebhookFaultKind) -> None:
    if kind is K.REORDERED:  # whatever is held goes after the next event, so not all can be
        world.sandbox.control.webhook_fault(WebhookFault(kind, event="payout.paid", times=2))
    elif kind is not K.NONE:
        world.sandbox.control.webhook_fault(WebhookFault(kind, times=20, tries=9, delay_s=3600))


@pytest.mark.parametrize("kind", WebhookFaultKind)
def test_whatever_happens_to_its_news_a_payout_ends_where_the_provider_has_it(told: World, kind: WebhookFaultKind):
    # Given two payouts, of which one comes back days after it was paid
    bad_day(told, kind)
    execution_id, ids = paid_batch(told)
    move(told, ids[0], "in_transit", "paid")
    move(told, ids[1], "in_transit", "paid")
    told.sandbox.control.deliver()
    told.work_off()
    told.advance(timedelta(days=3))
    move(told, ids[0], "failed")
    # When its news comes as it may
    tried = told.sandbox.control.deliver()
    told.work_off()
    # Then good news is enough
    if kind in GOOD:
        assert {each["last_status"] for each in tried} == {200}
        assert states(told, execution_id) == at_provider(told, ids) == ["failed", "paid"]
    else:
        assert {each["last_status"] for each in tried} <= {400}
        assert states(told, execution_id) == ["created", "created"]
        assert inbox(told) == {}
    # and without any, payouts are looked at now and then
    told.advance(timedelta(hours=25))
    told.run_job("payouts.refresh")
    told.work_off()
    assert states(told, execution_id) == at_provider(told, ids) == ["failed", "paid"]
    assert len(notices(told, "ana")) == len(notices(told, "ben")) == 1
    assert violations(told) == {}


def test_failed_before_paid_ends_failed_and_is_told_once(told: World):
    # Given a payout that was paid and came back, and news of it in the wrong order
    told.sandbox.control.webhook_fault(WebhookFault(K.DELAYED, event="payout.paid", delay_s=3600))
    execution_id, ids = paid_batch(told)
    move(told, ids[0], "in_transit", "paid", "failed")

    for _ in range(2):
        told.sandbox.control.deliver()
        told.work_off()
        assert states(told, execution_id) == ["failed", "created"]
        told.advance(timedelta(hours=2))

    kinds = kinds_heard(told)
    assert kinds.index("payout.failed") < kinds.index("payout.paid")
    assert steps(told, execution_id, 1) == ["submitting", "created", "failed"]
    assert len(notices(told, "ana")) == 1
    assert violations(told) == {}


def test_paid_and_failed_after_days_is_followed_by_news_alone(both_told: World):
    # Given two payouts that were paid
    world = both_told
    execution_id, ids = paid_batch(world)
    for each in ids:
        move(world, each, "in_transit", "paid")
    world.sandbox.control.deliver()
    world.work_off()
    assert states(world, execution_id) == ["paid", "paid"]
    # When a bank gives one back
    move(world, ids[1], "failed")
    world.sandbox.control.deliver()
    world.work_off()
    # Then its row says so, and everybody near hears of it once
    assert states(world, execution_id) == ["paid", "failed"]
    assert world.execution(execution_id).message == "1 of 2 payouts made, 1 came back."
    assert steps(world, execution_id, 2) == ["submitting", "created", "paid", "failed"]
    assert len(notices(world, "ana")) == len(notices(world, "ben")) == 1
    assert violations(world) == {}


def test_the_same_news_three_times_at_once_has_one_effect(both_told: World):
    # Given a receiver that is registered three times, so that each event comes three times at the same moment
    world = both_told
    (known,) = endpoints(world)
    for number in range(2):
        world.sandbox.control.endpoint(known["url"], known["secret"], HARBOUR, id=f"we_sbx_again_{number}")
    execution_id, ids = paid_batch(world)
    # When things happen to two payouts
    for each in ids:
        move(world, each, "in_transit", "paid")
    move(world, ids[0], "failed")
    tried = world.sandbox.control.deliver()
    world.work_off()
    # Then every delivery was taken, and each event kept once
    assert len(tried) == 3 * len({each["event"] for each in tried}) == 30
    assert {each["last_status"] for each in tried} == {200}
    assert inbox(world) == {"done": 10}
    # and had one effect
    assert states(world, execution_id) == ["failed", "paid"]
    assert steps(world, execution_id, 1) == ["submitting", "created", "failed"]
    assert len(notices(world, "ana")) == 1
    assert violations(world) == {}


def test_news_that_is_faster_than_the_answer_waits_for_it(both_told: World):
    # Given a provider that executes at once, tells the world, and takes its time to answer
    world = both_told
    world.sandbox.control.settings(delivers_by_itself=True)
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    run = threading.Thread(target=world.work_off, daemon=True)
    with world.sandbox.holding("POST", "/v1/payouts") as held:
        run.start()
        # When its news is there before the answer
        until(held.reached, what="the payout is made")
        until(lambda: inbox(world) == {"new": 1}, what="the news is there")
        world.look_through_the_inbox()
        assert (states(world, seen.id), inbox(world)) == (["submitting"], {"waiting": 1})
    run.join(60)
    assert not run.is_alive()
    # Then it waits, and changes nothing that the answer does not say
    assert states(world, seen.id) == ["created"]
    due_now(world)
    world.work_off()
    assert inbox(world) == {"done": 1}
    assert steps(world, seen.id, 1) == ["submitting", "created"]
    assert violations(world) == {}
