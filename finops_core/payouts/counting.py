"""Which payouts of a row count: one definition, as conditions of SQL, for every figure, report, remedy and check.

Every attempt that may have moved money counts, whatever its number; where none of a row's did, the last one does. So a
doubt about an early attempt is never hidden by a later one, and money that left twice is counted twice.
"""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select

from finops_core.operations.models import execution
from finops_core.payouts.models import payout, payout_resolution
from finops_core.payouts.rules import LIVE, MOVED
from finops_core.platform.work import Reading

PAID_TWICE = "paid_twice"
"""The verdict of a person who has dealt with money that left twice."""

# Made once: an alias takes longer to make than its question takes to answer.
_OTHER, _OWNER = payout.alias("other"), execution.alias("owner")
_LIVE, _MOVED = sorted(LIVE), sorted(MOVED)


def counts(reading: Reading) -> ColumnElement[bool]:
    """The condition that a payout counts."""
    hidden = _other(reading, or_(_OTHER.c.attempt > payout.c.attempt, _OTHER.c.state.in_(_MOVED)))
    return or_(payout.c.state.in_(_MOVED), and_(in_force(reading), ~hidden))


def in_force(reading: Reading) -> ColumnElement[bool]:
    """The condition that a payout's plan is not void.

    A plan of the whole numbers the rows anew: only since then does a number name a row.
    """
    its_own = _OWNER.c.org_id == reading.org_id, _OWNER.c.id == payout.c.execution_id
    void = *its_own, _OWNER.c.whole_attempt > payout.c.attempt
    return ~select(_OWNER.c.id).where(*void).correlate(payout).exists()


def beside(reading: Reading) -> ColumnElement[bool]:
    """The condition that a payout counts beside an earlier attempt of its row: the row's amount stands there twice."""
    return _after(reading, _MOVED)


def made_again(reading: Reading) -> ColumnElement[bool]:
    """The condition that a payout was made though an earlier attempt of its row was made, too."""
    return _after(reading, _LIVE)


def twice(reading: Reading) -> ColumnElement[bool]:
    """The condition that a payout paid its row again, and nobody has dealt with that yet."""
    return and_(made_again(reading), ~_dealt_with(reading))


def dealt_with(reading: Reading) -> ColumnElement[bool]:
    """The condition that a payout paid its row again, and a person has dealt with that.

    Once the earlier one has come back it is a row's payment like any other, and counts beside a later one.
    """
    return and_(made_again(reading), _dealt_with(reading))


def _dealt_with(reading: Reading) -> ColumnElement[bool]:
    said = payout_resolution
    dealt = said.c.org_id == reading.org_id, said.c.payout_id == payout.c.id, said.c.verdict == PAID_TWICE
    return exists(select(said.c.id).where(*dealt).correlate(payout))


def alone(reading: Reading) -> ColumnElement[bool]:
    """The condition that no other attempt of a payout's row may have moved money."""
    return ~_other(reading, and_(_OTHER.c.id != payout.c.id, _OTHER.c.state.in_(_MOVED)))


def _after(reading: Reading, states: list[Any]) -> ColumnElement[bool]:
    # A first attempt comes after nothing: most payouts are one, and are not looked for any further.
    earlier = _other(reading, and_(_OTHER.c.attempt < payout.c.attempt, _OTHER.c.state.in_(states)))
    return and_(payout.c.attempt > 1, payout.c.state.in_(states), earlier)


def _other(reading: Reading, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """There is another attempt of the same row like that."""
    same = _OTHER.c.execution_id == payout.c.execution_id, _OTHER.c.row_no == payout.c.row_no
    return select(_OTHER.c.id).where(_OTHER.c.org_id == reading.org_id, *same, condition).correlate(payout).exists()
