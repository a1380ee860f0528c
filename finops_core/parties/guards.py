"""What the database itself holds of parties and their bank details, whatever program writes to it.

A version of bank details enters as one that waits, its content never changes, and it becomes one that counts only
beside the decision of somebody other than whoever proposed it, on exactly this content.
"""

from finops_core.platform.tables import refusing

_KEPT = "org_id id kind created_by created_at"
_OPENED = "(OLD.state = 'closed' AND NEW.state <> 'closed')"
_PARTY_CHANGED = " OR ".join([_OPENED, *(f"NEW.{name} <> OLD.{name}" for name in _KEPT.split())])
PARTY_KEEPS = refusing("pt_party_keeps", "PARTY_KEEPS", "BEFORE UPDATE", _PARTY_CHANGED)
PARTY_STAYS = refusing("pt_party_stays", "PARTY_STAYS", "BEFORE DELETE")

_CONTENT = (
    "org_id id party_id version sealed holder_print account_print country last4 replaces reason content request_id "
    "proposed_by proposed_at"
)
_CONTENT_CHANGED = " OR ".join(f"NEW.{name} <> OLD.{name}" for name in _CONTENT.split())
# Approved ones may only be withdrawn, and only before they count; what has ended stays as it ended.
_STATE_FIXED = """OLD.state NOT IN ('waiting', 'approved')
OR (OLD.state = 'approved' AND (NEW.state <> 'withdrawn' OR NEW.ended_at IS NULL OR NEW.ended_at >= OLD.counts_from
OR NEW.approved_at IS DISTINCT FROM OLD.approved_at OR NEW.counts_from IS DISTINCT FROM OLD.counts_from))"""
_AGREED = """EXISTS (SELECT 1 FROM approval_decision d WHERE d.org_id = NEW.org_id AND d.request_id = NEW.request_id
AND d.decision = 'approved' AND d.content_hash = NEW.content AND d.person_id <> NEW.proposed_by)"""
DETAILS_BEGIN = refusing("pt_details_begin", "DETAILS_BEGIN", "BEFORE INSERT", "NEW.state <> 'waiting'")
DETAILS_KEEP = refusing("pt_details_keep", "DETAILS_KEEP", "BEFORE UPDATE", f"{_STATE_FIXED} OR {_CONTENT_CHANGED}")
DETAILS_AGREED = refusing(
    "pt_details_agreed",
    "DETAILS_AGREED",
    "BEFORE UPDATE",
    f"OLD.state = 'waiting' AND NEW.state = 'approved' AND NOT {_AGREED}",
)
DETAILS_STAY = refusing("pt_details_stay", "DETAILS_STAY", "BEFORE DELETE")
