"""The second factor as a person meets it: scanned, confirmed, asked for, and of no use twice."""

import base64
import re
import time

import pytest
from playwright.sync_api import expect

from finops_core.api.session import COOKIE
from finops_core.security import totp
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS, Screen
from tests.e2e.test_sign_in import fill, refused
from tests.webapp import PASSWORD, until_cookie

pytestmark = [pytest.mark.browser, pytest.mark.slow]

KEY = re.compile(r"[A-Z2-7]{4}(?: [A-Z2-7]{4}){7}")
WRONG = "This code is wrong, or was used already."


def code_of(key: str, backstage: Backstage, after: int = 0) -> tuple[str, int]:
    """The app's code that counts next: of a later step than the one used before, waited for when need be."""
    secret = base64.b32decode(key.replace(" ", ""))
    clock = backstage.app.desk.ports.clock
    while (step := totp.step_of(clock.now())) + totp.SKEW_STEPS <= after:
        time.sleep(0.2)
    step = max(step, after + 1)
    return totp.code_at(secret, step), step


def type_code(screen: Screen, code: str) -> None:
    """The second step of signing in."""
    screen.page.get_by_role("textbox", name="Code").fill(code)
    screen.press("Sign in")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_second_factor_is_set_up_by_its_key_and_then_opens_the_desk_with_the_password(
    app, backstage: Backstage, enter, visit, size: str
):
    # Given somebody who sets one up on their own page
    name = f"quinn-{size}"
    backstage.add_person(name, "preparer")
    screen: Screen = enter(name, "me", size=size)
    # The page asks for it in more than one place.
    set_up = screen.page.get_by_role("button", name="Set it up")
    form = screen.main.get_by_test_id("stForm").filter(has=set_up)
    form.get_by_role("textbox", name="Your password").fill(PASSWORD)
    screen.press("Set it up", screen.main)
    expect(screen.main.get_by_alt_text("QR code for your authenticator app")).to_be_visible(timeout=WAIT_MS)
    assert screen.main.get_by_alt_text("QR code").evaluate("image => image.naturalWidth > 0")
    key = KEY.search(screen.main.get_by_test_id("stCode").first.inner_text())
    assert key
    screen.look("90-second-factor-set-up")
    confirming, step = code_of(key[0], backstage)
    screen.main.get_by_role("textbox", name="Code").fill(confirming)
    screen.press("Turn it on", screen.main)

    # Then ten recovery codes are shown, and never again
    screen.sees("Keep these recovery codes now")
    codes = screen.main.get_by_test_id("stCode").first.inner_text().split()
    assert len(codes) == 10
    screen.look("91-recovery-codes")
    screen.press("I have kept them", screen.main)
    screen.reload()
    screen.sees("10 recovery codes left")
    assert codes[0] not in screen.text()

    # When they sign in elsewhere, the password brings the second step and no cookie
    door: Screen = visit(app, "executions", size=size)
    fill(door, name)
    expect(door.page.get_by_role("heading", name="Type your code")).to_be_visible(timeout=WAIT_MS)
    door.look("92-second-step")
    assert COOKIE not in door.cookies()
    assert door.page.get_by_test_id("stSidebarNavLink").count() == 0

    # and the code that was used already opens nothing
    type_code(door, confirming)
    assert WRONG in refused(door)
    assert COOKIE not in door.cookies()

    # Then the next one does, at the page they came for
    fresh, step = code_of(key[0], backstage, after=step)
    type_code(door, fresh)
    until_cookie(door.page)
    door.heading("Executions")

    # and neither it, nor a recovery code twice, opens another session
    thief: Screen = visit(app, size=size)
    fill(thief, name)
    type_code(thief, fresh)
    assert WRONG in refused(thief)
    type_code(thief, codes[0])
    until_cookie(thief.page)
    thief.heading("Home")
    again: Screen = visit(app, size=size)
    fill(again, name)
    type_code(again, codes[0])
    assert WRONG in refused(again)
    assert COOKIE not in again.cookies()


def test_an_invitation_is_made_handed_over_and_used_in_another_browser(app, backstage: Backstage, enter, visit):
    # Given an administrator who invites somebody
    adam: Screen = enter("adam", "people")
    adam.press("Invite somebody", adam.main)
    adam.drawer.get_by_label("Name", exact=True).fill("Noor Haddad")
    adam.drawer.get_by_label("E-mail").fill("noor@example.com")
    adam.drawer.get_by_role("textbox", name="Username").fill("noor")
    adam.drawer.get_by_role("button", name="Preparer").click()
    adam.press("Make the invitation", adam.drawer)
    adam.sees("A link to hand over")
    link = adam.drawer.get_by_test_id("stCode").inner_text().strip()
    adam.look("93-invitation")
    adam.press("I have copied it", adam.drawer)
    adam.drawer.wait_for(state="detached")
    adam.sees("Noor Haddad")

    # When it is opened by whoever was invited
    noor: Screen = visit(app, link.removeprefix(f"{app.url}/"))
    noor.sees("Welcome to Tieout")
    noor.look("94-welcome")
    for field in ("Password", "Password again"):
        noor.page.get_by_role("textbox", name=field, exact=True).fill("a quite new passphrase")
    noor.press("Join")

    # Then they sign in with the password they chose
    expect(noor.page.get_by_label("Username")).to_be_visible(timeout=WAIT_MS)
    fill(noor, "noor", "a quite new passphrase")
    until_cookie(noor.page)
    noor.heading("Home")
    assert "Upload & run" in noor.menu()
