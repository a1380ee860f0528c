"""How the log stands by its own word: what the Health page shows without recomputing anything."""

from datetime import timedelta
from pathlib import Path

import pytest

from finops_core import audit
from finops_core.kernel.actor import system_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.kernel.permissions import Permission
from tests.audit.logs import Log, log_with
from tests.desks import START, person_actor


@pytest.fixture
def log(tmp_path: Path, database_url: str) -> Log:
    return log_with(tmp_path, database_url, batches=(3,))[0]


def standing(log: Log, person: str = "person_ada") -> audit.Standing:
    with log.desk.read(person_actor(person, log.org_id)) as reading:
        return audit.standing(reading)


def note(log: Log, org_id: str) -> None:
    found = log.verify()
    with log.desk.work(system_actor(org_id)) as work:
        audit.note_verified(work, found)


def test_it_tells_how_much_is_sealed_since_when_and_what_waits(log: Log):
    sealed_at = log.desk.clock.now()
    log.write(2)

    told = standing(log)

    assert (told.sealed, told.unsealed) == (3, 2)
    assert abs(told.sealed_at - sealed_at) < timedelta(seconds=1)
    assert (told.verified_at, told.verified_ok) == (None, None)


def test_an_empty_log_stands_at_nothing(tmp_path: Path, database_url: str):
    log, _ = log_with(tmp_path, database_url, batches=())

    assert standing(log) == audit.Standing(0, None, 0)


@pytest.mark.parametrize("by", ["this organisation", "the installation"])
def test_it_tells_the_last_verification_and_what_that_gave(log: Log, by: str):
    # Given a good verification, and a bad one after it
    org_id = log.org_id if by == "this organisation" else ""
    note(log, org_id)
    good = standing(log)
    log.tamper("UPDATE audit_record SET body = replace(body, 'payout.sent', 'payout.held') WHERE verb = 'payout.sent'")
    log.desk.clock.advance(timedelta(hours=1))
    note(log, org_id)

    told = standing(log)

    assert (good.verified_ok, good.verified_size) == (True, 3)
    assert (told.verified_ok, told.verified_at) == (False, log.desk.clock.now())
    assert told.verified_at > START


def test_another_organisations_verification_is_not_told(log: Log):
    note(log, log.desk.org("norrland"))

    assert standing(log).verified_at is None


def test_it_is_told_to_those_who_watch_over_the_desk(log: Log):
    log.desk.permissions["person_ben"] = frozenset(Permission) - {Permission.HEALTH_VIEW}

    with pytest.raises(NotAllowed):
        standing(log, "person_ben")
    assert standing(log).sealed == 3
