"""What other executions did since a plan was made that makes it less new than it looks: looked up when it is decided.

The plan says what was true when it was made, and is bound by its hash; between that and a decision lie hours in which
another execution can pay the same file, or the same payees.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import and_, or_, select

from finops_core import operations
from finops_core.operations import ExecutionView, PlanView, SameFile
from finops_core.operations.models import execution, plan, plan_row
from finops_core.payouts.comparison import FIRST
from finops_core.payouts.models import payout
from finops_core.payouts.rules import DOUBTFUL, LIVE
from finops_core.platform.work import Reading

MOST = 20_000


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What is known now and was not in the plan.

    ``same_file``: other executions of its file that are going, or ran since. ``paid``: destination that was new when
    the plan was made -> numbers of the other executions that paid it since, or are about to.
    """

    same_file: tuple[SameFile, ...] = ()
    paid: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def numbers(self) -> frozenset[str]:
        """Every execution it names."""
        return frozenset({each.number for each in self.same_file}.union(*self.paid.values()))

    def unseen(self, seen: Iterable[str]) -> tuple[str, ...]:
        """Those whom whoever decides has not been shown, by number."""
        return tuple(sorted(self.numbers.difference(seen)))

    @property
    def told(self) -> tuple[str, ...]:
        """The same in sentences, for whoever decides without a screen."""
        files = [f"This file {each.told}." for each in self.same_file]
        many, others = len(self.paid), sorted({number for each in self.paid.values() for number in each})
        who = f"{', '.join(others)} paid, or {'is' if len(others) == 1 else 'are'} about to pay"
        new = f"{many} destinations that were new" if many > 1 else "1 destination that was new"
        return (*files, *([f"{who}, {new} when it was planned."] if many else []))


def meanwhile(reading: Reading, seen: ExecutionView, made: PlanView) -> Meanwhile:
    """What other executions did since this plan of an execution was made, or are about to do."""
    files = operations.of_the_same_file(reading, seen, made.created_at)
    fresh = {
        str(row.body.get("destination", ""))
        for row in made.rows
        if row.amount_minor and row.body.get("change", {}).get("bank") == FIRST
    }
    if not fresh:
        return Meanwhile(files)
    paid: dict[str, set[str]] = {}
    for destination, number in [*_planned(reading, seen, made), *_paid(reading, seen, made)]:
        if destination in fresh:
            paid.setdefault(destination, set()).add(number)
    return Meanwhile(files, {destination: tuple(sorted(numbers)) for destination, numbers in paid.items()})


def _planned(reading: Reading, seen: ExecutionView, made: PlanView) -> list[tuple[str, str]]:
    """Destination and number of each row that another execution is about to pay, or pays just now."""
    header = and_(
        plan.c.org_id == execution.c.org_id, plan.c.execution_id == execution.c.id, plan.c.hash == execution.c.plan_hash
    )
    line = and_(plan_row.c.org_id == plan.c.org_id, plan_row.c.plan_id == plan.c.id)
    mine = [table.c.org_id == reading.org_id for table in (execution, plan, plan_row)]
    going = execution.c.state.in_(sorted(operations.GOING)), execution.c.id != seen.id
    rows = reading.rows(
        select(execution.c.number, plan_row.c.body)
        .select_from(execution.join(plan, header).join(plan_row, line))
        .where(*mine, *going, plan.c.connection_id == made.connection_id, plan_row.c.amount_minor > 0)
        .limit(MOST)
    )
    return [(str(json.loads(row.body).get("destination", "")), row.number) for row in rows]


def _paid(reading: Reading, seen: ExecutionView, made: PlanView) -> list[tuple[str, str]]:
    """Destination and number of each payout since that was not refused, and did not come back."""
    together = and_(execution.c.org_id == payout.c.org_id, execution.c.id == payout.c.execution_id)
    mine = payout.c.org_id == reading.org_id, execution.c.org_id == reading.org_id, execution.c.id != seen.id
    since = or_(payout.c.created_at >= made.created_at, execution.c.ended_at >= made.created_at)
    counts = payout.c.state.in_(sorted(LIVE | DOUBTFUL)), payout.c.connection_id == made.connection_id
    rows = reading.rows(
        select(payout.c.destination, execution.c.number)
        .select_from(payout.join(execution, together))
        .where(*mine, since, *counts)
        .limit(MOST)
    )
    return [(row.destination, row.number) for row in rows]
