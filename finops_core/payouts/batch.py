"""Carries out a batch: row by row, intent, call, outcome; unsettled rows are looked up before anything is sent again.

Called again after a crash it goes on where the rows stand, with what it had learnt: an answer that stopped the batch
or a currency stands in its row. It never holds a transaction during a call.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from finops_core import connections
from finops_core.kernel.clock import Clock
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.operation import LogLevel, RunContext
from finops_core.kernel.provider import Answer, Created, OurFault, Rejected, RetryLater, Scope, Unknown
from finops_core.operations.admission import AGED
from finops_core.operations.engine import stop_requested
from finops_core.payouts import attempts, look_up, rules, service, strays
from finops_core.payouts.pacing import Pacing
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rules import LookUp, PayoutState
from finops_core.payouts.service import Called
from finops_core.payouts.strays import Stray
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.work import Work

RESENDS = 3
# So many payouts that news tells of are looked at before one row is sent; more are no accident.
OTHERS = 20
PATIENCE = 8
PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
SLICE_S = 1.0
_S = PayoutState


@dataclass
class Batch:
    """One batch under way.

    The unit that records a clear answer also stores the intent of the next row, when that may go at once: one commit a
    row instead of two, and the intent is as safe before its call as ever.

    Attributes:
        halted: why nothing more is sent at all; "" while all is well.
        stopped: account and currency pairs whose rest is not sent, and why.
        provider_s: seconds spent waiting for the provider; ``paced_s`` for its sake. The rest is our own.
    """

    context: RunContext
    provider: PayoutProvider
    halted: str = ""
    stopped: dict[tuple[str, str], str] = field(default_factory=dict)
    provider_s: float = 0.0
    paced_s: float = 0.0

    def __post_init__(self) -> None:
        self._ahead: Unsettled | None = None
        self._intended: dict[str, Unsettled] = {}
        settings = self.context.ports.settings
        rate = min(settings.payout_rate_per_s, self.provider.capabilities().rate_per_s)
        self._clock: Clock = self.context.ports.clock
        self._ours_at = self._clock.now(), self._clock.monotonic()
        self._pacing = Pacing(rate, settings.payout_burst, self._clock)

    def settle(self, rows: tuple[Unsettled, ...]) -> None:
        """Bring every row as far as it can come now."""
        total = len(rows)
        self._remember(rows)
        self.context.progress(0, total, "Paying")
        for index, row in enumerate(rows, start=1):
            self._ahead = rows[index] if index < total and rows[index].state is _S.APPROVED else None
            if row.state in {_S.APPROVED, *rules.UNSETTLED}:
                self._tell(row, self._settle_row(row))
            self.context.progress(index, total, f"{index} of {total} payouts")
        waited_ms, paced_ms = round(self.provider_s * 1000), round(self.paced_s * 1000)
        told = f"Waited {waited_ms:,} ms for the provider and {paced_ms:,} ms for its limits."
        self.context.log(LogLevel.INFO, told, provider_ms=waited_ms, paced_ms=paced_ms)

    def _remember(self, rows: tuple[Unsettled, ...]) -> None:
        """What an earlier run of this attempt had learnt: its answers stop what they stopped then."""
        if self.context.wind_down is not None:
            self.halted = self.context.wind_down[1]
        for row in rows:
            self._heed(row.stops, row, row.error_code)

    def _heed(self, stops: str, row: Unsettled, code: str) -> None:
        if stops == Scope.BATCH:
            self.halted = self.halted or f"The batch was stopped: {code} on row {row.row_no}."
        elif stops == Scope.CURRENCY:
            self.stopped[row.account, row.currency] = f"{row.currency} was stopped: {code} on row {row.row_no}."

    def _tell(self, row: Unsettled, state: PayoutState) -> None:
        level = LogLevel.INFO if state in rules.LIVE else LogLevel.WARN
        self.context.log(level, f"Row {row.row_no}: {rules.words(state)}.", row=row.row_no)

    def _settle_row(self, row: Unsettled) -> PayoutState:
        if row.state in rules.UNSETTLED:
            return self._resolve(self._doubted(row))
        intended = self._intended.pop(row.id, None)
        if intended is None:
            why = self._why_not(row)
            if why:
                with self._unit() as work:
                    return service.call_off(work, row, why, self._called_off_as())
            self._pace(row)
            intended = self._intend(row)
        return self._send(intended) if intended.state is _S.SUBMITTING else intended.state

    def _intend(self, row: Unsettled) -> Unsettled:
        """The intent of a row; payouts of which news tells that they may pay it are looked at first."""
        for _ in range(OTHERS):
            with self._unit() as work:
                intended = service.intend(work, row)
                if intended.state is not _S.APPROVED:
                    return intended
                other = strays.of_rows(work, row.execution_id, [row.row_no]).get(row.row_no)
            if other is not None and not self._look_at(other, row):
                break
        with self._unit() as work:
            return service.intend(work, row, asked=True)

    def _look_at(self, other: Stray, row: Unsettled) -> bool:
        """Ask the provider about another payout for a row; whether it answered."""
        with self._unit() as work:
            credentials = connections.credentials(work, other.connection_id)
        started = time.perf_counter()
        try:
            told = strays.ask(self.context.ports.provider(credentials), other, row)
        except FinOpsError as error:
            self.context.log(LogLevel.WARN, f"Row {row.row_no}: {other.payout_id} cannot be read.", code=error.code)
            return False
        finally:
            self.provider_s += time.perf_counter() - started
        with self._unit() as work:
            strays.note(work, other, told)
        return True

    def _why_not(self, row: Unsettled) -> str:
        return self.halted or self.stopped.get((row.account, row.currency), "")

    def _called_off_as(self) -> PayoutState:
        wind_down = self.context.wind_down
        return _S.EXPIRED if wind_down is not None and wind_down[0] == AGED else _S.CANCELED

    def _doubted(self, row: Unsettled) -> Unsettled:
        """A row found SUBMITTING was being sent when its run died: whatever is said next, it may have been executed."""
        if row.state is not _S.SUBMITTING:
            return row
        with self._unit() as work:
            state = service.doubt(work, row, "The run was interrupted while it was being sent.")
        return replace(row, state=state)

    def _send(self, row: Unsettled) -> PayoutState:
        """The first sending of a row. Turned away unexecuted (429) it may go again; in doubt it is looked up first."""
        for turn in range(PATIENCE):
            why = self._may_not(row) if turn or self._slept() else ""
            if why:
                return self._call_off(row, why)
            state, answer = self._submit(row)
            if state is _S.IN_DOUBT:
                self._clock.sleep(PAUSE_S)
                return self._resolve(replace(row, state=state))
            if not isinstance(answer, RetryLater):
                return state
            self.context.log(LogLevel.WARN, f"Row {row.row_no}: the provider asks to wait.", why=answer.why)
            self._wait(min(max(answer.after_s, PAUSE_S) * 2**turn, LONGEST_PAUSE_S))
            self._pace(row)
        return self._call_off(row, "The provider had no room for it; it was never executed.")

    def _call_off(self, row: Unsettled, why: str) -> PayoutState:
        with self._unit() as work:
            return service.call_off(work, row, why)

    def _resolve(self, row: Unsettled) -> PayoutState:
        """A row in doubt: looked up, and sent again only when the provider knows nothing of it; a few times at most."""
        for turn in range(RESENDS + 1):
            verdict, state = self._look_up(row)
            if verdict is not LookUp.RESEND or self.halted or turn == RESENDS or self._held(row):
                return state
            if not self._key_is_known(row):
                continue  # the machine slept since it looked: what was not there then may be by now
            state, _ = self._submit(row)
            if state is not _S.IN_DOUBT:
                return state
            self._wait(PAUSE_S * 2**turn)
        return row.state

    def _key_is_known(self, row: Unsettled) -> bool:
        now = self.context.now()
        return rules.key_is_known(row.first_sent_at or now, now, self.provider.capabilities().key_lifetime_s)

    def _look_up(self, row: Unsettled) -> tuple[LookUp | None, PayoutState]:
        """What became of a row nobody can be sure of; a verdict of None when the provider did not answer."""
        started = time.perf_counter()
        try:
            found = look_up.ask(self.provider, row, self.context.now(), self.context.ports.settings)
        except FinOpsError as error:
            self.context.log(LogLevel.WARN, f"Row {row.row_no}: the look-up failed.", code=error.code)
            return None, row.state
        finally:
            self.provider_s += time.perf_counter() - started
        with self._unit() as work:
            verdict, state = look_up.conclude(work, row, found, self.provider, fence=self.context.fence)
        if verdict is LookUp.TWICE:
            self.halted = f"Two payouts were found for row {row.row_no}."
        elif verdict is LookUp.OTHER:
            self.halted = f"A payout that is not what was asked for was found for row {row.row_no}."
        return verdict, state

    @contextmanager
    def _unit(self) -> Iterator[Work]:
        """One unit of the run, which is surely ours as it begins."""
        self._ours_at = self._clock.now(), self._clock.monotonic()
        with self.context.unit() as work:
            yield work

    def _slept(self) -> bool:
        """Whether the process slept since its last unit: then nothing it knew by it, its intent neither, is enough.

        A machine that was paused can have lost the run long ago, or slept through a stop.
        """
        at, steady_s = self._ours_at
        slept_s: float = max(abs((self._clock.now() - at).total_seconds()), self._clock.monotonic() - steady_s)
        long_s: float = min(SLICE_S, self.context.ports.settings.job_lease_s / 3)
        return slept_s > long_s

    def _submit(self, row: Unsettled) -> tuple[PayoutState, Answer]:
        body = service.body_of(self.context, row)
        bucket = self._pacing.of(row.account)
        bucket.take()
        started = time.perf_counter()
        answer = self.provider.submit(row.account, body, row.key)
        spent_s = time.perf_counter() - started
        self.provider_s += spent_s
        if isinstance(answer, RetryLater) and not answer.executing:
            bucket.slow_down()
        else:
            bucket.speed_up()
        called = Called(
            "submit",
            _OUTCOMES[type(answer)],
            _told(answer),
            answer.request_id,
            answer.raw,
            round(spent_s * 1000),
            self.context.fence,
            row.body_hash,
        )
        if isinstance(answer, OurFault):
            self._heed(Scope.BATCH, row, "the provider says its key was used for something else")
        elif isinstance(answer, Rejected):
            self._heed(answer.scope, row, answer.code)
        with self._unit() as work:
            state = service.record_answer(work, row, answer, called)
            ahead = self._may_follow(state)
            intended = service.intend(work, ahead) if ahead else None
        if intended is not None and intended.state is not _S.APPROVED:
            self._intended[intended.id] = intended
        return state, answer

    def _may_follow(self, state: PayoutState) -> Unsettled | None:
        """The next row, if this one is settled and that one may be sent without a pause."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or state in rules.UNSETTLED or self._why_not(ahead):
            return None
        return ahead if self._pacing.of(ahead.account).due_in_s() <= 0 else None

    def _may_not(self, row: Unsettled) -> str:
        """Why it must not be sent now, "" when it may.

        Asked before every call but one whose intent has just asked: none starts after a stop, in a lost run, or when
        another attempt may have paid the row after all.
        """
        with self._unit() as work:
            if stop_requested(work, row.execution_id):
                return "Stopped before it was executed."
            attempt = attempts.paid_otherwise(work, row)
        return "" if attempt is None else f"Not executed: attempt {attempt} may have paid it after all."

    def _held(self, row: Unsettled) -> bool:
        """Whether a row in doubt is not sent again: as any call, or while a payout made elsewhere may pay it."""
        if self._may_not(row):
            return True
        with self._unit() as work:
            return bool(strays.of_rows(work, row.execution_id, [row.row_no]))

    def _pace(self, row: Unsettled) -> None:
        wait_s = self._pacing.of(row.account).due_in_s()
        if wait_s > 0:
            self.paced_s += wait_s
            self._wait(wait_s)

    def _wait(self, seconds: float) -> None:
        """Sleep, in slices, and no longer once somebody asked to stop."""
        while seconds > 0 and not self.context.stop_requested():
            self._clock.sleep(min(seconds, SLICE_S))
            seconds -= SLICE_S


_OUTCOMES = {
    Created: "created",
    Rejected: "rejected",
    RetryLater: "later",
    Unknown: "unknown",
    OurFault: "our fault",
}


def _told(answer: Answer) -> str:
    if isinstance(answer, Created):
        return answer.payout.id
    if isinstance(answer, Rejected):
        return f"{answer.code}: {answer.message}"
    return answer.message if isinstance(answer, OurFault) else answer.why
