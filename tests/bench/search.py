"""Search with 1,000,000 records in the log, 100,000 executions, 200,000 payouts and 100,000 files, on SQLite."""

import sqlite3
import tempfile
import time
from pathlib import Path

from finops_core import insight, security
from finops_core.desk import Desk
from finops_core.kernel.actor import system_actor
from tests.bench.report import Figure, median, p90
from tests.desks import person_actor
from tests.world import World, running_world

EXECUTIONS, PAYOUTS_EACH, RECORDS_EACH = 100_000, 2, 10
TURNS = 5
GOAL = "< 300 ms"
NUMBERS = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EXECUTIONS})"
# Ids of the length and order of real ones.
EX, PLAN, FILE, REF, PAY, AP = (f"printf('{prefix}_%032x', i)" for prefix in ("ex", "pl", "file", "fr", "pay", "ap"))
AT = "strftime('%Y-%m-%d %H:%M:%S.000000', 1700000000 + i * 600, 'unixepoch')"
HASH = "printf('%08x%056x', (i * 2654435761) % 4294967296, i)"
FILLING = (
    f"""INSERT INTO execution (org_id, id, number, operation_id, operation_version, title, category, risk, state,
        public_state, attempt, whole_attempt, requested_by, reason, params, content_key, input_reference, input_name,
        input_sha256, approval_required, retry_rows, plan_hash, totals, mode, stop_requested, progress_done,
        progress_total, message, error_code, hint, created_at)
      {NUMBERS} SELECT :org, {EX}, printf('EX-2025-%06d', i), 'payouts.stripe_balance', '1.0.0',
        'Stripe balance payout', 'stripe', 'high', CASE i % 10 WHEN 0 THEN 'failed' ELSE 'completed' END,
        CASE i % 10 WHEN 0 THEN 'failed' ELSE 'completed' END, 1, 1, CASE i % 3 WHEN 0 THEN :ben ELSE :ana END, '',
        '{{"descriptor":"a note of ordinary length"}}', {HASH}, {REF}, printf('week-%d-payees.csv', i), {HASH}, 1,
        '[]', {HASH}, printf('{{"EUR":%d,"USD":%d}}', i * 100 + 7, i * 100 + 8), 'test', 0, 2, 2,
        'Two payouts were made.', '', '', {AT} FROM n""",
    f"""INSERT INTO execution_plan (org_id, id, execution_id, attempt, hash, mode, key_fingerprint, warnings, faults,
        totals, created_at)
      {NUMBERS} SELECT :org, {PLAN}, {EX}, 1, {HASH}, 'test', 'fp', '[]', '[]', '{{}}', {AT} FROM n""",
    f"""INSERT INTO execution_plan_total (org_id, id, plan_id, execution_id, currency, amount_minor)
      {NUMBERS} SELECT :org, {PLAN} || ':EUR', {PLAN}, {EX}, 'EUR', i * 100 + 7 FROM n""",
    f"""INSERT INTO execution_plan_row (org_id, id, plan_id, row_no, account, currency, amount_minor, body)
      {NUMBERS} SELECT :org, {PLAN} || ':1', {PLAN}, 1, '', 'EUR', i * 100 + 7,
        '{{"bank":"A bank •••• 1234"}}' FROM n""",
    *(
        f"""INSERT INTO payout (org_id, id, execution_id, row_no, attempt, connection_id, mode, key_fingerprint,
          account, provider_account, currency, amount_minor, destination, bank, bank_fingerprint, row_hash, key,
          request_body, body_hash, state, stops, provider_id, request_id, replayed, error_code, error_message, refusal,
          arrival_on, trace, movement_id, return_id, asked_at, created_at, updated_at)
        {NUMBERS} SELECT :org, {PAY} || '{row}', {EX}, {row}, 1, 'cn_1', 'test', 'fp', '', 'acct_1', 'EUR',
          i * 100 + {row}, 'ba_1', printf('Payee number %d •••• %04d', i, i % 10000), '', {HASH}, {EX} || '{row}',
          zeroblob(300), {HASH}, 'paid', '', printf('po_%024x{row}', i), 'req_1', 0, '', '', '', '2025-11-20',
          printf('TRACE{row}%09d', i), '', '', {AT}, {AT}, {AT} FROM n"""
        for row in range(1, PAYOUTS_EACH + 1)
    ),
    f"""INSERT INTO stored_file (org_id, id, sha256, size_bytes, stored_name, data_key, created_at)
      {NUMBERS} SELECT :org, {FILE}, {HASH}, 4096, {FILE}, zeroblob(60), {AT} FROM n""",
    f"""INSERT INTO file_reference (org_id, id, file_id, owner_kind, owner_id, role, name, mime, version, uploaded_by,
        visible_to, created_at)
      {NUMBERS} SELECT :org, {REF}, {FILE}, 'execution', {EX}, 'input', printf('week-%d-payees.csv', i), 'text/csv',
        1, CASE i % 3 WHEN 0 THEN :ben ELSE :ana END, CASE i % 3 WHEN 0 THEN :ben ELSE :ana END, {AT} FROM n""",
    f"""INSERT INTO approval_request (org_id, id, number, round, subject_kind, subject_id, content_hash, item_type,
        title, summary, amounts, requested_by, state, closed_why, version, created_at, expires_at, decided_at)
      {NUMBERS} SELECT :org, {AP}, printf('AP-2025-%06d', i), 1, 'execution', {EX}, {HASH}, 'payout',
        printf('Stripe balance payout EX-2025-%06d', i), '{{}}', printf('{{"EUR":"%d"}}', i * 100 + 7),
        CASE i % 3 WHEN 0 THEN :ben ELSE :ana END, 'approved', '', 2, {AT}, {AT}, {AT} FROM n""",
    *(
        f"""INSERT INTO audit_record (id, body)
        {NUMBERS} SELECT printf('au_%031x{step}', i), printf(
          '{{"actor":"%s","after":"%s","at":"%s","before":"","detail":{{"attempt":1,"number":"EX-2025-%06d"}},'
          || '"object":"execution:%s","on_behalf_of":null,"org":"%s","v":1,"verb":"execution.step_{step}",'
          || '"via":"page"}}',
          CASE i % 3 WHEN 0 THEN :ben ELSE :ana END, {HASH},
          strftime('%Y-%m-%dT%H:%M:%S', 1700000000 + i * 600 + {step}, 'unixepoch') || '.000000Z', i, {EX}, :org)
        FROM n"""
        for step in range(RECORDS_EACH)
    ),
)
ASKED = {
    "a number": "EX-2025-043210",
    "the beginning of one": "EX-2025-04",
    "an id of ours": f"ex_{43210:032x}",
    "an id of the provider's": f"po_{43210:024x}1",
    "an amount with its currency": "43,210.07 EUR",
    "an amount alone": "43210.01",
    "the name of a file": "week-43210-payees.csv",
    "part of many files' names": "payees.csv",
    "the beginning of a hash": f"{(43210 * 2654435761) % 4294967296:08x}",
    "a payee": "payee number 43210",
    "the end of an account": "•••• 3210",
    "a person": "ana brito",
    "what is nowhere": "zanzibar",
}
LOOKERS = {"ana": "sees her own", "ben": "sees what is asked of him", "carla": "sees everything"}


def fill(world: World) -> None:
    """Every table in a handful of statements, past the verbs."""
    harbour = world.orgs["harbour"]
    names = {"org": harbour, "ana": world.people["ana"], "ben": world.people["ben"]}
    path = world.desk.settings.data_dir / "tieout.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA cache_size = -400000")
        for statement in FILLING:
            connection.execute(statement, names)
    connection.close()


def times(desk: Desk, world: World, who: str) -> dict[str, list[float]]:
    """Seconds of each question, asked again and again by one person."""
    actor = person_actor(world.people[who], world.orgs["harbour"])
    found: dict[str, list[float]] = {}
    for name, typed in ASKED.items():
        for turn in range(TURNS + 1):
            started = time.perf_counter()
            with desk.read(actor) as reading:
                insight.search(reading, typed)
            if turn:
                found.setdefault(name, []).append(time.perf_counter() - started)
    return found


def measure() -> list[Figure]:
    """Each kind of question over three people, and the slowest of them all."""
    figures = []
    with tempfile.TemporaryDirectory() as folder, running_world(Path(folder)) as world:
        started = time.perf_counter()
        fill(world)
        print(f"filled in {time.perf_counter() - started:.0f} s")
        with world.desk.read(system_actor(world.orgs["harbour"])) as reading:
            assert security.people(reading)
        for who, told in LOOKERS.items():
            found = times(world.desk, world, who)
            every = [second for seconds in found.values() for second in seconds]
            slowest = max(found, key=lambda name: median(found[name]))
            what = f"Search, 1M records, {EXECUTIONS:,} executions, by somebody who {told}: {len(ASKED)} questions"
            figures.append(Figure(f"{what}, p50", median(every) * 1000, "ms", GOAL))
            figures.append(Figure("… p90", p90(every) * 1000, "ms", GOAL))
            figures.append(Figure(f"… slowest ({slowest}), p50", median(found[slowest]) * 1000, "ms", GOAL))
            for name, seconds in found.items():
                print(f"{who:6} {name:32} {median(seconds) * 1000:7.1f} ms")
    return figures
