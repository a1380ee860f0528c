"""The roles the desk ships with. Roles are rows; this is only what ``ensure_roles`` writes into them.

Nobody approves or pays out by being an administrator: those rights come with the preparer's and approver's roles.
"""

from dataclasses import dataclass

from finops_core.kernel.permissions import Permission

ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class ShippedRole:
    """One role and what it bundles."""

    id: str
    title: str
    description: str
    permissions: frozenset[Permission]


_OVERSIGHT = frozenset(
    {
        Permission.HOME_VIEW,
        Permission.EXECUTIONS_VIEW_OWN,
        Permission.EXECUTIONS_VIEW_ALL,
        Permission.FILES_VIEW_OWN,
        Permission.FILES_VIEW_ALL,
        Permission.LEDGER_VIEW,
        Permission.PARTY_VIEW,
    }
)
_AUDIT = frozenset({Permission.AUDIT_VIEW, Permission.AUDIT_EXPORT, Permission.AUDIT_VERIFY})

SHIPPED_ROLES: tuple[ShippedRole, ...] = (
    ShippedRole(
        "preparer",
        "Preparer",
        "Runs operations, prepares payouts, sees own runs and files.",
        frozenset(
            {
                Permission.HOME_VIEW,
                Permission.OPERATIONS_RUN,
                Permission.PAYOUTS_PREPARE,
                Permission.FILES_UPLOAD,
                Permission.FILES_VIEW_OWN,
                Permission.EXECUTIONS_VIEW_OWN,
                Permission.LEDGER_VIEW,
                Permission.LEDGER_POST,
                Permission.PARTY_VIEW,
                Permission.PARTY_EDIT,
            }
        ),
    ),
    ShippedRole(
        "approver",
        "Approver",
        "Decides what others have prepared, within the authority granted.",
        frozenset(
            {
                Permission.HOME_VIEW,
                Permission.APPROVALS_VIEW,
                Permission.APPROVALS_DECIDE,
                Permission.PAYOUTS_RESOLVE,
                Permission.EXECUTIONS_VIEW_OWN,
                # Whoever agrees to bank details compares the whole account with what the party says.
                Permission.PARTY_VIEW,
                Permission.PARTY_REVEAL,
            }
        ),
    ),
    ShippedRole(
        "controller",
        "Controller",
        "Sees every run, file and approval, checks the audit log, may cancel any run.",
        _OVERSIGHT
        | _AUDIT
        | {Permission.EXECUTIONS_CANCEL_ANY, Permission.APPROVALS_VIEW, Permission.PAYOUTS_RESOLVE}
        | {Permission.LEDGER_ADJUST, Permission.LEDGER_STOP, Permission.LEDGER_LOCK}
        | {Permission.PARTY_EDIT, Permission.PARTY_VERIFY, Permission.PARTY_REVEAL},
    ),
    ShippedRole(
        "executive",
        "Executive",
        "Sees every run and file, decides approvals, reads the audit log.",
        _OVERSIGHT | {Permission.APPROVALS_VIEW, Permission.APPROVALS_DECIDE, Permission.AUDIT_VIEW},
    ),
    ShippedRole(
        "auditor",
        "Auditor",
        "Reads everything, verifies and exports the audit log, changes nothing.",
        _OVERSIGHT | _AUDIT | {Permission.APPROVALS_VIEW},
    ),
    ShippedRole(
        ADMINISTRATOR,
        "Administrator",
        "Keeps people, connections and operations; neither prepares nor approves.",
        frozenset(
            {
                Permission.HOME_VIEW,
                Permission.PEOPLE_ADMINISTER,
                Permission.CONNECTIONS_ADMINISTER,
                Permission.OPERATIONS_ADMINISTER,
                Permission.SCHEDULES_ADMINISTER,
                Permission.HEALTH_VIEW,
                Permission.AUDIT_VIEW,
            }
        ),
    ),
    ShippedRole(
        "operations",
        "Operations (IT)",
        "Watches health and every run.",
        frozenset(
            {
                Permission.HOME_VIEW,
                Permission.HEALTH_VIEW,
                Permission.EXECUTIONS_VIEW_OWN,
                Permission.EXECUTIONS_VIEW_ALL,
            }
        ),
    ),
)
