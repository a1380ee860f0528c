"""A provider's news through the real receiver, as it may come: late, lost, twice, out of order, before the answer.

The sandbox sends and signs it, the route of the running app takes it, the worker's jobs act on it. Whatever happened
on the way, each payout ends where the provider has it, and each change had its effect once.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from finops_core import audit, notifications
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.adapters.stripe_sandbox.webhook_faults import WebhookFault, WebhookFaultKind
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.payouts import service
from finops_core.payouts.models import provider_news
from finops_core.upkeep import demo
from tests.api.conftest import listening
from tests.payouts.walks import (
    HARBOUR,
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
    with running_world(tmp_path, database_url) as made, hearing(made):
        yield made


def paid_batch(world: World) -> tuple[str, list[str]]:
    seen = world.approved(TWO)
    world.work_off()
    return seen.id, [row.provider_id for row in rows_of(world, seen.id)]


def move(world: World, payout_id: str, *to: str) -> None:
    world.sandbox.control.transition(payout_id, *to, account=HARBOUR, code="account_closed")


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


def notices(world: World, who: str) -> list[str]:
    with world.desk.read(world.actor(who)) as reading:
        return [each.title for each in notifications.unread(reading)]


def steps(world: World, execution_id: str, row_no: int) -> list[str]:
    """What the log says became of a row."""
    (row,) = [row for row in rows_of(world, execution_id) if row.row_no == row_no]
    with world.desk.read(system_actor(world.orgs["harbour"])) as reading:
        return [str(each["to"]) for each in audit.steps(reading, "payout.", row.sent_at)[f"payout:{row.id}"]]


def test_news_that_cannot_be_followed_now_is_followed_later_and_does_not_spin(told: World):
    # Given news of a payout, and a provider that does not answer
    execution_id, ids = paid_batch(told)
    told.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, "GET", "/v1/payouts/*", times=100))
    move(told, ids[0], "in_transit")
    told.sandbox.control.deliver()
    # When the worker looks into it, then it comes to an end
    assert told.work_off(limit=20) < 20
    assert states(told, execution_id) == ["created", "created"]
    # and once the provider answers, the news is followed
    told.sandbox.control.post("reset", {"only": ["fault"]})
    told.run_job("payouts.follow_all")
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


def test_news_of_a_payout_for_a_row_that_was_refused_is_a_strangers(told: World):
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
    assert inbox(told) == {"stranger": 1}
