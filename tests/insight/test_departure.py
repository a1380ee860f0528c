"""What would wait for nobody if somebody left: exactly what then really does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finops_core import approvals, insight, security
from finops_core.insight import Departure
from finops_core.kernel.actor import system_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.operations import Part, State
from tests.world import World, running_world


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with running_world(tmp_path, database_url, hold_back_s=60) as made:
        yield made


def departure(world: World, who: str) -> Departure:
    with world.desk.read(world.actor("adam")) as reading:
        return insight.departure(reading, world.people[who])


def approver(world: World, who: str, limit_minor: int | None = None) -> None:
    """Another one, who may approve payouts in US dollars."""
    org = world.orgs["harbour"]
    with world.desk.work(system_actor(org)) as work:
        person_id = security.add_person(work, who, who.title(), "", "a long passphrase")
        security.grant_role(work, person_id, "approver", org)
        approvals.grant_authority(
            work, person_id=person_id, item_type="payout", currency="USD", limit_minor=limit_minor
        )
    world.people[who] = person_id


def test_nothing_waits_for_somebody_who_has_no_part_in_anything(world: World):
    world.submitted("currency,maximum\nUSD,10.00\n")

    assert departure(world, "carla").harmless
    assert departure(world, "adam").harmless


def test_a_request_is_stuck_when_its_only_approver_leaves_and_not_while_another_may_decide_it(world: World):
    # Given a request that Ben alone may decide
    seen = world.submitted("currency,maximum\nUSD,10.00\n")
    (stuck,) = departure(world, "ben").requests
    assert (stuck.wanting, stuck.left) == (1, 0)
    assert seen.number in stuck.title
    assert departure(world, "ben").kinds == ("adjustment", "bank_details", "bank_transfer", "payout")

    # When somebody else may approve less than that, it still is
    approver(world, "cy", limit_minor=999)
    assert departure(world, "ben").requests == (stuck,)

    # When somebody else may approve it, it is not
    approver(world, "dee")
    left = departure(world, "ben")
    assert left.requests == ()
    assert left.kinds == ("adjustment", "bank_details", "bank_transfer")
    assert departure(world, "dee").requests == ()


def test_runs_of_a_preparer_and_of_an_approver_are_held_as_they_then_are(world: World):
    # Given a plan, a request, and a run that was approved and has not started
    ready, asked = world.planned("currency,maximum\nUSD,10.00\n"), world.submitted("currency,maximum\nUSD,11.00\n")
    queued = world.approved("currency,maximum\nUSD,12.00\n")
    assert queued.state is State.QUEUED

    # Then Ana's leaving holds all three, Ben's the approved one
    assert {(run.number, run.part) for run in departure(world, "ana").runs} == {
        (each.number, Part.PREPARED) for each in (ready, asked, queued)
    }
    assert [(run.number, run.part) for run in departure(world, "ben").runs] == [(queued.number, Part.APPROVED)]

    # and so it comes: once Ben is gone the run does not start
    with world.desk.work(world.actor("adam")) as work:
        security.set_active(work, world.people["ben"], active=False)
    assert departure(world, "ben").kinds == (), "nobody may now, and nobody could be told who else"


def test_only_who_keeps_people_may_ask(world: World):
    with world.desk.read(world.actor("ben")) as reading, pytest.raises(NotAllowed):
        insight.departure(reading, world.people["ana"])
