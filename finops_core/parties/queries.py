"""Reads of parties, of the versions of their bank details, and of what is known of their identity.

Each needs ``PARTY_VIEW`` but for those that say otherwise. No view holds an account: ``bank_details.reveal`` alone
opens it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select

from finops_core import reference
from finops_core.kernel.permissions import Permission
from finops_core.kernel.sought import Sought
from finops_core.parties import rules
from finops_core.parties.models import party as table
from finops_core.parties.models import party_bank_detail, party_identity
from finops_core.parties.rules import (
    COMING,
    DetailsState,
    IdentityLevel,
    IdentityStatus,
    PartyKind,
    PartyState,
    Stored,
    Version,
)
from finops_core.platform.work import Reading

PAGE = 50
SHOWN_MOST = 200


@dataclass(frozen=True, slots=True)
class DetailsView:
    """A version of bank details as people may see it (``bank_…``).

    Attributes:
        last4: the end of the account, for people to tell two apart; "" where it is too short.
        replaces: the version that counted when it was proposed, "" for none.
        counts_from: when its cooling-off is over; None until it is approved.
        ended_by, ended_at, ended_reason: of one that was rejected, has expired or was withdrawn.
    """

    id: str
    party_id: str
    version: int
    state: DetailsState
    country: str
    last4: str
    replaces: str
    reason: str
    request_id: str
    proposed_by: str
    proposed_at: datetime
    approved_at: datetime | None
    counts_from: datetime | None
    ended_by: str
    ended_at: datetime | None
    ended_reason: str


@dataclass(frozen=True, slots=True)
class PartyDetails:
    """A party's bank details: the version that counts, the one that is to, and every version, newest first."""

    current: DetailsView | None
    coming: DetailsView | None
    versions: tuple[DetailsView, ...]


NO_DETAILS = PartyDetails(None, None, ())


@dataclass(frozen=True, slots=True)
class IdentityView:
    """A check of a party's identity (``kyc_…``). ``expires_on`` is None for a failed one."""

    id: str
    party_id: str
    status: IdentityStatus
    level: IdentityLevel
    evidence: str
    file_id: str
    checked_by: str
    checked_at: datetime
    expires_on: date | None
    reason: str


@dataclass(frozen=True, slots=True)
class PartyView:
    """A party, with its bank details and the newest check of its identity."""

    id: str
    kind: PartyKind
    name: str
    state: PartyState
    closed_reason: str
    created_by: str
    created_at: datetime
    details: PartyDetails
    identity: IdentityView | None


@dataclass(frozen=True, slots=True)
class PartyFilter:
    """Which parties: part of a name, an id or the last four of an account; of one kind; closed ones too."""

    text: str = ""
    kind: str = ""
    closed: bool = False


def parties(
    reading: Reading, wanted: PartyFilter | None = None, limit: int = PAGE, after: str = ""
) -> tuple[PartyView, ...]:
    """Parties, oldest first; ``after``: past the one with this id."""
    reading.require(Permission.PARTY_VIEW)
    wanted = wanted or PartyFilter()
    query = _mine(reading).where(table.c.id > after)
    if wanted.kind:
        query = query.where(table.c.kind == wanted.kind)
    if not wanted.closed:
        query = query.where(table.c.state == PartyState.OPEN.value)
    if text := wanted.text.strip():
        query = query.where(_meant(reading, text))
    return _views(reading, reading.rows(query.order_by(table.c.id).limit(limit)))


def party(reading: Reading, party_id: str) -> PartyView:
    """One party; ``PARTY_UNKNOWN``."""
    reading.require(Permission.PARTY_VIEW)
    return one(reading, party_id)


def find(reading: Reading, sought: Sought, limit: int = 6) -> tuple[PartyView, ...]:
    """Parties by what somebody typed, newest first, closed ones too: part of a name, an id, the end of an account.

    Nothing for those who may not see parties.
    """
    words = sought.id or (sought.name if sought.may_be_name else "")
    if not (sought and words and reading.may(Permission.PARTY_VIEW)):
        return ()
    query = _mine(reading).where(_meant(reading, words))
    return _views(reading, reading.rows(query.order_by(table.c.id.desc()).limit(limit)))


def names(reading: Reading, party_ids: Iterable[str]) -> Mapping[str, str]:
    """What these parties are called, by id; nothing of ids that are none, and nothing without the right to see them."""
    wanted = sorted(set(party_ids))
    if not wanted or not reading.may(Permission.PARTY_VIEW):
        return {}
    mine = table.c.org_id == reading.org_id, table.c.id.in_(wanted)
    return {row.id: row.name for row in reading.rows(select(table.c.id, table.c.name).where(*mine))}


def details(reading: Reading, party_id: str) -> PartyDetails:
    """The versions of a party's bank details; ``PARTY_UNKNOWN``."""
    reading.require(Permission.PARTY_VIEW)
    return one(reading, party_id).details


def same_account(reading: Reading, details_id: str) -> tuple[str, ...]:
    """Ids of other parties that have, had or are to have the very account of this version; ``DETAILS_UNKNOWN``."""
    reading.require(Permission.PARTY_VIEW)
    row = details_row(reading, details_id)
    return others_with(reading, row.party_id, row.account_print)


def identity(reading: Reading, party_id: str) -> IdentityView | None:
    """The newest check of a party's identity, None for none; ``PARTY_UNKNOWN``."""
    reading.require(Permission.PARTY_VIEW)
    one(reading, party_id)
    newest = _newest(reading, [party_id]).get(party_id)
    return _identity(reading, newest) if newest is not None else None


def identities_of(reading: Reading, party_id: str, limit: int = SHOWN_MOST) -> tuple[IdentityView, ...]:
    """Every check of a party's identity, newest first; ``PARTY_UNKNOWN``."""
    reading.require(Permission.PARTY_VIEW)
    one(reading, party_id)
    kept = party_identity
    mine = kept.c.org_id == reading.org_id, kept.c.party_id == party_id
    rows = reading.rows(select(kept).where(*mine).order_by(kept.c.id.desc()).limit(limit))
    return tuple(_identity(reading, row) for row in rows)


def is_verified(reading: Reading, party_id: str, day: date | None = None) -> bool:
    """Whether a party's newest check holds on a day, today without; of what is no party: no. Needs ``PARTY_VIEW``."""
    reading.require(Permission.PARTY_VIEW)
    newest = _newest(reading, [party_id]).get(party_id)
    return newest is not None and _holds(newest, day or reference.today(reading))


def require_verified(reading: Reading, party_id: str, day: date | None = None) -> None:
    """``IDENTITY_UNVERIFIED`` or ``IDENTITY_EXPIRED`` unless money may go back to a holder, whoever asks.

    What counts is today, and the day it is booked for if that is later: a day that has passed makes no check last
    longer.
    """
    today = reference.today(reading)
    newest = _newest(reading, [party_id]).get(party_id)
    if newest is None or newest.status != IdentityStatus.VERIFIED:
        raise rules.unverified()
    if not _holds(newest, max(today, day or today)):
        raise rules.expired(date.fromisoformat(newest.expires_on))


def one(reading: Reading, party_id: str) -> PartyView:
    """One party for the verbs of this area, whoever looks; ``PARTY_UNKNOWN``."""
    row = reading.first(_mine(reading).where(table.c.id == party_id))
    if row is None:
        raise rules.party_unknown()
    return _views(reading, [row])[0]


def details_row(reading: Reading, details_id: str) -> Row[Any]:
    """A version's own row, for the verbs of this area; ``DETAILS_UNKNOWN``."""
    kept = party_bank_detail
    row = reading.first(select(kept).where(kept.c.org_id == reading.org_id, kept.c.id == details_id))
    if row is None:
        raise rules.details_unknown()
    return row


def others_with(reading: Reading, party_id: str, account_print: str) -> tuple[str, ...]:
    """Ids of other parties with a version of this account that was not refused, whoever looks."""
    kept = party_bank_detail
    same = kept.c.org_id == reading.org_id, kept.c.account_print == account_print, kept.c.party_id != party_id
    held = kept.c.state.in_([Stored.WAITING.value, Stored.APPROVED.value])
    found = reading.rows(select(kept.c.party_id).where(*same, held).distinct().order_by(kept.c.party_id))
    return tuple(row.party_id for row in found)


def sealed_at(details_id: str) -> str:
    """The place bank details are bound to, so that a sealed value copied to another row does not open."""
    return f"party_bank_detail|sealed|{details_id}"


def evidence_at(identity_id: str) -> str:
    """The place the evidence of a check is bound to."""
    return f"party_identity|evidence|{identity_id}"


def _mine(reading: Reading) -> Select[Any]:
    return select(table).where(table.c.org_id == reading.org_id)


def _meant(reading: Reading, text: str) -> ColumnElement[bool]:
    kept = party_bank_detail
    ends = select(kept.c.party_id).where(kept.c.org_id == reading.org_id, kept.c.last4 == text.upper())
    return or_(table.c.sought.contains(text.casefold(), autoescape=True), table.c.id == text, table.c.id.in_(ends))


def _views(reading: Reading, rows: Sequence[Row[Any]]) -> tuple[PartyView, ...]:
    ids = [row.id for row in rows]
    versions, newest = _details(reading, ids), _newest(reading, ids)
    return tuple(
        PartyView(
            row.id,
            PartyKind(row.kind),
            row.name,
            PartyState(row.state),
            row.closed_reason,
            row.created_by,
            row.created_at,
            versions.get(row.id, NO_DETAILS),
            _identity(reading, newest[row.id], opened=False) if row.id in newest else None,
        )
        for row in rows
    )


def _details(reading: Reading, party_ids: Sequence[str]) -> Mapping[str, PartyDetails]:
    """The versions of each of these, without what is sealed of them."""
    kept = party_bank_detail
    columns = [column for column in kept.c if column.name != "sealed"]
    mine = kept.c.org_id == reading.org_id, kept.c.party_id.in_(party_ids)
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in reading.rows(select(*columns).where(*mine).order_by(kept.c.version.desc())) if party_ids else ():
        found[row.party_id].append(row)
    return {party_id: _of_one(rows, reading.now) for party_id, rows in found.items()}


def _of_one(rows: Sequence[Row[Any]], now: datetime) -> PartyDetails:
    counts = rules.counting((_version(row) for row in rows), now)
    views = tuple(_details_view(row, rules.state_of(_version(row), counts, now)) for row in rows)
    current = next((view for view in views if view.state is DetailsState.CURRENT), None)
    return PartyDetails(current, next((view for view in views if view.state in COMING), None), views)


def _version(row: Row[Any]) -> Version:
    return Version(row.version, Stored(row.state), row.counts_from)


def _details_view(row: Row[Any], state: DetailsState) -> DetailsView:
    return DetailsView(
        id=row.id,
        party_id=row.party_id,
        version=row.version,
        state=state,
        country=row.country,
        last4=row.last4,
        replaces=row.replaces,
        reason=row.reason,
        request_id=row.request_id,
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        approved_at=row.approved_at,
        counts_from=row.counts_from,
        ended_by=row.ended_by,
        ended_at=row.ended_at,
        ended_reason=row.ended_reason,
    )


def _newest(reading: Reading, party_ids: Sequence[str]) -> Mapping[str, Row[Any]]:
    """The newest check of each: ids sort by when they were made."""
    kept, later = party_identity, party_identity.alias("later")
    mine = kept.c.org_id == reading.org_id, kept.c.party_id.in_(party_ids)
    passed = select(later.c.id).where(
        later.c.org_id == reading.org_id, later.c.party_id == kept.c.party_id, later.c.id > kept.c.id
    )
    rows = reading.rows(select(kept).where(*mine, ~passed.exists())) if party_ids else ()
    return {row.party_id: row for row in rows}


def _holds(row: Row[Any], day: date) -> bool:
    return bool(row.expires_on) and day <= date.fromisoformat(row.expires_on)


def _identity(reading: Reading, row: Row[Any], *, opened: bool = True) -> IdentityView:
    """A check; its evidence is opened only for whoever looks at the checks themselves, "" elsewhere."""
    evidence = reading.ports.vault.open(row.evidence, evidence_at(row.id)).decode() if opened else ""
    return IdentityView(
        id=row.id,
        party_id=row.party_id,
        status=IdentityStatus(row.status),
        level=IdentityLevel(row.level),
        evidence=evidence,
        file_id=row.file_id,
        checked_by=row.checked_by,
        checked_at=row.checked_at,
        expires_on=date.fromisoformat(row.expires_on) if row.expires_on else None,
        reason=row.reason,
    )
