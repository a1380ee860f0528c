"""Our own bank account as a connection: files are written from it; its number is sealed and shown by its end."""

import json
import logging
from dataclasses import asdict

import pytest
from sqlalchemy import event, select

from finops_core import connections
from finops_core.connections.models import connection
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError, Invalid
from finops_core.kernel.provider import Mode
from tests.connections.test_connections import KEY, OTHER, add, code_of
from tests.security.town import Town, bytes_at_rest

IBAN, OTHER_IBAN = "DE89370400440532013000", "DE02120300000000202051"
ADDRESS = {"street": "Hafenstr.", "building": "1", "post_code": "20457", "town": "Hamburg", "country": "DE"}


def account(**changes: object) -> str:
    facts = {"name": "Harbour Labs Inc", "iban": IBAN, "bic": "COBADEFFXXX", "address": ADDRESS, **changes}
    return json.dumps(facts)


def add_account(here: Town, secret: str = "", **changes: str) -> str:
    return add(here, provider="bank_file", name="Hansebank", secret=secret or account(), **changes)


def test_a_bank_account_is_a_connection_in_test_mode_with_its_country_and_its_end(here: Town):
    here.person("ana", harbour="preparer")
    cn = add_account(here)

    with here.read(here.actor("ana")) as reading:
        found = connections.active(reading, "bank_file")
        given = connections.credentials(reading, cn)

    assert (found.id, found.provider, found.mode, found.shown) == (cn, "bank_file", Mode.TEST, "DE…3000")
    assert (found.base_url, found.account) == ("", "")
    assert (given.provider, json.loads(given.secret)["iban"], given.connection_id) == ("bank_file", IBAN, cn)


def test_everything_that_is_wrong_with_an_account_is_told_at_once(here: Town):
    wrong = account(iban="DE89370400440532013001", bic="XX", name="Harbour \N{SNOWMAN}", address={"town": "Hamburg"})

    with pytest.raises(Invalid) as refused:
        add_account(here, wrong)

    told = refused.value.message
    assert refused.value.code == "BANK_ACCOUNT_BAD"
    assert "'country' is missing" in told
    with pytest.raises(Invalid) as again:
        add_account(here, account(iban="DE89370400440532013001", bic="XX", name="Harbour \N{SNOWMAN}"))
    told = again.value.message
    assert all(word in told for word in ("IBAN", "BIC", "name"))
    assert "DE89370400440532013001" not in f"{refused.value} {refused.value.context} {told}"
    with here.read(here.system("harbour")) as reading:
        assert connections.listed(reading) == ()


@pytest.mark.parametrize("secret", ["[]", "{", '"text"', '{"iban": 7}', "x" * 20_000, KEY])
def test_what_is_no_account_at_all_is_refused(embedded: Town, secret: str):
    assert code_of(add_account, embedded, secret) == "BANK_ACCOUNT_BAD"


def test_an_account_is_not_taken_for_real_money(here: Town):
    assert code_of(add_account, here, mode="live") == "LIVE_MODE_REFUSED"


def test_a_stripe_connection_and_a_bank_account_stand_side_by_side_and_one_of_each(here: Town):
    stripe, bank = add(here), add_account(here)

    assert code_of(add_account, here, account(iban=OTHER_IBAN, bic="BYLADEM1001")) == "CONNECTION_EXISTS"
    with here.read(here.system("harbour")) as reading:
        assert {connections.active(reading, name).id for name in ("stripe", "bank_file")} == {stripe, bank}


def test_both_kinds_of_secret_are_replaced_by_their_own_kind(here: Town):
    # Given a connection of each kind
    stripe, bank = add(here), add_account(here)
    with here.read(here.system("harbour")) as reading:
        before = {each.id: each.fingerprint for each in connections.listed(reading)}
    # When their secrets are mixed up, and then given rightly
    with here.work(here.system("harbour")) as work:
        assert code_of(connections.replace_secret, work, stripe, account()) == "STRIPE_KEY_BAD"
        assert code_of(connections.replace_secret, work, bank, OTHER) == "BANK_ACCOUNT_BAD"
        connections.replace_secret(work, stripe, OTHER)
        connections.replace_secret(work, bank, account(iban=OTHER_IBAN, bic="BYLADEM1001"))
    # Then each is the same connection with another secret, so what was approved with the old one is void
    with here.read(here.system("harbour")) as reading:
        after = {each.id: (each.shown, each.fingerprint) for each in connections.listed(reading)}
        assert json.loads(connections.credentials(reading, bank).secret)["iban"] == OTHER_IBAN
        assert connections.credentials(reading, stripe).secret == OTHER
    assert {name: shown for name, (shown, _) in after.items()} == {stripe: "sk_test_…0002", bank: "DE…2051"}
    assert all(fingerprint != before[name] for name, (_, fingerprint) in after.items())
    assert len(here.log("connection.secret_replaced")) == 2


def test_the_number_shows_nowhere(embedded: Town, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    statements: list[object] = []
    event.listen(embedded.units.database.writer, "before_cursor_execute", lambda *args: statements.append(args[2:4]))
    cn = add_account(embedded)
    with embedded.work(embedded.system("harbour")) as work:
        connections.replace_secret(work, cn, account(iban=OTHER_IBAN, bic="BYLADEM1001"))
    refused: list[BaseException] = []
    for secret in (account(), account(iban=f"{IBAN}1"), account(bic=IBAN), account(iban=[IBAN])):
        with pytest.raises(FinOpsError) as error:
            add_account(embedded, secret)
        refused.append(error.value)
    with embedded.read(worker_actor(embedded.orgs["harbour"])) as reading:
        shown = [connections.credentials(reading, cn)]
        row = reading.first(select(connection).where(connection.c.org_id == reading.org_id))
    with embedded.read(embedded.system("harbour")) as reading:
        views = connections.listed(reading)

    told = f"{shown!r} {row!r} {views!r} {[asdict(view) for view in views]} {statements!r} {caplog.text}"
    told += "".join(embedded.log())
    told += "".join(f"{error!r} {error} {vars(error)} {error.__cause__!r}" for error in refused)
    stored = bytes_at_rest(embedded.settings.data_dir)
    for planted in (IBAN, OTHER_IBAN, IBAN[2:], "Harbour Labs"):
        assert planted not in told
        assert [name for name, content in stored.items() if planted.encode() in content] == []
