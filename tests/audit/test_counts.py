"""What other areas ask the log for: how often something was done to each of their things, and in which steps."""

from datetime import timedelta
from pathlib import Path

import pytest

from finops_core import audit
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.kernel.permissions import Permission
from tests.desks import START, AreaDesk, area_desk, person_actor


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> AreaDesk:
    return area_desk(tmp_path, database_url)


def write(desk: AreaDesk, org_id: str, verb: str, object_: str, **detail: object) -> None:
    desk.clock.advance(timedelta(minutes=1))
    with desk.work(person_actor("person_ada", org_id)) as work:
        audit.record(work, verb, object_, detail=detail)


def counts(desk: AreaDesk, org_id: str, verb: str, *objects: str) -> dict[str, int]:
    with desk.read(person_actor("person_ada", org_id)) as reading:
        return dict(audit.counts(reading, verb, objects))


def steps(desk: AreaDesk, org_id: str, area: str, minutes: float = 0) -> dict[str, list[object]]:
    """By object, what each step's detail says; of those at or after so many minutes from the start."""
    with desk.read(worker_actor(org_id)) as reading:
        found = audit.steps(reading, area, START + timedelta(minutes=minutes))
        return {object_: [each["to"] for each in details] for object_, details in found.items()}


def test_each_object_is_counted_by_whole_verb_and_those_without_a_record_are_left_out(desk: AreaDesk):
    org = desk.org()
    for _ in range(3):
        write(desk, org, "file.downloaded", "file:fr_1")
    write(desk, org, "file.downloaded", "file:fr_2")
    write(desk, org, "file.stored", "file:fr_1")
    write(desk, org, "file.downloaded", "file:fr_10")

    assert counts(desk, org, "file.downloaded", "file:fr_1", "file:fr_2", "file:fr_3") == {
        "file:fr_1": 3,
        "file:fr_2": 1,
    }
    assert counts(desk, org, "file.") == {}
    assert counts(desk, org, "file.downloaded") == {}


def test_steps_are_those_of_an_area_in_order_by_object(desk: AreaDesk):
    org = desk.org()
    for object_, to in (("pay_1", "submitting"), ("pay_2", "submitting"), ("pay_1", "created"), ("pay_1", "paid")):
        write(desk, org, f"payout.{to}", f"payout:{object_}", to=to)
    write(desk, org, "payouts.prepared", "execution:ex_1", to="x")
    write(desk, org, "approval.approved", "approval:ap_1", to="x")

    assert steps(desk, org, "payout.") == {
        "payout:pay_1": ["submitting", "created", "paid"],
        "payout:pay_2": ["submitting"],
    }


def test_steps_begin_with_an_instant(desk: AreaDesk):
    org = desk.org()
    for to in ("submitting", "created", "paid"):
        write(desk, org, f"payout.{to}", "payout:pay_1", to=to)

    assert steps(desk, org, "payout.", 2) == {"payout:pay_1": ["created", "paid"]}
    assert steps(desk, org, "payout.", 2.1) == {"payout:pay_1": ["paid"]}
    assert steps(desk, org, "payout.", 3.1) == {}


def test_steps_of_one_instant_stay_in_the_order_they_were_written(desk: AreaDesk):
    org = desk.org()
    with desk.work(worker_actor(org)) as work:
        for number in range(20):
            audit.record(work, "payout.moved", "payout:pay_1", detail={"to": number})

    assert steps(desk, org, "payout.") == {"payout:pay_1": list(range(20))}


def test_another_organisations_records_neither_count_nor_are_steps(desk: AreaDesk):
    mine, other = desk.org("harbour"), desk.org("lake")
    write(desk, other, "file.downloaded", "file:fr_1")
    write(desk, other, "payout.paid", "payout:pay_1", to="paid")
    write(desk, mine, "payout.paid", "payout:pay_2", to="paid")

    assert counts(desk, mine, "file.downloaded", "file:fr_1") == {}
    assert steps(desk, mine, "payout.") == {"payout:pay_2": ["paid"]}


def test_only_the_worker_reads_steps(desk: AreaDesk):
    org = desk.org()
    desk.permissions["person_ada"] = frozenset(Permission) - {Permission.WORKER_ACT}

    with desk.read(person_actor("person_ada", org)) as reading, pytest.raises(NotAllowed):
        audit.steps(reading, "payout.", START)
