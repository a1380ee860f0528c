"""What one person may adjust alone: up to the limit, what they have adjusted lately counted in."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from finops_core import reference
from finops_core.approvals.models import approval_decision, approval_request
from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money
from finops_core.kernel.rates import convert
from finops_core.ledger import guards
from finops_core.ledger.models import ledger_journal, ledger_posting
from finops_core.ledger.records import ledger_proposal
from finops_core.ledger.rules import EntryType
from finops_core.platform.work import Reading, Work

TOGETHER = timedelta(hours=24)
WATCHED = timedelta(days=31)
head, posting, asked = ledger_journal, ledger_posting, ledger_proposal


def one_at_a_time(work: Work) -> None:
    """Have one person's adjustments wait for each other: sent at once each would count only what stood before all."""
    # SQLite's writers queue anyway.
    if work.dialect == "postgresql":
        mine = func.hashtext(f"{work.org_id}:{work.actor.id}")
        work.execute(select(func.pg_advisory_xact_lock(guards.ADJUST_LOCK, mine)))


def over_limit(reading: Reading, amount: Money, day: date | None = None) -> bool:
    """Whether an adjustment needs somebody else: worth more than the limit, or of unknown worth.

    Many small ones are as large as one: what the actor has adjusted alone in the last 24 hours counts in, whether
    money was added or taken. It is held against the rates of today and of the day it counts for; a rate that the
    actor has typed makes nothing known.
    """
    return _is_over(reading, amount, day, _alone(reading))


def over_limit_to_reverse(reading: Reading, amount: Money, day: date) -> bool:
    """Whether an adjustment needs somebody else to be taken back: it alone counts, since it can be taken back once."""
    return _is_over(reading, amount, day, 0)


def large_ones_without_another(reading: Reading) -> list[str]:
    """Adjustments of the last month that are worth more than the limit, or of unknown worth, and nobody agreed to."""
    worth = func.sum(posting.c.base_minor).label("worth")
    amount, currency = func.sum(posting.c.amount_minor).label("minor"), func.max(posting.c.currency).label("currency")
    since = head.c.booked_at >= reading.now - WATCHED
    rows = reading.rows(
        select(head.c.id, head.c.created_by, amount, currency)
        .select_from(_with_postings())
        .where(*_adjustments(reading), since, posting.c.amount_minor > 0, ~_agreed_to(reading))
        .group_by(head.c.id, head.c.created_by)
        .having(or_(worth.is_(None), worth > _limit(reading).minor))
        .order_by(head.c.id)
        .limit(1_000)
    )
    return [
        f"Entry {row.id} adjusts {Money(int(row.minor), row.currency)}, and nobody else agreed to it" for row in rows
    ]


def _is_over(reading: Reading, amount: Money, day: date | None, before: int) -> bool:
    limit = _limit(reading)
    left = limit.minor - before
    if amount.currency == limit.currency:
        return abs(amount.minor) > left
    today = reference.today(reading)
    return any(_is_large(reading, amount, limit.currency, left, on) for on in {today, day or today})


def _is_large(reading: Reading, amount: Money, base: str, left: int, day: date) -> bool:
    used = reference.rates_to(reading, base, [amount.currency], day).get(amount.currency)
    if used is None or reading.actor.id in used.typed_by:
        return True
    try:
        return abs(convert(amount, used.value, base).minor) > left
    except Invalid:
        return True


def _limit(reading: Reading) -> Money:
    base = reference.organisation(reading).base_currency
    return Money.parse(str(reading.ports.settings.ledger_adjust_limit), base)


def _alone(reading: Reading) -> int:
    """What the actor has adjusted without anybody else lately, in minor units of the base currency."""
    lately = head.c.booked_at > reading.now - TOGETHER
    by_them = head.c.created_by == reading.actor.id
    proposed = select(asked.c.id).where(asked.c.org_id == reading.org_id, asked.c.journal_id == head.c.id).exists()
    found = reading.scalar(
        select(func.sum(posting.c.base_minor))
        .select_from(_with_postings())
        .where(*_adjustments(reading), lately, by_them, posting.c.amount_minor > 0, ~proposed)
    )
    return int(found or 0)


def _with_postings() -> Any:
    return head.join(posting, and_(posting.c.org_id == head.c.org_id, posting.c.journal_id == head.c.id))


def _adjustments(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    return head.c.org_id == reading.org_id, head.c.type == EntryType.ADJUSTMENT.value


def _agreed_to(reading: Reading) -> ColumnElement[bool]:
    """Somebody else than who asked for it has approved exactly what an entry's proposal says."""
    request, said = approval_request, approval_decision
    about = request.c.org_id == reading.org_id, request.c.id == asked.c.request_id, request.c.subject_id == asked.c.id
    of_it = said.c.org_id == reading.org_id, said.c.request_id == request.c.id, said.c.decision == "approved"
    same = request.c.content_hash == asked.c.content, said.c.content_hash == asked.c.content
    mine = asked.c.org_id == reading.org_id, asked.c.journal_id == head.c.id, said.c.person_id != asked.c.proposed_by
    return select(asked.c.id).where(*mine, *about, *of_it, *same).correlate(head).exists()
