"""Adjustments above the limit: nobody books them alone, and what is agreed to is exactly what was proposed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from finops_core import approvals, audit, ledger, reference
from finops_core.approvals import Decision
from finops_core.audit import AuditFilter
from finops_core.catalog.tables import TABLES
from finops_core.kernel.actor import WORKER_ID, worker_actor
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import EntryType, Proposal, ProposalState, StopWidth, Terms, reconciling
from finops_core.ledger.checks import CHECKS
from finops_core.notifications.models import notice
from finops_core.platform import guards
from finops_core.platform.db import open_owner_engine
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading
from tests.postgres import PostgresServer
from tests.tampering import tamper, unguard
from tests.world import World, running_world

pytestmark = pytest.mark.slow
WHY = "a fee of May was charged twice"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("proposals")
    clock = ManualClock(SystemClock().now() + timedelta(seconds=5))
    server: PostgresServer = request.getfixturevalue("postgres")
    name = "" if request.param == "sqlite" else server.new_name()
    with running_world(folder, server.url(name) if name else "", clock=clock) as running:
        yield running
    if name:
        server.drop(name)


@pytest.fixture(autouse=True)
def a_day_later(world: World) -> None:
    """What was adjusted in the test before counts no more."""
    world.advance(timedelta(hours=24))


@pytest.fixture
def wallet(world: World, request: pytest.FixtureRequest) -> str:
    with world.desk.work(world.actor("ana")) as work:
        wallet_id = ledger.open_wallet(work, f"party_{abs(hash(request.node.name))}", "USD")
        ledger.deposit(work, wallet_id, Money(500_000, "USD"))
    return wallet_id


def asked(wallet_id: str, minor: int = 100_001) -> Proposal:
    return Proposal(wallet_id, Money(minor, "USD"), WHY, about=("ticket", "9"))


def propose(world: World, proposal: Proposal) -> ledger.ProposalView:
    with world.desk.work(world.actor("carla")) as work:
        return ledger.proposal(work, ledger.propose_adjustment(work, proposal))


def decide(world: World, who: str, seen: ledger.ProposalView, decision: Decision = Decision.APPROVED) -> None:
    with world.desk.work(world.actor(who)) as work:
        request = approvals.request_view(work, seen.request_id)
        approvals.decide(
            work, request.id, decision, "no" if decision is Decision.REJECTED else "", request.content_hash
        )


def refused(world: World, who: str, act) -> str:
    with pytest.raises(FinOpsError) as caught, world.desk.work(world.actor(who)) as work:
        act(work)
    return caught.value.code


def state(world: World, seen: ledger.ProposalView) -> ProposalState:
    with world.desk.read(world.actor("eva")) as reading:
        return ledger.proposal(reading, seen.id).state


def refused_by_the_database(world: World, statement: str, proposal_id: str) -> str:
    """What the database says to its own owner."""
    engine = open_owner_engine(world.desk.settings)
    with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
        connection.execute(text(statement), {"id": proposal_id})
    engine.dispose()
    return str(caught.value.orig)


def balance(world: World, wallet_id: str) -> int:
    with world.desk.read(world.actor("eva")) as reading:
        return ledger.wallet(reading, wallet_id).balance.minor


def test_up_to_the_limit_one_person_adjusts_and_above_it_two_do(world: World, wallet: str):
    limit, more = Money(100_000, "USD"), Money(100_001, "USD")
    with world.desk.work(world.actor("carla")) as work:
        ledger.adjust(work, wallet, limit, Terms(reason=WHY))
    world.advance(timedelta(hours=24))
    with world.desk.work(world.actor("carla")) as work:
        ledger.adjust(work, wallet, -limit, Terms(reason=WHY))
    for amount in (more, -more):
        code = refused(world, "carla", lambda w, amount=amount: ledger.adjust(w, wallet, amount, Terms(reason=WHY)))
        assert code == "ADJUSTMENT_OVER_LIMIT"
    assert balance(world, wallet) == 500_000

    seen = propose(world, asked(wallet))
    assert balance(world, wallet) == 500_000
    # The one who asked cannot agree, whatever they may do elsewhere.
    with pytest.raises(FinOpsError):
        decide(world, "carla", seen)
    decide(world, "ben", seen)

    assert balance(world, wallet) == 600_001
    with world.desk.read(world.actor("eva")) as reading:
        done = ledger.proposal(reading, seen.id)
        entry = ledger.entry(reading, done.journal_id)
        told = [each.verb for each in audit.records(reading, AuditFilter(object=f"adjustment:{seen.id}"), limit=9).rows]
    assert done.state is ProposalState.BOOKED
    assert (entry.type, entry.reason, entry.source) == ("ADJUSTMENT", WHY, ("adjustment", seen.id))
    assert sorted(told) == ["adjustment.booked", "adjustment.proposed"]


def adjust(world: World, wallet: str, minor: int, who: str = "carla") -> ledger.Posted:
    with world.desk.work(world.actor(who)) as work:
        return ledger.adjust(work, wallet, Money(minor, "USD"), Terms(reason=WHY))


def over(world: World, wallet: str, minor: int) -> bool:
    try:
        adjust(world, wallet, minor)
    except FinOpsError as error:
        if error.code != "ADJUSTMENT_OVER_LIMIT":
            raise
        return True
    return False


def test_many_small_ones_are_as_large_as_one(world: World, wallet: str):
    # Given a person who has adjusted up to the limit, adding and taking, and one who was asked and agreed
    decide(world, "ben", propose(world, asked(wallet)))
    assert not over(world, wallet, 60_000)
    assert not over(world, wallet, -40_000)
    # When they go on, then whatever they adjust needs somebody else, until a day has passed
    assert over(world, wallet, 1)
    assert over(world, wallet, -1)
    world.advance(timedelta(hours=24) - timedelta(minutes=1))
    assert over(world, wallet, 1)
    world.advance(timedelta(minutes=1))
    assert not over(world, wallet, 100_000)


def test_taking_one_back_counts_by_itself(world: World, wallet: str):
    posted = adjust(world, wallet, 100_000)

    with world.desk.work(world.actor("carla")) as work:
        ledger.reverse(work, posted.id, Terms(reason=WHY))

    assert balance(world, wallet) == 500_000
    assert over(world, wallet, 1), "what was taken back was adjusted all the same"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger_proposal SET journal_id = 'je_other' WHERE id = :id",
        "UPDATE ledger_proposal SET content = 'another' WHERE id = :id",
        "DELETE FROM approval_decision WHERE request_id = :request",
        "UPDATE approval_decision SET decision = 'rejected' WHERE request_id = :request",
        "UPDATE approval_decision SET person_id = :carla WHERE request_id = :request",
        "UPDATE approval_decision SET content_hash = 'another' WHERE request_id = :request",
        "UPDATE approval_request SET subject_id = 'another' WHERE id = :request",
    ],
)
def test_a_large_one_without_its_approval_is_found(world: World, wallet: str, damage: str):
    seen = propose(world, asked(wallet))
    decide(world, "ben", seen)
    adjust(world, wallet, 100_000)
    assert found(world) == []

    told = found(world, damage, {"id": seen.id, "request": seen.request_id, "carla": world.people["carla"]})

    (said,) = told
    assert said.endswith("adjusts 1000.01 USD, and nobody else agreed to it")


def found(world: World, damage: str = "", of: Mapping[str, str] | None = None) -> Sequence[str]:
    """What the check says while some damage stands that somebody did past the guards."""
    (check,) = (each for each in CHECKS if each.id == "ledger.adjustments")
    actor, engine = worker_actor(world.orgs["harbour"]), open_owner_engine(world.desk.settings)
    with engine.connect() as connection:
        if damage:
            unguard(connection)
            assert connection.execute(text(damage), of).rowcount
        told = check.find(Reading(connection, actor, frozenset({actor.org_id}), world.desk.ports))
        connection.rollback()
    engine.dispose()
    return told


def lose_the_newest_entry(world: World, wallet: str) -> None:
    """A wallet of 5,000.00 gets another 700.00, and somebody takes that out of the books, past the guards."""
    with world.desk.work(world.actor("ana")) as work:
        entry = ledger.deposit(work, wallet, Money(70_000, "USD")).id
    for table, column in (("ledger_posting", "journal_id"), ("ledger_journal", "id")):
        past_the_guards(world, f"DELETE FROM {table} WHERE {column} = :id", id=entry)


def change(world: World, wallet: str, minor: int, version: int) -> None:
    sql = "UPDATE ledger_balance SET posted_minor = :to, version = :version WHERE id = :id"
    past_the_guards(world, sql, to=minor, version=version, id=wallet)


def past_the_guards(world: World, sql: str, **values: object) -> None:
    """Done with the guards gone, which stand again afterwards."""
    tamper(world.desk.settings, sql, foreign_keys=False, **values)
    engine = open_owner_engine(world.desk.settings)
    with engine.begin() as connection:
        guards.ensure(connection, TABLES)
    engine.dispose()


def looked_at(world: World) -> list[ledger.ProposalView]:
    """What waits for approval after a look of the schedule."""
    reconciling.reconcile_scheduled(world.desk, Claim("job_1", "ledger.reconcile", "", {}, 1, 1))
    with world.desk.read(world.actor("eva")) as reading:
        return list(ledger.proposals(reading, waiting=True))


def told_of(world: World, wallet: str) -> str:
    """The newest incident of a wallet."""
    with world.desk.read(world.actor("carla")) as reading:
        mine = notice.c.org_id == reading.org_id, notice.c.kind == "ledger.drift", notice.c.query.contains(wallet)
        return str(reading.scalar(select(notice.c.body).where(*mine).order_by(notice.c.id.desc()).limit(1)))


def wrong(world: World) -> set[str]:
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        return {check.id for check in CHECKS if check.find(reading)}


def test_what_was_lost_is_put_up_for_approval_and_brought_back_by_it(world: World, wallet: str):
    # Given a wallet whose newest entry is gone
    before = looked_at(world)
    lose_the_newest_entry(world, wallet)
    # When the desk looks, then it puts an adjustment up, once, and mends nothing
    (seen,) = [each for each in looked_at(world) if each not in before]
    assert (seen.asked.wallet_id, seen.asked.amount, seen.proposed_by) == (wallet, Money(70_000, "USD"), WORKER_ID)
    told = "Postings are gone: the balance said 5700.00 USD, those that are left add up to 5000.00 USD."
    assert seen.asked.reason == told
    assert looked_at(world) == [seen, *before]
    assert "ledger.balances" in wrong(world)
    # When somebody agrees, then the wallet has what it had, and moves again
    decide(world, "ben", seen)
    assert (state(world, seen), balance(world, wallet)) == (ProposalState.BOOKED, 570_000)
    with world.desk.work(world.actor("ana")) as work:
        ledger.deposit(work, wallet, Money(1, "USD"))
    assert looked_at(world) == before
    assert "ledger.balances" not in wrong(world)


def test_what_was_rejected_is_not_put_up_again_and_what_expired_is(world: World, wallet: str):
    lose_the_newest_entry(world, wallet)
    first = looked_at(world)[0]
    world.advance(timedelta(days=2))
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        approvals.expire_due(work)

    (second,) = looked_at(world)
    assert second.id != first.id
    assert told_of(world, wallet).endswith("waits for approval.")
    decide(world, "ben", second, Decision.REJECTED)
    world.advance(timedelta(days=1))
    assert looked_at(world) == []
    assert told_of(world, wallet).endswith("postings are gone or changed.")
    change(world, wallet, 500_000, 1)


def test_what_is_not_off_by_that_any_more_is_not_brought_back(world: World, wallet: str):
    lose_the_newest_entry(world, wallet)
    seen = looked_at(world)[0]
    change(world, wallet, 570_001, 2)

    with pytest.raises(FinOpsError) as caught:
        decide(world, "ben", seen)

    assert caught.value.code == "PROPOSAL_CHANGED"
    assert balance(world, wallet) == 570_001, "nothing was put back either"
    decide(world, "ben", seen, Decision.REJECTED)
    change(world, wallet, 500_000, 1)


def test_nothing_is_booked_of_what_is_rejected_withdrawn_or_left_alone(world: World, wallet: str):
    seen = [propose(world, asked(wallet, minor)) for minor in (200_000, 200_001, 200_002)]

    decide(world, "ben", seen[0], Decision.REJECTED)
    with world.desk.work(world.actor("carla")) as work:
        ledger.withdraw_proposal(work, seen[1].id)
    world.advance(timedelta(days=2))
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        approvals.expire_due(work)

    ended = [ProposalState.REJECTED, ProposalState.WITHDRAWN, ProposalState.EXPIRED]
    assert [state(world, each) for each in seen] == ended
    assert balance(world, wallet) == 500_000
    assert refused(world, "carla", lambda w: ledger.withdraw_proposal(w, seen[0].id)) == "APPROVAL_NOT_PENDING"


def test_what_the_books_refuse_is_the_approvers_to_read_and_waits_on(world: World, wallet: str):
    taken = propose(world, asked(wallet, -500_001))
    given = propose(world, asked(wallet, 150_000))
    with pytest.raises(FinOpsError) as caught:
        decide(world, "ben", taken)
    assert caught.value.code == "INSUFFICIENT_BALANCE"

    with world.desk.work(world.actor("carla")) as work:
        stop = ledger.stop(work, StopWidth.WALLET, "looking into it", wallet)
    with pytest.raises(FinOpsError) as caught:
        decide(world, "ben", given)
    assert caught.value.code == "MONEY_STOPPED"
    assert state(world, given) is ProposalState.WAITING
    with world.desk.work(world.actor("carla")) as work:
        ledger.resume(work, stop, "found")
    decide(world, "ben", given)

    assert (balance(world, wallet), state(world, given)) == (650_000, ProposalState.BOOKED)


def test_who_may_propose_what(world: World, wallet: str):
    def bad(who: str, **change: object) -> str:
        return refused(world, who, lambda w: ledger.propose_adjustment(w, replace(asked(wallet), **change)))

    assert [bad(who) for who in ("ana", "ben", "dan", "eva")] == ["NOT_ALLOWED"] * 4
    assert bad("carla", reason=" ") == "REASON_MISSING"
    assert bad("carla", amount=Money(0, "USD")) == "INVALID_AMOUNT"
    assert bad("carla", amount=Money(5, "EUR")) == "CURRENCY_MISMATCH"
    assert bad("carla", wallet_id="acc_none") == "WALLET_NOT_FOUND"
    first = propose(world, asked(wallet))
    assert bad("carla") == "PROPOSED_BEFORE"
    with world.desk.read(world.actor("eva")) as reading:
        assert [each.id for each in ledger.proposals(reading, wallet, waiting=True)] == [first.id]


def test_an_amount_of_another_currency_counts_at_its_rate_and_needs_two_where_there_is_none(world: World):
    with world.desk.read(world.actor("carla")) as reading:
        assert ledger.over_limit(reading, Money(1, "KWD"))
        today = reference.today(reading)
    with world.desk.work(world.actor("carla")) as work:
        reference.note_rate(work, "KWD", "USD", "3.25", today)

    with world.desk.read(world.actor("carla")) as reading:
        assert ledger.over_limit(reading, Money(1, "KWD")), "a rate of her own"
    with world.desk.read(world.actor("eva")) as reading:
        # 307.692 dinars are 999.999 dollars, 307.695 are 1,000.01.
        assert not ledger.over_limit(reading, Money(307_692, "KWD"))
        assert ledger.over_limit(reading, Money(307_695, "KWD"))


def test_no_program_changes_or_removes_what_was_asked_for(world: World, wallet: str):
    seen = propose(world, asked(wallet))
    for change in ("amount_minor = 1", "reason = 'x'", f"wallet_id = '{wallet}x'", "content = 'x'"):
        said = refused_by_the_database(world, f"UPDATE ledger_proposal SET {change} WHERE id = :id", seen.id)
        assert "PROPOSAL_KEEPS" in said
    assert "PROPOSAL_STAYS" in refused_by_the_database(world, "DELETE FROM ledger_proposal WHERE id = :id", seen.id)
    decide(world, "ben", seen)
    again = "UPDATE ledger_proposal SET state = 'waiting', journal_id = '' WHERE id = :id"
    assert "PROPOSAL_KEEPS" in refused_by_the_database(world, again, seen.id)


def test_a_rate_of_ones_own_and_a_day_of_long_ago_make_nothing_small(world: World):
    with world.desk.work(world.actor("ana")) as work:
        pounds = ledger.open_wallet(work, "party_pounds", "GBP")
    with world.desk.read(world.actor("carla")) as reading:
        today = reference.today(reading)
    long_ago = today - timedelta(days=900)
    for day in (long_ago, today):
        with world.desk.work(world.actor("carla")) as work:
            reference.note_rate(work, "GBP", "USD", "0.000000000001", day)
        much = Money(5_000_000, "GBP")
        terms = Terms(reason=WHY, effective_on=long_ago)
        assert (
            refused(world, "carla", lambda w, a=much, t=terms: ledger.adjust(w, pounds, a, t))
            == "ADJUSTMENT_OVER_LIMIT"
        )

    # The bank's rate of today counts, but not for a day of which only one's own is known.
    with world.desk.work(world.actor("carla")) as work:
        reference.take_in_rates(work, f"Date,USD,GBP\n{today.isoformat()},1.05,0.83\n".encode())
    small = Money(100, "GBP")
    assert refused(world, "carla", lambda w: ledger.adjust(w, pounds, small, Terms("", WHY, long_ago))) == (
        "ADJUSTMENT_OVER_LIMIT"
    )


def test_under_its_key_an_adjustment_is_told_again_whatever_the_rate_did(world: World):
    with world.desk.work(world.actor("ana")) as work:
        francs = ledger.open_wallet(work, "party_francs", "CHF")
    with world.desk.read(world.actor("carla")) as reading:
        today = reference.today(reading)

    def rate(value: str) -> None:
        with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
            work.permissions = frozenset(Permission)
            reference.note_rate(work, "CHF", "USD", value, today)

    def book():
        with world.desk.work(world.actor("carla")) as work:
            return ledger.adjust_or_propose(work, francs, Money(90_000, "CHF"), Terms("once", WHY))

    rate("1")
    first = book()
    rate("1.2")
    again = book()

    assert first is not None
    assert again is not None
    assert (again.id, again.repeated) == (first.id, True)
    assert balance(world, francs) == 90_000


def test_two_people_who_ask_for_the_very_same_at_once_ask_once(world: World, wallet: str):
    def ask(_: int) -> str:
        try:
            return propose(world, asked(wallet, 777_777)).id
        except FinOpsError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))

    assert sorted(found)[:3] == ["PROPOSED_BEFORE"] * 3
    with world.desk.read(world.actor("eva")) as reading:
        assert len(ledger.proposals(reading, wallet)) == 1


def test_a_key_stands_for_one_proposal_for_ever(world: World, wallet: str):
    first = propose(world, replace(asked(wallet), key="K"))
    decide(world, "ben", first)

    assert propose(world, replace(asked(wallet), key="K")).id == first.id
    changed = replace(asked(wallet, 222_222), key="K")
    assert refused(world, "carla", lambda w: ledger.propose_adjustment(w, changed)) == "DUPLICATE_TRANSACTION"


def test_under_a_proposals_key_nothing_is_booked_alone_once_the_limit_has_room_again(world: World, wallet: str):
    def ask(work, minor: int = 60_000) -> ledger.Posted | None:
        return ledger.adjust_or_propose(work, wallet, Money(minor, "USD"), Terms("later", WHY))

    adjust(world, wallet, 50_000)
    for _ in range(2):
        with world.desk.work(world.actor("carla")) as work:
            assert ask(work) is None
            (seen,) = ledger.proposals(work, wallet)
        if seen.state is ProposalState.WAITING:
            decide(world, "ben", seen)
        world.advance(timedelta(hours=24))

    alone = refused(world, "carla", lambda w: ledger.adjust(w, wallet, Money(60_000, "USD"), Terms("later", WHY)))
    assert (alone, refused(world, "carla", lambda w: ask(w, 7))) == ("ADJUSTMENT_OVER_LIMIT", "DUPLICATE_TRANSACTION")
    assert balance(world, wallet) == 610_000


def test_what_can_never_be_booked_is_not_asked_of_anybody(world: World, wallet: str):
    long = replace(asked(wallet), reason="x" * 501)

    assert refused(world, "carla", lambda w: ledger.propose_adjustment(w, long)) == "REASON_LONG"


def test_nothing_is_booked_of_somebody_who_may_not_adjust_any_more(world: World, wallet: str):
    seen = propose(world, asked(wallet))
    to = {"to": world.people["dan"], "id": seen.id}  # as if Dan had been a controller then
    tamper(world.desk.settings, "UPDATE ledger_proposal SET proposed_by = :to WHERE id = :id", **to)
    world.desk.migrate()
    with pytest.raises(FinOpsError) as caught:
        decide(world, "ben", seen)

    assert caught.value.code == "PROPOSER_LEFT"
    assert balance(world, wallet) == 500_000


def test_what_the_approver_is_shown_is_what_is_bound_or_nothing_is_booked(world: World, wallet: str):
    seen = propose(world, asked(wallet, -300_000))
    with world.desk.read(world.actor("eva")) as reading:
        before = approvals.of_subject(reading, "adjustment", seen.id)[0]
    assert ledger.binds(before.summary, before.content_hash)
    shown = json.dumps({**before.summary, "amount": "10.00 USD"})
    tamper(world.desk.settings, "UPDATE approval_request SET summary = :to WHERE id = :id", to=shown, id=before.id)
    world.desk.migrate()

    with world.desk.read(world.actor("eva")) as reading:
        after = approvals.of_subject(reading, "adjustment", seen.id)[0]
    assert not ledger.binds(after.summary, after.content_hash)
    with pytest.raises(FinOpsError) as caught:
        decide(world, "ben", seen)
    assert (caught.value.code, balance(world, wallet)) == ("PROPOSAL_CHANGED", 500_000)


def test_what_two_have_booked_one_alone_does_not_undo_nor_is_an_undoing_undone(world: World, wallet: str):
    seen = propose(world, asked(wallet))
    decide(world, "ben", seen)
    with world.desk.read(world.actor("eva")) as reading:
        large = ledger.proposal(reading, seen.id).journal_id
    with world.desk.work(world.actor("carla")) as work:
        small = ledger.adjust(work, wallet, Money(100, "USD"), Terms(reason=WHY))
        undone = ledger.reverse(work, small.id, Terms(reason=WHY))

    for entry_id, code in ((large, "ADJUSTMENT_OVER_LIMIT"), (undone.id, "REVERSAL_STANDS")):
        assert refused(world, "carla", lambda w, i=entry_id: ledger.reverse(w, i, Terms(reason=WHY))) == code


def test_refused_operations_are_kept_with_their_reasons_and_counted(world: World, wallet: str):
    def counts() -> ledger.Statistics:
        with world.desk.read(world.actor("eva")) as reading:
            return ledger.statistics(reading, timedelta(hours=1))

    before = counts()
    much = Money(500_001, "USD")
    assert refused(world, "ana", lambda w: ledger.operate(w, EntryType.FEE, wallet, much)) == "INSUFFICIENT_BALANCE"
    assert refused(world, "eva", lambda w: ledger.operate(w, EntryType.FEE, wallet, much)) == "NOT_ALLOWED"
    assert refused(world, "ben", lambda w: ledger.operate(w, EntryType.FEE, wallet, much)) == "NOT_ALLOWED"
    with world.desk.work(world.actor("ana")) as work:
        ledger.operate(work, EntryType.FEE, wallet, Money(7, "USD"))
    after = counts()

    assert (after.failed - before.failed, after.entries - before.entries) == (2, 1)
    assert after.error_rate == after.failed / (after.failed + after.entries)
    assert after.refused["INSUFFICIENT_BALANCE"] - before.refused.get("INSUFFICIENT_BALANCE", 0) == 1
    fees = next(each for each in after.kinds if each.type == "FEE")
    assert (fees.many, fees.volume) == (1, Money(7, "USD"))
    with world.desk.read(world.actor("eva")) as reading:
        newest = ledger.refusals(reading, 2)
        told = audit.records(reading, AuditFilter(verb="access.denied"), limit=1).rows
    assert [each.code for each in newest] == ["NOT_ALLOWED", "INSUFFICIENT_BALANCE"]
    assert newest[1].refused == ledger.Refused(EntryType.FEE, wallet, much)
    assert told
