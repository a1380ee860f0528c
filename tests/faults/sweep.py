"""A sweep: processes killed at one kind of step, under one bad answer after the other, and started again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from finops_core import operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from tests.clocks import HurriedClock
from tests.faults.lives import KILLED, call_was_kept, lived, paid, planned
from tests.faults.mortal import Control, Fate, Moment
from tests.payouts.walks import act, worked_off
from tests.world import World

TIMEOUT_S = 0.3
ROW = 2
FILE = "currency,maximum\nUSD,{0}.00\nEUR,{0}.00\nJPY,{0}\n"


def _on_the_row(kind: FaultKind, **more: object) -> Fault:
    """A fault that waits for the second row, which really pays."""
    return Fault(kind, where={"currency": "eur"}, **more)  # type: ignore[arg-type]


def _on_look_ups(kind: FaultKind, times: int) -> Fault:
    return Fault(kind, method="GET", path="/v1/payouts", times=times)


FAULTS: Mapping[str, Sequence[Fault]] = {
    "none": (),
    "reset before": [_on_the_row(FaultKind.RESET_BEFORE)],
    "reset after": [_on_the_row(FaultKind.RESET_AFTER)],
    "500 after": [_on_the_row(FaultKind.ERROR_AFTER)],
    "429 twice": [_on_the_row(FaultKind.RATE_LIMIT, times=2)],
    "half a body": [_on_the_row(FaultKind.HALF_BODY)],
    "bad JSON": [_on_the_row(FaultKind.BAD_JSON)],
    "time-out": [_on_the_row(FaultKind.DELAY, delay_s=2 * TIMEOUT_S)],
    "time-out, executed later": [_on_the_row(FaultKind.DELAY_BEFORE, delay_s=2 * TIMEOUT_S)],
    "three answers lost": [_on_the_row(FaultKind.RESET_AFTER, times=3), _on_look_ups(FaultKind.RESET_AFTER, 2)],
}


@dataclass
class Steering:
    """Aims a kill at a commit: sooner when the last one was survived by it, later when not, so that both are seen."""

    delay_s: float = 200e-6
    seen: set[bool] = field(default_factory=set)

    def learn(self, *, committed: bool) -> None:
        self.seen.add(committed)
        self.delay_s = self.delay_s / 3 if committed else max(self.delay_s, 10e-6) * 3


@dataclass
class Sweep:
    """All faults at one moment.

    ``between`` happens each time before a process is started again.
    """

    world: World
    moment: Moment
    control: Control = Control.NONE
    between: Callable[[], None] = lambda: None
    steering: Steering = field(default_factory=Steering)
    number: int = 0

    def run(self, faults: Sequence[Fault]) -> str:
        """Killed over its second row, killed again at the first chance, then left alone; gives the execution."""
        seen = self._approved(faults)
        for row in (ROW, 0):
            exit_code, said = lived(self.world, seen.id, self._fate(row))
            assert exit_code == KILLED, f"it was to die {self.moment}, and ended with {exit_code}"
            if self.moment is Moment.COMMIT:
                self.steering.learn(committed=call_was_kept(self.world, said))
            self.between()
        self._live_on(seen.id)
        self.world.sandbox.forgive()
        return seen.id

    def send_on(self, execution_id: str) -> None:
        """What was looked up and not found was never executed: its preparer has it sent, with the key it has."""
        act(self.world, payouts.send_on, execution_id)
        self._live_on(execution_id)

    def exact(self, execution_id: str) -> bool:
        return paid(self.world, execution_id) == planned(self.world, execution_id)

    def twice(self, execution_id: str) -> bool:
        """Whether some row was paid more than once."""
        made = paid(self.world, execution_id)
        return len(made) > len(set(made))

    def _approved(self, faults: Sequence[Fault]) -> operations.ExecutionView:
        """A plan like no other, approved; its second row will meet the faults."""
        self.number += 1
        self.world.sandbox.control.post("reset", {"only": ["fault"]})
        seen = worked_off(self.world, self.world.planned(FILE.format(100 + self.number)).id)
        with self.world.desk.work(self.world.actor("ana")) as work:
            seen = operations.submit(work, seen.id, seen.plan_hash)
        self.world.decide(seen)
        if faults:
            self.world.sandbox.control.fault(*faults)
        return seen

    def _live_on(self, execution_id: str) -> None:
        exit_code, _ = lived(self.world, execution_id, self._fate(0, lives=True))
        assert exit_code == 0

    def _fate(self, row: int, *, lives: bool = False) -> Fate:
        clock = self.world.desk.ports.clock
        assert isinstance(clock, HurriedClock)
        moment = None if lives else self.moment
        return Fate(moment, row, self.steering.delay_s, control=self.control, ahead_s=clock.ahead.total_seconds())
