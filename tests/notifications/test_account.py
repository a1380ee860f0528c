"""Whoever's account was changed learns of it, in the app and by mail, whoever did it; nobody can put that out."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from finops_core import notifications, security
from finops_core.kernel.actor import Actor
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.errors import FinOpsError
from finops_core.notifications import Kind
from finops_core.platform.queue import job
from finops_core.security import totp
from tests.desks import START
from tests.mail_host import MailHost, mail_settings, running_mail_host
from tests.notifications.test_events import mailed, told
from tests.world import World, company, running_world

PASSWORD = company()["password"]
NEW = "a quite different sentence"
OLD_ADDRESS, NEW_ADDRESS = "ana@demo.tieout.example", "ana@example.org"


@pytest.fixture
def host() -> Iterator[MailHost]:
    with running_mail_host() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, database_url: str, host: MailHost) -> Iterator[World]:
    with running_world(tmp_path, database_url, ManualClock(START), **mail_settings(host)) as made:
        yield made


def inside(world: World, who: str, password: str = PASSWORD) -> Actor:
    with world.desk.work(security.visitor()) as work:
        outcome = security.sign_in(work, who, password)
    assert isinstance(outcome, security.SignedIn), outcome
    with world.desk.read(security.visitor()) as reading:
        found = security.session_of(reading, session_id=outcome.session_id)
    assert found is not None
    return found.actor()


def proof_of(world: World, actor: Actor) -> security.Proof:
    with world.desk.read(actor) as reading:
        return security.prove_oneself(reading, PASSWORD)


def account_news(world: World, who: str, org: str = "harbour") -> list[str]:
    with world.desk.read(world.actor(who, org)) as reading:
        return [each.title for each in notifications.unread(reading, 100) if each.kind == Kind.ACCOUNT_CHANGED]


def test_a_password_set_by_a_link_is_told_to_its_person(world: World, host: MailHost):
    # Given a link that an administrator made for Ana
    with world.desk.work(world.actor("adam")) as work:
        token = security.reset_link(work, world.people["ana"])
    assert account_news(world, "ana") == []

    # When somebody uses it, Ana or not
    with world.desk.work(security.visitor()) as work:
        security.accept_reset(work, token, NEW)
    world.work_off()

    # Then she learns of it
    assert told(world, "ana") == [(Kind.ACCOUNT_CHANGED, "me", "")]
    assert mailed(host, "ana") == ["[Harbour Labs] Your password was set by a one-time link"]


def test_a_token_is_told_to_its_person(world: World, host: MailHost):
    actor = inside(world, "ana")

    with world.desk.work(actor) as work:
        security.issue_token(work, "Nightly", ["read"], work.now + timedelta(days=1))
    world.work_off()

    assert account_news(world, "ana") == ["An API token was made in your name: Nightly"]
    assert mailed(host, "ana") == ["[Harbour Labs] An API token was made in your name: Nightly"]


def test_a_second_factor_that_was_turned_off_is_told_to_its_person(world: World, host: MailHost):
    # Given Ana with a second factor
    actor = inside(world, "ana")
    with world.desk.work(actor) as work:
        security.begin_second_factor(work, security.prove_oneself(work, PASSWORD))
        given = security.enrolment(work)
        assert given is not None
        key = base64.b32decode(given.key.replace(" ", ""))
        codes = security.confirm_second_factor(work, totp.code_at(key, totp.step_of(work.now)))

    # When it is turned off
    with world.desk.work(actor) as work:
        assert security.turn_off_second_factor(work, security.prove_oneself(work, PASSWORD), codes[0]) is None
    world.work_off()

    # Then
    assert account_news(world, "ana") == ["Your second factor was turned off"]
    assert mailed(host, "ana") == ["[Harbour Labs] Your second factor was turned off"]


def test_another_mail_address_is_told_to_both(world: World, host: MailHost):
    actor = inside(world, "ana")
    proof = proof_of(world, actor)

    with world.desk.work(actor) as work:
        assert security.change_profile(work, "Ana", NEW_ADDRESS, proof=proof) is None
    world.work_off()

    assert account_news(world, "ana") == ["Your mail address was changed"]
    subject = "[Harbour Labs] Your mail address was changed"
    assert sorted((each.to, str(each.message["Subject"])) for each in host.taken) == [
        (OLD_ADDRESS, subject),
        (NEW_ADDRESS, subject),
    ]
    (old,) = [each for each in host.taken if each.to == OLD_ADDRESS]
    assert "no longer comes here" in old.text
    assert NEW_ADDRESS not in old.text


def test_a_former_address_stands_nowhere_in_the_clear(world: World):
    actor = inside(world, "ana")
    proof = proof_of(world, actor)

    with world.desk.work(actor) as work:
        security.change_profile(work, "Ana", NEW_ADDRESS, proof=proof)

    with world.desk.read(actor) as reading:
        rows = reading.rows(select(job.c.payload).where(job.c.kind == notifications.OLD_ADDRESS_JOB))
    assert len(rows) == 1
    assert OLD_ADDRESS not in rows[0].payload


def test_a_role_is_told_when_it_is_new_and_to_who_has_joined(world: World, host: MailHost):
    org = world.orgs["harbour"]

    with world.desk.work(world.actor("adam")) as work:
        for _ in range(2):
            security.grant_role(work, world.people["ana"], "auditor", org)
        invited = security.invite(work, "nia", "Nia", "nia@example.com", ["preparer"])
    world.work_off()

    assert account_news(world, "ana") == ["You were given a role: Auditor"]
    assert mailed(host, "ana") == ["[Harbour Labs] You were given a role: Auditor"]
    world.people["nia"] = invited.person_id
    assert account_news(world, "nia") == []


def test_nobody_can_put_it_out(world: World):
    with world.desk.work(world.actor("ana")) as work, pytest.raises(FinOpsError) as refused:
        notifications.choose(work, {Kind.ACCOUNT_CHANGED: "off"}, None)

    assert refused.value.code == "NOTICE_WAY_BAD"
