"""A connection that is dead, or a payout that cannot be read, keeps no other one waiting, and somebody hears of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from finops_core import notifications, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.connections.models import connection
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError, NotAllowed, Unavailable
from finops_core.operations import State
from finops_core.payouts import Verdict, following, queries
from finops_core.payouts.models import payout, provider_news
from finops_core.payouts.rounds import REST_MOST_S, Round
from tests.operations.walks import code_of
from tests.payouts.test_following import TWO, event, hear, move, news, paid_batch
from tests.payouts.walks import act, clock_of, rows_of, states, violations, with_provider
from tests.tampering import tamper
from tests.world import World

AN_HOUR = timedelta(hours=1)
REFUSED = NotAllowed("PROVIDER_KEY_REFUSED", "Not with this key.", hint="Another.", status=401)
BROKEN = Unavailable("PROVIDER_UNAVAILABLE", "It broke.", hint="Later.", status=500)


@dataclass
class PartlyDead:
    """A provider whose reads fail: of these payouts, and all look-ups."""

    real: Any
    error: FinOpsError
    dead: set[str]
    asked: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def get(self, account: str, payout_id: str) -> Any:
        self.asked.append(payout_id)
        if payout_id in self.dead:
            raise self.error
        return self.real.get(account, payout_id)

    def find(self, *_: object) -> Any:
        self.asked.append("find")
        raise self.error


def dead(world: World, error: FinOpsError, *ids: str) -> tuple[World, list[str]]:
    asked: list[str] = []
    return with_provider(world, lambda real: PartlyDead(real, error, set(ids), asked)), asked


def refuse() -> None:
    raise BROKEN


# Of approvals and ends of runs people are told, too; that is not what this is about.
ENDS = ("approval.", "execution.")


def told(world: World, who: str) -> list[str]:
    with world.desk.read(world.actor(who)) as reading:
        return [each.kind for each in notifications.unread(reading) if not each.kind.startswith(ENDS)]


# --- turns


@pytest.mark.parametrize("error", [REFUSED, BROKEN], ids=["refused", "broken"])
def test_payouts_that_cannot_be_read_take_no_turn_from_the_others(
    timed: World, monkeypatch: pytest.MonkeyPatch, error: FinOpsError
):
    # Given more payouts that cannot be read than a round looks at, and one that has arrived
    monkeypatch.setattr(following, "REFRESH_MOST", 2)
    _, ids = paid_batch(timed)
    seen = timed.approved("currency,maximum\nGBP,100.00\n")
    timed.work_off()
    (row,) = rows_of(timed, seen.id)
    world, _ = dead(timed, error, *ids)
    move(timed, row.provider_id, "in_transit", "paid")
    # When a few rounds have come
    for _ in range(4):
        timed.advance(timedelta(minutes=16))
        world.run_job("payouts.refresh")
    # Then that one is known to have
    assert states(timed, seen.id) == ["paid"]


def test_a_thousand_pieces_of_news_of_one_payout_that_cannot_be_read_hold_up_no_other(both: World):
    world = both
    execution_id, (first, second) = paid_batch(world)
    broken, asked = dead(world, BROKEN, first)
    hear(world, event(world, first, "payout.updated", 1))
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        _copied(work, 1_200)
    move(world, second, "in_transit", "paid")
    hear(world, event(world, second, "payout.paid", 9_000))

    broken.look_through_the_inbox()

    assert states(world, execution_id) == ["created", "paid"]
    assert asked.count(first) == 1
    assert [state for kind, state in news(world) if kind == "payout.paid"] == ["done"]


def _copied(work: Any, many: int) -> None:
    from sqlalchemy import insert, select

    row = work.first(select(provider_news).where(provider_news.c.org_id == work.org_id))
    values = [{**row._mapping, "id": f"{row.id}{n}", "event_id": f"evt_{n}"} for n in range(many)]
    work.execute(insert(provider_news), values)


def test_each_connection_has_its_turn_and_what_was_never_asked_about_comes_first(both: World):
    # Given payouts of two connections; all of the first come earlier, and some were asked about before
    world = both
    execution_id, _ = paid_batch(world)
    seen = world.approved("currency,maximum\nUSD,70.00\nEUR,70.00\nGBP,70.00\n")
    world.work_off()
    other = [row.id for row in rows_of(world, seen.id)]
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        mine = payout.c.org_id == work.org_id
        another = work.scalar(_another_connection(work))
        work.execute(update(payout).where(mine, payout.c.id.in_(other)).values(connection_id=another))
        first = update(payout).where(mine, payout.c.id == other[0])
        work.execute(first.values(tried_at=work.now, followed_at=None))
    # When a round asks which are due
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        turns = queries.in_turn(reading, payout.c.state == "created", 2)
    # Then one of each comes in turn, so many of each, and on both databases those never asked about first
    assert [row.execution_id for row in turns if row.id in other] == [seen.id, seen.id]
    assert {row.id for row in turns if row.execution_id == seen.id} == set(other[1:])
    assert len({turns[0].connection_id, turns[1].connection_id}) == 2
    assert len({turns[2].connection_id, turns[3].connection_id}) == 2
    assert len(turns) == 4
    assert states(world, execution_id) == ["created", "created"]


def _another_connection(work: Any) -> Any:
    from sqlalchemy import select

    mine = connection.c.org_id == work.org_id, connection.c.provider != "stripe"
    return select(connection.c.id).where(*mine)


def test_a_payout_the_provider_does_not_know_has_had_its_turn(timed: World):
    execution_id, (first, _) = paid_batch(timed)
    tamper(timed.desk.settings, "UPDATE payout SET provider_id = 'po_gone' WHERE provider_id = :id", id=first)

    timed.run_job("payouts.refresh")

    assert following.due(timed.desk, timed.orgs["harbour"]) == ()
    assert states(timed, execution_id) == ["created", "created"]


# --- a key that is refused


def test_a_refused_key_is_asked_with_once_a_round_and_administrators_are_told_once_a_day(timed: World):
    _, ids = paid_batch(timed)
    now = clock_of(timed).now()
    timed.advance(now.replace(hour=12) + timedelta(days=1) - now)
    world, asked = dead(timed, REFUSED, *ids)

    world.run_job("payouts.refresh")
    timed.advance(AN_HOUR)
    world.run_job("payouts.refresh")

    assert len(asked) == 2
    assert set(asked) == set(ids)
    assert told(timed, "adam") == ["connection.refused"]
    assert told(timed, "ana") == []
    with timed.desk.read(timed.actor("adam")) as reading:
        (notice,) = notifications.unread(reading)
    assert notice.title == "The provider refuses the key of Stripe sandbox"
    timed.advance(timedelta(days=1))
    world.run_job("payouts.refresh")
    assert told(timed, "adam") == ["connection.refused"] * 2


# --- in doubt, and nobody can look


def in_doubt(timed: World) -> str:
    seen = timed.approved(TWO)
    timed.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    timed.work_off()
    timed.sandbox.control.post("reset", {"only": ["fault"]})
    assert states(timed, seen.id) == ["in_doubt", "in_doubt"]
    return seen.id


def hours_pass(timed: World, world: World, hours: int) -> None:
    for _ in range(hours):
        timed.advance(AN_HOUR)
        world.look_up()


ERRORS = {
    "the key is refused": REFUSED,
    "nobody answers": Unavailable("PROVIDER_UNAVAILABLE", "Nobody answered.", hint="Later."),
    "it breaks": BROKEN,
    "too many to read": Unavailable("PROVIDER_TOO_MANY", "Too many.", hint="A person."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_looked_up_waits_for_a_person_once_its_key_may_be_forgotten(timed: World, name: str):
    # Given payouts in doubt, and a provider of which no look-up works any more
    execution_id = in_doubt(timed)
    world, _ = dead(timed, ERRORS[name])
    hours_pass(timed, world, 22)
    assert states(timed, execution_id) == ["in_doubt", "in_doubt"]
    # When the key may be forgotten
    hours_pass(timed, world, 3)
    # Then a person has to look, and is told since when nobody could
    assert states(timed, execution_id) == ["needs_review", "needs_review"]
    assert rows_of(timed, execution_id)[0].error_message.startswith("It could not be looked up since 20")
    assert "payout.review" in told(timed, "ana")
    assert "payout.review" in told(timed, "ben")
    assert timed.execution(execution_id).state is State.UNSETTLED
    assert violations(timed) == {}
    # who can settle it once it can be checked
    (first, _) = rows_of(timed, execution_id)
    act(timed, payouts.resolve, first.id, Verdict.NEVER_MADE, "", "Not in the dashboard.", who="ben")
    timed.work_off()
    assert states(timed, execution_id) == ["rejected", "needs_review"]


def test_a_provider_that_is_gone_for_a_moment_makes_nobody_look(timed: World):
    execution_id = in_doubt(timed)
    hours_pass(timed, timed, 22)
    world, _ = dead(timed, BROKEN)

    timed.advance(timedelta(minutes=65))
    world.look_up()
    assert states(timed, execution_id) == ["in_doubt", "in_doubt"]
    timed.advance(timedelta(minutes=20))
    timed.look_up()

    # Then it was looked up, and only the key's age is told of
    assert {row.error_message for row in rows_of(timed, execution_id)} == {
        "Nobody can say any more whether it was sent; look at the provider."
    }


def test_what_a_run_is_at_is_left_to_the_run(timed: World):
    execution_id = in_doubt(timed)
    world, _ = dead(timed, REFUSED)
    hours_pass(timed, world, 20)
    tamper(timed.desk.settings, "UPDATE execution SET state = 'running' WHERE id = :id", id=execution_id)

    hours_pass(timed, world, 6)

    assert states(timed, execution_id) == ["in_doubt", "in_doubt"]
    assert code_of(act, timed, payouts.retry, execution_id) == "STILL_IN_DOUBT"


def test_between_two_payouts_a_round_rests_as_long_as_the_last_took_but_never_long(timed: World):
    # Given a round, and acts that take a while by its clock
    clock, rests = clock_of(timed), []
    asked = Round(timed.desk)
    clock.on_sleep = rests.append

    # When one is quick, one slow and one fails
    for took_s in (0.004, 5.0):
        asked.ask("cn_1", lambda took_s=took_s: clock.advance(timedelta(seconds=took_s)))
    assert asked.ask("cn_1", lambda: [clock.advance(timedelta(seconds=0.002)), refuse()]) is None

    # Then others have their turn after each
    assert rests == pytest.approx([0.004, REST_MOST_S, 0.002])
