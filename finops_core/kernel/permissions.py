"""What a person can be allowed to do. Only permissions are code; roles that bundle them are rows."""

from enum import StrEnum


class Permission(StrEnum):
    """One thing somebody may do; verbs ask for these, never for a role."""

    HOME_VIEW = "home.view"
    OPERATIONS_RUN = "operations.run"
    OPERATIONS_ADMINISTER = "operations.administer"
    EXECUTIONS_VIEW_OWN = "executions.view_own"
    EXECUTIONS_VIEW_ALL = "executions.view_all"
    EXECUTIONS_CANCEL_ANY = "executions.cancel_any"
    PAYOUTS_PREPARE = "payouts.prepare"
    PAYOUTS_RESOLVE = "payouts.resolve"
    APPROVALS_VIEW = "approvals.view"
    APPROVALS_DECIDE = "approvals.decide"
    FILES_UPLOAD = "files.upload"
    FILES_VIEW_OWN = "files.view_own"
    FILES_VIEW_ALL = "files.view_all"
    AUDIT_VIEW = "audit.view"
    AUDIT_EXPORT = "audit.export"
    AUDIT_VERIFY = "audit.verify"
    PEOPLE_ADMINISTER = "people.administer"
    CONNECTIONS_ADMINISTER = "connections.administer"
    LEDGER_VIEW = "ledger.view"
    LEDGER_POST = "ledger.post"
    LEDGER_ADJUST = "ledger.adjust"
    LEDGER_STOP = "ledger.stop"
    LEDGER_LOCK = "ledger.lock"
    HEALTH_VIEW = "health.view"
    WORKER_ACT = "worker.act"
    NEWS_TAKE = "news.take"
