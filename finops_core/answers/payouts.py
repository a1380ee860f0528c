"""Payouts, and rehearsals of a plan, as programs see them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import Field

from finops_core.answers.common import Amount, Answer, Paged, amount, amounts, paging
from finops_core.kernel.money import Money
from finops_core.payouts import PayoutPage, PayoutView, RehearsalView, Trouble


class PayoutAnswer(Answer):
    """One attempt to pay one row of a plan."""

    id: str = Field(examples=["pay_0199b1c2d3e4"])
    execution: str = Field(description="The id of its execution.", examples=["ex_0199b1c2d3e4"])
    number: str = Field(description="The number of its execution.", examples=["EX-2026-00042"])
    row_no: int = Field(description="Its place in the plan.")
    attempt: int
    account: str
    amount: Amount
    bank: str = Field(description="Name and last four digits of the bank account.")
    state: str = Field(examples=["in_transit"])
    counts: bool = Field(description="Whether this attempt counts for its row; figures and report go by those alone.")
    twice: bool = Field(description="It paid its row again, and nobody has dealt with that yet.")
    void: bool = Field(description="Prepared for a plan that was made anew; its number means another row by now.")
    late: bool = Field(description="It should have arrived before today.")
    provider_id: str = Field(examples=["po_1Sbx"])
    trace: str = Field(description="The bank's reference.")
    arrival_on: str = Field(description="When it is expected at the bank; empty while nobody knows.")
    error_code: str
    error_message: str
    refusal: str = Field(description="Why what a person said last of it was not confirmed.")
    fee: Amount | None = Field(description="What the provider took; null while its statement does not show it.")
    returned: Amount | None = Field(description="What came back; null while the statement does not show it.")
    reconciled: bool
    cancel_asked: bool = Field(description="Somebody asked for it to be taken back.")
    sent_at: datetime | None
    updated_at: datetime


class PayoutsAnswer(Paged):
    """A page of payouts, and the sums of all of them."""

    sums: list[Amount]
    items: list[PayoutAnswer]


class TakenBackAnswer(Answer):
    """What was asked of the provider; what comes of it each payout says."""

    execution: str
    asked: int = Field(description="How many payouts the provider is asked to take back.")


class RehearsalAnswer(Answer):
    """A plan carried out against a sandbox of its own; moves no money."""

    id: str = Field(examples=["rh_0199b1c2d3e4"])
    plan_hash: str
    troubles: list[str] = Field(description="What was made to go wrong.", examples=[["answer_lost"]])
    unmet: list[str] = Field(description="Of these, what struck nothing, so that it was not rehearsed.")
    running: bool
    given_up: bool = Field(description="It broke off as often as it was tried; nothing came of it.")
    passed: bool = Field(description="No row was paid twice, none was lost, none is in doubt.")
    outcome: dict[str, Any] = Field(description="Summary, rows, calls; empty while it runs.")
    requested_by: str
    created_at: datetime
    ended_at: datetime | None


class RehearsalsAnswer(Answer):
    """The rehearsals of an execution, newest first."""

    items: list[RehearsalAnswer]


def payout(view: PayoutView) -> PayoutAnswer:
    """One payout."""
    same = ("id", "number", "row_no", "attempt", "account", "bank", "twice", "void", "late", "provider_id", "trace")
    more = ("arrival_on", "error_code", "error_message", "refusal", "reconciled", "cancel_asked", "sent_at")
    return PayoutAnswer(
        **{name: getattr(view, name) for name in (*same, *more, "updated_at")},
        execution=view.execution_id,
        amount=amount(Money(view.amount_minor, view.currency)),
        state=view.state.value,
        counts=view.newest,
        fee=_known(view.fee_minor, view.currency),
        returned=_known(view.returned_minor, view.currency),
    )


def payouts(page: PayoutPage, limit: int, offset: int) -> PayoutsAnswer:
    """A page of them."""
    items = [payout(view) for view in page.rows]
    return PayoutsAnswer(sums=amounts(page.sums.amounts), items=items, **paging(page.sums.count, limit, offset))


def rehearsal(view: RehearsalView) -> RehearsalAnswer:
    """One rehearsal."""
    same = ("id", "plan_hash", "running", "given_up", "passed", "requested_by", "created_at", "ended_at")
    return RehearsalAnswer(
        **{name: getattr(view, name) for name in same},
        troubles=[word(each) for each in view.troubles],
        unmet=[word(each) for each in view.unmet],
        outcome=dict(view.outcome),
    )


def rehearsals(views: Iterable[RehearsalView]) -> RehearsalsAnswer:
    """Some of them."""
    return RehearsalsAnswer(items=[rehearsal(view) for view in views])


def word(trouble: Trouble) -> str:
    """A trouble as programs name it: its sentence is for people, and may change."""
    return trouble.name.lower()


def _known(minor: int | None, currency: str) -> Amount | None:
    return None if minor is None else amount(Money(minor, currency))
