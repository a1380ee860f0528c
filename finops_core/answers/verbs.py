"""What programs can ask for: each is one verb of an area and the answer that is told, whichever way they came.

No rule lives here: who may do what is decided by the verbs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from finops_core import approvals, files, insight, operations, payouts, reference, security
from finops_core.answers import finding, others
from finops_core.answers import operations as told
from finops_core.answers.caller import Caller
from finops_core.answers.common import Problem, problem
from finops_core.answers.finding import FoundAnswer
from finops_core.answers.operations import (
    ExecutionAnswer,
    ExecutionsAnswer,
    LogAnswer,
    OperationAnswer,
    OperationsAnswer,
    PlanAnswer,
    ResultAnswer,
)
from finops_core.answers.others import (
    ApprovalAnswer,
    ApprovalsAnswer,
    FileAnswer,
    FilesAnswer,
    MeAnswer,
    TokensAnswer,
)
from finops_core.approvals import Decision, RequestView
from finops_core.files import Sealed
from finops_core.insight import Pack
from finops_core.kernel.errors import Conflict, Invalid, NotFound
from finops_core.operations import ExecutionFilter, Refused, Upload
from finops_core.payouts import Meanwhile
from finops_core.platform.work import Reading, Work

SUBJECT = "execution"


class Form(StrEnum):
    """A record as a ZIP with files and proofs, or as one page that reads anywhere."""

    ZIP = "zip"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list."""

    limit: int = 50
    offset: int = 0


def catalogue(reading: Reading) -> OperationsAnswer:
    """Every operation."""
    return OperationsAnswer(items=[told.operation(view) for view in operations.catalogue(reading)])


def operation(reading: Reading, operation_id: str) -> OperationAnswer:
    """One operation."""
    return told.operation(operations.offered(reading, operation_id))


def keep(work: Work, sealed: Sealed) -> FileAnswer:
    """Make what was taken in a file of the person's own."""
    owner = {"owner_kind": "person", "owner_id": work.actor.id, "visible_to": work.actor.id}
    return others.file(files.keep(work, sealed, role=files.INPUT, **owner))


def upload_of(reading: Reading, file_id: str | None) -> Upload | None:
    """A stored file as what a draft takes; None for none."""
    if not file_id:
        return None
    return Upload(files.one(reading, file_id).name, files.content(reading, file_id))


def draft(
    work: Work,
    operation_id: str,
    params: Mapping[str, object],
    upload: Upload | None,
    reason: str = "",
    replaces: str = "",
) -> ExecutionAnswer | Problem:
    """Take a draft; every fault of file and parameters as one problem, ``DRAFT_REFUSED``."""
    taken = operations.draft(work, operation_id, params, upload, reason=reason, replaces=replaces)
    if isinstance(taken, Refused):
        refusal = Invalid(
            "DRAFT_REFUSED",
            f"The file or the parameters have {_many(len(taken.faults), 'fault')}; nothing was stored.",
            hint="Mend all of them, then try again.",
        )
        return problem(refusal, taken.faults)
    return execution(work, taken.execution_id)


def execution(reading: Reading, execution_id: str) -> ExecutionAnswer:
    """Where one stands."""
    return told.execution(operations.execution(reading, execution_id))


def executions(reading: Reading, wanted: ExecutionFilter, page: Paging) -> ExecutionsAnswer:
    """Those the person may see, newest first."""
    return told.executions(
        operations.executions(reading, wanted, page.limit, page.offset), limit=page.limit, offset=page.offset
    )


def plan(reading: Reading, execution_id: str) -> PlanAnswer:
    """The newest plan; ``PLAN_MISSING`` while there is none."""
    found = operations.plan(reading, execution_id)
    if found is None:
        raise NotFound("PLAN_MISSING", "There is no plan yet, or it needs none.", hint="Look where it stands.")
    return told.plan(found)


def submit(work: Work, execution_id: str, plan_hash: str) -> ExecutionAnswer:
    """Submit the plan that was seen."""
    return told.execution(operations.submit(work, execution_id, plan_hash))


def replan(work: Work, execution_id: str) -> ExecutionAnswer:
    """Make a fresh plan."""
    return told.execution(operations.replan(work, execution_id))


def cancel(work: Work, execution_id: str, reason: str) -> ExecutionAnswer:
    """Stop it."""
    return told.execution(operations.cancel(work, execution_id, reason))


def withdraw(work: Work, execution_id: str, reason: str) -> ExecutionAnswer:
    """Take back what waits for approval."""
    return told.execution(operations.withdraw(work, execution_id, reason))


def record(caller: Caller, execution_id: str, form: Form) -> Pack:
    """Everything about an execution, to be carried away: gathered while others write, then noted. Needs ``audit``."""
    gather = insight.gather_record_page if form is Form.HTML else insight.gather_record
    with caller.read() as reading:
        security.require_scope(reading, security.Scope.AUDIT)
        pack = gather(reading, execution_id)
    with caller.work(security.Scope.AUDIT) as work:
        insight.record_taken(work, pack)
    return pack


def search(reading: Reading, text: str) -> FoundAnswer:
    """Whatever matches, in every area."""
    return finding.found(insight.search(reading, text))


def log(reading: Reading, execution_id: str, after: int, limit: int) -> LogAnswer:
    """Lines past one, oldest first."""
    return told.log(operations.log(reading, execution_id, after, limit, oldest=True), after)


def result(reading: Reading, execution_id: str) -> ResultAnswer:
    """What came of it; ``RESULT_MISSING`` while there is none."""
    found = operations.result(reading, execution_id)
    if found is None:
        raise NotFound("RESULT_MISSING", "There is no result yet.", hint="Wait until it has run.")
    return told.result(found)


def files_of(reading: Reading, execution_id: str) -> FilesAnswer:
    """The files of an execution."""
    return others.files(files.of(reading, SUBJECT, operations.execution(reading, execution_id).id))


def approvals_waiting(reading: Reading, page: Paging) -> ApprovalsAnswer:
    """Open requests, oldest first."""
    return others.approvals(approvals.waiting_page(reading, page.limit, page.offset), page.limit, page.offset)


def approvals_decided(reading: Reading, page: Paging) -> ApprovalsAnswer:
    """Requests that wait no more, newest first."""
    return others.approvals(approvals.decided(reading, page.limit, page.offset), page.limit, page.offset)


def approval(reading: Reading, request_id: str) -> ApprovalAnswer:
    """One request, and what has happened since its plan was made."""
    view = approvals.request_view(reading, request_id)
    return others.approval(view, _meanwhile(reading, view))


def asked_about(reading: Reading, request: ApprovalAnswer) -> PlanAnswer | None:
    """The very plan that a request is about; None when this person may not see it, or it is about no plan."""
    try:
        found = operations.plan(reading, request.subject_id, request.content_hash)
    except NotFound:
        return None
    return None if found is None else told.plan(found)


def decide(
    work: Work, request_id: str, decision: Decision, comment: str, content_hash: str, seen: Sequence[str] = ()
) -> ApprovalAnswer:
    """Approve or reject exactly what was seen.

    ``seen``: the executions that the request named as having paid the same since its plan; ``MEANWHILE_UNSEEN`` for an
    approval that leaves one out.
    """
    request = approvals.request_view(work, request_id)  # by number too
    if decision is Decision.APPROVED and request.refusal is None and request.content_hash == content_hash:
        since = _meanwhile(work, request)
        if unseen := since.unseen(seen) if since is not None else ():
            raise Conflict(
                "MEANWHILE_UNSEEN",
                f"{', '.join(unseen)}: of the same file or payees, since this was planned. Nothing was decided.",
                hint="Look at the request itself, and name what it tells of as seen.",
                unseen=list(unseen),
            )
    return others.approval(approvals.decide(work, request.id, decision, comment, content_hash))


def tokens(reading: Reading) -> TokensAnswer:
    """The person's own tokens."""
    return others.tokens(security.tokens_of(reading))


def revoke(work: Work, token_id: str) -> TokensAnswer:
    """End the token that is used; the list as it then stands."""
    security.revoke_token(work, token_id)
    return tokens(work)


def me(reading: Reading) -> MeAnswer:
    """Who acts through which token."""
    used = next(token for token in security.tokens_of(reading) if token.id == reading.actor.token_id)
    who = security.person(reading, reading.actor.id)
    return others.me(who, used, reference.organisation(reading).name, reading.permissions)


def _meanwhile(reading: Reading, view: RequestView) -> Meanwhile | None:
    """What other executions did with the same file or payees, of a request about an execution that waits."""
    if view.state is not approvals.State.PENDING or view.subject_kind != SUBJECT:
        return None
    try:
        run = operations.execution(reading, view.subject_id)
    except NotFound:
        return None  # a request can be open to somebody whom its execution is not
    made = operations.plan(reading, run.id, view.content_hash)
    return payouts.meanwhile(reading, run, made) if made is not None else None


def _many(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"
