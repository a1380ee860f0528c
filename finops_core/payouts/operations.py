"""What users can run: pay out the Stripe balance (B13)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from finops_core import connections
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, PlanVoid
from finops_core.kernel.money import Money
from finops_core.kernel.operation import (
    Category,
    Column,
    FileSpec,
    Metrics,
    Operation,
    Plan,
    Recovery,
    Result,
    Risk,
    RunContext,
)
from finops_core.kernel.permissions import Permission
from finops_core.operations import cells
from finops_core.payouts import queries, service
from finops_core.payouts.batch import Batch
from finops_core.payouts.planning import (
    DESCRIPTOR_MAX,
    DESCRIPTOR_PATTERN,
    BalancePayoutParameters,
    make_plan,
)
from finops_core.payouts.queries import PayoutView
from finops_core.payouts.rules import LIVE, PayoutState
from finops_core.platform.ports import PayoutProvider

ITEM_TYPE = "payout"


def dry_run(context: RunContext) -> Plan:
    """Ask the provider and work out the plan; moves no money."""
    provider, connection = _provider(context)
    return make_plan(context, provider, connection.id, connection.fingerprint)


def run(context: RunContext) -> Result:
    """Pay exactly the approved plan; resumed after a crash it never pays a row twice."""
    provider, connection = _provider(context)
    with context.unit() as work:
        rows = service.prepare(work, context.execution_id, context.attempt, context.plan, provider)
    untouched = all(row.state is PayoutState.APPROVED for row in rows)
    if connection.fingerprint != context.plan.key_fingerprint or connection.id != context.plan.connection_id:
        raise _connection_changed(untouched=untouched)
    if untouched:
        _check_funds(context, provider)
    batch = Batch(context, provider)
    batch.settle(rows)
    with context.unit() as work:
        views = queries.rows(work, context.execution_id)
    return _result([view for view in views if view.attempt == context.attempt])


def _provider(context: RunContext) -> tuple[PayoutProvider, connections.ConnectionView]:
    with context.unit() as work:
        connection = connections.active(work, service.PROVIDER)
        credentials = connections.credentials(work, connection.id)
    return context.ports.provider(credentials), connection


def _connection_changed(*, untouched: bool) -> FinOpsError:
    """The key was replaced after the approval: void while nothing was sent, else the rest waits for a person."""
    told = "The provider connection was changed after the approval."
    if untouched:
        return PlanVoid("CONNECTION_CHANGED", told, hint=_AGAIN)
    return Conflict("CONNECTION_CHANGED", told, hint="Some rows were sent before; what stands open is looked up.")


def _check_funds(context: RunContext, provider: PayoutProvider) -> None:
    """An approval is void when less is available than it agreed to pay, or the mode is another (I10, I11)."""
    needed: dict[tuple[str, str], int] = {}
    for row in context.plan.rows:
        needed[row.account, row.currency] = needed.get((row.account, row.currency), 0) + row.amount_minor
    facts = {account: provider.facts(account) for account in sorted({account for account, _ in needed})}
    for (account, currency), minor in sorted(needed.items()):
        if facts[account].mode.value != context.plan.mode:
            raise PlanVoid("MODE_CHANGED", "The provider's mode is not the one that was approved.", hint=_AGAIN)
        held = {balance.currency: balance.available_minor for balance in facts[account].balances}
        available = held.get(currency, 0)
        if available < minor:
            raise PlanVoid(
                "FUNDS_FELL",
                f"{Money(minor, currency)} was approved; {Money(available, currency)} is available now. "
                "Nothing was paid.",
                hint=_AGAIN,
            )


_AGAIN = "Make a new plan and submit it again."


def _result(rows: Sequence[PayoutView]) -> Result:
    by_state: dict[PayoutState, int] = {}
    totals: dict[str, int] = {}
    for row in rows:
        by_state[row.state] = by_state.get(row.state, 0) + 1
        if row.state in LIVE:
            totals[row.currency] = totals.get(row.currency, 0) + row.amount_minor
    done = sum(by_state.get(state, 0) for state in LIVE)
    doubtful = [row for row in rows if row.state in {PayoutState.SUBMITTING, *_OPEN}]
    failed = len(rows) - done - len(doubtful)
    words = ", ".join(f"{count} {state.value.replace('_', ' ')}" for state, count in sorted(by_state.items()))
    return Result(
        success=failed == 0,
        message=f"{done} of {len(rows)} payouts created ({words})." if rows else "There was nothing to pay.",
        metrics=Metrics(len(rows), done, failed, totals),
        table=_table(rows),
        warnings=tuple(f"Row {row.row_no} is in doubt: {row.error_message}" for row in doubtful),
        errors=tuple(f"Row {row.row_no}: {row.error_message}" for row in rows if row.state is PayoutState.REJECTED),
    )


_OPEN = frozenset({PayoutState.IN_DOUBT, PayoutState.NEEDS_REVIEW})


def _table(rows: Sequence[PayoutView]) -> Mapping[str, Sequence[Any]]:
    return {
        "Row": [row.row_no for row in rows],
        "Account": [row.account for row in rows],
        "Currency": [row.currency for row in rows],
        "Amount": [Money(row.amount_minor, row.currency) for row in rows],
        "Bank account": [row.bank for row in rows],
        "State": [row.state.value for row in rows],
        "Provider id": [row.provider_id for row in rows],
        "Expected arrival": [row.arrival_on for row in rows],
        "Problem": [row.error_message for row in rows],
    }


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
    version="1.0.0",
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
