"""Reading the log: filters, pages, exports, and never another organisation's records."""

from datetime import timedelta
from pathlib import Path

import pytest

from finops_core import audit
from finops_core.audit import AuditFilter
from finops_core.audit.service import EXPORT_MOST
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Invalid, NotAllowed
from finops_core.kernel.permissions import Permission
from tests.desks import START, AreaDesk, area_desk, person_actor


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> AreaDesk:
    return area_desk(tmp_path, database_url)


@pytest.fixture
def orgs(desk: AreaDesk) -> tuple[str, str]:
    """Two organisations; in each, records a minute apart."""
    mine, other = desk.org("harbour"), desk.org("lake")
    for number in range(5):
        _write(desk, mine, "person_ada", "payout.sent", f"payout:po_{number}", {"amount": f"{number}.00"})
        _write(desk, other, "person_eve", "payout.sent", f"payout:po_{number}", {"secret": "other"})
    _write(desk, mine, "person_ben", "approval.approved", "approval:ap_1", {"note": "50%_off"})
    return mine, other


def test_records_come_newest_first_in_pages_with_their_total(desk: AreaDesk, orgs: tuple[str, str]):
    with desk.read(person_actor("person_ada", orgs[0])) as reading:
        first = audit.records(reading, limit=2)
        second = audit.records(reading, limit=2, offset=2)
        oldest = audit.records(reading, limit=1, newest_first=False)

    assert first.total == second.total == 6
    assert [view.object for view in (*first.rows, *second.rows)] == [
        "approval:ap_1",
        "payout:po_4",
        "payout:po_3",
        "payout:po_2",
    ]
    assert oldest.rows[0].object == "payout:po_0"
    assert oldest.rows[0].at == START + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wanted", "objects"),
    [
        (AuditFilter(verb="approval.approved"), ["approval:ap_1"]),
        (AuditFilter(verb="approval."), ["approval:ap_1"]),
        (AuditFilter(actor="person_ben"), ["approval:ap_1"]),
        (AuditFilter(object="payout:po_2"), ["payout:po_2"]),
        (AuditFilter(text="PO_3"), ["payout:po_3"]),
        (AuditFilter(text="4.00"), ["payout:po_4"]),
        (AuditFilter(text="0%_O"), ["approval:ap_1"]),
        (AuditFilter(text="%"), ["approval:ap_1"]),
        (AuditFilter(text="on_behalf_of"), []),
        (AuditFilter(text="other"), []),
        (AuditFilter(since=START + timedelta(minutes=9)), ["approval:ap_1", "payout:po_4"]),
        (AuditFilter(until=START + timedelta(minutes=3)), ["payout:po_0"]),
        (AuditFilter(verb="payout.sent", actor="person_ben"), []),
    ],
)
def test_records_are_filtered(desk: AreaDesk, orgs: tuple[str, str], wanted: AuditFilter, objects: list[str]):
    with desk.read(person_actor("person_ada", orgs[0])) as reading:
        page = audit.records(reading, wanted)

    assert [view.object for view in page.rows] == objects
    assert page.total == len(objects)


@pytest.fixture
def walk(desk: AreaDesk) -> str:
    """An execution with its request, file and payout; beside it another one, and what only mentions it."""
    mine = desk.org("harbour")
    acts = [
        ("file.stored", "file:fr_1", {"owner": "execution:ex_1"}),
        ("execution.drafted", "execution:ex_1", {"number": "EX-2026-0001"}),
        ("approval.requested", "approval:ap_1", {"number": "AP-2026-0007", "subject": "execution:ex_1"}),
        ("payout.approved", "payout:pay_1", {"execution": "ex_1", "row": 1}),
        ("file.downloaded", "file:fr_1", {}),
        ("execution.drafted", "execution:ex_2", {"number": "EX-2026-0002"}),
        ("file.stored", "file:fr_2", {"owner": "execution:ex_2"}),
        ("payout.approved", "payout:pay_2", {"execution": "ex_2", "row": 1}),
        ("audit.exported", "organisation:org_1", {"about": "execution:ex_1", "count": 5}),
    ]
    # All in one unit, so at one instant: what belongs to a thing may be written before the thing itself.
    with desk.work(person_actor("person_ada", mine)) as work:
        for verb, thing, detail in acts:
            audit.record(work, verb, thing, detail=detail)
    return mine


@pytest.mark.parametrize(
    ("about", "objects"),
    [
        ("execution:ex_1", {"file:fr_1", "execution:ex_1", "approval:ap_1", "payout:pay_1"}),
        ("execution:ex_2", {"file:fr_2", "execution:ex_2", "payout:pay_2"}),
        ("payout:pay_1", {"payout:pay_1"}),
        ("execution:ex_3", set()),
        ("execution", set()),
        ("it's:x' OR 1", set()),
    ],
)
def test_the_trail_of_a_thing_holds_what_belongs_to_it(desk: AreaDesk, walk: str, about: str, objects: set[str]):
    with desk.read(person_actor("person_ada", walk)) as reading:
        found = audit.records(reading, AuditFilter(about=about))

    assert {view.object for view in found.rows} == objects
    if about == "execution:ex_1":
        assert sorted(view.verb for view in found.rows if view.object == "file:fr_1") == [
            "file.downloaded",
            "file.stored",
        ]


def test_another_organisations_records_about_a_thing_of_the_same_name_stay_out(desk: AreaDesk, walk: str):
    other = desk.org("lake")
    _write(
        desk, other, "person_eve", "payout.approved", "payout:pay_9", {"execution": "ex_1", "number": "EX-2026-0009"}
    )

    with desk.read(person_actor("person_ada", walk)) as reading:
        found = {view.object for view in audit.records(reading, AuditFilter(about="execution:ex_1")).rows}
        named = [audit.thing(reading, name) for name in ("EX-2026-0009", "payout:pay_9")]
    with desk.read(person_actor("person_eve", other)) as reading:
        elsewhere = audit.records(reading, AuditFilter(about="execution:ex_1")).total

    assert "payout:pay_9" not in found
    assert named == [None, None]
    assert elsewhere == 1


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("EX-2026-0001", ("execution:ex_1", "EX-2026-0001")),
        (" ex-2026-0002 ", ("execution:ex_2", "EX-2026-0002")),
        ("AP-2026-0007", ("approval:ap_1", "AP-2026-0007")),
        ("execution:ex_1", ("execution:ex_1", "EX-2026-0001")),
        ("payout:pay_1", ("payout:pay_1", "")),
        ("EX-2026-0003", None),
        ("execution:ex_3", None),
        ("", None),
    ],
)
def test_a_thing_is_found_by_its_number_or_its_object(desk: AreaDesk, walk: str, name: str, found):
    with desk.read(person_actor("person_ada", walk)) as reading:
        thing = audit.thing(reading, name)

    assert (None if thing is None else (thing.object, thing.number)) == found


def test_no_read_shows_another_organisations_records(desk: AreaDesk, orgs: tuple[str, str]):
    mine, other = orgs
    with desk.read(person_actor("person_ada", mine)) as reading:
        seen = {
            *(view.org_id for view in audit.records(reading).rows),
            *(view.org_id for view in audit.trail(reading, "payout:po_1")),
        }
        actors = [name for name, _ in audit.facets(reading).actors]
        bodies = "".join(view.body for view in audit.records(reading).rows)
    with desk.work(person_actor("person_ada", mine)) as work:
        seen |= {view.org_id for view in audit.export_rows(work, AuditFilter())}

    assert seen == {mine}
    assert actors == ["person_ada", "person_ben"]
    assert other not in bodies


def test_a_reading_over_two_organisations_shows_both(desk: AreaDesk, orgs: tuple[str, str]):
    with desk.read(person_actor("person_ada", orgs[0]), frozenset(orgs)) as reading:
        page = audit.records(reading)

    assert page.total == 11


def test_the_trail_of_one_thing_is_in_order(desk: AreaDesk, orgs: tuple[str, str]):
    _write(desk, orgs[0], "person_ben", "payout.paid", "payout:po_1", {})

    with desk.read(person_actor("person_ada", orgs[0])) as reading:
        verbs = [view.verb for view in audit.trail(reading, "payout:po_1")]

    assert verbs == ["payout.sent", "payout.paid"]


def test_facets_count_what_occurs(desk: AreaDesk, orgs: tuple[str, str]):
    with desk.read(person_actor("person_ada", orgs[0])) as reading:
        found = audit.facets(reading)

    assert found.verbs == (("approval.approved", 1), ("payout.sent", 5))
    assert found.actors == (("person_ada", 5), ("person_ben", 1))


def test_an_export_is_complete_and_is_itself_recorded(
    desk: AreaDesk, orgs: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("finops_core.audit.queries.CHUNK", 2)

    with desk.work(person_actor("person_ada", orgs[0])) as work:
        rows = audit.export_rows(work, AuditFilter(verb="payout.sent"))
    with desk.read(person_actor("person_ada", orgs[0])) as reading:
        last = audit.records(reading, limit=1).rows[0]

    assert [row.object for row in rows] == [f"payout:po_{number}" for number in range(5)]
    assert (last.verb, last.detail) == ("audit.exported", {"count": 5, "verb": "payout.sent"})


def test_an_export_too_large_is_refused(desk: AreaDesk, orgs: tuple[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("finops_core.audit.service.EXPORT_MOST", 3)

    with pytest.raises(Invalid) as refused, desk.work(person_actor("person_ada", orgs[0])) as work:
        audit.export_rows(work, AuditFilter())

    assert refused.value.code == "AUDIT_EXPORT_TOO_LARGE"
    assert EXPORT_MOST > 3


def test_the_position_is_shown_once_a_record_is_sealed(desk: AreaDesk, orgs: tuple[str, str], tmp_path: Path):
    with desk.read(person_actor("person_ada", orgs[0])) as reading:
        before = audit.records(reading, newest_first=False).rows[0]
    with desk.work(worker_actor(orgs[0])) as work:
        audit.seal(work, tmp_path / "heads")
    with desk.read(person_actor("person_ada", orgs[0])) as reading:
        after = audit.records(reading, newest_first=False).rows[0]

    assert (before.position, after.position) == (None, 0)


@pytest.mark.parametrize(
    ("permission", "read"),
    [
        (Permission.AUDIT_VIEW, lambda work, _: audit.records(work)),
        (Permission.AUDIT_VIEW, lambda work, _: audit.trail(work, "x:1")),
        (Permission.AUDIT_VIEW, lambda work, _: audit.thing(work, "x:1")),
        (Permission.AUDIT_VIEW, lambda work, _: audit.facets(work)),
        (Permission.AUDIT_EXPORT, lambda work, _: audit.export_rows(work, AuditFilter())),
        (Permission.AUDIT_EXPORT, lambda work, _: audit.inclusion(work, [])),
        (Permission.AUDIT_VERIFY, audit.verify),
    ],
)
def test_each_read_needs_its_permission(desk: AreaDesk, tmp_path: Path, permission: Permission, read):
    org = desk.org()
    desk.permissions["person_ada"] = frozenset(Permission) - {permission}

    with pytest.raises(NotAllowed), desk.work(person_actor("person_ada", org)) as work:
        read(work, tmp_path)


def _write(desk: AreaDesk, org: str, person: str, verb: str, object_: str, detail: dict[str, str]) -> None:
    desk.clock.advance(timedelta(minutes=1))
    with desk.work(person_actor(person, org)) as work:
        audit.record(work, verb, object_, detail=detail)
