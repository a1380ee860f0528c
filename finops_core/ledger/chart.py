"""The chart of accounts an organisation begins with, and its accounts, made when they are first needed."""

from dataclasses import dataclass

from sqlalchemy import insert, select

from finops_core.kernel.currencies import exponent
from finops_core.kernel.ids import new_id
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_chart
from finops_core.ledger.rules import AccountClass, AccountState
from finops_core.platform.inserts import insert_missing, insert_unless_there
from finops_core.platform.work import Reading, Work


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


def account(work: Work, code: str, currency: str, party_id: str = "", purpose: str = "") -> str:
    """The id of the account of a chart line in a currency, for a holder; made if there is none yet.

    ``CURRENCY_UNKNOWN``. A counted one may not go below zero.
    """
    exponent(currency)
    line, purpose = _BY_CODE[code], purpose or _BY_CODE[code].name.lower()
    chart_id = _line(work, line)
    found = find(work, chart_id, currency, party_id, purpose)
    if found is not None:
        return found
    account_id = new_id("acc")
    row = {
        "org_id": work.org_id,
        "id": account_id,
        "chart_id": chart_id,
        "currency": currency,
        "party_id": party_id,
        "purpose": purpose,
        "counted": line.counted,
        "min_minor": 0 if line.counted else None,
        "state": AccountState.OPEN.value,
        "state_reason": "",
        "created_at": work.now,
    }
    if not insert_unless_there(work, ledger_account, row):
        return find(work, chart_id, currency, party_id, purpose) or ""
    if line.counted:
        work.execute(
            insert(ledger_balance),
            {"org_id": work.org_id, "id": account_id, "posted_minor": 0, "version": 0, "moved_at": work.now},
        )
    return account_id


def find(reading: Reading, chart_id: str, currency: str, party_id: str, purpose: str) -> str | None:
    """The id of such an account, None when there is none."""
    table = ledger_account
    found: str | None = reading.scalar(
        select(table.c.id).where(
            table.c.org_id == reading.org_id,
            table.c.chart_id == chart_id,
            table.c.currency == currency,
            table.c.party_id == party_id,
            table.c.purpose == purpose,
        )
    )
    return found


def _line(work: Work, line: ChartLine) -> str:
    """The id of a chart line; the whole default chart is laid out with the first of them."""
    wanted = select(ledger_chart.c.id).where(ledger_chart.c.org_id == work.org_id, ledger_chart.c.code == line.code)
    found: str | None = work.scalar(wanted)
    if found is None:
        insert_missing(work, ledger_chart, [_row(work, each) for each in DEFAULT_CHART])
        found = str(work.scalar(wanted))
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
