"""A provider's news at the door: proven by its signature or turned away, kept once, answered; nothing more."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import requests
import stripe
from sqlalchemy import event, select, text

from finops_core import connections
from finops_core.api.webhooks import BODY_BYTES_MAX
from finops_core.catalog.jobs import JOBS
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.payouts.models import provider_news
from finops_core.payouts.news import FOLLOW_JOB, NewsState
from finops_core.platform import db, queue
from finops_core.platform.db import open_owner_engine
from finops_core.platform.queue import JobState, job
from tests.api.conftest import Site
from tests.connections.test_bank_accounts import account
from tests.tampering import grown, row_counts
from tests.unwritable import read_only

KEY = "rk_test_PlantedKeyOfTheHarbour0001"
SECRET, ROLLED, FOREIGN = "whsec_PlantedSecretOne0001", "whsec_PlantedSecretTwo0002", "whsec_SomebodyElses0003"


@dataclass
class Door:
    """The address of a connection's news, and what a provider sends there."""

    site: Site
    connection_id: str
    bank_id: str

    def send(self, body: bytes, signature: str | None, path: str = "", **headers: str) -> requests.Response:
        sent = dict(headers) if signature is None else {"Stripe-Signature": signature, **headers}
        address = path or f"/webhooks/stripe/{self.connection_id}"
        return requests.post(f"{self.site.url}{address}", data=body, headers=sent, timeout=60)

    def good(self, number: int = 1, **changes: Any) -> requests.Response:
        body = told(self, number, **changes)
        return self.send(body, self.signed(body))

    def signed(self, body: bytes, secret: str = SECRET, late_s: int = 0) -> str:
        at = self.site.clock.now() - timedelta(seconds=late_s)
        return stripe.WebhookSignature.generate_signature_header(
            body.decode("utf-8", "replace"), secret, int(at.timestamp())
        )


def told(door: Door, number: int = 1, *, payout_id: str = "po_sbx_1", **changes: Any) -> bytes:
    """An event as Stripe sends it."""
    subject = {"id": payout_id, "object": "payout", "metadata": {}, "status": "paid"}
    facts = {
        "id": f"evt_sbx_{number}",
        "object": "event",
        "type": "payout.paid",
        "created": int(door.site.clock.now().timestamp()),
        "livemode": False,
        "data": {"object": subject},
        **changes,
    }
    return json.dumps(facts).encode()


@pytest.fixture
def door(site: Site) -> Door:
    with site.desk.work(system_actor(site.org_id)) as work:
        cn = connections.add(work, provider="stripe", name="Stripe", secret=KEY)
        bank = connections.add(work, provider="bank_file", name="Hansebank", secret=account())
        for each in (cn, bank):
            connections.set_webhook_secret(work, each, SECRET)
    return Door(site, cn, bank)


def kept(door: Door) -> list[tuple[str, str, str, str]]:
    """The inbox: event, kind, payout, state."""
    with door.site.desk.read(worker_actor(door.site.org_id)) as reading:
        mine = provider_news.c.org_id == reading.org_id
        rows = reading.rows(select(provider_news).where(mine).order_by(provider_news.c.id))
        return [(row.event_id, row.kind, row.payout_id, row.state) for row in rows]


def follow_jobs(door: Door) -> list[str]:
    with door.site.desk.read(worker_actor("")) as reading:
        return [row.state for row in reading.rows(select(job.c.state).where(job.c.kind == FOLLOW_JOB))]


# --- what is taken


def test_signed_news_is_kept_sealed_and_the_worker_is_asked_to_look(door: Door):
    body = told(door)

    answer = door.send(body, door.signed(body))

    assert (answer.status_code, answer.content) == (200, b"")
    assert kept(door) == [("evt_sbx_1", "payout.paid", "po_sbx_1", NewsState.NEW)]
    assert follow_jobs(door) == [JobState.QUEUED]
    with door.site.desk.read(worker_actor(door.site.org_id)) as reading:
        row = reading.first(select(provider_news).where(provider_news.c.org_id == reading.org_id))
        assert row is not None
        assert (row.connection_id, row.received_at) == (door.connection_id, door.site.clock.now())
        assert body not in row.body
        assert reading.ports.vault.open(row.body, f"provider_news|body|{row.id}") == body


def test_the_same_event_again_is_thanked_for_and_kept_once(door: Door):
    answers = [door.good().status_code for _ in range(3)]

    assert answers == [200, 200, 200]
    assert len(kept(door)) == 1


def test_the_same_event_many_times_at_once_is_kept_once(door: Door):
    body = told(door)
    signature = door.signed(body)
    answers: list[int] = []
    ready = threading.Barrier(6)

    def send() -> None:
        ready.wait(30)
        answers.append(door.send(body, signature).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert answers == [200] * 6
    assert len(kept(door)) == 1
    assert follow_jobs(door) == [JobState.QUEUED]


def test_news_of_a_kind_nobody_knows_is_kept_and_asks_nobody_to_look(door: Door):
    assert door.good(1, type="treasury.something_new", data={"object": {"object": "something.new"}}).status_code == 200
    assert door.good(2, type="payout.something_new").status_code == 200

    assert kept(door) == [
        ("evt_sbx_1", "treasury.something_new", "", NewsState.OTHER),
        ("evt_sbx_2", "payout.something_new", "po_sbx_1", NewsState.NEW),
    ]


def follow(door: Door) -> None:
    JOBS[FOLLOW_JOB].run(door.site.desk, queue.Claim("", door.site.org_id, FOLLOW_JOB, {}, 0, 0))


STRANGE_ITEMS = {
    "another program's": "order-77",
    "none of ours": f"ex_{'0' * 32}:1",
    "a number no database holds": f"ex_{'0' * 32}:{'9' * 400}",
    "a number past its column": f"ex_{'0' * 32}:99999999999999999999",
    "a character no database holds": "ex_\x00:1",
    "other digits": f"ex_{'0' * 32}:\N{ARABIC-INDIC DIGIT ONE}",
    "very long": "x" * 5_000,
}


@pytest.mark.parametrize("item", STRANGE_ITEMS.values(), ids=list(STRANGE_ITEMS))
def test_news_of_a_payout_that_is_not_ours_is_kept_as_a_strangers_whatever_it_carries(door: Door, item: str):
    subject = {"id": "po_sbx_stranger", "object": "payout", "metadata": {"fod_item": item, "note": "\x00"}}

    assert door.good(1, data={"object": subject}).status_code == 200
    follow(door)

    assert kept(door) == [("evt_sbx_1", "payout.paid", "po_sbx_stranger", NewsState.STRANGER)]


def test_while_a_secret_is_rolled_both_are_believed_and_the_old_one_no_longer(door: Door):
    # Given a secret that is being rolled
    with door.site.desk.work(system_actor(door.site.org_id)) as work:
        connections.set_webhook_secret(work, door.connection_id, ROLLED, overlap_s=600)

    def answer(number: int, *secrets: str) -> int:
        body = told(door, number)
        signatures = [door.signed(body, secret) for secret in secrets]
        both = ",".join([signatures[0], *(each.split(",")[1] for each in signatures[1:])])
        return door.send(body, both).status_code

    # When news comes under the old one, the new one, and both; and again when the old one's time is over
    during = [answer(1, SECRET), answer(2, ROLLED), answer(3, FOREIGN, SECRET)]
    door.site.clock.advance(timedelta(minutes=10))
    after = [answer(4, SECRET), answer(5, ROLLED), answer(6, SECRET, ROLLED)]
    # Then it is believed as long as one of its signatures counts
    assert (during, after) == ([200, 200, 200], [400, 200, 200])
    assert [row[0] for row in kept(door)] == [f"evt_sbx_{number}" for number in (1, 2, 3, 5, 6)]


def test_a_retired_connection_still_hears_of_its_payouts(door: Door):
    with door.site.desk.work(system_actor(door.site.org_id)) as work:
        connections.retire(work, door.connection_id)

    assert door.good().status_code == 200
    assert len(kept(door)) == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://[::1"])
def test_where_a_request_says_it_comes_from_makes_no_difference_and_no_cookie_is_needed(door: Door, origin: str):
    body = told(door)

    taken = door.send(body, door.signed(body), Origin=origin, Cookie="tieout_session=guess")
    refused = door.send(body, door.signed(body, FOREIGN), Origin=origin)

    assert (taken.status_code, refused.status_code) == (200, 400)
    assert "set-cookie" not in taken.headers
    assert "access-control-allow-origin" not in taken.headers


@pytest.mark.parametrize("late_s", [300, -300])
def test_five_minutes_either_way_are_not_too_old(door: Door, late_s: int):
    body = told(door)

    assert door.send(body, door.signed(body, late_s=late_s)).status_code == 200


def test_the_largest_body_that_is_read_is_taken(door: Door):
    body = told(door)
    padded = body + b" " * (BODY_BYTES_MAX - len(body))

    assert door.send(padded, door.signed(padded)).status_code == 200


# --- what is turned away

Attempt = Callable[[Door], requests.Response]


def _signed(number: int = 1, **how: Any) -> Attempt:
    def attempt(door: Door) -> requests.Response:
        body = told(door, number)
        return door.send(body, door.signed(body, **how))

    return attempt


def _header(make: Callable[[str], str | None]) -> Attempt:
    def attempt(door: Door) -> requests.Response:
        body = told(door)
        return door.send(body, make(door.signed(body)))

    return attempt


def _at(path: Callable[[Door], str]) -> Attempt:
    def attempt(door: Door) -> requests.Response:
        body = told(door)
        return door.send(body, door.signed(body), path(door))

    return attempt


def _body(make: Callable[[Door], bytes]) -> Attempt:
    def attempt(door: Door) -> requests.Response:
        body = make(door)
        return door.send(body, door.signed(body))

    return attempt


def _changed_on_the_way(door: Door) -> requests.Response:
    body = told(door)
    return door.send(body.replace(b"payout.paid", b"payout.fake"), door.signed(body))


REFUSED: dict[str, tuple[int, Attempt]] = {
    "signed with another secret": (400, _signed(secret=FOREIGN)),
    "changed on the way": (400, _changed_on_the_way),
    "six minutes old": (400, _signed(late_s=360)),
    "a second too old": (400, _signed(late_s=301)),
    "from the future": (400, _signed(late_s=-301)),
    "no header": (400, _header(lambda _: None)),
    "an empty header": (400, _header(lambda _: "")),
    "a header that is not ASCII": (400, _header(lambda good: f"{good},v1=\xe9\xff")),
    "a header without a time": (400, _header(lambda good: good.split(",")[1])),
    "two times": (400, _header(lambda good: f"t=1,{good}")),
    "another scheme": (400, _header(lambda good: good.replace("v1=", "v0="))),
    "a very long header": (400, _header(lambda good: good + ",v1=" + "0" * 8_000)),
    "no JSON": (400, _body(lambda _: b"payout=paid")),
    "no body": (400, _body(lambda _: b"")),
    "no UTF-8": (400, lambda door: door.send(b"\xff\xfe", door.signed(b""))),
    "a list": (400, _body(lambda _: b"[1, 2]")),
    "nested without end": (400, _body(lambda _: b"[" * 100_000)),
    "a thin event": (400, _body(lambda door: told(door, object="v2.core.event"))),
    "without an id": (400, _body(lambda door: told(door, id=None))),
    "an id with other characters": (400, _body(lambda door: told(door, id="evt_\x00"))),
    "real money": (400, _body(lambda door: told(door, livemode=True))),
    "neither test nor live": (400, _body(lambda door: told(door, livemode="false"))),
    "one byte too long": (413, _body(lambda _: b" " * (BODY_BYTES_MAX + 1))),
    "an unknown connection": (404, _at(lambda _: f"/webhooks/stripe/cn_{'0' * 32}")),
    "another provider's connection": (404, _at(lambda door: f"/webhooks/stripe/{door.bank_id}")),
    "a connection by part of its id": (404, _at(lambda door: f"/webhooks/stripe/{door.connection_id[:-1]}")),
    "a name that is no id": (404, _at(lambda _: "/webhooks/stripe/%27%20OR%201=1")),
    "a character no database holds": (404, _at(lambda _: "/webhooks/stripe/cn_%00")),
    "bytes that are no text": (404, _at(lambda _: "/webhooks/stripe/cn_%ff%fe")),
    "a name without end": (404, _at(lambda _: f"/webhooks/stripe/cn_{'0' * 20_000}")),
    "another provider": (404, _at(lambda door: f"/webhooks/paypal/{door.connection_id}")),
    "no connection": (404, _at(lambda _: "/webhooks/stripe/")),
    "deeper than there is": (404, _at(lambda door: f"/webhooks/stripe/{door.connection_id}/x")),
}


def test_what_is_not_proven_is_turned_away_and_leaves_nothing_stored(door: Door, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    wrong: dict[str, object] = {}
    before = row_counts(door.site.desk.settings)

    for name, (status, attempt) in REFUSED.items():
        answer = attempt(door)
        found = (answer.status_code, grown(before, row_counts(door.site.desk.settings)))
        if found != (status, {}):
            wrong[name] = found
        said = f"{answer.text} {dict(answer.headers)}"
        if any(planted in said for planted in (SECRET, KEY, door.site.org_id, "Traceback", "sqlite", "psycopg")):
            wrong[name] = said

    assert wrong == {}
    assert door.good().status_code == 200, "the door still stands"
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for planted in (SECRET, KEY, "po_sbx_1", "evt_sbx_1"):
        assert planted not in logged


def test_a_refusal_is_logged_by_its_code_and_on_one_line(door: Door, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)

    _signed(secret=FOREIGN)(door)
    _at(lambda _: "/webhooks/stripe/cn_%0aERROR%20all%20is%20lost")(door)

    ours = [record.getMessage() for record in caplog.records if record.name.startswith("finops_core.api")]
    assert ours == [f"news for {door.connection_id} refused: WEBHOOK_SIGNATURE_BAD"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_a_post_brings_news(door: Door, method: str):
    body = told(door)

    answer = requests.request(
        method,
        f"{door.site.url}/webhooks/stripe/{door.connection_id}",
        data=body,
        headers={"Stripe-Signature": door.signed(body)},
        timeout=20,
    )

    assert answer.status_code == 405
    assert kept(door) == []


def test_a_body_without_end_is_not_read_to_its_end(door: Door):
    def endless() -> Iterator[bytes]:
        for _ in range(100_000):
            yield b" " * 8_192

    try:
        answer = requests.post(
            f"{door.site.url}/webhooks/stripe/{door.connection_id}",
            data=endless(),
            headers={"Stripe-Signature": "t=1,v1=0"},
            timeout=30,
        )
    except OSError:
        return  # the server hung up on the stream, as it may
    assert answer.status_code == 413


def test_a_connection_without_a_secret_believes_nobody(door: Door):
    with door.site.desk.work(system_actor(door.site.org_id)) as work:
        connections.retire(work, door.connection_id)
        fresh = connections.add(work, provider="stripe", name="Stripe", secret=KEY)
    other = replace(door, connection_id=fresh)
    body = told(other)

    answers = [other.send(body, other.signed(body, secret)).status_code for secret in (SECRET, "")]

    assert answers == [400, 400]


def test_another_organisations_secret_opens_no_door_here(door: Door):
    from finops_core import reference

    site = door.site
    with site.desk.work(system_actor()) as work:
        facts = {"base_currency": "EUR", "country": "DE", "zone": "UTC", "locale": "en_GB"}
        other = reference.add_organisation(work, slug="norrland", name="Norrland", **facts)
    with site.desk.work(system_actor(other)) as work:
        cn = connections.add(work, provider="stripe", name="Ours", secret=KEY)
        connections.set_webhook_secret(work, cn, FOREIGN)
    body = told(door)

    crossed = door.send(body, door.signed(body, FOREIGN)).status_code
    theirs = replace(door, connection_id=cn).send(body, door.signed(body, FOREIGN)).status_code

    assert (crossed, theirs) == (400, 200)
    assert kept(door) == []


# --- a database that is busy


@contextmanager
def locked(site: Site) -> Iterator[None]:
    """Somebody holds what the door has to write, and the door does not wait long."""
    writer = site.desk.database.writer
    site.desk.database.close()

    @event.listens_for(writer, "connect")
    def hurry(connection: Any, _record: object) -> None:
        if writer.dialect.name != "sqlite":
            connection.execute("SET lock_timeout = '50ms'")
            connection.commit()

    owner = open_owner_engine(site.desk.settings)
    with owner.begin() as holder:
        if holder.dialect.name == "postgresql":
            holder.execute(text("LOCK TABLE provider_news IN ACCESS EXCLUSIVE MODE"))
        yield
    owner.dispose()


def test_a_database_that_is_busy_asks_for_the_news_again_later(
    door: Door, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 50)
    caplog.set_level(logging.WARNING)

    with locked(door.site):
        busy = door.good().status_code
    again = door.good().status_code

    assert (busy, again) == (503, 200)
    assert len(kept(door)) == 1
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("finops_core.api")]
    assert ours == [f"news for {door.connection_id} could not be kept; the provider sends it again"]


def test_a_database_that_may_only_be_read_asks_for_the_news_again_later(door: Door):
    with read_only(door.site.desk):
        early = door.good().status_code
    again = door.good().status_code

    assert (early, again) == (503, 200)
    assert len(kept(door)) == 1


def test_a_database_without_a_free_connection_asks_for_the_news_again_later(door: Door):
    door.site.desk.database.close()
    pool = door.site.desk.database.writer.pool
    pool._timeout = 0.1  # type: ignore[attr-defined]
    taken = [pool.connect() for _ in range(8 + 24)]
    try:
        busy = door.good().status_code
    finally:
        for connection in taken:
            connection.close()

    assert busy == 503
    assert door.good().status_code == 200


def test_a_secret_that_opens_no_more_asks_for_the_news_again_later(door: Door):
    owner = open_owner_engine(door.site.desk.settings)
    with owner.begin() as connection:
        connection.execute(text("UPDATE webhook_secret SET secret = :broken"), {"broken": b"\x00"})
    owner.dispose()

    assert door.good().status_code == 503
    assert kept(door) == []
