"""Reading back what the bank says of a file: a pain.002 moves each payout on, or changes nothing at all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import select

from finops_core import audit, connections, files, operations
from finops_core.adapters.bank_file.payouts import BankFilePayouts
from finops_core.adapters.bank_file.status_report import Told, read_status
from finops_core.kernel.actor import Actor, worker_actor
from finops_core.kernel.errors import Invalid, NotAllowed
from finops_core.kernel.faults import Fault
from finops_core.kernel.permissions import Permission
from finops_core.kernel.provider import ProviderPayout
from finops_core.operations import ExecutionView
from finops_core.payouts import bank_export, following, queries
from finops_core.payouts.models import payout
from finops_core.platform.work import Reading, Units, Work


@dataclass(frozen=True, slots=True)
class StatusTaken:
    """What a status file did: how many payouts it named and how many of them moved; or its faults, and then nothing."""

    named: int = 0
    moved: int = 0
    faults: tuple[Fault, ...] = ()


def take_bank_status(units: Units, actor: Actor, execution_id: str, name: str, content: bytes) -> StatusTaken:
    """Read the bank's status file for an execution's bank file, for people with PAYOUTS_RESOLVE who did not prepare it.

    Its refusals are what a retry goes by, so who prepares that must not be the one who supplies them:
    ``NOT_THE_PREPARER``. All faults at once, and then nothing is stored but a line in the audit;
    ``BANK_STATUS_NOT_OURS`` among them when it is about another file.
    """
    with units.read(actor) as reading:
        reading.require(Permission.PAYOUTS_RESOLVE)
        seen = operations.execution(reading, execution_id)
        if not may_take_status(reading, seen):
            raise NotAllowed(
                "NOT_THE_PREPARER",
                "You prepared these payouts, so somebody else must bring the bank's answer.",
                hint="Ask an approver or a controller.",
            )
    report = read_status(content)
    ours = {bank_export.message_id(seen.number, attempt): attempt for attempt in range(1, seen.attempt + 1)}
    with units.read(worker_actor(actor.org_id)) as reading:
        connection_id = _connection_of(reading, seen.id, ours.get(report.original_message_id, seen.attempt))
        credentials = connections.credentials(reading, connection_id)
    provider = units.ports.provider(credentials)
    if not isinstance(provider, BankFilePayouts):
        raise Invalid("PROVIDER_UNKNOWN", "This execution wrote no bank file.", hint="Open the one that did.")
    told = provider.outcomes(report)
    faults = told.faults
    if not faults and told.message_id not in ours:
        faults = (Fault("BANK_STATUS_NOT_OURS", f"This is about {told.message_id}, not about {seen.number}."),)
    news = {each.order_id: _as_told(provider.get("", each.order_id), each.told) for each in told.found}
    detail = {"number": seen.number, "faults": len(faults), "payments": len(news)}
    with units.work(actor) as work:
        if faults:
            audit.record(work, "payouts.bank_status_refused", f"execution:{seen.id}", detail=detail)
            return StatusTaken(faults=faults)
        stored = files.store(
            work,
            content,
            filename=name,
            mime=bank_export.XML,
            owner_kind="execution",
            owner_id=seen.id,
            role=files.STATUS,
            visible_to=seen.requested_by,
        )
        audit.record(work, "payouts.bank_status_taken", f"execution:{seen.id}", after=stored.sha256, detail=detail)
        return StatusTaken(len(news), _apply(work, news))


def may_take_status(reading: Reading, seen: ExecutionView) -> bool:
    """Whether ``take_bank_status`` is open to this person. A courtesy for screens: it asks again."""
    return reading.may(Permission.PAYOUTS_RESOLVE) and seen.requested_by != reading.actor.id


def _apply(work: Work, news: Mapping[str, ProviderPayout]) -> int:
    mine = payout.c.org_id == work.org_id, payout.c.provider_id.in_(sorted(news))
    rows = [queries.unsettled(row) for row in work.rows(select(payout).where(*mine).order_by(payout.c.row_no))]
    return sum(following.move_on(work, row, news[row.provider_id]) is not row.state for row in rows)


def _connection_of(reading: Reading, execution_id: str, attempt: int) -> str:
    """Through which the file of an attempt was written; of the last one that paid when that wrote none."""
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id == execution_id
    order = payout.c.attempt != attempt, payout.c.attempt.desc()
    found = reading.scalar(select(payout.c.connection_id).where(*mine).order_by(*order).limit(1))
    if found is None:
        raise Invalid("PROVIDER_UNKNOWN", "This execution wrote no bank file.", hint="Open the one that did.")
    return str(found)


def _as_told(order: ProviderPayout, told: Told) -> ProviderPayout:
    """The order as the bank tells it; a report that says nothing of it leaves it as it was."""
    words = " ".join(part for part in (told.reason, told.detail) if part)
    status = told.status or order.status
    return replace(order, status=status, failure_code=told.reason_code or told.code, failure_message=words)
