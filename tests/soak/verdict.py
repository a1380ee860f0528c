"""The arithmetic of the verdict, pure: quarters, medians, and what counts as flat or as slower."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# A life's first quarter is its warm-up: what is imported, compiled and kept at first use.
QUARTERS = 4
MEMORY_MARGIN = 0.05
MEMORY_MARGIN_MIB = 4.0
SLOWER_MARGIN = 0.25
SLOWER_MARGIN_MS = 20.0
LIFE_S = 180.0
LOOKS_LEAST = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence of the report, and whether it is as it should be."""

    what: str
    holds: bool
    told: str


Points = Sequence[tuple[float, float]]
"""(seconds, figure), in the order of time."""


def middle(figures: Sequence[float]) -> float:
    return statistics.median(figures)


def share(figures: Sequence[float], part: float) -> float:
    """The figure below which this part of them lies."""
    return sorted(figures)[min(len(figures) - 1, int(len(figures) * part))]


def quarter(points: Points, number: int, begun_s: float, ended_s: float) -> list[float]:
    """The figures of a quarter (1 to 4) of the time between two moments."""
    length = (ended_s - begun_s) / QUARTERS
    low, high = begun_s + (number - 1) * length, begun_s + number * length
    return [figure for at_s, figure in points if low <= at_s and (at_s < high or number == QUARTERS)]


def flat(name: str, points: Points) -> Verdict:
    """Memory of one life: the median of its last quarter is hardly above that of its second one."""
    if len(points) < LOOKS_LEAST or points[-1][0] - points[0][0] < LIFE_S:
        return Verdict(f"memory of {name}", holds=True, told="too short a life to be judged")
    begun_s, ended_s = points[0][0], points[-1][0]
    second, last = (middle(quarter(points, number, begun_s, ended_s)) for number in (2, QUARTERS))
    allowed = second + max(second * MEMORY_MARGIN, MEMORY_MARGIN_MIB)
    told = f"{second:.1f} MiB in its second quarter, {last:.1f} MiB in its last ({last - second:+.1f}); "
    return Verdict(f"memory of {name}", last <= allowed, f"{told}up to {allowed:.1f} counts as flat")


def no_slower(name: str, points: Points, ended_s: float) -> Verdict:
    """(seconds, ms) of the whole: the median of the last quarter is hardly above that of the second one."""
    second, last = quarter(points, 2, 0, ended_s), quarter(points, QUARTERS, 0, ended_s)
    if len(second) < LOOKS_LEAST or len(last) < LOOKS_LEAST:
        return Verdict(f"no slow-down: {name}", holds=False, told="not enough to tell")
    before, after = middle(second), middle(last)
    allowed = before + max(before * SLOWER_MARGIN, SLOWER_MARGIN_MS)
    told = (
        f"p50 is {before:.0f} ms in the second quarter, {after:.0f} ms in the last; up to {allowed:.0f} ms is no slower"
    )
    return Verdict(f"no slow-down: {name}", after <= allowed, told)


def same_payouts(approved: Sequence[tuple[str, str, int]], made: Sequence[tuple[str, str, int]]) -> Verdict:
    """(execution, currency, amount) as approved and as the provider has made them: each once, nothing else."""
    missing, more = list(approved), []
    for each in made:
        if each in missing:
            missing.remove(each)
        else:
            more.append(each)
    told = f"{len(approved)} approved, {len(made)} made at the provider"
    if missing or more:
        told += f"; missing {missing[:5]}, twice or unasked {more[:5]}"
    return Verdict("every approved payout made once, no other", not missing and not more, told)
