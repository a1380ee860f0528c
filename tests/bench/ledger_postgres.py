"""Eight clients on PostgreSQL beside eight that make one plpgsql call a transfer; one account that all of them post to.

The call does what the guards ask of any program, the row of the log included. Both commit to the disk.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psycopg

from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.ledger import service
from finops_core.ledger.service import Terms
from tests.bench.report import Figure, median
from tests.desks import area_desk, person_actor, units_of
from tests.postgres import mortal_server

CLIENTS, EACH, TURNS, START_S, END_S = 8, 100, 3, 180, 600
CURRENCIES = ("USD", "EUR", "GBP", "CAD", "CHF", "SEK", "NOK", "DKK")
ACTOR, DAY = "person_clerk", "2026-11-20"
KINDS = ("one call", "transfer", "hot", "spread")
FUNCTION = """
CREATE FUNCTION bench_transfer(
    p_org text, p_key text, p_from text, p_to text, p_minor bigint, p_journal text, p_record text, p_day text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE known text; one record; two record; sender record; payee record; stamp timestamp := clock_timestamp();
BEGIN
    SELECT b.id, b.version, b.posted_minor INTO one FROM ledger_balance b JOIN ledger_account a
        ON a.org_id = b.org_id AND a.id = b.id WHERE b.org_id = p_org AND b.id = least(p_from, p_to)
        AND a.state = 'open' FOR UPDATE OF b;
    SELECT b.id, b.version, b.posted_minor INTO two FROM ledger_balance b JOIN ledger_account a
        ON a.org_id = b.org_id AND a.id = b.id WHERE b.org_id = p_org AND b.id = greatest(p_from, p_to)
        AND a.state = 'open' FOR UPDATE OF b;
    SELECT id INTO known FROM ledger_journal WHERE org_id = p_org AND key = p_key AND key <> '';
    IF known IS NOT NULL THEN RETURN known; END IF;
    IF one.id = p_from THEN sender := one; payee := two; ELSE sender := two; payee := one; END IF;
    IF sender.posted_minor < p_minor THEN RAISE EXCEPTION 'INSUFFICIENT_BALANCE'; END IF;
    INSERT INTO ledger_posting (org_id, journal_id, line, account_id, amount_minor, currency, account_version,
        balance_after_minor, effective_on, booked_at, party_id, department, project, product, cost_centre, base_minor,
        rate_id) VALUES
        (p_org, p_journal, 1, p_from, -p_minor, 'USD', sender.version + 1, sender.posted_minor - p_minor, p_day, stamp,
            'party', '', '', '', '', -p_minor, ''),
        (p_org, p_journal, 2, p_to, p_minor, 'USD', payee.version + 1, payee.posted_minor + p_minor, p_day, stamp,
            'party', '', '', '', '', p_minor, '');
    UPDATE ledger_balance SET version = sender.version + 1, posted_minor = sender.posted_minor - p_minor,
        moved_at = stamp WHERE org_id = p_org AND id = p_from;
    UPDATE ledger_balance SET version = payee.version + 1, posted_minor = payee.posted_minor + p_minor,
        moved_at = stamp WHERE org_id = p_org AND id = p_to;
    INSERT INTO ledger_journal (org_id, id, type, key, content, created_by, booked_at, effective_on, reason,
        source_kind, source_id, reverses) VALUES
        (p_org, p_journal, 'TRANSFER', p_key, repeat('0', 64), 'person_clerk', stamp, p_day, '', '', '', '');
    INSERT INTO audit_record (id, body) VALUES (p_record, json_build_object('actor', 'person_clerk', 'after', '',
        'at', stamp, 'before', '', 'detail', json_build_object('postings', json_build_array(
            p_from || ' ' || -p_minor || ' USD', p_to || ' ' || p_minor || ' USD')), 'id', p_journal, 'object',
        'journal:' || p_journal, 'on_behalf_of', '', 'org', p_org, 'v', 1, 'verb',
        'ledger.posted', 'via', 'page')::text);
    RETURN p_journal;
END $$
"""


def measure() -> list[Figure]:
    """Transfers a second of eight clients; deposits that all come from one account, and from eight."""
    with tempfile.TemporaryDirectory() as name, mortal_server() as mortal:
        folder, url = Path(name), mortal.server.url(mortal.server.new_name())
        desk = area_desk(folder, url)
        org = desk.org()
        clerk = person_actor(ACTOR, org)
        with desk.work(clerk) as work:
            wallets = {
                currency: [service.open_wallet(work, f"party_{number}", currency) for number in range(2 * CLIENTS)]
                for currency in CURRENCIES
            }
            for wallet in wallets["USD"]:
                service.deposit(work, wallet, Money(10**9, "USD"))
        with psycopg.connect(_plain(url), autocommit=True) as connection:
            connection.execute(FUNCTION)
        rates = _rates(folder, url, org, wallets)
    ours, call = median(rates["transfer"]), median(rates["one call"])
    hot, spread = median(rates["hot"]), median(rates["spread"])
    return [
        Figure(f"PostgreSQL, {CLIENTS} clients: part of one plpgsql call a transfer", ours / call, "of it", "≥ 0.6"),
        Figure("… a second", ours, "/s", "", call, "one call"),
        Figure(f"… deposits from one account: part of those from {CLIENTS}", hot / spread, "of it", "≥ 0.85"),
        Figure("… a second", hot, "/s", "", spread, "spread"),
    ]


def _rates(folder: Path, url: str, org: str, wallets: dict[str, list[str]]) -> dict[str, list[float]]:
    """By kind, what all clients together did a second, turn by turn."""
    context = multiprocessing.get_context("spawn")
    together, told = context.Barrier(CLIENTS), context.SimpleQueue()
    clients = [
        context.Process(target=_client, args=(number, folder, url, org, wallets, together, told))
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join(END_S)
        assert client.exitcode == 0, "a client did not end well"
    spans: dict[tuple[str, int], list[tuple[float, float]]] = {}
    while not told.empty():
        for turn, (kind, begun, ended) in told.get():
            spans.setdefault((kind, turn), []).append((begun, ended))
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for (kind, _), each in spans.items():
        found[kind].append(CLIENTS * EACH / (max(end for _, end in each) - min(begin for begin, _ in each)))
    return found


def _client(
    number: int, folder: Path, url: str, org: str, wallets: dict[str, list[str]], together: Barrier, told: Any
) -> None:
    units = units_of(folder, url)
    clerk = person_actor(ACTOR, org)
    usd, currency = wallets["USD"], CURRENCIES[number]
    line = psycopg.connect(_plain(url), autocommit=True)

    def pair(turn: int) -> tuple[str, str]:
        return usd[(number * 2 + turn) % len(usd)], usd[(number * 2 + turn + 7) % len(usd)]

    def one_call(turn: int, key: str) -> None:
        asked = org, f"c{key}", *pair(turn), 1, new_id("je"), new_id("au"), DAY
        line.execute("SELECT bench_transfer(%s, %s, %s, %s, %s, %s, %s, %s)", asked)

    def transfer(turn: int, key: str) -> None:
        one, two = pair(turn)
        with units.work(clerk) as work:
            service.transfer(work, one, two, Money(1, "USD"), Terms(key=f"t{key}"))

    def deposit(code: str, key: str) -> None:
        with units.work(clerk) as work:
            service.deposit(work, wallets[code][number], Money(1, code), Terms(key=f"d{code}{key}"))

    acts: dict[str, Callable[[int, str], None]] = {
        "one call": one_call,
        "transfer": transfer,
        "hot": lambda _, key: deposit("USD", key),
        "spread": lambda _, key: deposit(currency, f"s{key}"),
    }
    spans = []
    for turn in range(-1, TURNS):  # the first one is not counted
        for kind in KINDS:
            together.wait(START_S)
            begun = time.monotonic()
            for count in range(EACH):
                acts[kind](count, f"-{number}-{turn}-{count}")
            spans.append((turn, (kind, begun, time.monotonic())))
    told.put([each for each in spans if each[0] >= 0])


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")
