"""Operations that misbehave on purpose, and a desk that knows them; a child opens it by this module's name."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import OperationalError

from finops_core.catalog.operations import OPERATIONS
from finops_core.desk import Desk, open_desk
from finops_core.kernel.errors import Invalid
from finops_core.kernel.operation import (
    Category,
    LogLevel,
    Operation,
    Plan,
    PlanRow,
    Recovery,
    Result,
    Risk,
    RunContext,
)
from finops_core.platform.settings import Settings

DONE = Result(success=True, message="Done.")
TALK_LINES = 700
ENDLESS_S = 900
"""The time of those that never end: longer than a test may take, so that it is up only by a clock a test turns."""


def open_odd(settings: Settings) -> Desk:
    """A desk that offers the odd operations beside the usual ones."""
    desk = open_desk(settings)
    return Desk(settings, desk.database, replace(desk.ports, operations={**OPERATIONS, **ODD}))


def _talk(context: RunContext) -> Result:
    for number in range(TALK_LINES):
        context.log(LogLevel.INFO, f"Line {number}.", number=number)
        context.progress(number, TALK_LINES, "Talking")
    return DONE


def _endless(context: RunContext) -> Result:
    context.log(LogLevel.INFO, "Here I am.", pid=os.getpid())
    while True:
        time.sleep(0.05)


def _chatter(context: RunContext) -> Result:
    context.log(LogLevel.INFO, "Here I am.", pid=os.getpid())
    while True:
        context.log(LogLevel.INFO, "And another thing.")


def _die(context: RunContext) -> Result:
    context.log(LogLevel.INFO, "About to die.")
    os._exit(9)


def _die_once(context: RunContext) -> Result:
    if _first_time(context):
        _die(context)
    return DONE


def _wait_for_stop(context: RunContext) -> Result:
    context.log(LogLevel.INFO, "Waiting.", pid=os.getpid())
    while not context.stop_requested():
        time.sleep(0.02)
    return Result(success=False, message="Stopped.")


def _almost_done(context: RunContext) -> Result:
    context.log(LogLevel.INFO, "Almost done.")
    time.sleep(0.7)
    return DONE


def _refuse(context: RunContext) -> Result:
    raise Invalid("NOTHING_TO_DO", "There is nothing to do.", hint="Come back tomorrow.")


def _break(context: RunContext) -> Result:
    raise ValueError("a secret: rk_test_1234")


def _lose_database(context: RunContext) -> Result:
    raise OperationalError("INSERT", {}, Exception("disk is full"))


def _plan_after_death(context: RunContext) -> Plan:
    if _first_time(context):
        os._exit(9)
    return Plan((PlanRow("", "USD", 1, {}),), "test", "")


def _first_time(context: RunContext) -> bool:
    mark = Path(context.ports.settings.data_dir) / f"{context.execution_id}.mark"
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _odd(name: str, run: object, **more: object) -> Operation:
    facts = {"title": name.title(), "description": "Odd.", "category": Category.CUSTOM, "risk": Risk.LOW, **more}
    return Operation(id=f"odd.{name}", version="1.0.0", run=run, **facts)  # type: ignore[arg-type]


_ALL = (
    _odd("talk", _talk),
    _odd("endless", _endless, timeout_s=ENDLESS_S),
    _odd("chatter", _chatter, timeout_s=ENDLESS_S),
    _odd("long", _endless, recovery=Recovery.RESUME),
    _odd("long_unsafe", _endless),
    _odd("die", _die),
    _odd("die_always", _die, recovery=Recovery.RESUME),
    _odd("die_once", _die_once, recovery=Recovery.RESUME),
    _odd("wait_for_stop", _wait_for_stop),
    _odd("almost_done", _almost_done),
    _odd("refuse", _refuse),
    _odd("break", _break),
    _odd("lose_database", _lose_database),
    _odd("plan_after_death", _talk, dry_run=_plan_after_death),
)
ODD: Mapping[str, Operation] = {operation.id: operation for operation in _ALL}
