"""Notices on a page of their own: read and unread, toasts, choices, the delivery log, and the line of a dead worker."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from finops_core import notifications
from finops_core.kernel.actor import worker_actor
from finops_core.notifications import Kind, MailState, Way
from finops_core.notifications.models import mail, notice, preference
from finops_core.platform import queue
from finops_core.platform.queue import lease
from tests.pages.conftest import press, shown
from tests.world import World
from ui.widgets import PAGE_SIZE


@pytest.fixture(autouse=True)
def clean(world: World):
    for table in (notice, mail, preference):
        with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
            work.execute(delete(table).where(table.c.org_id == work.org_id))


def tell(world: World, title: str, who: str = "ana", kind: str = Kind.EXECUTION_COMPLETED, **more: str) -> None:
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        once = f"{title}:{kind}"
        notifications.notify(work, [world.people[who]], kind, once=once, title=title, page="executions", **more)


def a_mail(world: World, who: str, state: MailState, title: str) -> str:
    """A row of the outbox, as the worker would have left it: this desk has no mail server."""
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        row = {"person_id": world.people[who], "kind": "payout.returned", "once": title, "notice_id": "nt_1"}
        said = {"title": title, "body": "", "page": "executions", "query": "{}", "last_answer": "550 No such mailbox"}
        mail_id = f"ml_{title}"
        work.execute(
            mail.insert().values(
                org_id=work.org_id,
                id=mail_id,
                **row,
                **said,
                state=state,
                attempts=1,
                next_at=work.now,
                held_by="",
                held_fence=0,
                created_at=work.now,
            )
        )
    return mail_id


def test_unread_ones_come_first_and_read_ones_stay_under_all(world, at):
    tell(world, "Old news")
    with world.desk.work(world.actor("ana")) as work:
        notifications.read_all(work)
    tell(world, "Fresh news")

    unread, every = shown(at("ana", "notices")), shown(at("ana", "notices", view="All"))

    assert "Fresh news" in unread
    assert "Old news" not in unread
    assert every.index("Fresh news") < every.index("Old news")


def test_a_kind_is_picked_out_and_many_come_a_page_at_a_time(world, at):
    for number in range(PAGE_SIZE + 1):
        tell(world, f"Done {number:02}")
    tell(world, "It came back", kind=Kind.PAYOUT_RETURNED)

    first, second = shown(at("ana", "notices")), shown(at("ana", "notices", notices_page="2"))
    returned = shown(at("ana", "notices", about="A payout came back from the bank"))

    assert f"{PAGE_SIZE + 2} notices, newest first" in first
    assert ("Done 01" in first, "Done 00" in first, "Done 00" in second) == (False, False, True)
    assert "It came back" in returned
    assert "Done 01" not in returned


def test_nothing_to_read_says_so(world, at):
    for view in ("Unread", "All"):
        assert "You were told of nothing yet" in shown(at("ana", "notices", view=view))

    tell(world, "Of yesterday")
    with world.desk.work(world.actor("ana")) as work:
        notifications.read_all(work)

    assert "You have read everything" in shown(at("ana", "notices"))


def test_what_arrives_while_a_page_is_open_is_a_toast_once(world, at):
    # Given Ana on a page, with something she has not read
    tell(world, "Of yesterday")
    screen = at("ana", "run")
    assert [each.value for each in screen.toast] == []
    # When news arrives, with what Markdown would take for markup
    tell(world, "Paid **all** of [it](http://x.example)")
    screen.run()
    # Then she is told, in plain text, and not again
    assert [each.value.replace("\\", "") for each in screen.toast] == ["Paid **all** of [it](http://x.example)"]
    assert "\\*\\*all\\*\\*" in screen.toast[0].value
    screen.run()
    assert [each.value for each in screen.toast] == []


def test_a_flood_is_told_in_a_few_toasts(world, at):
    screen = at("ana", "run")
    for number in range(6):
        tell(world, f"News {number}")

    screen.run()

    assert [each.value for each in screen.toast][-1] == "And 3 more notices"
    assert len(screen.toast) == 4


def test_choices_are_saved_at_once_and_what_must_be_known_cannot_be_put_out(world, at):
    # Given the form
    screen = at("ana", "notices", view="Preferences")
    ways = {each.key: each for each in screen.button_group if (each.key or "").startswith("way_")}
    assert "No mail server is set" in shown(screen)
    assert set(ways["way_payout.returned"].options) == {"Mail now", "Daily mail", "Here"}
    assert "Off" in ways["way_execution.completed"].options
    # and only what she may ever be told of
    adams = at("adam", "notices", view="Preferences").button_group
    assert not {"way_check.violated", "way_forwarding.failing", "way_approval.asked"} & set(ways)
    assert {"way_check.violated", "way_forwarding.failing"} <= {each.key for each in adams}
    # When two kinds and the hour are changed, and saved
    ways["way_execution.completed"].set_value(Way.OFF)
    ways["way_payout.returned"].set_value(Way.DIGEST)
    next(box for box in screen.selectbox if box.label.startswith("The daily mail")).set_value("18:00")
    press(screen, "Save")
    # Then that is what counts
    with world.desk.read(world.actor("ana")) as reading:
        now = notifications.choices(reading)
    assert (now.ways[Kind.EXECUTION_COMPLETED], now.ways[Kind.PAYOUT_RETURNED]) == (Way.OFF, Way.DIGEST)
    assert (now.ways[Kind.APPROVAL_ASKED], now.digest_hour) == (Way.MAIL, 18)
    tell(world, "Done, and nobody wants to know")
    assert "Done, and nobody" not in shown(at("ana", "notices", view="All"))


def test_everybody_sees_their_own_mail_and_who_watches_all_of_it(world, at):
    a_mail(world, "ana", MailState.SENT, "For Ana")
    a_mail(world, "ben", MailState.FAILED, "For Ben")

    anas, adams = shown(at("ana", "notices", view="Mail")), shown(at("adam", "notices", view="Mail", everybody="true"))

    assert "For Ana" in anas
    assert "For Ben" not in anas
    assert "Everybody's" not in str([each.label for each in at("ana", "notices", view="Mail").toggle])
    assert ("Ben" in adams, "550 No such mailbox" in adams) == (True, True)
    assert "For Ben" not in adams, "who watches the delivery does not read along"


def test_a_mail_that_failed_opens_beside_the_list_and_can_be_sent_again(world, at):
    failed = a_mail(world, "ana", MailState.FAILED, "For Ana")
    screen = at("ana", "notices", view="Mail", mail=failed)
    assert "550 No such mailbox" in shown(screen)

    press(screen, "Send again")

    assert "No mail server is set" in shown(screen), "this desk cannot, and says so"


def test_somebody_elses_mail_is_not_there(world, at):
    bens = a_mail(world, "ben", MailState.FAILED, "For Ben")

    told = shown(at("ana", "notices", view="Mail", mail=bens))

    assert "There is no such mail" in told
    assert "For Ben" not in told


def test_a_worker_that_is_gone_is_said_on_every_page(world, at):
    # Given a worker that was there, and is gone for longer than its lease
    with world.desk.work(worker_actor("")) as work:
        queue.acquire_lease(work, "worker", "it", 60)
        work.execute(update(lease).values(until_ms=lease.c.until_ms - 600_000))
    # When people look around
    pages = [shown(at(who, page)) for who, page in (("ana", "run"), ("ana", "executions"), ("adam", "health"))]
    # Then each page says so
    assert all("The worker is not there: nothing is planned" in told for told in pages)
    # and when it is back, the line is gone
    with world.desk.work(worker_actor("")) as work:
        assert queue.acquire_lease(work, "worker", "it", timedelta(hours=1).total_seconds()) is not None
    assert "The worker is not there: nothing" not in shown(at("ana", "run"))
    with world.desk.work(worker_actor("")) as work:
        work.execute(delete(lease))
