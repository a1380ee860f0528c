"""Whom a payout concerns is told, in the unit that makes the news."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from finops_core import approvals, connections, notifications, operations, security
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.kernel.provider import ProviderPayout
from finops_core.notifications import Kind
from finops_core.payouts import queries
from finops_core.payouts.queries import Unsettled
from finops_core.platform.work import Work


def tell_of_return(work: Work, row: Unsettled, told: ProviderPayout) -> None:
    """Preparer and approvers learn that the bank gave a payout back, days after they thought it done."""
    body = told.failure_message or "The bank returned it."
    # By the time, here and below: one that arrived after all can come back again, which is news again.
    once = f"returned:{row.id}:{work.now.isoformat()}"
    _tell(work, row, Kind.PAYOUT_RETURNED, "came back", body, once=once)


def tell_of_cancel(work: Work, row: Unsettled) -> None:
    """Preparer and approvers learn that a payout was taken back at the provider, though nobody here asked for it."""
    body = "Somebody took it back at the provider; nobody here had asked for it."
    once = f"canceled:{row.id}:{work.now.isoformat()}"
    _tell(work, row, Kind.PAYOUT_CANCELED, "was taken back", body, once=once)


def tell_of_reversal(work: Work, row: Unsettled, why: str) -> None:
    """Preparer and approvers learn that somebody has reversed a payout at the provider."""
    _tell(work, row, Kind.PAYOUT_REVERSED, "was reversed", why, once=f"reversed:{row.id}")


def tell_of_review(work: Work, row: Unsettled, why: str, *, once: str = "") -> None:
    """Those near a batch, and those who may settle it, learn that it waits for a person.

    When its first row begins to wait, and after that once a day at most; again when all had been settled meanwhile.
    ``once`` names news of its own, told whatever else waits.
    """
    since = queries.waiting_since(work, row)
    if since is None:
        once = once or f"review:{row.id}:{work.now.isoformat()}"
    elif not once and since.date() == work.now.date():
        return
    once = once or f"review:{row.execution_id}:{work.now.date()}"
    body = f"{why} Look at the provider, then settle it."
    _tell(work, row, Kind.PAYOUT_REVIEW, "needs a decision", body, once=once, too=_settlers(work))


def tell_of_twice(work: Work, row: Unsettled, attempt: int) -> None:
    """Those near a batch, and those who may settle it, learn that a row of it was paid twice for certain."""
    body = (
        f"Row {row.row_no} was paid by attempt {attempt} and by attempt {row.attempt}. Have one of the two taken back."
    )
    once = f"twice:{row.id}:{work.now.isoformat()}"
    _tell(work, row, Kind.PAYOUT_TWICE, "was paid twice", body, once=once, too=_settlers(work))


def tell_of_unexpected(work: Work, row: Unsettled, provider_id: str) -> None:
    """Those near a batch, and those who may settle it, learn of a payout that may pay one of its rows again."""
    body = f"{provider_id} at the provider carries row {row.row_no} too. Have one of the two taken back there."
    once = f"unexpected:{provider_id}:{work.now.isoformat()}"
    _tell(work, row, Kind.PAYOUT_UNEXPECTED, "may be paid twice", body, once=once, too=_settlers(work))


def tell_of_refused_cancel(work: Work, row: Unsettled, asked: Iterable[str], why: str, asked_at: datetime) -> None:
    """Those who asked for a payout to be taken back learn that it could not be: once for each time they asked."""
    seen = operations.execution(work, row.execution_id)
    notifications.notify(
        work,
        asked,
        Kind.CANCEL_REFUSED,
        once=f"cancel_refused:{row.id}:{asked_at.isoformat()}",
        title=f"{Money(row.amount_minor, row.currency)} of {seen.number} was not taken back",
        body=why,
        page="executions",
        query={"execution": seen.number},
    )


def tell_of_refused_keys(work: Work, connection_ids: Iterable[str]) -> None:
    """Administrators learn which of the organisation's connections the provider does not let in: once a day."""
    for connection_id, name in connections.names(work, connection_ids).items():
        notifications.notify(
            work,
            [person.id for person in security.people_with(work, Permission.CONNECTIONS_ADMINISTER)],
            Kind.KEY_REFUSED,
            once=f"key_refused:{connection_id}:{work.now.date().isoformat()}",
            title=f"The provider refuses the key of {name}",
            body="Payouts made through it cannot be looked up or followed. Test the connection, and replace its key.",
            page="connections",
        )


def _tell(work: Work, row: Unsettled, kind: Kind, what: str, body: str, *, once: str, too: Sequence[str] = ()) -> None:
    """Who prepared or decided, and ``too``; the notice leads to the execution."""
    seen = operations.execution(work, row.execution_id)
    asked = approvals.of_subject(work, "execution", seen.id)
    near = (seen.requested_by, *(said.person_id for request in asked for said in request.decisions))
    notifications.notify(
        work,
        [*near, *too],
        kind,
        once=once,
        title=f"{Money(row.amount_minor, row.currency)} of {seen.number} {what}",
        body=body,
        page="executions",
        query={"execution": seen.number},
    )


def _settlers(work: Work) -> list[str]:
    return [person.id for person in security.people_with(work, Permission.PAYOUTS_RESOLVE)]
