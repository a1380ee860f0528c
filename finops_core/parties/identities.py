"""What is known of a party's identity: each check with its evidence and its last day. The newest one counts."""

from dataclasses import replace

from sqlalchemy import insert

from finops_core import audit, files, reference
from finops_core.kernel.canonical import content_hash
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.parties import queries, rules
from finops_core.parties.models import party_identity
from finops_core.parties.rules import IdentityCheck, IdentityLevel, IdentityStatus
from finops_core.platform.work import Work


def note_identity(work: Work, party_id: str, check: IdentityCheck) -> str:
    """Keep what a check of a party's identity came to: its id. Needs ``PARTY_VERIFY``.

    It counts at once, in the place of any earlier one: a failed check stops withdrawals although an earlier one had
    not expired. ``PARTY_UNKNOWN``, ``IDENTITY_BAD``, and ``FILE_UNKNOWN`` for evidence that is no file of one's own
    to see.
    """
    work.require(Permission.PARTY_VERIFY)
    queries.one(work, party_id)
    given = replace(check, evidence=check.evidence.strip(), reason=check.reason.strip())
    rules.check_identity_note(given, reference.today(work))
    if given.file_id:
        files.one(work, given.file_id)
    check_id = new_id("kyc")
    told = {
        "status": IdentityStatus(given.status).value,
        "level": IdentityLevel(given.level).value,
        "expires_on": given.expires_on.isoformat() if given.expires_on else "",
        "file_id": given.file_id,
    }
    row = {
        "org_id": work.org_id,
        "id": check_id,
        "party_id": party_id,
        "evidence": work.ports.vault.seal(given.evidence.encode(), queries.evidence_at(check_id)),
        "checked_by": work.actor.id,
        "checked_at": work.now,
        "reason": given.reason,
        **told,
    }
    work.execute(insert(party_identity), row)
    # The hash binds the words; the row's random id, which the log does not hold, keeps short ones from being guessed.
    bound = content_hash({"id": check_id, "evidence": given.evidence, "reason": given.reason, **told})
    audit.record(work, f"identity.{told['status']}", f"party:{party_id}", after=bound, detail=told)
    return check_id
