"""Parties as programs see them, and what they can ask of them; no rule lives here. No answer holds an account."""

from datetime import date, datetime

from pydantic import Field

from finops_core import parties as core
from finops_core.answers.common import Answer
from finops_core.answers.ledger import NEXT
from finops_core.answers.ledger_verbs import Part
from finops_core.parties import BankDetails, DetailsView, IdentityCheck, IdentityView, PartyFilter, PartyKind, PartyView
from finops_core.platform.work import Reading, Work


class DetailsAnswer(Answer):
    """One version of a party's bank details, by the end of its account."""

    id: str = Field(examples=["bank_0199b1c2d3e4"])
    version: int
    state: str = Field(examples=["cooling_off"])
    country: str = Field(examples=["DE"])
    last4: str = Field(description="The last four of the account; empty where it is too short.", examples=["3000"])
    replaces: str = Field(description="The version that counted when it was proposed; empty for none.")
    reason: str
    approval: str = Field(description="The request to decide.", examples=["ap_0199b1c2d3e4"])
    proposed_by: str
    proposed_at: datetime
    counts_from: datetime | None = Field(description="When its cooling-off is over; null until it is approved.")
    ended_at: datetime | None
    ended_reason: str


class IdentityAnswer(Answer):
    """A check of a party's identity."""

    id: str = Field(examples=["kyc_0199b1c2d3e4"])
    status: str = Field(examples=["verified"])
    level: str = Field(examples=["standard"])
    evidence: str = Field(description="What was looked at, and where it is kept; empty but in the list of checks.")
    file_id: str
    checked_by: str
    checked_at: datetime
    expires_on: date | None = Field(description="The last day it counts; null for a failed one.")
    reason: str


class PartyAnswer(Answer):
    """Somebody we deal with."""

    id: str = Field(examples=["party_0199b1c2d3e4"])
    kind: str = Field(examples=["company"])
    name: str
    state: str = Field(examples=["open"])
    closed_reason: str
    created_at: datetime
    current: DetailsAnswer | None = Field(description="The bank details that count.")
    coming: DetailsAnswer | None = Field(description="Those that wait, or cool off.")
    identity: IdentityAnswer | None = Field(description="The newest check.")


class PartiesAnswer(Answer):
    """Parties, oldest first."""

    items: list[PartyAnswer]
    next: str = NEXT


class DetailsListAnswer(Answer):
    """Every version of a party's bank details, newest first."""

    items: list[DetailsAnswer]


class IdentitiesAnswer(Answer):
    """Every check of a party's identity, newest first."""

    items: list[IdentityAnswer]


def parties(reading: Reading, wanted: PartyFilter, part: Part) -> PartiesAnswer:
    """Parties that meet a filter."""
    rows = core.parties(reading, wanted, part.limit + 1, part.past)
    shown = rows[: part.limit]
    return PartiesAnswer(items=[told(row) for row in shown], next=shown[-1].id if len(rows) > part.limit else "")


def party(reading: Reading, party_id: str) -> PartyAnswer:
    """One party."""
    return told(core.party(reading, party_id))


def add(work: Work, kind: PartyKind, name: str) -> PartyAnswer:
    """Somebody new to deal with."""
    return party(work, core.add_party(work, kind, name))


def rename(work: Work, party_id: str, name: str) -> PartyAnswer:
    """Call a party otherwise."""
    core.rename_party(work, party_id, name)
    return party(work, party_id)


def close(work: Work, party_id: str, reason: str) -> PartyAnswer:
    """Deal with a party no more."""
    core.close_party(work, party_id, reason)
    return party(work, party_id)


def versions(reading: Reading, party_id: str) -> DetailsListAnswer:
    """Every version of a party's bank details."""
    return DetailsListAnswer(items=[details(each) for each in core.details(reading, party_id).versions])


def propose(work: Work, party_id: str, given: BankDetails, reason: str) -> PartyAnswer:
    """Ask somebody else to agree to bank details."""
    core.propose_details(work, party_id, given, reason)
    return party(work, party_id)


def withdraw(work: Work, details_id: str, reason: str) -> PartyAnswer:
    """Stop bank details that do not count yet."""
    return party(work, core.withdraw_details(work, details_id, reason))


def identities(reading: Reading, party_id: str) -> IdentitiesAnswer:
    """Every check of a party's identity."""
    return IdentitiesAnswer(items=[identity(each) for each in core.identities_of(reading, party_id)])


def note(work: Work, party_id: str, check: IdentityCheck) -> PartyAnswer:
    """Keep what a check of an identity came to."""
    core.note_identity(work, party_id, check)
    return party(work, party_id)


def told(view: PartyView) -> PartyAnswer:
    """One party."""
    current, coming = view.details.current, view.details.coming
    return PartyAnswer(
        id=view.id,
        kind=view.kind.value,
        name=view.name,
        state=view.state.value,
        closed_reason=view.closed_reason,
        created_at=view.created_at,
        current=details(current) if current else None,
        coming=details(coming) if coming else None,
        identity=identity(view.identity) if view.identity else None,
    )


def details(view: DetailsView) -> DetailsAnswer:
    """One version."""
    return DetailsAnswer(
        id=view.id,
        version=view.version,
        state=view.state.value,
        country=view.country,
        last4=view.last4,
        replaces=view.replaces,
        reason=view.reason,
        approval=view.request_id,
        proposed_by=view.proposed_by,
        proposed_at=view.proposed_at,
        counts_from=view.counts_from,
        ended_at=view.ended_at,
        ended_reason=view.ended_reason,
    )


def identity(view: IdentityView) -> IdentityAnswer:
    """One check."""
    return IdentityAnswer.of(view)
