"""A worker's process that dies by its own hand, at the moment it was told to: composition around the desk alone.

What a unit of work has done is read from what it wrote: its audit records and the calls it kept. The provider is seen
through a witness, so that the desk knows which row is being called for.
"""

import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy import event

from finops_core import operations, payouts
from finops_core.catalog.jobs import JOBS
from finops_core.desk import Desk, open_desk
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Conflict
from finops_core.payouts import rules
from finops_core.platform.settings import Settings
from tests import inline
from tests.clocks import HurriedClock
from tests.hearing import heard

AT_ONCE_S = 20e-6
LEASE_S = 0.05
PATIENCE_S = 120.0
LOOK_UPS, LOOK_UP_PAUSE_S = 10, 0.1
FOREVER_S = 3600.0
# Robbed this often, it holds on to the run: on a slow machine robbers would keep each other from ever getting on.
LOSSES, HELD_S = 5, 60.0


class Moment(StrEnum):
    """When it dies."""

    PLAN = "after plan"
    INTENT = "after intent"
    CALL = "after call"
    COMMIT = "around commit"
    KEPT = "after commit"


class Control(StrEnum):
    """What is broken on purpose, to see that the proof would tell."""

    NONE = ""
    NEW_KEY = "a key made anew for each call, and no look-up"
    NO_LOOK_UP = "the same key however old it is, and no look-up"


@dataclass(frozen=True, slots=True)
class Fate:
    """How a process will end.

    Attributes:
        moment: when it dies; None for one that lives.
        row: which row of the plan it is about, 0 for whichever comes first.
        delay_s: for COMMIT: how long after it was begun.
        stops: it does not die but is put to sleep, until somebody wakes it.
        lease_s: how long it holds a job without renewing it.
    """

    moment: Moment | None = None
    row: int = 0
    delay_s: float = 0.0
    stops: bool = False
    lease_s: float = LEASE_S
    control: Control = Control.NONE
    ahead_s: float = 0.0


class MortalDesk(Desk):
    """A desk whose units, and calls between them, may be the last thing its process does."""

    def __init__(self, desk: Desk, fate: Fate, tell: Callable[[bytes], None]) -> None:
        ports = desk.ports
        seen = replace(ports, provider=lambda credentials: Witness(ports.provider(credentials), self))
        super().__init__(desk.settings, desk.database, seen)
        self.fate, self._tell = fate, tell
        self._calling = 0
        self._verbs: list[tuple[str, int]] = []
        self._call_ids: list[str] = []
        # For as long as its process lives: it ends with what holds it.
        self._hearing = heard(self._note_written, desk.database.writer)
        self._hearing.__enter__()
        event.listen(desk.database.writer, "after_cursor_execute", self._note_call)
        event.listen(desk.database.writer, "commit", lambda _connection: self._before_commit())

    @contextmanager
    def work(self, actor: Any) -> Iterator[Any]:
        self._verbs, self._call_ids = [], []
        with super().work(actor) as work:
            yield work
        self._after_commit()

    def called(self, row: int) -> None:
        """The provider has answered, or not, about a row."""
        self._calling = row
        if self.fate.moment is Moment.CALL and self._mine(row):
            self._end()

    def _note_written(self, statement: str, values: Any, many: bool) -> None:
        if statement.startswith("INSERT INTO audit_record "):
            for row in values if many else [values]:
                said = json.loads(row["body"] if isinstance(row, dict) else row[1])
                self._verbs.append((said["verb"], int(said["detail"].get("row", 0))))

    def _note_call(
        self, _connection: object, _cursor: object, statement: str, _v: object, context: Any, _m: bool
    ) -> None:
        if statement.startswith("INSERT INTO payout_call "):
            self._call_ids += [row["id"] for row in context.compiled_parameters]

    def _before_commit(self) -> None:
        if self.fate.moment is not Moment.COMMIT or not self._call_ids or not self._mine(self._calling):
            return
        self._tell(self._call_ids[0].encode())
        if self.fate.delay_s < AT_ONCE_S:
            self._end()
        threading.Thread(target=self._end_later, daemon=True).start()

    def _after_commit(self) -> None:
        moment = self.fate.moment
        kept = bool(self._call_ids) and self._mine(self._calling)
        if moment is Moment.COMMIT and kept:
            time.sleep(FOREVER_S)  # its end is on its way
        planned = any(verb in {"payouts.prepared", "execution.resumed"} for verb, _ in self._verbs)
        intended = any(verb == "payout.submitting" and self._mine(row) for verb, row in self._verbs)
        reached = {Moment.PLAN: planned, Moment.INTENT: intended, Moment.KEPT: kept}
        if moment is not None and reached.get(moment):
            self._end()

    def _mine(self, row: int) -> bool:
        return self.fate.row in (0, row)

    def _end_later(self) -> None:
        time.sleep(self.fate.delay_s)
        self._end()

    def _end(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP if self.fate.stops else signal.SIGKILL)
        self.fate = Fate(control=self.fate.control)  # only who slept comes here


class Witness:
    """A provider that tells which row it was called for; as a control it forgets what it should know."""

    def __init__(self, real: Any, desk: MortalDesk) -> None:
        self._real, self._desk = real, desk
        self._control = desk.fate.control

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def capabilities(self) -> Any:
        told = self._real.capabilities()
        return replace(told, key_lifetime_s=10**9) if self._control else told

    def submit(self, account: str, body: bytes, key: str) -> Any:
        if self._control is Control.NEW_KEY:
            key = f"{key}-{secrets.token_hex(4)}"
        answer = self._real.submit(account, body, key)
        self._desk.called(_row(parse_qs(body.decode())[f"metadata[{rules.META_ITEM}]"][0]))
        return answer

    def find(self, account: str, metadata: Mapping[str, str], since: Any) -> Any:
        found = [] if self._control else self._real.find(account, metadata, since)
        self._desk.called(_row(metadata[rules.META_ITEM]))
        return found


def _row(item: str) -> int:
    return int(item.rpartition(":")[2])


def main(pipe: Connection, settings: Settings, fate: Fate, org_id: str, execution_id: str) -> None:
    """Entry of the process: carry the execution out, then look up what it left open, as far as its fate lets it.

    Like a worker it goes on when it has lost a job to another one; it says "lost" then.
    """
    with open_desk(settings, clock=HurriedClock(fate.ahead_s)) as opened:
        desk = MortalDesk(opened, fate, pipe.send_bytes)
        until, lost = time.monotonic() + PATIENCE_S, 0
        while not _is_over(desk, org_id, execution_id):
            assert time.monotonic() < until, "it never ends"
            lost += _loses(desk, fate.lease_s if lost < LOSSES else HELD_S, pipe)
        for _ in range(LOOK_UPS):
            if not _is_open(desk, org_id, execution_id):
                break
            JOBS["payouts.look_up"].run(desk, None)
            time.sleep(LOOK_UP_PAUSE_S)


def _loses(desk: Desk, lease_s: float, pipe: Connection) -> bool:
    """Do what is due; whether a job was lost over it."""
    try:
        if not inline.work_off(desk, lease_s=lease_s):
            time.sleep(LEASE_S / 5)
    except Conflict as error:
        if error.code != "LEASE_LOST":
            raise
        pipe.send_bytes(b"lost")
        return True
    return False


def _is_over(desk: Desk, org_id: str, execution_id: str) -> bool:
    with desk.read(worker_actor(org_id)) as reading:
        return operations.execution(reading, execution_id).state in operations.OVER


def _is_open(desk: Desk, org_id: str, execution_id: str) -> bool:
    """Whether a look-up may still clear something."""
    with desk.read(worker_actor(org_id)) as reading:
        return any(row.state in rules.UNSETTLED for row in payouts.rows(reading, execution_id))
