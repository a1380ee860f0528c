"""What the commands about parties tell, in words."""

from finops_core.answers.parties import (
    DetailsAnswer,
    DetailsListAnswer,
    IdentitiesAnswer,
    IdentityAnswer,
    PartiesAnswer,
    PartyAnswer,
)
from finops_core.commands.words import table


def parties(told: PartiesAnswer) -> str:
    """Parties."""
    rows = [
        (each.id, each.name, each.kind, _end(each.current), each.identity.status if each.identity else "")
        for each in told.items
    ]
    more = f"\nMore: --past {told.next}" if told.next else ""
    return table(("Id", "Name", "Kind", "Account", "Identity"), rows) + more


def party(told: PartyAnswer) -> str:
    """One of them."""
    closed = f", closed: {told.closed_reason}" if told.closed_reason else ""
    lines = [f"{told.id}  {told.name}, {told.kind}{closed}"]
    lines += [f"Counts: {_version(told.current)}"] if told.current else ["It has no bank details that count"]
    lines += [f"To count: {_version(told.coming)}"] if told.coming else []
    lines += [f"Identity: {_check(told.identity)}" if told.identity else "Its identity was not checked"]
    return "\n".join(lines)


def versions(told: DetailsListAnswer) -> str:
    """Versions of bank details."""
    return "\n".join(_version(each) for each in told.items) or "It has no bank details yet"


def identities(told: IdentitiesAnswer) -> str:
    """Checks of an identity."""
    return "\n".join(_check(each) for each in told.items) or "Its identity was not checked"


def _end(told: DetailsAnswer | None) -> str:
    return f"{told.country} …{told.last4}" if told else ""


def _version(told: DetailsAnswer) -> str:
    since = f", counts from {told.counts_from:%Y-%m-%d %H:%M} UTC" if told.counts_from else ""
    waits = f", to decide as {told.approval}" if told.state == "waiting" else ""
    return (
        f"{told.id} version {told.version}, {_end(told)}, {told.state.replace('_', ' ')}{since}{waits}: {told.reason}"
    )


def _check(told: IdentityAnswer) -> str:
    until = f" until {told.expires_on.isoformat()}" if told.expires_on else ""
    why = f": {told.reason}" if told.reason else ""
    return f"{told.status}{until} ({', '.join(filter(None, (told.level, told.evidence)))}){why}"
