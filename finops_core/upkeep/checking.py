"""Runs the standing checks on schedule and keeps what they found; the Health page shows the last runs."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select

from finops_core import audit, notifications, reference, security
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.ids import new_id
from finops_core.kernel.job import Check
from finops_core.kernel.permissions import Permission
from finops_core.notifications import Kind
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work
from finops_core.upkeep.models import check_run

CHECK_JOB = "upkeep.check"
TOLD_MOST = 50
LEDGERS = "ledger."
KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class CheckView:
    """The last run of one check in an organisation; ``at`` is None before the first. ``told``: the first violations.

    ``hint``: what a violation means and what to do about one.
    """

    id: str
    title: str
    hint: str
    at: datetime | None
    duration_ms: int
    violations: int
    told: tuple[str, ...]


def run_checks(checks: Mapping[str, Check], units: Units, claim: Claim) -> None:
    """Every check in every organisation. A check that breaks is a violation of its own; it stops no other."""
    del claim
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    for org_id in org_ids:
        for check in checks.values():
            actor = worker_actor(org_id)
            started = time.perf_counter()
            with units.read(actor) as reading:
                told = _found(check, reading)
            duration_ms = round((time.perf_counter() - started) * 1000)
            with units.work(actor) as work:
                _keep(work, check, told, duration_ms)


def ask_to_check(work: Work) -> None:
    """Have the checks run now. Needs HEALTH_VIEW."""
    work.require(Permission.HEALTH_VIEW)
    queue.enqueue(work, CHECK_JOB, {}, key=CHECK_JOB, again=True)


def under_way(reading: Reading) -> bool:
    """Whether the checks run at the moment, or wait for a worker to run them. Needs HEALTH_VIEW."""
    reading.require(Permission.HEALTH_VIEW)
    return queue.is_open(reading, CHECK_JOB)


def last_runs(reading: Reading, checks: Mapping[str, Check]) -> tuple[CheckView, ...]:
    """How each check of this organisation stood at its last run, in the catalogue's order.

    Needs HEALTH_VIEW; with LEDGER_VIEW alone, those of the ledger.
    """
    if not reading.may(Permission.HEALTH_VIEW):
        reading.require(Permission.LEDGER_VIEW)
        checks = {id_: check for id_, check in checks.items() if id_.startswith(LEDGERS)}
    table = check_run
    mine = table.c.org_id == reading.org_id
    newest = (
        select(table.c.check_id, func.max(table.c.at).label("at")).where(mine).group_by(table.c.check_id).subquery()
    )
    same = and_(newest.c.check_id == table.c.check_id, newest.c.at == table.c.at)
    rows = {row.check_id: row for row in reading.rows(select(table).select_from(table.join(newest, same)).where(mine))}
    return tuple(_view(check, rows.get(check.id)) for check in checks.values())


def tidy(work: Work) -> None:
    """Forget runs of long ago."""
    mine = check_run.c.org_id == work.org_id, check_run.c.at < work.now - KEPT
    work.execute(delete(check_run).where(*mine))


def _view(check: Check, row: Row[Any] | None) -> CheckView:
    if row is None:
        return CheckView(check.id, check.title, check.hint, None, 0, 0, ())
    told = tuple(json.loads(row.told))
    return CheckView(check.id, check.title, check.hint, row.at, row.duration_ms, row.violations, told)


def _found(check: Check, reading: Reading) -> list[str]:
    try:
        return check.find(reading)
    except Exception as error:  # noqa: BLE001 - whatever breaks a check must be seen, and must not hide the others
        return [f"The check itself broke ({type(error).__name__}); tell whoever maintains it."]


def _keep(work: Work, check: Check, told: list[str], duration_ms: int) -> None:
    work.execute(
        insert(check_run).values(
            org_id=work.org_id,
            id=new_id("chk"),
            check_id=check.id,
            at=work.now,
            duration_ms=duration_ms,
            violations=len(told),
            told=json.dumps(told[:TOLD_MOST]),
        )
    )
    if not told:
        return
    audit.record(work, "check.violated", f"check:{check.id}", detail={"violations": len(told)})
    notifications.notify(
        work,
        [person.id for person in security.people_with(work, Permission.HEALTH_VIEW)],
        Kind.CHECK_VIOLATED,
        once=f"check:{check.id}:{work.now.date().isoformat()}",
        title=f"Check failed: {check.title}",
        body=told[0],
        page="health",
    )
