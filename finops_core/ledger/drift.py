"""Balances that are not their postings: found account by account, and put back to what the postings say.

A repair writes the balance that the newest posting of the account leads to, which is all that the database's guards let
anybody write: no money is posted by it. Where postings are gone, or do not fit each other, nothing is mended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, case, func, literal, or_, select, update

from finops_core.kernel.money import Money
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_posting
from finops_core.platform.work import Reading, Work

_KEPT, _POSTING = ledger_balance, ledger_posting
_BEFORE = func.lag(_POSTING.c.balance_after_minor).over(
    partition_by=_POSTING.c.account_id, order_by=_POSTING.c.account_version
)
_REPAIR = (
    update(_KEPT)
    .where(_KEPT.c.org_id == bindparam("org"), _KEPT.c.id == bindparam("account"))
    .values(posted_minor=bindparam("minor"), version=bindparam("newest"), moved_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Off:
    """An account that is off.

    Attributes:
        shown, should: what its balance says, and what its postings add up to.
        many: how many postings it has, and so the version of its newest.
        broken: a posting was changed or is gone, or the balance itself is gone: that is for people.
        lost: broken by nothing else than that its newest postings are gone; those that are left fit each other.
    """

    account_id: str
    shown: Money
    should: Money
    many: int
    broken: bool
    lost: bool = False


def accounts_after(reading: Reading, account_id: str, limit: int, moved_since: datetime | None = None) -> Sequence[str]:
    """The next accounts that keep a balance, by their ids; of all, or of those that moved or lost it since then."""
    table, kept = ledger_account, _KEPT
    wanted = select(table.c.id).where(table.c.org_id == reading.org_id, table.c.counted.is_(True))
    if moved_since is not None:
        same = and_(kept.c.org_id == table.c.org_id, kept.c.id == table.c.id)
        moved = or_(kept.c.id.is_(None), kept.c.moved_at >= moved_since)
        wanted = wanted.select_from(table.outerjoin(kept, same)).where(moved)
    return [row.id for row in reading.rows(wanted.where(table.c.id > account_id).order_by(table.c.id).limit(limit))]


def off(reading: Reading, ids: Sequence[str], *, history: bool = False) -> tuple[Off, ...]:
    """Those of the accounts that are off; with ``history`` every posting is held against the one before it, too."""
    table, kept, newest = ledger_account, _KEPT, _POSTING.alias("newest")
    sums = _sums(reading, ids)
    minor, many = func.coalesce(sums.c.minor, 0), func.coalesce(sums.c.many, 0)
    last = and_(newest.c.org_id == table.c.org_id, newest.c.account_id == table.c.id, newest.c.account_version == many)
    # A balance that counts more postings than there are, or postings that skip a number: some are gone. To put such a
    # balance "back" would wipe out what is left to see of them. The highest number is not asked for: without it an
    # index holds all that is read of each posting.
    beyond = _POSTING.alias("beyond")
    skips = (
        select(literal(1))
        .select_from(beyond)
        .where(beyond.c.org_id == table.c.org_id, beyond.c.account_id == table.c.id, beyond.c.account_version > many)
        .exists()
    )
    gone = and_(many > 0, newest.c.line.is_(None))
    torn = or_(func.coalesce(newest.c.balance_after_minor, 0) != minor, gone, skips)
    lost = or_(kept.c.id.is_(None), kept.c.version > many)
    rows = reading.rows(
        select(table.c.id, table.c.currency, minor.label("minor"), many.label("many"))
        .add_columns(func.coalesce(kept.c.posted_minor, 0).label("posted_minor"))
        .add_columns(case((or_(torn, lost), 1), else_=0).label("broken"))
        .add_columns(case((or_(torn, kept.c.id.is_(None)), 0), (kept.c.version > many, 1), else_=0).label("lost"))
        .select_from(table)
        .outerjoin(kept, and_(kept.c.org_id == table.c.org_id, kept.c.id == table.c.id))
        .outerjoin(sums, sums.c.account_id == table.c.id)
        .outerjoin(newest, last)
        .where(table.c.org_id == reading.org_id, table.c.id.in_(ids), table.c.counted.is_(True))
        .where(or_(torn, lost, kept.c.posted_minor != minor, kept.c.version != many))
        .order_by(table.c.id)
    )
    found = {row.id: _off(row) for row in rows}
    if history:
        found |= {each.account_id: each for each in _torn(reading, ids)}
    return tuple(found[account_id] for account_id in sorted(found))


def repair(work: Work, account_id: str) -> Off | None:
    """Put one balance back; what it was, or None when nothing was off any more or it cannot be mended."""
    return _put_back(work, account_id, lost=False)


def let_go(work: Work, account_id: str) -> Off | None:
    """Take the postings that are left for all there are, and put the balance to them; what it was, or None.

    For what somebody has agreed to: the balance is the last thing that tells of those that are gone.
    """
    return _put_back(work, account_id, lost=True)


def _put_back(work: Work, account_id: str, *, lost: bool) -> Off | None:
    lock = select(_KEPT.c.id).where(_KEPT.c.org_id == work.org_id, _KEPT.c.id == account_id)
    work.execute(lock.with_for_update())
    # Looked at again once it is held: an entry that was being written meanwhile is no drift.
    found = next(iter(off(work, [account_id])), None)
    if found is None or found.broken is not lost or found.lost is not lost:
        return None
    values = {"org": work.org_id, "account": account_id, "at": work.now}
    work.execute(_REPAIR, {**values, "minor": found.should.minor, "newest": found.many})
    return found


def _sums(reading: Reading, ids: Sequence[str]) -> Any:
    return (
        select(
            _POSTING.c.account_id,
            func.sum(_POSTING.c.amount_minor).label("minor"),
            func.count().label("many"),
        )
        .where(_POSTING.c.org_id == reading.org_id, _POSTING.c.account_id.in_(ids))
        .group_by(_POSTING.c.account_id)
        .subquery()
    )


def _torn(reading: Reading, ids: Sequence[str]) -> list[Off]:
    """Accounts with a posting that does not take up where the one before it left off."""
    each = (
        select(_POSTING.c.account_id, _POSTING.c.balance_after_minor, _POSTING.c.amount_minor)
        .add_columns(func.coalesce(_BEFORE, 0).label("before"))
        .where(_POSTING.c.org_id == reading.org_id, _POSTING.c.account_id.in_(ids))
        .subquery()
    )
    torn = select(each.c.account_id).where(each.c.balance_after_minor != each.c.before + each.c.amount_minor).distinct()
    names = sorted(row.account_id for row in reading.rows(torn))
    sums = {row.account_id: row for row in reading.rows(select(_sums(reading, names)))} if names else {}
    held = _held(reading, names) if names else {}
    return [
        Off(name, held[name], Money(int(sums[name].minor), held[name].currency), int(sums[name].many), broken=True)
        for name in names
        if name in held
    ]


def _held(reading: Reading, ids: Sequence[str]) -> Mapping[str, Money]:
    table, kept = ledger_account, _KEPT
    rows = reading.rows(
        select(kept.c.id, kept.c.posted_minor, table.c.currency)
        .join(table, and_(table.c.org_id == kept.c.org_id, table.c.id == kept.c.id))
        .where(kept.c.org_id == reading.org_id, kept.c.id.in_(ids))
    )
    return {row.id: Money(row.posted_minor, row.currency) for row in rows}


def _off(row: Row[Any]) -> Off:
    shown, should = Money(row.posted_minor, row.currency), Money(int(row.minor), row.currency)
    return Off(row.id, shown, should, int(row.many), bool(row.broken), bool(row.lost))
