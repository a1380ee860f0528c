"""What users can run: pay out the Stripe balance (B13), and bank transfers by a file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money
from finops_core.kernel.operation import (
    Category,
    Column,
    FileSpec,
    Operation,
    Plan,
    Recovery,
    Result,
    Risk,
    RunContext,
)
from finops_core.kernel.permissions import Permission
from finops_core.operations import cells
from finops_core.payouts import bank_columns, bank_transfers, comparison, results, running
from finops_core.payouts.bank_transfers import TransferParameters
from finops_core.payouts.planning import (
    DESCRIPTOR_MAX,
    DESCRIPTOR_PATTERN,
    BalancePayoutParameters,
    make_plan,
    order_of,
)
from finops_core.payouts.retrying import plan_again
from finops_core.payouts.running import Rail

ITEM_TYPE, TRANSFER_ITEM = "payout", "bank_transfer"
STRIPE = Rail("stripe", order_of)


def dry_run(context: RunContext) -> Plan:
    """Ask the provider and work out the plan; moves no money."""
    provider, connection = running.connect(context, STRIPE)
    if context.retry_rows:
        planned, failed = running.failed_rows(context)
        again = plan_again(context, provider, planned, failed, connection.id, connection.fingerprint)
        return running.as_it_should(again, connection)
    with context.unit() as work:
        last = comparison.last_of_kind(work, STRIPE.provider)
    plan = make_plan(context, provider, last, connection.id, connection.fingerprint)
    return running.as_it_should(plan, connection)


def run(context: RunContext) -> Result:
    """Pay exactly the approved plan."""
    return running.carry_out(context, STRIPE)


def _descriptor(cell: str) -> str:
    """Text for a bank statement: as narrow as the form's own field."""
    text = cells.text(DESCRIPTOR_MAX)(cell)
    if not re.fullmatch(DESCRIPTOR_PATTERN, text):
        raise ValueError("Only letters A to Z, digits, spaces and . , / & + - can stand on a bank statement.")
    return text


def _check_row(row: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Amounts must suit their row's currency and be positive."""
    found: list[tuple[str, str]] = []
    for name in ("maximum", "minimum_to_leave"):
        text, currency = row.get(name), row.get("currency")
        if not text or not currency:
            continue
        try:
            amount = Money.parse(str(text), str(currency))
        except Invalid as error:
            found.append((name, error.message))
            continue
        if amount.minor < 0 or (name == "maximum" and amount.minor == 0):
            found.append((name, "Must be more than zero." if name == "maximum" else "Must not be negative."))
    return found


_SAMPLE = (
    "currency,account,maximum,minimum_to_leave,destination,descriptor\n"
    "USD,,,500.00,,\n"
    "EUR,,10000.00,,,TIEOUT EUR\n"
    "JPY,,,,,\n"
)

STRIPE_BALANCE = Operation(
    id="payouts.stripe_balance",
    version="1.1.0",
    title="Stripe balance payout",
    description="Pays out the available Stripe balance of the currencies you list, to the bank accounts on file.",
    category=Category.STRIPE,
    risk=Risk.HIGH,
    parameters=BalancePayoutParameters,
    file=FileSpec(
        label="Currencies to pay out (CSV)",
        columns=(
            Column("currency", cells.currency, required=True, description="ISO 4217 code, such as USD."),
            Column("account", cells.account_id, description="Connected account; empty for your own."),
            Column("maximum", cells.decimal_amount, description="Pay at most this much."),
            Column("minimum_to_leave", cells.decimal_amount, description="Leave at least this much."),
            Column("destination", cells.text(64), description="Bank account id; empty for the default."),
            Column("descriptor", _descriptor, description="Text on the bank statement, up to 22 characters."),
        ),
        sample_name="stripe-balance-payout.csv",
        sample=_SAMPLE,
        max_rows=1_000,
        check_row=_check_row,
        unique=("account", "currency"),
    ),
    dry_run=dry_run,
    run=run,
    records=results.RECORDS,
    permissions=(Permission.OPERATIONS_RUN, Permission.PAYOUTS_PREPARE),
    approval_required=True,
    item_type=ITEM_TYPE,
    recovery=Recovery.RESUME,
    timeout_s=1800,
    concurrency=1,
    procedure=(
        "1. List the currencies, one a row. Leave the other columns empty to pay out everything available.\n"
        "2. Look at the plan: what is paid, what stays and why, and to which bank account.\n"
        "3. Submit it. Somebody with payout authority who did not prepare it must approve exactly this plan.\n"
        "4. After the approval it is sent row by row. A row without a clear answer is looked up, never sent blindly.\n"
    ),
)


_TRANSFER_SAMPLE = (
    "name,iban,bic,currency,amount,reference,street,building,post_code,town,country\n"
    "Nordlicht GmbH,DE02120300000000202051,BYLADEM1001,EUR,1250.00,Invoice 2026-114,Hafenstr.,12,20457,Hamburg,DE\n"
    "Atelier Lumen,FR1420041010050500013M02606,PSSTFRPPXXX,EUR,480.50,Invoice 77,Rue du Port,3,13002,Marseille,FR\n"
)

BANK_TRANSFERS = Operation(
    id="payouts.bank_transfers",
    version="1.0.0",
    title="Bank transfers",
    description="Writes one file (pain.001) for your bank that pays the people and companies you list.",
    category=Category.BANK,
    risk=Risk.HIGH,
    parameters=TransferParameters,
    file=FileSpec(
        label="Payees and amounts (CSV)",
        columns=bank_columns.COLUMNS,
        sample_name="bank-transfers.csv",
        sample=_TRANSFER_SAMPLE,
        max_rows=1_000,
        check_row=bank_columns.check,
        check_partly=True,
    ),
    dry_run=bank_transfers.dry_run,
    run=bank_transfers.run,
    records=replace(results.RECORDS, ends_by_run=True),
    permissions=(Permission.OPERATIONS_RUN, Permission.PAYOUTS_PREPARE),
    approval_required=True,
    item_type=TRANSFER_ITEM,
    recovery=Recovery.RESUME,
    timeout_s=1800,
    concurrency=1,
    procedure=(
        "1. List who is paid, one a row. Banks ask for a structured address: town and country at least.\n"
        "2. Look at the plan: new payees, and known ones with another bank account, are marked.\n"
        "3. Submit it. Somebody with authority for bank transfers who did not prepare it must approve exactly this.\n"
        "4. Download the bank file from the result and give it to your bank. Each download is counted.\n"
        "5. Somebody who did not prepare it brings the bank's status file (pain.002) back on the execution's page: it "
        "moves each payment on.\n"
    ),
)
