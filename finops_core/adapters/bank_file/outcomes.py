"""A status report brought together with the bank file it is about: what it says of each of our orders. Pure."""

from dataclasses import dataclass

from finops_core.adapters.bank_file.outbox import Exported, order_id
from finops_core.adapters.bank_file.status_report import StatusReport, Told
from finops_core.kernel.faults import Fault


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the bank says of one order; orders that the report leaves open have none."""

    order_id: str
    end_to_end_id: str
    told: Told


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All outcomes of a report, or everything that is wrong with it: never both."""

    message_id: str = ""
    found: tuple[Outcome, ...] = ()
    faults: tuple[Fault, ...] = ()


def outcomes_of(exported: Exported | None, report: StatusReport) -> Outcomes:
    """What the report says of the orders in the exported file; ``exported`` is None when no such file left here.

    The report's own faults, else BANK_STATUS_NOT_OURS for each message, block and payment that we did not send.
    """
    faults = report.faults or _foreign(exported, report)
    if faults or exported is None:
        return Outcomes(faults=faults)
    told = ((each, report.told_of(each, block)) for each, block in sorted(exported.blocks.items()))
    found = tuple(Outcome(order_id(each), each, what) for each, what in told if what is not None)
    return Outcomes(exported.message_id, found)


def _foreign(exported: Exported | None, report: StatusReport) -> tuple[Fault, ...]:
    if exported is None:
        message = "No bank file with this message id was exported here."
        return (Fault("BANK_STATUS_NOT_OURS", message, None, "OrgnlMsgId", report.original_message_id),)
    known = set(exported.blocks.values())
    blocks = [
        Fault("BANK_STATUS_NOT_OURS", "The bank file has no such payment block.", None, "OrgnlPmtInfId", block)
        for block in report.blocks
        if block not in known
    ]
    payments = [
        Fault(
            "BANK_STATUS_NOT_OURS", "The block has no such payment.", each.line, "OrgnlEndToEndId", each.end_to_end_id
        )
        for each in report.payments.values()
        if exported.blocks.get(each.end_to_end_id) != each.block_id
    ]
    return (*blocks, *payments)
