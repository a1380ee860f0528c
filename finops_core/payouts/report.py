"""The report of a batch: the tie-out of what was planned with what happened, and both as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from finops_core import audit, operations
from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money
from finops_core.operations.spreadsheets import Table, csv_bytes, workbook_bytes
from finops_core.payouts import counting, queries, results, service, settlement
from finops_core.payouts.models import payout
from finops_core.payouts.queries import PayoutView
from finops_core.payouts.rules import DOUBTFUL, IN_FLIGHT, PayoutState
from finops_core.platform.work import Reading, Work

_S = PayoutState
CSV, TIE_OUT_CSV, XLSX = "csv", "tie-out csv", "xlsx"


class Tie(StrEnum):
    """How one currency of a batch ties out.

    Tied: plan, payouts and the provider's statement agree. Doubt: of some payouts nobody knows yet. Unstated: all
    adds up, but the statement does not show every payout yet. Off: something contradicts something else. Twice: two
    attempts of one row were paid, and nobody has dealt with that yet.
    """

    TIED = "tied"
    DOUBT = "doubt"
    UNSTATED = "unstated"
    OFF = "off"
    TWICE = "twice"


@dataclass(frozen=True, slots=True)
class TieOut:
    """One currency of a batch: what was approved, and where each minor unit of it is. All amounts in minor units.

    The parts are of every payout that counts (``counting``). ``planned`` is what the approved plans say of their rows;
    it is ``accounted`` for by the payouts' own states. ``difference`` is what the provider's statement says otherwise
    (0 when it agrees). ``beside``: of payouts that count beside an earlier attempt of their row, so that the parts are
    more than the plan by it; ``twice``: of those, what was paid again for certain and nobody has dealt with.
    """

    currency: str
    planned: int
    in_flight: int
    arrived: int
    returned: int
    refused: int
    not_sent: int
    in_doubt: int
    fees: int
    payouts: int
    reconciled: int
    made: int
    difference: int
    beside: int = 0
    twice: int = 0

    @property
    def accounted(self) -> int:
        """The sum of the parts, each row's amount once."""
        parts = self.in_flight + self.arrived + self.returned + self.refused + self.not_sent + self.in_doubt
        return parts - self.beside

    @property
    def complete(self) -> bool:
        """Every payout that was made stands in the provider's statement, with the amount we asked for."""
        return self.reconciled == self.made and not self.difference

    @property
    def tie(self) -> Tie:
        """How it ties out; what is worst counts."""
        if self.twice:
            return Tie.TWICE
        if self.planned != self.accounted or self.difference:
            return Tie.OFF
        if self.in_doubt:
            return Tie.DOUBT
        return Tie.TIED if self.complete else Tie.UNSTATED


def tie_out(reading: Reading, execution_id: str) -> tuple[TieOut, ...]:
    """Plan, outcome and the provider's statement of a batch, per currency; for those who may see the execution."""
    seen = operations.execution(reading, execution_id)
    where = payout.c.org_id == reading.org_id, payout.c.execution_id == seen.id, counting.counts(reading)
    # A payout that came back is stated in two lines, which need not be read at the same time.
    given_back = or_(payout.c.state.not_in(settlement.GIVEN_BACK), payout.c.returned_minor.is_not(None))
    known = and_(payout.c.reconciled_at.is_not(None), given_back)
    # What the statement took from the balance, less what it gave back, against the same of our own states.
    stated = func.coalesce(payout.c.net_minor, 0) + func.coalesce(payout.c.returned_minor, 0)
    ours = case((payout.c.state == _S.FAILED, 0), (payout.c.state == _S.CANCELED, 0), else_=-payout.c.amount_minor)
    fees = func.coalesce(payout.c.fee_minor, 0)
    # Of what is in doubt we say nothing that the statement could contradict.
    differs = and_(known, payout.c.state.not_in(sorted(DOUBTFUL)))
    found = reading.rows(
        select(
            payout.c.currency,
            _sum(payout.c.state.in_(sorted(IN_FLIGHT))).label("in_flight"),
            _sum(payout.c.state == _S.PAID).label("arrived"),
            _sum(payout.c.state == _S.FAILED).label("returned"),
            _sum(payout.c.state == _S.REJECTED).label("refused"),
            _sum(payout.c.state.in_((_S.CANCELED, _S.EXPIRED, _S.APPROVED))).label("not_sent"),
            _sum(payout.c.state.in_(sorted(DOUBTFUL))).label("in_doubt"),
            func.sum(fees).label("fees"),
            func.count().label("payouts"),
            func.sum(case((known, 1), else_=0)).label("reconciled"),
            func.sum(case((payout.c.provider_id != "", 1), else_=0)).label("made"),
            func.sum(case((differs, stated + fees - ours), else_=0)).label("difference"),
            _sum(counting.beside(reading)).label("beside"),
            _sum(counting.twice(reading)).label("twice"),
        )
        .where(*where)
        .group_by(payout.c.currency)
    )
    if not found:
        return ()
    planned = _planned(reading, seen.id)
    parts = {row.currency: tuple(map(int, tuple(row)[1:])) for row in found}
    nothing = (0,) * (len(tuple(found[0])) - 1)
    return tuple(
        TieOut(currency, planned.get(currency, 0), *parts.get(currency, nothing))
        for currency in sorted(planned.keys() | parts.keys())
    )


def export(work: Work, execution_id: str, kind: str) -> bytes:
    """The report of a batch as a file, for those who may see the execution; that it was taken stands in the audit.

    Args:
        work: the unit that records it.
        execution_id: or its number.
        kind: CSV gives every payout of every attempt, TIE_OUT_CSV the sums, XLSX both. ``EXPORT_KIND_UNKNOWN``.
    """
    if kind not in {CSV, TIE_OUT_CSV, XLSX}:
        raise Invalid("EXPORT_KIND_UNKNOWN", "There is no such export.", hint="Choose CSV or XLSX.")
    seen = operations.execution(work, execution_id)
    rows = queries.rows(work, seen.id)
    sheets = {"Payouts": _every_row(rows), "Tie-out": _sums_table(tie_out(work, seen.id))}
    detail = {"number": seen.number, "kind": kind, "payouts": len(rows)}
    audit.record(work, "payouts.report_exported", f"execution:{seen.id}", detail=detail)
    if kind == XLSX:
        return workbook_bytes(sheets, f"{seen.title} {seen.number}")
    return csv_bytes(sheets["Payouts" if kind == CSV else "Tie-out"])


def _planned(reading: Reading, execution_id: str) -> Mapping[str, int]:
    """By currency: what the plans say of the rows that became payouts, each row once."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id
    attempts = reading.rows(select(payout.c.attempt).where(*mine).distinct())
    planned = operations.planned_rows(reading, execution_id, [row.attempt for row in attempts])
    by_number = {service.number_of(row): row for row in planned}
    sums: dict[str, int] = {}
    for row in by_number.values():
        if row.amount_minor:
            sums[row.currency] = sums.get(row.currency, 0) + row.amount_minor
    return sums


def _every_row(rows: Sequence[PayoutView]) -> Table:
    def amount(minor: int | None, row: PayoutView) -> Money | None:
        return None if minor is None else Money(minor, row.currency)

    return {
        "Attempt": [row.attempt for row in rows],
        "Counts": [row.newest for row in rows],
        "Paid twice": [row.twice for row in rows],
        **results.table(rows),
        "Sent at": [row.sent_at for row in rows],
        "Fee": [amount(row.fee_minor, row) for row in rows],
        "Given back": [amount(row.returned_minor, row) for row in rows],
        "In the provider's statement": [row.reconciled for row in rows],
    }


def _sums_table(sums: Sequence[TieOut]) -> Table:
    def column(name: str) -> list[Money]:
        return [Money(getattr(each, name), each.currency) for each in sums]

    return {
        "Currency": [each.currency for each in sums],
        **{name.replace("_", " ").capitalize(): column(name) for name in _PARTS},
        "Beside an earlier attempt": column("beside"),
        "Planned": column("planned"),
        "Paid twice": column("twice"),
        "Fees": column("fees"),
        "Payouts": [each.payouts for each in sums],
        "Made": [each.made for each in sums],
        "In the provider's statement": [each.reconciled for each in sums],
        "Difference to the statement": column("difference"),
        "Ties out": [each.tie.value for each in sums],
    }


_PARTS = ("in_flight", "arrived", "returned", "refused", "not_sent", "in_doubt")


def _sum(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, payout.c.amount_minor), else_=0))
