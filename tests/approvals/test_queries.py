"""What the approvals page and other areas read; looking changes nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from finops_core import approvals
from finops_core.approvals import Decision, State
from finops_core.approvals.models import approval_request
from finops_core.kernel.errors import NotAllowed, NotFound
from finops_core.kernel.money import Money
from tests.approvals.office import PAYOUT, Office


def test_everybody_with_the_right_sees_all_that_waits_and_why_it_is_not_theirs(office: Office):
    small = office.ask(subject="ex_1", amounts={"USD": 100})
    large = office.ask(subject="ex_2", amounts={"USD": 30_000, "EUR": 5})
    near = office.ask(subject="ex_3", excluded={office.people["ada"]: "edited the plan"})

    with office.read("ada") as reading:
        seen = {view.id: view.refusal and view.refusal.code for view in approvals.waiting(reading)}

    assert seen == {small: None, large: "APPROVAL_OVER_LIMIT", near: "APPROVAL_EXCLUDED"}
    assert list(seen) == [small, large, near]


def test_who_may_decide_nothing_still_sees_and_is_told_why_not(office: Office):
    office.hire("con", "controller")
    office.ask()

    with office.read("con") as reading:
        (view,) = approvals.waiting(reading)
    assert view.refusal is not None
    assert view.refusal.code == "APPROVAL_NOT_PERMITTED"


def test_a_request_shows_what_was_put_there(office: Office):
    request_id = office.ask(amounts={"USD": 12_500, "JPY": 7, "EUR": 0})

    view = office.view(request_id)

    assert view.number == "AP-2026-0001"
    assert view.amounts == (Money(0, "EUR"), Money(7, "JPY"), Money(12_500, "USD"))
    assert view.summary == {"number": "EX-2026-0001", "rows": 1}
    assert view.expires_at - view.created_at == timedelta(hours=24)
    assert [(level.level, level.needed) for level in view.levels] == [(1, 1)]
    assert view.refusal is not None
    assert view.refusal.code == "APPROVAL_OVER_LIMIT"


def test_the_requester_sees_their_own_request_and_others_without_the_right_see_none(office: Office):
    request_id = office.ask()
    office.hire("pia", "preparer")

    assert office.view(request_id, "pat").id == request_id
    with pytest.raises(NotFound) as refusal:
        office.view(request_id, "pia")
    assert refusal.value.code == "APPROVAL_UNKNOWN"
    with pytest.raises(NotFound):
        office.view("ap_unknown")


def test_the_lists_need_the_right_to_see_approvals(office: Office):
    for look in (approvals.waiting, approvals.decided):
        with pytest.raises(NotAllowed), office.read("pat") as reading:
            look(reading)


def test_what_ended_is_listed_newest_first_in_pages(office: Office):
    ids = [office.ask(subject=f"ex_{n}") for n in range(5)]
    for request_id in ids[:3]:
        office.decide("max", request_id, Decision.REJECTED, "No.")
    office.decide("max", ids[3])

    with office.read("ada") as reading:
        first, second = approvals.decided(reading, limit=3), approvals.decided(reading, limit=3, offset=3)

    assert [view.id for view in first.rows] == [ids[3], ids[2], ids[1]]
    assert [view.id for view in second.rows] == [ids[0]]
    assert (first.total, second.total) == (4, 4)
    assert {view.state for view in first.rows} == {State.APPROVED, State.REJECTED}


def test_all_requests_about_one_thing_come_newest_first(office: Office):
    ids = [office.ask() for _ in range(3)]

    with office.read("pat") as reading:
        about = approvals.of_subject(reading, "execution", "ex_1")

    assert [view.id for view in about] == ids[::-1]
    assert [view.round for view in about] == [3, 2, 1]


def test_who_could_approve_is_known_before_anybody_is_asked(office: Office):
    office.hire("eve", "approver")  # no authority
    office.hire("gus", "controller")
    office.allow("gus", None)  # authority, but not the permission
    usd = {"USD": 20_000}

    with office.read("pat") as reading:

        def names(amounts: dict[str, int], *excluded: str) -> list[str]:
            found = approvals.eligible(reading, PAYOUT, amounts, [office.people[name] for name in excluded])
            return [person.username for person in found]

        assert names(usd) == ["ada", "max"]
        assert names({"USD": 20_001}) == ["max"]
        assert names({"USD": 1, "EUR": 1}) == ["max"]
        assert names(usd, "max", "pat") == ["ada"]
        assert names(usd, "max", "ada") == []
        assert approvals.eligible(reading, "payroll.run", {}, []) == ()


def test_people_see_their_own_authority_and_that_of_others_only_to_keep_it(office: Office):
    with office.read("ada") as reading:
        (own,) = approvals.authorities(reading, office.people["ada"])
        with pytest.raises(NotAllowed):
            approvals.authorities(reading, office.people["max"])
    with office.read("root") as reading:
        (theirs,) = approvals.authorities(reading, office.people["max"])

    assert (own.authority.currency, own.authority.limit_minor) == ("USD", 20_000)
    assert (theirs.authority.currency, theirs.authority.limit_minor) == ("*", None)


def test_looking_changes_no_row(office: Office):
    office.ask()
    mine = select(approval_request).where(approval_request.c.org_id == office.org)

    with office.read("ada") as reading:
        before = reading.rows(mine)
        approvals.waiting(reading)
        approvals.decided(reading)
        after = reading.rows(mine)

    assert before == after
