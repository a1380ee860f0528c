"""News for the person who looks: the bell on every page, the way to what it is about, and putting it away."""

import re

import pytest

from finops_core import notifications
from tests.pages.conftest import press, shown
from tests.payouts.walks import HARBOUR, rows_of
from tests.world import World
from ui.news import FIRST, MARKS


def told_of(world: World, many: int, who: str = "ana", kind: str = "test.news") -> None:
    with world.desk.work(world.actor(who)) as work:
        for number in range(many):
            body = "It says **so** <b>itself</b>."
            once, title = f"{kind}:{work.now}:{number}", f"News number {number}"
            notifications.notify(work, [world.people[who]], kind, once=once, title=title, body=body, page="executions")


def bells(told: str) -> list[str]:
    """What the bell counts, in the menu and in a phone's strip."""
    found = re.findall(r'class="to-bell to-bell-(\w+)".*?to-red">(\d+)<', told, re.DOTALL)
    return sorted(f"{where} {count}" for where, count in found)


@pytest.fixture(autouse=True)
def nothing_new(world: World):
    put_everything_away(world)


def put_everything_away(world: World) -> None:
    for who in ("ana", "ben", "adam"):
        with world.desk.work(world.actor(who)) as work:
            notifications.read_all(work)


def test_every_kind_of_news_has_its_mark():
    assert set(MARKS) == set(notifications.Kind)


def test_a_payout_that_came_back_rings_for_its_preparer_and_leads_to_it(world, at):
    # Given a payout that the bank returned
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    put_everything_away(world)
    (row,) = rows_of(world, seen.id)
    assert bells(shown(at("ana", "run"))) == []
    world.sandbox.control.transition(row.provider_id, "in_transit", "paid", account=HARBOUR)
    world.follow()
    world.sandbox.control.transition(row.provider_id, "failed", account=HARBOUR, code="no_account")
    world.follow()

    # When Ana is on any page, and then on her first one
    assert bells(shown(at("ana", "run"))) == ["menu 1", "strip 1"]
    told = shown(at("ana"))

    # Then the news stands there in words, with the way to it
    assert f"100.00 USD of {seen.number} came back" in told
    link = re.search(rf'href="(/\w+)\?([^"]*{seen.number}[^"]*notice=\w+[^"]*)"', told)
    assert link

    # When she follows it
    notice = re.search(r"notice=(\w+)", link[2])
    assert notice
    opened = at("ana", link[1].strip("/"), execution=seen.number, notice=notice[1])

    # Then it is read, and Ben's own stands
    assert bells(shown(opened)) == []
    assert "notice" not in opened.query_params
    assert "News for you" not in shown(at("ana")).replace("to-words", "")
    assert bells(shown(at("ben"))) == ["menu 1", "strip 1"]


def test_the_first_page_lists_the_newest_and_the_bell_leads_to_all(world, at):
    told_of(world, FIRST + 2)

    first, every = shown(at("ana")), shown(at("ana", "notices"))

    assert (first.count("News number"), every.count("News number")) == (FIRST, FIRST + 2)
    assert re.search(rf'href="/notices\?[^"]*"[^>]*>All {FIRST + 2} of them<', first)
    assert "<b>itself</b>" not in first


def test_news_is_put_away_one_by_one_or_all_at_once(world, at):
    told_of(world, 3)
    screen = at("ana")

    next(button for button in screen.button if (button.key or "").startswith("read_")).click().run()
    assert bells(shown(screen)) == ["menu 2", "strip 2"]

    press(screen, "Mark all as read")
    assert bells(shown(screen)) == []
    assert "Mark all as read" not in [button.label for button in screen.button]


def test_nobody_puts_away_somebody_elses(world, at):
    told_of(world, 1)
    with world.desk.read(world.actor("ana")) as reading:
        (notice,) = notifications.unread(reading)

    at("ben", "executions", notice=notice.id)

    assert bells(shown(at("ana"))) == ["menu 1", "strip 1"]


def test_a_failed_check_is_told_by_its_title_and_leads_to_health(world, at):
    with world.desk.work(world.actor("adam")) as work:
        told = {"title": "Check failed: Approvals age out", "body": "ex_0123:1 is paid", "page": "health"}
        notifications.notify(work, [world.people["adam"]], "check.violated", once="a-check", **told)

    shown_to_adam = shown(at("adam"))

    assert "Check failed: Approvals age out" in shown_to_adam
    assert "/health?" in shown_to_adam
    assert "ex_0123" not in shown_to_adam
