"""What a search found, area by area, as programs see it."""

from datetime import datetime
from typing import Any

from pydantic import Field

from finops_core.answers import ledger, operations, others, parties, payouts
from finops_core.answers.common import Answer
from finops_core.answers.ledger import EntryAnswer
from finops_core.answers.operations import ExecutionAnswer
from finops_core.answers.others import ApprovalAnswer, FileAnswer
from finops_core.answers.parties import PartyAnswer
from finops_core.answers.payouts import PayoutAnswer
from finops_core.audit import AuditView
from finops_core.insight import Found


class RecordAnswer(Answer):
    """One line of the audit log."""

    id: str = Field(examples=["au_0199b1c2d3e4"])
    at: datetime
    actor: str
    on_behalf_of: str | None
    via: str = Field(description="The door: page, api, cli, worker …", examples=["api"])
    verb: str = Field(examples=["execution.submitted"])
    object: str = Field(examples=["execution:ex_0199b1c2d3e4"])
    detail: dict[str, Any]
    position: int | None = Field(description="Its place in the sealed log; null until it is sealed.")


class FoundAnswer(Answer):
    """What was found, newest first in each area; nothing that the person may not see."""

    total: int = Field(description="How many things are listed.")
    more: list[str] = Field(description="The areas of which there is more than is listed: type more to narrow it.")
    executions: list[ExecutionAnswer]
    payouts: list[PayoutAnswer]
    approvals: list[ApprovalAnswer]
    files: list[FileAnswer]
    entries: list[EntryAnswer]
    parties: list[PartyAnswer]
    records: list[RecordAnswer]


def record(view: AuditView) -> RecordAnswer:
    """One line of the log."""
    return RecordAnswer.of(view)


def found(view: Found) -> FoundAnswer:
    """All of it."""
    named = {"requests": "approvals"}
    return FoundAnswer(
        total=view.total,
        more=sorted(named.get(area, area) for area in view.more),
        executions=[operations.execution(each) for each in view.executions],
        payouts=[payouts.payout(each) for each in view.payouts],
        approvals=[others.approval(each) for each in view.requests],
        files=[others.file(each) for each in view.files],
        entries=[ledger.entry(each) for each in view.entries],
        parties=[parties.told(each) for each in view.parties],
        records=[record(each) for each in view.records],
    )
