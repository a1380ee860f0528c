"""Verbs on authority: who may approve how much of what. A separate grant from any role.

Nobody gives it to themselves; a grant is ended, never deleted or changed.
"""

from datetime import datetime

from sqlalchemy import insert, or_, update

from finops_core import audit, security
from finops_core.approvals.models import approval_authority
from finops_core.approvals.rules import ANY_CURRENCY, behind
from finops_core.kernel import currencies
from finops_core.kernel.errors import Invalid, NotAllowed, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import MAX_MINOR, Money
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Work


def grant_authority(
    work: Work,
    *,
    person_id: str,
    item_type: str,
    currency: str,
    limit_minor: int | None,
    since_at: datetime | None = None,
    until_at: datetime | None = None,
) -> str:
    """Let a person approve an item type up to a limit (itself included; None for any amount); gives the grant's id.

    Grants add up: the highest that lives counts. ``since_at`` is now unless told; ``until_at`` is the first instant at
    which it no longer counts. Needs PEOPLE_ADMINISTER, and nobody grants to themselves.
    Raises NotAllowed AUTHORITY_OWN, Invalid AUTHORITY_BAD, CURRENCY_UNKNOWN, NotFound of an unknown person.
    """
    work.require(Permission.PEOPLE_ADMINISTER)
    if person_id == behind(work.actor):
        raise NotAllowed(
            "AUTHORITY_OWN",
            "You cannot give yourself authority to approve.",
            hint="Ask another administrator.",
        )
    starts = since_at or work.now
    _check_authority(item_type, currency, limit_minor, starts, until_at)
    security.person(work, person_id)
    authority_id = new_id("apa")
    work.execute(
        insert(approval_authority).values(
            org_id=work.org_id,
            id=authority_id,
            person_id=person_id,
            item_type=item_type,
            currency=currency,
            limit_minor=limit_minor,
            since_at=starts,
            until_at=until_at,
            granted_by=behind(work.actor),
        )
    )
    limit = "any" if limit_minor is None else Money(limit_minor, currency).plain()
    detail = {"person": person_id, "item_type": item_type, "currency": currency, "limit": limit}
    audit.record(work, "authority.granted", f"authority:{authority_id}", detail=detail)
    return authority_id


def end_authority(work: Work, authority_id: str) -> None:
    """End a grant now; it is kept as history. Needs PEOPLE_ADMINISTER; NotFound AUTHORITY_UNKNOWN when none is open."""
    work.require(Permission.PEOPLE_ADMINISTER)
    table = approval_authority
    is_open = or_(table.c.until_at.is_(None), table.c.until_at > work.now)
    one = (table.c.org_id == work.org_id, table.c.id == authority_id, is_open)
    if work.execute(update(table).where(*one).values(until_at=work.now)).rowcount != 1:
        raise NotFound("AUTHORITY_UNKNOWN", "There is no such authority in force.", hint="Look at the list again.")
    audit.record(work, "authority.ended", f"authority:{authority_id}")


def _check_authority(
    item_type: str, currency: str, limit_minor: int | None, since_at: datetime, until_at: datetime | None
) -> None:
    problem = ""
    if not item_type:
        problem = "Say which kind of item it is for."
    elif currency == ANY_CURRENCY and limit_minor is not None:
        problem = "A limit needs a currency; for every currency only an unlimited authority can be given."
    elif limit_minor is not None and not 0 <= limit_minor <= MAX_MINOR:
        problem = "A limit is an amount of zero or more."
    elif until_at is not None and until_at <= since_at:
        problem = "It would end before it begins."
    if problem:
        raise Invalid("AUTHORITY_BAD", "This authority cannot be given.", hint=problem)
    if currency != ANY_CURRENCY:
        currencies.exponent(currency)
