"""A stop against an intent, many times at the same moment: by the database's own order no intent follows the stop."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same moments in every run
from typing import Any

import pytest
from sqlalchemy import text

from finops_core import operations
from finops_core.desk import Desk
from finops_core.kernel.errors import Conflict
from finops_core.payouts import PayoutState
from finops_core.platform.db import open_owner_engine
from tests.clocks import HurriedClock
from tests.faults.lives import made_for, rows_of
from tests.payouts.walks import act, violations
from tests.world import World, running_world

FILE = "currency,maximum\nUSD,{0}.00\nEUR,{0}.00\nJPY,{0}\nGBP,{0}.00\n"
ROUNDS = 24
# In the order in which they were committed: SQLite lets one writer in at a time, PostgreSQL keeps the moment.
IN_ORDER = {
    "sqlite": "SELECT body FROM audit_record ORDER BY rowid",
    "postgresql": "SELECT body FROM audit_record ORDER BY pg_xact_commit_timestamp(xmin), at, id",
}

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1200)]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, HurriedClock()) as made:
        yield made


class Starting(Desk):
    """A desk that gives a sign as its n-th unit begins."""

    def __init__(self, desk: Desk, number: int, sign: threading.Event) -> None:
        super().__init__(desk.settings, desk.database, desk.ports)
        self._left, self._sign = number, sign

    @contextmanager
    def work(self, actor: Any) -> Iterator[Any]:
        self._left -= 1
        if self._left == 0:
            self._sign.set()
        with super().work(actor) as work:
            yield work


@dataclass
class Stopper:
    """Somebody who stops a run a little after a sign, unless it is over by then."""

    world: World
    execution_id: str
    wait_s: float

    def __post_init__(self) -> None:
        self.sign = threading.Event()
        self.thread = threading.Thread(target=self._stop, daemon=True)
        self.thread.start()

    def _stop(self) -> None:
        assert self.sign.wait(60)
        threading.Event().wait(self.wait_s)
        try:
            act(self.world, operations.cancel, self.execution_id, "wrong week")
        except Conflict:
            assert self.world.execution(self.execution_id).state in operations.FINAL, "it could have been stopped"

    def join(self) -> None:
        self.thread.join(60)
        assert not self.thread.is_alive()


def in_order(world: World) -> list[dict[str, Any]]:
    engine = open_owner_engine(world.desk.settings)
    with engine.connect() as connection:
        said = [json.loads(body) for body in connection.execute(text(IN_ORDER[engine.dialect.name])).scalars()]
    engine.dispose()
    return said


def intents_around_the_stop(world: World, execution_id: str) -> tuple[int, int]:
    """How many intents of an execution were committed before its stop, and how many after it."""
    before, after, stopped = 0, 0, False
    for said in in_order(world):
        if said["verb"] == "execution.stop_requested" and said["object"] == f"execution:{execution_id}":
            stopped = True
        elif said["verb"] == "payout.submitting" and said["detail"]["execution"] == execution_id:
            before, after = (before, after + 1) if stopped else (before + 1, after)
    return before, after


def test_no_intent_is_committed_after_the_stop(world: World):
    chance = Random(7)
    cut: list[int] = []
    for number in range(ROUNDS):
        # Given a run, and somebody who stops it just as one of its units begins
        seen = world.approved(FILE.format(100 + number))
        stopper = Stopper(world, seen.id, chance.choice([0.0, 0.0005, 0.002, 0.005]))
        replace(world, desk=Starting(world.desk, chance.randrange(6, 18), stopper.sign)).work_off()
        stopper.sign.set()
        stopper.join()
        # Then what was intended before the stop was sent, and nothing else
        before, after = intents_around_the_stop(world, seen.id)
        rows = rows_of(world, seen.id)
        sent = [row for row in rows if row.state is PayoutState.CREATED]
        assert after == 0, f"round {number}"
        assert len(sent) == len(made_for(world, seen.id)) == before, f"round {number}"
        assert {row.state for row in rows} <= {PayoutState.CREATED, PayoutState.CANCELED}
        cut.append(len(sent))
    assert violations(world) == {}
    assert len(world.sandbox.control.calls("POST", "/v1/payouts")) == sum(cut)
    # How often each place is hit is the machine's affair; that runs were cut at several is not.
    assert len(set(cut)) >= 3, f"the stops came too early or too late: {cut}"
