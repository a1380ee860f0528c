"""Stopping money: all of it, what can wait, one kind of operation, or one wallet, until somebody lets it go on.

A stop holds whatever program writes: the database refuses to seal an entry that one forbids. What has happened outside
already (``JOURNAL``) is still booked: leaving it out would make the books wrong, not the money stay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from finops_core import audit
from finops_core.kernel.errors import Conflict, Invalid, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.ledger import guards, queries, rules
from finops_core.ledger.models import ledger_stop
from finops_core.ledger.rules import Entry, EntryType, StopWidth
from finops_core.platform.work import Reading, Work

_LIVE = (
    select(
        ledger_stop.c.width,
        ledger_stop.c.subject,
        ledger_stop.c.party_id,
        ledger_stop.c.currency,
        ledger_stop.c.reason,
    )
    .where(ledger_stop.c.org_id == bindparam("org"), ledger_stop.c.lifted_at.is_(None))
    .order_by(ledger_stop.c.id)
)


@dataclass(frozen=True, slots=True)
class StopView:
    """One stop. ``subject``: the type or the wallet's account that it is of, "" for the wide ones."""

    id: str
    width: StopWidth
    subject: str
    reason: str
    set_by: str
    set_at: datetime
    lifted_by: str
    lifted_at: datetime | None
    lifted_reason: str


def stop(work: Work, width: StopWidth, reason: str, subject: str = "") -> str:
    """Stop money from now on; the stop's id. Needs ``LEDGER_STOP``. Entries being written end first.

    ``subject``: an ``EntryType`` for ``TYPE``, a wallet for ``WALLET``, else "". ``REASON_MISSING``, ``STOP_BAD`` for
    no such type, ``WALLET_NOT_FOUND``, and ``STOPPED_BEFORE`` while the same stop stands.
    """
    work.require(Permission.LEDGER_STOP)
    if not reason.strip():
        raise rules.reason_missing("Stopping money")
    party_id = currency = ""
    if width is StopWidth.WALLET:
        wallet = queries.wallet_account(work, subject)
        party_id, currency = wallet.party_id, wallet.currency
    elif width is StopWidth.TYPE and subject not in {type_.value for type_ in EntryType} - {EntryType.JOURNAL}:
        raise Invalid(
            "STOP_BAD", f"“{subject}” is no operation that can be stopped.", hint="Name one, such as WITHDRAWAL."
        )
    elif width in rules.WIDE_STOPS and subject:
        raise Invalid("STOP_BAD", "A stop this wide is of nothing in particular.", hint="Leave out what it is of.")
    stop_id = new_id("stop")
    row = {
        "org_id": work.org_id,
        "id": stop_id,
        "width": width.value,
        "subject": subject,
        "party_id": party_id,
        "currency": currency,
        "reason": reason.strip(),
        "set_by": work.actor.id,
        "set_at": work.now,
        "lifted_by": "",
        "lifted_at": None,
        "lifted_reason": "",
    }
    try:
        work.execute(insert(ledger_stop).values(row))
    except IntegrityError as error:
        raise Conflict("STOPPED_BEFORE", "This is stopped already.", hint="Look at the stops that stand.") from error
    _recorded(work, "money.stopped", stop_id, width.value, subject, reason)
    return stop_id


def resume(work: Work, stop_id: str, reason: str) -> None:
    """Let money go on that one stop held. Needs ``LEDGER_STOP``.

    ``REASON_MISSING``, ``STOP_UNKNOWN`` and, for one that was lifted, ``STOP_OVER``.
    """
    work.require(Permission.LEDGER_STOP)
    if not reason.strip():
        raise rules.reason_missing("Letting money go on")
    mine = ledger_stop.c.org_id == work.org_id, ledger_stop.c.id == stop_id
    found = work.first(select(ledger_stop).where(*mine))
    if found is None:
        raise _unknown()
    lifted = {"lifted_by": work.actor.id, "lifted_at": work.now, "lifted_reason": reason.strip()}
    changed = work.execute(update(ledger_stop).where(*mine, ledger_stop.c.lifted_at.is_(None)).values(**lifted))
    if not changed.rowcount:
        raise Conflict("STOP_OVER", "This stop was lifted before.", hint="Look at the stops that stand.")
    _recorded(work, "money.resumed", stop_id, found.width, found.subject, reason)


def stops(reading: Reading, limit: int = queries.PAGE, *, standing: bool = True) -> tuple[StopView, ...]:
    """Stops that stand, or all there were, newest first. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    wanted = select(ledger_stop).where(ledger_stop.c.org_id == reading.org_id)
    if standing:
        wanted = wanted.where(ledger_stop.c.lifted_at.is_(None))
    newest = ledger_stop.c.set_at.desc(), ledger_stop.c.id.desc()
    return tuple(_view(row) for row in reading.rows(wanted.order_by(*newest).limit(limit)))


def money_stop(reading: Reading, stop_id: str) -> StopView:
    """One stop; ``STOP_UNKNOWN``. Needs ``LEDGER_VIEW``."""
    reading.require(Permission.LEDGER_VIEW)
    row = reading.first(select(ledger_stop).where(ledger_stop.c.org_id == reading.org_id, ledger_stop.c.id == stop_id))
    if row is None:
        raise _unknown()
    return _view(row)


def _unknown() -> NotFound:
    return NotFound("STOP_UNKNOWN", "There is no such stop here.", hint="Look at the stops that stand.")


def check(work: Work, entries: Iterable[tuple[Entry, Sequence[tuple[str, str]]]]) -> None:
    """Refuse entries that a standing stop forbids: ``MONEY_STOPPED``. Each with (holder, currency) of its accounts."""
    asked = [(entry, accounts) for entry, accounts in entries if entry.type is not EntryType.JOURNAL]
    standing = list(work.execute(_LIVE, {"org": work.org_id})) if asked else []
    for entry, accounts in asked if standing else ():
        for row in standing:
            if _halts(row, entry.type, accounts):
                raise rules.money_stopped(row.reason, StopWidth(row.width))


def why_not(work: Work, type_: EntryType) -> str:
    """Why money of one kind may not leave now, "" when it may: for areas that move it outside before it is booked.

    A stop that is asked for meanwhile stands only once this unit has ended.
    """
    if work.dialect == "postgresql":
        work.execute(select(func.pg_advisory_xact_lock_shared(guards.MONEY_LOCK, func.hashtext(work.org_id))))
    for row in work.execute(_LIVE, {"org": work.org_id}):
        if _halts(row, type_, ()):
            return f"Money operations are stopped: {row.reason}."
    return ""


def _halts(row: Row[Any], type_: EntryType, accounts: Sequence[tuple[str, str]]) -> bool:
    if type_ is EntryType.JOURNAL:
        return False
    match StopWidth(row.width):
        case StopWidth.ALL:
            return True
        case StopWidth.NON_ESSENTIAL:
            return type_ not in rules.ESSENTIAL
        case StopWidth.TYPE:
            return bool(row.subject == type_.value)
        case StopWidth.WALLET:
            return (row.party_id, row.currency) in accounts


def _recorded(work: Work, verb: str, stop_id: str, width: str, subject: str, reason: str) -> None:
    detail = {"width": width, **({"of": subject} if subject else {}), "reason": reason.strip()}
    audit.record(work, verb, f"stop:{stop_id}", detail=detail)


def _view(row: Row[Any]) -> StopView:
    return StopView(
        row.id,
        StopWidth(row.width),
        row.subject,
        row.reason,
        row.set_by,
        row.set_at,
        row.lifted_by,
        row.lifted_at,
        row.lifted_reason,
    )
