"""What a record is, and that it stands and falls with the unit that writes it."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import DatabaseError

from finops_core import audit
from finops_core.audit.models import audit_record
from finops_core.audit.rules import TEXT_CHARS, instant_text
from finops_core.kernel.actor import Via, worker_actor
from finops_core.kernel.canonical import canonical_bytes
from finops_core.platform.db import open_owner_engine
from tests.desks import AreaDesk, area_desk, person_actor


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> AreaDesk:
    return area_desk(tmp_path, database_url)


def test_a_record_is_the_canonical_bytes_of_who_did_what_when(desk: AreaDesk):
    org = desk.org()

    with desk.work(worker_actor(org, "person_ada")) as work:
        record_id = audit.record(work, "payout.sent", "payout:po_1", before="aa", after="bb", detail={"n": 1})

    row = _row(desk, org, record_id)
    assert json.loads(row.body) == {
        "v": 1,
        "id": record_id,
        "at": "2026-11-20T09:00:00.000000Z",
        "org": org,
        "actor": "service:worker",
        "on_behalf_of": "person_ada",
        "via": "worker",
        "verb": "payout.sent",
        "object": "payout:po_1",
        "before": "aa",
        "after": "bb",
        "detail": {"n": 1},
    }
    assert row.body.encode() == canonical_bytes(json.loads(row.body))


def test_an_act_through_a_token_names_it_and_an_act_in_person_names_none(desk: AreaDesk):
    # Given somebody, and a program of theirs
    org = desk.org()
    ada, token = person_actor("person_ada", org), "token_0199"
    program = replace(ada, via=Via.API, token_id=token)
    # When each does a thing
    with desk.work(ada) as work:
        in_person = audit.record(work, "payout.sent", "payout:po_1", detail={"n": 1})
    with desk.work(program) as work:
        by_program = audit.record(work, "payout.sent", "payout:po_2", detail={"n": 2})
    # Then the record of the program's says by which token, in the form there always was
    person, its = (json.loads(_row(desk, org, each).body) for each in (in_person, by_program))
    assert person["detail"] == {"n": 1}
    assert its["detail"] == {"n": 2, "token": token}
    assert (its["actor"], its["via"], its["v"]) == ("person_ada", "api", person["v"])
    assert set(its) == set(person)
    # and it is found under the token
    with desk.read(ada) as reading:
        found = audit.records(reading, audit.AuditFilter(about=f"token:{token}"))
    assert [each.id for each in found.rows] == [by_program]


def test_the_columns_to_filter_by_come_from_the_body(desk: AreaDesk):
    org = desk.org()

    with desk.work(person_actor("person_ada", org)) as work:
        record_id = audit.record(work, "session.opened", "session:ses_1", org_id="")

    row = _row(desk, org, record_id)
    assert (row.at, row.org, row.actor) == ("2026-11-20T09:00:00.000000Z", "", "person_ada")
    assert (row.verb, row.object, row.via) == ("session.opened", "session:ses_1", "page")


def test_amounts_instants_and_sets_have_one_spelling(desk: AreaDesk):
    detail = {
        "big": 2**60,
        "amount": Decimal("12.30"),
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "orgs": {"b", "a"},
        "none": None,
        "yes": True,
        "deep": [{"a": (1, 2)}],
    }

    body = _body(desk, detail)

    assert body["detail"] == {
        "big": "1152921504606846976",
        "amount": "12.30",
        "at": "2026-01-02T00:00:00.000000Z",
        "orgs": ["a", "b"],
        "none": None,
        "yes": True,
        "deep": [{"a": [1, 2]}],
    }


def test_text_a_database_cannot_hold_does_not_stop_the_business(desk: AreaDesk):
    body = _body(desk, {"name": "a\x00b\ud800", "long": "x" * 5000, "mark": "é€😀"})

    assert body["detail"]["name"] == "a\ufffdb?"
    assert body["detail"]["mark"] == "é€😀"
    assert len(body["detail"]["long"]) == TEXT_CHARS


@pytest.mark.parametrize("value", [1.5, b"bytes", object()])
def test_what_has_no_single_spelling_is_refused(desk: AreaDesk, value: object):
    org = desk.org()

    with pytest.raises(TypeError), desk.work(person_actor("person_ada", org)) as work:
        audit.record(work, "a.done", "x:1", detail={"value": value})


def test_a_record_is_undone_with_its_unit(desk: AreaDesk):
    org = desk.org()

    with suppress(RuntimeError), desk.work(person_actor("person_ada", org)) as work:
        record_id = audit.record(work, "a.done", "x:1")
        raise RuntimeError

    assert _row(desk, org, record_id) is None


@pytest.mark.parametrize(
    "change",
    [
        update(audit_record).values(body="{}"),
        delete(audit_record),
    ],
)
def test_a_record_can_be_neither_changed_nor_deleted(desk: AreaDesk, change: object):
    org = desk.org()
    with desk.work(person_actor("person_ada", org)) as work:
        audit.record(work, "a.done", "x:1")

    with pytest.raises(DatabaseError, match="append-only"), desk.work(person_actor("person_ada", org)) as work:
        work.execute(change)


def test_a_column_to_filter_by_cannot_be_given_another_value(desk: AreaDesk):
    body = '{"at":"1","org":"o","actor":"a","verb":"v","object":"x","via":"page"}'
    engine = open_owner_engine(desk.settings)

    with pytest.raises(DatabaseError), engine.begin() as connection:
        connection.execute(insert(audit_record).values(id="au_1", body=body, org="another"))
    engine.dispose()


def test_the_order_of_instant_texts_is_the_order_of_instants():
    instants = [datetime(2026, 1, 2, 3, 4, 5, micro, tzinfo=UTC) for micro in (0, 1, 10, 999_999)]

    texts = [instant_text(at) for at in instants]

    assert texts == sorted(texts)
    assert texts[0] == "2026-01-02T03:04:05.000000Z"


def _body(desk: AreaDesk, detail: dict[str, object]) -> dict:
    org = desk.org()
    with desk.work(person_actor("person_ada", org)) as work:
        record_id = audit.record(work, "a.done", "x:1", detail=detail)
    return json.loads(_row(desk, org, record_id).body)


def _row(desk: AreaDesk, org: str, record_id: str):
    with desk.read(person_actor("person_ada", org)) as reading:
        return reading.first(select(audit_record).where(audit_record.c.id == record_id))
