"""Locked periods: the cases."""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import count
from typing import Any

from finops_core import ledger
from finops_core.answers.periods import PeriodAnswer
from tests.surfaces.books import shown
from tests.surfaces.places import Ids, Place, nothing
from tests.surfaces.ways import Case

# Each case has days of its own: none is locked twice.
_DAYS = (date(2020, 1, 1) + timedelta(number) for number in count())
SAME = ("reason", "unlocked_reason")


def a_day(place: Place) -> Ids:
    del place
    return {"day": next(_DAYS).isoformat()}


def locked(place: Place) -> Ids:
    ids, world = a_day(place), place.office.world
    day = date.fromisoformat(ids["day"])
    with world.desk.work(world.actor("carla")) as work:
        return {**ids, "period": ledger.lock_period(work, day, day, "reported")}


def lock(work: Any, ids: Ids) -> Any:
    day = date.fromisoformat(ids["day"])
    return told(work, ledger.lock_period(work, day, day, "reported"))


def unlock(work: Any, ids: Ids) -> Any:
    ledger.unlock_period(work, ids["period"], "late")
    return told(work, ids["period"])


def told(work: Any, period_id: str) -> Any:
    return shown(PeriodAnswer.of(ledger.period(work, period_id)))


DAY = {"from_on": "{day}", "to_on": "{day}", "reason": "reported"}
CASES: Mapping[str, Case] = {
    "lock a period": Case(
        "carla",
        a_day,
        lock,
        ("POST", "/ledger/periods", DAY),
        "lock-period {day} {day} --reason reported",
        keys=SAME,
    ),
    "lock a period twice": Case(
        "carla",
        locked,
        lock,
        ("POST", "/ledger/periods", DAY),
        "lock-period {day} {day} --reason reported",
        code="PERIOD_LOCKED_BEFORE",
    ),
    "lock a period without the right": Case(
        "ana",
        a_day,
        lock,
        ("POST", "/ledger/periods", DAY),
        "lock-period {day} {day} --reason reported",
        code="NOT_ALLOWED",
    ),
    "lock a period backwards for no reason": Case(
        "carla",
        nothing,
        lambda w, _: ledger.lock_period(w, date(2019, 1, 2), date(2019, 1, 1), ""),
        ("POST", "/ledger/periods", {"from_on": "2019-01-02", "to_on": "2019-01-01", "reason": ""}),
        "lock-period 2019-01-02 2019-01-01",
        code="PERIOD_BAD",
    ),
    "open a period again": Case(
        "carla",
        locked,
        unlock,
        ("POST", "/ledger/periods/{period}/unlock", {"reason": "late"}),
        "unlock-period {period} --reason late",
        keys=SAME,
    ),
    "open a period that is not there": Case(
        "carla",
        nothing,
        lambda w, _: ledger.unlock_period(w, "period_none", "late"),
        ("POST", "/ledger/periods/period_none/unlock", {"reason": "late"}),
        "unlock-period period_none --reason late",
        code="PERIOD_UNKNOWN",
    ),
    "locked periods": Case(
        "eva",
        locked,
        lambda r, _: {"items": [shown(PeriodAnswer.of(each)) for each in ledger.periods(r)]},
        ("GET", "/ledger/periods", None),
        "periods",
        writes=False,
    ),
    "locked periods without the right": Case(
        "ben",
        nothing,
        lambda r, _: ledger.periods(r),
        ("GET", "/ledger/periods", None),
        "periods",
        code="NOT_ALLOWED",
        writes=False,
    ),
}
