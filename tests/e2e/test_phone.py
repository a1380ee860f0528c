"""On a phone by thumb, and every screen in both sizes and both colour schemes; each leaves its picture."""

import pytest

from finops_core import connections, files, notifications, payouts
from finops_core.operations import State
from tests.e2e.screens import THUMB_PX, Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def height(screen: Screen, name: str) -> float:
    box = screen.drawer.get_by_role("button", name=name).bounding_box()
    assert box is not None
    return box["height"]


def test_a_payout_is_approved_by_thumb(backstage, enter):
    # Given a request, and Ben with his phone
    seen = backstage.submitted("currency,maximum,descriptor\nSEK,3.01,PHONE\nCAD,3.01,\n")
    request = backstage.request_number(seen.id)
    ben = enter("ben", "approvals", size="phone")

    # When he taps his way through the card and its drawer
    ben.review(request).tap()
    approve = ben.drawer.get_by_role("button", name="Approve")
    approve.wait_for()
    ben.settle()

    # Then both decisions are as high as a thumb, and nothing has to be pushed sideways
    assert min(height(ben, "Approve"), height(ben, "Reject")) >= THUMB_PX
    assert ben.too_wide() == []
    ben.look("50-drawer-of-one")

    # and one tap approves
    approve.scroll_into_view_if_needed()
    ben.look("51-drawer-buttons")
    approve.tap()
    ben.drawer.wait_for(state="detached")
    assert backstage.awaited(seen.id, State.COMPLETED).state is State.COMPLETED


@pytest.fixture(scope="module")
def things(backstage):
    """Something to see on every page: a completed run, a waiting request, a draft, and totals."""
    done = backstage.approved("currency,maximum\nCAD,3.02\nSEK,3.02\n", name="done.csv")
    waiting = backstage.submitted("currency,maximum\nCAD,3.03\nHUF,\nKWD,3.030\n", name="waiting.csv")
    ready = backstage.planned("currency,maximum,minimum_to_leave\nCAD,3.04,\nHUF,,100.00\nKWD,,\n", name="ready.csv")
    totals = backstage.added_up("currency,amount\nEUR,3.05\nUSD,-1.00\n")
    backstage.awaited(done.id, State.COMPLETED)
    with backstage.app.desk.read(backstage.actor("adam")) as reading:
        connected = {view.provider: view.id for view in connections.listed(reading) if view.active}
        payout_id = payouts.rows(reading, done.id)[0].id
    with backstage.app.desk.work(backstage.actor("ana")) as work:
        files.add_comment(work, "execution", waiting.id, "They asked for it a week early.\nSee the attached mail.")
        files.attach(work, "execution", waiting.id, "mail.txt", b"Dear Ana")
    with backstage.app.desk.work(backstage.actor("adam")) as work:
        told = {"title": "Check failed: Approvals age out", "body": "", "page": "health"}
        made = notifications.add_endpoint(
            work,
            channel="webhook",
            name="Ledger system",
            url="https://hooks.example.com/tieout/aPartThatMayBeASecret",
            kinds=["check.violated"],
        )
        notifications.pause_endpoint(work, made.endpoint_id)
        notifications.notify(work, [backstage.person_id("adam")], "check.violated", once="a-phone", **told)
        forwarded = notifications.dispatch_log(work).rows[0].id
    return {
        "connection_id": connected["stripe"],
        "account_id": connected["bank_file"],
        "payout_id": payout_id,
        "endpoint_id": made.endpoint_id,
        "forwarded": forwarded,
        "person_id": backstage.person_id("ben"),
        "done": done.number,
        "waiting": waiting.number,
        "request": backstage.request_number(waiting.id),
        "ready": ready.number,
        "totals": totals.number,
        "done_id": done.id,
        "file": done.input_reference,
    }


STATIONS = {
    "home": ("ana", ""),
    "home-of-the-approver": ("ben", ""),
    "catalogue": ("ana", "run"),
    "form": ("ana", "run?operation=payouts.stripe_balance"),
    "plan": ("ana", "run?execution={ready}"),
    "history": ("carla", "executions"),
    "completed": ("carla", "executions?execution={done}"),
    "completed-plan": ("carla", "executions?execution={done}&view=Plan"),
    "completed-result": ("carla", "executions?execution={totals}&view=Result+%26+files"),
    "completed-approvals": ("carla", "executions?execution={done}&view=Approvals"),
    "in-doubt": ("carla", "payouts?standing=in_doubt"),
    "money-in-flight": ("carla", "payouts"),
    "payout": ("carla", "payouts?payout={payout_id}"),
    "my-work": ("ana", "work"),
    "my-work-of-the-approver": ("ben", "work"),
    "operations": ("eva", "operations"),
    "operation": ("adam", "operations?operation=payouts.stripe_balance"),
    "files": ("carla", "files"),
    "file": ("ana", "files?file={file}"),
    "comments": ("ana", "executions?execution={waiting}&view=Comments"),
    "search": ("carla", "search"),
    "search-found": ("carla", "search?q={done}"),
    "search-an-amount": ("eva", "search?q=3.03"),
    "approvals": ("ben", "approvals"),
    "approvals-decided": ("ben", "approvals?show=Decided"),
    "drawer": ("ben", "approvals?request={request}"),
    "drawer-of-the-auditor": ("eva", "approvals?request={request}"),
    "audit": ("eva", "audit"),
    "audit-of-one": ("eva", "audit?object=execution:{done_id}"),
    "connections": ("adam", "connections"),
    "replace-the-key": ("adam", "connections?do=replace&connection={connection_id}"),
    "roll-the-secret": ("adam", "connections?do=sign&connection={connection_id}"),
    "replace-the-account": ("adam", "connections?do=replace&connection={account_id}"),
    "forwarding": ("adam", "forwarding"),
    "add-an-endpoint": ("adam", "forwarding?do=add"),
    "change-an-endpoint": ("adam", "forwarding?do=change&forward_to={endpoint_id}"),
    "forwarding-log": ("adam", "forwarding?view=Log"),
    "forwarded": ("adam", "forwarding?view=Log&dispatch={forwarded}"),
    "people": ("adam", "people"),
    "person": ("adam", "people?person={person_id}"),
    "invite": ("adam", "people?do=invite"),
    "deactivate": ("adam", "people?person={person_id}&do=off"),
    "reset-by-link": ("adam", "people?person={person_id}&do=reset"),
    "who-had-access": ("adam", "people?people_view=Who+had+access"),
    "me": ("eva", "me"),
    "health": ("adam", "health"),
    "home-with-news": ("adam", ""),
    "notices": ("ana", "notices"),
    "notices-of-it": ("adam", "notices?view=All"),
    "notices-preferences": ("ana", "notices?view=Preferences"),
    "notices-mail": ("adam", "notices?view=Mail&everybody=true"),
    "not-your-role": ("ana", "audit"),
}


@pytest.mark.parametrize("size", [pytest.param("desktop", marks=pytest.mark.deep), "phone"])
def test_every_screen_fits_in_both_sizes_and_both_schemes(app, backstage, visit, things, size):
    # Given everybody who has something to see
    cookies = {who: backstage.cookie(who) for who in ("ana", "ben", "carla", "eva", "adam")}
    screens = {"": visit(app, "", size=size)}
    wide, low = {}, {}

    # When each station is opened, the sign-in page too, and its lights go out
    for station, (who, path) in {"sign-in": ("", ""), **STATIONS}.items():
        if who in screens:
            screens[who].move(path.format(**things))
        else:
            screens[who] = visit(app, path.format(**things), cookie=cookies[who], size=size)
        screen = screens[who]
        for scheme in ("light", "dark"):
            screen.turn(scheme)
            screen.look(f"60-{station}")
            wide[station, scheme] = screen.too_wide()
            low[station, scheme] = screen.low_buttons() if size == "phone" else []

    # Then none has to be pushed sideways, and on a phone every button is as high as a thumb
    assert {station: found for station, found in wide.items() if found} == {}
    assert {station: found for station, found in low.items() if found} == {}
