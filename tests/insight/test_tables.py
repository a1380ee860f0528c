"""The rows of any table: what each declares decides what is shown, masked and found, and who may look."""

from dataclasses import replace
from importlib import import_module

import pytest
from sqlalchemy import LargeBinary, MetaData

from finops_core import insight, parties
from finops_core.catalog.tables import TABLES
from finops_core.insight import TableRows, TableView
from finops_core.kernel.errors import NotAllowed, NotFound
from finops_core.kernel.masking import BULLETS
from finops_core.platform.tables import FACTS, DataClass, Retention, Scope, facts_of
from tests.world import World

DECLARED = {name: facts_of(table) for name, table in TABLES.tables.items()}
LISTED = sorted(name for name, facts in DECLARED.items() if facts.listed)
MONEY = {name for name in LISTED if name.startswith(("ledger_", "party", "approval_")) or name == "exchange_rate"}


def tables_of(world: World, who: str, org: str = "harbour") -> dict[str, TableView]:
    with world.desk.read(world.actor(who, org)) as reading:
        return {each.name: each for each in insight.tables(reading, TABLES, counted=True)}


def rows_of(world: World, name: str, text: str = "", *, who: str = "eva", org: str = "harbour", **more) -> TableRows:
    with world.desk.read(world.actor(who, org)) as reading:
        return insight.table_rows(reading, TABLES, name, text, **more)


def cells(found: TableRows, column: str) -> list[object]:
    return [row[found.table.columns.index(column)] for row in found.rows]


def met(world: World, *names: str, org: str = "harbour") -> None:
    """Companies, in this order."""
    for name in names:
        with world.desk.work(world.actor("ana", org)) as work:
            parties.add_party(work, parties.PartyKind.OWN, name)


@pytest.mark.parametrize("name", LISTED)
def test_what_a_table_declares_to_be_shown_and_searched_is_there_and_no_secret(name: str):
    table, facts = TABLES.tables[name], DECLARED[name]

    assert facts.scope is Scope.ORGANISATION
    assert {"org_id", "id", *facts.listed, *facts.searched, *facts.classes} <= set(table.c.keys())
    assert {facts.class_of(column) for column in (*facts.listed, *facts.searched)} <= {*DataClass} - {
        DataClass.RESTRICTED
    }
    assert not [column for column in facts.listed if isinstance(table.c[column].type, LargeBinary)]
    assert facts.seen_by, "says who may look, or nobody may"


def test_the_auditor_looks_into_every_table_that_is_listed_and_the_administrator_into_none_with_the_books(world: World):
    assert set(tables_of(world, "eva")) == set(LISTED)
    assert MONEY
    assert set(tables_of(world, "adam")) & MONEY == set()
    assert {"connection", "membership", "schedule"} <= set(tables_of(world, "adam"))


@pytest.mark.parametrize("who", ["ana", "ben"])
def test_whoever_may_not_see_the_log_looks_into_no_table(world: World, who: str):
    with pytest.raises(NotAllowed):
        tables_of(world, who)
    with pytest.raises(NotAllowed):
        rows_of(world, "party", who=who)


@pytest.mark.parametrize("name", ["nothing", "session", "person", "stored_file", "ledger_posting", "party"])
def test_a_table_that_is_not_there_not_listed_or_not_ones_own_to_see_is_one_answer(world: World, name: str):
    with pytest.raises(NotFound) as refused:
        rows_of(world, name, who="adam")

    assert refused.value.code == "TABLE_UNKNOWN"


def test_a_table_says_what_it_declares_and_how_many_rows_it_has(world: World):
    met(world, "Acme Limited", "Bolt Limited")

    party = tables_of(world, "eva")["party"]

    assert (party.title, party.rows, party.retention, party.append_only) == ("Party", 2, Retention.RECORD, False)
    assert (party.columns, party.masked) == (("kind", "name", "state", "created_at"), {"name"})
    assert tables_of(world, "eva")["approval_decision"].append_only


def test_rows_and_their_number_are_those_of_ones_own_organisation(both: World):
    met(both, "Acme Limited", "Bolt Limited")
    met(both, "Norrland Limited", org="norrland")

    assert (rows_of(both, "party").total, len(rows_of(both, "party").rows)) == (2, 2)
    assert (rows_of(both, "party", org="norrland").total, tables_of(both, "eva", "norrland")["party"].rows) == (1, 1)
    assert rows_of(both, "party", "Norrland Limited").rows == ()


def test_what_is_confidential_is_masked_and_found_by_its_whole_alone(both: World):
    met(both, "Acme Limited", "Bolt Limited")

    assert cells(rows_of(both, "party"), "name") == [f"{BULLETS} ted", f"{BULLETS} ted"]
    assert rows_of(both, "party", "aCME lIMITED").total == 1
    assert rows_of(both, "party", "Acme").total == 0


def test_of_an_amount_that_is_confidential_no_digit_is_shown(world: World):
    world.approved("currency,maximum\nUSD,184.22\n")
    world.work_off()

    assert cells(rows_of(world, "payout"), "amount_minor") == [BULLETS]
    assert [rows_of(world, "payout", text).total for text in ("18422", "1842")] == [1, 0]


def test_what_is_open_is_found_by_a_part_in_upper_or_lower_case_and_not_by_patterns(both: World):
    both.submitted("currency,maximum\nUSD,1.00\n")
    number = both.submitted("currency,maximum\nEUR,1.00\n").number

    assert cells(rows_of(both, "execution", number.lower()), "number") == [number]
    assert rows_of(both, "execution", "sTRIPE bal").total == 2
    assert rows_of(both, "execution", "%").total == 0
    assert rows_of(both, "membership", "preparer").total == 0, "nothing of it is searched"


def test_whatever_is_typed_or_stands_in_an_address_is_looked_for_and_no_more(both: World):
    both.planned("currency,maximum\nUSD,1.00\n")

    for typed in ("\x00", "%", "_", "\\", "'; --", "\ud800", "%" * 60_000, "⛄"):
        found = rows_of(both, "execution", f"qq{typed}"), rows_of(both, "execution", after=f"a{typed}")
        assert [each.total for each in found] == [0, 1]
    assert rows_of(both, "execution", "\x00 ").total == 1


def test_rows_come_newest_first_a_page_at_a_time_and_each_once(world: World):
    met(world, *(f"Company {number}" for number in range(5)))
    whole = rows_of(world, "party")

    first = rows_of(world, "party", limit=2)
    second = rows_of(world, "party", limit=2, after=first.next)
    last = rows_of(world, "party", limit=2, after=second.next)

    assert (*first.rows, *second.rows, *last.rows) == whole.rows
    assert cells(whole, "created_at") == sorted(cells(whole, "created_at"), reverse=True)
    assert ([len(page.rows) for page in (first, second, last)], last.next) == ([2, 2, 1], "")
    assert {page.total for page in (first, second, last)} == {5}


def test_no_page_is_longer_than_fifty_rows(world: World):
    met(world, *(f"Company {number}" for number in range(51)))

    found = rows_of(world, "party", limit=1000)

    assert (len(found.rows), found.total, bool(found.next)) == (50, 51, True)


def test_a_secret_is_left_out_even_where_a_table_lists_it_and_nobody_sees_one_that_names_nobody(world: World):
    # Given the connections, declared wrongly: with their sealed key, and once for nobody
    wrong = {
        "secret_listed": {"listed": ("name", "secret"), "searched": ("name", "secret")},
        "for_nobody": {"seen_by": ()},
    }
    seen = {}
    for case, changed in wrong.items():
        metadata = MetaData()
        for needed in ("organisation", "connection"):
            TABLES.tables[needed].to_metadata(metadata)
        info = metadata.tables["connection"].info
        info[FACTS] = replace(info[FACTS], **changed)
        with world.desk.read(world.actor("adam")) as reading:
            seen[case] = [(each.columns, each.searched) for each in insight.tables(reading, metadata)]

    assert seen == {"secret_listed": [(("name",), ("name",))], "for_nobody": []}


def test_no_more_rows_are_counted_than_a_reader_would_wait_for(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(import_module("finops_core.insight.tables"), "COUNTED", 2)
    met(world, "One Ltd", "Two Ltd", "Three Ltd", "Four Ltd")

    assert tables_of(world, "eva")["party"].rows == 3
    found = rows_of(world, "party", limit=2)
    assert (found.total, len(found.rows), bool(found.next)) == (3, 2, True)
