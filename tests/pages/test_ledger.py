"""The ledger page: what a payout did to the books, from the trial balance to its entry and back to its document."""

import re
from datetime import date, timedelta

import pytest

from finops_core import ledger, reference
from finops_core.kernel.money import Money
from finops_core.ledger import EntryFilter, Terms
from finops_core.payouts import PayoutView
from tests.pages.conftest import shown
from tests.payouts.walks import rows_of


@pytest.fixture(scope="module")
def paid(world) -> PayoutView:
    """One payout of 100.00 USD on its way, and one of 7.00 CHF of a wallet's holder, a day earlier."""
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_lumen", "CHF")
        yesterday = Terms(effective_on=reference.today(work) - timedelta(days=1), reason="for invoice 77")
        ledger.deposit(work, wallet, Money(1_000, "CHF"), yesterday)
        ledger.withdraw(work, wallet, Money(300, "CHF"), Terms())
    (row,) = rows_of(world, seen.id)
    return row


def cells(told: str, label: str) -> list[str]:
    """What stands in the cells with a label, without markup."""
    found = re.findall(rf'data-label="{label}"[^>]*>(.*?)</td>', told)
    return [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in found]


def test_without_entries_the_page_says_what_will_come(at):
    assert "Nothing was booked yet" in shown(at("carla", "ledger"))
    assert "Nothing was booked yet" in shown(at("carla", "ledger", ledger_view="Entries"))


def test_the_trial_balance_names_sides_and_adds_up_in_each_currency(paid, at):
    told = shown(at("carla", "ledger"))

    assert "Trial balance in USD" in told
    sides = zip(cells(told, "Debit"), cells(told, "Credit"), strict=True)
    lines = dict(zip(cells(told, "Line of the chart"), sides, strict=True))
    assert lines["1020 Cash at payment providers"] == ("", "100.00 USD")
    assert lines["1030 Payouts in transit"] == ("100.00 USD", "")
    assert lines["2010 Wallets"] == ("", "7.00 CHF")
    assert lines["1090 Money outside"] == ("7.00 CHF", "")
    assert (lines["USD together"], lines["CHF together"]) == (("100.00 USD",) * 2, ("7.00 CHF",) * 2)


def test_as_of_a_day_only_what_counts_for_it_is_added_up(world, paid, at):
    with world.desk.read(world.actor("carla")) as reading:
        yesterday: date = reference.today(reading) - timedelta(days=1)

    told = shown(at("carla", "ledger", day=yesterday.isoformat()))

    assert f"as of the end of {yesterday.isoformat()}" in told
    assert "10.00 CHF" in told
    assert "7.00 CHF" not in told
    assert "100.00 USD" not in told


def test_an_entry_leads_to_its_payout_and_the_payout_to_its_entry(world, paid, at):
    listed = shown(at("carla", "ledger", ledger_view="Entries", source=paid.id))
    with world.desk.read(world.actor("carla")) as reading:
        (entry,) = ledger.entries(reading, EntryFilter(source_id=paid.id))

    assert cells(listed, "Amount") == ["100.00 USD"]
    assert cells(listed, "Accounts") == ["debit 1030 Payouts in transit credit 1020 Cash at payment providers"]
    assert f"payout={paid.id}" in listed
    told = shown(at("carla", "ledger", entry=entry.id))
    assert entry.id in told
    assert f"payout={paid.id}" in told
    assert "the desk" in told
    assert f"source={paid.id}" in shown(at("carla", "payouts", payout=paid.id))


def test_an_account_shows_its_running_balance_and_its_holder(world, paid, at):
    with world.desk.read(world.actor("carla")) as reading:
        (account,) = ledger.accounts(reading, "2010", "CHF")

    told = shown(at("carla", "ledger", account=account.id))

    assert cells(told, "Balance") == ["7.00 CHF credit", "10.00 CHF credit"]
    assert "for invoice 77" in told
    assert "party_lumen" in told
    of_line = shown(at("carla", "ledger", line="2010", currency="CHF"))
    assert f"account={account.id}" in of_line


def test_what_is_older_is_one_link_away_and_nothing_is_left_out_or_shown_twice(world, paid, at, monkeypatch):
    with world.desk.read(world.actor("carla")) as reading:
        (account,) = ledger.accounts(reading, "2010", "CHF")
        every = ledger.entries(reading)
        pages = [ledger.entries(reading, limit=1)]
        while pages[-1]:
            pages.append(ledger.entries(reading, limit=1, before=pages[-1][0].id))
        newest = ledger.statement(reading, account.id, limit=1)
        oldest = ledger.statement(reading, account.id, limit=1, before=newest.older)

    assert [row for page in pages for row in page] == list(every)
    assert [line.balance.minor for line in (*newest.lines, *oldest.lines)] == [700, 1_000]
    assert (bool(newest.older), oldest.older) == (True, "")


@pytest.mark.parametrize("query", [{"entry": "je_nothing"}, {"account": "acc_nothing"}])
def test_what_is_not_there_says_so(at, query):
    told = shown(at("carla", "ledger", **query))

    assert "There is no such" in told


def test_a_line_that_is_none_says_so(at):
    assert "There is no such account" in shown(at("carla", "ledger", line="9999", currency="USD"))


def test_whoever_may_not_see_the_books_is_told_so_and_gets_no_link_to_them(paid, at):
    assert "Not part of your role" in shown(at("ben", "ledger"))


def test_another_filter_starts_at_the_newest_entry(world, paid, at):
    with world.desk.read(world.actor("carla")) as reading:
        oldest = ledger.entries(reading)[-1]
    screen = at("carla", "ledger", ledger_view="Entries", older=oldest.id)
    assert "100.00 USD" not in shown(screen)

    next(box for box in screen.selectbox if box.label == "Kind").select("JOURNAL").run()

    assert "100.00 USD" in shown(screen)


def test_entries_are_called_by_their_numbers_once_they_have_them(world, paid, at):
    # Given entries that have none yet
    wanted = EntryFilter(source_id=paid.id)
    with world.desk.read(world.actor("carla")) as reading:
        (entry,) = ledger.entries(reading, wanted)
        account = entry.postings[0].account.id
    early = shown(at("carla", "ledger", entry=entry.id))

    # When they are numbered
    world.run_job("ledger.number")
    with world.desk.read(world.actor("carla")) as reading:
        number = ledger.entry(reading, entry.id).number

    # Then lists, statements, the entry's own page and the search call it so, and its id is still told
    assert entry.id in early
    assert number not in early
    assert number in "".join(cells(shown(at("carla", "ledger", ledger_view="Entries")), "Entry"))
    assert number in "".join(cells(shown(at("carla", "ledger", account=account)), "Entry"))
    for name in (entry.id, number):
        told = shown(at("carla", "ledger", entry=name))
        assert number in told
        assert entry.id in told
    assert number in "".join(cells(shown(at("carla", "search", q=number)), "Entry"))
    assert "Nothing matches" in shown(at("ben", "search", q=number))


def test_an_entry_that_undoes_another_names_both_by_their_numbers(world, paid, at):
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_undone", "USD")
        entry = ledger.deposit(work, wallet, Money(500, "USD"))
    with world.desk.work(world.actor("carla")) as work:
        undone = ledger.reverse(work, entry.id, Terms(reason="twice"))
    world.run_job("ledger.number")
    with world.desk.read(world.actor("carla")) as reading:
        numbers = ledger.numbers(reading, [entry.id, undone.id])

    assert numbers[undone.id] in shown(at("carla", "ledger", entry=entry.id))
    assert numbers[entry.id] in shown(at("carla", "ledger", entry=undone.id))
