"""The standing truths of payouts, I1 to I12 of the batch specification, each looked for in what is stored.

They run on schedule over the last month and never mend anything: a violation is for people. What a person has dealt
with is none any more, so that the next one is seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, func, or_, select

from finops_core import audit
from finops_core.approvals.models import approval_decision, approval_request
from finops_core.kernel.business_days import NO_COUNTRY, add_business_days
from finops_core.kernel.job import Check
from finops_core.kernel.money import Money
from finops_core.operations import models
from finops_core.operations.rules import FINAL
from finops_core.payouts import bookkeeping, counting, fees, news, rules, settlement, strays
from finops_core.payouts.models import payout, payout_call
from finops_core.payouts.rules import DOUBTFUL, LIVE, RETRYABLE, PayoutState
from finops_core.platform.work import Reading

WINDOW = timedelta(days=31)
# A provider's statement shows a payout as it is made; one still missing when it has long been paid is missing there.
SHOWN_WITHIN_DAYS = 7
IN_STATEMENT = settlement.WATCHED + timedelta(days=14)
# Two machines that write at the same moment may disagree by a little about when that was.
TOLERANCE = timedelta(seconds=5)
# So many violations are told; nothing else is cut short.
MOST = 20_000
PAGE = 5_000
IN_A_STATEMENT = frozenset({"payouts.stripe_balance"})
execution, plan, plan_row = models.execution, models.plan, models.plan_row


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """An attempt of which something was sent: when last, and when its own plan was approved (None if never)."""

    execution_id: str
    attempt: int
    newest_intent: datetime
    decided_at: datetime | None


def one_live_payout_a_row(reading: Reading) -> list[str]:
    """I1: of all attempts of a row at most one is on its way, arrived, or in doubt."""
    alive = func.sum(case((payout.c.state.in_(sorted(LIVE | DOUBTFUL)), 1), else_=0))
    rows = reading.rows(
        select(payout.c.execution_id, payout.c.row_no, alive.label("alive"))
        .where(*_recent(reading), ~counting.dealt_with(reading))
        .group_by(payout.c.execution_id, payout.c.row_no)
        .having(alive > 1)
    )
    return [f"{_item(row)} has {row.alive} payouts that may all arrive" for row in rows]


def never_more_than_approved(reading: Reading) -> list[str]:
    """I2: what was made of an attempt is at most its approved plan, per account and currency."""
    key = payout.c.execution_id, payout.c.attempt, payout.c.account, payout.c.currency
    made = reading.rows(
        select(*key, func.sum(payout.c.amount_minor).label("minor"))
        .where(*_recent(reading), payout.c.provider_id != "")
        .group_by(*key)
    )
    allowed = _planned(reading, [row.execution_id for row in made])
    return [
        f"{row.execution_id}, attempt {row.attempt}: {Money(int(row.minor), row.currency)} was made, "
        f"{Money(allowed.get(tuple(row)[:4], 0), row.currency)} was approved"
        for row in made
        if int(row.minor) > allowed.get(tuple(row)[:4], 0)
    ]


def no_call_without_its_intent(reading: Reading) -> list[str]:
    """I3: nothing was sent for a row that had not said so before."""
    early = or_(payout.c.first_sent_at.is_(None), payout_call.c.at < payout.c.first_sent_at)
    rows = reading.rows(_calls(reading, early).limit(MOST))
    return [f"{_item(row)} was sent before its intent was stored" for row in rows]


def key_and_body_stay(reading: Reading) -> list[str]:
    """I4: within an attempt every sending has the same body, and the key is the one its content gives."""
    changed = [
        f"{_item(row)} was sent with another body than the one stored"
        for row in reading.rows(_calls(reading, payout_call.c.body_hash != payout.c.body_hash).limit(MOST))
    ]
    return changed + [
        f"{_item(row)} has a key that is not its own"
        for row in _every(reading)
        if row.key != rules.idempotency_key(_item(row), row.row_hash, row.attempt)
    ]


def a_new_attempt_is_a_new_approval(reading: Reading) -> list[str]:
    """I5: an attempt follows only a failed one, and what was sent in it was approved by its own plan's hash."""
    before = payout.alias("before")
    same_row = before.c.execution_id == payout.c.execution_id, before.c.row_no == payout.c.row_no
    earlier = and_(before.c.org_id == payout.c.org_id, *same_row, before.c.attempt < payout.c.attempt)
    unfit = reading.rows(
        select(payout.c.execution_id, payout.c.row_no)
        .select_from(payout.join(before, earlier))
        .where(*_recent(reading), before.c.org_id == reading.org_id, before.c.state.not_in(sorted(RETRYABLE)))
        .where(~counting.dealt_with(reading))
    )
    told = [f"{_item(row)} was tried again although an earlier attempt had not failed" for row in unfit]
    return told + [
        f"{row.execution_id}, attempt {row.attempt}, was sent without an approval of its plan"
        for row in _sent_attempts(reading)
        if row.decided_at is None
    ]


def in_doubt_is_no_failure(reading: Reading) -> list[str]:
    """I6: an execution with payouts of any attempt nobody can be sure of is shown neither as failed nor as done."""
    together = and_(execution.c.org_id == payout.c.org_id, execution.c.id == payout.c.execution_id)
    rows = reading.rows(
        select(execution.c.number, func.count().label("many"))
        .select_from(payout.join(execution, together))
        # Of any age: they are few, and none of them may be forgotten.
        .where(payout.c.org_id == reading.org_id, execution.c.org_id == reading.org_id)
        .where(execution.c.state.in_(sorted(FINAL)), payout.c.state.in_(sorted(DOUBTFUL)))
        .group_by(execution.c.number)
    )
    return [f"{row.number} is shown as over with {row.many} payouts in doubt" for row in rows]


def one_worker_at_a_time(reading: Reading) -> list[str]:
    """I7: the calls of a run never go back to an earlier holder's fence."""
    run = payout.c.execution_id, payout.c.attempt
    before = func.max(payout_call.c.fence).over(
        partition_by=run, order_by=(payout_call.c.at, payout_call.c.id), rows=(None, -1)
    )
    columns = (payout.c.execution_id, payout.c.row_no, payout_call.c.fence, before.label("before"))
    calls = _calls(reading, payout_call.c.fence > 0, columns).subquery()
    rows = reading.rows(select(calls).where(calls.c.fence < calls.c.before).limit(MOST))
    return [
        f"{row.execution_id}: a worker that had lost the run (fence {row.fence}) still sent row {row.row_no}"
        for row in rows
    ]


def every_change_is_in_the_log_once(reading: Reading) -> list[str]:
    """I8: the log leads from approved to where each payout stands, one record a step."""
    since = _since(reading)
    columns = (payout.c.id, payout.c.execution_id, payout.c.row_no, payout.c.state)
    rows = reading.rows(select(*columns).where(payout.c.org_id == reading.org_id, payout.c.created_at >= since))
    logged = audit.steps(reading, "payout.", since)
    told = []
    for row in rows:
        steps = [step for step in logged.get(f"payout:{row.id}", ()) if "from" in step]
        chain = [PayoutState.APPROVED.value, *(str(step["to"]) for step in steps)]
        if [str(step["from"]) for step in steps] != chain[:-1] or chain[-1] != row.state:
            told.append(f"{_item(row)} is {row.state}; the log says {' → '.join(chain)}")
    return told


def nothing_after_a_stop(reading: Reading) -> list[str]:
    """I9: no row of an attempt was first sent, and none left in a bank file, after somebody had stopped it."""
    together = and_(execution.c.org_id == payout.c.org_id, execution.c.id == payout.c.execution_id)
    left = _left_at(reading)
    rows = reading.rows(
        select(payout.c.execution_id, payout.c.row_no, left.label("left_at"), execution.c.stopped_at)
        .select_from(payout.join(execution, together))
        .where(*_recent(reading), execution.c.org_id == reading.org_id, execution.c.stopped_at.is_not(None))
        .where(payout.c.attempt == execution.c.attempt, left > execution.c.stopped_at)
    )
    late = (row for row in rows if row.left_at > row.stopped_at + TOLERANCE)
    return [f"{_item(row)} was sent after its execution was stopped" for row in late]


def paid_as_it_was_approved(reading: Reading) -> list[str]:
    """I10: mode, connection and key of what was sent are those of the plan that was approved."""
    same = and_(plan.c.org_id == payout.c.org_id, plan.c.execution_id == payout.c.execution_id)
    differs = or_(
        plan.c.mode != payout.c.mode,
        plan.c.key_fingerprint != payout.c.key_fingerprint,
        func.coalesce(plan.c.connection_id, "") != payout.c.connection_id,
    )
    rows = reading.rows(
        select(payout.c.execution_id, payout.c.row_no)
        .select_from(payout.join(plan, and_(same, plan.c.attempt == payout.c.attempt)))
        .where(*_sent(reading), plan.c.org_id == reading.org_id, differs)
    )
    return [f"{_item(row)} was sent with another mode, connection or key than was approved" for row in rows]


def an_approval_ages(reading: Reading) -> list[str]:
    """I11: nothing was first sent, and no bank file left, on an approval older than approvals may be."""
    lasts = timedelta(seconds=reading.ports.settings.approval_expires_s) + TOLERANCE
    return [
        f"{row.execution_id}, attempt {row.attempt}, was sent on an approval that had aged out"
        for row in _sent_attempts(reading)
        if row.decided_at is not None and row.newest_intent > row.decided_at + lasts
    ]


def one_plan_in_all(reading: Reading) -> list[str]:
    """I12: what all attempts of an execution may bring to the bank is at most the plan of the first that sent anything.

    By account and currency: it holds whatever the rows are called, and trusts no attempt to say which of them count.
    """
    key = payout.c.execution_id, payout.c.account, payout.c.currency
    alive = reading.rows(
        select(*key, func.sum(payout.c.amount_minor).label("minor"))
        .where(*_recent(reading), payout.c.state.in_(sorted(LIVE | DOUBTFUL)), ~counting.dealt_with(reading))
        .group_by(*key)
    )
    ids = [row.execution_id for row in alive]
    sent = payout.c.org_id == reading.org_id, payout.c.execution_id.in_(ids), payout.c.first_sent_at.is_not(None)
    begun = select(payout.c.execution_id, func.min(payout.c.attempt).label("attempt")).where(*sent)
    first = {row.execution_id: row.attempt for row in reading.rows(begun.group_by(payout.c.execution_id))}
    planned = _planned(reading, ids)
    told = []
    for row in alive:
        allowed = planned.get((row.execution_id, first.get(row.execution_id), row.account, row.currency), 0)
        if int(row.minor) > allowed:
            paid, plan_says = Money(int(row.minor), row.currency), Money(allowed, row.currency)
            told.append(f"{row.execution_id}: all attempts together pay {paid}, its plan {plan_says}")
    return told


def the_statement_agrees(reading: Reading) -> list[str]:
    """What the provider's statement shows of a payout is the amount that was asked for, and what failed came back.

    A payout that was paid long ago must be there at all. Payouts are held against it for as long as a bank may give one
    back, however late they arrived.
    """
    out = payout.c.net_minor + func.coalesce(payout.c.fee_minor, 0) != -payout.c.amount_minor
    back = and_(payout.c.returned_minor.is_not(None), payout.c.returned_minor != payout.c.amount_minor)
    # Given back by the statement, and not by the provider when it was asked about the payout after that.
    asked_since = payout.c.followed_at > payout.c.reconciled_at
    kept = and_(payout.c.returned_minor.is_not(None), payout.c.state.in_(sorted(LIVE)), asked_since)
    undone = and_(payout.c.error_code == rules.REVERSED, payout.c.state.in_(sorted(LIVE)))
    differs = and_(payout.c.reconciled_at.is_not(None), or_(out, back, kept))
    rows = reading.rows(
        select(payout.c.execution_id, payout.c.row_no, payout.c.provider_id)
        .where(payout.c.org_id == reading.org_id, payout.c.created_at >= reading.now - IN_STATEMENT)
        .where(or_(differs, undone, _missing(reading)))
        .limit(MOST)
    )
    return [f"{_item(row)} ({row.provider_id}) is not in the provider's statement as it is here" for row in rows]


def _missing(reading: Reading) -> ColumnElement[bool]:
    """Paid for longer than the statement may take to show it; of providers that have one."""
    day = add_business_days(reading.now.date(), -SHOWN_WITHIN_DAYS, NO_COUNTRY)
    before = datetime.combine(day, time.min, UTC)
    tells = execution.c.operation_id.in_(sorted(IN_A_STATEMENT))
    of_one = select(execution.c.id).where(execution.c.org_id == reading.org_id, tells)
    paid = and_(payout.c.state == PayoutState.PAID, payout.c.paid_at < before, payout.c.net_minor.is_(None))
    return and_(paid, payout.c.execution_id.in_(of_one))


def every_payout_is_a_rows(reading: Reading) -> list[str]:
    """No payout that news tells of carries a row of ours without being its payout, unless it came to nothing."""
    return [
        f"{each} at the provider carries {item}, and is not its payout"
        for each, item in strays.unclaimed(reading, _since(reading), news.LOOKED_INTO)
    ]


CHECKS: tuple[Check, ...] = (
    Check(
        "payouts.I1",
        "At most one live payout a row",
        one_live_payout_a_row,
        "The same money may arrive twice. Look both payouts up at the provider and have one of them taken back.",
    ),
    Check(
        "payouts.I2",
        "Never more than was approved",
        never_more_than_approved,
        "More was paid than somebody agreed to. Let no further batch run, and compare its payouts with its plan.",
    ),
    Check(
        "payouts.I3",
        "No call without a stored intent",
        no_call_without_its_intent,
        "After a crash such a call could not have been looked up. Make sure at the provider that it was made once.",
    ),
    Check(
        "payouts.I4",
        "Key and body never change",
        key_and_body_stay,
        "The provider would not know a second sending for the same payout. Look for a second one there.",
    ),
    Check(
        "payouts.I5",
        "A new attempt has its own approval",
        a_new_attempt_is_a_new_approval,
        "Something was paid again that nobody agreed to pay again. Look at the execution's trail in the audit log.",
    ),
    Check(
        "payouts.I6",
        "In doubt is never shown as failed",
        in_doubt_is_no_failure,
        "Money that may still arrive is told as if it were settled. Pay nobody again before those rows are settled.",
    ),
    Check(
        "payouts.I7",
        "One worker a run",
        one_worker_at_a_time,
        "A worker went on after another had taken its run over. Compare the run's payouts with the provider's.",
    ),
    Check(
        "payouts.I8",
        "Every change is in the log once",
        every_change_is_in_the_log_once,
        "A payout or its record was changed past the desk. Verify the audit log, and change nothing until you have.",
    ),
    Check(
        "payouts.I9",
        "Nothing is sent after a stop",
        nothing_after_a_stop,
        "A payout left although somebody had said stop. Ask for it to be taken back while the provider still can.",
    ),
    Check(
        "payouts.I10",
        "Paid by the mode, connection and key that were approved",
        paid_as_it_was_approved,
        "It may have been paid from another account than was agreed to. Look at the connection's trail in the log.",
    ),
    Check(
        "payouts.I11",
        "Approvals age out",
        an_approval_ages,
        "Balances and bank accounts may have changed since it was agreed to. Have the approver look at it again.",
    ),
    Check(
        "payouts.I12",
        "All attempts together pay one plan",
        one_plan_in_all,
        "Two attempts paid the same money under different rows. Have one of the payouts taken back; retry nothing.",
    ),
    Check(
        "payouts.unexpected",
        "No second payout carries a row's name",
        every_payout_is_a_rows,
        "The same money may leave twice. Look the payout up at the provider, and have one of the two taken back there.",
    ),
    Check(
        "payouts.statement",
        "The provider's statement agrees",
        the_statement_agrees,
        "The provider counts another amount than the desk does. Open the payout, and compare both with its own pages.",
    ),
    Check(
        "payouts.booked",
        "The ledger tells the same of every payout",
        bookkeeping.books_agree,
        "Ledger and payouts disagree on where money is. Compare the payout's story with its entries; verify the log.",
    ),
    Check(
        "payouts.fees",
        "The ledger keeps every fee that the statement shows",
        fees.fees_agree,
        "Ledger and statement disagree on what the provider took. Open the payout's entries; verify the log.",
    ),
)


def _every(reading: Reading, page: int = PAGE) -> Iterator[Row[Any]]:
    """What the keys of the window's payouts are made of, all of them, a page at a time."""
    columns = payout.c.id, payout.c.execution_id, payout.c.row_no, payout.c.attempt, payout.c.row_hash, payout.c.key
    wanted = select(*columns).where(*_recent(reading)).order_by(payout.c.id).limit(page)
    rows = reading.rows(wanted)
    while rows:
        yield from rows
        rows = reading.rows(wanted.where(payout.c.id > rows[-1].id))


def _since(reading: Reading) -> datetime:
    return reading.now - WINDOW


def _recent(reading: Reading) -> tuple[Any, ...]:
    return payout.c.org_id == reading.org_id, payout.c.created_at >= _since(reading)


def _sent(reading: Reading) -> tuple[Any, ...]:
    return (*_recent(reading), payout.c.first_sent_at.is_not(None))


def _left_at(reading: Reading) -> Any:
    """The intent that let a payout go: of the bank file it left in, else of its first sending."""
    mine = payout_call.c.org_id == reading.org_id, payout_call.c.payout_id == payout.c.id
    exported = select(func.max(payout_call.c.at)).where(*mine, payout_call.c.kind == "export")
    return func.coalesce(exported.correlate(payout).scalar_subquery(), payout.c.first_sent_at)


def _calls(reading: Reading, condition: Any, columns: Sequence[Any] = ()) -> Any:
    """Sendings that meet a condition, with the payout they were of."""
    together = and_(payout_call.c.org_id == payout.c.org_id, payout_call.c.payout_id == payout.c.id)
    wanted = columns or (payout.c.execution_id, payout.c.row_no)
    mine = payout_call.c.org_id == reading.org_id, payout_call.c.kind == "submit"
    return select(*wanted).select_from(payout_call.join(payout, together)).where(*_recent(reading), *mine, condition)


def _sent_attempts(reading: Reading) -> list[SentAttempt]:
    key = payout.c.execution_id, payout.c.attempt
    newest = func.max(_left_at(reading)).label("newest_intent")
    sent = reading.rows(select(*key, newest).where(*_sent(reading)).group_by(*key))
    same = and_(approval_request.c.org_id == plan.c.org_id, approval_request.c.content_hash == plan.c.hash)
    about = and_(same, approval_request.c.subject_id == plan.c.execution_id)
    by = and_(
        approval_decision.c.org_id == approval_request.c.org_id,
        approval_decision.c.request_id == approval_request.c.id,
        approval_decision.c.content_hash == plan.c.hash,
    )
    joined = plan.join(approval_request, about).join(approval_decision, by)
    decided = reading.rows(
        select(plan.c.execution_id, plan.c.attempt, func.max(approval_decision.c.at).label("at"))
        .select_from(joined)
        .where(plan.c.org_id == reading.org_id, approval_request.c.org_id == reading.org_id)
        .where(approval_decision.c.org_id == reading.org_id, approval_decision.c.decision == "approved")
        .where(plan.c.execution_id.in_([row.execution_id for row in sent]))
        .group_by(plan.c.execution_id, plan.c.attempt)
    )
    at = {(row.execution_id, row.attempt): row.at for row in decided}
    return [
        SentAttempt(row.execution_id, row.attempt, row.newest_intent, at.get((row.execution_id, row.attempt)))
        for row in sent
    ]


def _planned(reading: Reading, execution_ids: Sequence[str]) -> Mapping[tuple[Any, ...], int]:
    """What the plans of some executions pay in minor units, by execution, attempt, account and currency."""
    key = plan.c.execution_id, plan.c.attempt, plan_row.c.account, plan_row.c.currency
    together = and_(plan_row.c.org_id == plan.c.org_id, plan_row.c.plan_id == plan.c.id)
    rows = reading.rows(
        select(*key, func.sum(plan_row.c.amount_minor).label("minor"))
        .select_from(plan.join(plan_row, together))
        .where(plan.c.org_id == reading.org_id, plan.c.execution_id.in_(sorted(set(execution_ids))))
        .group_by(*key)
    )
    return {tuple(row)[:4]: int(row.minor) for row in rows}


def _item(row: Any) -> str:
    return rules.item_id(row.execution_id, row.row_no)
