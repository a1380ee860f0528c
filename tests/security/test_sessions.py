"""Sessions: given by a ticket, kept by activity, ended by time, by the person or by an administrator."""

import threading

import pytest
from sqlalchemy import select, update

from finops_core import security
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.errors import Conflict, NotAllowed, NotFound
from finops_core.kernel.permissions import Permission
from finops_core.security.models import person, session, sign_in_attempt, sign_in_ticket
from tests.security.town import Town, bytes_at_rest


def redeem(here: Town, ticket: str) -> str | None:
    with here.work(security.visitor()) as work:
        return security.redeem(work, ticket)


def by_secret(here: Town, secret: str) -> security.SessionView | None:
    with here.read(security.visitor()) as reading:
        return security.session_of(reading, secret=secret)


def test_a_ticket_gives_the_cookies_secret_once(here: Town):
    here.person("ana", harbour="preparer")
    signed = here.signed_in("ana")

    secret = redeem(here, signed.ticket)

    assert secret is not None
    assert len(secret) >= 43, "256 bits"
    assert redeem(here, signed.ticket) is None
    found = by_secret(here, secret)
    assert found is not None
    assert found.id == signed.session_id
    assert len(here.log("session.cookie_given")) == 1


def test_a_ticket_lasts_a_minute_and_only_while_its_session_lives(here: Town):
    here.person("ana", harbour="preparer")
    late, ended = here.signed_in("ana"), here.signed_in("ana")
    with here.work(here.actor("ana")) as work:
        assert security.sign_out(work, ended.session_id)

    assert redeem(here, ended.ticket) is None
    here.wait(seconds=here.settings.ticket_s)
    assert redeem(here, late.ticket) is None
    assert redeem(here, "") is None
    assert redeem(here, "\udc80 no ticket \0") is None


def test_a_ticket_sent_twice_at_once_gives_one_secret(here: Town):
    here.person("ana", harbour="preparer")
    ticket = here.signed_in("ana").ticket
    start = threading.Barrier(4)
    got: list[str | None] = []

    def fetch() -> None:
        start.wait(10)
        got.append(redeem(here, ticket))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(secret is None for secret in got) == [False, True, True, True]


def test_a_session_says_who_where_and_what(here: Town):
    ana = here.person("ana", harbour="preparer approver", norrland="auditor")
    signed = here.signed_in("ana")

    found = here.session(signed.session_id)

    assert found is not None
    assert found.person == security.PersonView(ana, "ana", "Ana")
    assert (found.person_id, found.display_name) == (ana, "Ana")
    assert found.org_id == here.orgs["harbour"]
    assert [(choice.slug, choice.name, choice.roles) for choice in found.organisations] == [
        ("harbour", "Harbour", ("Approver", "Preparer")),
        ("norrland", "Norrland", ("Auditor",)),
    ]
    assert found.organisation == found.organisations[0]
    assert found.roles == ("Approver", "Preparer")
    assert found.orgs == frozenset(here.orgs.values())
    assert found.permissions == here.permissions(here.actor("ana"))
    assert (found.expires_at - here.clock.now()).total_seconds() == here.settings.session_absolute_s
    assert here.permissions(found.actor()) == found.permissions


def test_an_act_for_the_organisation_one_has_left_is_refused_by_both_names(here: Town):
    # Given Ana's page, drawn for Harbour
    here.person("ana", harbour="preparer", norrland="preparer")
    session_id = here.signed_in("ana").session_id
    page = here.actor("ana", "harbour", session_id)
    with here.work(page) as work:
        security.require_present(work)

    # When she switches elsewhere
    with here.work(page) as work:
        security.switch_organisation(work, session_id, here.orgs["norrland"])

    # Then an act of that page is refused, and one of a page drawn since is not
    with (
        pytest.raises(Conflict, match="drawn for Harbour; you now look at Norrland") as refused,
        here.work(page) as work,
    ):
        security.require_present(work)
    assert refused.value.code == "ORGANISATION_SWITCHED"
    with here.work(here.actor("ana", "norrland", session_id)) as work:
        security.require_present(work)


def test_a_role_that_ended_moves_one_on_and_services_are_nowhere(here: Town):
    ana = here.person("ana", harbour="preparer", norrland="preparer")
    session_id = here.signed_in("ana").session_id
    with here.work(system_actor(here.orgs["harbour"])) as work:
        security.end_role(work, ana, "preparer", here.orgs["harbour"])

    with here.work(here.actor("ana", "norrland", session_id)) as work:
        security.require_present(work)
    with (
        pytest.raises(Conflict, match="drawn for another organisation"),
        here.work(here.actor("ana", "harbour", session_id)) as work,
    ):
        security.require_present(work)
    with here.work(worker_actor(here.orgs["harbour"])) as work:
        security.require_present(work)


def test_looking_keeps_nobody_signed_in_and_neither_do_live_parts(here: Town):
    here.person("ana", harbour="preparer")
    session_id = here.signed_in("ana").session_id
    here.wait(minutes=29)
    assert here.session(session_id) is not None
    with here.work(here.actor("ana")) as work:
        assert not security.touch(work, session_id, activity=False)
    here.wait(minutes=1)

    assert here.session(session_id) is None
    with here.work(here.actor("ana")) as work:
        assert not security.touch(work, session_id), "what has ended is not revived"


def test_activity_is_noted_at_most_once_a_minute(here: Town):
    here.person("ana", harbour="preparer")
    session_id = here.signed_in("ana").session_id
    noted = []
    for _ in range(6):
        here.wait(seconds=20)
        found = here.session(session_id)
        assert found is not None
        with here.work(found.actor()) as work:
            assert found.touch_due is security.touch(work, session_id)
        noted.append(found.touch_due)

    assert noted == [False, False, True, False, False, True]


def test_nobody_keeps_or_ends_the_session_of_another_by_its_id(here: Town):
    here.person("ana", harbour="preparer")
    here.person("eve", harbour="preparer", norrland="preparer")
    session_id = here.signed_in("ana").session_id
    here.wait(minutes=2)

    with here.work(here.actor("eve")) as work:
        assert not security.touch(work, session_id)
        assert not security.sign_out(work, session_id)
        with pytest.raises(NotAllowed):
            security.switch_organisation(work, session_id, here.orgs["norrland"])

    assert here.session(session_id) is not None


def test_signing_out_by_the_cookie_ends_its_session_alone(here: Town):
    here.person("ana", harbour="preparer")
    one, two = here.signed_in("ana"), here.signed_in("ana")
    secret = redeem(here, one.ticket)
    assert secret

    with here.work(security.visitor()) as work:
        assert security.sign_out(work, secret=secret)
        assert not security.sign_out(work, secret=secret)
        assert not security.sign_out(work, secret="")
        assert not security.sign_out(work)

    assert by_secret(here, secret) is None
    assert here.session(one.session_id) is None
    assert here.session(two.session_id) is not None
    assert len(here.log("session.ended")) == 1


def test_signing_out_everywhere_ends_them_all(here: Town):
    here.person("ana", harbour="preparer")
    here.person("olga", harbour="administrator")
    olga = here.signed_in("olga").session_id
    mine = [here.signed_in("ana").session_id for _ in range(3)]

    with here.work(here.actor("olga")) as work:
        ended = security.sign_out_everywhere(work, here.people["ana"])

    assert ended == 3
    assert [here.session(session_id) for session_id in mine] == [None] * 3
    assert here.session(olga) is not None
    (told,) = here.log("session.ended_all")
    assert here.people["ana"] in told
    assert '"sessions":3' in told


def test_signing_out_everywhere_from_a_page_ends_the_session_of_that_page_too(here: Town):
    here.person("ana", harbour="preparer")
    mine = [here.signed_in("ana").session_id for _ in range(2)]

    with here.work(here.actor("ana", session_id=mine[0])) as work:
        assert security.sign_out_everywhere(work, here.people["ana"]) == 2

    assert [here.session(session_id) for session_id in mine] == [None] * 2


def test_a_person_switched_off_in_the_database_alone_is_signed_in_nowhere(here: Town):
    here.person("ana", harbour="preparer")
    session_id = here.signed_in("ana").session_id
    assert here.session(session_id) is not None

    with here.work(system_actor()) as work:
        work.execute(update(person).where(person.c.id == here.people["ana"]).values(active=False))

    assert here.session(session_id) is None


def test_switching_the_organisation_needs_a_role_there(here: Town):
    here.person("ana", harbour="preparer", norrland="auditor")
    here.person("ben", harbour="preparer")
    ana, ben = (here.signed_in(name).session_id for name in ("ana", "ben"))

    with here.work(here.actor("ana", session_id=ana)) as work:
        security.switch_organisation(work, ana, here.orgs["norrland"])
    with here.work(here.actor("ben", session_id=ben)) as work, pytest.raises(NotAllowed) as refused:
        security.switch_organisation(work, ben, here.orgs["norrland"])
    with here.work(here.actor("ana", session_id=ana)) as work, pytest.raises(NotAllowed) as nowhere:
        security.switch_organisation(work, ana, "org_none")

    found = here.session(ana)
    assert found is not None
    assert found.org_id == here.orgs["norrland"]
    assert found.permissions == here.permissions(here.actor("ana", "norrland"))
    assert {refused.value.code, nowhere.value.code} == {"ORGANISATION_NOT_ALLOWED"}
    assert len(here.log("session.switched")) == 1


def test_a_role_lost_in_the_present_organisation_leads_to_another_or_out(here: Town):
    ana = here.person("ana", harbour="preparer", norrland="auditor")
    session_id = here.signed_in("ana").session_id

    with here.work(here.system("harbour")) as work:
        security.end_role(work, ana, "preparer", here.orgs["harbour"])
    elsewhere = here.session(session_id)
    with here.work(here.system("norrland")) as work:
        security.end_role(work, ana, "auditor", here.orgs["norrland"])

    assert elsewhere is not None
    assert elsewhere.org_id == here.orgs["norrland"]
    assert here.session(session_id) is None


def test_a_session_is_no_proof_without_its_secret_or_id(here: Town):
    here.person("ana", harbour="preparer")
    here.signed_in("ana")

    with here.read(security.visitor()) as reading:
        found = [
            security.session_of(reading),
            security.session_of(reading, secret="", session_id=""),
            security.session_of(reading, secret="guess", session_id=here.signed_in("ana").session_id),
        ]

    assert found == [None] * 3


def test_only_hashes_of_secrets_are_at_rest(embedded: Town):
    embedded.person("ana", harbour="preparer")
    signed = embedded.signed_in("ana")
    secret = redeem(embedded, signed.ticket)
    assert secret
    with embedded.work(embedded.system("harbour")) as work:
        link = security.reset_link(work, embedded.people["ana"])

    stored = bytes_at_rest(embedded.settings.data_dir)

    assert any(signed.session_id.encode() in content for content in stored.values()), "the files are the right ones"
    for planted in (signed.ticket, secret, link, "correct horse battery", "\\x" + signed.ticket.encode().hex()):
        assert [name for name, content in stored.items() if planted.encode() in content] == []


def test_old_rows_of_signing_in_are_thrown_away_by_the_worker_only(here: Town):
    here.person("ana", harbour="preparer")
    here.signed_in("ana")
    here.refused("ana", "wrong")
    with here.work(here.system("harbour")) as work:
        security.reset_link(work, here.people["ana"])
    here.wait(days=29)
    with here.work(worker_actor("")) as work:
        assert security.tidy(work) == 0
    here.wait(days=3)
    fresh = here.signed_in("ana").session_id
    with here.work(here.actor("ana")) as work, pytest.raises(NotAllowed):
        security.tidy(work)

    with here.work(worker_actor("")) as work:
        gone = security.tidy(work)

    assert gone == 5
    with here.read(system_actor()) as reading:
        left = [len(reading.rows(select(table))) for table in (session, sign_in_ticket, sign_in_attempt)]
    assert left == [1, 1, 1]
    assert here.session(fresh) is not None


def test_an_administrator_sees_sessions_of_colleagues_in_this_organisation_only(here: Town):
    here.person("olga", harbour="administrator")
    ana = here.person("ana", harbour="preparer", norrland="preparer")
    eva = here.person("eva", norrland="preparer")
    first, second = here.signed_in("ana").session_id, here.signed_in("ana").session_id
    here.signed_in("eva")
    with here.work(here.actor("ana", session_id=second)) as work:
        security.switch_organisation(work, second, here.orgs["norrland"])

    with here.read(here.actor("olga")) as reading:
        seen = [entry.id for entry in security.sessions_of(reading, ana)]
        with pytest.raises(NotFound):
            security.sessions_of(reading, eva)
    with here.read(here.actor("ana")) as reading:
        own = {entry.id for entry in security.sessions_of(reading, ana)}

    assert seen == [first]
    assert own == {first, second}


def test_a_session_that_was_ended_is_told_to_the_log_when_somebody_comes_with_it_again(here: Town):
    # Given a cookie that was copied before its sign-out
    here.person("ana", harbour="preparer")
    signed = here.signed_in("ana")
    secret = redeem(here, signed.ticket) or ""
    with here.work(security.visitor()) as work:
        assert not security.note_refused(work, secret=secret), "it lives"
        assert security.sign_out(work, secret=secret)

    # When it is sent again, twice within the hour and once after it
    told = []
    for minutes in (1, 1, 60):
        here.wait(minutes=minutes)
        assert by_secret(here, secret) is None
        with here.read(security.visitor()) as reading:
            due = security.why_refused(reading, secret=secret)
        with here.work(security.visitor()) as work:
            told.append((due, security.note_refused(work, secret=secret)))

    # Then the log has it once an hour, and nothing of what was never given out
    assert told == [(("signed out", due), due) for due in (True, False, True)]
    assert len(here.log("session.refused")) == 2
    assert '"why":"signed out"' in here.log("session.refused")[0]
    with here.work(security.visitor()) as work:
        assert not security.note_refused(work, secret="never given")
        assert not security.note_refused(work, session_id="session_none")


def test_a_session_whose_person_has_lost_the_last_role_is_told_to_the_log_as_that(here: Town):
    # Given somebody at work, who has come with nothing wrong
    ana = here.person("ana", harbour="preparer")
    session_id = here.signed_in("ana").session_id
    with here.read(security.visitor()) as reading:
        assert security.why_refused(reading, session_id=session_id) == ("", False)

    # When the last role ends, and they come again
    with here.work(here.system("harbour")) as work:
        security.end_role(work, ana, "preparer", work.org_id)
    with here.read(security.visitor()) as reading:
        assert security.why_refused(reading, session_id=session_id) == (security.NO_ROLE, True)
    with here.work(security.visitor()) as work:
        assert security.note_refused(work, session_id=session_id)

    # Then the log says so
    (record,) = here.log("session.refused")
    assert f'"why":"{security.NO_ROLE}"' in record


def test_who_holds_less_than_a_page_was_drawn_for_is_refused(here: Town):
    ana = here.person("ana", harbour="preparer")
    actor = here.actor("ana")
    with here.read(actor) as reading:
        drawn_for = reading.permissions
        security.require_still(reading, drawn_for)
        with pytest.raises(NotAllowed) as less:
            security.require_still(reading, drawn_for | {Permission.AUDIT_VIEW})
    with here.work(here.system("harbour")) as work:
        security.end_role(work, ana, "preparer", work.org_id)
    with here.read(actor) as reading, pytest.raises(NotAllowed) as nothing:
        security.require_still(reading, drawn_for)

    assert (less.value.code, less.value.context["missing"]) == ("RIGHTS_ENDED", ["audit.view"])
    assert (nothing.value.code, nothing.value.context["missing"]) == (
        "SESSION_ENDED",
        sorted(each.value for each in drawn_for),
    )


def test_a_ticket_that_comes_twice_is_told_to_the_log_and_an_invented_one_is_not(here: Town):
    here.person("ana", harbour="preparer")
    ticket = here.signed_in("ana").ticket
    assert redeem(here, ticket)

    assert redeem(here, ticket) is None
    assert redeem(here, "invented") is None

    assert len(here.log("session.ticket_refused")) == 1
