"""Databases that stand where earlier versions left them: what a migration fills in by hand is there afterwards."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, inspect, select

from finops_core import operations
from finops_core.catalog.tables import TABLES
from finops_core.kernel import sought
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.permissions import Permission
from finops_core.operations.models import execution, plan, plan_total
from finops_core.platform import schema
from finops_core.platform.db import open_database, open_owner_engine
from finops_core.platform.settings import Settings
from finops_core.platform.work import UnitFactory
from finops_core.reference.models import organisation
from tests.desks import START, person_actor, ports_for, settings_for

ORGS = ("org_harbour", "org_norrland")
TOTALS = {"ex_two": {"EUR": 123_456, "JPY": 7_000}, "ex_large": {"USD": 9_007_199_254_740_993}, "ex_none": {}}


@pytest.fixture
def settings(tmp_path: Path, empty_database_url: str) -> Settings:
    return settings_for(tmp_path, empty_database_url)


@pytest.fixture
def before(settings: Settings) -> Engine:
    """A database as the first version left it: two organisations with the same executions, each with plans."""
    engine = open_owner_engine(settings)
    with engine.begin() as connection:
        schema.upgrade(connection, TABLES, "0001")
        for org_id in ORGS:
            _organisation(connection, org_id)
            for number, (execution_id, totals) in enumerate(TOTALS.items(), 1):
                _execution(connection, org_id, execution_id, f"EX-2026-000{number}")
                _plan(connection, org_id, execution_id, f"pl_first_{execution_id}", {"GBP": 5})
                _plan(connection, org_id, execution_id, f"pl_last_{execution_id}", totals)
    return engine


def test_the_sums_of_plans_that_were_there_before_are_filled_in(before: Engine, settings: Settings):
    # Given plans of before there was a table of their sums
    assert not inspect(before).has_table("execution_plan_total")

    # When the database is brought up to date
    schema.migrate(before, TABLES)

    # Then each sum of each plan of each organisation stands there once, exactly
    with before.connect() as connection:
        rows = connection.execute(select(plan_total)).all()
    before.dispose()
    told = {(row.org_id, row.execution_id, row.plan_id, row.currency, row.amount_minor) for row in rows}
    first = {(org, each, f"pl_first_{each}", "GBP", 5) for org in ORGS for each in TOTALS}
    last = {
        (org, each, f"pl_last_{each}", currency, minor)
        for org in ORGS
        for each, totals in TOTALS.items()
        for currency, minor in totals.items()
    }
    assert told == first | last
    assert len(rows) == len(told)


def test_an_execution_of_before_is_found_by_the_sum_of_its_plan(before: Engine, settings: Settings):
    schema.migrate(before, TABLES)
    before.dispose()
    database = open_database(settings)
    units = UnitFactory(database, ports_for(settings, ManualClock(START)), {}, lambda _: frozenset(Permission))

    with units.read(person_actor("person_ada", ORGS[0])) as reading:
        found = {typed: operations.find(reading, sought.read(typed)) for typed in ("1,234.56 EUR", "7000", "1,234.57")}
    database.close()

    ids = {typed: [each.id for each in rows] for typed, rows in found.items()}
    assert ids == {"1,234.56 EUR": ["ex_two"], "7000": ["ex_two"], "1,234.57": []}


def _organisation(connection: Connection, org_id: str) -> None:
    texts = ("base_currency", "country", "zone", "locale", "business_calendar", "fiscal_calendar")
    values = {"id": org_id, "slug": org_id, "name": org_id, "created_at": START}
    connection.execute(insert(organisation).values(**dict.fromkeys(texts, ""), **values))


def _execution(connection: Connection, org_id: str, execution_id: str, number: str) -> None:
    """By the columns of the first version."""
    texts = ("operation_version", "title", "category", "risk", "reason", "content_key", "input_name", "input_sha256")
    more = ("plan_hash", "mode", "message", "error_code", "hint")
    values = {
        **dict.fromkeys((*texts, *more), ""),
        **dict.fromkeys(("params", "totals"), "{}"),
        **dict.fromkeys(("attempt", "whole_attempt"), 1),
        **dict.fromkeys(("progress_done", "progress_total"), 0),
        **dict.fromkeys(("approval_required", "stop_requested"), False),
        "operation_id": "payouts.stripe_balance",
        "state": "completed",
        "public_state": "completed",
        "requested_by": "person_ada",
        "retry_rows": "[]",
        "created_at": START,
    }
    connection.execute(insert(execution).values(org_id=org_id, id=execution_id, number=number, **values))


def _plan(connection: Connection, org_id: str, execution_id: str, plan_id: str, totals: dict[str, int]) -> None:
    at = START + timedelta(seconds="last" in plan_id)
    texts = {"mode": "test", "key_fingerprint": "", "warnings": "[]", "faults": "[]", "hash": plan_id}
    values = {"execution_id": execution_id, "attempt": 1, "totals": json.dumps(totals), "created_at": at}
    connection.execute(insert(plan).values(org_id=org_id, id=plan_id, **texts, **values))
