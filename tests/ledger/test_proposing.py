"""Adjustments above the limit: nobody books them alone, and what is agreed to is exactly what was proposed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from finops_core import approvals, audit, ledger, reference
from finops_core.approvals import Decision
from finops_core.audit import AuditFilter
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import Proposal, ProposalState, StopWidth, Terms
from finops_core.platform.db import open_owner_engine
from tests.postgres import PostgresServer
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
