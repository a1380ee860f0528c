"""Money that a bank gives back late, after its news was lost: payouts are watched, and so is the statement."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from finops_core import notifications, payouts
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.business_days import add_business_days
from finops_core.kernel.provider import PayoutStatus, ProviderPayout
from finops_core.payouts import rules
from finops_core.payouts.models import payout
from tests.payouts.test_following import move, paid_batch
from tests.payouts.walks import clock_of, rows_of, states, violations, with_provider
from tests.world import World

A_DAY = timedelta(days=1)


def paid(world: World) -> tuple[str, list[str]]:
    """Two payouts that have arrived, as far as anybody knows, and that the statement shows."""
    execution_id, ids = paid_batch(world)
    for each in ids:
        move(world, each, "in_transit", "paid")
    world.follow()
    world.run_job("payouts.reconcile")
    assert states(world, execution_id) == ["paid", "paid"]
    return execution_id, ids


def days_pass(world: World, days: int, *jobs: str) -> None:
    for _ in range(days):
        world.advance(A_DAY)
        for job in jobs:
            world.run_job(job)


def titles(world: World, who: str) -> list[str]:
    with world.desk.read(world.actor(who)) as reading:
        kinds = [told.kind for told in notifications.unread(reading)]
    return [kind for kind in kinds if not kind.startswith(("approval.", "execution."))]


@pytest.mark.parametrize("days", [5, 9, 13, 18])
def test_a_payout_that_comes_back_weeks_after_it_was_paid_is_seen_without_any_news(timed: World, days: int):
    # Given a payout that was paid, and whose bank gives it back after the holidays; the news of it is lost
    execution_id, (first, _) = paid(timed)
    days_pass(timed, days, "payouts.refresh")
    move(timed, first, "failed", code="account_closed")
    # When payouts are looked at now and then
    days_pass(timed, 2, "payouts.refresh")
    # Then it has come back, and those near it know
    assert states(timed, execution_id) == ["failed", "paid"]
    assert titles(timed, "ana") == titles(timed, "ben") == ["payout.returned"]


@pytest.mark.parametrize("country", ["US", "DE", "GB", "JP", "CN", "TR", "SE", "XX", ""])
def test_whatever_the_holidays_a_payout_is_watched_for_longer_than_a_bank_may_take(country: str):
    first = date(2026, 1, 1)
    for paid_on in (first + number * A_DAY for number in range(3 * 365)):
        try:
            last = add_business_days(paid_on, rules.RETURN_DAYS, country)
        except Exception:  # noqa: BLE001 - no calendar: weekends only
            last = add_business_days(paid_on, rules.RETURN_DAYS, "")
        # Two days more, since it is looked at once a day.
        assert rules.watched_from(last + 2 * A_DAY, country) <= paid_on
        assert rules.watched_from(last + 2 * A_DAY, "") <= paid_on  # the account may be in another country


def test_money_that_came_back_later_still_is_found_in_the_statement(both: World):
    # Given payouts that were paid weeks ago, so that they are not looked at one by one any more
    world = both
    execution_id, (first, _) = paid(world)
    world.run_job("payouts.returns")
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        mine = payout.c.org_id == work.org_id
        work.execute(update(payout).where(mine).values(paid_at=work.now - 25 * A_DAY, followed_at=None))
    move(world, first, "failed", code="account_closed")
    world.run_job("payouts.refresh")
    assert states(world, execution_id) == ["paid", "paid"]
    # When the statement is searched
    world.run_job("payouts.returns")
    world.work_off()
    # Then that one has come back with the bank's reason, the report says so, and those near it know
    assert states(world, execution_id) == ["failed", "paid"]
    assert rows_of(world, execution_id)[0].error_code == "account_closed"
    with world.desk.read(world.actor("ana")) as reading:
        told = {each.currency: (each.arrived, each.returned) for each in payouts.tie_out(reading, execution_id)}
    assert told == {"EUR": (10_000, 0), "USD": (0, 10_000)}
    assert titles(world, "ana") == titles(world, "ben") == ["payout.returned"]
    assert violations(world) == {}


def test_the_statement_is_read_on_from_where_it_was_read_before(timed: World):
    execution_id, (first, _) = paid(timed)
    timed.run_job("payouts.returns")
    days_pass(timed, 24, "payouts.returns")
    calls = len(timed.sandbox.control.calls("GET", "/v1/balance_transactions"))

    timed.run_job("payouts.returns")

    asked = timed.sandbox.control.calls("GET", "/v1/balance_transactions")[calls:]
    since = {int(each["params"]["created"]["gte"]) for each in asked}
    assert min(since) > (clock_of(timed).now() - 3 * A_DAY).timestamp()
    move(timed, first, "failed", code="account_closed")
    days_pass(timed, 1, "payouts.returns")
    assert states(timed, execution_id) == ["failed", "paid"]


@dataclass
class StillPaid:
    """A provider that says of every payout that it was paid, whatever its statement shows."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def get(self, account: str, payout_id: str) -> ProviderPayout:
        return replace(self.real.get(account, payout_id), status=PayoutStatus.PAID)


def test_a_statement_that_gives_back_what_the_provider_says_was_paid_is_found_by_the_check(timed: World):
    execution_id, (first, _) = paid(timed)
    days_pass(timed, 24)
    move(timed, first, "failed", code="account_closed")
    contradicting = with_provider(timed, StillPaid)

    contradicting.run_job("payouts.returns")
    assert violations(timed) == {}, "the provider was not asked since the statement was read"
    timed.advance(timedelta(minutes=1))
    contradicting.run_job("payouts.returns")

    assert states(timed, execution_id) == ["paid", "paid"]
    assert list(violations(timed)) == ["payouts.statement"]
    timed.advance(10 * A_DAY)  # an older one is not looked for in the other checks any more
    assert list(violations(timed)) == ["payouts.statement"]
