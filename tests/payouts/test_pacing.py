"""How fast payouts leave: a burst, then the agreed rate; half of it after each refusal, won back little by little."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.payouts.pacing import RECOVERY, SLOWEST_PER_S, Bucket, Pacing
from tests.payouts.walks import clock_of, made
from tests.world import World, running_world

SIX = "currency,maximum\n" + "".join(f"{code},100.00\n" for code in ("USD", "EUR", "GBP", "CAD", "CHF", "SEK"))
RATE_PER_S = 5.0
# Three answers of "too many" for the first row: its pause doubles with each.
PAUSES_S = 2.0 + 4.0 + 8.0


def bucket(burst: int = 2) -> tuple[Bucket, ManualClock]:
    clock = ManualClock(datetime(2040, 1, 3, 9, 0, tzinfo=UTC))
    return Bucket(RATE_PER_S, burst, clock), clock


def test_a_burst_goes_at_once_and_the_rest_at_the_agreed_rate():
    held, clock = bucket(burst=2)
    gaps = []

    for _ in range(5):
        gaps.append(held.due_in_s())
        clock.sleep(gaps[-1])
        held.take()

    assert gaps == pytest.approx([0, 0, 0.2, 0.2, 0.2])


def test_no_more_than_a_burst_is_saved_up():
    held, clock = bucket(burst=2)

    clock.sleep(3600)
    held.take()
    held.take()

    assert held.due_in_s() == pytest.approx(0.2)


def test_a_refusal_halves_the_rate_and_leaves_nothing_saved_up():
    held, _ = bucket(burst=10)

    held.slow_down()

    assert held.due_in_s() == pytest.approx(0.4)
    held.slow_down()
    assert held.due_in_s() == pytest.approx(0.8)


def test_however_often_it_is_refused_something_goes_every_five_seconds():
    held, _ = bucket()

    for _ in range(20):
        held.slow_down()

    assert held.rate_per_s == SLOWEST_PER_S
    assert held.due_in_s() == pytest.approx(5)


def test_success_wins_the_rate_back_little_by_little_and_no_more_than_was_agreed():
    held, _ = bucket()
    held.slow_down()

    held.speed_up()

    assert held.rate_per_s == pytest.approx(RATE_PER_S / 2 * RECOVERY)
    for _ in range(100):
        held.speed_up()
    assert held.rate_per_s == RATE_PER_S


def test_each_account_has_a_bucket_of_its_own():
    pacing = Pacing(RATE_PER_S, 1, ManualClock(datetime(2040, 1, 3, 9, 0, tzinfo=UTC)))

    pacing.of("acct_1").take()

    assert pacing.of("acct_1").due_in_s() == pytest.approx(0.2)
    assert pacing.of("acct_2").due_in_s() == 0


# --- in a batch


@pytest.fixture
def timed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Time stands still, and no two payouts leave in one burst; at the given rate, else at the provider's."""
    clock = ManualClock(SystemClock().now() + timedelta(seconds=5))
    rate_per_s = getattr(request, "param", RATE_PER_S)
    with running_world(tmp_path, clock=clock, payout_rate_per_s=rate_per_s, payout_burst=1) as world:
        yield world


def slept_over(world: World) -> float:
    """The seconds a batch of six waits in all."""
    world.approved(SIX)
    slept: list[float] = []
    clock_of(world).on_sleep = slept.append
    world.work_off()
    assert len(made(world)) == 6
    return sum(slept)


@pytest.mark.parametrize(("timed", "held_to_per_s"), [(1.0, 1.0), (50.0, RATE_PER_S)], indirect=["timed"])
def test_a_batch_goes_at_the_rate_that_was_set_but_no_faster_than_its_provider_likes(
    timed: World, held_to_per_s: float
):
    assert slept_over(timed) == pytest.approx(5 / held_to_per_s)


def test_a_batch_that_was_refused_goes_on_at_the_halved_rate(timed: World):
    timed.sandbox.control.fault(*[Fault(FaultKind.RATE_LIMIT)] * 3)

    slept_s = slept_over(timed)

    paced_s = sum(1 / (RATE_PER_S / 2**3 * RECOVERY**n) for n in range(1, 6))
    assert slept_s == pytest.approx(PAUSES_S + paced_s)
