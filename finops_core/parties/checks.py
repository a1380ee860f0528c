"""The standing truths of parties, each looked for in what is stored. A violation is for people."""

from sqlalchemy import and_, select

from finops_core.approvals.models import approval_decision, approval_request
from finops_core.kernel.job import Check
from finops_core.parties.bank_details import content_of
from finops_core.parties.models import party_bank_detail as kept
from finops_core.parties.rules import Stored
from finops_core.platform.work import Reading


def every_details_has_its_approval(reading: Reading) -> list[str]:
    """Bank details that count, counted or are to count were agreed to, as they are, by somebody else."""
    said, asked = approval_decision, approval_request
    agreed = (
        select(said.c.id)
        .join(asked, and_(asked.c.org_id == said.c.org_id, asked.c.id == said.c.request_id))
        .where(
            said.c.org_id == reading.org_id,
            said.c.request_id == kept.c.request_id,
            said.c.decision == "approved",
            said.c.content_hash == kept.c.content,
            said.c.person_id.not_in([kept.c.proposed_by, asked.c.requested_by]),
            asked.c.org_id == reading.org_id,
            asked.c.subject_id == kept.c.id,
            asked.c.content_hash == kept.c.content,
            asked.c.state == "approved",
        )
    )
    rows = reading.rows(
        select(kept, agreed.exists().label("agreed"))
        .where(kept.c.org_id == reading.org_id, kept.c.state == Stored.APPROVED.value)
        .order_by(kept.c.id)
    )
    return [
        f"Bank details {row.id} of {row.party_id} were not agreed to"
        if not row.agreed
        else f"Bank details {row.id} of {row.party_id} are not what was agreed to"
        for row in rows
        if not row.agreed or content_of(row._asdict()) != row.content
    ]


CHECKS = (
    Check(
        "parties.details",
        "Bank details have their approval",
        every_details_has_its_approval,
        "Somebody wrote past the desk. Pay nothing to this party, and ask it for its account by a way you know.",
    ),
)
