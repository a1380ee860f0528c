"""A worker outlives its PostgreSQL: killed and started anew, it finds the same worker at work."""

import json
from collections import Counter
from pathlib import Path

import pytest

from finops_core import operations, payouts
from finops_core.kernel.actor import worker_actor
from finops_core.payouts import PayoutState
from tests.postgres import MortalServer
from tests.processes import running_worker, until
from tests.world import running_world

PATIENCE_S = 150
FILE = "currency,maximum\nUSD,10.00\nEUR,10.00\nGBP,10.00\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_run_whose_database_dies_under_it_is_finished_by_the_same_worker_and_pays_once(
    tmp_path: Path, mortal_postgres: MortalServer
):
    # Given an approved batch, and a provider that takes its time over the second payout
    url = mortal_postgres.server.url("a_company")
    with running_world(tmp_path, url, job_lease_s=5.0, scheduler_lease_s=3.0) as world:
        seen = world.approved(FILE)
        with (
            running_worker(world.desk.settings) as worker,
            world.sandbox.holding("POST", "/v1/payouts", nth=2) as held,
        ):
            until(held.reached, PATIENCE_S, "the second payout is on its way")

            # When the database is killed before its answer, and is back a moment later
            mortal_postgres.kill()
            held.let_go()
            mortal_postgres.start()

            # Then that worker finishes the batch
            until(lambda: world.execution(seen.id).state in operations.FINAL, PATIENCE_S, "the run ended")
            assert worker.poll() is None, "it is the same process"
        world.sandbox.forgive()
        assert world.execution(seen.id).state is operations.State.COMPLETED
        with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
            assert {row.state for row in payouts.rows(reading, seen.id)} == {PayoutState.CREATED}
        made = Counter(each["currency"] for each in world.sandbox.control.payouts("acct_sbx_harbour"))
        assert made == {"usd": 1, "eur": 1, "gbp": 1}, json.dumps(made)
