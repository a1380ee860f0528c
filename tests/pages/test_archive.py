"""The figures on the ledger's pages are those of an archive of random entries, added up in plain Python."""

import re
from collections import Counter

import pytest

from finops_core import security
from finops_core.kernel.actor import system_actor
from finops_core.ledger import PAGE
from tests.ledger.archive import CURRENCIES, Account, Archive, Kept, filled
from tests.pages.conftest import shown
from tests.world import World

SEED, ENTRIES = 5, 60


@pytest.fixture(scope="module")
def archive(world: World) -> Archive:
    """Booked by Carla, who may post here as well, at rates that Adam noted: nobody exchanges at a rate of their own."""
    carla, adam = world.actor("carla"), world.actor("adam")
    with world.desk.work(system_actor(carla.org_id)) as work:
        security.grant_role(work, carla.id, "preparer", carla.org_id)
        security.grant_role(work, adam.id, "controller", carla.org_id)
    return filled(world.desk.work, (carla, adam), SEED, ENTRIES)


def told(minor: int, currency: str) -> str:
    """An amount as the pages write it, put together by hand."""
    return f"{minor // 100:,}.{minor % 100:02} {currency}"


def cells(text: str, label: str, table: str = "") -> list[str]:
    """What stands in the cells with a label, without markup; of one table by its caption."""
    found = re.findall(r"<table.*?</table>", text, re.DOTALL)
    mine = "".join(each for each in found if table in each)
    rows = re.findall(rf'data-label="{label}"[^>]*>(.*?)</td>', mine, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in rows]


@pytest.mark.parametrize("back", [None, 3, 11])
def test_the_trial_balance_and_both_its_sums(archive: Archive, at, back: int | None):
    day = None if back is None else sorted({each.day for each in archive.kept})[-1 - back]
    kept = [each for each in archive.kept if day is None or each.day <= day]
    text = shown(at("eva", "ledger", **({"day": day.isoformat()} if day else {})))
    for currency in CURRENCIES:
        sums: Counter[str] = Counter()
        for each in kept:
            sums[each.account.code] += each.minor * (each.account.currency == currency)
        codes = sorted({each.account.code for each in kept if each.account.currency == currency})
        debits = [told(-sums[code], currency) if sums[code] < 0 else "" for code in codes]
        credits_ = [told(sums[code], currency) if sums[code] >= 0 else "" for code in codes]
        both = told(sum(max(minor, 0) for minor in sums.values()), currency)
        title = f"Trial balance in {currency}"
        assert cells(text, "Debit", title) == [*debits, both]
        assert cells(text, "Credit", title) == [*credits_, both]


def test_wallets_with_what_is_held(archive: Archive, at):
    text = shown(at("eva", "ledger", ledger_view="Wallets"))
    wallets = sorted(archive.ids, key=lambda wallet: archive.ids[wallet])
    aside = [archive.holds(Account("2020", each.currency, each.party, "escrow")) for each in wallets]

    assert cells(text, "Balance", "Wallets") == [told(archive.holds(each), each.currency) for each in wallets]
    assert cells(text, "Held", "Wallets") == [
        told(minor, each.currency) if minor else "" for each, minor in zip(wallets, aside, strict=True)
    ]


def test_a_wallets_page_with_its_statement(archive: Archive, at):
    wallet = max(archive.ids, key=lambda each: sum(kept.account == each for kept in archive.kept))
    mine = sorted((each for each in archive.kept if each.account == wallet), key=_in_the_books)
    balances = [sum(each.minor for each in mine[: place + 1]) for place in range(len(mine))]
    text = shown(at("eva", "ledger", account=archive.ids[wallet]))
    newest = list(reversed(list(zip(mine, balances, strict=True))))[:PAGE]

    money = wallet.currency
    assert cells(text, "Balance", "Statement") == [_with_side(balance, money) for _, balance in newest]
    assert cells(text, "Debit", "Statement") == [
        told(-each.minor, money) if each.minor < 0 else "" for each, _ in newest
    ]
    assert cells(text, "Credit", "Statement") == [
        told(each.minor, money) if each.minor > 0 else "" for each, _ in newest
    ]
    assert cells(text, "Day", "Statement") == [each.day.isoformat() for each, _ in newest]


def _with_side(minor: int, currency: str) -> str:
    side = "" if not minor else " debit" if minor < 0 else " credit"
    return told(abs(minor), currency) + side


def _in_the_books(each: Kept) -> tuple[str, str, int]:
    return each.day.isoformat(), each.entry, each.line


def test_what_happened_lately_by_kind(archive: Archive, at):
    text = shown(at("eva", "ledger", ledger_view="Activity", period="30 days"))
    volume: Counter[tuple[str, str]] = Counter()
    entries: dict[tuple[str, str], set[str]] = {}
    for each in archive.kept:
        kind = each.type.value, each.account.currency
        volume[kind] += max(each.minor, 0)
        entries.setdefault(kind, set()).add(each.entry)
    kinds = sorted(volume)

    title = "Entries by kind"
    assert cells(text, "Kind", title) == [kind.replace("_", " ").capitalize() for kind, _ in kinds]
    assert cells(text, "Volume", title) == [told(volume[kind], kind[1]) for kind in kinds]
    assert cells(text, "Entries", title) == [str(len(entries[kind])) for kind in kinds]


def test_every_entry_that_is_listed_with_its_amount(archive: Archive, at):
    newest = sorted({each.entry for each in archive.kept}, reverse=True)[:PAGE]
    text = shown(at("eva", "ledger", ledger_view="Entries"))
    amounts = cells(text, "Amount", "Entries")

    assert len(amounts) == len(newest)
    for entry, amount in zip(newest, amounts, strict=True):
        theirs = [each for each in archive.kept if each.entry == entry]
        for currency in {each.account.currency for each in theirs}:
            credited = sum(max(each.minor, 0) for each in theirs if each.account.currency == currency)
            assert told(credited, currency) in amount, entry
