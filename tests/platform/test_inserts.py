"""Inserting unless another row has the same key: never an error, whoever else inserts at that moment."""

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from finops_core.kernel.actor import worker_actor
from finops_core.platform.inserts import insert_missing, insert_unless_there
from finops_core.platform.queue import lease
from tests.desks import AreaDesk
from tests.held_up import held_up


def row(owner: str) -> dict[str, object]:
    return {"name": "sealer", "owner": owner, "until_ms": 1, "fence": 1}


def insert(area: AreaDesk, owner: str) -> bool:
    with area.work(worker_actor("")) as work:
        return insert_unless_there(work, lease, row(owner))


def owners(area: AreaDesk) -> list[str]:
    with area.read(worker_actor("")) as reading:
        return [each.owner for each in reading.rows(select(lease.c.owner))]


def test_the_first_is_inserted_and_the_second_changes_nothing(area: AreaDesk):
    assert (insert(area, "first"), insert(area, "second")) == (True, False)

    assert owners(area) == ["first"]


def test_one_that_comes_while_the_first_is_not_committed_waits_and_fails_nobodys_unit(area: AreaDesk):
    given = held_up(
        area.units,
        worker_actor(""),
        lambda work: insert_unless_there(work, lease, row("first")),
        lambda: insert(area, "second"),
    )

    assert given is False
    assert owners(area) == ["first"]


def test_when_the_first_is_rolled_back_the_one_that_waited_is_inserted(area: AreaDesk):
    def insert_and_break() -> None:
        with area.work(worker_actor("")) as work:
            insert_unless_there(work, lease, row("first"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_break()

    assert insert(area, "second")
    assert owners(area) == ["second"]


def test_what_breaks_another_rule_than_a_unique_key_is_an_error(area: AreaDesk):
    with pytest.raises(IntegrityError), area.work(worker_actor("")) as work:
        insert_unless_there(work, lease, {**row("first"), "owner": None})

    assert owners(area) == []


def several(area: AreaDesk, *rows: dict[str, object]) -> list[tuple[object, ...]]:
    with area.work(worker_actor("")) as work:
        return insert_missing(work, lease, rows)


def test_of_several_rows_those_whose_key_is_taken_are_left_out_by_each_other_too(area: AreaDesk):
    insert(area, "first")
    worker = {**row("second"), "name": "worker"}

    assert several(area, row("second"), worker, {**worker, "owner": "third"}) == [("worker",)]
    assert sorted(owners(area)) == ["first", "second"]


def test_several_rows_are_inserted_by_one_statement_and_no_rows_by_none(area: AreaDesk):
    statements: list[str] = []
    event.listen(area.units.database.writer, "before_cursor_execute", lambda *told: statements.append(told[2]))

    assert several(area) == []
    several(area, *({**row("first"), "name": f"lease {number}"} for number in range(30)))

    assert len([each for each in statements if each.startswith("INSERT")]) == 1
    assert len(owners(area)) == 30


def test_several_rows_must_have_the_same_columns(area: AreaDesk):
    with pytest.raises(ValueError, match="different columns"):
        several(area, row("first"), {"name": "worker"})

    assert owners(area) == []
