"""Connections: a key goes in sealed, comes out for the worker and the preparer alone, and shows nowhere."""

import logging

import pytest
from sqlalchemy import event, select

from finops_core import connections
from finops_core.connections import rules, service
from finops_core.connections.models import connection
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError, Unavailable
from finops_core.kernel.provider import Mode
from tests.security.town import Town, bytes_at_rest

KEY = "rk_test_PlantedSecretOfTheHarbour0001"
OTHER = "sk_test_AnotherSecretOfTheHarbour0002"


def add(here: Town, org: str = "harbour", **changes: str) -> str:
    facts = {"provider": "stripe", "name": "Stripe", "secret": KEY, **changes}
    with here.work(here.system(org)) as work:
        return connections.add(work, **facts)


def code_of(call, *args: object, **named: object) -> str:
    with pytest.raises(FinOpsError) as refused:
        call(*args, **named)
    return refused.value.code


def test_what_goes_in_comes_out_for_who_needs_it(here: Town):
    here.person("ana", harbour="preparer")
    cn = add(here, base_url="http://127.0.0.1:12111", account="acct_1Harbour")

    for actor in (here.actor("ana"), worker_actor(here.orgs["harbour"])):
        with here.read(actor) as reading:
            found = connections.active(reading, "stripe")
            given = connections.credentials(reading, cn)

        assert (given.secret, given.base_url, given.account) == (KEY, "http://127.0.0.1:12111", "acct_1Harbour")
        assert (found.id, found.mode, found.shown, found.active) == (cn, Mode.TEST, "rk_test_…0001", True)


def test_the_secret_shows_nowhere(embedded: Town, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    statements: list[object] = []
    event.listen(embedded.units.database.writer, "before_cursor_execute", lambda *args: statements.append(args[2:4]))
    embedded.person("ana", harbour="preparer")
    cn = add(embedded)
    with embedded.work(embedded.system("harbour")) as work:
        connections.replace_secret(work, cn, OTHER)
    refused: list[BaseException] = []
    for attempt in (
        {"secret": KEY},
        {"secret": f" {KEY} with blanks"},
        {"secret": KEY.replace("test", "live")},
        {"secret": KEY, "base_url": "https://evil.example"},
    ):
        with pytest.raises(FinOpsError) as error:
            add(embedded, **attempt)
        refused.append(error.value)
    with embedded.read(embedded.actor("ana")) as reading:
        shown = [connections.active(reading, "stripe"), connections.credentials(reading, cn)]
        row = reading.first(select(connection).where(connection.c.org_id == reading.org_id))

    told = f"{shown!r} {row!r} {statements!r} {caplog.text} {''.join(embedded.log())}"
    told += "".join(f"{error!r} {error} {vars(error)} {error.__cause__!r}" for error in refused)
    stored = bytes_at_rest(embedded.settings.data_dir)
    assert any(b"connection" in content for content in stored.values()), "the files are the right ones"
    for planted in (KEY, OTHER, KEY[8:], OTHER[8:], KEY.replace("test", "live")):
        assert planted not in told
        assert [name for name, content in stored.items() if planted.encode() in content] == []


def test_live_keys_are_refused_whatever_is_said_of_them(here: Town):
    for changes in (
        {"secret": "sk_live_RealMoneyRealMoney"},
        {"secret": "rk_live_RealMoneyRealMoney", "mode": "live"},
        {"mode": "live"},
        {"mode": ""},
    ):
        assert code_of(add, here, **changes) == "LIVE_MODE_REFUSED"

    cn = add(here)
    with here.work(here.system("harbour")) as work:
        assert code_of(connections.replace_secret, work, cn, "sk_live_RealMoneyRealMoney") == "LIVE_MODE_REFUSED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": ""}, "STRIPE_KEY_BAD"),
        ({"secret": "pk_test_publishable0001"}, "STRIPE_KEY_BAD"),
        ({"secret": "sk_test_"}, "STRIPE_KEY_BAD"),
        ({"secret": "sk_test_short"}, "STRIPE_KEY_BAD"),
        ({"secret": "sk_test_with\nnewline000"}, "STRIPE_KEY_BAD"),
        ({"secret": "sk_test_\N{SNOWMAN}00000000"}, "STRIPE_KEY_BAD"),
        ({"secret": "sk_test_" + "x" * 241}, "STRIPE_KEY_BAD"),
        ({"provider": "paypal"}, "PROVIDER_UNKNOWN"),
        ({"name": " "}, "CONNECTION_NAME_BAD"),
        ({"name": "x" * 81}, "CONNECTION_NAME_BAD"),
        ({"name": "two\nlines"}, "CONNECTION_NAME_BAD"),
        ({"account": "cus_123"}, "ACCOUNT_BAD"),
        ({"base_url": "http://api.stripe.com"}, "STRIPE_URL_BAD"),
        ({"base_url": "https://api.stripe.com.evil.example"}, "STRIPE_URL_BAD"),
        ({"base_url": "https://api.stripe.com@evil.example"}, "STRIPE_URL_BAD"),
        ({"base_url": "http://127.0.0.1.evil.example"}, "STRIPE_URL_BAD"),
        ({"base_url": "http://someone@127.0.0.1"}, "STRIPE_URL_BAD"),
        ({"base_url": "http://[::1"}, "STRIPE_URL_BAD"),
        ({"base_url": "ftp://127.0.0.1"}, "STRIPE_URL_BAD"),
        ({"base_url": "file:///etc/passwd"}, "STRIPE_URL_BAD"),
    ],
)
def test_what_cannot_be_a_connection_is_refused(embedded: Town, changes: dict[str, str], code: str):
    assert code_of(add, embedded, **changes) == code


def test_a_key_goes_to_stripe_to_this_machine_or_to_the_sandbox_of_the_settings():
    sandbox = "http://sandbox:12111"

    urls = ("", "https://api.stripe.com/", sandbox, "http://localhost:1", "http://[::1]:1")
    given = [rules.checked_url(url, sandbox) for url in urls]

    assert given == ["https://api.stripe.com", "https://api.stripe.com", *urls[2:]]


def test_one_active_connection_a_provider(here: Town):
    first = add(here)
    assert code_of(add, here, secret=OTHER) == "CONNECTION_EXISTS"

    with here.work(here.system("harbour")) as work:
        connections.retire(work, first)
        assert code_of(connections.retire, work, first) == "CONNECTION_MISSING"
        assert code_of(connections.active, work, "stripe") == "CONNECTION_MISSING"
    second = add(here, secret=OTHER)

    with here.read(here.system("harbour")) as reading:
        assert connections.active(reading, "stripe").id == second
        assert [(view.id, view.active) for view in connections.listed(reading)] == [(second, True), (first, False)]
    assert [len(here.log(f"connection.{what}")) for what in ("added", "retired")] == [2, 1]


def test_a_retired_connection_opens_for_the_worker_alone(here: Town):
    here.person("ana", harbour="preparer")
    cn = add(here)
    with here.work(here.system("harbour")) as work:
        connections.retire(work, cn)
        assert code_of(connections.set_webhook_secret, work, cn, "whsec_abcdefghijklmnop") == "CONNECTION_MISSING"

    with here.read(here.actor("ana")) as reading:
        assert code_of(connections.credentials, reading, cn) == "CONNECTION_MISSING"
    with here.read(worker_actor(here.orgs["harbour"])) as reading:
        assert connections.credentials(reading, cn).secret == KEY


def test_a_replaced_key_has_another_fingerprint_and_the_same_id(here: Town):
    cn = add(here)
    with here.read(here.system("harbour")) as reading:
        before = connections.active(reading, "stripe")

    with here.work(here.system("harbour")) as work:
        connections.replace_secret(work, cn, f" {OTHER} ")

    with here.read(here.system("harbour")) as reading:
        after = connections.active(reading, "stripe")
        assert connections.credentials(reading, cn).secret == OTHER
    assert (after.id, after.shown) == (before.id, "sk_test_…0002")
    assert after.fingerprint != before.fingerprint
    assert len(here.log("connection.secret_replaced")) == 1


def test_what_was_found_of_a_key_is_forgotten_with_it(here: Town):
    cn = add(here)
    with here.work(here.system("harbour")) as work:
        service.note_test(work, cn, passed=True, told={"problem": ""})
    with here.read(here.system("harbour")) as reading:
        before = connections.one(reading, cn)

    with here.work(here.system("harbour")) as work:
        connections.replace_secret(work, cn, OTHER)

    with here.read(here.system("harbour")) as reading:
        after = connections.one(reading, cn)
    assert (before.test_passed, before.tested_at is not None) == (True, True)
    assert (after.test_passed, after.tested_at, dict(after.test_told)) == (None, None, {})


def test_a_sealed_key_copied_to_another_row_does_not_open(here: Town):
    harbour, norrland = add(here), add(here, "norrland", secret=OTHER)
    with here.work(here.system("harbour")) as work:
        sealed = work.scalar(select(connection.c.secret).where(connection.c.org_id == work.org_id))
    assert harbour
    with here.work(here.system("norrland")) as work:
        work.execute(connection.update().where(connection.c.org_id == work.org_id).values(secret=sealed))

    with here.read(here.system("norrland")) as reading, pytest.raises(Unavailable) as refused:
        connections.credentials(reading, norrland)

    assert refused.value.code == "SEAL_BROKEN"


def test_each_door_asks_for_its_right(here: Town):
    here.person("cy", harbour="controller executive auditor approver operations")
    here.person("olga", harbour="administrator")
    cn = add(here)

    with here.work(here.actor("cy")) as work:
        codes = [
            code_of(connections.add, work, provider="stripe", name="x", secret=OTHER),
            code_of(connections.replace_secret, work, cn, OTHER),
            code_of(connections.retire, work, cn),
            code_of(connections.listed, work),
            code_of(connections.credentials, work, cn),
        ]
        assert connections.active(work, "stripe").id == cn
    with here.work(here.actor("olga")) as work:
        codes.append(code_of(connections.credentials, work, cn))
        assert connections.listed(work)
    with here.read(here.actor("cy", "norrland")) as reading:
        codes.append(code_of(connections.active, reading, "stripe"))

    assert codes == ["NOT_ALLOWED"] * 7


def test_the_other_organisation_sees_and_touches_nothing(here: Town):
    here.person("eva", norrland="administrator preparer")
    cn = add(here)

    with here.work(here.actor("eva", "norrland")) as work:
        codes = [
            code_of(connections.credentials, work, cn),
            code_of(connections.active, work, "stripe"),
            code_of(connections.retire, work, cn),
            code_of(connections.replace_secret, work, cn, OTHER),
        ]
        assert connections.listed(work) == ()
        own = connections.add(work, provider="stripe", name="Ours", secret=KEY)

    assert codes == ["CONNECTION_MISSING"] * 4
    assert own != cn
    with here.read(here.system("harbour")) as reading:
        assert connections.active(reading, "stripe").shown == "rk_test_…0001"
