"""The chart of accounts an organisation begins with, and its accounts, made when they are first needed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select

from finops_core.kernel.currencies import exponent
from finops_core.kernel.ids import new_id
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_chart
from finops_core.ledger.rules import AccountClass, AccountState
from finops_core.platform.inserts import insert_missing
from finops_core.platform.work import Work


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line of the chart. ``counted``: whether its accounts keep a balance of their own, and so can be limited."""

    code: str
    name: str
    kind: AccountClass
    parent: str = ""
    control: bool = False
    counted: bool = False


BANK, PROVIDER, TRANSIT, EXTERNAL = "1010", "1020", "1030", "1090"
WALLETS, ESCROW, SUSPENSE = "2010", "2020", "2090"
FEES, EXCHANGE, PROVIDER_FEES = "4010", "3090", "5010"
_C = AccountClass
DEFAULT_CHART = (
    ChartLine("1000", "Money", _C.ASSET),
    ChartLine(BANK, "Cash at bank", _C.ASSET, "1000"),
    ChartLine(PROVIDER, "Cash at payment providers", _C.ASSET, "1000"),
    ChartLine(TRANSIT, "Payouts in transit", _C.ASSET, "1000"),
    ChartLine(EXTERNAL, "Money outside", _C.ASSET, "1000"),
    ChartLine("2000", "Owed to others", _C.LIABILITY),
    ChartLine(WALLETS, "Wallets", _C.LIABILITY, "2000", control=True, counted=True),
    ChartLine(ESCROW, "Held in escrow", _C.LIABILITY, "2000", control=True, counted=True),
    ChartLine(SUSPENSE, "Suspense", _C.LIABILITY, "2000"),
    ChartLine("3000", "Equity", _C.EQUITY),
    ChartLine(EXCHANGE, "Currency positions", _C.EQUITY, "3000"),
    ChartLine("4000", "Income", _C.INCOME),
    ChartLine(FEES, "Fees earned", _C.INCOME, "4000"),
    ChartLine("5000", "Expenses", _C.EXPENSE),
    ChartLine(PROVIDER_FEES, "Fees of payment providers", _C.EXPENSE, "5000"),
)
_BY_CODE = {line.code: line for line in DEFAULT_CHART}
PARTS = 500
"""How many accounts one statement asks for."""
_ACCOUNTS = (
    select(
        ledger_chart.c.code,
        ledger_account.c.currency,
        ledger_account.c.party_id,
        ledger_account.c.purpose,
        ledger_account.c.id,
    )
    .join(
        ledger_account,
        (ledger_account.c.org_id == ledger_chart.c.org_id) & (ledger_account.c.chart_id == ledger_chart.c.id),
    )
    .where(
        ledger_chart.c.org_id == bindparam("org"),
        ledger_chart.c.code.in_(bindparam("codes", expanding=True)),
        ledger_account.c.currency.in_(bindparam("currencies", expanding=True)),
        ledger_account.c.party_id.in_(bindparam("parties", expanding=True)),
    )
)


@dataclass(frozen=True, slots=True, order=True)
class Wanted:
    """Names an account: its chart line, currency, holder ("" for the organisation's own) and what it is for.

    ``purpose`` is the line's own name when left out.
    """

    code: str
    currency: str
    party_id: str = ""
    purpose: str = ""

    def __post_init__(self) -> None:
        if not self.purpose:
            object.__setattr__(self, "purpose", _BY_CODE[self.code].name.lower())


def account(work: Work, code: str, currency: str, party_id: str = "", purpose: str = "") -> str:
    """The id of one account, see ``accounts``."""
    wanted = Wanted(code, currency, party_id, purpose)
    return accounts(work, [wanted])[wanted]


def accounts(work: Work, wanted: Collection[Wanted]) -> Mapping[Wanted, str]:
    """The ids of accounts; those that are not there yet are made. ``CURRENCY_UNKNOWN``.

    A counted one may not go below zero.
    """
    for each in wanted:
        exponent(each.currency)
    found = known(work, wanted)
    # In one order, so that two units that make the same ones wait for each other and not in a circle.
    missing = sorted({each for each in wanted if each not in found})
    if missing:
        _make(work, missing)
        found |= known(work, missing)
    return found


def known(work: Work, wanted: Collection[Wanted]) -> dict[Wanted, str]:
    """The ids of those accounts that are there."""
    found = {}
    asked = list(wanted)
    for start in range(0, len(asked), PARTS):
        part = set(asked[start : start + PARTS])
        given = {
            "org": work.org_id,
            "codes": sorted({each.code for each in part}),
            "currencies": sorted({each.currency for each in part}),
            "parties": sorted({each.party_id for each in part}),
        }
        for row in work.execute(_ACCOUNTS, given):
            key = Wanted(row.code, row.currency, row.party_id, row.purpose)
            if key in part:
                found[key] = row.id
    return found


def _make(work: Work, missing: Sequence[Wanted]) -> None:
    """Make accounts, but those that somebody else makes meanwhile; they keep a balance when their line is counted."""
    lines = _lines(work)
    made = insert_missing(work, ledger_account, [_account_row(work, each, lines[each.code]) for each in missing])
    new = {account_id for _, account_id in made}
    counted = [
        {"org_id": work.org_id, "id": account_id, "posted_minor": 0, "version": 0, "moved_at": work.now}
        for each, account_id in known(work, missing).items()
        if account_id in new and _BY_CODE[each.code].counted
    ]
    if counted:
        work.execute(insert(ledger_balance), counted)


def _account_row(work: Work, wanted: Wanted, chart_id: str) -> dict[str, object]:
    counted = _BY_CODE[wanted.code].counted
    return {
        "org_id": work.org_id,
        "id": new_id("acc"),
        "chart_id": chart_id,
        "currency": wanted.currency,
        "party_id": wanted.party_id,
        "purpose": wanted.purpose,
        "counted": counted,
        "min_minor": 0 if counted else None,
        "state": AccountState.OPEN.value,
        "state_reason": "",
        "created_at": work.now,
    }


def _lines(work: Work) -> Mapping[str, str]:
    """The ids of the chart's lines by their code; the default chart is laid out when it is first needed."""
    wanted = select(ledger_chart.c.code, ledger_chart.c.id).where(ledger_chart.c.org_id == work.org_id)
    found = {row.code: row.id for row in work.rows(wanted)}
    if any(line.code not in found for line in DEFAULT_CHART):
        insert_missing(work, ledger_chart, [_row(work, each) for each in DEFAULT_CHART])
        found = {row.code: row.id for row in work.rows(wanted)}
    return found


def _row(work: Work, line: ChartLine) -> dict[str, object]:
    return {
        "org_id": work.org_id,
        "id": new_id("chart"),
        "code": line.code,
        "name": line.name,
        "kind": line.kind.value,
        "parent_code": line.parent,
        "control": line.control,
        "created_at": work.now,
    }
