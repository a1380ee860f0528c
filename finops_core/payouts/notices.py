"""Whom a payout concerns is told, in the unit that makes the news."""

from finops_core import approvals, notifications, operations, security
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.kernel.provider import ProviderPayout
from finops_core.payouts.queries import Unsettled
from finops_core.platform.work import Work


def tell_of_return(work: Work, row: Unsettled, told: ProviderPayout) -> None:
    """Preparer and approvers learn that the bank gave a payout back, days after they thought it done."""
    seen = operations.execution(work, row.execution_id)
    notifications.notify(
        work,
        _near(work, seen),
        "payout.returned",
        once=f"returned:{row.id}",
        title=f"{Money(row.amount_minor, row.currency)} of {seen.number} came back",
        body=told.failure_message or "The bank returned it.",
        page="executions",
        query={"execution": seen.number},
    )


def tell_of_cancel(work: Work, row: Unsettled) -> None:
    """Preparer and approvers learn that a payout was taken back at the provider, though nobody here asked for it."""
    seen = operations.execution(work, row.execution_id)
    notifications.notify(
        work,
        _near(work, seen),
        "payout.canceled",
        once=f"canceled:{row.id}",
        title=f"{Money(row.amount_minor, row.currency)} of {seen.number} was taken back",
        body="Somebody took it back at the provider; nobody here had asked for it.",
        page="executions",
        query={"execution": seen.number},
    )


def tell_of_reversal(work: Work, row: Unsettled, why: str) -> None:
    """Preparer and approvers learn that somebody has reversed a payout at the provider."""
    seen = operations.execution(work, row.execution_id)
    notifications.notify(
        work,
        _near(work, seen),
        "payout.reversed",
        once=f"reversed:{row.id}",
        title=f"{Money(row.amount_minor, row.currency)} of {seen.number} was reversed",
        body=why,
        page="executions",
        query={"execution": seen.number},
    )


def tell_of_review(work: Work, row: Unsettled, why: str, once: str = "") -> None:
    """Those near a batch, and those who may settle it, learn that it waits for a person: once an attempt.

    ``once`` names news of its own, told whatever was told of the attempt before.
    """
    seen = operations.execution(work, row.execution_id)
    notifications.notify(
        work,
        [*_near(work, seen), *_settlers(work)],
        "payout.review",
        once=once or f"review:{seen.id}:{row.attempt}",
        title=f"{Money(row.amount_minor, row.currency)} of {seen.number} needs a decision",
        body=f"{why} Look at the provider, then settle it.",
        page="executions",
        query={"execution": seen.number},
    )


def tell_of_unexpected(work: Work, row: Unsettled, provider_id: str) -> None:
    """Those near a batch, and those who may settle it, learn of a payout that may pay one of its rows again."""
    seen = operations.execution(work, row.execution_id)
    notifications.notify(
        work,
        [*_near(work, seen), *_settlers(work)],
        "payout.unexpected",
        once=f"unexpected:{provider_id}",
        title=f"{Money(row.amount_minor, row.currency)} of {seen.number} may be paid twice",
        body=f"{provider_id} at the provider carries row {row.row_no} too. Have one of the two taken back there.",
        page="executions",
        query={"execution": seen.number},
    )


def _settlers(work: Work) -> list[str]:
    return [person.id for person in security.people_with(work, Permission.PAYOUTS_RESOLVE)]


def _near(work: Work, seen: operations.ExecutionView) -> list[str]:
    asked = approvals.of_subject(work, "execution", seen.id)
    return [seen.requested_by, *(said.person_id for request in asked for said in request.decisions)]
