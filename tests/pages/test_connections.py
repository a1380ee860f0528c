"""Connections: what is known of a key and never the key; each act in a dialog; what a refusal and a failed test say."""

import pytest
from streamlit.testing.v1 import AppTest

from finops_core import connections
from finops_core.adapters.stripe_sandbox.accounts import NewAccount
from finops_core.connections import ConnectionView
from tests.pages.conftest import At, press, shown
from tests.payouts.walks import HARBOUR
from tests.world import World

KEY, OTHER = "rk_test_sbx_harbour_demo_0001", "rk_test_sbx_harbour_spare_0007"
UNKNOWN = "rk_test_sbx_nobody_knows_0009"
SECRET = "whsec_aSecretOfTheTests0042"
IBAN = "DE75512108001245126199"


def stripe(world: World, org: str = "harbour") -> ConnectionView:
    with world.desk.read(world.actor("adam", org)) as reading:
        return connections.active(reading, "stripe")


def dialog(at: At, world: World, what: str, org: str = "harbour") -> AppTest:
    return at("adam", "connections", do=what, connection=stripe(world, org).id, org=org)


def fill(screen: AppTest, **typed: str) -> AppTest:
    for key, text in typed.items():
        screen.text_input(key=key).set_value(text)
    return screen


def buttons(screen: AppTest) -> list[str]:
    return [button.label for button in screen.button]


def send(screen: AppTest) -> AppTest:
    """The form of the dialog; a button of the card behind it has the same name."""
    screen.button[-1].click().run()
    assert not screen.exception
    return screen


def kept(screen: AppTest) -> str:
    """Everything the server sends to the browser, and what it keeps of the fields."""
    fields = [screen.session_state[key] for key in ("cn_key", "cn_secret", "cn_iban") if key in screen.session_state]
    return f"{shown(screen)} {fields} {[each.value for each in screen.text_input]}"


def test_a_connection_shows_what_may_be_known_of_its_key_and_where_its_news_comes_in(world, at):
    screen = at("adam", "connections")
    told = shown(screen)

    assert "rk_test_…0001" in told
    assert KEY not in told
    assert "Test mode" in told
    assert "the sandbox on this machine" in told
    assert "Not tested yet" in told
    assert "DE…3000" in told, "the bank file's account"
    assert f"/webhooks/stripe/{stripe(world).id}" in screen.code[0].value
    assert "Add a connection" not in buttons(screen), "both providers are there"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("hello", "This is not a Stripe secret or restricted key."),
        ("sk_live_aKeyThatMovesRealMoney", "Live keys are not accepted yet"),
    ],
)
def test_a_key_that_cannot_be_taken_is_refused_in_the_dialog_and_is_gone_from_it(world, at, typed, words):
    before = stripe(world)

    screen = press(fill(dialog(at, world, "replace"), cn_key=typed), "Replace it")

    assert words in shown(screen)
    assert "Replace it" in buttons(screen)
    assert typed not in kept(screen)
    assert stripe(world) == before


def test_a_key_the_provider_does_not_know_is_refused_in_the_dialog_and_the_old_one_stays(world, at):
    before = stripe(world)

    screen = press(fill(dialog(at, world, "replace"), cn_key=f" {UNKNOWN} "), "Replace it")

    told = shown(screen)
    assert "The provider does not know this key" in told
    assert "The old one stays" in told
    assert "Replace it" in buttons(screen)
    assert UNKNOWN not in kept(screen)
    assert stripe(world) == before


def test_a_replaced_key_is_never_seen_again_and_a_test_says_what_it_is_worth(world, at):
    # Given a key that the provider ended, in the place of the old one
    with world.desk.work(world.actor("adam")) as work:
        connections.replace_secret(work, stripe(world).id, UNKNOWN)

    # When it is tested
    screen = press(at("adam", "connections"), "Test")

    # Then the card says why it fails and what to do
    told = shown(screen)
    assert "The test failed: The provider does not know this key" in told
    assert "Copy it once more" in told
    assert "0 of 6 rights" in told

    # When a good one takes its place and is tested
    world.sandbox.control.open(NewAccount(OTHER, HARBOUR))
    screen = press(fill(dialog(at, world, "replace"), cn_key=OTHER), "Replace it")
    assert screen.toast[0].value == "It was replaced. Test it now."
    assert "rk_test_…0007" in shown(screen)
    assert "do" not in screen.query_params
    press(screen, "Test")

    # Then its rights stand there, and what the old one's test found is gone
    told = shown(screen)
    assert "The test passed." in told
    assert "6 of 6 rights" in told
    assert HARBOUR in told
    assert "Copy it once more" not in told
    assert OTHER not in kept(screen)


def test_a_key_without_a_right_says_which(world, at):
    world.sandbox.control.open(NewAccount("rk_test_sbx_reads_only_0003", HARBOUR, may_write=False))
    with world.desk.work(world.actor("adam")) as work:
        connections.replace_secret(work, stripe(world).id, "rk_test_sbx_reads_only_0003")

    told = shown(press(at("adam", "connections"), "Test"))

    assert "The key may not: create payouts." in told
    assert "Give the key these rights at the provider" in told
    assert "5 of 6 rights" in told


def test_rolling_the_secret_leaves_the_old_one_its_time(world, at):
    # Given a secret
    screen = send(fill(dialog(at, world, "sign"), cn_secret=SECRET))
    assert "whsec_…0042" in shown(screen)

    # When another one follows, and the old one still counts for an hour
    screen = fill(dialog(at, world, "sign"), cn_secret="whsec_theNextSecret0043")
    screen.selectbox(key="cn_overlap").set_value(3600)
    send(screen)

    # Then both stand there, the old one with its end
    told = shown(screen)
    assert told.index("whsec_…0043") < told.index("whsec_…0042")
    assert "counts until" in told
    assert SECRET not in kept(screen)
    with world.desk.read(world.actor("adam")) as reading:
        newest, older = connections.webhook_secrets(reading, stripe(world).id)
    assert (newest.until_at, older.until_at is None) == (None, False)

    # When nonsense is given, nothing changes
    screen = send(fill(dialog(at, world, "sign"), cn_secret="nonsense"))
    assert "This is not the signing secret of a webhook." in shown(screen)


def test_an_organisation_without_a_provider_is_told_what_to_do_and_gets_one(world, at):
    # Given Norrland, whose connections are retired one by one
    with world.desk.read(world.actor("adam", "norrland")) as reading:
        every = connections.listed(reading)
    for view in every:
        screen = at("adam", "connections", do="retire", connection=view.id, org="norrland")
        assert "plans that were approved with it are not sent" in shown(screen)
        press(screen, "Retire it")
    assert "connected to no provider" in shown(screen)
    assert "<caption>Retired connections</caption>" in shown(screen)

    # When a bank account is added
    press(screen, "Add a connection")
    screen.segmented_control(key="cn_provider").set_value("bank_file").run()
    fill(screen, cn_name="Main account", cn_holder="Norrland Trading AB", cn_iban="DE75 5121 0800 1245 1261 99")
    fill(screen, cn_bic="sogedeffxxx", cn_town="Hamburg", cn_country="de")
    press(screen, "Add it")

    # Then it is there, and Stripe still free
    assert "Main account" in shown(screen)
    assert "DE…6199" in shown(screen)
    assert IBAN not in kept(screen)
    assert "Add a connection" in buttons(screen)
    assert "connected to no provider" not in shown(screen)


def test_an_account_that_cannot_be_taken_is_refused_in_the_words_of_the_form_and_stays_typed(world, at):
    # Given Harbour's bank account, and a form with two things missing and a country in full
    with world.desk.read(world.actor("adam")) as reading:
        bank = connections.active(reading, "bank_file")
    screen = at("adam", "connections", do="replace", connection=bank.id)
    fill(screen, cn_iban=IBAN, cn_holder="Harbour Labs Inc", cn_country="GERMANY")
    press(screen, "Replace it")
    # Then it says so as the form calls things, and nothing has to be typed again
    told = shown(screen)
    assert all(each in told for each in ("The BIC is missing.", "no town", "country 'GERMANY' is no code such as DE"))
    assert "JSON" not in told
    assert "field" not in told.split("cannot be used")[1].split("Correct")[0]
    assert screen.text_input(key="cn_iban").value == IBAN
    assert screen.text_input(key="cn_country").value == "GERMANY"
    # When it is put right
    press(fill(screen, cn_bic="sogedeffxxx", cn_town="Hamburg", cn_country="de"), "Replace it")
    # Then it is taken, and the number is nowhere any more
    assert "DE…6199" in shown(screen)
    assert IBAN not in kept(screen)
    press(fill(at("adam", "connections", do="replace", connection=bank.id), cn_holder="Harbour Labs Inc"), "Replace it")
    with world.desk.read(world.actor("adam")) as reading:
        assert connections.active(reading, "bank_file").shown == "DE…6199", "an empty form changes nothing"


def test_a_dialogs_address_is_nothing_to_somebody_else(world, at):
    screen = at("carla", "connections", do="replace", connection=stripe(world).id)

    assert screen.title[0].value == "Not part of your role"
    assert not screen.text_input
