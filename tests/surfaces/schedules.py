"""Schedules: the cases."""

from collections.abc import Mapping
from typing import Any

from finops_core.answers import schedules as told
from finops_core.catalog.schedules import SCHEDULES
from finops_core.upkeep import scheduling
from tests.surfaces.books import shown
from tests.surfaces.places import Ids, Place, nothing
from tests.surfaces.ways import Case

NAME = "ledger.weekly"
ROUTE = f"/schedules/{NAME}"
SAME = ("name", "calendar", "shipped", "enabled", "next_at")


def as_shipped(place: Place) -> Ids:
    """The weekly one, switched on."""
    return _switched(place, enabled=True)


def switched_off(place: Place) -> Ids:
    return _switched(place, enabled=False)


def _switched(place: Place, *, enabled: bool) -> Ids:
    world = place.office.world
    with world.desk.work(world.actor("adam")) as work:
        if scheduling.one(work, SCHEDULES, NAME).enabled is not enabled:
            scheduling.change(work, SCHEDULES, NAME, "for the case", enabled=enabled)
    return {}


def change(reason: str, **how: Any) -> Any:
    return lambda work, _: shown(told.schedule(scheduling.change(work, SCHEDULES, NAME, reason, **how)))


CASES: Mapping[str, Case] = {
    "schedules": Case(
        "adam",
        nothing,
        lambda r, _: {"items": [shown(told.schedule(each)) for each in scheduling.schedules(r, SCHEDULES)]},
        ("GET", "/schedules", None),
        "schedules",
        writes=False,
    ),
    "schedules without the right": Case(
        "carla",
        nothing,
        lambda r, _: scheduling.schedules(r, SCHEDULES),
        ("GET", "/schedules", None),
        "schedules",
        code="NOT_ALLOWED",
        writes=False,
    ),
    "switch a schedule off": Case(
        "adam",
        as_shipped,
        change("audit", enabled=False),
        ("POST", ROUTE, {"enabled": False, "reason": "audit"}),
        f"change-schedule {NAME} --off --reason audit",
        keys=SAME,
    ),
    "switch a schedule on": Case(
        "adam",
        switched_off,
        change("audit", enabled=True),
        ("POST", ROUTE, {"enabled": True, "reason": "audit"}),
        f"change-schedule {NAME} --on --reason audit",
        keys=("name", "calendar", "shipped", "enabled"),
    ),
    "give a schedule what is no calendar": Case(
        "adam",
        as_shipped,
        change("audit", calendar="hourly"),
        ("POST", ROUTE, {"calendar": "hourly", "reason": "audit"}),
        f"change-schedule {NAME} --calendar hourly --reason audit",
        code="SCHEDULE_CALENDAR_BAD",
    ),
    "change a schedule for no reason": Case(
        "adam",
        as_shipped,
        change("", enabled=False),
        ("POST", ROUTE, {"enabled": False, "reason": ""}),
        f"change-schedule {NAME} --off",
        code="SCHEDULE_REASON_NEEDED",
    ),
    "change nothing of a schedule": Case(
        "adam",
        as_shipped,
        change("audit"),
        ("POST", ROUTE, {"reason": "audit"}),
        f"change-schedule {NAME} --reason audit",
        code="SCHEDULE_SAME",
    ),
    "change a schedule that is not there": Case(
        "adam",
        nothing,
        lambda w, _: scheduling.change(w, SCHEDULES, "ledger.never", "audit", enabled=False),
        ("POST", "/schedules/ledger.never", {"enabled": False, "reason": "audit"}),
        "change-schedule ledger.never --off --reason audit",
        code="SCHEDULE_UNKNOWN",
    ),
    "change a schedule without the right": Case(
        "carla",
        nothing,
        change("audit", enabled=False),
        ("POST", ROUTE, {"enabled": False, "reason": "audit"}),
        f"change-schedule {NAME} --off --reason audit",
        code="NOT_ALLOWED",
    ),
}
