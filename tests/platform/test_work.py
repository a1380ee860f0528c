"""A unit of work: one transaction, one instant, one organisation; news is heard before the commit."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from finops_core.kernel.actor import Actor, Via, system_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.kernel.job import Event
from finops_core.kernel.permissions import Permission
from finops_core.platform.scope_guard import ScopeBreach
from finops_core.platform.work import Work
from finops_core.reference.models import number_series, organisation
from tests.desks import AreaDesk, area_desk, person_actor


@dataclass(frozen=True)
class Counted(Event):
    """A number was taken."""

    series: str


@dataclass(frozen=True)
class Echoed(Event):
    """Told by a listener."""

    series: str


def count(work: Work, series: str) -> None:
    """Write one business row."""
    work.execute(insert(number_series).values(org_id=work.org_id, id=series, next_value=1))


def count_and_fail(work: Work, series: str) -> None:
    count(work, series)
    work.tell(Counted(series))
    raise LookupError


def count_and_tell(work: Work, series: str) -> None:
    count(work, series)
    work.tell(Counted(series))


def counted(area: AreaDesk, org: str) -> set[str]:
    with area.read(system_actor(org)) as reading:
        return {row.id for row in reading.rows(select(number_series.c.id).where(number_series.c.org_id == org))}


def test_what_was_written_is_there_once_the_block_has_ended(area: AreaDesk):
    org = area.org()

    with area.work(system_actor(org)) as work:
        count(work, "EX-2026")
        before_the_end = counted(area, org)

    assert before_the_end == set()
    assert counted(area, org) == {"EX-2026"}


def test_nothing_is_kept_when_the_block_raises(area: AreaDesk):
    org = area.org()

    with pytest.raises(LookupError), area.work(system_actor(org)) as work:
        count_and_fail(work, "EX-2026")

    assert counted(area, org) == set()


def test_a_savepoint_undoes_only_what_was_done_inside(area: AreaDesk):
    org = area.org()

    with area.work(system_actor(org)) as work:
        count(work, "EX-2026")
        with pytest.raises(LookupError), work.savepoint():
            count_and_fail(work, "AP-2026")
        count(work, "JE-2026")

    assert counted(area, org) == {"EX-2026", "JE-2026"}


def test_listeners_are_heard_in_the_unit_in_the_order_told_and_may_tell_more(tmp_path: Path, database_url: str):
    heard: list[str] = []

    def first(work: Work, event: Counted) -> None:
        heard.append(f"first {event.series}")
        count(work, f"{event.series}-copy")
        work.tell(Echoed(event.series))

    area = area_desk(
        tmp_path,
        database_url,
        {
            Counted: [first, lambda _work, event: heard.append(f"second {event.series}")],
            Echoed: [lambda _work, event: heard.append(f"echo {event.series}")],
        },
    )
    org = area.org()

    with area.work(system_actor(org)) as work:
        work.tell(Counted("A"))
        work.tell(Counted("B"))
        told_before_the_end = list(heard)

    assert told_before_the_end == []
    assert heard == ["first A", "second A", "first B", "second B", "echo A", "echo B"]
    assert counted(area, org) == {"A-copy", "B-copy"}
    area.units.database.close()


def test_a_listener_that_fails_undoes_the_whole_unit(tmp_path: Path, database_url: str):
    def fail(_work: Work, _event: Counted) -> None:
        raise LookupError("the listener")

    area = area_desk(tmp_path, database_url, {Counted: [fail]})
    org = area.org()

    with pytest.raises(LookupError, match="the listener"), area.work(system_actor(org)) as work:
        count_and_tell(work, "EX-2026")

    assert counted(area, org) == set()
    area.units.database.close()


def test_news_of_a_unit_that_raised_is_heard_by_nobody(tmp_path: Path):
    heard: list[Event] = []
    area = area_desk(tmp_path, "", {Counted: [lambda _work, event: heard.append(event)]})

    with pytest.raises(LookupError), area.work(system_actor(area.org())) as work:
        count_and_fail(work, "EX-2026")

    assert heard == []


def test_a_reading_cannot_write(area: AreaDesk):
    org = area.org()

    with pytest.raises(DBAPIError, match=r"(?i)read-?only"), area.read(system_actor(org)) as reading:
        reading.execute(insert(number_series).values(org_id=org, id="EX-2026", next_value=1))

    assert counted(area, org) == set()


def test_a_reading_sees_one_state_however_long_it_takes(area: AreaDesk):
    org = area.org()
    mine = select(number_series.c.id).where(number_series.c.org_id == org)

    with area.read(system_actor(org)) as reading:
        before = reading.rows(mine)
        with area.work(system_actor(org)) as work:
            count(work, "EX-2026")
        after = reading.rows(mine)

    assert (before, after) == ([], [])
    assert counted(area, org) == {"EX-2026"}


def test_the_guard_stands_on_both_engines(area: AreaDesk):
    org = area.org()
    unscoped = select(number_series)

    with pytest.raises(ScopeBreach), area.read(system_actor(org)) as reading:
        reading.rows(unscoped)
    with pytest.raises(ScopeBreach), area.work(system_actor(org)) as work:
        work.rows(unscoped)
    with pytest.raises(ScopeBreach), area.work(system_actor(org)) as work:
        work.execute(text("SELECT 1"))
    with pytest.raises(ScopeBreach), area.units.database.reader.connect() as connection:
        connection.execute(unscoped.where(number_series.c.org_id == org))


def test_text_handed_straight_to_the_driver_is_refused_too(area: AreaDesk):
    org = area.org()

    with pytest.raises(ScopeBreach), area.work(system_actor(org)) as work:
        work._connection.exec_driver_sql("SELECT * FROM number_series")
    with pytest.raises(ScopeBreach), area.units.database.reader.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM number_series")


def test_looking_across_organisations_ends_with_its_block_and_one_inside_another_does_not_end_it(area: AreaDesk):
    org = area.org()
    everything = select(number_series)

    with area.work(system_actor(org)) as work:
        with work.across_orgs("a check of all"):
            with work.across_orgs("a part of it"):
                work.rows(everything)
            work.rows(everything)
        with pytest.raises(ScopeBreach):
            work.rows(everything)
        with pytest.raises(ValueError, match="why"), work.across_orgs(""):
            pass


def test_rows_of_another_organisation_cannot_be_written_or_seen(area: AreaDesk):
    ours, theirs = area.org("harbour"), area.org("quarry")
    with area.work(system_actor(theirs)) as work:
        count(work, "EX-2026")

    with pytest.raises(ScopeBreach), area.work(system_actor(ours)) as work:
        work.execute(insert(number_series).values(org_id=theirs, id="AP-2026", next_value=1))
    with pytest.raises(ScopeBreach), area.read(system_actor(ours)) as reading:
        reading.rows(select(number_series).where(number_series.c.org_id == theirs))

    assert (counted(area, ours), counted(area, theirs)) == (set(), {"EX-2026"})


def test_a_spanning_reading_sees_each_organisation_it_was_given(area: AreaDesk):
    ours, theirs, third = area.org("harbour"), area.org("quarry"), area.org("mill")
    for org in (ours, theirs, third):
        with area.work(system_actor(org)) as work:
            count(work, "EX-2026")

    with area.read(system_actor(ours), frozenset({ours, theirs})) as reading:
        spanned = reading.rows(select(number_series).where(number_series.c.org_id.in_(sorted(reading.orgs))))

    assert {row.org_id for row in spanned} == {ours, theirs}


def test_missing_permissions_are_named_to_the_log_and_not_to_the_person(area: AreaDesk):
    org = area.org()
    area.permissions["person_ann"] = frozenset({Permission.HOME_VIEW})

    with area.read(person_actor("person_ann", org)) as reading:
        reading.require(Permission.HOME_VIEW)
        with pytest.raises(NotAllowed) as refusal:
            reading.require(Permission.HOME_VIEW, Permission.AUDIT_VIEW)

    assert refusal.value.code == "NOT_ALLOWED"
    assert refusal.value.context == {"missing": ["audit.view"]}
    assert "audit" not in str(refusal.value)


def test_a_unit_has_one_instant(area: AreaDesk):
    with area.work(system_actor(area.org())) as work:
        before = work.now
        area.clock.advance(timedelta(hours=1))
        assert work.now == before


def made_at(area: AreaDesk, at: datetime) -> datetime:
    """Store an instant and read it back."""
    row = {"name": "X", "base_currency": "EUR", "country": "MG", "zone": "UTC", "locale": "en", "fiscal_calendar": "c"}
    with area.work(Actor("service:system", "", Via.SYSTEM)) as work:
        new = {"id": "org_x", "slug": "x", "business_calendar": "MG", "created_at": at, **row}
        work.execute(insert(organisation).values(new))
        return work.scalar(select(organisation.c.created_at).where(organisation.c.id == "org_x"))


def test_an_instant_comes_back_as_the_same_instant_in_utc(area: AreaDesk):
    in_nepal = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))

    back = made_at(area, in_nepal)

    assert back == in_nepal
    assert back.tzinfo == UTC
    assert back.microsecond == 123456


def test_a_naive_instant_never_reaches_the_database(area: AreaDesk):
    with pytest.raises(StatementError, match="an instant needs a zone"):
        made_at(area, datetime(2026, 3, 29, 2, 30))  # noqa: DTZ001
