"""The moment a bank file leaves: what was agreed to is checked once more, then the file is written once, or never.

For this way to pay the writing of the file is the paying: an order that waits in the outbox pays nobody, and can be
taken back for ever. As with every payment the intent is stored first, then the file leaves.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from finops_core import connections, files, operations
from finops_core.adapters.bank_file.payouts import BankFilePayouts
from finops_core.connections.rules import BANK_FILE
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.operation import OutputFile, RunContext
from finops_core.kernel.provider import Canceled
from finops_core.ledger import EntryType, stopping
from finops_core.operations import ExecutionView, admission
from finops_core.operations.engine import stop_requested
from finops_core.payouts import queries, rules, running, service
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import PayoutState
from finops_core.payouts.service import Called
from finops_core.platform.work import Reading, Work

XML = "application/xml"
_EVER = datetime.min.replace(tzinfo=UTC)


def message_id(number: str, attempt: int) -> str:
    """What the bank calls the file. "TEST-" keeps a bank from taking it for a real one (decision 0012)."""
    return f"TEST-{number}" if attempt == 1 else f"TEST-{number}-{attempt}"


def release(context: RunContext, provider: BankFilePayouts) -> tuple[OutputFile, ...]:
    """The file of this attempt; none when it may not leave any more: then its orders are taken back for ever.

    A file that left in a run that died before anybody heard of it is handed out whatever has happened since: its
    orders can neither be taken back nor leave in another one. None, too, when people have the file already.
    """
    with context.unit() as work:
        seen = operations.execution(work, context.execution_id)
        given = {file.name for file in files.of(work, "execution", seen.id)}
    name = message_id(seen.number, context.attempt)
    if name not in {left.message_id for left in provider.exports()} and not _leaves(context, provider, seen, name):
        return ()
    _follow(context, provider)
    filename = f"{seen.number}-pain001-{context.attempt}.xml"
    return () if filename in given else (OutputFile(filename, XML, provider.exported(name)),)


def _leaves(context: RunContext, provider: BankFilePayouts, seen: ExecutionView, name: str) -> bool:
    """Write the file of exactly the orders that wait, unless something forbids it; whether it has left."""
    waiting = {each.id: each for each in provider.waiting()}
    with context.unit() as work:
        rows = _waiting_rows(work, context)
        why = _why_not(work, context)
        chosen = [row for row in rows if row.provider_id in waiting and not why]
        for row in chosen:
            service.note_call(work, row, Called("export", "intended", name, fence=context.fence))
    if why:
        _take_back(context, provider, rows, why)
    if not chosen:
        return False
    body = context.plan.rows[0].body
    # Plans of before had this day under the name of the arrival, and are kept as they were agreed to.
    execute_on = date.fromisoformat(str(body.get("execute_on") or body["arrival_on"]))
    orders = [waiting[row.provider_id] for row in chosen]
    content = provider.export(orders, name, seen.started_at or context.now(), execute_on)
    provider.mark_exported([each.id for each in orders], name, content)
    return True


def _why_not(work: Work, context: RunContext) -> str:
    """Why the file may not leave now; "" when it may. A stop waits for this unit, or this unit for the stop."""
    if stop_requested(work, context.execution_id):
        return "Stopped before its bank file was written."
    if stopped := stopping.why_not(work, EntryType.PAYOUT):
        return stopped
    if context.wind_down is not None:
        return context.wind_down[1]
    if running.is_another(connections.active(work, BANK_FILE), context.plan):
        return running.ANOTHER
    seen = operations.execution(work, context.execution_id)
    op = context.ports.operations.get(seen.operation_id)
    refused = admission.refusal(work, op, seen, operations.plan(work, seen.id))
    return refused.message if refused else ""


def _take_back(context: RunContext, provider: BankFilePayouts, rows: Sequence[Unsettled], why: str) -> None:
    for row in rows:
        if not isinstance(provider.cancel(row.account, row.provider_id, f"{row.key}-cancel"), Canceled):
            told = "An order of a bank file that must not leave could not be taken back."
            raise Unavailable("PROVIDER_UNAVAILABLE", told, hint="It is tried again.")
    with context.unit() as work:
        for row in _waiting_rows(work, context):
            service.note_call(work, row, Called("cancel", "canceled", why, fence=context.fence))
            service.call_off(work, row, why)


def _follow(context: RunContext, provider: BankFilePayouts) -> None:
    """The rows stand where the outbox has their orders: on their way in the file, or taken back by somebody."""
    mine = {rules.META_EXECUTION: context.execution_id, rules.META_ATTEMPT: str(context.attempt)}
    found = {each.id: each for each in provider.find("", mine, _EVER)}
    with context.unit() as work:
        for row in _waiting_rows(work, context):
            service.follow(work, row, found[row.provider_id])


def _waiting_rows(reading: Reading, context: RunContext) -> list[Unsettled]:
    rows = queries.batch(reading, context.execution_id, context.attempt)
    return [row for row in rows if row.state is PayoutState.CREATED]
