"""Verbs on parties themselves: who is added, what they are called, and that one no longer deals with them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, update

from finops_core import audit
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.parties import bank_details, queries, rules
from finops_core.parties.models import party as table
from finops_core.parties.rules import PartyKind, PartyState
from finops_core.platform.work import Work


def add_party(work: Work, kind: PartyKind, name: str) -> str:
    """Somebody new to deal with: the party's id. Needs ``PARTY_EDIT``; ``PARTY_NAME_BAD``."""
    work.require(Permission.PARTY_EDIT)
    called, party_id = rules.checked_name(name), new_id("party")
    row = {
        "org_id": work.org_id,
        "id": party_id,
        "kind": PartyKind(kind).value,
        "name": called,
        "sought": called.casefold(),
        "state": PartyState.OPEN.value,
        "closed_reason": "",
        "created_by": work.actor.id,
        "created_at": work.now,
    }
    work.execute(insert(table), row)
    audit.record(work, "party.added", f"party:{party_id}", detail={"kind": row["kind"]})
    return party_id


def rename_party(work: Work, party_id: str, name: str) -> None:
    """Call a party otherwise. Its accounts stay as they are. Needs ``PARTY_EDIT``; ``PARTY_UNKNOWN``, ``PARTY_CLOSED``.

    ``PARTY_NAME_BAD``. The log says that it was renamed, and not how.
    """
    work.require(Permission.PARTY_EDIT)
    called = rules.checked_name(name)
    _change(work, party_id, {"name": called, "sought": called.casefold()})
    audit.record(work, "party.renamed", f"party:{party_id}")


def close_party(work: Work, party_id: str, reason: str) -> None:
    """Deal with a party no more: nothing new is proposed for it, and details that do not count yet are withdrawn.

    Needs ``PARTY_EDIT``; ``PARTY_UNKNOWN``, ``PARTY_CLOSED``, ``REASON_MISSING``, ``REASON_LONG``.
    """
    work.require(Permission.PARTY_EDIT)
    why = rules.checked_reason(reason, "Closing a party")
    coming = queries.one(work, party_id).details.coming
    if coming is not None:
        bank_details.withdraw_details(work, coming.id, why)
    if bank_details.locked(work, party_id).details.coming is not None:  # proposed just now
        raise bank_details.pending()
    _change(work, party_id, {"state": PartyState.CLOSED.value, "closed_reason": why})
    audit.record(work, "party.closed", f"party:{party_id}")


def _change(work: Work, party_id: str, values: Mapping[str, Any]) -> None:
    seen = queries.one(work, party_id)
    mine = table.c.org_id == work.org_id, table.c.id == party_id, table.c.state == PartyState.OPEN.value
    if seen.state is PartyState.CLOSED or not work.execute(update(table).where(*mine).values(**values)).rowcount:
        raise rules.party_closed()
