"""Who acts: a person, a service on behalf of a person, or the holder of a link to one object."""

from dataclasses import dataclass
from enum import StrEnum


class Via(StrEnum):
    """The door somebody came through."""

    PAGE = "page"
    API = "api"
    CLI = "cli"
    WORKER = "worker"
    LINK = "link"
    WEBHOOK = "webhook"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """An identity, before its grants are looked up; grants are read anew in every unit of work.

    Attributes:
        id: a person's id (``person_…``) or a service's name (``service:worker``).
        org_id: the organisation acted for; empty only for acts on the installation itself.
        via: the door.
        on_behalf_of: the person whose grants bound a service; None for people.
        session_id: the sign-in session the act belongs to, where there is one.
        token_id: the personal API token that stands for the person, where there is one; it narrows what they may do.
    """

    id: str
    org_id: str
    via: Via
    on_behalf_of: str | None = None
    session_id: str | None = None
    token_id: str | None = None


WORKER_ID = "service:worker"
SYSTEM_ID = "service:system"
WEBHOOK_ID = "service:webhook"


def worker_actor(org_id: str, on_behalf_of: str | None = None) -> Actor:
    """The worker, acting for one organisation, on behalf of whoever asked for the work."""
    return Actor(id=WORKER_ID, org_id=org_id, via=Via.WORKER, on_behalf_of=on_behalf_of)


def webhook_actor(org_id: str) -> Actor:
    """A provider at the door of one organisation; may only leave news."""
    return Actor(id=WEBHOOK_ID, org_id=org_id, via=Via.WEBHOOK)


def system_actor(org_id: str = "") -> Actor:
    """The installation itself: set-up, seeding, command-line upkeep by whoever holds the machine."""
    return Actor(id=SYSTEM_ID, org_id=org_id, via=Via.SYSTEM)
