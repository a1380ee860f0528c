"""Mail leaves after the commit, at least once and under one id; what a server does not take waits its turn."""

import logging
from dataclasses import replace

import pytest
from sqlalchemy import update

from finops_core import audit, notifications, security
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.errors import Conflict, FinOpsError, NotFound
from finops_core.kernel.permissions import Permission
from finops_core.notifications import MailState, outbox
from finops_core.notifications.rules import PAUSES_S
from finops_core.platform import queue
from finops_core.platform.ports import Delivery, MailAnswer
from finops_core.security.models import person
from tests.desks import AreaDesk, area_desk, person_actor
from tests.mail_host import Conduct, mail_settings, running_mail_host
from tests.notifications.post import Post
from tests.notifications.test_notifications import tell

ANA = "ana@example.org"


def test_who_wants_mail_gets_it_with_the_way_to_the_matter(post: Post):
    # When somebody is told of something
    post.tell("ana", body="The bank returned 1950.15 USD.", page="executions", query={"execution": "EX-2026-0001"})
    assert post.host.taken == [], "nothing leaves before the worker's turn"
    post.round()

    # Then a short plain mail says what happened and where to look
    (taken,) = post.host.taken
    assert taken.to == ANA
    assert str(taken.message["From"]) == "Tieout <desk@tieout.example>"
    assert str(taken.message["To"]) == f"Ana <{ANA}>"
    assert str(taken.message["Subject"]) == "[Harbour] 100.00 USD came back"
    assert taken.message.get_content_type() == "text/plain"
    assert "The bank returned 1,950.15 USD.\n" in taken.text
    with post.area.read(person_actor(post.people["ana"], post.org)) as reading:
        (notice,) = notifications.unread(reading)
    link = f"https://tieout.example/executions?execution=EX-2026-0001&notice={notice.id}&org=harbour"
    assert f"Open it: {link}\n" in taken.text
    assert "https://tieout.example/notices?view=Preferences&org=harbour" in taken.text

    # and the delivery log says that it has gone
    mail = post.mail()
    assert (mail.state, mail.attempts, mail.last_answer) == (MailState.SENT, 1, "250 2.0.0 OK, queued")
    assert taken.id == f"<{mail.id}@tieout.example>"


def test_a_unit_that_is_undone_sends_nothing(post: Post):
    def tell_and_break() -> None:
        with post.area.work(worker_actor(post.org)) as work:
            notifications.notify(work, [post.people["ana"]], "payout.returned", once="1", title="undone")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tell_and_break()
    post.round()

    assert post.host.taken == []
    assert post.mails() == []


def test_the_same_news_is_mailed_once(post: Post):
    post.tell("ana", "ana")
    post.tell("ana", title="said again")
    post.round()
    post.tell("ana", title="and again")
    post.round()

    assert [str(each.message["Subject"]) for each in post.host.taken] == ["[Harbour] 100.00 USD came back"]


def test_many_letters_take_one_line(post: Post):
    for number in range(5):
        post.tell("ana", "ben", once=str(number))
    post.round()

    assert len(post.host.taken) == 10
    assert len({each.line for each in post.host.taken}) == 1


def test_a_letter_not_taken_now_is_tried_on_schedule_and_then_has_failed(post: Post):
    # Given a server that keeps putting one address off
    post.host.will(Conduct.LATER, ANA)
    post.tell("ana", "ben")
    post.round()

    # Then the others get theirs at once
    assert [each.to for each in post.host.taken] == ["ben@example.org"]
    # and it is tried after each pause, not before
    for number, pause_s in enumerate(PAUSES_S, start=1):
        mail = post.mail()
        assert (mail.state, mail.attempts) == (MailState.QUEUED, number)
        assert mail.last_answer == "451 4.7.1 Greylisted, come again later"
        assert mail.next_at is not None
        assert (mail.next_at - post.area.clock.now()).total_seconds() == pause_s
        post.later(pause_s - 1)
        post.round()
        assert post.mail().attempts == number
        post.later(1)
        post.round()

    # until it has failed, which is seen
    assert (post.mail().state, post.mail().attempts) == (MailState.FAILED, len(PAUSES_S) + 1)
    assert post.notices("adam") == ["Mail to Ana was not delivered"]


def test_a_refused_recipient_fails_at_once_and_who_watches_is_told_in_the_app(post: Post):
    post.host.will(Conduct.REFUSE, ANA)

    post.tell("ana", "ben")
    post.round()
    post.later(86400)
    post.round()

    assert (post.mail().state, post.mail().attempts) == (MailState.FAILED, 1)
    assert post.mail().last_answer.startswith("550 5.1.1 No such mailbox")
    assert [each.to for each in post.host.taken] == ["ben@example.org"], "no mail about mail"
    assert post.notices("adam") == ["Mail to Ana was not delivered"]
    with post.area.read(person_actor(post.people["adam"], post.org)) as reading:
        (notice,) = notifications.unread(reading)
        verbs = [each.verb for each in audit.trail(reading, f"mail:{post.mail().id}")]
    assert (notice.page, notice.query) == ("notices", {"view": "Mail", "mail": post.mail().id})
    assert verbs == ["mail.failed"]


def test_content_that_is_refused_fails_at_once(post: Post):
    post.host.will(Conduct.REFUSE_CONTENT, ANA)

    post.tell("ana")
    post.round()

    assert (post.mail().state, post.mail().last_answer) == (MailState.FAILED, "554 5.7.1 Looks like spam")


@pytest.mark.parametrize("conduct", [Conduct.HANG_UP_IN_DATA, Conduct.HANG_UP_AFTER_DATA])
def test_a_line_that_breaks_loses_nothing_and_doubles_keep_their_id(post: Post, conduct: Conduct):
    # Given a server that hangs up in the middle, once
    post.host.will(conduct, ANA, times=1)
    post.tell("ana", "ben")
    post.round()
    assert post.mail().state is MailState.QUEUED

    # When it is well again
    post.later(PAUSES_S[0])
    post.round()

    # Then everything has arrived; what arrived twice is known as one by its id, to the last byte
    assert post.mail().state is MailState.SENT
    ids = post.host.ids(ANA)
    assert len(ids) == (1 if conduct is Conduct.HANG_UP_IN_DATA else 2)
    assert len(set(ids)) == 1
    assert len({each.raw for each in post.host.taken if each.to == ANA}) == 1
    assert len(post.host.ids("ben@example.org")) == 1


def test_a_dead_server_is_called_once_a_round_and_everything_arrives_when_it_is_back(post: Post):
    # Given a server that is down
    post.host.stop()
    for number in range(20):
        post.tell("ana", once=str(number))
    with post.area.work(worker_actor("")) as work:
        queue.enqueue(work, notifications.DELIVER_JOB, {}, key="round")
    claim = post.claimed()
    assert claim is not None
    post.carry(claim)

    # Then one letter has found out, and the others were not burnt on it
    assert sum(mail.attempts for mail in post.mails()) == 1
    assert {mail.state for mail in post.mails()} == {MailState.QUEUED}

    # When it is back
    post.host.start()
    post.later(PAUSES_S[0])
    post.round()

    # Then all of them arrive
    assert {mail.state for mail in post.mails()} == {MailState.SENT}
    assert len(set(post.host.ids(ANA))) == 20


def test_a_server_that_stays_away_is_told_of_once_a_day(post: Post):
    post.host.stop()
    post.tell("ana")
    for pause_s in (0, *PAUSES_S[:4]):
        post.later(pause_s)
        post.round()

    assert post.notices("adam") == ["Mail waits: the mail server does not take it"]


def test_a_slow_server_is_not_waited_for(post: Post):
    server = replace(post.area.units.ports.mail, timeout_s=0.3)  # type: ignore[type-var]
    units = replace(post.area.units, ports=replace(post.area.units.ports, mail=server))
    post.host.will(Conduct.DAWDLE, ANA, times=1)
    post.tell("ana")
    claim = post.claimed()
    assert claim is not None

    notifications.deliver(units, claim)

    mail = post.mail()
    assert (mail.state, mail.last_answer) == (MailState.QUEUED, "The mail server did not answer in time.")


def test_who_dies_between_the_answer_and_its_record_sends_the_same_letter_again(post: Post):
    # Given a worker that took a letter, had it accepted, and died
    post.tell("ana")
    claim = post.claimed(lease_s=0.05)
    assert claim is not None
    with post.area.work(worker_actor(post.org)) as work:
        (held,) = outbox.take(work, claim, 1)
    assert post.area.units.ports.mail is not None
    with post.area.units.ports.mail.connection() as line:
        assert line.send(held.letter).delivery is Delivery.SENT

    # When another one takes its job over
    while (taken_over := post.claimed("another")) is None:
        pass
    assert taken_over.id == claim.id
    post.carry(taken_over)

    # Then the letter has come twice, under one id
    assert len(post.host.ids()) == 2
    assert len(set(post.host.ids())) == 1
    # and the dead one, should it wake up, changes nothing any more
    with post.area.work(worker_actor(post.org)) as work:
        outbox.keep(work, claim, held, MailAnswer(Delivery.REFUSED, "550 late"))
    assert post.mail().state is MailState.SENT


def test_two_workers_share_the_outbox_and_no_letter_goes_twice(post: Post):
    # Given two claims of delivery at once
    for number in range(6):
        post.tell("ana", once=str(number))
    with post.area.work(worker_actor("")) as work:
        queue.enqueue(work, notifications.DELIVER_JOB, {}, key="a second one")
    first, second = post.claimed("first"), post.claimed("second")
    assert first is not None
    assert second is not None

    # When one of them holds a letter while the other one goes through everything
    with post.area.work(worker_actor(post.org)) as work:
        (held,) = outbox.take(work, first, 1)
    post.carry(second)
    assert len(post.host.taken) == 5

    # Then the held one is left to its holder
    post.carry(first)
    assert len(post.host.taken) == 5, "a claim takes up no letter it holds already: it may be on its way"
    with post.area.work(worker_actor(post.org)) as work:
        outbox.keep(work, first, held, MailAnswer(Delivery.LATER, "451 later"))
    post.later(PAUSES_S[0])
    post.round()
    assert sorted(post.host.ids()) == sorted(set(post.host.ids()))
    assert len(post.host.ids()) == 6


def test_a_worker_that_has_lost_its_lease_sends_nothing_more(post: Post):
    post.tell("ana")
    claim = post.claimed(lease_s=0.05)
    assert claim is not None
    while post.claimed("another") is None:
        pass

    with pytest.raises(FinOpsError, match="Another worker has taken over"):
        notifications.deliver(post.area.units, claim)

    assert post.host.taken == []


def test_addresses_are_looked_up_when_mail_leaves_and_who_has_left_gets_none(post: Post):
    # Given mail that waits for two people
    post.tell("ana", "ben")
    # When one of them has left meanwhile
    with post.area.work(system_actor(post.org)) as work:
        security.set_active(work, post.people["ben"], active=False)
    post.round()
    # Then only the other one is written to
    assert [each.to for each in post.host.taken] == [ANA]
    assert (post.mail("ben").state, post.mail("ben").last_answer) == (
        MailState.DROPPED,
        "The person is not active here.",
    )


def test_who_lost_their_role_here_gets_no_mail_from_here(post: Post):
    post.tell("ben")
    with post.area.work(system_actor(post.org)) as work:
        security.end_role(work, post.people["ben"], "administrator", post.org)
    post.round()

    assert post.host.taken == []
    assert post.mail("ben").state is MailState.DROPPED


def test_news_that_was_settled_before_it_left_stays_here(post: Post):
    post.tell("ana", "ben", once="asked")
    with post.area.work(worker_actor(post.org)) as work:
        notifications.settle(work, "asked")
    post.round()

    assert post.host.taken == []
    assert post.mail().state is MailState.DROPPED
    assert post.notices("ana") == []


@pytest.mark.parametrize("then", ["not now", "crashed", "given back"])
def test_news_that_is_settled_while_it_is_tried_is_not_tried_again(post: Post, then: str):
    # Given a mail in the worker's hand, whose news is settled meanwhile
    post.tell("ana", once="asked")
    claim = post.claimed()
    assert claim is not None
    with post.area.work(worker_actor(post.org)) as work:
        (held,) = outbox.take(work, claim, 5)
    with post.area.work(worker_actor(post.org)) as work:
        notifications.settle(work, "asked")

    # When the server does not take it now, the worker dies, or it never came to try
    with post.area.work(worker_actor(post.org)) as work:
        if then == "not now":
            outbox.keep(work, claim, held, MailAnswer(Delivery.LATER, "451 greylisted"))
        elif then == "given back":
            outbox.give_back(work, claim, [held])
    with post.area.work(worker_actor("")) as work:
        queue.complete(work, claim)
    post.later(24 * 3600)
    post.round()

    # Then it never leaves
    assert post.host.taken == []
    assert (post.mail().state, post.mail().last_answer) == (MailState.DROPPED, outbox.SETTLED)


def test_a_failed_letter_is_sent_again_by_whom_it_is_for_and_by_who_watches(post: Post):
    # Given mail that failed
    post.host.will(Conduct.REFUSE, ANA, times=1)
    post.tell("ana")
    post.round()
    failed = post.mail()
    # When somebody else asks for it, it is refused
    post.area.permissions[post.people["ben"]] = frozenset({Permission.HOME_VIEW})
    with pytest.raises(NotFound), post.area.work(person_actor(post.people["ben"], post.org)) as work:
        notifications.send_again(work, failed.id)
    # and when Adam does, it leaves, under the id it had
    with post.area.work(person_actor(post.people["adam"], post.org)) as work:
        notifications.send_again(work, failed.id)
    post.round()
    assert post.mail().state is MailState.SENT
    assert post.host.ids() == [f"<{failed.id}@tieout.example>"]
    with post.area.read(system_actor(post.org)) as reading:
        trail = audit.trail(reading, f"mail:{failed.id}")
    assert [each.verb for each in trail] == ["mail.failed", "mail.sent_again"]
    assert trail[1].actor == post.people["adam"]
    # and not once more
    with (
        pytest.raises(Conflict, match="has not failed"),
        post.area.work(person_actor(post.people["ana"], post.org)) as w,
    ):
        notifications.send_again(w, failed.id)


def test_everybody_sees_their_own_mails_and_who_watches_sees_that_there_are_others(post: Post):
    post.tell("ana")
    post.tell("ben", title="For Ben alone")
    post.round()

    with post.area.read(person_actor(post.people["adam"], post.org)) as reading:
        everybody = notifications.mails(reading, everybody=True)
    assert everybody.total == 2
    assert {each.title for each in everybody.rows} == {""}
    assert [each.title for each in post.mails("ben")] == ["For Ben alone"]
    post.area.permissions[post.people["ben"]] = frozenset({Permission.HOME_VIEW})
    with post.area.read(person_actor(post.people["ben"], post.org)) as reading:
        with pytest.raises(FinOpsError, match="not allowed"):
            notifications.mails(reading, everybody=True)
        with pytest.raises(NotFound):
            notifications.mail_view(reading, post.mail("ana").id)


def test_the_mail_of_two_organisations_keeps_apart_and_goes_by_one_line(post: Post):
    other = post.area.org("norrland")
    post.person("hana", org=other)
    post.tell("ana")
    post.tell("hana", org=other, title="Norrland's own")
    post.round()

    assert sorted(str(each.message["Subject"]) for each in post.host.taken) == [
        "[Harbour] 100.00 USD came back",
        "[Norrland] Norrland's own",
    ]
    assert len({each.line for each in post.host.taken}) == 1
    assert [each.title for each in post.mails("hana", other)] == ["Norrland's own"]


def test_nothing_a_name_or_a_title_holds_becomes_a_header_or_shows_an_account(post: Post):
    # Given a person and a title that hold what they should not
    eve = post.person("eve", title="Eve")
    with post.area.work(system_actor(post.org)) as work:
        work.execute(update(person).where(person.c.id == eve).values(display_name="Eve\r\nBcc: thief@example.org"))
    body = "It went to DE89370400440532013000 (or 000123456789) by sk_test_1234567890abcdef.\r\nBcc: x@example.org"
    post.tell("eve", title="Paid\r\nBcc: thief@example.org\r\n\r\nGive me your password", body=body)

    # When it is mailed
    post.round()

    # Then its headers are ours alone
    (taken,) = post.host.taken
    assert taken.to == "eve@example.org"
    assert taken.message["Bcc"] is None
    assert [name for name in taken.message.keys() if name.lower() not in KNOWN_HEADERS] == []  # noqa: SIM118
    assert str(taken.message["Subject"]) == "[Harbour] Paid Bcc: thief@example.org Give me your password"
    # and neither the account nor the key is in it
    for secret in ("DE8937", "532013000", "000123456789", "1234567890abcdef"):
        assert secret not in taken.text
    assert "•••• 3000" in taken.text


KNOWN_HEADERS = {
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "auto-submitted",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "x-peer",
    "x-mailfrom",
    "x-rcptto",
}


def test_without_a_mail_server_nothing_is_written_to_the_outbox(area: AreaDesk):
    org = area.org()
    tell(area, org, "person_ana")

    with area.read(person_actor("person_ana", org)) as reading:
        assert notifications.mails(reading).total == 0
        assert notifications.unread_count(reading) == 1


def test_old_mails_are_forgotten_and_waiting_ones_are_not(post: Post):
    post.host.will(Conduct.LATER, ANA)
    post.tell("ana", "ben")
    post.round()
    post.later(100 * 86400)

    with post.area.work(worker_actor(post.org)) as work:
        notifications.tidy(work)

    assert post.mails("ben") == []
    assert post.mail().state is MailState.QUEUED


def test_the_password_of_the_mail_server_is_nowhere_to_be_read(tmp_path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    secret = "hunter2-of-the-mail-server"
    with running_mail_host(user="desk", password=secret) as host:
        # Given a server that asks for a password, and repeats it when it refuses somebody
        area = area_desk(tmp_path, "", **mail_settings(host))
        post = Post(area, host)
        post.move_in()
        host.will(Conduct.REFUSE, ANA)
        post.tell("ana", "ben")
        post.round()
        # Then mail goes through, and the password stands in no row, log or description
        assert [each.to for each in host.taken] == ["ben@example.org"]
        assert post.mail().last_answer == "550 5.1.1 No such mailbox; your password is …"
        ours = "".join(each.getMessage() for each in caplog.records if each.name != "mail.log")  # that is the server's
        assert secret not in repr(area.units.ports.mail) + repr(area.settings) + ours
        area.units.database.close()
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
