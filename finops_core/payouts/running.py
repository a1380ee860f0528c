"""What every payout operation does alike: connect, check that what was approved still holds, and settle the batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from finops_core import connections, operations
from finops_core.connections import ConnectionView
from finops_core.kernel.errors import Conflict
from finops_core.kernel.faults import Fault
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Plan, PlanRow, Result, RunContext
from finops_core.kernel.provider import AccountFacts, PayoutOrder
from finops_core.operations.admission import AGAIN
from finops_core.payouts import queries, results, rules, service, settlement
from finops_core.payouts.batch import Batch
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import PayoutState
from finops_core.platform.ports import PayoutProvider

BuildOrder = Callable[[PlanRow, Mapping[str, str]], PayoutOrder]
Pair = tuple[str, str]
ANOTHER = "The provider connection was changed after the approval."


@dataclass(frozen=True, slots=True)
class Rail:
    """A way to pay: the provider's name, and how a plan row becomes an order (given what the payout carries)."""

    provider: str
    order: BuildOrder
    checks_funds: bool = True


def connect(context: RunContext, rail: Rail) -> tuple[PayoutProvider, ConnectionView]:
    """The organisation's provider, and the connection it is spoken to through."""
    with context.unit() as work:
        connection = connections.active(work, rail.provider)
        credentials = connections.credentials(work, connection.id)
    return context.ports.provider(credentials), connection


def as_it_should(plan: Plan, connection: ConnectionView) -> Plan:
    """A dry run's plan; faulty when the provider answered in another mode or for another account (I10)."""
    faults = []
    mode, own = connection.mode.value, connection.provider_account
    if plan.mode not in {"", mode}:
        told = f"The provider answers in {plan.mode} mode; this connection is for {mode} mode."
        faults.append(Fault("MODE_WRONG", f"{told} Nothing may be paid by it."))
    if own and _own_account(plan) not in {"", own}:
        told = f"The provider answers for {_own_account(plan)}; this connection has paid from {own}."
        faults.append(Fault("CONNECTION_OTHER_ACCOUNT", f"{told} Its key must be replaced by one of that account."))
    return replace(plan, faults=(*plan.faults, *faults))


def _own_account(plan: Plan) -> str:
    """What the provider calls the connection's own account, as far as the plan pays from it."""
    return next((str(row.body.get("provider_account", "")) for row in plan.rows if not row.account), "")


def carry_out(context: RunContext, rail: Rail) -> Result:
    """Pay exactly the approved plan; resumed after a crash it never pays a row twice."""
    with context.unit() as work:
        there = queries.batch(work, context.execution_id, context.attempt)
    if context.wind_down is not None and all(row.state is PayoutState.APPROVED for row in there):
        code, message = context.wind_down
        raise Conflict(code, message, hint=AGAIN)
    provider, connection = connect(context, rail)
    untouched = not any(row.first_sent_at for row in there)
    if is_another(connection, context.plan):
        hint = AGAIN if untouched else "Some payouts were sent before; what stands open is looked up."
        raise Conflict("CONNECTION_CHANGED", ANOTHER, hint=hint)
    if untouched and rail.checks_funds:
        check_start(context, provider)
    own = connection.provider_account or _asked_own_account(context.plan, provider)
    with context.unit() as work:
        if own and not connection.provider_account:
            connections.note_account(work, connection.id, own)
        rows = service.prepare(
            work,
            context.execution_id,
            context.attempt,
            context.plan,
            provider,
            ordering(rail, context.execution_id, context.attempt, connection.mode.value),
        )
    Batch(context, provider).settle(rows)
    with context.unit() as work:
        settlement.ask_to_reconcile(work)
        return results.conclude(work, context.execution_id, context.attempt)


def _asked_own_account(plan: Plan, provider: PayoutProvider) -> str:
    """The connection's own account, asked for where the plan names accounts: one of them may be the own one."""
    own = _own_account(plan)
    return own if own or not any(row.account for row in plan.rows) else provider.facts("").account


def failed_rows(context: RunContext) -> tuple[Mapping[int, PlanRow], Mapping[int, Unsettled]]:
    """What a retry starts from: the rows as they were planned, and their last attempts, by number."""
    with context.unit() as work:
        planned = operations.planned_rows(work, context.execution_id)
        newest = queries.newest_of(work, context.execution_id)
    numbered = {service.number_of(row): row for row in planned}
    return numbered, {row.row_no: row for row in newest}


def ordering(rail: Rail, execution_id: str, attempt: int, mode: str) -> service.OrderOf:
    """How the rows of an attempt become orders that carry what they are for ever."""

    def order_of(row_no: int, row: PlanRow) -> PayoutOrder:
        bare = rail.order(row, {})
        facts = {
            "provider": rail.provider,
            "mode": mode,
            "account": bare.account,
            "currency": bare.currency,
            "amount_minor": str(bare.amount_minor),
            "destination": bare.destination,
            "source_type": bare.source_type,
            "method": bare.method,
            "descriptor": bare.descriptor,
        }
        row_hash = rules.row_hash(facts)
        return rail.order(row, service.metadata_of(execution_id, attempt, row_no, row_hash))

    return order_of


def is_another(connection: ConnectionView, plan: Plan) -> bool:
    """Whether this is not the connection, with the key, that was approved (I10)."""
    return (connection.id, connection.fingerprint) != (plan.connection_id, plan.key_fingerprint)


def check_start(context: RunContext, provider: PayoutProvider) -> None:
    """An approval is void when money, mode, a bank account or the clock is not what was agreed to (I10, I11)."""
    plan: Plan = context.plan
    rows = [row for row in plan.rows if row.amount_minor]
    facts = {account: provider.facts(account) for account in sorted({row.account for row in rows})}
    for account in facts.values():
        if account.mode.value != plan.mode:
            raise Conflict("MODE_CHANGED", "The provider's mode is not the one that was approved.", hint=AGAIN)
        if not rules.clocks_agree(context.now(), account.told_at):
            hint = "An administrator must set this machine's clock right; then make a new plan."
            raise Conflict("CLOCK_WRONG", "This machine's clock and the provider's are minutes apart.", hint=hint)
    _check_banks(rows, facts)
    _check_funds(rows, facts)


def _check_banks(rows: list[PlanRow], facts: Mapping[str, AccountFacts]) -> None:
    for row in rows:
        known = {bank.id: bank.fingerprint for bank in facts[row.account].bank_accounts}
        if known.get(str(row.body["destination"])) != row.body["bank_fingerprint"]:
            told = f"The bank account of payout {row.body['no']} is not the one that was approved."
            raise Conflict("BANK_CHANGED", f"{told} Nothing was paid.", hint=AGAIN)


def _check_funds(rows: list[PlanRow], facts: Mapping[str, AccountFacts]) -> None:
    needed: dict[Pair, int] = {}
    keep: dict[Pair, int] = {}
    for row in rows:
        pair = row.account, row.currency
        needed[pair] = needed.get(pair, 0) + row.amount_minor
        keep[pair] = max(keep.get(pair, 0), Money.parse(str(row.body["keep"]), row.currency).minor)
    for (account, currency), minor in sorted(needed.items()):
        held = {balance.currency: balance.available_minor for balance in facts[account].balances}
        available, stays = held.get(currency, 0), keep[account, currency]
        if available < minor + stays:
            stay = f", and {Money(stays, currency)} must stay" if stays else ""
            raise Conflict(
                "FUNDS_FELL",
                f"{Money(minor, currency)} was approved{stay}; {Money(available, currency)} is available now. "
                "Nothing was paid.",
                hint=AGAIN,
            )
