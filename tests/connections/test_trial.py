"""Trying a connection: what its key is worth, asked of the real provider, kept and audited; never the key itself."""

import json
import logging
from dataclasses import asdict, replace
from datetime import timedelta

import pytest

from finops_core import audit, connections
from finops_core.adapters.stripe_sandbox.accounts import NewAccount
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.connections import Trial
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.provider import Mode, Right
from tests.operations.walks import code_of
from tests.payouts.walks import HARBOUR, clock_of, with_provider
from tests.tampering import grown, row_counts
from tests.world import World, company

KEY = "rk_test_sbx_harbour_demo_0001"
READ_ONLY = "rk_test_sbx_harbour_read_only_0003"
EVERY_RIGHT = {right.value: True for right in Right}


def connection_of(world: World, provider: str = "stripe") -> connections.ConnectionView:
    with world.desk.read(world.actor("adam")) as reading:
        return next(each for each in connections.listed(reading) if each.provider == provider and each.active)


def tried(world: World, provider: str = "stripe", who: str = "adam") -> Trial:
    return connections.try_connection(world.desk, world.actor(who), connection_of(world, provider).id)


def replace_key(world: World, key: str) -> None:
    with world.desk.work(world.actor("adam")) as work:
        connections.replace_secret(work, connection_of(world).id, key)


def test_a_connection_that_is_well_passes_and_tells_what_it_sees(both: World):
    trial = tried(both)

    assert (trial.passed, trial.problem, dict(trial.rights)) == (True, "", EVERY_RIGHT)
    assert (trial.account, trial.mode, trial.schedule) == (HARBOUR, "test", "manual")
    assert sorted(trial.currencies) == sorted(company()["accounts"][0]["balances"])
    assert trial.banks == 10
    assert trial.skew_s is not None


def test_a_trial_changes_nothing_at_the_provider(both: World):
    before = both.sandbox.control.state()["accounts"]

    tried(both)

    assert both.sandbox.control.state()["accounts"] == before
    assert both.sandbox.control.payouts(HARBOUR) == []


def test_what_was_found_is_kept_and_audited(both: World):
    before = row_counts(both.desk.settings)

    trial = tried(both)

    kept = connection_of(both)
    assert kept.test_passed is True
    assert kept.tested_at is not None
    assert kept.test_told == json.loads(json.dumps(asdict(trial)))
    assert grown(before, row_counts(both.desk.settings)) == {"audit_record": 1}
    with both.desk.read(both.actor("eva")) as reading:
        (record,) = [row for row in audit.trail(reading, f"connection:{kept.id}") if row.verb == "connection.tested"]
    assert (record.actor, dict(record.detail)) == (both.people["adam"], {"passed": True})


def test_a_key_the_provider_refuses_fails_in_words_and_that_is_kept(world: World):
    replace_key(world, "rk_test_sbx_nobody_knows_0009")

    trial = tried(world)

    assert not trial.passed
    assert trial.problem
    assert set(trial.rights.values()) <= {False}
    kept = connection_of(world)
    assert (kept.test_passed, kept.test_told["problem"]) == (False, trial.problem)


def test_a_right_that_is_missing_is_named(world: World):
    world.sandbox.control.open(NewAccount(READ_ONLY, HARBOUR, may_write=False))
    replace_key(world, READ_ONLY)

    trial = tried(world)

    assert not trial.passed
    assert trial.problem == "The key may not: create payouts."
    assert dict(trial.rights) == {**EVERY_RIGHT, "create payouts": False}


def test_an_account_whose_payouts_are_switched_off_fails(world: World):
    world.sandbox.control.post("payouts_enabled", {"account": HARBOUR, "payouts_enabled": False})

    trial = tried(world)

    assert (trial.passed, trial.problem) == (False, "The provider has switched payouts off for this account.")


class Live:
    """A provider that says real money moves, whatever the key looks like."""

    def __init__(self, real: object) -> None:
        self.real = real

    def __getattr__(self, name: str):
        return getattr(self.real, name)

    def facts(self, account: str):
        return replace(self.real.facts(account), mode=Mode.LIVE)


def test_a_provider_in_the_other_mode_fails(world: World):
    trial = tried(with_provider(world, Live))

    assert (trial.passed, trial.mode) == (False, "live")
    assert trial.problem == "The provider says live mode; this connection is for test mode."


def test_an_account_that_is_swept_by_itself_says_so(world: World):
    world.sandbox.control.open(NewAccount("rk_test_sbx_swept_0001", "acct_sbx_swept", schedule="daily"))
    replace_key(world, "rk_test_sbx_swept_0001")

    trial = tried(world)

    assert (trial.account, trial.schedule, trial.banks) == ("acct_sbx_swept", "daily", 0)


def test_a_provider_that_does_not_answer_fails_and_passes_later(world: World):
    world.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/balance", times=20))

    silent = tried(world)
    world.sandbox.control.post("reset", {"only": ["fault"]})

    assert (silent.passed, silent.account) == (False, "")
    assert silent.problem
    assert Right.READ_BALANCE.value not in silent.rights, "what could not be found out is left out"
    assert tried(world).passed


def test_the_difference_of_the_clocks_is_told(timed: World):
    assert tried(timed).skew_s in {-1, 0, 1}

    clock_of(timed).advance(timedelta(minutes=7))
    ahead = tried(timed).skew_s
    timed.sandbox.control.advance(21 * 60)
    behind = tried(timed).skew_s

    assert ahead is not None
    assert behind is not None
    assert abs(ahead - 420) <= 2
    assert abs(behind + 840) <= 2


class Slow:
    """A provider that takes a minute to tell what a key may do."""

    def __init__(self, real: object, world: World) -> None:
        self.real, self.world = real, world

    def __getattr__(self, name: str):
        return getattr(self.real, name)

    def rights(self):
        self.world.advance(timedelta(minutes=1))
        return self.real.rights()


def test_a_slow_provider_is_not_taken_for_a_wrong_clock(timed: World):
    slow = with_provider(timed, lambda real: Slow(real, timed))

    assert tried(slow).skew_s in {-2, -1, 0, 1, 2}


def test_an_administrator_is_never_given_the_key(world: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    calls_before = len(world.sandbox.control.calls())

    trial = tried(world)

    kept = connection_of(world)
    with world.desk.read(world.actor("adam")) as reading:
        records = audit.trail(reading, f"connection:{kept.id}")
        assert code_of(connections.credentials, reading, kept.id) == "NOT_ALLOWED"
    ours = "\n".join(record.getMessage() for record in caplog.records)
    told = f"{trial!r} {kept!r} {records!r} {ours}"
    assert len(world.sandbox.control.calls()) > calls_before
    assert KEY not in told
    assert KEY[8:] not in told


@pytest.mark.parametrize("who", ["ana", "ben", "carla", "dan", "eva"])
def test_nobody_else_tries_it_and_the_provider_is_not_asked(world: World, who: str):
    connection = connection_of(world)
    before = len(world.sandbox.control.calls())

    with pytest.raises(FinOpsError) as refused:
        connections.try_connection(world.desk, world.actor(who), connection.id)

    assert refused.value.code == "NOT_ALLOWED"
    assert len(world.sandbox.control.calls()) == before
    assert connection_of(world).tested_at is None


def test_a_connection_of_another_organisation_is_not_tried_and_a_retired_one_is(world: World):
    connection = connection_of(world)
    before = len(world.sandbox.control.calls())

    theirs = code_of(connections.try_connection, world.desk, world.actor("adam", "norrland"), connection.id)
    assert theirs == "CONNECTION_MISSING"
    assert len(world.sandbox.control.calls()) == before

    # A retired one: payouts made through it are still followed with its key.
    with world.desk.work(world.actor("adam")) as work:
        connections.retire(work, connection.id)
    assert connections.try_connection(world.desk, world.actor("adam"), connection.id).passed


def test_a_bank_account_passes_without_any_call(world: World):
    before = len(world.sandbox.control.calls())

    trial = tried(world, "bank_file")

    assert (trial.passed, trial.problem, dict(trial.rights), trial.skew_s) == (True, "", {}, None)
    assert trial.mode == "test"
    assert len(world.sandbox.control.calls()) == before
