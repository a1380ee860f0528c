"""Who may decide a request and what its decisions amount to. Pure: values in, values out; the default is no.

Nothing here asks for a role or makes an exception for an administrator: a decision needs the permission, the distance
from the matter, and an authority that covers every amount in it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from finops_core.kernel.actor import Actor
from finops_core.kernel.errors import Conflict, FinOpsError, NotAllowed

ANY_CURRENCY = "*"
PERSON_PREFIX = "person_"
FIRST_LEVEL = 1
REQUESTER_WHY = "asked for it"


class State(StrEnum):
    """Where a request stands; only a pending one can change, but for an approved one whose content has moved on."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class Decision(StrEnum):
    """What a person can say to a request."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Authority:
    """How much somebody may approve of one item type.

    Attributes:
        currency: ISO 4217, or ``*`` for every currency.
        limit_minor: the largest amount per request, itself included, in minor units; None for any amount. A figure
            with ``*`` gives nothing: minor units of different currencies are not worth the same.
        since_at: from this instant on.
        until_at: up to but without this instant; None for no end.
    """

    item_type: str
    currency: str
    limit_minor: int | None
    since_at: datetime
    until_at: datetime | None = None

    def lives(self, now: datetime) -> bool:
        """Whether it counts at this instant."""
        return self.since_at <= now and (self.until_at is None or now < self.until_at)


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be decided.

    Attributes:
        amounts: currency -> minor units, zero or more.
        requested_by: the person who asked; excluded whether or not ``excluded`` names them.
        excluded: person -> why they stand too near (uploaded the file, edited the plan …).
    """

    item_type: str
    amounts: Mapping[str, int]
    requested_by: str
    excluded: Mapping[str, str] = field(default_factory=dict)

    def why_excluded(self, person_id: str) -> str | None:
        """Why this person stands too near to the matter; None when they do not."""
        return REQUESTER_WHY if person_id == self.requested_by else self.excluded.get(person_id)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the request is: what of it has been decided, and until when it waits."""

    state: State
    expires_at: datetime
    decided_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who would decide. ``permitted``: active, and holds the permission to decide in this organisation."""

    person_id: str
    permitted: bool
    authorities: tuple[Authority, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, in the user's words; ``error`` gives what a verb raises."""

    code: str
    message: str
    hint: str
    kind: type[FinOpsError] = NotAllowed

    def error(self, **context: object) -> FinOpsError:
        """The same as an error."""
        return self.kind(self.code, self.message, hint=self.hint, **context)


@dataclass(frozen=True, slots=True)
class Level:
    """One step of a request: ``needed`` different people must approve it."""

    level: int
    needed: int


@dataclass(frozen=True, slots=True)
class Said:
    """One decision as the rules see it."""

    level: int
    person_id: str
    decision: Decision
    content_hash: str


def person_of(actor: Actor) -> str | None:
    """The one natural person an actor is; None for services, links, and whoever acts for somebody else."""
    alone = actor.on_behalf_of is None and actor.id.startswith(PERSON_PREFIX)
    return actor.id if alone else None


def behind(actor: Actor) -> str:
    """Who an act belongs to: the person a service acts for, else the actor."""
    return actor.on_behalf_of or actor.id


def may_decide(matter: Matter, standing: Standing, candidate: Candidate, now: datetime) -> Refusal | None:
    """None when this person may decide this request now; else the first reason why not."""
    return closed(standing, now) or _too_near(matter, standing, candidate) or lacks(matter, candidate, now)


def closed(standing: Standing, now: datetime) -> Refusal | None:
    """The refusal for a request that waits for nobody any more."""
    if standing.state is not State.PENDING:
        return not_pending(standing.state)
    if standing.expires_at <= now:
        return Refusal(
            "APPROVAL_EXPIRED",
            "The time to decide this request has run out.",
            "Ask the preparer to submit it again.",
            Conflict,
        )
    return None


def not_pending(state: State) -> Refusal:
    """The refusal for a request that somebody has ended, perhaps a moment ago."""
    ended = "it was changed at the same moment" if state is State.PENDING else f"it is {state}"
    return Refusal(
        "APPROVAL_NOT_PENDING",
        f"This request is no longer waiting: {ended}.",
        "Look at it again before you do anything.",
        Conflict,
    )


def eligible(matter: Matter, candidate: Candidate, now: datetime) -> bool:
    """Whether this person could decide such a matter, before anybody has."""
    return matter.why_excluded(candidate.person_id) is None and lacks(matter, candidate, now) is None


def lacks(matter: Matter, candidate: Candidate, now: datetime) -> Refusal | None:
    """The refusal for missing permission or authority, whatever the person's part in the matter."""
    if not candidate.permitted:
        return Refusal(
            "APPROVAL_NOT_PERMITTED",
            "You are not allowed to decide approvals here.",
            "Ask an administrator for a role that includes it.",
        )
    live = [a for a in candidate.authorities if a.lives(now) and a.item_type == matter.item_type]
    if not live:
        return Refusal(
            "APPROVAL_NO_AUTHORITY",
            "You have no authority to approve this kind of item.",
            "Leave it to a person who has, or ask an administrator for the authority.",
        )
    over = sorted(currency for currency, amount in matter.amounts.items() if not _covered(live, currency, amount))
    if over:
        return Refusal(
            "APPROVAL_OVER_LIMIT",
            f"The amount in {', '.join(over)} is over your limit.",
            "Leave it to a person with a higher limit.",
        )
    return None


def _too_near(matter: Matter, standing: Standing, candidate: Candidate) -> Refusal | None:
    why = matter.why_excluded(candidate.person_id)
    if why is not None:
        return Refusal(
            "APPROVAL_EXCLUDED",
            f"You cannot decide this request, because you {why}.",
            "Leave it to another person.",
        )
    if candidate.person_id in standing.decided_by:
        return Refusal(
            "APPROVAL_ALREADY_DECIDED",
            "You have already decided this request.",
            "Leave the rest to another person: everyone counts once.",
        )
    return None


def _covered(live: Iterable[Authority], currency: str, amount: int) -> bool:
    # No limit for a currency is a limit of zero, and limits include themselves: nothing to pay needs no authority.
    return amount <= 0 or any(_reaches(authority, currency, amount) for authority in live)


def _reaches(authority: Authority, currency: str, amount: int) -> bool:
    if authority.currency == ANY_CURRENCY:
        return authority.limit_minor is None
    return authority.currency == currency and (authority.limit_minor is None or amount <= authority.limit_minor)


def outcome(levels: Collection[Level], said: Iterable[Said]) -> State:
    """What these decisions amount to: one rejection ends it, each level needs its number of different people.

    A request without levels, or with one that needs nobody, is never approved.
    """
    heard = tuple(said)
    if any(one.decision is Decision.REJECTED for one in heard):
        return State.REJECTED
    return State.APPROVED if levels and open_level(levels, heard) is None else State.PENDING


def open_level(levels: Collection[Level], said: Iterable[Said]) -> int | None:
    """The level whose turn it is: the lowest that still lacks people; None when all are full."""
    approved = tuple(one for one in said if one.decision is Decision.APPROVED)
    for level in sorted(levels, key=lambda each: each.level):
        people = {one.person_id for one in approved if one.level == level.level}
        if level.needed < 1 or len(people) < level.needed:
            return level.level
    return None


def stands(matter: Matter, content_hash: str, levels: Collection[Level], said: Iterable[Said]) -> bool:
    """Whether the decisions themselves carry an approval of this content, whatever the request's row says.

    Every decision must be on the same content, by a person who was not excluded, and no person counts twice.
    """
    heard = tuple(said)
    people = [one.person_id for one in heard]
    sound = len(set(people)) == len(people) and all(
        one.content_hash == content_hash and matter.why_excluded(one.person_id) is None for one in heard
    )
    return sound and outcome(levels, heard) is State.APPROVED
