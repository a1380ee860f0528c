"""The daily mail: what somebody has not read, and what waits for their decision; none when there is nothing."""

from collections.abc import Sequence
from datetime import timedelta

from finops_core import approvals, notifications, reference, security
from finops_core.approvals import RequestView
from finops_core.kernel.actor import Actor, Via, worker_actor
from finops_core.kernel.permissions import Permission
from finops_core.notifications import NoticeView
from finops_core.platform.queue import Claim
from finops_core.platform.work import Units

DIGEST_JOB = "notifications.digest"
OF_LATE = timedelta(days=7)
WAITING_MOST, LINES_MOST = 200, 10


def write_digests(units: Units, claim: Claim) -> None:
    """For everybody whose hour has come and who has not had theirs of that day; the hour is the organisation's."""
    del claim
    if units.ports.mail is None:
        return
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    for org_id in org_ids:
        for person_id, day in _due(units, org_id):
            _write(units, org_id, person_id, day)


def _due(units: Units, org_id: str) -> list[tuple[str, str]]:
    """Person and day of each digest that is due."""
    found = []
    with units.read(worker_actor(org_id)) as reading:
        zone = reference.organisation(reading).zone
        for person in security.people_with(reading, Permission.HOME_VIEW):
            due = notifications.digest_due(reading, person.id)
            day = notifications.digest_day(reading.now, zone, due.hour) if due.hour >= 0 else None
            if day is not None and due.done_on < day.isoformat():
                found.append((person.id, day.isoformat()))
    return found


def _write(units: Units, org_id: str, person_id: str, day: str) -> None:
    # Seen with the person's own eyes: what they may not see, their mail does not tell.
    with units.read(Actor(person_id, org_id, Via.SYSTEM)) as reading:
        unread = notifications.for_digest(reading, OF_LATE)
        may = reading.may(Permission.APPROVALS_DECIDE) and reading.may(Permission.APPROVALS_VIEW)
        requests = approvals.waiting(reading, limit=WAITING_MOST) if may else ()
    waiting = [request for request in requests if request.refusal is None]
    # A notice that a request waits says nothing more than the request.
    asked = {request.number for request in waiting}
    rest = [notice for notice in unread if notice.query.get("request") not in asked]
    with units.work(worker_actor(org_id)) as work:
        notifications.put_digest(work, person_id, day, _title(waiting, rest), _lines(waiting, rest))


def _title(waiting: Sequence[RequestView], unread: Sequence[NoticeView]) -> str:
    parts = ((len(waiting), "to decide"), (len(unread), "unread"))
    return "Your day: " + ", ".join(f"{count} {what}" for count, what in parts if count)


def _lines(waiting: Sequence[RequestView], unread: Sequence[NoticeView]) -> list[str]:
    lines = _part("Waiting for your decision", [f"{request.number}: {request.title}" for request in waiting])
    return lines + _part("Unread", [notice.title for notice in unread])


def _part(head: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    more = [f"- and {len(items) - LINES_MOST} more"] if len(items) > LINES_MOST else []
    return [f"{head}:", *(f"- {item}" for item in items[:LINES_MOST]), *more]
