"""A desk for each test, and somebody at the screen."""

import sys
from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from finops_core.security import SignedIn, admit, prove, visitor
from tests.world import COMPANY, ROOT, World, company, running_world
from ui.session import SESSION

PASSWORD = company()["password"]
At = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """AppTest leaves its script behind as the main module; children of later tests would run it at their start."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The demo company, one for each file of tests; the shell finds it through the environment, as outside tests."""
    folder = tmp_path_factory.mktemp("desk")
    with running_world(folder) as made, pytest.MonkeyPatch.context() as environment:
        settings = made.desk.settings
        for name, value in {
            "TIEOUT_DATA_DIR": folder,
            "TIEOUT_DEMO_FILE": COMPANY,
            "TIEOUT_MASTER_KEY": settings.master_key.get_secret_value(),
            "TIEOUT_BCRYPT_ROUNDS": settings.bcrypt_rounds,
            "TIEOUT_STRIPE_SANDBOX_URL": settings.stripe_sandbox_url,
            "TIEOUT_LEDGER_WITHDRAW_NEEDS_KYC": settings.ledger_withdraw_needs_kyc,
        }.items():
            environment.setenv(name, str(value))
        environment.delenv("DATABASE_URL", raising=False)
        st.cache_resource.clear()
        yield made
        st.cache_resource.clear()


@pytest.fixture
def stranger(world: World) -> At:
    """Somebody without a session, at an address."""

    def come(page: str = "", **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=30)
        if page:
            at.run()  # registers the pages; a page can be chosen only then
            at.switch_page(str(ROOT / "pages" / f"{page}.py"))
        for name, value in query.items():
            at.query_params[name] = value
        return at.run()

    return come


@pytest.fixture
def at(world: World, stranger: At) -> At:
    """Somebody signed in, on a page; ``beside`` another screen of theirs: in the same session, as a second tab."""

    def open_page(who: str, page: str = "home", *, beside: AppTest | None = None, **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=30)
        at.session_state[SESSION] = beside.session_state[SESSION] if beside else signed_in(world, who)
        at.run()
        at.switch_page(str(ROOT / "pages" / f"{page}.py"))
        for name, value in query.items():
            at.query_params[name] = value
        return at.run()

    return open_page


def signed_in(world: World, who: str) -> str:
    """The id of a fresh session."""
    with world.desk.read(visitor()) as reading:
        proof = prove(reading, who, PASSWORD)
    with world.desk.work(visitor()) as work:
        opened = admit(work, proof)
    assert isinstance(opened, SignedIn), opened
    return opened.session_id


def press(screen: AppTest, label: str) -> AppTest:
    """A button by its label; the page must stand after it."""
    next(button for button in screen.button if button.label == label).click().run()
    assert not screen.exception
    return screen


def shown(at: AppTest) -> str:
    """Everything on the screen as one text."""
    kinds = ("title", "header", "markdown", "caption", "html", "error", "warning", "info", "success")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(at, kind))
