"""A state machine over batches, their provider, its news, the clock, people, crashes and bad answers.

Everything is real but time: the desk on its database, the provider's sandbox behind the real SDK. After each step the
standing checks find nothing, and the oracle agrees.
"""

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from finops_core import connections, operations, payouts, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.catalog.jobs import JOBS
from finops_core.desk import Desk, open_desk
from finops_core.kernel.actor import system_actor, webhook_actor, worker_actor
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.provider import Mode, ProviderEvent
from finops_core.operations import State
from finops_core.platform.db import open_owner_engine
from finops_core.platform.settings import Settings
from finops_core.worker.main import Worker
from tests import inline
from tests.desks import settings_for
from tests.payouts.walks import HARBOUR, act, provider, rows_of, violations
from tests.properties.oracle import Oracle
from tests.sandbox import start_sandbox
from tests.world import COMPANY, World, running_world

# A Tuesday far ahead: later than whatever was prepared by the machine's clock, and the same in every run.
START = datetime(2040, 1, 3, 9, 0, tzinfo=UTC)
CURRENCIES = ("USD", "EUR", "JPY")
LEAVE_OUT = {"unpayable": "leave the row out"}
BATCHES = 5
JOBS_AT_ONCE = 60
DAY_S = 24 * 3600
# No bank gives anything back of what was made long ago.
LATELY_S = 14 * DAY_S
POST_FAULTS = (
    FaultKind.RESET_BEFORE,
    FaultKind.RESET_AFTER,
    FaultKind.ERROR_BEFORE,
    FaultKind.ERROR_AFTER,
    FaultKind.RATE_LIMIT,
    FaultKind.CONFLICT,
    FaultKind.HALF_BODY,
    FaultKind.BAD_JSON,
    FaultKind.BALANCE_INSUFFICIENT,
    FaultKind.FORBIDDEN,
)
GET_FAULTS = (FaultKind.RESET_BEFORE, FaultKind.ERROR_BEFORE, FaultKind.BAD_JSON, FaultKind.RATE_LIMIT)
LATER = {"pending": ("in_transit", "failed", "canceled"), "in_transit": ("paid", "failed"), "paid": ("failed",)}
# What these say of a row whose provider contradicted itself is true, and for people.
CONTRADICTIONS = {"payouts.I1", "payouts.I5", "payouts.I12", "payouts.statement"}
REPAIRS = (payouts.retry, payouts.send_on, payouts.ask_cancel, operations.replan)
pick = st.integers(0, 11)


class Died(BaseException):
    """The process is gone: nothing catches it but the machine."""


class TickingClock(ManualClock):
    """Stands still but for a millisecond at each look, so that no two things happen at the same instant."""

    def now(self) -> datetime:
        self.advance(timedelta(milliseconds=1))
        return super().now()


@dataclass(frozen=True)
class Unticked:
    """The same clock for somebody whose looking does not move it."""

    clock: ManualClock

    def now(self) -> datetime:
        return ManualClock.now(self.clock)

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


@dataclass(frozen=True)
class Event:
    """What happens at the n-th unit of work from now.

    The worker dies: as the unit begins (after the call before it), before its commit, or after it. Or somebody stops
    what runs, between two units.
    """

    unit: int
    when: str


BEGIN, COMMIT, KEPT, STOP, NEVER = "as it begins", "before its commit", "after its commit", "stopped", "never"
events = st.builds(Event, st.integers(1, 30), st.sampled_from((NEVER, BEGIN, COMMIT, KEPT, STOP)))
# The units of a run, from the one that stores its rows to the one that keeps the last outcome, and a few around them.
MIDST = st.integers(4, 11)
_on_calls = st.builds(Fault, st.sampled_from(POST_FAULTS), nth=st.integers(1, 3), times=st.sampled_from((1, 2, 9)))
_on_look_ups = st.builds(
    Fault,
    st.sampled_from(GET_FAULTS),
    method=st.just("GET"),
    path=st.just("/v1/payouts*"),
    times=st.sampled_from((1, 2, 9)),
)
bad_days = st.one_of(st.none(), _on_calls, _on_calls, _on_look_ups)


class EventfulDesk(Desk):
    """A desk at whose units things happen."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.settings, desk.database, desk.ports)
        self._event: Event | None = None
        self._stop: Callable[[], None] | None = None
        self._count = 0

    def arm(self, event: Event | None, stop: Callable[[], None] | None) -> None:
        self._event, self._stop, self._count = event, stop, 0

    @contextmanager
    def work(self, actor: Any) -> Iterator[Any]:
        self._count += 1
        self._happen(BEGIN)
        with super().work(actor) as work:
            yield work
            self._happen(COMMIT)
        self._happen(KEPT)
        if self._event == Event(self._count, STOP) and self._stop is not None:
            self._event = None  # whoever stops needs units of their own
            self._stop()

    def _happen(self, when: str) -> None:
        if self._event == Event(self._count, when):
            raise Died


@dataclass(frozen=True)
class Template:
    """A prepared world that each example gets a copy of; ``settings`` point at the copy."""

    folder: Path
    port: int
    orgs: Mapping[str, str]
    people: Mapping[str, str]


@cache
def template() -> Template:
    kept = tempfile.TemporaryDirectory(prefix="tieout-machine-")
    _KEPT.append(kept)
    folder = Path(kept.name) / "world"
    folder.mkdir()
    with running_world(folder) as world:
        port = int(world.sandbox.url.rpartition(":")[2])
        return Template(folder, port, world.orgs, world.people)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def settings_of(folder: Path, port: int) -> Settings:
    url = f"http://127.0.0.1:{port}"
    return settings_for(folder, demo=True, demo_file=COMPANY, stripe_sandbox_url=url)


@contextmanager
def copied_world() -> Iterator[World]:
    """A fresh copy of the template, with a clock of its own, and a desk that can die."""
    made, clock = template(), TickingClock(START)
    with ExitStack() as stack:
        parent = stack.enter_context(tempfile.TemporaryDirectory(prefix="tieout-example-"))
        folder = Path(shutil.copytree(made.folder, Path(parent) / "world"))
        sandbox = start_sandbox(folder, made.port, Unticked(clock))
        stack.callback(sandbox.stop)
        stack.callback(sandbox.forgive)
        desk = stack.enter_context(open_desk(settings_of(folder, made.port), clock=clock))
        yield World(EventfulDesk(desk), sandbox, dict(made.orgs), dict(made.people))


class PayoutMachine(RuleBasedStateMachine):
    """Each example is a small company's bad week."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.world = self._stack.enter_context(self.make_world())
        self.owner = open_owner_engine(self.world.desk.settings)
        self._stack.callback(self.owner.dispose)
        self.oracle = Oracle(Counter(self.available()))
        self.executions: list[str] = []
        self.by_hand: list[str] = []
        self.closed: list[tuple[Any, ...]] = []
        self.events = 0
        self.broken = False

    def make_world(self) -> Any:
        return copied_world()

    def teardown(self) -> None:
        try:
            if not self.broken:
                self.everything_comes_to_an_end()
        finally:
            self._stack.close()

    # --- what happens

    @initialize(bad=bad_days, event=events)
    def one_batch_went_out(self, bad: Fault | None, event: Event) -> None:
        self.batch_goes_out((True, True, True), (100, 100, 100), bad, event)

    @precondition(lambda self: len(self.executions) < BATCHES)
    @rule(rows=st.tuples(*[st.booleans()] * 3), amounts=st.tuples(*[st.sampled_from((100, 250))] * 3))
    def batch_is_asked_for(self, rows: tuple[bool, ...], amounts: tuple[int, ...]) -> None:
        """Somebody plans and submits a batch; a row that cannot be paid is to be left out."""
        lines = [f"{code},{amount}" for code, wanted, amount in zip(CURRENCIES, rows, amounts, strict=True) if wanted]
        file = "\n".join(["currency,maximum", *lines, ""])
        drafted = self.tried(lambda: self.world.draft(file, params=LEAVE_OUT, reason="the next one"))
        if isinstance(drafted, operations.Drafted):
            self.executions.append(drafted.execution_id)
            self.work_off()
            self.submit(len(self.executions) - 1)

    @precondition(lambda self: len(self.executions) < BATCHES)
    @rule(
        rows=st.tuples(*[st.booleans()] * 3),
        amounts=st.tuples(*[st.sampled_from((100, 250))] * 3),
        bad=bad_days,
        event=events,
    )
    def batch_goes_out(self, rows: tuple[bool, ...], amounts: tuple[int, ...], bad: Fault | None, event: Event) -> None:
        """The same, approved at once, on a day that may be bad for a worker that may die."""
        self.batch_is_asked_for(rows, amounts)
        self.next_step(len(self.executions) - 1, agreed=True)
        if bad is not None:
            self.world.sandbox.control.fault(bad)
        self.work(event)

    @precondition(lambda self: len(self.executions) < BATCHES)
    @rule(unit=MIDST, when=st.sampled_from((BEGIN, COMMIT, KEPT)), forgets=st.booleans())
    def batch_is_left_for_a_day(self, unit: int, when: str, forgets: bool) -> None:
        """Its worker dies in the midst of it, and nobody goes on before its approval has grown old."""
        self.batch_goes_out((True, True, True), (100, 100, 100), None, Event(unit, when))
        self.nothing_is_wrong()
        self.time_passes(25, forgets)
        self.work_off()

    @precondition(lambda self: len(self.executions) < BATCHES)
    @rule(unit=MIDST, when=st.sampled_from((BEGIN, COMMIT, KEPT)), closed=st.sampled_from((None, *CURRENCIES)))
    def approver_leaves(self, unit: int, when: str, closed: str | None) -> None:
        """Its worker dies in the midst of it, and who had approved it is away as another one goes on.

        Back again they decide on a new plan, in which a row may be missing, so that the others are counted anew.
        """
        self.batch_goes_out((True, True, True), (100, 100, 100), None, Event(unit, when))
        self.employ("ben", active=False)
        self.work_off()
        self.employ("ben", active=True)
        if closed is not None:
            self.bank_account_closes(closed)
        self.nothing_is_wrong()
        self.plan_anew(len(self.executions) - 1)
        self.bank_accounts_open_again()

    def plan_anew(self, index: int) -> None:
        """Its preparer has it planned again, as a whole, and it is approved."""
        execution_id = self.executions[index]
        if self.tried(lambda: act(self.world, operations.replan, execution_id)):
            self._repaired(index, operations.replan)
            self.work_off()

    def bank_account_closes(self, code: str) -> None:
        """At the provider; payouts in the currency have nowhere to go."""
        with closing(sqlite3.connect(self.world.sandbox.database)) as store, store:
            for row in store.execute("SELECT * FROM bank_account WHERE currency = ?", (code.lower(),)):
                self.closed.append(tuple(row))
            store.execute("DELETE FROM bank_account WHERE currency = ?", (code.lower(),))

    def bank_accounts_open_again(self) -> None:
        with closing(sqlite3.connect(self.world.sandbox.database)) as store, store:
            for row in self.closed:
                store.execute(f"INSERT INTO bank_account VALUES ({', '.join('?' * len(row))})", row)
        self.closed.clear()

    @rule(index=pick, agreed=st.sampled_from((True, True, True, False)))
    def next_step(self, index: int, agreed: bool) -> None:
        """Whatever plan there is by now is submitted, and an approver looks at it and decides."""
        self.submit(index)
        seen = self.execution(index)
        if seen is None or seen.state is not State.AWAITING_APPROVAL:
            return
        with self.world.desk.read(self.world.actor("ben")) as reading:
            plan = operations.plan(reading, seen.id)
        assert plan is not None
        self.tried(lambda: self.world.decide(seen, "approved" if agreed else "rejected"))
        if self.world.execution(seen.id).state is State.QUEUED:
            rows = {int(row.body["no"]): (row.currency, row.amount_minor) for row in plan.rows}
            self.oracle.approved((seen.id, seen.attempt), rows, self.now())

    @rule(event=events)
    def work(self, event: Event) -> None:
        """A worker does what is due; it may die over it, or be told to stop."""
        desk = self.world.desk
        assert isinstance(desk, EventfulDesk)
        desk.arm(event, self.stop_what_runs)
        try:
            self.work_off()
        except Died:
            self.seen[f"died {event.when}"] += 1
        finally:
            desk.arm(None, None)

    @rule(bad=bad_days.filter(bool))
    def bad_day(self, bad: Fault) -> None:
        """The provider will not be itself."""
        self.world.sandbox.control.fault(bad)

    @rule()
    def good_answers_again(self) -> None:
        self.world.sandbox.control.post("reset", {"only": ["fault"]})

    @rule(moves=st.lists(st.tuples(pick, pick), min_size=1, max_size=5), told=st.booleans())
    def the_bank_acts(self, moves: list[tuple[int, int]], told: bool) -> None:
        """Payouts go on their way, arrive, or come back; and the news of it is heard, or is lost."""
        for index, step in moves:
            made = [each for each in self.payouts() if each["status"] in LATER]
            if made:
                one = made[index % len(made)]
                steps = LATER[one["status"]]
                self.world.sandbox.control.transition(one["id"], steps[step % len(steps)], account=HARBOUR)
                if one["status"] == "paid" and self.now().timestamp() - one["created"] < LATELY_S:
                    self.oracle.returned[one["id"]] = self.now()
                if told:
                    self._hear("updated", one)
        if told:
            self.work_off()

    @rule(index=pick, kind=st.sampled_from(("created", "updated", "paid", "failed", "canceled")), copies=pick)
    def news(self, index: int, kind: str, copies: int) -> None:
        """News of any payout, true or not any more, perhaps the same once more."""
        made = self.payouts()
        if not made:
            return
        self._hear(kind, made[index % len(made)], again=copies % 3 == 0)

    @precondition(lambda self: self.executions)
    @rule(index=pick, row_no=st.integers(1, 3), kind=st.sampled_from(("created", "paid", "canceled")))
    def forged_news(self, index: int, row_no: int, kind: str) -> None:
        """Somebody with the secret tells of a payout that never was, and that is said to carry a row."""
        item = f"{self.executions[index % len(self.executions)]}:{row_no}"
        self._hear(kind, {"id": f"po_sbx_forged{self.events}", "metadata": {"fod_item": item}})
        self.seen["forged"] += 1

    def _hear(self, kind: str, about: Mapping[str, Any], *, again: bool = False) -> None:
        self.events += not again
        event = ProviderEvent(
            f"evt_sbx_{self.events}", f"payout.{kind}", "", about["id"], about["metadata"], Mode.TEST, self.now()
        )
        with self.world.desk.work(webhook_actor(self.org)) as work:
            payouts.take_news(work, connections.receiver(work, self.connection_id).connection_id, [(event, b"{}")])

    @rule(hours=st.sampled_from((0.1, 1, 12, 25, 25, 96)), forgets=st.booleans())
    def time_passes(self, hours: float, forgets: bool) -> None:
        """For everybody; a provider may forget keys that are a day old."""
        clock = self.world.desk.ports.clock
        assert isinstance(clock, ManualClock)
        clock.advance(timedelta(hours=hours))
        if forgets:
            self.world.sandbox.control.post("prune_keys", {"older_than_s": DAY_S})

    @rule(kind=st.sampled_from([job for job in JOBS if job.startswith("payouts.") or job == "approvals.expire"]))
    def scheduled(self, kind: str) -> None:
        """A job that the schedule starts now and then."""
        if JOBS[kind].every_s is not None:
            self.tried(lambda: self.world.run_job(kind))

    @rule(index=pick)
    def stop(self, index: int) -> None:
        """Somebody has second thoughts, while no worker is at it."""
        if self.executions:
            self._stop(self.executions[index % len(self.executions)], frozenset())

    def stop_what_runs(self) -> None:
        """Somebody has them while a worker is."""
        for execution_id in self.executions:
            if self.world.execution(execution_id).state is State.RUNNING:
                rows = rows_of(self.world, execution_id)
                self._stop(execution_id, frozenset(row.row_no for row in rows if row.state == "submitting"))

    def _stop(self, execution_id: str, sending: frozenset[int]) -> None:
        seen = self.world.execution(execution_id)
        if self.tried(lambda: act(self.world, operations.cancel, seen.id, "wrong week")):
            self.oracle.was_stopped((seen.id, seen.attempt), self.payouts(), sending)
            self.seen[f"stopped while {seen.state.value}"] += 1

    @rule(first=pick)
    def repair(self, first: int) -> None:
        """Its preparer does what can be done about an execution: whatever is let be done first."""
        for turn in range(len(REPAIRS)):
            verb = REPAIRS[(first + turn) % len(REPAIRS)]
            for index, execution_id in enumerate(self.executions):
                if self.tried(lambda each=execution_id, verb=verb: act(self.world, verb, each)):
                    self._repaired(index, verb)
                    return

    def _repaired(self, index: int, verb: Callable[..., Any]) -> None:
        self.seen[verb.__name__] += 1
        if verb not in {payouts.send_on, payouts.ask_cancel}:
            self.work_off()
            self.next_step(index, agreed=True)

    @rule(index=pick, exists=st.booleans(), which=pick)
    def settle_by_hand(self, index: int, exists: bool, which: int) -> None:
        """An approver says what became of a row, right or wrong."""
        rows = [row for each in self.executions for row in rows_of(self.world, each) if row.state == "needs_review"]
        made = self.payouts()
        if rows and (made or not exists):
            verdict = payouts.Verdict.EXISTS if exists else payouts.Verdict.NEVER_MADE
            named = made[which % len(made)]["id"] if exists else ""
            row = rows[index % len(rows)]
            self.tried(lambda: act(self.world, payouts.resolve, row.id, verdict, named, "I looked.", who="ben"))
            self.seen[verdict.value] += 1

    @rule(index=pick)
    def the_bank_takes_its_word_back(self, index: int) -> None:
        """It says of a payout that had come back that it was paid after all; and everybody hears so."""
        back = [each for each in self.payouts() if each["status"] == "failed" and "fod_item" in each["metadata"]]
        if not back:
            return
        one = back[index % len(back)]
        self.good_answers_again()
        self.work_off()
        with closing(sqlite3.connect(self.world.sandbox.database)) as store, store:
            paid = "UPDATE payout SET body = json_set(body, '$.status', 'paid') WHERE id = ?"
            assert store.execute(paid, (one["id"],)).rowcount == 1
        self.world.sandbox.control.fund(-one["amount"], one["currency"], HARBOUR, kind="refund")
        self._hear("paid", one)
        self.work_off()
        execution_id = one["metadata"]["fod_item"].rpartition(":")[0]
        self.oracle.was_contradicted(execution_id, one["currency"].upper(), self.payouts())
        self.seen["contradicted"] += 1

    @rule(index=pick)
    def money_that_left_twice_is_dealt_with(self, index: int) -> None:
        """An approver says how."""
        rows = [row for each in self.executions for row in rows_of(self.world, each) if row.twice]
        if rows:
            row, verdict = rows[index % len(rows)], payouts.Verdict.PAID_TWICE
            self.tried(lambda: act(self.world, payouts.resolve, row.id, verdict, "", "It came back.", who="ben"))
            self.seen[verdict.value] += 1

    @precondition(lambda self: len(self.by_hand) < BATCHES)
    @rule(code=st.sampled_from(CURRENCIES), amount=st.sampled_from((100, 250)))
    def somebody_pays_by_hand(self, code: str, amount: int) -> None:
        """In the provider's own screens, so that it carries nothing of ours."""
        units = amount if code == "JPY" else amount * 100
        self.by_hand.append(code)
        body = f"amount={units}&currency={code.lower()}".encode()
        self.tried(lambda: provider(self.world).submit("", body, f"by-hand-{len(self.by_hand)}"))

    @rule(code=st.sampled_from(CURRENCIES), empty=st.booleans())
    def money_moves(self, code: str, empty: bool) -> None:
        """The account is emptied but for a little, or funded."""
        held = self.available()[code]
        units = 150 - held if empty else 100_000
        if units:
            kind = "refund" if units < 0 else "charge"
            self.world.sandbox.control.fund(units, code.lower(), HARBOUR, kind=kind)
            self.oracle.balance[code] += units

    # --- what must hold

    @invariant()
    def nothing_is_wrong(self) -> None:
        self.broken = True
        found = self.violations()
        assert not found, found
        wrong = self.oracle.wrong(self.payouts(), self.available(), self.owner, self.ties())
        assert not wrong, wrong
        self.broken = False
        for execution_id in self.executions:
            self.seen.update(f"row {row.state.value}" for row in rows_of(self.world, execution_id))

    def everything_comes_to_an_end(self) -> None:
        """Once all is well again and a day has passed, nothing is left that neither we nor a person would end."""
        self.good_answers_again()
        for _ in range(2):
            self.work_off()
            self.time_passes(25, forgets=True)
            self.world.look_up()
            self.world.run_job("payouts.refresh")
            self.world.run_job("payouts.returns")
            self.nothing_is_wrong()
        self.work_off()
        unheard = self.oracle.unheard_returns(self.now(), self.owner)
        assert not unheard, unheard
        left = [(row.number, row.state) for each in self.executions for row in rows_of(self.world, each)]
        assert not {state for _, state in left} & {"approved", "submitting", "in_doubt"}, left
        states = {self.world.execution(each).state for each in self.executions}
        assert not states & {State.RUNNING, State.QUEUED, State.PLANNING}, states

    # --- small words

    def violations(self) -> Mapping[str, list[str]]:
        """What the checks say, but for what they must say of a row whose provider took its word back."""
        told = violations(self.world)
        of = {execution_id for execution_id, _ in self.oracle.contradicted}
        left = {
            name: [line for line in lines if name not in CONTRADICTIONS or not any(each in line for each in of)]
            for name, lines in told.items()
        }
        return {name: lines for name, lines in left.items() if lines}

    def ties(self) -> Mapping[tuple[str, str], str]:
        """By execution and currency: what the report says."""
        with self.world.desk.read(self.world.actor("ana")) as reading:
            return {
                (each, told.currency): told.tie.value
                for each in self.executions
                for told in payouts.tie_out(reading, each)
            }

    @property
    def org(self) -> str:
        return self.world.orgs["harbour"]

    @property
    def connection_id(self) -> str:
        with self.world.desk.read(worker_actor(self.org)) as reading:
            return connections.active(reading, "stripe").id

    def now(self) -> datetime:
        return self.world.desk.ports.clock.now()

    def execution(self, index: int) -> operations.ExecutionView | None:
        return self.world.execution(self.executions[index % len(self.executions)]) if self.executions else None

    def employ(self, who: str, *, active: bool) -> None:
        with self.world.desk.work(system_actor(self.org)) as work:
            security.set_active(work, self.world.people[who], active=active)

    def submit(self, index: int) -> None:
        """Whatever plan there is by now."""
        seen = self.execution(index)
        if seen is not None and seen.state is State.READY:
            self.tried(lambda: act(self.world, operations.submit, seen.id, seen.plan_hash))

    def payouts(self) -> list[dict[str, Any]]:
        return self.world.sandbox.control.payouts(HARBOUR)

    def available(self) -> dict[str, int]:
        state = next(each for each in self.world.sandbox.control.state()["accounts"] if each["account"] == HARBOUR)
        held = {line["currency"].upper(): line["amount"] for line in state["balance"]["available"]}
        return {code: held.get(code, 0) for code in CURRENCIES}

    def tried(self, act_: Callable[[], Any]) -> Any:
        """What somebody tried; None when they were refused, as people often are."""
        try:
            return act_() or True
        except FinOpsError as refusal:
            self.seen[refusal.code] += 1
            return None

    def work_off(self) -> None:
        """Everything queued, due or not, as one worker would; a lease is over as soon as its holder is."""
        with self.owner.begin() as connection:
            connection.execute(text("UPDATE job SET run_at_ms = 0 WHERE state = 'queued'"))
            connection.execute(text("UPDATE job SET lease_until_ms = 0 WHERE state = 'leased'"))
        for _ in range(JOBS_AT_ONCE):
            claim = inline.claimed(self.world.desk)
            if claim is None:
                return
            try:
                inline.carry(self.world.desk, claim)
            except FinOpsError as error:
                Worker(self.world.desk)._try_later(claim, f"{error.code}: {error.message}")
        raise AssertionError("the queue never empties")
