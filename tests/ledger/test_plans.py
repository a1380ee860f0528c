"""What the ledger asks of SQLite again and again is found by an index, however much was posted."""

import re
from typing import Any

import pytest

from finops_core.ledger import drift, holdings, journal, queries, service, statements
from finops_core.ledger.service import Terms
from tests.hearing import heard
from tests.ledger.conftest import Books, usd

GROWS = ("ledger_posting", "ledger_journal", "audit_record")
# Found by the organisation alone is all of its rows.
READ_THROUGH = re.compile(rf"SCAN ({'|'.join(GROWS)})\b|SEARCH ({'|'.join(GROWS)}) [^;]*\(org_id=\?\)")


@pytest.fixture
def database_url() -> str:
    """PostgreSQL plans by what it has counted: tables as small as these it reads through, and rightly."""
    return ""


@pytest.fixture
def plans(books: Books):
    """(statement, plan) of everything that was asked of SQLite since."""
    said: list[tuple[str, Any]] = []
    engines = books.desk.units.database.writer, books.desk.units.database.reader

    def hear(statement, parameters, many):
        said.append((statement, parameters[0] if many else parameters))

    hearing = heard(hear, *engines)
    hearing.__enter__()

    def explained() -> list[tuple[str, str]]:
        hearing.__exit__(None, None, None)
        raw = books.desk.units.database.writer.raw_connection()
        try:
            asked = [(sql, given) for sql, given in said if sql.split()[0] in {"SELECT", "WITH", "UPDATE", "INSERT"}]
            return [
                (sql, "; ".join(row[3] for row in raw.cursor().execute(f"EXPLAIN QUERY PLAN {sql}", given)))
                for sql, given in asked
            ]
        finally:
            raw.close()

    return explained


def test_no_operation_reads_through_what_was_posted_before(books: Books, plans):
    ann, bob = books.wallets["ann"], books.wallets["bob"]
    with books.work() as work:
        service.deposit(work, ann, usd(10_000), Terms(key="in"))
        moved = service.transfer(work, ann, bob, usd(700), Terms(key="over"))
        service.hold(work, ann, usd(500), Terms(key="aside"))
        service.release(work, ann, usd(500), terms=Terms(key="back"))
        service.reverse(work, moved.id, Terms(key="undone", reason="the wrong one"))
        service.transfer(work, ann, bob, usd(1), Terms(key="again"))
    with books.work() as work:
        assert service.transfer(work, ann, bob, usd(1), Terms(key="again")).repeated

    found = plans()

    assert len(found) > 30
    assert [(sql, plan) for sql, plan in found if READ_THROUGH.search(plan)] == []


def test_no_look_at_a_wallet_reads_through_what_was_posted_elsewhere(books: Books, plans):
    entry_id = books.fund("ann", 10_000)
    ann = books.wallets["ann"]
    with books.read() as reading:
        queries.balance(reading, ann)
        queries.balance_on(reading, ann, reading.now.date())
        statements.statement(reading, ann)
        holdings.wallet(reading, ann)
        journal.entry(reading, entry_id)
        drift.off(reading, [ann], history=True)

    found = plans()

    assert len(found) >= 7
    assert [(sql, plan) for sql, plan in found if READ_THROUGH.search(plan)] == []


def test_the_look_at_balances_reads_an_index_alone(books: Books, plans):
    with books.read() as reading:
        drift.off(reading, list(books.wallets.values()))

    [(_, plan)] = plans()

    assert "SEARCH ledger_posting USING COVERING INDEX" in plan
