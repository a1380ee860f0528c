"""Bank transfers by a file for the bank: the plan of a list of payees, the file written once, the bank's answer.

The payees' bank numbers stay in the sealed input file, whose hash is approved with the plan; plan rows show name, last
four digits and a keyed fingerprint that the row's hash binds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from finops_core import reference
from finops_core.adapters.bank_file.payouts import BankFilePayouts, expected_arrival
from finops_core.kernel.business_days import add_business_days
from finops_core.kernel.errors import Conflict, Invalid
from finops_core.kernel.faults import Fault
from finops_core.kernel.masking import last4
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Plan, PlanRow, Result, RunContext
from finops_core.kernel.provider import Address, Creditor, PayoutOrder
from finops_core.payouts import bank_export, comparison, results, retrying, running
from finops_core.payouts.bank_columns import plain_iban
from finops_core.payouts.comparison import Payee
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.running import Rail

PROVIDER = "bank_file"
COLUMN_OF = {
    "BANK_CURRENCY_UNSUPPORTED": "currency",
    "BANK_AMOUNT_BAD": "amount",
    "BANK_IBAN_BAD": "iban",
    "BANK_PAYEE_OURS": "iban",
    "BANK_BIC_BAD": "bic",
    "BANK_NAME_BAD": "name",
    "BANK_REMITTANCE_LONG": "reference",
}
"""Where a problem stands that only the plan could see."""


class TransferParameters(BaseModel):
    """What the form asks for."""

    model_config = ConfigDict(extra="forbid")

    execute_on: date | None = Field(
        default=None,
        title="Execution date",
        description="The day the bank should pay; the next working day when left empty.",
    )


@dataclass(frozen=True, slots=True)
class Transfer:
    """One row of the file."""

    row: int
    amount: Money
    reference: str
    creditor: Creditor

    @property
    def payee(self) -> str:
        """Name and the last four of the account, as people see it."""
        return f"{self.creditor.name} •••• {last4(self.creditor.iban)}"


def rail(context: RunContext) -> Rail:
    """How this file's rows become orders."""
    transfers = {transfer.row: transfer for transfer in read_transfers(context)}
    return Rail(PROVIDER, partial(_order_of, transfers), checks_funds=False)


def dry_run(context: RunContext) -> Plan:
    """What the file would pay, to whom, and what is new about it; moves no money."""
    provider, connection = running.connect(context, Rail(PROVIDER, partial(_order_of, {}), checks_funds=False))
    transfers = read_transfers(context)
    country = provider.facts("").country
    with context.unit() as work:
        known, today = comparison.known_payees(work, PROVIDER), reference.today(work)
    execute_on = context.params.execute_on or add_business_days(today, 1, country)
    failed: Mapping[int, Unsettled] = {}
    if context.retry_rows:
        planned, failed = running.failed_rows(context)
        by_row = {transfer.row: transfer for transfer in transfers}
        transfers = [by_row[int(planned[number].body["row"])] for number in context.retry_rows]
    debited = provider.debited if isinstance(provider, BankFilePayouts) else ""
    planner = Planner(context, known, failed, debited, execute_on)
    numbered = _numbered(context, transfers)
    rows = [planner.row(number, transfer) for number, transfer in numbered]
    faults = [*_date_faults(execute_on, today)]
    orders = {transfer.row: transfer for transfer in transfers}
    for row in rows:
        problems = provider.problems_of(_order_of(orders, row, {}))
        faults += [_fault(problem, int(row.body["row"])) for problem in problems]
    warnings = (*planner.warnings, *_twice(numbered))
    mode = connection.mode.value
    return Plan(tuple(rows), mode, connection.fingerprint, connection.id, warnings, tuple(faults))


def run(context: RunContext) -> Result:
    """Give every order to the outbox, then let the one file leave that holds exactly these orders."""
    result = running.carry_out(context, rail(context))
    if result.open_ends:
        return result
    provider, _ = running.connect(context, Rail(PROVIDER, partial(_order_of, {}), checks_funds=False))
    if not isinstance(provider, BankFilePayouts):
        raise Invalid("PROVIDER_UNKNOWN", "This connection writes no bank files.", hint="Ask an administrator.")
    released = bank_export.release(context, provider)
    with context.unit() as work:
        return replace(results.conclude(work, context.execution_id, context.attempt), files=released)


@dataclass
class Planner:
    """One plan in the making; ``known``: payee name -> the account last paid under it.

    ``failed``: by number, the last attempts of what is tried again; it is compared with nothing else.
    ``debited``: the account of ours that is paid from, as people see it.
    """

    context: RunContext
    known: Mapping[str, Payee]
    failed: Mapping[int, Unsettled]
    debited: str
    execute_on: date
    warnings: list[str] = field(default_factory=list)

    def row(self, number: int, transfer: Transfer) -> PlanRow:
        """One transfer as a row of the plan."""
        fingerprint = fingerprint_of(self.context, transfer.creditor.iban)
        last = self.known.get(transfer.creditor.name)
        if number in self.failed:
            change = retrying.change_of(self.failed[number])
        else:
            change = comparison.change_of_payee(last, transfer.amount, fingerprint)
        if change["bank"] == comparison.ANOTHER:
            told = f"{transfer.creditor.name} was paid to another bank account before ({change['last_bank']})."
            self.warnings.append(f"Row {number}: {told} Make sure the new one is really theirs.")
        body = {
            "no": number,
            "row": transfer.row,
            "debited": self.debited,
            "payee": transfer.creditor.name,
            "bank": transfer.payee,
            "bank_fingerprint": fingerprint,
            "destination": f"iban_{fingerprint}",
            "source_type": "",
            "descriptor": transfer.reference,
            "keep": Money(0, transfer.amount.currency).plain(),
            "execute_on": self.execute_on.isoformat(),
            "arrival_on": expected_arrival(self.execute_on).isoformat(),
            "change": dict(change),
        }
        return PlanRow("", transfer.amount.currency, transfer.amount.minor, body)


def read_transfers(context: RunContext) -> list[Transfer]:
    """The file's rows."""
    columns = context.sheet.columns

    def cell(name: str, index: int) -> str:
        values = columns.get(name)
        return str((values[index] if values else None) or "")

    return [
        Transfer(
            row=row,
            amount=Money.parse(cell("amount", index), cell("currency", index)),
            reference=cell("reference", index),
            creditor=Creditor(
                name=cell("name", index),
                iban=plain_iban(cell("iban", index)),
                bic=cell("bic", index).upper(),
                address=Address(
                    town=cell("town", index),
                    country=cell("country", index).upper(),
                    street=cell("street", index),
                    building=cell("building", index),
                    post_code=cell("post_code", index),
                ),
            ),
        )
        for index, row in enumerate(context.sheet.rows)
    ]


def fingerprint_of(context: RunContext, iban: str) -> str:
    """Tells two bank accounts apart without showing either; needs the desk's own key to be made."""
    told: str = context.ports.vault.fingerprint(f"iban|{iban}")
    return told


def _order_of(transfers: Mapping[int, Transfer], row: PlanRow, metadata: Mapping[str, str]) -> PayoutOrder:
    transfer = transfers[int(row.body["row"])]
    if transfer.amount != Money(row.amount_minor, row.currency) or transfer.payee != row.body["bank"]:
        raise Conflict("FILE_CHANGED", f"Line {transfer.row} of the stored file is not what was planned.")
    return PayoutOrder(
        account=row.account,
        currency=row.currency,
        amount_minor=row.amount_minor,
        destination=str(row.body["destination"]),
        source_type="",
        method="standard",
        descriptor=transfer.reference,
        metadata=metadata,
        creditor=transfer.creditor,
    )


def _numbered(context: RunContext, transfers: Sequence[Transfer]) -> list[tuple[int, Transfer]]:
    numbers = context.retry_rows or range(1, len(transfers) + 1)
    return list(zip(numbers, transfers, strict=True))


def _twice(numbered: Sequence[tuple[int, Transfer]]) -> list[str]:
    """A warning for each row that is the same payment as one above it, by the plan's own numbers."""
    seen: dict[object, int] = {}
    told = []
    for number, each in numbered:
        same = each.creditor.name, each.creditor.iban, each.amount, each.reference
        if same in seen:
            what = f"{each.creditor.name}, {each.amount}, with the same reference"
            told.append(f"Row {number} pays what row {seen[same]} pays: {what}. Make sure that both are meant.")
        seen.setdefault(same, number)
    return told


def _fault(problem: Invalid, row: int) -> Fault:
    return Fault(problem.code, problem.message, row, COLUMN_OF.get(problem.code))


def _date_faults(execute_on: date, today: date) -> list[Fault]:
    if execute_on >= today:
        return []
    return [Fault("BANK_FILE_DATE_BAD", "The execution date has passed; choose a later one.", column="execute_on")]
