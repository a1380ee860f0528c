"""Reconciling balances with their postings: on schedule in batches, or asked for; each run and each drift is kept.

Looking takes no lock: writers go on. Only an account that is off is held, for as long as its repair takes.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from finops_core import audit, notifications, reference, security
from finops_core.kernel.actor import WORKER_ID, Actor, worker_actor
from finops_core.kernel.errors import Invalid, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import drift, proposing, queries, rules
from finops_core.ledger.drift import Off
from finops_core.ledger.records import ledger_drift, ledger_reconciliation
from finops_core.ledger.rules import ReconcileWidth
from finops_core.notifications import Kind
from finops_core.platform import queue
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work

SCHEDULED_JOB, ASKED_JOB = "ledger.reconcile", "ledger.reconcile_asked"
BATCHES = {ReconcileWidth.HOURLY: 500, ReconcileWidth.FULL: 50}
BATCH_MOST = 5_000
PAGE = 25
KEPT, TREND = timedelta(days=90), timedelta(days=30)
# Of a look at what moved: longer than a day, so that a night without one leaves nothing out.
MOVED_WITHIN = timedelta(days=2)
LOG = logging.getLogger("tieout.ledger")


@dataclass(frozen=True, slots=True)
class ReconciliationView:
    """One run; ``ended_at`` is None while it is under way. It counts accounts; to ``broken`` ones nothing was done.

    ``moved_since``: it looked only at accounts that moved since then; None for one that looked at all.
    """

    id: str
    width: ReconcileWidth
    account_id: str
    dry_run: bool
    asked_by: str
    reason: str
    asked_at: datetime
    moved_since: datetime | None
    ended_at: datetime | None
    checked: int
    drifted: int
    repaired: int
    broken: int


@dataclass(frozen=True, slots=True)
class DriftView:
    """An account that was off: what its balance said, and what its postings add up to."""

    id: str
    reconciliation_id: str
    account_id: str
    shown: Money
    should: Money
    repaired: bool
    broken: bool
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Trend:
    """How often an account was off in the last 30 days and in the 30 before; ``most`` in the last, None for never."""

    lately: int
    before: int
    most: Money | None


def ask_to_reconcile(
    work: Work, reason: str = "", *, full: bool = False, dry_run: bool = False, batch_size: int | None = None
) -> str:
    """Have the worker look at every account; the run's id. Needs ``LEDGER_ADJUST``.

    ``full``: their history, too. ``batch_size``: how many accounts at a time, 1 to 5,000; ``BATCH_SIZE_BAD``.
    """
    work.require(Permission.LEDGER_ADJUST)
    if batch_size is not None and not 0 < batch_size <= BATCH_MOST:
        raise Invalid("BATCH_SIZE_BAD", f"{batch_size} accounts cannot be looked at at a time.", hint="Say 1 to 5,000.")
    width = ReconcileWidth.FULL if full else ReconcileWidth.HOURLY
    run_id = _begin(work, width, reason=reason, dry_run=dry_run)
    asked = {"run": run_id, "org": work.org_id, "batch": batch_size or BATCHES[width]}
    queue.enqueue(work, ASKED_JOB, asked, key=f"{ASKED_JOB}:{run_id}")
    detail = {"width": width.value, "dry_run": dry_run, "reason": reason.strip()}
    audit.record(work, "ledger.reconcile_asked", f"reconciliation:{run_id}", detail=detail)
    return run_id


def reconcile_wallet(work: Work, wallet_id: str, reason: str = "", *, dry_run: bool = False) -> ReconciliationView:
    """Look at one wallet, every posting of it, now. Needs ``LEDGER_ADJUST``.

    ``WALLET_NOT_FOUND``, and ``REASON_MISSING`` unless it is a dry run.
    """
    work.require(Permission.LEDGER_ADJUST)
    if not (dry_run or reason.strip()):
        raise rules.reason_missing("Reconciling a wallet at once")
    account = queries.wallet_account(work, wallet_id)
    run_id = _begin(work, ReconcileWidth.WALLET, account.id, reason, dry_run=dry_run)
    seen = _run(work, run_id)
    found = drift.off(work, [account.id], history=True)
    told = _settle(work, replace(seen, checked=1), found)
    _end(work, told)
    detail = {"run": run_id, "dry_run": dry_run, "drifted": told.drifted, "reason": reason.strip()}
    audit.record(work, "wallet.reconciled", f"wallet:{account.id}", detail=detail)
    return _run(work, run_id)


def reconcile_scheduled(units: Units, claim: Claim | None) -> None:
    """The accounts of the organisation whose schedule has come, ``width`` wide; ``moved``: those that moved lately.

    Of every organisation, each account, where the job names none.
    """
    asked = claim.payload if claim else {}
    width, moved = ReconcileWidth(asked.get("width", ReconcileWidth.HOURLY)), bool(asked.get("moved"))
    if org := str(asked.get("org", "")):
        org_ids: Sequence[str] = [org]
    else:
        with units.read(worker_actor("")) as reading:
            org_ids = reference.all_ids(reading)
    troubles = []
    for org_id in org_ids:
        actor = worker_actor(org_id)
        try:
            _go_through(units, actor, _scheduled(units, actor, width, moved=moved))
        except Exception as error:
            # What one organisation's accounts do must not keep the others' from being looked at.
            LOG.exception("the balances of %s could not be looked at", org_id)
            troubles.append(error)
    if troubles:
        raise troubles[0]


def reconcile_asked(units: Units, claim: Claim) -> None:
    """A run that somebody asked for."""
    batch = int(claim.payload.get("batch", 0))
    _go_through(units, worker_actor(str(claim.payload["org"])), str(claim.payload["run"]), batch)


def reconciliation(reading: Reading, run_id: str) -> ReconciliationView:
    """One run; ``RECONCILIATION_UNKNOWN``. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    return _run(reading, run_id)


def _run(reading: Reading, run_id: str) -> ReconciliationView:
    table = ledger_reconciliation
    row = reading.first(select(table).where(table.c.org_id == reading.org_id, table.c.id == run_id))
    if row is None:
        raise NotFound("RECONCILIATION_UNKNOWN", "There is no such reconciliation here.", hint="Look at the last ones.")
    return _view(row)


def reconciliations(reading: Reading, limit: int = PAGE, before: str = "") -> tuple[ReconciliationView, ...]:
    """Runs, newest first; ``before``: older than the one with this id. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    table = ledger_reconciliation
    wanted = select(table).where(table.c.org_id == reading.org_id)
    if before:
        wanted = wanted.where(table.c.id < before)
    return tuple(_view(row) for row in reading.rows(wanted.order_by(table.c.id.desc()).limit(limit)))


def drifts(reading: Reading, account_id: str = "", limit: int = PAGE, before: str = "") -> tuple[DriftView, ...]:
    """What was found off, newest first: of one account, or anywhere. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    table = ledger_drift
    wanted = select(table).where(table.c.org_id == reading.org_id)
    if account_id:
        wanted = wanted.where(table.c.account_id == account_id)
    if before:
        wanted = wanted.where(table.c.id < before)
    return tuple(_drift(row) for row in reading.rows(wanted.order_by(table.c.id.desc()).limit(limit)))


def drift_trend(reading: Reading, account_id: str) -> Trend:
    """Whether an account is off more often than it was. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    table, lately = ledger_drift, reading.now - TREND
    mine = table.c.org_id == reading.org_id, table.c.account_id == account_id
    by = func.max(func.abs(table.c.shown_minor - table.c.should_minor)).label("by")
    columns = (func.count().label("many"), by, func.max(table.c.currency).label("currency"))
    now = reading.first(select(*columns).where(*mine, table.c.found_at > lately))
    before = table.c.found_at > lately - TREND, table.c.found_at <= lately
    then = int(reading.scalar(select(func.count()).select_from(table).where(*mine, *before)))
    if now is None or not now.many:
        return Trend(0, then, None)
    return Trend(now.many, then, Money(int(now.by), now.currency))


def _begin(
    work: Work,
    width: ReconcileWidth,
    account_id: str = "",
    reason: str = "",
    *,
    dry_run: bool = False,
    moved_since: datetime | None = None,
) -> str:
    run_id = new_id("rec")
    row = {
        "org_id": work.org_id,
        "id": run_id,
        "width": width.value,
        "account_id": account_id,
        "dry_run": dry_run,
        "asked_by": work.actor.id,
        "reason": reason.strip(),
        "asked_at": work.now,
        "moved_since": moved_since,
        "ended_at": None,
        **dict.fromkeys(("checked", "drifted", "repaired", "broken"), 0),
    }
    work.execute(insert(ledger_reconciliation), row)
    return run_id


def tidy(work: Work) -> None:
    """Forget scheduled looks of long ago that found nothing; what was off, and what somebody asked for, is kept."""
    table = ledger_reconciliation
    mine = table.c.org_id == work.org_id, table.c.asked_by == WORKER_ID
    work.execute(delete(table).where(*mine, table.c.drifted == 0, table.c.ended_at < work.now - KEPT))


def _scheduled(units: Units, actor: Actor, width: ReconcileWidth, *, moved: bool) -> str:
    """A run of a schedule: one as wide that was begun and did not end is gone on with, so that none is lost."""
    table = ledger_reconciliation
    with units.work(actor) as work:
        mine = table.c.org_id == work.org_id, table.c.asked_by == actor.id, table.c.width == width.value
        alike = table.c.moved_since.is_not(None) if moved else table.c.moved_since.is_(None)
        open_: str | None = work.scalar(select(table.c.id).where(*mine, alike, table.c.ended_at.is_(None)).limit(1))
        return open_ or _begin(work, width, moved_since=work.now - MOVED_WITHIN if moved else None)


def _go_through(units: Units, actor: Actor, run_id: str, batch: int = 0) -> None:
    """All accounts in batches, each in a look of its own; begun anew after a crash, a run counts anew."""
    with units.read(actor) as reading:
        seen = _run(reading, run_id)
    if seen.ended_at is not None:
        return
    seen = replace(seen, checked=0, drifted=0, repaired=0, broken=0)
    last, batch = "", batch or BATCHES[seen.width]
    while True:
        with units.read(actor) as reading:
            ids = drift.accounts_after(reading, last, batch, seen.moved_since)
            found = drift.off(reading, ids, history=seen.width is ReconcileWidth.FULL) if ids else ()
        if not ids:
            break
        last, seen = ids[-1], replace(seen, checked=seen.checked + len(ids))
        if found:
            with units.work(actor) as work:
                seen = _settle(work, seen, found)
    with units.work(actor) as work:
        _end(work, seen)


def _settle(work: Work, run: ReconciliationView, found: Sequence[Off]) -> ReconciliationView:
    """Mend what can be mended, keep all of it, and tell people of what they must know."""
    for each in found:
        repaired = None if run.dry_run or each.broken else drift.repair(work, each.account_id)
        if repaired is None and not (run.dry_run or each.broken):
            continue  # an entry that was being written while it was looked at
        seen = repaired or each
        drift_id = _known(work, seen) if seen.broken else ""
        drift_id = drift_id or _keep(work, run, seen, repaired=repaired is not None)
        # Whether it was kept before or not: a dry run keeps what it finds, and tells nobody.
        if not run.dry_run and (seen.broken or _is_large(work, seen)):
            _tell(work, seen, put_up=seen.lost and proposing.propose_for_drift(work, drift_id, seen))
        run = replace(
            run,
            drifted=run.drifted + 1,
            repaired=run.repaired + (repaired is not None),
            broken=run.broken + seen.broken,
        )
    return run


def _known(work: Work, seen: Off) -> str:
    """The last thing that was kept of this account if it is just this, else "": it is not kept anew each hour."""
    table = ledger_drift
    mine = table.c.org_id == work.org_id, table.c.account_id == seen.account_id
    last = work.first(select(table).where(*mine).order_by(table.c.id.desc()).limit(1))
    now = (seen.shown.minor, seen.should.minor, True)
    return str(last.id) if last and (last.shown_minor, last.should_minor, last.broken) == now else ""


def _keep(work: Work, run: ReconciliationView, seen: Off, *, repaired: bool) -> str:
    row = {
        "org_id": work.org_id,
        "id": new_id("drift"),
        "reconciliation_id": run.id,
        "account_id": seen.account_id,
        "currency": seen.shown.currency,
        "shown_minor": seen.shown.minor,
        "should_minor": seen.should.minor,
        "repaired": repaired,
        "broken": seen.broken,
        "found_at": work.now,
    }
    work.execute(insert(ledger_drift), row)
    detail = {"run": run.id, "shown": str(seen.shown), "postings": str(seen.should)}
    if repaired or seen.broken:
        verb = "ledger.repaired" if repaired else "ledger.found_broken"
        audit.record(work, verb, f"account:{seen.account_id}", detail=detail)
    return str(row["id"])


def _is_large(work: Work, seen: Off) -> bool:
    off_by = abs(seen.shown.minor - seen.should.minor)
    return off_by > work.ports.settings.ledger_minor_drift


def _tell(work: Work, seen: Off, *, put_up: bool) -> None:
    """An incident: whoever answers for the ledger is told, once a day for an account.

    ``put_up``: whether an adjustment that brings back what is gone waits for approval.
    """
    body = f"Its balance said {seen.shown}; its postings add up to {seen.should}."
    told = "Nothing was mended: postings are gone or changed." if seen.broken else "It was put back."
    told += " An adjustment that would bring them back waits for approval." if put_up else ""
    notifications.notify(
        work,
        [person.id for person in security.people_with(work, Permission.LEDGER_ADJUST)],
        Kind.LEDGER_DRIFT,
        once=f"drift:{seen.account_id}:{work.now.date().isoformat()}",
        title="A balance was not its postings",
        body=f"{body} {told}",
        page="ledger",
        query={"account": seen.account_id},
    )


def _end(work: Work, run: ReconciliationView) -> None:
    table = ledger_reconciliation
    counts = {name: getattr(run, name) for name in ("checked", "drifted", "repaired", "broken")}
    mine = table.c.org_id == work.org_id, table.c.id == run.id
    work.execute(update(table).where(*mine).values(ended_at=work.now, **counts))


def _view(row: Row[Any]) -> ReconciliationView:
    width = ReconcileWidth(row.width)
    asked = row.id, width, row.account_id, row.dry_run, row.asked_by, row.reason, row.asked_at, row.moved_since
    return ReconciliationView(*asked, row.ended_at, row.checked, row.drifted, row.repaired, row.broken)


def _drift(row: Row[Any]) -> DriftView:
    shown, should = Money(row.shown_minor, row.currency), Money(row.should_minor, row.currency)
    return DriftView(
        row.id, row.reconciliation_id, row.account_id, shown, should, row.repaired, row.broken, row.found_at
    )
