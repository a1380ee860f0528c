"""The plan of a retry: exactly the rows that failed, with the amounts and bank accounts they were approved with."""

from collections.abc import Mapping

from finops_core.kernel.faults import Fault
from finops_core.kernel.money import Money
from finops_core.kernel.operation import Plan, PlanRow, RunContext
from finops_core.kernel.provider import AccountFacts, BankAccount
from finops_core.payouts.comparison import SAME
from finops_core.payouts.planning import clock_faults, expected_arrival
from finops_core.payouts.queries import Unsettled
from finops_core.platform.ports import PayoutProvider

WHY_CHARS = 200
Pool = tuple[str, str, str]


def plan_again(
    context: RunContext,
    provider: PayoutProvider,
    planned: Mapping[int, PlanRow],
    failed: Mapping[int, Unsettled],
    connection_id: str,
    fingerprint: str,
) -> Plan:
    """A plan of the failed rows alone; faults while the money for them is not there or a bank account is not the same.

    Args:
        context: of the dry run; its ``retry_rows`` say which.
        provider: asked for balances and bank accounts as they are now.
        planned: the rows as they were planned before, by their number.
        failed: their last attempts, by their number.
        connection_id: through which it will be paid.
        fingerprint: of the key it will be paid with.
    """
    rows = [planned[number] for number in context.retry_rows]
    facts = {account: provider.facts(account) for account in sorted({row.account for row in rows})}
    faults = clock_faults(facts.values(), context)
    left = {pool: minor for account, told in facts.items() for pool, minor in _pools(account, told).items()}
    again: list[PlanRow] = []
    for number, row in zip(context.retry_rows, rows, strict=True):
        pool = row.account, row.currency, str(row.body["source_type"])
        available = left.get(pool, 0)
        left[pool] = available - row.amount_minor
        fault = _bank_fault(row, facts[row.account])
        if fault is not None:
            faults.append(fault)
        again.append(_row(context, row, available, failed[number], facts[row.account]))
    faults += _missing(left)
    modes = sorted({fact.mode.value for fact in facts.values()})
    return Plan(tuple(again), modes[0] if modes else "", fingerprint, connection_id, (), tuple(faults))


def _pools(account: str, facts: AccountFacts) -> dict[Pool, int]:
    pools: dict[Pool, int] = {}
    for balance in facts.balances:
        pools[account, balance.currency, ""] = balance.available_minor
        for source, minor in balance.by_source.items():
            pools[account, balance.currency, source] = minor
    return pools


def _row(context: RunContext, row: PlanRow, available: int, failed: Unsettled, facts: AccountFacts) -> PlanRow:
    body = {
        **row.body,
        "provider_account": facts.account,
        "available": Money(available, row.currency).plain(),
        "left": Money(available - row.amount_minor, row.currency).plain(),
        "why_left": "only this row is paid again" if available != row.amount_minor else "",
        "keep": Money(0, row.currency).plain(),
        "arrival_on": expected_arrival(context.now().date(), facts.country).isoformat(),
        "change": change_of(failed),
    }
    return PlanRow(row.account, row.currency, row.amount_minor, body)


def change_of(failed: Unsettled) -> Mapping[str, str]:
    """What a plan says of a row that is tried again: nothing is new about it but that, and why it failed before."""
    told = {"bank": SAME, "retry_of": str(failed.attempt), "failed": failed.error_code or failed.state.value}
    return {**told, "why": failed.error_message[:WHY_CHARS]} if failed.error_message else told


def _bank_fault(row: PlanRow, facts: AccountFacts) -> Fault | None:
    banks = {bank.id: bank for bank in facts.bank_accounts}
    bank: BankAccount | None = banks.get(str(row.body["destination"]))
    number = int(row.body["no"])
    if bank is None:
        told = f"Payout {number}: its bank account is no longer on file at the provider."
        return Fault("BANK_CHANGED", told, column="destination")
    if bank.fingerprint != row.body["bank_fingerprint"] or bank.currency != row.currency:
        told = f"Payout {number}: its bank account was changed at the provider since it was approved."
        return Fault("BANK_CHANGED", f"{told} Pay it by a new file instead.", column="destination")
    return None


def _missing(left: Mapping[Pool, int]) -> list[Fault]:
    """One fault a currency whose rows need more than there is."""
    return [
        Fault(
            "FUNDS_MISSING",
            f"{Money(-minor, currency)} more is needed{_at(account)}. Fund the account, then retry again.",
        )
        for (account, currency, _source), minor in sorted(left.items())
        if minor < 0
    ]


def _at(account: str) -> str:
    return f" on {account}" if account else ""
