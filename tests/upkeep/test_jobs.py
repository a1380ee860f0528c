"""What the worker does on schedule: tidy up, let questions age out, and look up what was left open."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from finops_core import approvals, operations, payouts, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.catalog.checks import CHECKS
from finops_core.catalog.jobs import JOBS
from finops_core.catalog.schedules import SCHEDULES
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.kernel.errors import Conflict, Unavailable
from finops_core.kernel.ids import new_id
from finops_core.ledger.reconciling import ASKED_JOB, SCHEDULED_JOB
from finops_core.notifications import OLD_ADDRESS_JOB
from finops_core.operations import State, engine
from finops_core.operations.outcome import RETELL_JOB
from finops_core.payouts import PayoutFilter, Standing
from finops_core.payouts.news import FOLLOW_JOB
from finops_core.payouts.rehearsal import REHEARSE_JOB
from finops_core.payouts.repair import CANCEL_JOB, RESOLVE_JOB
from finops_core.platform import queue
from finops_core.platform.queue import job
from finops_core.platform.work import Work
from finops_core.security.models import session
from finops_core.upkeep.checking import CHECK_JOB
from tests.tampering import grown, row_counts, tamper
from tests.world import World, running_world

HARBOUR = "acct_sbx_harbour"
USD = "currency\nUSD\n"


def run(world: World, kind: str) -> None:
    """One job of the schedule."""
    JOBS[kind].run(world.desk, None)


def rows(world: World, execution_id: str, org: str = "harbour") -> list[tuple[str, str]]:
    with world.desk.read(worker_actor(world.orgs[org])) as reading:
        return [(row.state.value, row.provider_id) for row in payouts.rows(reading, execution_id)]


def sent(world: World) -> int:
    return len(world.sandbox.control.calls("POST", "/v1/payouts"))


@contextmanager
def moving(folder: Path, url: str = "", **overrides: object) -> Iterator[World]:
    """A world whose clock is moved by hand."""
    clock = ManualClock(SystemClock().now() + timedelta(seconds=5))
    with running_world(folder, url, clock=clock, **overrides) as world:
        yield world


# --- payouts left open --------------------------------------------------------------------------------------------


def left_in_doubt(world: World, kind: FaultKind, csv: str = USD, org: str = "harbour") -> str:
    """An execution that has ended with a payout in doubt: its answer was lost, and no look-up was answered."""
    seen = world.approved(csv, org=org)
    unanswered = Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=20)
    world.sandbox.control.fault(Fault(kind, times=1), unanswered)
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    world.sandbox.forgive()
    assert rows(world, seen.id, org)[0][0] == "in_doubt"
    assert world.execution(seen.id, org).state is State.UNSETTLED
    return seen.id


def test_a_payout_left_in_doubt_that_was_made_is_adopted_and_nothing_is_sent(tmp_path: Path, database_url: str):
    with running_world(tmp_path, database_url) as world:
        # Given a payout whose answer was lost
        execution_id = left_in_doubt(world, FaultKind.RESET_AFTER)
        calls = sent(world)
        # When the worker looks
        run(world, "payouts.look_up")
        run(world, "payouts.look_up")
        # Then it is known by the provider's id
        made = world.sandbox.control.payouts(HARBOUR)
        assert rows(world, execution_id) == [("created", made[0]["id"])]
        assert (len(made), sent(world)) == (1, calls)
        with world.desk.read(world.actor("eva")) as reading:
            assert payouts.sums(reading, PayoutFilter(standing=Standing.IN_DOUBT)).count == 0
        assert world.execution(execution_id).state is State.COMPLETED


def test_a_payout_that_was_never_made_is_never_sent_again_once_its_run_is_over(tmp_path: Path, database_url: str):
    with moving(tmp_path, database_url) as world:
        # Given a payout that never reached the provider
        execution_id = left_in_doubt(world, FaultKind.RESET_BEFORE)
        calls = sent(world)
        # When the worker looks while the provider would still remember the key
        run(world, "payouts.look_up")
        # Then it waits, and sends nothing
        assert rows(world, execution_id) == [("in_doubt", "")]
        # and when the key's time is over, a person must look
        world.advance(timedelta(hours=25))
        run(world, "payouts.look_up")
        assert rows(world, execution_id) == [("needs_review", "")]
        assert (world.sandbox.control.payouts(HARBOUR), sent(world)) == ([], calls)
        with world.desk.read(world.actor("carla")) as reading:
            (row,) = payouts.rows(reading, execution_id)
            assert payouts.sums(reading, PayoutFilter(standing=Standing.IN_DOUBT)).count == 1
        assert (row.error_code, row.error_message) == (
            "NEEDS_REVIEW",
            "Nobody can say any more whether it was sent; look at the provider.",
        )
        # and looking again changes nothing more
        before = row_counts(world.desk.settings)
        run(world, "payouts.look_up")
        assert grown(before, row_counts(world.desk.settings)) == {}


def test_a_payout_that_was_made_is_adopted_even_long_after_its_key_was_forgotten(tmp_path: Path):
    with moving(tmp_path) as world:
        execution_id = left_in_doubt(world, FaultKind.RESET_AFTER)
        world.advance(timedelta(days=3))

        run(world, "payouts.look_up")

        assert rows(world, execution_id)[0][0] == "created"


def test_a_payout_that_is_listed_with_another_amount_is_for_a_person(world: World):
    execution_id = left_in_doubt(world, FaultKind.RESET_AFTER)
    tamper(world.desk.settings, "UPDATE payout SET amount_minor = amount_minor + 1")

    run(world, "payouts.look_up")

    assert rows(world, execution_id)[0][0] == "needs_review"


def test_a_provider_that_does_not_answer_leaves_it_for_the_next_time(tmp_path: Path):
    with moving(tmp_path) as world:
        execution_id = left_in_doubt(world, FaultKind.RESET_AFTER)
        world.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=1))

        run(world, "payouts.look_up")
        then = rows(world, execution_id)[0][0]
        world.advance(timedelta(minutes=1))
        run(world, "payouts.look_up")

        assert (then, rows(world, execution_id)[0][0]) == ("in_doubt", "created")


@pytest.mark.parametrize(("broken", "sound"), [("harbour", "norrland"), ("norrland", "harbour")])
def test_one_organisation_whose_key_cannot_be_opened_keeps_no_other_waiting(world: World, broken: str, sound: str):
    # Given a payout in doubt in each organisation, and a key of one of them that opens no more
    ids = {"harbour": left_in_doubt(world, FaultKind.RESET_AFTER)}
    ids["norrland"] = left_in_doubt(world, FaultKind.RESET_AFTER, "currency\nEUR\n", "norrland")
    tamper(world.desk.settings, "UPDATE connection SET secret = X'00' WHERE org_id = :org", org=world.orgs[broken])
    # When the worker looks
    run(world, "payouts.look_up")
    # Then the other one's is settled
    assert rows(world, ids[sound], sound)[0][0] == "created"
    assert rows(world, ids[broken], broken)[0][0] == "in_doubt"


def test_a_run_that_still_goes_on_is_left_alone(world: World):
    seen = world.approved(USD)
    claim = begun(world)
    with world.desk.work(worker_actor(claim.org_id)) as work:
        prepared = payouts_prepared(world, work, seen.id)
    assert prepared == 1

    run(world, "payouts.look_up")

    assert [state for state, _ in rows(world, seen.id)] == ["approved"]


def test_payouts_that_a_timed_out_run_never_sent_are_canceled(world: World):
    # Given a run that was ended before it sent anything
    seen = world.approved("currency\nUSD\nEUR\n")
    claim = begun(world)
    with world.desk.work(worker_actor(claim.org_id)) as work:
        payouts_prepared(world, work, seen.id)
        begun_run = engine.Begun(claim, operations.execution(work, seen.id), None, dry=False)
        engine.fail(work, begun_run, Unavailable("RUN_TIMED_OUT", "It took too long."), State.TIMED_OUT)
    # When the worker looks
    run(world, "payouts.look_up")
    # Then nobody takes them for approved any longer
    assert [state for state, _ in rows(world, seen.id)] == ["canceled", "canceled"]
    assert sent(world) == 0


def begun(world: World) -> queue.Claim:
    with world.desk.work(worker_actor("")) as work:
        claim = queue.claim(work, "busy", 600)
    assert claim is not None
    with world.desk.work(worker_actor(claim.org_id)) as work:
        assert engine.begin_run(work, claim) is not None
    return claim


def payouts_prepared(world: World, work, execution_id: str) -> int:
    from finops_core import connections
    from finops_core.payouts import service
    from finops_core.payouts.operations import STRIPE
    from finops_core.payouts.running import ordering

    plan = operations.plan(work, execution_id)
    assert plan is not None
    provider = world.desk.ports.provider(connections.credentials(work, plan.connection_id))
    order_of = ordering(STRIPE, execution_id, 1, plan.mode)
    return len(service.prepare(work, execution_id, 1, plan.as_plan(), provider, order_of))


# --- questions ----------------------------------------------------------------------------------------------------


def test_questions_age_out_in_every_organisation_and_not_a_moment_early(tmp_path: Path, database_url: str):
    with moving(tmp_path, database_url, approval_expires_s=3600) as world:
        first = world.submitted(USD)
        other = world.submitted("currency\nEUR\n", org="norrland")
        world.advance(timedelta(minutes=30))
        later = world.submitted("currency\nGBP\n")
        world.advance(timedelta(minutes=29, seconds=59))

        run(world, "approvals.expire")
        early = [world.execution(first.id).state, world.execution(other.id, "norrland").state]
        world.advance(timedelta(seconds=1))
        run(world, "approvals.expire")

        assert early == [State.AWAITING_APPROVAL] * 2
        assert [world.execution(first.id).state, world.execution(other.id, "norrland").state] == [State.EXPIRED] * 2
        assert world.execution(later.id).state is State.AWAITING_APPROVAL
        with world.desk.read(world.actor("ben")) as reading:
            assert [request.subject_id for request in approvals.waiting(reading)] == [later.id]


def test_one_organisation_whose_requests_cannot_end_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with moving(tmp_path, "", approval_expires_s=3600) as world:
        seen = {"harbour": world.submitted(USD), "norrland": world.submitted("currency\nEUR\n", org="norrland")}
        broken, sound = sorted(seen, key=world.orgs.__getitem__)
        world.advance(timedelta(hours=2))
        whole = approvals.expire_due

        def expire_due(work: Work) -> int:
            if work.org_id == world.orgs[broken]:
                raise Conflict("PARTY_CLOSED", "no")
            return whole(work)

        monkeypatch.setattr(approvals, "expire_due", expire_due)
        with pytest.raises(Conflict):
            run(world, "approvals.expire")

        assert world.execution(seen[sound].id, sound).state is State.EXPIRED
        assert world.execution(seen[broken].id, broken).state is State.AWAITING_APPROVAL


# --- tidying up ---------------------------------------------------------------------------------------------------


def test_jobs_that_ended_a_week_ago_go_and_open_ones_stay(tmp_path: Path, database_url: str):
    with moving(tmp_path, database_url) as world:
        # Given a finished job, and one that waits
        world.planned(USD)
        world.advance(timedelta(days=6))
        world.draft("currency\nEUR\n")
        with world.desk.read(worker_actor("")) as reading:
            before = {row.state for row in reading.rows(select(job.c.state))}
        assert before == {"done", "queued"}
        # When the worker tidies up within the week, and after it
        run(world, "upkeep.clean_up")
        within = row_counts(world.desk.settings)["job"]
        world.advance(timedelta(days=2))
        run(world, "upkeep.clean_up")
        # Then only the finished one has gone
        with world.desk.read(worker_actor("")) as reading:
            after = [row.state for row in reading.rows(select(job.c.state))]
        assert (within, after) == (2, ["queued"])


def test_sessions_of_no_use_go_and_living_ones_stay(tmp_path: Path):
    with moving(tmp_path) as world:
        password = world_password(world)
        with world.desk.work(security.visitor()) as work:
            old = security.sign_in(work, "ana", password)
        world.advance(timedelta(days=40))
        with world.desk.work(security.visitor()) as work:
            new = security.sign_in(work, "ben", password)

        run(world, "upkeep.clean_up")

        assert isinstance(old, security.SignedIn)
        assert isinstance(new, security.SignedIn)
        with world.desk.read(worker_actor("")) as reading:
            assert [row.id for row in reading.rows(select(session.c.id))] == [new.session_id]


def world_password(world: World) -> str:
    from finops_core.upkeep import demo

    return demo.people(world.desk.settings)[0].password


def test_bytes_that_no_row_knows_go_after_a_day_and_files_in_use_stay(tmp_path: Path):
    with moving(tmp_path) as world:
        # Given a stored file, and bytes of a unit that never committed
        seen = world.planned(USD)
        store = world.desk.ports.file_store
        kept = set(store.names())
        orphan = f"{world.orgs['harbour']}/{'0' * 64}-{new_id('seal')}"
        store.put(orphan, iter([b"sealed"]))
        # When the worker tidies up on the same day, and two days later
        run(world, "upkeep.clean_up")
        same_day = set(store.names())
        world.advance(timedelta(days=2))
        run(world, "upkeep.clean_up")
        # Then only those bytes have gone
        assert same_day == {*kept, orphan}
        assert set(store.names()) == kept
        with world.desk.read(world.actor("ana")) as reading:
            from finops_core import files

            assert files.content(reading, str(seen.input_reference)) == USD.encode()


SCHEDULED = sorted(
    {kind for kind, each in JOBS.items() if each.every_s is not None} | {each.kind for each in SCHEDULES.values()}
)


@pytest.mark.parametrize("kind", SCHEDULED)
def test_every_job_of_the_schedule_may_run_twice_and_on_an_empty_desk(world: World, kind: str):
    before = row_counts(world.desk.settings)

    run(world, kind)
    run(world, kind)

    after = grown(before, row_counts(world.desk.settings))
    assert after.pop("check_run", 0) == (2 * 2 * len(CHECKS) if kind == CHECK_JOB else 0)
    looks = 2 * len(world.orgs) if kind == SCHEDULED_JOB else 0
    assert after.pop("ledger_reconciliation", 0) == looks
    assert after == {}


def test_what_is_only_asked_for_is_on_no_schedule():
    asked = {FOLLOW_JOB, REHEARSE_JOB, RESOLVE_JOB, CANCEL_JOB, RETELL_JOB, OLD_ADDRESS_JOB, ASKED_JOB}

    assert set(JOBS) - set(SCHEDULED) == asked
