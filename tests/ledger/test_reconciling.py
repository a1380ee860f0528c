"""Balances that were changed past the guards: found, put back to their postings, kept, and told to who must know."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from finops_core import audit, ledger
from finops_core.audit import AuditFilter
from finops_core.catalog.tables import TABLES
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import holdings, reconciling, service
from finops_core.ledger.checks import CHECKS
from finops_core.ledger.reconciling import DriftView, ReconciliationView
from finops_core.ledger.rules import ReconcileWidth
from finops_core.notifications.models import notice
from finops_core.platform import guards, queue
from finops_core.platform.db import open_owner_engine
from finops_core.platform.queue import Claim
from tests.desks import person_actor
from tests.ledger.conftest import Books, usd
from tests.tampering import tamper
from tests.world import running_world

DRIFT = "UPDATE ledger_balance SET posted_minor = posted_minor + {by} WHERE version = 2"
TORN = "UPDATE ledger_posting SET amount_minor = amount_minor + 1 WHERE amount_minor = 100"
HIDDEN = "UPDATE ledger_posting SET balance_after_minor = 101 WHERE balance_after_minor = 100"
CLAIM = Claim("job_1", "ledger.reconcile", "", {}, 1, 1)
WEEKLY, NIGHTLY = {"width": "full"}, {"width": "full", "moved": True}


@pytest.fixture
def ann(books: Books) -> str:
    """A wallet with two postings, holding 1.50 USD."""
    books.fund("ann", 100)
    books.fund("ann", 50)
    return books.wallets["ann"]


def hourly(books: Books) -> ReconciliationView:
    return scheduled(books, {})


def scheduled(books: Books, payload: dict[str, object]) -> ReconciliationView:
    reconciling.reconcile_scheduled(books.desk.units, replace(CLAIM, payload=payload))
    with books.read() as reading:
        return reconciling.reconciliations(reading)[0]


def drifts(books: Books, account: str = "") -> list[DriftView]:
    with books.read() as reading:
        return list(reconciling.drifts(reading, account))


def verbs(books: Books, verb: str) -> list[str]:
    with books.read() as reading:
        return [record.object for record in audit.records(reading, AuditFilter(verb=verb), limit=10).rows]


def damage(books: Books, *statements: str) -> None:
    """Somebody writes with the guards down, and puts them up again."""
    for statement in statements:
        assert tamper(books.desk.settings, statement, foreign_keys=False)
    engine = open_owner_engine(books.desk.settings)
    with engine.begin() as connection:
        guards.ensure(connection, TABLES)
    engine.dispose()


def test_where_nothing_is_off_nothing_is_written(books: Books, ann: str):
    run = hourly(books)

    assert (run.checked, run.drifted, run.repaired, run.broken) == (2, 0, 0, 0)
    assert run.ended_at is not None
    assert drifts(books) == []


@pytest.mark.parametrize("by", [1, 50, -7])
def test_a_balance_that_was_changed_is_put_back_and_kept(books: Books, ann: str, by: int):
    damage(books, DRIFT.format(by=by))

    run = hourly(books)

    assert (run.drifted, run.repaired, run.broken) == (1, 1, 0)
    (found,) = drifts(books, ann)
    assert (found.shown, found.should, found.repaired) == (usd(150 + by), usd(150), True)
    assert verbs(books, "ledger.repaired") == [f"account:{ann}"]
    assert books.balance("ann") == 150
    with books.work() as work:
        service.withdraw(work, ann, usd(150))
    assert hourly(books).drifted == 0


def test_a_balance_that_lags_behind_its_postings_is_put_back(books: Books, ann: str):
    damage(books, "UPDATE ledger_balance SET version = 1, posted_minor = 100 WHERE version = 2")

    assert hourly(books).repaired == 1
    books.fund("ann", 1)
    assert books.balance("ann") == 151


GONE = {
    "the newest entry": [
        "DELETE FROM ledger_posting WHERE journal_id = '{entry}'",
        "DELETE FROM ledger_journal WHERE id = '{entry}'",
    ],
    "two that cancel out": ["DELETE FROM ledger_posting WHERE account_version < 3"],
    "a count": ["UPDATE ledger_balance SET version = 9 WHERE id = '{ann}'"],
    "the balance": ["DELETE FROM ledger_balance WHERE id = '{ann}'"],
}


@pytest.mark.parametrize("what", GONE)
def test_where_something_is_gone_nothing_is_put_back_and_the_next_organisation_is_looked_at(books: Books, what: str):
    # Given a wallet with six postings, and damage by which a balance could seem to be merely wrong
    ann = books.wallets["ann"]
    other = books.desk.org("norrland")
    for minor in (100, -100, 50, -50, 150):
        with books.work() as work:
            (service.deposit if minor > 0 else service.withdraw)(work, ann, usd(abs(minor)))
    with books.work() as work:
        newest = service.withdraw(work, ann, usd(60)).id
    for statement in GONE[what]:
        damage(books, statement.format(entry=newest, ann=ann))

    # When the hourly look comes by, twice
    run = hourly(books)
    again = hourly(books)

    # Then it says so, keeps it once, and mends nothing
    assert (run.broken, run.repaired, again.broken) == (1, 0, 1)
    assert len(drifts(books, ann)) == 1
    assert verbs(books, "ledger.found_broken") == [f"account:{ann}"]
    with books.read() as reading:
        assert "ledger.balances" in {check.id for check in CHECKS if check.find(reading)}
        assert ann in {each.id for each in holdings.wallets(reading)}
    with books.desk.read(person_actor("person_other", other)) as reading:
        assert reconciling.reconciliations(reading)[0].ended_at is not None


def test_a_scheduled_look_that_died_is_gone_on_with(books: Books, ann: str):
    # Given a weekly look whose worker was killed
    with books.desk.work(worker_actor(books.org_id)) as work:
        died = reconciling._begin(work, ReconcileWidth.FULL)

    # When looks of other widths come by, and then the next one as wide
    others = {hourly(books).id, scheduled(books, NIGHTLY).id}
    scheduled(books, WEEKLY)

    # Then that one is ended
    with books.read() as reading:
        run = reconciling.reconciliation(reading, died)
    assert died not in others
    assert (run.width, run.ended_at is not None) == (ReconcileWidth.FULL, True)
    assert scheduled(books, WEEKLY).id != died


def test_what_one_organisation_does_keeps_no_other_from_being_looked_at(books: Books, ann: str, monkeypatch):
    other = books.desk.org("norrland")
    go = reconciling._go_through

    def breaks(units, actor, run_id):
        if actor.org_id == books.org_id:
            raise RuntimeError("no disk")
        go(units, actor, run_id)

    monkeypatch.setattr(reconciling, "_go_through", breaks)
    with pytest.raises(RuntimeError, match="no disk"):
        reconciling.reconcile_scheduled(books.desk.units, CLAIM)

    with books.desk.read(person_actor("person_other", other)) as reading:
        assert reconciling.reconciliations(reading)[0].ended_at is not None


@pytest.mark.parametrize(("torn", "found_hourly"), [(TORN, 1), (HIDDEN, 0)])
def test_postings_that_do_not_fit_each_other_are_told_and_left_alone(books: Books, ann: str, torn: str, found_hourly):
    # Given a posting that was changed; the second fault shows only to who looks at each posting
    damage(books, torn)

    # When every account is looked at each hour, and at one of them at once
    run = hourly_only(books)
    with books.work() as work:
        one = reconciling.reconcile_wallet(work, ann, "ticket 9")

    # Then nothing is mended
    assert (run.drifted, run.repaired, run.broken) == (found_hourly, 0, found_hourly)
    assert (one.checked, one.drifted, one.repaired, one.broken) == (1, 1, 0, 1)
    assert [each.broken for each in drifts(books, ann)] == [True]
    assert books.balance("ann") == 150
    assert verbs(books, "ledger.repaired") == []


def hourly_only(books: Books) -> ReconciliationView:
    """A run that looks at no history."""
    with books.work() as work:
        run_id = reconciling.ask_to_reconcile(work)
    reconciling.reconcile_asked(books.desk.units, Claim("job_2", "", "", {"run": run_id, "org": books.org_id}, 1, 1))
    with books.read() as reading:
        return reconciling.reconciliation(reading, run_id)


def asked(books: Books, reason: str = "", **how: bool) -> ReconciliationView:
    with books.work() as work:
        run_id = reconciling.ask_to_reconcile(work, reason, **how)
        assert queue.is_open(work, f"{reconciling.ASKED_JOB}:{run_id}")
    reconciling.reconcile_asked(books.desk.units, Claim("job_2", "", "", {"run": run_id, "org": books.org_id}, 1, 1))
    with books.read() as reading:
        return reconciling.reconciliation(reading, run_id)


def test_a_look_that_is_asked_for_takes_so_many_accounts_at_a_time(books: Books, ann: str, monkeypatch):
    books.fund("bob", 1)
    sizes = []
    real = reconciling.drift.accounts_after
    monkeypatch.setattr(reconciling.drift, "accounts_after", lambda *given: sizes.append(given[2]) or real(*given))
    with books.work() as work:
        run_id = reconciling.ask_to_reconcile(work, batch_size=1)
        (payload,) = (json.loads(row.payload) if isinstance(row.payload, str) else row.payload for row in jobs(work))
    reconciling.reconcile_asked(books.desk.units, Claim("job_2", "", "", payload, 1, 1))

    assert set(sizes) == {1}
    assert len(sizes) > 2
    with books.read() as reading:
        assert reconciling.reconciliation(reading, run_id).checked == len(sizes) - 1


@pytest.mark.parametrize("size", [0, -1, 5_001])
def test_a_batch_of_no_size_is_refused(books: Books, size: int):
    with pytest.raises(FinOpsError) as caught, books.work() as work:
        reconciling.ask_to_reconcile(work, batch_size=size)
    assert caught.value.code == "BATCH_SIZE_BAD"


def jobs(work) -> list:
    with work.across_orgs("for the test"):
        return work.rows(select(queue.job).where(queue.job.c.kind == reconciling.ASKED_JOB))


def test_how_the_ledger_stands_and_whether_it_gets_worse(books: Books, ann: str):
    def stands() -> ledger.LedgerHealth:
        with books.read() as reading:
            return ledger.health(reading)

    def trend() -> tuple[int, int, Money | None]:
        with books.read() as reading:
            seen = ledger.drift_trend(reading, ann)
        return seen.lately, seen.before, seen.most

    # Given two wallets, two entries, and no look yet
    first = stands()
    assert (first.wallets, first.entries, first.off, first.healthy) == (len(books.wallets), 2, None, True)
    assert trend() == (0, 0, None)

    # When one is off, and only looked at, then the ledger is not well
    damage(books, DRIFT.format(by=9))
    asked(books, "a look", dry_run=True)
    assert (stands().off, stands().healthy, trend()) == (1, False, (1, 0, usd(9)))

    # When it is put back, then it is; a month later that was a month ago
    asked(books, "mend it")
    assert (stands().off, stands().healthy, stands().looked_at is not None) == (0, True, True)
    books.desk.clock.advance(timedelta(days=31))
    assert trend() == (0, 2, None)
    with books.work() as work:
        ledger.stop(work, ledger.StopWidth.ALL, "why")
    assert stands().stops == 1


def test_a_dry_run_finds_and_mends_nothing(books: Books, ann: str):
    damage(books, DRIFT.format(by=9))

    run = asked(books, "a look", dry_run=True)

    assert (run.dry_run, run.reason, run.drifted, run.repaired) == (True, "a look", 1, 0)
    assert [each.repaired for each in drifts(books)] == [False]
    assert books.balance("ann") == 159
    assert asked(books).repaired == 1


def test_a_full_run_goes_through_small_batches_and_the_history(books: Books, ann: str, monkeypatch):
    monkeypatch.setitem(reconciling.BATCHES, ReconcileWidth.FULL, 1)
    damage(books, HIDDEN)

    run = asked(books, full=True)

    assert (run.width, run.checked, run.broken) == (ReconcileWidth.FULL, 2, 1)


def test_a_run_that_died_begins_anew_and_one_that_ended_is_not_run_again(books: Books, ann: str):
    damage(books, DRIFT.format(by=1))
    run = asked(books)
    again = Claim("job_3", "", "", {"run": run.id, "org": books.org_id}, 2, 2)
    reconciling.reconcile_asked(books.desk.units, again)

    assert (run.checked, run.repaired, len(drifts(books))) == (2, 1, 1)


def test_one_wallet_is_reconciled_at_once_with_a_reason(books: Books, ann: str):
    damage(books, DRIFT.format(by=1))
    with books.work() as work, pytest.raises(FinOpsError, match="needs a reason"):
        reconciling.reconcile_wallet(work, ann)
    with books.work() as work:
        tried = reconciling.reconcile_wallet(work, ann, dry_run=True)
        mended = reconciling.reconcile_wallet(work, ann, "ticket 9")
        with pytest.raises(FinOpsError, match="no such wallet"):
            reconciling.reconcile_wallet(work, "acc_none", "ticket 9")

    assert (tried.drifted, tried.repaired) == (1, 0)
    assert (mended.repaired, mended.reason, mended.account_id) == (1, "ticket 9", ann)
    assert verbs(books, "wallet.reconciled") == [f"wallet:{ann}"] * 2
    assert books.balance("ann") == 150


def test_an_entry_written_while_its_account_is_looked_at_is_no_drift(books: Books, ann: str):
    # Given a look that found the account off, and an entry that put it right before it was held
    damage(books, DRIFT.format(by=1))
    with books.read() as reading:
        found = reconciling.drift.off(reading, [ann])
    damage(books, "UPDATE ledger_balance SET posted_minor = 150 WHERE posted_minor = 151")

    # When what was found is to be mended
    with books.work() as work:
        run_id = reconciling.ask_to_reconcile(work)
        seen = reconciling.reconciliation(work, run_id)
        settled = reconciling._settle(work, seen, found)

    # Then there is nothing to mend, and nothing to tell
    assert (settled.drifted, settled.repaired) == (0, 0)
    assert drifts(books) == []


def test_who_may_not_adjust_may_not_reconcile(books: Books, ann: str):
    books.desk.permissions["person_clerk"] = frozenset({Permission.LEDGER_VIEW})

    for verb, given in ((reconciling.ask_to_reconcile, ()), (reconciling.reconcile_wallet, (ann, "why"))):
        with pytest.raises(FinOpsError) as caught, books.work() as work:
            verb(work, *given)
        assert caught.value.code == "NOT_ALLOWED"


def test_each_schedule_looks_as_wide_as_it_says(books: Books, ann: str):
    runs = [scheduled(books, payload) for payload in ({}, WEEKLY, NIGHTLY, {"width": "hourly", "org": books.org_id})]

    full, all_ = ReconcileWidth.FULL, ReconcileWidth.HOURLY
    assert [run.width for run in runs] == [all_, full, full, all_]
    assert [run.moved_since is not None for run in runs] == [False, False, True, False]
    assert [run.checked for run in runs] == [2, 2, 2, 2]


def test_the_nightly_look_goes_through_the_history_of_what_moved_lately(books: Books, ann: str):
    # Given an account that moved, and one that has not for days; then a posting of each is changed past the desk
    books.fund("bob", 7)
    books.fund("bob", 8)
    books.desk.clock.advance(timedelta(days=3))
    books.fund("ann", 1)
    damage(books, HIDDEN, "UPDATE ledger_posting SET balance_after_minor = 99 WHERE balance_after_minor = 7")

    night, week = scheduled(books, NIGHTLY), scheduled(books, WEEKLY)

    assert (night.checked, night.broken) == (1, 1)
    assert (week.checked, week.broken) == (2, 2)


def test_the_nightly_look_sees_a_balance_that_is_gone(books: Books, ann: str):
    books.desk.clock.advance(timedelta(days=3))
    damage(books, f"DELETE FROM ledger_balance WHERE id = '{ann}'")

    assert scheduled(books, NIGHTLY).broken == 1


def test_only_the_organisation_whose_schedule_has_come_is_looked_at(books: Books, ann: str):
    other = books.desk.org("norrland")

    scheduled(books, {"width": "full", "org": books.org_id})

    with books.desk.read(person_actor("person_other", other)) as reading:
        assert reconciling.reconciliations(reading) == ()


def test_looks_of_long_ago_that_found_nothing_are_forgotten(books: Books, ann: str):
    hourly(books)
    kept = asked(books, "somebody asked").id
    damage(books, DRIFT.format(by=1))
    off = hourly(books).id
    books.desk.clock.advance(timedelta(days=91))
    with books.desk.work(worker_actor(books.org_id)) as work:
        reconciling.tidy(work)

    with books.read() as reading:
        assert {run.id for run in reconciling.reconciliations(reading)} == {kept, off}
    assert len(drifts(books)) == 1


def test_a_dry_run_that_found_something_broken_takes_nobodys_alarm(tmp_path: Path):
    # Given a wallet whose balance counts postings that are gone, and a dry run that saw it
    with running_world(tmp_path) as world:
        with world.desk.work(world.actor("ana")) as work:
            wallet = ledger.open_wallet(work, "party_ann", "USD")
            ledger.deposit(work, wallet, Money(100, "USD"))
        tamper(world.desk.settings, "UPDATE ledger_balance SET version = 9 WHERE version = 1")
        with world.desk.work(world.actor("carla")) as work:
            ledger.reconcile_wallet(work, wallet, dry_run=True)

        # When a real look comes by, twice on one day
        for _ in range(2):
            with world.desk.work(world.actor("carla")) as work:
                ledger.reconcile_wallet(work, wallet, "ticket 9")

        # Then who must know is told, once
        with world.desk.read(world.actor("carla")) as reading:
            mine = notice.c.org_id == reading.org_id, notice.c.kind == "ledger.drift"
            assert len(reading.rows(select(notice.c.id).where(*mine))) == 1


@pytest.mark.parametrize(("by", "many"), [(1, 0), (2, 1)])
def test_whoever_answers_for_the_ledger_is_told_of_a_large_drift(tmp_path: Path, by: int, many: int):
    with running_world(tmp_path) as world:
        with world.desk.work(world.actor("ana")) as work:
            wallet = ledger.open_wallet(work, "party_ann", "USD")
            ledger.deposit(work, wallet, Money(100, "USD"))
        off = "UPDATE ledger_balance SET posted_minor = posted_minor + :by WHERE version = 1"
        tamper(world.desk.settings, off, by=by)
        with world.desk.work(world.actor("carla")) as work:
            ledger.ask_to_reconcile(work)
        world.work_off()

        with world.desk.read(world.actor("carla")) as reading:
            assert ledger.wallet(reading, wallet).balance == Money(100, "USD")
            mine = notice.c.org_id == reading.org_id, notice.c.kind == "ledger.drift"
            rows = reading.rows(select(notice.c.body, notice.c.page, notice.c.query).where(*mine))
        told = [row.body for row in rows]
        assert {(row.page, json.loads(row.query)["account"]) for row in rows} <= {("ledger", wallet)}
    assert told == [f"Its balance said 1.0{by} USD; its postings add up to 1.00 USD. It was put back."] * many
