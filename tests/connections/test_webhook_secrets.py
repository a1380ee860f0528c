"""What proves that news is a provider's: its signing secret, sealed, rolled with an overlap, and shown nowhere."""

import logging
from dataclasses import asdict

import pytest
from sqlalchemy import event, select

from finops_core import connections, security
from finops_core.connections import rules
from finops_core.connections.models import webhook_secret
from finops_core.kernel.actor import Via, webhook_actor, worker_actor
from finops_core.kernel.errors import FinOpsError, Unavailable
from finops_core.kernel.provider import Mode
from tests.connections.test_connections import KEY, OTHER, add, code_of
from tests.security.town import Town, bytes_at_rest

FIRST, SECOND, THIRD = (f"whsec_PlantedSecretOf{name}000{n}" for n, name in enumerate(("One", "Two", "Three"), 1))
DAY_S = 24 * 3600


def set_secret(here: Town, cn: str, secret: str, **more: int) -> None:
    with here.work(here.system("harbour")) as work:
        connections.set_webhook_secret(work, cn, secret, **more)


def counting(here: Town, cn: str) -> tuple[str, ...]:
    """The secrets a signature is held against now."""
    with here.read(security.visitor(Via.WEBHOOK)) as reading:
        return connections.receiver(reading, cn).secrets


def shown(here: Town, cn: str) -> list[tuple[str, bool]]:
    """What an administrator sees: each secret, and whether it is on its way out."""
    with here.read(here.system("harbour")) as reading:
        return [(each.shown, each.until_at is not None) for each in connections.webhook_secrets(reading, cn)]


def test_a_connection_without_a_secret_believes_nobody(here: Town):
    cn = add(here)

    with here.read(security.visitor(Via.WEBHOOK)) as reading:
        found = connections.receiver(reading, cn)

    assert (found.org_id, found.connection_id, found.provider) == (here.orgs["harbour"], cn, "stripe")
    assert (found.mode, found.secrets) == (Mode.TEST, ())


def test_the_secret_that_was_set_counts_and_is_shown_by_its_last_four(here: Town):
    cn = add(here)

    set_secret(here, cn, f" {FIRST}\n")

    assert counting(here, cn) == (FIRST,)
    assert shown(here, cn) == [("whsec_…0001", False)]


def test_while_a_secret_is_rolled_both_count_the_newest_first(here: Town):
    # Given a secret that is replaced, with an hour in which both count
    cn = add(here)
    set_secret(here, cn, FIRST)
    here.wait(minutes=1)
    set_secret(here, cn, SECOND, overlap_s=3600)
    assert counting(here, cn) == (SECOND, FIRST)
    assert shown(here, cn) == [("whsec_…0002", False), ("whsec_…0001", True)]
    # When the hour is almost over, and when it is
    here.wait(seconds=3599)
    assert counting(here, cn) == (SECOND, FIRST)
    here.wait(seconds=1)
    # Then the old one counts no more, and is shown no more
    assert counting(here, cn) == (SECOND,)
    assert shown(here, cn) == [("whsec_…0002", False)]


def test_a_secret_that_is_rolled_twice_never_lives_longer_than_it_was_given(here: Town):
    cn = add(here)
    set_secret(here, cn, FIRST)
    set_secret(here, cn, SECOND, overlap_s=60)
    set_secret(here, cn, THIRD, overlap_s=DAY_S)

    here.wait(seconds=60)

    assert counting(here, cn) == (THIRD, SECOND)


def test_a_secret_that_was_stolen_ends_at_once(here: Town):
    cn = add(here)
    set_secret(here, cn, FIRST)
    set_secret(here, cn, SECOND, overlap_s=DAY_S)

    set_secret(here, cn, THIRD, overlap_s=0)

    assert counting(here, cn) == (THIRD,)


def test_a_day_passes_between_setting_and_ending_unless_told_otherwise(here: Town):
    cn = add(here)
    set_secret(here, cn, FIRST)
    set_secret(here, cn, SECOND)

    here.wait(seconds=DAY_S - 1)
    before = counting(here, cn)
    here.wait(seconds=1)

    assert (before, counting(here, cn)) == ((SECOND, FIRST), (SECOND,))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_short",
        "sk_test_NotAWebhookSecretAtAll",
        f"{FIRST} {SECOND}",
        f"{FIRST}\n{SECOND}",
        "whsec_\N{SNOWMAN}" + "x" * 20,
        "whsec_" + "x" * 201,
        FIRST.upper(),
    ],
)
def test_what_cannot_be_a_signing_secret_is_refused_without_being_repeated(embedded: Town, secret: str):
    cn = add(embedded)

    with pytest.raises(FinOpsError) as refused:
        set_secret(embedded, cn, secret)

    assert refused.value.code == "WEBHOOK_SECRET_BAD"
    assert secret in {"", "whsec_"} or secret not in f"{refused.value} {refused.value.context}"
    assert counting(embedded, cn) == ()


def test_the_secret_shows_nowhere(embedded: Town, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    statements: list[object] = []
    for engine in (embedded.units.database.writer, embedded.units.database.reader):
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2:4]))
    cn = add(embedded)
    set_secret(embedded, cn, FIRST)
    set_secret(embedded, cn, SECOND)

    with embedded.read(embedded.system("harbour")) as reading:
        views = connections.webhook_secrets(reading, cn)
        found = connections.receiver(reading, cn)
        rows = reading.rows(select(webhook_secret).where(webhook_secret.c.org_id == reading.org_id))
    told = f"{views!r} {[asdict(view) for view in views]} {found!r} {rows!r} {statements!r} {caplog.text}"
    told += "".join(embedded.log())
    stored = bytes_at_rest(embedded.settings.data_dir)
    assert found.secrets == (SECOND, FIRST)
    for planted in (FIRST, SECOND, FIRST[6:], SECOND[6:]):
        assert planted not in told
        assert [name for name, content in stored.items() if planted.encode() in content] == []


def test_setting_a_secret_stands_in_the_audit_by_its_fingerprint(embedded: Town):
    cn = add(embedded)
    set_secret(embedded, cn, FIRST, overlap_s=60)
    set_secret(embedded, cn, SECOND, overlap_s=0)

    first, second = embedded.log("connection.webhook_secret_set")

    assert f"connection:{cn}" in first
    assert '"overlap_s":60' in first
    assert '"overlap_s":0' in second
    assert first != second


def test_a_sealed_secret_copied_to_another_row_opens_no_more(here: Town):
    harbour, norrland = add(here), add(here, "norrland", secret=OTHER)
    set_secret(here, harbour, FIRST)
    with here.work(here.system("harbour")) as work:
        sealed = work.scalar(select(webhook_secret.c.secret).where(webhook_secret.c.org_id == work.org_id))
    with here.work(here.system("norrland")) as work:
        connections.set_webhook_secret(work, norrland, SECOND)
        work.execute(webhook_secret.update().where(webhook_secret.c.org_id == work.org_id).values(secret=sealed))

    with pytest.raises(Unavailable) as refused:
        counting(here, norrland)

    assert refused.value.code == "SEAL_BROKEN"


def test_a_retired_connection_still_hears_but_takes_no_new_secret(here: Town):
    cn = add(here)
    set_secret(here, cn, FIRST)
    with here.work(here.system("harbour")) as work:
        connections.retire(work, cn)

    assert counting(here, cn) == (FIRST,)
    assert code_of(set_secret, here, cn, SECOND) == "CONNECTION_MISSING"


def test_a_receiver_is_found_by_its_id_and_by_nothing_else(here: Town):
    cn = add(here)
    bank = None
    with here.work(here.system("norrland")) as work:
        bank = connections.add(work, provider="stripe", name="Ours", secret=KEY)

    for name in ("", "cn_none", cn.upper(), cn[:-1], "%", "../x", "cn_' OR 1=1 --", "x" * 5000):
        assert code_of(counting, here, name) == "CONNECTION_MISSING"
    with here.read(security.visitor(Via.WEBHOOK)) as reading:
        assert connections.receiver(reading, bank).org_id == here.orgs["norrland"]


def test_news_of_the_other_mode_is_refused_in_words():
    test = connections.Receiver("org_a", "cn_a", "stripe", Mode.TEST, ())

    connections.check_mode(test, Mode.TEST)
    with pytest.raises(FinOpsError) as refused:
        connections.check_mode(test, Mode.LIVE)

    assert refused.value.code == "WEBHOOK_MODE_BAD"
    assert refused.value.message == "This is live news for a connection in test mode."


def test_only_who_administers_connections_sets_or_lists_secrets(here: Town):
    here.person("cy", harbour="preparer approver controller executive auditor operations")
    here.person("olga", harbour="administrator")
    cn = add(here)
    doors = (
        here.actor("cy"),
        worker_actor(here.orgs["harbour"]),
        webhook_actor(here.orgs["harbour"]),
        security.visitor(Via.WEBHOOK),
    )

    for actor in doors:
        with here.work(actor) as work:
            assert code_of(connections.set_webhook_secret, work, cn, FIRST) == "NOT_ALLOWED"
            assert code_of(connections.webhook_secrets, work, cn) == "NOT_ALLOWED"
    with here.work(here.actor("olga")) as work:
        connections.set_webhook_secret(work, cn, FIRST)
        assert len(connections.webhook_secrets(work, cn)) == 1


def test_the_other_organisation_neither_sets_nor_sees_it(here: Town):
    here.person("eva", norrland="administrator")
    cn = add(here)
    set_secret(here, cn, FIRST)

    with here.work(here.actor("eva", "norrland")) as work:
        assert code_of(connections.set_webhook_secret, work, cn, SECOND) == "CONNECTION_MISSING"
        assert connections.webhook_secrets(work, cn) == ()

    assert counting(here, cn) == (FIRST,)


def test_what_is_shown_of_a_secret_is_its_kind_and_its_last_four():
    assert rules.webhook_shown(FIRST) == "whsec_…0001"
