"""An administrator replaces the provider's key and its webhook secret in the browser, and payouts go on with both."""

import pytest
from playwright.sync_api import WebSocket, expect

from finops_core import connections, payouts
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.kernel.actor import worker_actor
from finops_core.operations import State
from finops_core.payouts import PayoutState
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS, Screen
from tests.processes import until
from tests.webapp import running_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# The new key opens another account, so what was paid tells which key paid it.
BEFORE, AFTER = "acct_sbx_harbour", "acct_sbx_harbour_next"
WRONG, RIGHT = "rk_test_sbx_nobody_knows_0009", "rk_test_sbx_harbour_next_0002"
OLD = "rk_test_sbx_harbour_demo_0001"
SECRET = "whsec_theNextSecretOfHarbour0042"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory):
    """An app of its own: here the key that everybody pays with changes."""
    with running_app(tmp_path_factory.mktemp("office")) as app:
        yield Backstage(app)


@pytest.fixture
def adam(office: Backstage, visit) -> Screen:
    return visit(office.app, "connections", cookie=office.cookie("adam"))


def give(screen: Screen, button: str, field: str, value: str, send: str) -> None:
    """Through a dialog of the first card."""
    screen.main.get_by_role("button", name=button).first.click()
    screen.drawer.get_by_role("textbox", name=field).fill(value)
    screen.press(send, screen.drawer)
    screen.drawer.wait_for(state="detached")
    screen.settle()


def press_test(screen: Screen, told: str) -> None:
    screen.main.get_by_role("button", name="Test", exact=True).first.click()
    screen.sees(told, screen.main)
    screen.settle()


def test_a_key_is_replaced_tested_and_paid_with_and_never_seen_again(office: Backstage, adam: Screen):
    # Given another key that the provider knows, and everything the server sends to Adam
    app, sent = office.app, list[str]()
    app.sandbox.open(NewAccount(RIGHT, AFTER, banks=(Bank("usd"),)))
    app.sandbox.fund(50_000, account=AFTER)
    adam.page.on("websocket", lambda socket: _listen(socket, sent))
    adam.reload()
    adam.sees("rk_test_…0001", adam.main)

    # When he gives one that the provider does not know
    adam.main.get_by_role("button", name="Replace the key").first.click()
    adam.drawer.get_by_role("textbox", name="Secret or restricted key").fill(WRONG)
    adam.press("Replace it", adam.drawer)

    # Then it is refused, what to do stands there, and the old one stays
    adam.sees("The provider does not know this key", adam.drawer)
    adam.sees("Copy it once more from the provider's own page", adam.drawer)
    adam.look("90-connection-refused")
    adam.drawer.get_by_role("button", name="Close").click()
    adam.settle()
    adam.sees("rk_test_…0001", adam.main)

    # When the right one follows and is tested
    give(adam, "Replace the key", "Secret or restricted key", RIGHT, "Replace it")
    adam.sees("rk_test_…0002", adam.main)
    press_test(adam, "The test passed.")

    # Then it may do everything
    rights = adam.table("What the key of Stripe sandbox may do")
    assert (len(rights), {row["Allowed"] for row in rights}) == (6, {"Yes"})
    adam.sees("6 of 6 rights", adam.main)
    adam.look("91-connection-passed")

    # When the webhook's secret is rolled here and then at the provider
    with app.desk.read(office.actor("adam")) as reading:
        connection = connections.active(reading, "stripe")
    give(adam, "Roll the secret", "Signing secret", SECRET, "Set the secret")
    adam.sees("whsec_…0042", adam.main)
    adam.sees("counts until", adam.main)
    address = adam.main.locator("code").filter(has_text="/webhooks/stripe/").inner_text().strip()
    assert address == f"{app.url}/webhooks/stripe/{connection.id}"
    app.sandbox.endpoint(address, SECRET, AFTER)

    # Then a payout goes out with the new key alone, and the news of it is believed
    paid = office.approved("currency,maximum\nUSD,125.00\n")
    assert office.awaited(paid.id, State.COMPLETED).state is State.COMPLETED
    (made,) = app.sandbox.payouts(AFTER)
    assert (made["metadata"]["fod_exec"], made["amount"]) == (paid.id, 12_500)
    assert app.sandbox.payouts(BEFORE) == []
    app.sandbox.transition(made["id"], "in_transit", "paid", account=AFTER)
    until(app.sandbox.settled, 30, "the provider's news was sent")
    assert {each["last_status"] for each in app.sandbox.deliveries()} == {200}
    until(lambda: _state(office, paid.id) is PayoutState.PAID, 30, "the payout is paid by the provider's news")
    adam.reload()
    adam.sees("Last news: payout.", adam.main)

    # and in all this time neither key nor secret came back from the server
    everything = "".join([adam.page.content(), *sent])
    assert [each for each in (WRONG, RIGHT, OLD, SECRET) if each in everything] == []
    assert adam.page.locator('input[type="password"]').count() == 0


def test_a_dialog_that_was_put_away_leaves_nothing_and_its_address_opens_it_again(adam: Screen):
    # Given the dialog with something typed
    adam.main.get_by_role("button", name="Replace the key").click()
    adam.drawer.get_by_role("textbox", name="Secret or restricted key").fill("half a key")
    adam.settle()
    assert adam.query()["do"] == "replace"

    # When it is put away, and its address opened anew
    link = adam.page.url.split("/", 3)[3]
    adam.drawer.get_by_role("button", name="Close").click()
    expect(adam.drawer).to_have_count(0, timeout=WAIT_MS)
    adam.settle()
    assert "do" not in adam.query()
    adam.open(link)

    # Then it stands there, empty
    field = adam.drawer.get_by_role("textbox", name="Secret or restricted key")
    expect(field).to_have_value("")
    adam.sees("Harbour Labs", adam.drawer)


def _listen(socket: WebSocket, sent: list[str]) -> None:
    socket.on(
        "framereceived",
        lambda payload: sent.append(payload if isinstance(payload, str) else payload.decode("utf-8", "replace")),
    )


def _state(office: Backstage, execution_id: str) -> PayoutState:
    with office.app.desk.read(worker_actor(office.orgs["harbour"])) as reading:
        return payouts.rows(reading, execution_id)[0].state
