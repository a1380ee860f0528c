"""People with an authenticator app, for tests: the app is the very arithmetic a phone does."""

import base64
from dataclasses import dataclass

from finops_core import security
from finops_core.kernel.actor import Actor
from finops_core.security import totp
from tests.security.town import PASSWORD, Town


@dataclass
class App:
    """An authenticator app with one key in it; its clock is the town's, ``steps`` ahead or behind."""

    town: Town
    key: str

    def code(self, steps: int = 0) -> str:
        secret = base64.b32decode(self.key.replace(" ", ""))
        return totp.code_at(secret, totp.step_of(self.town.clock.now()) + steps)


@dataclass
class Protected:
    """Somebody with a second factor, in a session of theirs."""

    actor: Actor
    app: App
    codes: tuple[str, ...]


def inside(town: Town, username: str) -> Actor:
    """Somebody in a fresh session."""
    found = town.session(town.signed_in(username).session_id)
    assert found is not None
    return found.actor()


def begin(town: Town, actor: Actor, password: str = PASSWORD) -> security.SignInRefused | None:
    """The first step, which asks for the password."""
    with town.read(actor) as reading:
        proof = security.prove_oneself(reading, password)
    with town.work(actor) as work:
        return security.begin_second_factor(work, proof)


def set_up(town: Town, actor: Actor) -> tuple[App, tuple[str, ...]]:
    """The way the page goes: begin, scan, confirm."""
    begin(town, actor)
    with town.read(actor) as reading:
        given = security.enrolment(reading)
    assert given is not None
    app = App(town, given.key)
    with town.work(actor) as work:
        return app, security.confirm_second_factor(work, app.code())


def protected(town: Town, username: str) -> Protected:
    """With a second factor that was set up a minute ago."""
    actor = inside(town, username)
    app, codes = set_up(town, actor)
    town.wait(minutes=1)
    return Protected(actor, app, codes)


def at_the_door(town: Town, username: str) -> security.CodeWanted:
    """Past the password."""
    outcome = town.sign_in(username, PASSWORD)
    assert isinstance(outcome, security.CodeWanted), outcome
    return outcome


def enter(town: Town, wanted: security.CodeWanted, code: str) -> security.SignedIn | security.SignInRefused:
    """Type a code."""
    with town.work(security.visitor()) as work:
        return security.admit_code(work, wanted, code)
