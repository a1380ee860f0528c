"""Carries out a batch: row by row, intent, call, outcome; unsettled rows are looked up before anything is sent again.

Called again after a crash it goes on where the rows stand. It never holds a transaction during a call.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.operation import LogLevel, RunContext
from finops_core.kernel.provider import Answer, OurFault, Rejected, RetryLater, Scope
from finops_core.operations.engine import stop_requested
from finops_core.payouts import rules, service
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import LookUp, PayoutState
from finops_core.platform.ports import PayoutProvider

RESENDS = 3
PATIENCE = 8
PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
_DONE = frozenset(PayoutState) - {PayoutState.APPROVED, PayoutState.SUBMITTING, PayoutState.IN_DOUBT}


@dataclass
class Batch:
    """One batch under way.

    Attributes:
        stopped_currencies: account and currency pairs whose rest is not sent, and why.
        halted: why nothing more is sent at all; "" while all is well.
        provider_s: seconds spent waiting for the provider, to tell them from our own.
    """

    context: RunContext
    provider: PayoutProvider
    sleep: Callable[[float], None] = time.sleep
    stopped_currencies: dict[tuple[str, str], str] = field(default_factory=dict)
    halted: str = ""
    provider_s: float = 0.0

    def settle(self, rows: tuple[Unsettled, ...]) -> None:
        """Bring every row as far as it can come now."""
        total = len(rows)
        self.context.progress(0, total, "Paying")
        for index, row in enumerate(rows, start=1):
            if row.state not in _DONE:
                state = self._settle_row(row)
                level = LogLevel.INFO if state is PayoutState.CREATED else LogLevel.WARN
                self.context.log(level, f"Row {row.row_no}: {state.value.replace('_', ' ')}.", row=row.row_no)
            self.context.progress(index, total, f"{index} of {total} rows")
        waited_ms = round(self.provider_s * 1000)
        self.context.log(LogLevel.INFO, f"Waited {waited_ms:,} ms for the provider.", provider_ms=waited_ms)

    def _settle_row(self, row: Unsettled) -> PayoutState:
        if row.state in rules.UNSETTLED:
            return self._look_up(self._doubted(row), RESENDS)
        why = self.halted or self.stopped_currencies.get((row.account, row.currency), "")
        with self.context.unit() as work:
            if why:
                return service.call_off(work, row, why)
            if not service.intend(work, row):
                return PayoutState.CANCELED
            sent_at = work.now
        return self._send(replace(row, state=PayoutState.SUBMITTING, first_sent_at=sent_at), RESENDS)

    def _doubted(self, row: Unsettled) -> Unsettled:
        """A row found SUBMITTING was being sent when its run died: whatever is said next, it may have been executed."""
        if row.state is not PayoutState.SUBMITTING:
            return row
        with self.context.unit() as work:
            state = service.doubt(work, row, "The run was interrupted while it was being sent.")
        return replace(row, state=state)

    def _send(self, row: Unsettled, resends: int) -> PayoutState:
        answer = self._submit(row)
        for turn in range(PATIENCE):
            if not isinstance(answer, RetryLater):
                break
            self.context.log(LogLevel.WARN, f"Row {row.row_no}: the provider asks to wait.", why=answer.why)
            self.sleep(min(max(answer.after_s, PAUSE_S) * 2**turn, LONGEST_PAUSE_S))
            if self._stopped(row):
                return self._after_stop(row)
            answer = self._submit(row)
        if isinstance(answer, RetryLater):
            # Never executed, yet the key was used: leave it unsettled, so that it is looked up before a new try.
            return row.state
        with self.context.unit() as work:
            state = service.record_answer(work, row, answer)
        self._draw_consequences(row, answer)
        if state is PayoutState.IN_DOUBT and resends > 0:
            self.sleep(PAUSE_S * 2 ** (RESENDS - resends))
            return self._look_up(replace(row, state=state), resends - 1)
        return state

    def _stopped(self, row: Unsettled) -> bool:
        """Asked before every call but the first, whose intent has just asked: no call starts after a stop."""
        with self.context.unit() as work:
            return stop_requested(work, row.execution_id)

    def _after_stop(self, row: Unsettled) -> PayoutState:
        """The provider said "not now" and then came the stop: a row that was never in doubt was never executed."""
        if row.state is not PayoutState.SUBMITTING:
            return row.state
        with self.context.unit() as work:
            return service.call_off(work, row, "stopped before it was executed")

    def _submit(self, row: Unsettled) -> Answer:
        body = service.body_of(self.context, row)
        started = time.perf_counter()
        answer = self.provider.submit(row.account, body, row.key)
        self.provider_s += time.perf_counter() - started
        return answer

    def _look_up(self, row: Unsettled, resends: int) -> PayoutState:
        """What became of a row nobody can be sure of; only when the provider knows nothing is it sent again."""
        sent_at = row.first_sent_at or self.context.now()
        margin = timedelta(seconds=self.context.ports.settings.payout_lookup_margin_s)
        item = rules.item_id(row.execution_id, row.row_no)
        wanted = {rules.META_ITEM: item, rules.META_ATTEMPT: str(row.attempt)}
        try:
            found = self.provider.find(row.account, wanted, sent_at - margin)
        except FinOpsError as error:
            self.context.log(LogLevel.WARN, f"Row {row.row_no}: the look-up failed.", code=error.code)
            return row.state
        verdict = rules.judge(
            found,
            amount_minor=row.amount_minor,
            currency=row.currency,
            sent_at=sent_at,
            now=self.context.now(),
            lifetime_s=self.provider.capabilities().key_lifetime_s,
        )
        if verdict is LookUp.RESEND:
            return row.state if resends == 0 or self._stopped(row) else self._send(row, resends)
        with self.context.unit() as work:
            if verdict is LookUp.FOUND:
                return service.adopt(work, row, found[0])
            if verdict is LookUp.TWICE:
                self.halted = "two payouts were found for one row"
                return service.review(work, row, f"The provider lists {len(found)} payouts for this row.")
            return service.review(work, row, "Nobody can say any more whether it was sent; look at the provider.")

    def _draw_consequences(self, row: Unsettled, answer: Answer) -> None:
        if isinstance(answer, OurFault):
            self.halted = "the provider says a key was used for something else"
        elif isinstance(answer, Rejected) and answer.scope is Scope.BATCH:
            self.halted = f"the provider refused: {answer.code}"
        elif isinstance(answer, Rejected) and answer.scope is Scope.CURRENCY:
            self.stopped_currencies[row.account, row.currency] = f"the provider refused: {answer.code}"
