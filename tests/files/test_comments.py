"""Comments and attachments: who may see a thing may talk about it; nothing said is ever changed or lost."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from finops_core import audit, files, payouts
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, NotAllowed, NotFound
from finops_core.platform.db import open_owner_engine
from tests.world import World

PDF, PNG = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", b"\x89PNG\r\n\x1a\n" + bytes(40)


def say(world: World, who: str, kind: str, id_: str, words: str, org: str = "harbour") -> str:
    with world.desk.work(world.actor(who, org)) as work:
        return files.add_comment(work, kind, id_, words).id


def heard(world: World, who: str, kind: str, id_: str, org: str = "harbour") -> list[str]:
    with world.desk.read(world.actor(who, org)) as reading:
        return [each.text for each in files.comments(reading, kind, id_)]


def test_both_sides_of_a_request_talk_about_the_same_thing(both: World):
    # Given a batch that waits for approval
    world = both
    seen = world.submitted("currency\nUSD\n")

    # When preparer and approver say something, one by number and one by id
    say(world, "ana", "execution", seen.number, "  Why so early?\nThey asked.  ")
    say(world, "ben", "execution", seen.id, "I have called them.")

    # Then both, and whoever else may see it, read both in order
    for who in ("ana", "ben", "eva"):
        assert heard(world, who, "execution", seen.id) == ["Why so early?\nThey asked.", "I have called them."]


@pytest.mark.parametrize("kind", ["execution", "approval", "payout", "file"])
def test_everything_can_be_talked_about_by_whoever_sees_it_and_by_nobody_else(world: World, kind: str):
    # Given a batch of Ana's that was paid, with its request, a payout and its file
    seen = world.approved("currency\nUSD\n")
    world.work_off()
    with world.desk.read(world.actor("ana")) as reading:
        things = {
            "execution": seen.id,
            "approval": seen.approval_request_id,
            "payout": payouts.rows(reading, seen.id)[0].id,
            "file": seen.input_reference,
        }

    # Then she says something, the auditor reads it, and another organisation learns nothing
    say(world, "ana", kind, str(things[kind]), "Look here.")
    assert heard(world, "eva", kind, str(things[kind])) == ["Look here."]
    with pytest.raises(NotFound):
        heard(world, "eva", kind, str(things[kind]), "norrland")
    with pytest.raises(NotFound):
        say(world, "ana", kind, str(things[kind]), "Hello?", "norrland")


def test_what_nobody_asked_the_approver_about_stays_between_others(world: World):
    seen = world.planned("currency\nUSD\n")
    comment = say(world, "ana", "execution", seen.id, "Not ready.")
    mail = attach(world, "ana", seen.id, "mail.txt", b"Dear Ana")

    for refused in (
        lambda: take(world, "ben", mail),
        lambda: heard(world, "ben", "execution", seen.id),
        lambda: say(world, "ben", "execution", seen.id, "Oh?"),
        lambda: take_back(world, "ben", comment),
    ):
        with pytest.raises(NotFound):
            refused()


def take_back(world: World, who: str, comment_id: str) -> None:
    with world.desk.work(world.actor(who)) as work:
        files.withdraw_comment(work, comment_id)


def test_only_the_author_takes_a_comment_back_once_and_its_place_stays(both: World):
    # Given two comments
    world = both
    seen = world.submitted("currency\nUSD\n")
    first = say(world, "ana", "execution", seen.id, "The wrong account!")
    say(world, "ben", "execution", seen.id, "Which one?")

    # When somebody else tries, then she herself, and again
    with pytest.raises(NotAllowed) as anothers:
        take_back(world, "ben", first)
    take_back(world, "ana", first)
    with pytest.raises(Conflict) as again:
        take_back(world, "ana", first)

    # Then her words are gone from the screens, and that she spoke is not
    assert (anothers.value.code, again.value.code) == ("COMMENT_NOT_YOURS", "COMMENT_WITHDRAWN")
    with world.desk.read(world.actor("eva")) as reading:
        said = files.comments(reading, "execution", seen.id)
        trail = [record.verb for record in audit.records(reading, audit.AuditFilter(verb="comment.")).rows]
    assert [(each.text, each.withdrawn_at is not None) for each in said] == [("", True), ("Which one?", False)]
    assert trail == ["comment.withdrawn", "comment.added", "comment.added"]


@pytest.mark.parametrize("act", ["UPDATE comment SET text = 'I agreed.'", "DELETE FROM comment"])
def test_the_database_itself_changes_and_deletes_no_comment(both: World, act: str):
    seen = both.submitted("currency\nUSD\n")
    say(both, "ana", "execution", seen.id, "I never agreed.")
    engine = open_owner_engine(both.desk.settings)

    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text(act))

    engine.dispose()
    assert heard(both, "ana", "execution", seen.id) == ["I never agreed."]


def test_the_log_binds_a_comment_without_its_words(world: World):
    seen = world.submitted("currency\nUSD\n")
    say(world, "ana", "execution", seen.id, "Call Mrs Jones on 555.")

    with world.desk.read(world.actor("eva")) as reading:
        about = audit.AuditFilter(about=f"execution:{seen.id}", verb="comment.added")
        record = audit.records(reading, about).rows[0]

    assert len(record.after) == 64
    assert "Jones" not in record.body


@pytest.mark.parametrize(
    ("words", "code"), [("", "COMMENT_EMPTY"), (" \n ", "COMMENT_EMPTY"), ("x" * 4001, "COMMENT_LONG")]
)
def test_a_comment_is_neither_empty_nor_endless(world: World, words: str, code: str):
    seen = world.planned("currency\nUSD\n")

    with pytest.raises(Invalid) as refused:
        say(world, "ana", "execution", seen.id, words)

    assert refused.value.code == code


def test_nothing_of_an_unknown_kind_is_talked_about(world: World):
    with pytest.raises(NotFound) as refused:
        say(world, "ana", "person", world.people["ben"], "Hm.")

    assert refused.value.code == "SUBJECT_UNKNOWN"


def test_a_comment_is_taken_back_by_its_id_only_when_there_is_one(world: World):
    with pytest.raises(NotFound) as refused:
        take_back(world, "ana", "cm_nothing")

    assert refused.value.code == "COMMENT_UNKNOWN"


def attach(world: World, who: str, id_: str, name: str, content: bytes) -> str:
    with world.desk.work(world.actor(who)) as work:
        return files.attach(work, "execution", id_, name, content).id


def take(world: World, who: str, reference_id: str, org: str = "harbour") -> bytes:
    with world.desk.work(world.actor(who, org)) as work:
        return files.take_attachment(work, reference_id).content


def test_an_attachment_reaches_everybody_who_sees_the_thing_and_each_taking_is_recorded(world: World):
    # Given a mail beside a request
    seen = world.submitted("currency\nUSD\n")
    mail = attach(world, "ana", seen.id, "mail.txt", b"Dear Ana")

    # Then the approver, who may see no files otherwise, takes it; it is none of the run's own files
    assert take(world, "ben", mail) == b"Dear Ana"
    with world.desk.read(world.actor("ana")) as reading:
        assert [each.name for each in files.attachments(reading, "execution", seen.id)] == ["mail.txt"]
        assert [each.role for each in files.of(reading, "execution", seen.id)] == [files.INPUT]
        assert files.downloads(reading, [mail]) == {mail: 1}
    with pytest.raises(NotFound):
        take(world, "eva", mail, "norrland")
    with pytest.raises(NotFound):
        take(world, "ben", str(seen.input_reference))


def test_who_may_not_upload_may_not_attach(world: World):
    seen = world.submitted("currency\nUSD\n")

    with pytest.raises(NotAllowed):
        attach(world, "ben", seen.id, "mail.txt", b"Dear Ben")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.txt", b"", "ATTACHMENT_EMPTY"),
        ("large.txt", b"x" * 3_000_000, "ATTACHMENT_LARGE"),
        ("program.exe", b"MZ" + bytes(200), "ATTACHMENT_TYPE"),
        ("program.pdf", b"MZ" + bytes(200), "ATTACHMENT_TYPE"),
        ("picture.txt", PNG, "ATTACHMENT_TYPE"),
        ("text.pdf", b"only words", "ATTACHMENT_TYPE"),
        ("bytes.csv", b"a,b\n\xff\xfe\x00", "ATTACHMENT_TYPE"),
        ("page.html", b"<html><script>", "ATTACHMENT_TYPE"),
        ("noend", b"words", "ATTACHMENT_TYPE"),
    ],
)
def test_what_may_not_be_attached_is_refused_and_nothing_is_kept(small: World, name: str, content: bytes, code: str):
    seen = small.planned("currency\nUSD\n")

    with pytest.raises(FinOpsError) as refused:
        attach(small, "ana", seen.id, name, content)

    assert refused.value.code == code
    with small.desk.read(small.actor("ana")) as reading:
        assert files.attachments(reading, "execution", seen.id) == ()


@pytest.mark.parametrize(
    ("name", "content"), [("a.pdf", PDF), ("b.PNG", PNG), ("c.csv", b"a,b\n1,2\n"), ("d.txt", "Grüße".encode())]
)
def test_papers_and_pictures_may_be_attached(world: World, name: str, content: bytes):
    seen = world.planned("currency\nUSD\n")

    assert take(world, "ana", attach(world, "ana", seen.id, name, content)) == content


def test_of_many_comments_the_last_ones_are_shown_and_the_rest_counted(world: World):
    # Given more than are shown at once, the first of those shown taken back after all of them
    seen = world.submitted("currency\nUSD\n")
    with world.desk.work(world.actor("ana")) as work:
        made = [files.add_comment(work, "execution", seen.id, f"Comment {number}.").id for number in range(501)]
    say(world, "ben", "execution", seen.id, "STOP, wrong account.")
    with world.desk.work(world.actor("ana")) as work:
        files.withdraw_comment(work, made[2])

    # When they are read
    with world.desk.read(world.actor("ana")) as reading:
        said = files.comments(reading, "execution", seen.id)
        earlier = files.earlier_comments(reading, "execution", seen.id)

    # Then the last one is there, the withdrawn one has no words, and two are said to be missing
    assert len(said) == 500
    assert said[-1].text == "STOP, wrong account."
    assert (said[0].id, said[0].text) == (made[2], "")
    assert said[0].withdrawn_at is not None
    assert earlier == 2
