"""What an attempt has come to: its result for people and files, and whether its execution may be told as over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select, true

from finops_core.kernel.money import Money
from finops_core.kernel.operation import Metrics, Records, Result, Standing
from finops_core.payouts import counting, queries, rules, service
from finops_core.payouts.models import payout
from finops_core.payouts.queries import PayoutView
from finops_core.payouts.rules import DOUBTFUL, LIVE, PayoutState
from finops_core.platform.work import Reading, Work

_S = PayoutState
NEVER_SENT = frozenset({_S.CANCELED, _S.EXPIRED, _S.REJECTED})
_MATE = payout.alias("mate")


@dataclass(frozen=True, slots=True)
class Part:
    """Payouts that count, alike in all that matters here.

    Attributes:
        own: of a row of the attempt that is told of; else of one that another attempt had.
        first: no earlier attempt of the row counts beside it; so each row has one of these.
        again: it was made though an earlier attempt of the row was; ``twice``: and nobody has dealt with that.
    """

    state: PayoutState
    own: bool
    first: bool
    again: bool = False
    twice: bool = False
    many: int = 1


def conclude(work: Work, execution_id: str, attempt: int) -> Result:
    """Close what an ended attempt never sent, and give what it has come to."""
    for row in queries.never_sent(work, execution_id, attempt):
        service.call_off(work, row, "The run ended before it was sent.")
    return result_of(queries.rows(work, execution_id), attempt)


def standing(reading: Reading, execution_id: str, attempt: int) -> Standing:
    """What an attempt has come to by now, counted by the database; no words of one that has not made a row."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id
    if attempt == 1:
        parts = _only(reading, mine)
        return Standing(_message(parts) if parts else "", _open_ends(parts))
    begun = reading.scalar(select(payout.c.id).where(*mine, payout.c.attempt == attempt).limit(1)) is not None
    parts = _counted(reading, mine, attempt if begun else 0)
    return Standing(_message(parts) if begun else "", _open_ends(parts))


def _only(reading: Reading, mine: tuple[Any, ...]) -> list[Part]:
    """Of an execution that was tried once: nothing can stand beside anything, which is the quicker question."""
    rows = reading.rows(select(payout.c.state, func.count().label("many")).where(*mine).group_by(payout.c.state))
    return [Part(PayoutState(row.state), own=True, first=True, many=int(row.many)) for row in rows]


def _counted(reading: Reading, mine: tuple[Any, ...], attempt: int) -> list[Part]:
    """What counts of several attempts; told of the rows of this one, or (0) of all."""
    same = _MATE.c.execution_id == payout.c.execution_id, _MATE.c.row_no == payout.c.row_no
    mate = select(_MATE.c.id).where(_MATE.c.org_id == reading.org_id, *same, _MATE.c.attempt == attempt)
    flags = {
        "own": mate.correlate(payout).exists() if attempt else true(),
        "first": ~counting.beside(reading),
        "again": counting.made_again(reading),
        "twice": counting.twice(reading),
    }
    told = [case((flag, 1), else_=0).label(name) for name, flag in flags.items()]
    each = select(payout.c.state, *told).where(*mine, counting.counts(reading)).subquery()
    rows = reading.rows(select(*each.c, func.count().label("many")).group_by(*each.c))
    return [
        Part(
            PayoutState(row.state),
            own=bool(row.own),
            first=bool(row.first),
            again=bool(row.again),
            twice=bool(row.twice),
            many=int(row.many),
        )
        for row in rows
    ]


RECORDS = Records(conclude, standing)


def result_of(views: Sequence[PayoutView], attempt: int) -> Result:
    """The result of one attempt: of its rows, by whichever attempt of theirs counts, and of what else stands open.

    Args:
        views: every payout of the execution, in the plan's order.
        attempt: one that has made no row yet tells of all rows.
    """
    tried = [view for view in views if view.attempt == attempt]
    counted = [view for view in views if view.newest]
    parts = _parts(counted, {view.row_no for view in (tried or counted)})
    told = [view for view, part in zip(counted, parts, strict=True) if part.own or _is_open(part) or _is_unpaid(part)]
    made = [view for view, part in zip(counted, parts, strict=True) if part.own and part.state in LIVE]
    totals: dict[str, int] = {}
    for view in made:
        totals[view.currency] = totals.get(view.currency, 0) + view.amount_minor
    total, done = _rows(parts), _made(parts)
    # Money that left for a void plan did not leave for this one.
    astray = any(view.void for view in counted)
    unpaid = sum(part.many for part in parts if _is_unpaid(part))
    return Result(
        success=done == total and not (unpaid or astray or _open_ends(parts)),
        message=_message(parts),
        metrics=Metrics(total, done, sum(part.many for part in parts if part.own and _is_unpaid(part)), totals),
        table=table(told) if told else {},
        warnings=tuple(_warning(view) for view in told if view.state in DOUBTFUL or view.twice),
        errors=tuple(f"Row {view.row_no}: {view.error_message}" for view in told if view.state in UNPAID),
        open_ends=_open_ends(parts),
        untouched=not any(view.sent_at for view in tried),
    )


def _parts(counted: Sequence[PayoutView], own: set[int]) -> list[Part]:
    """One part a payout."""
    seen: set[int] = set()
    made: set[int] = set()
    parts = []
    for view in counted:
        number, live = view.row_no, view.state in LIVE
        again = live and number in made
        parts.append(Part(view.state, own=number in own, first=number not in seen, again=again, twice=view.twice))
        seen.add(number)
        made |= {number} if live else set()
    return parts


def _warning(view: PayoutView) -> str:
    if view.state in DOUBTFUL:
        return f"Row {view.row_no} is in doubt: {view.error_message}"
    paid = Money(view.amount_minor, view.currency)
    return f"Row {view.row_no} was paid twice: attempt {view.attempt} paid {paid} again, as {view.provider_id}."


UNPAID = frozenset({_S.FAILED, *NEVER_SENT})
_WORDS: tuple[tuple[frozenset[PayoutState], str], ...] = (
    (frozenset({_S.FAILED}), "came back"),
    (frozenset({_S.REJECTED}), "refused"),
    (frozenset({_S.CANCELED, _S.EXPIRED}), "not sent"),
)


def _message(parts: Sequence[Part]) -> str:
    total = _rows(parts)
    if not total:
        return "There was nothing to pay."

    def told(many: int, words: str) -> list[str]:
        return [f"{many} {words}"] if many else []

    def count(states: frozenset[PayoutState], *, own: bool) -> int:
        return sum(part.many for part in parts if part.state in states and part.own is own)

    sentence = [
        f"{_made(parts)} of {total} payouts made",
        *told(sum(part.many for part in parts if part.twice), "paid twice"),
        *told(count(DOUBTFUL, own=True), "in doubt"),
        *told(count(DOUBTFUL, own=False), "of an earlier attempt in doubt"),
        *(words for states, each in _WORDS for words in told(count(states, own=True), each)),
        *told(count(UNPAID, own=False), "of an earlier attempt not paid"),
    ]
    return ", ".join(sentence) + "."


def _rows(parts: Sequence[Part]) -> int:
    """How many rows the attempt has."""
    return sum(part.many for part in parts if part.own and part.first)


def _made(parts: Sequence[Part]) -> int:
    """How many of them were made, each counted once."""
    return sum(part.many for part in parts if part.own and part.state in LIVE and not part.again)


def _is_unpaid(part: Part) -> bool:
    return part.state in UNPAID


def _is_open(part: Part) -> bool:
    return part.state in DOUBTFUL or part.twice


def _open_ends(parts: Sequence[Part]) -> int:
    """What nobody can be sure of, or has dealt with; of every attempt."""
    return sum(part.many for part in parts if _is_open(part))


def table(rows: Sequence[PayoutView]) -> Mapping[str, Sequence[Any]]:
    """A line a payout, as viewer and files show it."""
    return {
        "Row": [row.row_no for row in rows],
        "Account": [row.account for row in rows],
        "Currency": [row.currency for row in rows],
        "Amount": [Money(row.amount_minor, row.currency) for row in rows],
        "Bank account": [row.bank for row in rows],
        "State": [rules.words(row.state) for row in rows],
        "Provider id": [row.provider_id for row in rows],
        "Expected arrival": [row.arrival_on if row.state in LIVE else "" for row in rows],
        "Bank reference": [row.trace for row in rows],
        "Problem": [row.error_message for row in rows],
    }
