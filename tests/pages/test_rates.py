"""Rates on the ledger page: noted, taken in from a file, used by an exchange whose entry says what it is worth."""

import pytest

from finops_core import ledger, reference
from finops_core.kernel.money import Money
from tests.pages.conftest import press, shown
from tests.world import World

FILE = b"Date, USD, JPY, \n20 November 2026, 1.0543, 163.20, \n"


def type_in(screen, **texts: str) -> None:
    for key, text in texts.items():
        next(field for field in screen.text_input if field.key == key).input(text)


def test_with_none_the_page_says_where_rates_come_from(world, at):
    told = shown(at("eva", "ledger", ledger_view="Rates"))

    assert "No rate is stored" in told
    assert "European Central Bank" in told
    evas = {button.label for button in at("eva", "ledger", ledger_view="Rates").button}
    assert evas.isdisjoint({"Take in a file", "Note a rate"})


def test_a_rate_is_noted_with_what_is_wrong_in_its_place(world, at):
    screen = at("carla", "ledger", ledger_view="Rates", do="note")
    type_in(screen, rate_one="usd", rate_costs="1,05", rate_other="egp")
    assert "is not a rate" in shown(press(screen, "Note it"))

    type_in(screen, rate_costs="47.85")
    press(screen, "Note it")

    told = shown(at("eva", "ledger", ledger_view="Rates"))
    assert "47.85 EGP" in told
    assert "Typed" in told
    assert "Carla" in told


def test_a_file_is_taken_in_and_said_to_be(world, at):
    screen = at("carla", "ledger", ledger_view="Rates", do="file")
    assert "Choose the file of rates first" in shown(press(screen, "Take it in"))
    screen.file_uploader(key="rate_file").upload("eurofxref.csv", FILE, "text/csv")
    done = press(screen, "Take it in")

    assert "2 rates of 2026-11-20 are new" in done.toast[0].value
    assert "163.20 JPY" in shown(at("dan", "ledger", ledger_view="Rates"))


@pytest.fixture
def purses(world: World) -> tuple[str, str]:
    with world.desk.work(world.actor("carla")) as work:
        reference.note_rate(work, "USD", "EUR", "0.95", reference.today(work))
    with world.desk.work(world.actor("ana")) as work:
        dollars, euros = (ledger.open_wallet(work, "party_lumen", currency) for currency in ("USD", "EUR"))
        ledger.deposit(work, dollars, Money(10_000, "USD"))
    return dollars, euros


def test_money_is_exchanged_on_a_wallets_page_and_the_entry_says_what_each_side_is_worth(world, at, purses):
    dollars, euros = purses
    screen = at("ana", "ledger", account=dollars, do="move")
    kind = next(field for field in screen.selectbox if field.key == "act_kind")
    screen = kind.select(ledger.EntryType.EXCHANGE).run()
    assert "stored rate" in shown(screen)
    type_in(screen, act_amount="20.00")
    next(field for field in screen.selectbox if field.key == "act_other").set_value(euros)
    press(screen, "Book it")

    with world.desk.read(world.actor("ana")) as reading:
        assert ledger.balance(reading, euros) == Money(1_900, "EUR")
        [entry] = ledger.entries(reading, ledger.EntryFilter(type="EXCHANGE"))
    told = shown(at("eva", "ledger", entry=entry.id))
    assert "Worth" in told
    assert "19.00 EUR" in told
    # Harbour counts in dollars: 19.00 / 0.95.
    assert told.count("20.00 USD") >= 4
