"""The dry run of a balance payout: asks the provider what is there and works out, row by row, what would be paid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from finops_core.kernel.business_days import add_business_days
from finops_core.kernel.errors import FinOpsError, NotAllowed, NotFound
from finops_core.kernel.faults import Fault
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Plan, PlanRow, RunContext
from finops_core.kernel.provider import AccountFacts, Balance, BankAccount, CurrencyRule
from finops_core.payouts import rules
from finops_core.platform.ports import PayoutProvider

ARRIVAL_DAYS = 2
DESCRIPTOR_MAX = 22
DESCRIPTOR_PATTERN = "[A-Za-z0-9 .,/&+-]*"
MANUAL = "manual"


class Unpayable(StrEnum):
    """What to do when a row of the file cannot be paid."""

    REFUSE = "refuse the file"
    LEAVE_OUT = "leave the row out"


class BalancePayoutParameters(BaseModel):
    """What the form asks for."""

    model_config = ConfigDict(extra="forbid")

    descriptor: str = Field(
        default="",
        max_length=DESCRIPTOR_MAX,
        pattern=f"^{DESCRIPTOR_PATTERN}$",
        title="Statement descriptor",
        description="Shown on the bank statement, up to 22 letters and digits; rows can give their own.",
    )
    unpayable: Unpayable = Field(
        default=Unpayable.REFUSE,
        title="Rows that cannot be paid",
        description="A currency without balance is always kept and explained; this is for unknown accounts and banks.",
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """One row of the file."""

    row: int
    account: str
    currency: str
    maximum: Money | None
    minimum_to_leave: Money | None
    destination: str
    descriptor: str


def make_plan(context: RunContext, provider: PayoutProvider, connection_id: str, fingerprint: str) -> Plan:
    """The plan for a file: one row each, with amount, rule, what is left and why, bank and expected arrival."""
    wanted = read_wanted(context)
    params: BalancePayoutParameters = context.params
    facts: dict[str, AccountFacts] = {}
    balances_used: set[tuple[str, str]] = set()
    rows: list[PlanRow] = []
    faults: list[Fault] = []
    warnings: list[str] = []
    for done, want in enumerate(wanted):
        context.progress(done, len(wanted), f"Asking for the balance of row {want.row}")
        planned = _plan_row(context, provider, want, facts, params)
        if isinstance(planned, PlanRow):
            planned = _once(planned, want, facts[want.account], balances_used)
        if isinstance(planned, PlanRow):
            rows.append(planned)
        elif params.unpayable is Unpayable.LEAVE_OUT:
            warnings.append(f"Row {want.row} is left out: {planned.message}")
        else:
            faults.append(planned)
    warnings += _schedule_warnings(facts.values())
    modes = sorted({fact.mode.value for fact in facts.values()})
    return Plan(tuple(rows), modes[0] if modes else "", fingerprint, connection_id, tuple(warnings), tuple(faults))


def read_wanted(context: RunContext) -> list[Wanted]:
    """The file's rows."""
    columns, sheet = context.sheet.columns, context.sheet

    def cell(name: str, index: int) -> str:
        values = columns.get(name)
        return (values[index] if values else None) or ""

    def money(name: str, index: int, currency: str) -> Money | None:
        text = cell(name, index)
        return Money.parse(text, currency) if text else None

    return [
        Wanted(
            row=row,
            account=cell("account", index),
            currency=(currency := cell("currency", index)),
            maximum=money("maximum", index, currency),
            minimum_to_leave=money("minimum_to_leave", index, currency),
            destination=cell("destination", index),
            descriptor=cell("descriptor", index),
        )
        for index, row in enumerate(sheet.rows)
    ]


def _plan_row(
    context: RunContext,
    provider: PayoutProvider,
    want: Wanted,
    facts: dict[str, AccountFacts],
    params: BalancePayoutParameters,
) -> PlanRow | Fault:
    try:
        if want.account not in facts:
            facts[want.account] = provider.facts(want.account)
    except (NotFound, NotAllowed):
        if not want.account:
            raise  # the connection itself is refused: no row can be planned
        told = "The connection's key cannot see this account; check its id, or leave the column empty for your own."
        return Fault("ACCOUNT_UNKNOWN", told, want.row, "account", want.account)
    account = facts[want.account]
    if not account.payouts_enabled:
        return Fault("PAYOUTS_OFF", "The provider has switched payouts off for this account.", want.row, "account")
    rule = provider.capabilities().rules.get(want.currency)
    if rule is None:
        return Fault(
            "CURRENCY_NOT_PAYABLE",
            f"The provider does not pay out {want.currency}.",
            want.row,
            "currency",
            want.currency,
        )
    bank = _bank_for(account, want)
    if isinstance(bank, Fault):
        return bank
    return _sized(context, want, account, rule, bank, params.descriptor)


def _once(planned: PlanRow, want: Wanted, account: AccountFacts, used: set[tuple[str, str]]) -> PlanRow | Fault:
    """A balance stands once in a plan: the own account may be named by its id in one row and left empty in another."""
    balance = account.account, want.currency
    if balance in used:
        return Fault("BALANCE_TWICE", "This account's balance is paid out by an earlier row.", want.row, "account")
    used.add(balance)
    return planned


def _bank_for(account: AccountFacts, want: Wanted) -> BankAccount | Fault:
    in_currency = [bank for bank in account.bank_accounts if bank.currency == want.currency]
    if want.destination:
        for bank in account.bank_accounts:
            if bank.id == want.destination:
                if bank.currency == want.currency:
                    return bank
                told = f"That bank account takes {bank.currency}, not {want.currency}."
                return Fault("DESTINATION_CURRENCY", told, want.row, "destination", want.destination)
        told = "No such bank account is on file at the provider."
        return Fault("DESTINATION_UNKNOWN", told, want.row, "destination", want.destination)
    for bank in in_currency:
        if bank.is_default:
            return bank
    told = f"No bank account for {want.currency} is on file at the provider; add one there or leave the row out."
    return Fault("NO_BANK_ACCOUNT", told, want.row, "currency", want.currency)


def _sized(
    context: RunContext,
    want: Wanted,
    account: AccountFacts,
    rule: CurrencyRule,
    bank: BankAccount,
    descriptor: str,
) -> PlanRow:
    held = {balance.currency: balance for balance in account.balances}
    balance = held.get(want.currency, Balance(want.currency, 0, 0))
    sizing = rules.size(balance, rule, want.maximum, want.minimum_to_leave)
    body: Mapping[str, object] = {
        "row": want.row,
        "available": Money(balance.available_minor, want.currency).plain(),
        "pending": Money(balance.pending_minor, want.currency).plain(),
        "rule": rule.reason or "Every minor unit can be paid.",
        "left": Money(sizing.left_minor, want.currency).plain(),
        "why_left": sizing.why_left,
        "destination": bank.id,
        "bank": f"{bank.name} •••• {bank.last4}",
        "source_type": _source_type(balance),
        "descriptor": want.descriptor or descriptor,
        "arrival_on": expected_arrival(context.now().date(), account.country).isoformat(),
    }
    return PlanRow(want.account, want.currency, sizing.amount_minor, body)


def expected_arrival(day: date, country: str) -> date:
    """When the money should be at the bank: two business days on, by the account's country (an estimate)."""
    try:
        return add_business_days(day, ARRIVAL_DAYS, country)
    except FinOpsError:
        # A country the holiday library does not know: weekends only, still an honest estimate.
        return add_business_days(day + timedelta(), ARRIVAL_DAYS, "")


def _source_type(balance: Balance) -> str:
    # With several sources the provider wants to be told which; with one it finds it by itself.
    positive = [source for source, minor in balance.by_source.items() if minor > 0]
    return positive[0] if len(balance.by_source) > 1 and len(positive) == 1 else ""


def _schedule_warnings(facts: object) -> list[str]:
    found: list[str] = []
    for fact in facts if hasattr(facts, "__iter__") else ():
        if fact.schedule != MANUAL:
            name = fact.account or "The connection's own account"
            found.append(f"{name} is swept by the provider ({fact.schedule}): the balance may be gone before we pay.")
    return found
