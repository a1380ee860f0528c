"""Asking, deciding, and every way a decision is refused: one door, on both databases."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from finops_core import approvals, security
from finops_core.approvals import Approved, Decision, Expired, Rejected, State, Withdrawn
from finops_core.approvals.models import approval_decision, approval_request
from finops_core.audit.models import audit_record
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotAllowed, NotFound
from finops_core.platform import guards
from finops_core.platform.db import open_owner_engine
from finops_core.platform.scope_guard import ScopeBreach
from finops_core.platform.tables import METADATA
from tests.approvals.office import OTHER_PLAN, PAYOUT, PLAN, Office, ask_in, on_behalf


def refused(office: Office, name: str, request_id: str, **how: object) -> str:
    with pytest.raises(FinOpsError) as refusal:
        office.decide(name, request_id, **how)
    return refusal.value.code


def test_another_person_approves_and_exactly_that_content_may_happen(office: Office):
    request_id = office.ask()
    before = office.approved()

    view = office.decide("ada", request_id, comment="Agreed.")

    assert not before
    assert (view.state, view.decided_at) == (State.APPROVED, office.area.clock.now())
    assert [(one.person_id, one.comment, one.content_hash) for one in view.decisions] == [
        (office.people["ada"], "Agreed.", PLAN)
    ]
    assert office.approved()
    assert not office.approved(OTHER_PLAN)
    assert not office.approved(subject="ex_2")
    assert office.heard == [Approved(office.org, request_id, "execution", "ex_1", PLAN)]
    assert office.log()[-2:] == ["approval.requested", "approval.approved"]


def test_a_rejection_needs_a_comment_and_ends_the_request(office: Office):
    request_id = office.ask()

    without = refused(office, "ada", request_id, decision=Decision.REJECTED, comment="  \n")
    view = office.decide("ada", request_id, Decision.REJECTED, " The rate is old. ")

    assert without == "APPROVAL_COMMENT_NEEDED"
    assert view.state is State.REJECTED
    assert view.decisions[0].comment == "The rate is old."
    assert not office.approved()
    assert office.heard == [Rejected(office.org, request_id, "execution", "ex_1", PLAN)]
    assert refused(office, "max", request_id) == "APPROVAL_NOT_PENDING"


def test_the_preparer_may_not_approve_their_own_payout_whatever_their_roles(office: Office):
    office.hire("pat", "approver", "executive")
    office.allow("pat", None, approvals.ANY_CURRENCY)

    assert refused(office, "pat", office.ask()) == "APPROVAL_EXCLUDED"
    assert not office.approved()


def test_who_uploaded_the_file_may_not_approve_what_was_made_of_it(office: Office):
    request_id = office.ask(excluded={office.people["ada"]: "uploaded its file"})

    assert refused(office, "ada", request_id) == "APPROVAL_EXCLUDED"
    view = office.view(request_id)
    assert view.excluded == {office.people["ada"]: "uploaded its file", office.people["pat"]: "asked for it"}
    assert view.refusal is not None
    assert "you uploaded its file" in view.refusal.message
    assert office.decide("max", request_id).state is State.APPROVED


def test_what_a_service_asks_for_somebody_is_asked_by_that_person(office: Office):
    office.hire("pat", "approver")
    office.allow("pat", None)
    with office.area.work(on_behalf(office.people["pat"], office.org)) as work:
        request_id = ask_in(work)

    assert office.view(request_id).requested_by == office.people["pat"]
    assert refused(office, "pat", request_id) == "APPROVAL_EXCLUDED"


def test_no_service_decides_not_even_the_installation_or_one_acting_for_an_approver(office: Office):
    request_id = office.ask()

    for actor in (system_actor(office.org), on_behalf(office.people["ada"], office.org), worker_actor(office.org)):
        with pytest.raises(NotAllowed) as refusal, office.area.work(actor) as work:
            approvals.decide(work, request_id, Decision.APPROVED, "", PLAN)
        assert refusal.value.code in {"NOT_ALLOWED", "APPROVAL_NOT_PERMITTED"}
    assert not office.approved()


def test_an_administrator_approves_nothing_by_being_one(office: Office):
    assert refused(office, "root", office.ask()) == "NOT_ALLOWED"


def test_a_limit_includes_itself(office: Office):
    at_the_limit = office.ask(subject="ex_1", amounts={"USD": 20_000})
    above = office.ask(subject="ex_2", amounts={"USD": 20_001})

    assert office.decide("ada", at_the_limit).state is State.APPROVED
    assert refused(office, "ada", above) == "APPROVAL_OVER_LIMIT"
    assert office.decide("max", above).state is State.APPROVED


def test_a_currency_without_a_limit_is_refused(office: Office):
    assert refused(office, "ada", office.ask(amounts={"USD": 1, "EUR": 1})) == "APPROVAL_OVER_LIMIT"


def test_authority_that_ended_or_has_not_begun_is_none(office: Office):
    office.hire("eve", "approver")
    now = office.area.clock.now()
    with office.work("root") as work:
        for since, until in ((None, now + timedelta(hours=1)), (now + timedelta(hours=2), None)):
            approvals.grant_authority(
                work,
                person_id=office.people["eve"],
                item_type=PAYOUT,
                currency="USD",
                limit_minor=None,
                since_at=since,
                until_at=until,
            )
    first, second, third = (office.ask(subject=subject) for subject in ("ex_1", "ex_2", "ex_3"))

    in_time = office.decide("eve", first).state
    office.area.clock.advance(timedelta(hours=1))
    between = refused(office, "eve", second)
    office.area.clock.advance(timedelta(hours=1))

    assert (in_time, between) == (State.APPROVED, "APPROVAL_NO_AUTHORITY")
    assert office.decide("eve", third).state is State.APPROVED


def test_ended_authority_counts_no_more_and_stays_as_history(office: Office):
    request_id = office.ask()
    with office.work("root") as work:
        held = approvals.authorities(work, office.people["ada"])
        approvals.end_authority(work, held[0].id)

    assert refused(office, "ada", request_id) == "APPROVAL_NO_AUTHORITY"
    with office.read("ada") as reading:
        (kept,) = approvals.authorities(reading, office.people["ada"])
    assert (kept.authority.limit_minor, kept.authority.until_at) == (20_000, office.area.clock.now())
    assert office.log()[-1] == "authority.ended"
    with pytest.raises(NotFound) as refusal, office.work("root") as work:
        approvals.end_authority(work, kept.id)
    assert refusal.value.code == "AUTHORITY_UNKNOWN"


def test_somebody_who_left_or_lost_the_role_decides_nothing(office: Office):
    request_id = office.ask()
    with office.area.work(system_actor(office.org)) as work:
        security.set_active(work, office.people["ada"], active=False)
        security.end_role(work, office.people["max"], "approver", office.org)

    assert refused(office, "ada", request_id) == "NOT_ALLOWED"
    assert refused(office, "max", request_id) == "NOT_ALLOWED"


def test_what_was_seen_must_be_what_is_decided(office: Office):
    request_id = office.ask()

    assert refused(office, "ada", request_id, seen=OTHER_PLAN) == "APPROVAL_CONTENT_CHANGED"
    assert refused(office, "ada", request_id, seen="") == "APPROVAL_CONTENT_CHANGED"
    assert office.view(request_id).state is State.PENDING


def test_a_change_asks_anew_and_the_older_request_counts_no_more(office: Office):
    older = office.ask()
    newer = office.ask(content=OTHER_PLAN)

    old, new = office.view(older), office.view(newer)
    assert (old.state, old.closed_why, old.round) == (State.SUPERSEDED, "a newer request took its place", 1)
    assert (new.state, new.round) == (State.PENDING, 2)
    assert refused(office, "ada", older) == "APPROVAL_NOT_PENDING"
    office.decide("ada", newer, seen=OTHER_PLAN)
    assert office.approved(OTHER_PLAN)
    assert not office.approved(PLAN)


def test_an_older_approval_of_the_same_content_does_not_come_back_with_it(office: Office):
    office.decide("ada", office.ask())
    again = office.ask()

    assert not office.approved()
    office.decide("max", again)
    assert office.approved()


def test_an_approval_is_void_once_its_content_moved_on_and_its_decision_stays(office: Office):
    request_id = office.ask()
    office.decide("ada", request_id)

    with office.work("pat") as work:
        told = approvals.supersede(work, "execution", "ex_1", "a new plan was made")
        again = approvals.supersede(work, "execution", "ex_1", "a new plan was made")

    view = office.view(request_id)
    assert (told, again) == (True, False)
    assert (view.state, view.closed_why, len(view.decisions)) == (State.SUPERSEDED, "a new plan was made", 1)
    assert not office.approved()
    assert office.log()[-1] == "approval.superseded"


def test_a_request_expires_and_is_told_once(office: Office):
    office.area.clock.advance(timedelta(0))
    request_id = office.ask()
    lasting = timedelta(seconds=office.area.settings.approval_expires_s)
    worker = worker_actor(office.org)

    office.area.clock.advance(lasting - timedelta(microseconds=1))
    with office.area.work(worker) as work:
        too_early = approvals.expire_due(work)
    office.area.clock.advance(timedelta(microseconds=1))
    late = refused(office, "ada", request_id)
    with office.area.work(worker) as work:
        due = approvals.expire_due(work)
    with office.area.work(worker) as work:
        again = approvals.expire_due(work)

    assert (too_early, late, due, again) == (0, "APPROVAL_EXPIRED", 1, 0)
    assert office.view(request_id).state is State.EXPIRED
    assert office.heard == [Expired(office.org, request_id, "execution", "ex_1", PLAN)]
    with pytest.raises(NotAllowed), office.work("ada") as work:
        approvals.expire_due(work)


def test_only_the_requester_takes_a_request_back_and_only_while_it_waits(office: Office):
    request_id = office.ask()

    with pytest.raises(NotAllowed) as refusal, office.work("ada") as work:
        approvals.withdraw(work, request_id)
    with office.work("pat") as work:
        approvals.withdraw(work, request_id)
    with pytest.raises(Conflict) as too_late, office.work("pat") as work:
        approvals.withdraw(work, request_id)

    assert refusal.value.code == "APPROVAL_NOT_YOURS"
    assert too_late.value.code == "APPROVAL_NOT_PENDING"
    assert office.view(request_id).state is State.WITHDRAWN
    assert office.heard == [Withdrawn(office.org, request_id, "execution", "ex_1", PLAN)]
    assert refused(office, "ada", request_id) == "APPROVAL_NOT_PENDING"


def at_the_same_time(*acts) -> list[object]:
    """Run each in a thread of its own; what it gave or raised."""
    results: list[object] = [None] * len(acts)
    ready = threading.Barrier(len(acts))

    def run(at: int) -> None:
        ready.wait(30)
        try:
            results[at] = acts[at]()
        except (FinOpsError, DBAPIError) as error:
            results[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_of_two_decisions_at_the_same_time_exactly_one_counts(office: Office):
    for turn in range(4):
        request_id = office.ask(subject=f"ex_{turn}")
        results = at_the_same_time(
            lambda request_id=request_id: office.decide("ada", request_id, Decision.APPROVED),
            lambda request_id=request_id: office.decide("max", request_id, Decision.REJECTED, "No."),
        )

        lost = [result for result in results if isinstance(result, Exception)]
        view = office.view(request_id)
        assert [getattr(error, "code", error) for error in lost] == ["APPROVAL_NOT_PENDING"]
        assert len(view.decisions) == 1
        assert view.state.value == view.decisions[0].decision.value
    assert len(office.heard) == 4


def test_one_person_with_two_windows_decides_once(office: Office):
    request_id = office.ask()

    results = at_the_same_time(*[lambda: office.decide("ada", request_id)] * 3)

    assert sum(isinstance(result, Exception) for result in results) == 2
    assert len(office.view(request_id).decisions) == 1


def test_two_submits_at_the_same_time_leave_one_question_open(office: Office):
    office.ask(subject="ex_0")  # the number series exists from here on

    results = at_the_same_time(lambda: office.ask(content=PLAN), lambda: office.ask(content=OTHER_PLAN))

    assert [result for result in results if isinstance(result, Exception)] == []
    with office.read("ada") as reading:
        states = {view.state for view in approvals.of_subject(reading, "execution", "ex_1")}
        waiting = [view for view in approvals.waiting(reading) if view.subject_id == "ex_1"]
    assert states == {State.PENDING, State.SUPERSEDED}
    assert len(waiting) == 1


def test_a_listener_that_fails_leaves_the_request_undecided(office: Office):
    request_id = office.ask()

    def fail(_work: object, _news: object) -> None:
        raise Conflict("PLAN_CHANGED", "Moved on.")

    office.area.units.listeners[Approved].append(fail)

    assert refused(office, "ada", request_id) == "PLAN_CHANGED"
    assert office.view(request_id).state is State.PENDING
    assert office.view(request_id).decisions == ()
    assert "approval.approved" not in office.log()


def test_a_row_that_somebody_edited_is_no_approval(office: Office):
    request_id = office.ask()

    office.tamper(request_id, state="approved", decided_at=office.area.clock.now())
    without_a_decision = office.approved()
    office.tamper(request_id, state="pending")
    office.decide("ada", request_id)
    office.tamper(request_id, content_hash=OTHER_PLAN)

    assert not without_a_decision
    assert not office.approved(PLAN)
    assert not office.approved(OTHER_PLAN)


def test_an_approval_by_somebody_who_turns_out_to_be_the_requester_does_not_stand(office: Office):
    request_id = office.ask()
    office.decide("ada", request_id)

    office.tamper(request_id, requested_by=office.people["ada"])

    assert not office.approved()


def test_decisions_can_be_neither_changed_nor_removed(office: Office):
    office.decide("ada", office.ask())
    mine = approval_decision.c.org_id == office.org

    for change in (update(approval_decision).where(mine).values(comment="x"), delete(approval_decision).where(mine)):
        with pytest.raises(DBAPIError, match="append-only"), office.area.work(system_actor(office.org)) as work:
            work.execute(change)


def test_the_guards_of_approvals_stand(office: Office):
    engine = open_owner_engine(office.area.settings)
    with engine.begin() as connection:
        expected = {trigger.table for trigger in guards.expected(METADATA, connection.dialect.name)}
        assert {"approval_level", "approval_decision", "approval_excluded"} <= expected
        assert guards.missing(connection, METADATA) == []
    engine.dispose()


def test_a_second_open_question_about_one_thing_cannot_be_stored(office: Office):
    first = office.ask()
    second = office.ask()

    with pytest.raises(IntegrityError):
        office.tamper(first, state="pending")
    assert office.view(second).state is State.PENDING


@pytest.mark.parametrize("amounts", [{"USD": -1}, {"USD": 2**53}, {"USD": True}, {"usd": 1}, {"XXQ": 1}])
def test_amounts_that_mean_nothing_are_not_put_up_for_approval(office: Office, amounts: dict):
    with pytest.raises(Invalid) as refusal:
        office.ask(amounts=amounts)

    assert refusal.value.code in {"APPROVAL_AMOUNT_BAD", "CURRENCY_UNKNOWN"}


def test_a_request_that_binds_nothing_is_a_programming_error(office: Office):
    with pytest.raises(ValueError, match="binds"):
        office.ask(content="")


def test_a_very_long_comment_is_refused_and_not_cut(office: Office):
    request_id = office.ask()

    assert refused(office, "ada", request_id, comment="x" * 2001) == "APPROVAL_COMMENT_LONG"
    assert office.decide("ada", request_id, comment="x" * 2000).state is State.APPROVED


def test_nobody_gives_themself_authority(office: Office):
    office.hire("root", "approver")

    for actor in (office.actor("root"), on_behalf(office.people["root"], office.org)):
        with pytest.raises(NotAllowed) as refusal, office.area.work(actor) as work:
            approvals.grant_authority(
                work, person_id=office.people["root"], item_type=PAYOUT, currency="USD", limit_minor=1
            )
        assert refusal.value.code == "AUTHORITY_OWN"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"currency": "*", "limit_minor": 5}, "AUTHORITY_BAD"),
        ({"limit_minor": -1}, "AUTHORITY_BAD"),
        ({"limit_minor": 2**53}, "AUTHORITY_BAD"),
        ({"item_type": ""}, "AUTHORITY_BAD"),
        ({"currency": "usd"}, "CURRENCY_UNKNOWN"),
        ({"person_id": "person_nobody"}, "PERSON_UNKNOWN"),
    ],
)
def test_an_authority_that_means_nothing_is_not_given(office: Office, values: dict, code: str):
    grant = {"person_id": office.people["ada"], "item_type": PAYOUT, "currency": "USD", "limit_minor": 1, **values}

    with pytest.raises(FinOpsError) as refusal, office.work("root") as work:
        approvals.grant_authority(work, **grant)

    assert refusal.value.code == code


def test_an_authority_cannot_end_before_it_begins(office: Office):
    now = office.area.clock.now()

    with pytest.raises(Invalid), office.work("root") as work:
        approvals.grant_authority(
            work, person_id=office.people["ada"], item_type=PAYOUT, currency="USD", limit_minor=1, until_at=now
        )


def test_only_who_keeps_people_gives_or_ends_authority(office: Office):
    with pytest.raises(NotAllowed), office.work("max") as work:
        approvals.grant_authority(
            work, person_id=office.people["ada"], item_type=PAYOUT, currency="USD", limit_minor=None
        )
    with pytest.raises(NotAllowed), office.work("max") as work:
        approvals.end_authority(work, "apa_1")


def test_another_organisation_can_neither_see_nor_decide_nor_lend_its_authority(office: Office):
    request_id = office.ask()
    with office.area.work(system_actor()) as work, work.across_orgs("a test makes its organisation"):
        from finops_core import reference

        quarry = reference.add_organisation(
            work, slug="quarry", name="Quarry", base_currency="USD", country="US", zone="UTC", locale="en_US"
        )
    office.hire("zoe", "approver", "preparer", org=quarry)
    with office.area.work(system_actor(quarry)) as work:
        approvals.grant_authority(
            work, person_id=office.people["zoe"], item_type=PAYOUT, currency="*", limit_minor=None
        )

    with pytest.raises(NotFound), office.work("zoe", quarry) as work:
        approvals.decide(work, request_id, Decision.APPROVED, "", PLAN)
    with pytest.raises(NotFound), office.work("zoe", quarry) as work:
        approvals.withdraw(work, request_id)
    with office.read("zoe", quarry) as reading:
        assert approvals.waiting(reading) == ()
        assert approvals.decided(reading).total == 0
        assert approvals.of_subject(reading, "execution", "ex_1") == ()
        assert approvals.standing_approval(reading, "execution", "ex_1", PLAN) is None
    with office.work("zoe", quarry) as work:
        assert not approvals.supersede(work, "execution", "ex_1", "mine")

    office.hire("zoe", "approver")  # a role here, but the authority is still from there only
    assert refused(office, "zoe", request_id) == "APPROVAL_NO_AUTHORITY"
    with pytest.raises(ScopeBreach), office.area.work(system_actor(quarry)) as work:
        work.execute(update(approval_request).where(approval_request.c.org_id == office.org).values(state="approved"))


def test_the_log_binds_what_was_decided_without_its_words(office: Office):
    request_id = office.ask()
    office.decide("ada", request_id, comment="Call Tahina about the rate")

    with office.area.read(system_actor(office.org)) as reading:
        about = (audit_record.c.org == office.org, audit_record.c.object == f"approval:{request_id}")
        ordered = select(audit_record.c.body).where(*about).order_by(audit_record.c.id)
        bodies = [row.body for row in reading.rows(ordered)]

    assert len(bodies) == 2
    assert all(PLAN in body and '"execution:ex_1"' in body for body in bodies)
    assert '"amounts":{"USD":"125.00"}' in bodies[0]
    assert not any("Tahina" in body for body in bodies)
