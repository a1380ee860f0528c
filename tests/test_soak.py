"""The arithmetic of the soak's verdict: what it would call flat, slower, or paid twice."""

import pytest

from tests.soak.verdict import flat, no_slower, quarter, same_payouts, share

MINUTES_10 = [(at_s * 10.0, 0.0) for at_s in range(61)]


def climbing(start: float, per_minute: float) -> list[tuple[float, float]]:
    return [(at_s, start + at_s / 60 * per_minute) for at_s, _ in MINUTES_10]


def test_a_quarter_has_its_beginning_and_not_its_end_but_for_the_last_one():
    points = [(0.0, 1.0), (9.0, 2.0), (10.0, 3.0), (39.0, 4.0), (40.0, 5.0)]

    assert quarter(points, 1, 0, 40) == [1.0, 2.0]
    assert quarter(points, 2, 0, 40) == [3.0]
    assert quarter(points, 3, 0, 40) == []
    assert quarter(points, 4, 0, 40) == [4.0, 5.0]


def test_memory_that_stays_is_flat_and_memory_that_climbs_is_not():
    assert flat("a process", climbing(200, 0)).holds
    assert flat("a process", climbing(200, 1)).holds, "5 MiB in five minutes are within the margin of 10"
    leak = flat("a process", climbing(200, 4))
    assert not leak.holds
    assert "(+20.3)" in leak.told


def test_what_a_process_takes_while_it_warms_up_does_not_count():
    warming = [(at_s, min(200.0, 50 + at_s)) for at_s, _ in MINUTES_10]

    assert flat("a process", warming).holds


def test_a_life_too_short_says_so():
    assert "too short" in flat("a process", climbing(200, 50)[:10]).told


@pytest.mark.parametrize(("per_minute", "holds"), [(0, True), (3, True), (30, False)])
def test_clicks_that_take_longer_and_longer_are_a_slow_down(per_minute: float, holds: bool):
    assert no_slower("a click", climbing(150, per_minute), 600).holds is holds


def test_without_clicks_nothing_is_promised():
    assert not no_slower("a click", [(1.0, 100.0)], 600).holds


def test_a_payout_made_twice_or_never_or_unasked_is_found():
    approved = [("ex_1", "usd", 1000), ("ex_1", "eur", 1000)]

    assert same_payouts(approved, list(reversed(approved))).holds
    assert not same_payouts(approved, [*approved, approved[0]]).holds
    assert not same_payouts(approved, approved[:1]).holds
    assert not same_payouts(approved, [approved[0], ("ex_1", "eur", 1001)]).holds


def test_a_share_is_the_figure_below_which_that_part_lies():
    assert share([5.0, 1.0, 3.0, 2.0, 4.0], 0.5) == 3.0
    assert share([1.0], 0.95) == 1.0
