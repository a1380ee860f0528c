"""The story of one payout, for people: every move, call, piece of news and word of a person, and the statement."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, and_, or_, select

from finops_core import audit
from finops_core.payouts import queries, rules
from finops_core.payouts.models import payout, payout_call, payout_resolution, provider_news
from finops_core.payouts.queries import PayoutView
from finops_core.payouts.rules import LIVE, PayoutState
from finops_core.platform.work import Reading

MOST = 200


class StepKind(StrEnum):
    """What happened. MOVED: its state. CALLED: we asked the provider. HEARD: the provider sent news. SAID: a person."""

    MOVED = "moved"
    CALLED = "called"
    HEARD = "heard"
    SAID = "said"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a payout.

    Attributes:
        what: the new state (MOVED), what was asked for (CALLED: submit, find, cancel), the provider's name of the news
            or of a payout nobody expected (HEARD), or ``cancel``, ``exists``, ``never_made``, ``paid_twice`` (SAID).
        outcome: what came of a call, in the words of the call's record; "" for other steps.
        told: why, in words; of the provider, the bank or the person.
        by: the id of the person whose step it is; "" for steps of the desk and of the provider.
        request_id: the provider's own for a call, to ask it by.
        duration_ms: how long a call took; None for other steps.
    """

    at: datetime
    kind: StepKind
    what: str
    outcome: str = ""
    told: str = ""
    by: str = ""
    request_id: str = ""
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What the provider's statement shows of a payout, in minor units of its currency; None while it shows nothing.

    The balance changed by ``net_minor`` (negative: it left) and, when it came back, by ``returned_minor``.
    """

    seen_at: datetime | None
    movement_id: str
    net_minor: int | None
    fee_minor: int | None
    return_id: str
    returned_minor: int | None
    agrees: bool


@dataclass(frozen=True, slots=True)
class PayoutHistory:
    """A payout with its story, oldest first; ``attempts``: every attempt of the same row, this one too.

    ``destination`` is the bank account's id at the provider, "" for the default one; ``marks`` is what the payout
    carries at the provider, by which it can be found there.
    """

    payout: PayoutView
    destination: str
    marks: Mapping[str, str]
    approved_at: datetime
    paid_at: datetime | None
    steps: tuple[Step, ...]
    statement: Statement
    attempts: tuple[PayoutView, ...]


def history(reading: Reading, payout_id: str) -> PayoutHistory:
    """The story of a payout, by our id or the provider's; ``PAYOUT_UNKNOWN`` for one this person may not see."""
    seen = queries.one(reading, payout_id)
    row = reading.rows(select(payout).where(payout.c.org_id == reading.org_id, payout.c.id == seen.id))[0]
    steps = [*_moves(reading, row), *_calls(reading, row), *_news(reading, row), *_verdicts(reading, row)]
    same_number = queries.rows(reading, seen.execution_id, row_no=seen.row_no)
    return PayoutHistory(
        seen,
        row.destination,
        {rules.META_ITEM: rules.item_id(seen.execution_id, seen.row_no), rules.META_ATTEMPT: str(seen.attempt)},
        row.asked_at,
        row.paid_at,
        # What follows from a call or from news is recorded in the same instant, and stands after it.
        tuple(sorted(steps, key=lambda step: (step.at, step.kind is StepKind.MOVED))),
        _statement(row),
        (seen,) if seen.void else tuple(row for row in same_number if not row.void),
    )


def _moves(reading: Reading, row: Row[Any]) -> Iterator[Step]:
    """From approved on, as the log has it; and who asked for it to be taken back."""
    yield Step(row.created_at, StepKind.MOVED, PayoutState.APPROVED.value)
    for record in audit.of_object(reading, f"payout:{row.id}", MOST):
        told = record.detail
        if record.verb == "payout.cancel_asked":
            yield Step(record.at, StepKind.SAID, "cancel", told=str(told.get("reason", "")), by=record.actor)
        elif record.verb == "payout.unexpected":
            why = "It carries this row too, and is not its payout."
            yield Step(record.at, StepKind.HEARD, str(told["provider_id"]), told=why)
        elif "to" in told:
            yield Step(record.at, StepKind.MOVED, str(told["to"]), told=str(told.get("why", "")))


def _calls(reading: Reading, row: Row[Any]) -> Iterator[Step]:
    table = payout_call
    mine = table.c.org_id == reading.org_id, table.c.payout_id == row.id
    columns = (table.c.at, table.c.kind, table.c.outcome, table.c.told, table.c.request_id, table.c.duration_ms)
    for call in reading.rows(select(*columns).where(*mine).order_by(table.c.at, table.c.id).limit(MOST)):
        yield Step(
            call.at,
            StepKind.CALLED,
            call.kind,
            outcome=call.outcome,
            told=call.told,
            request_id=call.request_id,
            duration_ms=call.duration_ms,
        )


def _news(reading: Reading, row: Row[Any]) -> Iterator[Step]:
    """News that names the payout, or that came before its id was known and carries its row."""
    table = provider_news
    named = and_(table.c.payout_id == row.provider_id, table.c.payout_id != "")
    carries = and_(row.provider_id == "", table.c.item == rules.item_id(row.execution_id, row.row_no))
    mine = table.c.org_id == reading.org_id, table.c.connection_id == row.connection_id
    columns = (table.c.received_at, table.c.kind)
    wanted = select(*columns).where(*mine, or_(named, carries)).order_by(table.c.received_at, table.c.id)
    for heard in reading.rows(wanted.limit(MOST)):
        yield Step(heard.received_at, StepKind.HEARD, heard.kind)


def _verdicts(reading: Reading, row: Row[Any]) -> Iterator[Step]:
    table = payout_resolution
    mine = table.c.org_id == reading.org_id, table.c.payout_id == row.id
    for said in reading.rows(select(table).where(*mine).order_by(table.c.at, table.c.id)):
        yield Step(said.at, StepKind.SAID, said.verdict, told=said.comment, by=said.person_id)


def _statement(row: Row[Any]) -> Statement:
    out = row.net_minor is None or row.net_minor + (row.fee_minor or 0) == -row.amount_minor
    back = row.returned_minor is None or (row.returned_minor == row.amount_minor and row.state not in LIVE)
    return Statement(
        row.reconciled_at,
        row.movement_id,
        row.net_minor,
        row.fee_minor,
        row.return_id,
        row.returned_minor,
        agrees=out and back,
    )
