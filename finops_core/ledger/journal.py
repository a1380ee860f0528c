"""Entries as people read them: one with its postings, or lists of them, newest first. They need ``LEDGER_VIEW``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, select

from finops_core import reference
from finops_core.kernel.errors import NotFound
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.kernel.sought import Sought
from finops_core.ledger import numbering
from finops_core.ledger.models import ledger_account, ledger_journal, ledger_posting
from finops_core.ledger.statements import PAGE, AccountLine, account_line, account_query
from finops_core.platform.work import Reading

_UNDOING = ledger_journal.alias("undoing")


@dataclass(frozen=True, slots=True)
class EntryPosting:
    """One posting of an entry, with the account it goes to; a credit is positive.

    ``worth``: in the organisation's base currency, None while no rate was known; ``rate_ids``: the stored rates it
    follows from, "" for none.
    """

    account: AccountLine
    amount: Money
    worth: Money | None
    rate_ids: str


@dataclass(frozen=True, slots=True)
class EntryLine:
    """An entry with its postings, in their order; ``reversed_by``: the entry that undid it, "" for none.

    ``number``: ``JE-2026-0001``, "" until it has one, within a minute of being booked.
    """

    id: str
    number: str
    type: str
    booked_at: datetime
    effective_on: date
    created_by: str
    reason: str
    source: tuple[str, str]
    reverses: str
    reversed_by: str
    postings: tuple[EntryPosting, ...]


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries: of one type, or of one document; "" for any."""

    type: str = ""
    source_id: str = ""


def entry(reading: Reading, journal_id: str) -> EntryLine:
    """One entry, by its id or its number; ``JOURNAL_UNKNOWN``."""
    reading.require(Permission.LEDGER_VIEW)
    found = _told(reading, _heads(reading).where(ledger_journal.c.id == numbering.entry_id(reading, journal_id)))
    if not found:
        raise NotFound("JOURNAL_UNKNOWN", "There is no such entry here.", hint="Look it up in the ledger.")
    return found[0]


def entries(
    reading: Reading, wanted: EntryFilter | None = None, limit: int = PAGE, before: str = ""
) -> tuple[EntryLine, ...]:
    """Entries, newest first; ``before``: older than the entry with this id."""
    reading.require(Permission.LEDGER_VIEW)
    wanted, table, query = wanted or EntryFilter(), ledger_journal, _heads(reading)
    for column, value in ((table.c.type, wanted.type), (table.c.source_id, wanted.source_id)):
        if value:
            query = query.where(column == value)
    if before:
        query = query.where(table.c.id < before)
    return _told(reading, query.order_by(table.c.id.desc()).limit(limit))


def find(reading: Reading, sought: Sought, limit: int = 6) -> tuple[EntryLine, ...]:
    """Entries by what somebody typed, newest first: by number, by the beginning of a year's numbers, or by id.

    Nothing for those who may not see the ledger.
    """
    if not (sought and reading.may(Permission.LEDGER_VIEW)):
        return ()
    ids = numbering.begun(reading, sought.numbers, limit)
    ids |= {sought.id} if sought.id else set()
    if not ids:
        return ()
    query = _heads(reading).where(ledger_journal.c.id.in_(sorted(ids)))
    return _told(reading, query.order_by(ledger_journal.c.id.desc()).limit(limit))


def _heads(reading: Reading) -> Select[Any]:
    table, undoing = ledger_journal, _UNDOING
    undone = (undoing.c.org_id == table.c.org_id) & (undoing.c.reverses == table.c.id) & (undoing.c.reverses != "")
    return (
        select(table, undoing.c.id.label("reversed_by"))
        .select_from(table.outerjoin(undoing, undone))
        .where(table.c.org_id == reading.org_id)
    )


def _told(reading: Reading, query: Select[Any]) -> tuple[EntryLine, ...]:
    heads = reading.rows(query)
    ids = [head.id for head in heads]
    postings, numbers = (_postings(reading, ids), numbering.numbers(reading, ids)) if heads else ({}, {})
    return tuple(_entry(head, numbers.get(head.id, ""), postings.get(head.id, ())) for head in heads)


def _postings(reading: Reading, journal_ids: Sequence[str]) -> Mapping[str, tuple[EntryPosting, ...]]:
    table = ledger_posting
    lines = reading.rows(
        select(table.c.journal_id, table.c.account_id, table.c.amount_minor, table.c.currency)
        .add_columns(table.c.base_minor, table.c.rate_id)
        .where(table.c.org_id == reading.org_id, table.c.journal_id.in_(journal_ids))
        .order_by(table.c.journal_id, table.c.line)
    )
    ids = sorted({line.account_id for line in lines})
    held = {
        row.id: account_line(row) for row in reading.rows(account_query(reading).where(ledger_account.c.id.in_(ids)))
    }
    base = reference.organisation(reading).base_currency
    found: dict[str, list[EntryPosting]] = {}
    for line in lines:
        worth = None if line.base_minor is None else Money(line.base_minor, base)
        posting = EntryPosting(held[line.account_id], Money(line.amount_minor, line.currency), worth, line.rate_id)
        found.setdefault(line.journal_id, []).append(posting)
    return {journal_id: tuple(postings) for journal_id, postings in found.items()}


def _entry(head: Row[Any], number: str, postings: tuple[EntryPosting, ...]) -> EntryLine:
    return EntryLine(
        head.id,
        number,
        head.type,
        head.booked_at,
        date.fromisoformat(head.effective_on),
        head.created_by,
        head.reason,
        (head.source_kind, head.source_id),
        head.reverses,
        head.reversed_by or "",
        postings,
    )
