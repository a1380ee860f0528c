"""What other attempts of a row have done: whether money has moved by one of them, or may have."""

from collections.abc import Iterable

from sqlalchemy import bindparam, or_, select

from finops_core.payouts.models import payout
from finops_core.payouts.queries import Unsettled, unsettled
from finops_core.payouts.rules import DOUBTFUL, LIVE, MOVED, PayoutState
from finops_core.platform.work import Reading

# Made once: it is asked for each row of a batch.
_OTHERWISE = (
    select(payout.c.attempt)
    .where(
        payout.c.org_id == bindparam("org"),
        payout.c.execution_id == bindparam("execution"),
        payout.c.row_no == bindparam("number"),
        payout.c.id != bindparam("but"),
        payout.c.state.in_(bindparam("states", expanding=True)),
    )
    .order_by(payout.c.attempt)
    .limit(1)
)


def paid_otherwise(reading: Reading, row: Unsettled, states: Iterable[PayoutState] = MOVED) -> int | None:
    """Another attempt of this one's row by which money has moved, or may have; None when there is none."""
    of_row = {"org": reading.org_id, "execution": row.execution_id, "number": row.row_no, "but": row.id}
    found = reading.execute(_OTHERWISE, {**of_row, "states": sorted(states)}).scalar()
    return None if found is None else int(found)


def sent_before(reading: Reading, execution_id: str, attempt: int) -> tuple[Unsettled, ...]:
    """Payouts of earlier attempts than this one that were sent, or may have been, whatever came of it."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id, payout.c.attempt < attempt
    sent = or_(payout.c.first_sent_at.is_not(None), payout.c.state.in_(sorted(LIVE | DOUBTFUL)))
    return tuple(unsettled(row) for row in reading.rows(select(payout).where(*mine, sent).order_by(payout.c.row_no)))
