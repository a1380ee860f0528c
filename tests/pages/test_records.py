"""Records: the tables each may look into, the rows of one, what is masked, and where the way on leads."""

import re

import pytest

from finops_core import approvals, parties
from finops_core.kernel.masking import BULLETS
from finops_core.parties import PartyKind
from tests.pages.conftest import shown
from tests.world import World
from ui import records
from ui.format import Format


def met(world: World, *names: str) -> None:
    for name in names:
        with world.desk.work(world.actor("ana")) as work:
            parties.add_party(work, PartyKind.COMPANY, name)


def table(screen, label: str) -> str:
    """The table of this name, as HTML."""
    return next(element.value for element in screen.html if f"<caption>{label}</caption>" in element.value)


def test_a_table_without_rows_says_so(at):
    screen = at("eva", "records", records_of="Party")

    assert "No row yet" in shown(screen)
    assert "0 rows, newest first" in shown(screen)


@pytest.mark.parametrize("who", ["carla", "dan", "eva"])
def test_those_who_check_the_books_find_every_table(at, who):
    screen = at(who, "records")

    assert {"Party", "Ledger journal", "Payout", "Connection"} <= set(screen.selectbox(key="records_of").options)
    assert "Ledger journal" in table(screen, "Tables")
    assert "as of " in shown(screen)


def test_the_administrator_finds_no_table_with_the_books_and_no_way_in_by_its_address(world, at):
    met(world, "Abseits GmbH")
    screen = at("adam", "records", records_of="Party")

    assert screen.title[0].value == "Records"
    assert "Membership" in table(screen, "Tables")
    assert "Party" not in screen.selectbox(key="records_of").options
    assert "Ledger" not in table(screen, "Tables")
    assert f"{BULLETS} mbH" not in shown(screen)


@pytest.mark.parametrize("who", ["ana", "ben"])
def test_whoever_may_not_see_the_log_finds_no_page(at, who):
    assert at(who, "records", records_of="Party").title[0].value == "Not part of your role"


def test_rows_show_names_amounts_and_times_as_everywhere_and_mask_what_is_confidential(world, at):
    met(world, "Verborgen GmbH")

    told = shown(at("eva", "records", records_of="Party"))
    assert "Verborgen" not in told
    assert "mbH" in told
    assert "Masked: Name." in told

    people = table(at("eva", "records", records_of="Membership"), "Membership")
    assert "Ana Brito" in people
    assert "person_" not in people
    assert re.search(r">[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}<", people)
    with world.desk.work(world.actor("adam")) as work:
        approvals.grant_authority(
            work, person_id=world.people["ben"], item_type="payout", currency="JPY", limit_minor=1_250_400
        )
    limits = table(at("eva", "records", records_of="Approval authority"), "Approval authority")
    assert "Ben Osei" in limits
    assert "1,250,400 JPY" in limits


def test_the_search_stands_in_the_address_and_says_what_it_looks_into(world, at):
    seen = world.submitted("currency,maximum\nUSD,1.00\n")
    world.planned("currency,maximum\nEUR,1.00\n")

    screen = at("eva", "records", records_of="Execution", records_find=seen.number.lower())
    assert "1 row, newest first" in shown(screen)
    assert screen.text_input(key="records_find").placeholder == "Number, Title, Input name"
    assert "Nothing matches" in shown(at("eva", "records", records_of="Execution", records_find="zanzibar"))


def test_a_table_in_which_nothing_is_searched_has_no_search(at):
    screen = at("eva", "records", records_of="Membership")

    assert [field.key for field in screen.text_input] == []


def test_older_rows_are_a_link_away_and_another_search_begins_anew(world, at):
    met(world, *(f"Company {number}" for number in range(51)))
    screen = at("eva", "records", records_of="Party")
    way = next(element.value for element in screen.html if "Older →" in element.value)
    older = way.partition("records_older=")[2].partition("&")[0].partition('"')[0]

    there = at("eva", "records", records_of="Party", records_older=older)
    assert table(screen, "Party").count("<tr>") == 51
    assert table(there, "Party").count("<tr>") < 51
    assert "Older →" not in shown(there)

    there.text_input(key="records_find").set_value("Company 50").run()
    assert "1 row, newest first" in shown(there)
    assert f"{BULLETS} y50" in table(there, "Party")


def test_minor_units_without_a_currency_beside_them_are_a_plain_number():
    row = {"fee_minor": 1_250, "paid": True}

    assert [records._cell(name, row, {}, Format()) for name in row] == ["1,250", "Yes"]
