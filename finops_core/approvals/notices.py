"""Whom a request concerns is told: those who may decide it, and whoever asked; in the unit that makes the news."""

from collections.abc import Iterable

from finops_core import notifications, security
from finops_core.approvals import queries
from finops_core.approvals.queries import RequestView
from finops_core.approvals.rules import State
from finops_core.notifications import Kind
from finops_core.platform.work import Work

_ENDS = {
    State.APPROVED: (Kind.APPROVAL_APPROVED, "was approved"),
    State.REJECTED: (Kind.APPROVAL_REJECTED, "was rejected"),
    State.EXPIRED: (Kind.APPROVAL_EXPIRED, "has expired"),
}


def tell_of_request(work: Work, view: RequestView) -> None:
    """Whoever may decide a request learns that it waits for them."""
    sums = ", ".join(str(money) for money in view.amounts)
    body = f"{view.number} asks for your approval" + (f" of {sums}." if sums else ".")
    _tell(work, view, _deciders(work, view), Kind.APPROVAL_ASKED, f"To decide: {view.title}", body, _asked(view))


def tell_of_end(work: Work, view: RequestView, state: State, why: str) -> None:
    """Whoever asked learns what came of it; nobody else has to decide it any more."""
    notifications.settle(work, _asked(view), _expiring(view))
    if state in _ENDS:
        kind, what = _ENDS[state]
        body = _said(work, view) or f"{why.capitalize()}."
        _tell(work, view, [view.requested_by], kind, f"{view.title} {what}", body, f"approval:{view.id}:{state}")


def tell_of_nearing_end(work: Work, view: RequestView) -> None:
    """Whoever may decide a request, and whoever asked, learn once that it is about to expire."""
    body = f"{view.number} expires at {view.expires_at:%Y-%m-%d %H:%M} UTC; nobody has decided it."
    people = [*_deciders(work, view), view.requested_by]
    _tell(work, view, people, Kind.APPROVAL_EXPIRING, f"About to expire: {view.title}", body, _expiring(view))


def _said(work: Work, view: RequestView) -> str:
    """The last word on it, with whose it is."""
    now = queries.find(work, view.id)
    if now is None or not now.decisions:
        return ""
    last = now.decisions[-1]
    name = security.names(work, [last.person_id]).get(last.person_id, "Somebody")
    return f"{name}: {last.comment}" if last.comment else f"By {name}."


def _deciders(work: Work, view: RequestView) -> list[str]:
    return [person.id for person in queries.deciders(work, view)]


def _tell(work: Work, view: RequestView, people: Iterable[str], kind: Kind, title: str, body: str, once: str) -> None:
    number = str(view.summary.get("number", ""))
    asked_by, others = {view.requested_by} & set(people), set(people) - {view.requested_by}
    # Who asked may not see the list of requests: the page of their own thing says where it stands.
    own = ("executions", {"execution": number}) if number else ("", {})
    for who, (page, query) in ((others, ("approvals", {"request": view.number})), (asked_by, own)):
        notifications.notify(work, who, kind, once=once, title=title, body=body, page=page, query=query)


def _asked(view: RequestView) -> str:
    return f"approval:{view.id}:asked"


def _expiring(view: RequestView) -> str:
    return f"approval:{view.id}:expiring"
