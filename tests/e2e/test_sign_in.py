"""Signing in and out through the real form and cookie, and what ends a session while its page stands open."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from playwright.sync_api import Request, expect

from finops_core import approvals, audit
from finops_core.api.session import COOKIE
from finops_core.kernel.actor import system_actor
from finops_core.operations import State
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS, Screen
from tests.webapp import PASSWORD, until_cookie
from ui.navigation import ROOMS

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WRONG = "The user name or the password is wrong."
LOCKED = re.compile(r"Too many (failed )?attempts", re.IGNORECASE)
EVERYBODY = ["Home", "Notices", "Search", "My work", "Executions", "Money in flight"]
WORK = [*EVERYBODY[:4], "Operations", *EVERYBODY[4:], "Files"]
MENUS = {
    "ana": [*EVERYBODY[:4], "Upload & run", "Operations", *EVERYBODY[4:], "Files", "Ledger", "Parties"],
    "ben": [*EVERYBODY, "Approvals", "Parties"],
    "carla": [*WORK, "Approvals", "Ledger", "Parties", "Audit", "Records"],
    "dan": [*WORK, "Approvals", "Ledger", "Parties", "Audit", "Records"],
    "eva": [*WORK, "Approvals", "Ledger", "Parties", "Audit", "Records"],
    "adam": [*WORK[:-1], "Audit", "Records", "People", "Connections", "Forwarding", "Health"],
}
# The browser keeps the answer from the page, as an error; what counts is what the server answered.
POST_AS_ANOTHER_SITE = """([url, body]) =>
    fetch(url, {method: 'POST', body, mode: 'no-cors', credentials: 'include'}).then(() => true, () => false)"""
PATHS = {room.title: room.path for room in ROOMS if room.any_of}


def fill(screen: Screen, who: str, password: str = PASSWORD) -> None:
    """The form, filled and sent."""
    screen.page.get_by_label("Username").fill(who)
    screen.page.get_by_role("textbox", name="Password").fill(password)
    screen.press("Sign in")


def refused(screen: Screen) -> str:
    """What the form says after a try."""
    alert = screen.page.get_by_role("alert")
    alert.wait_for()
    screen.settle()
    return alert.inner_text()


def only_the_form(screen: Screen) -> None:
    """Wait for the sign-in page; nothing of the desk may stand beside it."""
    expect(screen.page.get_by_label("Username")).to_be_visible(timeout=WAIT_MS)
    screen.settle()
    assert screen.page.get_by_test_id("stSidebarNavLink").count() == 0
    assert screen.page.get_by_role("button", name="Sign out").count() == 0


def test_a_wrong_password_an_unknown_name_and_a_locked_one_are_told_without_saying_who_exists(app, backstage, visit):
    # Given somebody of whom nobody else knows
    backstage.add_person("gil", "preparer")
    screen = visit(app)

    # When their password is wrong, and when a name does not exist
    fill(screen, "gil", "not the password")
    known = refused(screen)
    screen.look("00-sign-in-refused")
    screen.reload()
    fill(screen, "nobody-here", "not the password")

    # Then both are told the same
    assert WRONG in known
    assert refused(screen) == known
    assert COOKIE not in screen.cookies()

    # When five tries have failed, even the right password is refused, and the name without an owner is locked as well
    texts = []
    for who in ("gil", "nobody-here"):
        for _ in range(4):
            screen.reload()
            fill(screen, who, "wrong again and again")
            assert WRONG in refused(screen)
        screen.reload()
        fill(screen, who)
        texts.append(refused(screen))

    # Then the sentence says so, and for how long
    assert texts[0] == texts[1]
    assert LOCKED.search(texts[0])
    assert "minutes" in texts[0]
    screen.look("00-sign-in-locked")
    assert COOKIE not in screen.cookies()


def test_the_cookie_is_out_of_reach_of_scripts_keeps_the_person_signed_in_and_dies_at_sign_out(app, backstage, visit):
    # Given Carla, signed in at a deep link
    screen = visit(app, None)
    app.sign_in(screen.page, "carla", "executions")
    cookie = screen.cookies()[COOKIE]

    # Then scripts cannot read her cookie and other sites cannot send it
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Lax"
    assert cookie["path"] == "/"
    assert screen.page.evaluate("document.cookie.includes('tieout_session')") is False

    # When she reloads, she is still there
    screen.reload()
    screen.heading("Executions")
    assert screen.page.url.endswith("/executions")

    # When she signs out
    screen.page.get_by_role("button", name="Sign out").click()

    # Then only the form is left, the cookie is gone, and its old value opens nothing any more
    only_the_form(screen)
    assert COOKIE not in screen.cookies()
    screen.reload()
    only_the_form(screen)
    thief = visit(app, "executions", cookie=str(cookie["value"]))
    only_the_form(thief)

    # and the log has it that somebody came with it
    carla = backstage.person_id("carla")
    with app.desk.read(system_actor(backstage.orgs["harbour"])) as reading:
        refused = audit.records(reading, audit.AuditFilter(verb="session.refused")).rows
    assert {"person": carla, "why": "signed out"} in [record.detail for record in refused]


def test_a_ticket_works_once_and_only_for_this_site(app, visit):
    # Given the ticket that a sign-in handed to the browser
    screen = visit(app)
    posts: list[Request] = []
    screen.page.on("request", lambda request: posts.append(request) if "/session/begin" in request.url else None)
    fill(screen, "dan")
    until_cookie(screen.page)
    ticket = posts[0].post_data
    assert ticket

    # When somebody who has seen it sends it again, from here or from elsewhere
    again = begin(app.url, ticket, app.url)
    elsewhere = begin(app.url, ticket, "https://evil.example")

    # Then it opens nothing; nor does an invented one
    for answer in (again, elsewhere, begin(app.url, "ticket_invented", app.url), begin(app.url, "", app.url)):
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert begin(app.url, "x" * 1000, app.url).status_code == 413


class Blank(BaseHTTPRequestHandler):
    """A page without any policy."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>Another site</p>")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def another_site():
    """Served on loopback too: a browser lets no page from elsewhere ask this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_of_another_site_can_neither_use_a_ticket_nor_end_a_session(app, backstage, visit, another_site):
    # Given a fresh ticket, and Dan's browser with his session, standing on a page of another site
    ticket = backstage.ticket("dan")
    screen = visit(app, cookie=backstage.cookie("dan"))
    answers: list[int] = []
    other = screen.page.context.new_page()
    other.goto(another_site)
    other.on("response", lambda response: answers.append(response.status) if "/session/" in response.url else None)

    # When that page posts to both doors
    for door, body in (("begin", ticket), ("end", "")):
        other.evaluate(POST_AS_ANOTHER_SITE, [f"{app.url}/session/{door}", body])

    # Then both are refused, the ticket is still good for its own site, and Dan is still signed in
    assert answers == [403, 403]
    screen.reload()
    screen.heading("Home")
    assert begin(app.url, ticket, app.url).status_code == 204


def begin(url: str, ticket: str, origin: str) -> requests.Response:
    """A ticket at the door, by hand."""
    return requests.post(f"{url}/session/begin", data=ticket, headers={"Origin": origin}, timeout=10)


def test_a_session_ended_from_outside_is_over_at_the_next_click(backstage: Backstage, enter):
    # Given somebody at work
    person_id = backstage.add_person("hal", "preparer")
    screen = enter("hal")
    screen.heading("Home")

    # When an administrator signs them out everywhere
    assert backstage.sign_out_everywhere(person_id) == 1

    # Then their next click meets the form
    screen.page.get_by_test_id("stSidebarNavLink").filter(has_text="Upload & run").click()
    only_the_form(screen)


def test_a_role_ended_from_outside_is_over_at_the_next_click(backstage: Backstage, enter):
    # Given somebody with two roles, on a page of the second one
    person_id = backstage.add_person("ida", "preparer", "auditor")
    screen = enter("ida", "audit")
    screen.heading("Audit")
    # On a slow machine the menu is drawn some time after the page.
    screen.page.get_by_test_id("stSidebarNavLink").filter(has_text="Audit").wait_for(timeout=WAIT_MS)

    # When that role ends
    backstage.end_role(person_id, "auditor")

    # Then their next click shows neither the page nor its entry
    screen.page.get_by_role("button", name="Verify the log").click()
    screen.heading("Not part of your role")
    assert screen.menu() == MENUS["ana"]
    assert screen.page.locator("table").count() == 0


@pytest.fixture
def second_approver(backstage: Backstage, lost: str) -> Iterator[str]:
    """The name of somebody who may approve payouts and audit; no later test finds them among the approvers."""
    name = f"lou{lost}"
    person_id = backstage.add_person(name, "approver", "auditor")
    with backstage.app.desk.work(system_actor(backstage.orgs["harbour"])) as work:
        approvals.grant_authority(work, person_id=person_id, item_type="payout", currency="*", limit_minor=None)
    yield name
    backstage.take(person_id, "person")


@pytest.mark.parametrize("lost", ["role", "session", "person"])
def test_a_click_in_a_drawer_that_was_open_before_is_refused_and_stands_in_the_log(
    backstage: Backstage, enter, lost: str, second_approver: str
):
    # Given somebody with two roles and a request open before them
    person_id = backstage.person_id(second_approver)
    seen = backstage.submitted(f"currency,maximum\nSEK,{len(lost)}.77\n")
    screen = enter(second_approver, f"approvals?request={backstage.request_number(seen.id)}")
    approve = screen.drawer.get_by_role("button", name="Approve")
    approve.wait_for()
    screen.settle()

    # When the role, the session or the person is gone, and they press the button that is still there
    backstage.take(person_id, lost)
    approve.click()

    # Then they are told why nothing happened
    if lost == "role":
        screen.sees("Your roles have changed since this page was drawn.")
        assert screen.menu() == MENUS["eva"]
    else:
        only_the_form(screen)
    # and nothing was decided, and the log has it
    assert backstage.execution(seen.id).state is State.AWAITING_APPROVAL
    code = "RIGHTS_ENDED" if lost == "role" else "SESSION_ENDED"
    assert code in backstage.denied(person_id)


def test_another_organisation_shows_its_own_data_only(backstage: Backstage, enter):
    # Given a run in each of Eva's organisations
    here = backstage.added_up("currency,amount\nEUR,3.01\n", name="harbour-books.csv")
    there = backstage.added_up("currency,amount\nEUR,3.02\n", org="norrland", name="norrland-books.csv")
    screen = enter("eva", "executions")
    screen.sees("harbour-books.csv")
    assert "norrland-books.csv" not in screen.text()

    # When she looks at the other one
    screen.page.get_by_test_id("stSidebar").get_by_role("combobox", name="Organisation").click()
    screen.page.get_by_role("option", name="Norrland Trading").click()
    screen.settle()
    screen.go("Executions")

    # Then she sees that one's run and not the first one's, not even at its own address
    screen.sees("norrland-books.csv")
    assert "harbour-books.csv" not in screen.text()
    screen.open(f"executions?execution={here.id}")
    screen.sees(re.compile("no such execution|There is no execution", re.IGNORECASE))
    assert "harbour-books.csv" not in screen.text()
    screen.open(f"executions?execution={there.id}")
    screen.sees("norrland-books.csv")
    screen.go("Audit")
    assert here.id not in screen.page.content()


@pytest.mark.parametrize("who", MENUS)
def test_the_menu_follows_the_role_and_so_do_the_pages_behind_it(enter, who: str):
    # Given each of the demo people
    screen = enter(who)
    screen.heading("Home")

    # Then the menu has what their role needs
    assert screen.menu() == MENUS[who]

    # and the pages it leaves out say so, and show nothing, at their own address
    for title in PATHS.keys() - set(MENUS[who]):
        screen.open(PATHS[title])
        screen.heading("Not part of your role")
        assert screen.page.locator("table").count() == 0
        assert screen.main.get_by_role("button").count() == 0
