"""The frame around every page: the menu by role, the strip of test mode, the organisation."""

import pytest
from streamlit.testing.v1 import AppTest

from finops_core import security
from tests.pages.conftest import shown
from ui.navigation import ROOMS, rooms_for
from ui.session import SESSION

EVERYBODY = {"Home", "Search", "My work", "Notices", "Executions", "Money in flight"}
MENUS = {
    "ana": EVERYBODY | {"Upload & run", "Operations", "Files", "Ledger", "Parties"},
    "ben": EVERYBODY | {"Approvals", "Parties"},
    "carla": EVERYBODY | {"Operations", "Files", "Approvals", "Ledger", "Parties", "Audit", "Records"},
    "dan": EVERYBODY | {"Operations", "Files", "Approvals", "Ledger", "Parties", "Audit", "Records"},
    "eva": EVERYBODY | {"Operations", "Files", "Approvals", "Ledger", "Parties", "Audit", "Records"},
    "adam": EVERYBODY | {"Operations", "Audit", "Records", "People", "Connections", "Forwarding", "Health"},
}


@pytest.mark.parametrize("who", sorted(MENUS))
def test_the_menu_holds_what_the_role_may_see(world, at, who):
    screen = at(who)
    with world.desk.read(security.visitor()) as reading:
        session = security.session_of(reading, session_id=screen.session_state[SESSION])

    assert {room.title for room in rooms_for(session.permissions)} == MENUS[who]


@pytest.mark.parametrize("who", sorted(MENUS))
def test_a_page_outside_the_role_says_so_and_shows_nothing(at, who):
    for room in ROOMS:
        screen = at(who, room.file.removesuffix(".py"))

        assert not screen.exception
        refused = screen.title[0].value == "Not part of your role"
        assert refused == (bool(room.any_of) and room.title not in MENUS[who]), "what is everybody's is open"


def test_test_mode_is_said_on_every_page(at):
    for room in ROOMS:
        screen = at("adam" if room.section == "Administration" else "carla", room.file.removesuffix(".py"))

        assert "sandbox money; nothing leaves a bank" in shown(screen)


def test_switching_the_organisation_shows_the_other_ones_rows(world, at):
    seen = world.planned("currency\nUSD\n")
    screen = at("ana", "executions", state="pending")
    assert seen.number in shown(screen)

    screen.sidebar.selectbox[0].set_value(world.orgs["norrland"]).run()

    assert not screen.exception
    assert screen.title[0].value == "Home"
    assert "Norrland Trading" in screen.caption[0].value
    assert seen.number not in shown(screen)


def test_somebody_with_one_organisation_has_nothing_to_switch(at):
    screen = at("ben")

    assert not screen.sidebar.selectbox
    assert screen.sidebar.caption[0].value == "Harbour Labs"


def an_error_on_screen(code):
    from finops_core.kernel.errors import Conflict
    from ui import errors

    errors.shown(
        Conflict("MOVED_ON", "It has moved on.", hint="Look again.") if code else ValueError("a secret inside")
    )


def test_a_refusal_is_told_in_its_own_words():
    told = shown(AppTest.from_function(an_error_on_screen, args=(1,)).run())

    assert "**It has moved on.**" in told
    assert "Look again." in told


def test_an_unexpected_error_shows_a_number_and_none_of_its_insides():
    told = shown(AppTest.from_function(an_error_on_screen, args=(0,)).run())

    assert "err_" in told
    assert "a secret inside" not in told
    assert "Traceback" not in told


LISTS = (
    *(("carla", page, {}) for page in ("executions", "payouts", "files", "parties", "approvals", "search", "notices")),
    *(("carla", "ledger", {"ledger_view": view}) for view in ("Entries", "Wallets", "Activity")),
    ("carla", "notices", {"view": "Mail"}),
    ("eva", "audit", {}),
    *(("adam", page, {}) for page in ("people", "forwarding")),
    ("adam", "forwarding", {"forwarding_view": "Log"}),
)
KEPT = ("text_input", "selectbox", "date_input", "toggle", "button_group")
# What the pages ask by, though nothing of theirs keeps it there.
PLAIN = {"operations": {"operation"}, "run": {"operation"}, "ledger": {"line", "currency", "account", "entry"}}


def test_no_page_keeps_in_the_address_what_another_page_is_asked_by(at):
    # Streamlit takes it out of every address that leads from the one page to the other, and carries it along the menu.
    pages: dict[str, set[str]] = {}
    for page, names in PLAIN.items():
        for name in names:
            pages.setdefault(name, set()).add(page)
    found = set()
    for who, page, query in LISTS:
        screen = at(who, page, **query)
        for each in (each for kind in KEPT for each in screen.get(kind)):
            if name := each.proto.query_param_key:
                pages.setdefault(name, set()).add(page)
                found.add(name)

    assert {"text", "file_find", "find_party", "payout_currency", "ledger_view", "view"} <= found
    assert {name: shared for name, shared in pages.items() if name in found and len(shared) > 1} == {}
