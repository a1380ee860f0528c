"""How people choose to be told, and that it is honoured."""

from datetime import timedelta

import pytest

from finops_core import audit, notifications
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.notifications import Kind, Way
from tests.desks import person_actor
from tests.notifications.post import Post


def choose(post: Post, name: str, hour: int | None = 7, **ways: str) -> None:
    with post.area.work(person_actor(post.people[name], post.org)) as work:
        notifications.choose(work, {kind.replace("_", ".", 1): way for kind, way in ways.items()}, hour)


def chosen(post: Post, name: str) -> notifications.Choices:
    with post.area.read(person_actor(post.people[name], post.org)) as reading:
        return notifications.choices(reading)


def test_each_is_told_the_way_they_want(post: Post):
    # Given three people with their own wishes
    choose(post, "ana", execution_completed=Way.MAIL)
    choose(post, "ben", execution_completed=Way.OFF)
    # When all of them are told the same
    post.tell("ana", "ben", "adam", kind=Kind.EXECUTION_COMPLETED, title="Done")
    post.round()
    # Then Ana gets mail, Ben nothing, and Adam, who chose nothing, finds it in the app
    assert [each.to for each in post.host.taken] == ["ana@example.org"]
    assert (post.notices("ana"), post.notices("ben"), post.notices("adam")) == (["Done"], [], ["Done"])


def test_a_choice_counts_from_then_on_and_for_its_own_kind(post: Post):
    post.tell("ana", once="1")
    choose(post, "ana", payout_returned=Way.APP)
    post.tell("ana", once="2")
    post.tell("ana", once="3", kind=Kind.PAYOUT_REVIEW)
    post.round()

    assert len(post.host.taken) == 2
    assert len(post.notices("ana")) == 3


def test_what_is_wanted_once_a_day_is_not_mailed_at_once(post: Post):
    choose(post, "ana", payout_returned=Way.DIGEST)
    choose(post, "ben", payout_returned=Way.APP)
    post.tell("ana", "ben", title="It came back")
    post.round()

    assert post.host.taken == []
    waiting = []
    for name in ("ana", "ben"):
        with post.area.read(person_actor(post.people[name], post.org)) as reading:
            waiting.append([each.title for each in notifications.for_digest(reading, timedelta(days=7))])
    assert waiting == [["It came back"], []]


def test_another_choice_leaves_those_of_other_kinds_as_they_were(post: Post):
    choose(post, "ana", execution_completed=Way.OFF, payout_returned=Way.APP)
    choose(post, "ben", payout_returned=Way.DIGEST)
    choose(post, "ana", payout_returned=Way.DIGEST)

    now = chosen(post, "ana").ways
    assert (now[Kind.EXECUTION_COMPLETED], now[Kind.PAYOUT_RETURNED]) == (Way.OFF, Way.DIGEST)
    choose(post, "ben", payout_returned=Way.MAIL)
    assert chosen(post, "ana").ways == now


def test_what_is_chosen_stands_until_it_is_changed_and_is_in_the_log(post: Post):
    choose(post, "ana", 18, payout_returned=Way.DIGEST)
    choose(post, "ana", 18, payout_returned=Way.DIGEST)
    choose(post, "ana", None, payout_returned=Way.MAIL)

    now = chosen(post, "ana")
    assert (now.ways[Kind.PAYOUT_RETURNED], now.digest_hour) == (Way.MAIL, None)
    assert chosen(post, "ben").digest_hour == 7
    with post.area.read(person_actor(post.people["adam"], post.org)) as reading:
        trail = audit.trail(reading, f"person:{post.people['ana']}")
    said = [each for each in trail if each.verb == "notices.chosen"]
    assert len(said) == 2, "what changes nothing is no act"


@pytest.mark.parametrize(
    ("kind", "way", "hour", "code"),
    [
        ("payout.returned", "off", 7, "NOTICE_WAY_BAD"),
        ("mail.failing", "mail", 7, "NOTICE_WAY_BAD"),
        ("payout.returned", "pigeon", 7, "NOTICE_WAY_BAD"),
        ("no.such", "mail", 7, "NOTICE_KIND_UNKNOWN"),
        ("payout.returned", "app", 24, "DIGEST_HOUR_BAD"),
        ("payout.returned", "app", -1, "DIGEST_HOUR_BAD"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_of_it_is_kept(post: Post, kind: str, way: str, hour: int, code: str):
    with pytest.raises(FinOpsError) as refused, post.area.work(person_actor(post.people["ana"], post.org)) as work:
        notifications.choose(work, {"execution.completed": "off", kind: way}, hour)

    assert refused.value.code == code
    assert chosen(post, "ana") == chosen(post, "ben")


def test_choices_of_one_organisation_do_not_bind_another(post: Post):
    other = post.area.org("norrland")
    choose(post, "ana", None, execution_completed=Way.OFF)

    with post.area.read(person_actor(post.people["ana"], other)) as reading:
        assert notifications.choices(reading).ways[Kind.EXECUTION_COMPLETED] is Way.APP


def test_who_may_do_nothing_here_chooses_nothing(post: Post):
    post.area.permissions[post.people["ben"]] = frozenset({Permission.NEWS_TAKE})

    with pytest.raises(FinOpsError, match="not allowed"):
        choose(post, "ben", execution_completed=Way.OFF)
