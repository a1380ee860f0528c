"""The dry run of a balance payout: asks the provider what is there and works out, row by row, what would be paid."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from finops_core.kernel.business_days import add_business_days
from finops_core.kernel.errors import FinOpsError, NotAllowed, NotFound
from finops_core.kernel.faults import Fault
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Plan, PlanRow, RunContext
from finops_core.kernel.provider import AccountFacts, Balance, BankAccount, CurrencyRule, PayoutOrder
from finops_core.payouts import comparison, rules
from finops_core.payouts.comparison import Kind, Last
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


@dataclass
class Planner:
    """One plan in the making.

    Attributes:
        last: the last batch of each account and currency, to compare with.
        facts: what the provider told of each account, as the file names it.
        used: account (by its id at the provider) and currency of the balances planned so far.
    """

    context: RunContext
    provider: PayoutProvider
    last: Mapping[Kind, Last]
    facts: dict[str, AccountFacts] = field(default_factory=dict)
    used: set[Kind] = field(default_factory=set)
    rows: list[PlanRow] = field(default_factory=list)

    def add(self, want: Wanted) -> Fault | None:
        """Plan one row of the file: one payout, or one for each source of its balance; a fault when it cannot be."""
        try:
            account = self._facts(want.account)
        except (NotFound, NotAllowed):
            if not want.account:
                raise  # the connection itself is refused: no row can be planned
            told = "The connection's key cannot see this account; check its id, or leave the column empty for your own."
            return Fault("ACCOUNT_UNKNOWN", told, want.row, "account", want.account)
        rule = self.provider.capabilities().rules.get(want.currency)
        bank = _bank_for(account, want)
        wrong = self._unpayable(want, account, rule)
        if wrong is not None or rule is None or isinstance(bank, Fault):
            return wrong or (bank if isinstance(bank, Fault) else None)
        planned = self._planned(want, account, rule, bank)
        wrong = next(filter(None, (self._refused(want, row) for row in planned)), None)
        if wrong is None:
            self.used.add((account.account, want.currency))
            self.rows += planned
        return wrong

    def _unpayable(self, want: Wanted, account: AccountFacts, rule: CurrencyRule | None) -> Fault | None:
        """What speaks against paying anything from this balance."""
        if want.account and account.account != want.account:
            told = "The provider answers for another account; nothing may be paid from it."
            return Fault("ACCOUNT_UNKNOWN", told, want.row, "account", want.account)
        if not account.payouts_enabled:
            told = "The provider has switched payouts off for this account."
            return Fault("PAYOUTS_OFF", told, want.row, "account")
        if rule is None:
            told = f"The provider does not pay out {want.currency}."
            return Fault("CURRENCY_NOT_PAYABLE", told, want.row, "currency", want.currency)
        # A balance stands once in a plan: the own account may be named by its id in one row and left empty in another.
        if (account.account, want.currency) in self.used:
            return Fault("BALANCE_TWICE", "This account's balance is paid out by an earlier row.", want.row, "account")
        return None

    def _facts(self, account: str) -> AccountFacts:
        if account not in self.facts:
            self.facts[account] = self.provider.facts(account)
        return self.facts[account]

    def _planned(self, want: Wanted, account: AccountFacts, rule: CurrencyRule, bank: BankAccount) -> list[PlanRow]:
        held = {balance.currency: balance for balance in account.balances}
        balance = held.get(want.currency, Balance(want.currency, 0, 0))
        sizing = rules.size(balance, rule, want.maximum, want.minimum_to_leave)
        parts = rules.by_source(balance, sizing.amount_minor, rule.step_minor)
        label = f"{bank.name} •••• {bank.last4}"
        change = comparison.change(
            self.last.get((want.account, want.currency)),
            total=Money(sizing.amount_minor, want.currency),
            destination=bank.id,
            bank=label,
            fingerprint=bank.fingerprint,
        )
        same = {
            "row": want.row,
            "provider_account": account.account,
            "pending": _plain(balance.pending_minor, want.currency),
            "rule": rule.reason or "Every minor unit can be paid.",
            "keep": want.minimum_to_leave.plain() if want.minimum_to_leave else _plain(0, want.currency),
            "destination": bank.id,
            "bank": label,
            "bank_fingerprint": bank.fingerprint,
            "descriptor": want.descriptor or self.context.params.descriptor,
            "arrival_on": expected_arrival(self.context.now().date(), account.country).isoformat(),
            "change": dict(change),
        }
        rows: list[PlanRow] = []
        for source, minor in parts:
            available = balance.by_source.get(source, balance.available_minor)
            last_part = len(rows) == len(parts) - 1
            body = {
                **same,
                "no": len(self.rows) + len(rows) + 1,
                "available": _plain(available, want.currency),
                "left": _plain(available - minor, want.currency),
                "why_left": sizing.why_left if last_part else "",
                "source_type": source,
            }
            rows.append(PlanRow(want.account, want.currency, minor, body))
        return rows

    def _refused(self, want: Wanted, row: PlanRow) -> Fault | None:
        """What the provider's own rules would refuse, found now and not when it is being paid."""
        if not row.amount_minor:
            return None
        problems = self.provider.problems_of(order_of(row, {}))
        return Fault(problems[0].code, problems[0].message, want.row, "currency", want.currency) if problems else None


def make_plan(
    context: RunContext, provider: PayoutProvider, last: Mapping[Kind, Last], connection_id: str, fingerprint: str
) -> Plan:
    """The plan for a file: what each row pays, by which rule, what is left and why, to which bank, what changed."""
    wanted = read_wanted(context)
    planner = Planner(context, provider, last)
    faults: list[Fault] = []
    warnings: list[str] = []
    for done, want in enumerate(wanted):
        context.progress(done, len(wanted), f"Asking for the balance of line {want.row}")
        fault = planner.add(want)
        if fault is not None and context.params.unpayable is Unpayable.LEAVE_OUT:
            warnings.append(f"Line {want.row} of the file is left out: {fault.message}")
        elif fault is not None:
            faults.append(fault)
    told = planner.facts.values()
    faults += clock_faults(told, context)
    modes = sorted({fact.mode.value for fact in told})
    warnings += schedule_warnings(told)
    rows = tuple(planner.rows)
    return Plan(rows, modes[0] if modes else "", fingerprint, connection_id, tuple(warnings), tuple(faults))


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


def order_of(row: PlanRow, metadata: Mapping[str, str]) -> PayoutOrder:
    """What a plan row asks the provider for."""
    return PayoutOrder(
        account=row.account,
        currency=row.currency,
        amount_minor=row.amount_minor,
        destination=str(row.body["destination"]),
        source_type=str(row.body["source_type"]),
        method="standard",
        descriptor=str(row.body["descriptor"]),
        metadata=metadata,
    )


def expected_arrival(day: date, country: str) -> date:
    """When the money should be at the bank: two business days on, by the account's country (an estimate)."""
    try:
        return add_business_days(day, ARRIVAL_DAYS, country)
    except FinOpsError:
        # A country the holiday library does not know: weekends only, still an honest estimate.
        return add_business_days(day + timedelta(), ARRIVAL_DAYS, "")


def clock_faults(facts: Iterable[AccountFacts], context: RunContext) -> list[Fault]:
    """One fault when this machine's clock and the provider's are too far apart to find payouts by their time."""
    if all(rules.clocks_agree(context.now(), fact.told_at) for fact in facts):
        return []
    told = "This machine's clock and the provider's differ by minutes; an administrator must set it right first."
    return [Fault("CLOCK_WRONG", told)]


def schedule_warnings(facts: Iterable[AccountFacts]) -> list[str]:
    """Accounts that the provider empties by itself: the balance may be gone before we pay."""
    return [
        f"{fact.account} is swept by the provider ({fact.schedule}): the balance may be gone before we pay."
        for fact in facts
        if fact.schedule != MANUAL
    ]


def _bank_for(account: AccountFacts, want: Wanted) -> BankAccount | Fault:
    if want.destination:
        return _bank_named(account.bank_accounts, want)
    for bank in account.bank_accounts:
        if bank.currency == want.currency and bank.is_default:
            return bank
    told = f"No bank account for {want.currency} is on file at the provider; add one there or leave the row out."
    return Fault("NO_BANK_ACCOUNT", told, want.row, "currency", want.currency)


def _bank_named(banks: Sequence[BankAccount], want: Wanted) -> BankAccount | Fault:
    for bank in banks:
        if bank.id == want.destination:
            if bank.currency == want.currency:
                return bank
            told = f"That bank account takes {bank.currency}, not {want.currency}."
            return Fault("DESTINATION_CURRENCY", told, want.row, "destination", want.destination)
    told = "No such bank account is on file at the provider."
    return Fault("DESTINATION_UNKNOWN", told, want.row, "destination", want.destination)


def _plain(minor: int, currency: str) -> str:
    return Money(minor, currency).plain()
