"""Exchange rates: the cases."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from finops_core import ledger, reference
from finops_core.answers import ledger as told
from finops_core.answers.rates import RateAnswer, RatesTakenAnswer
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from tests.surfaces.books import ONE, shown
from tests.surfaces.places import Ids, Place, nothing
from tests.surfaces.ways import Case

FILE = "Date, USD, JPY, \n20 November 2026, 1.0543, 163.20, \n"
NOTED = ("currency", "quote", "on_day", "rate", "source")
EGP = {"currency": "USD", "quote": "EGP", "rate": "47.85"}


def stored(place: Place) -> Ids:
    """A rate of today's from the dollar to the euro."""
    world = place.office.world
    with world.desk.work(world.actor("carla")) as work:
        today = reference.today(work)
        reference.note_rate(work, "USD", "EUR", "0.95", today)
    return {"day": today.isoformat()}


def two_wallets(place: Place) -> Ids:
    """Somebody's dollars, and a wallet for euros."""
    ids, world = stored(place), place.office.world
    with world.desk.work(world.actor("ana")) as work:
        one, two = (ledger.open_wallet(work, new_id("party"), currency) for currency in ("USD", "EUR"))
        ledger.deposit(work, one, Money(1_000, "USD"))
    return {**ids, "wallet": one, "euro": two}


def a_file(place: Place) -> Ids:
    path = place.office.world.desk.settings.data_dir / f"{new_id('rates')}.csv"
    path.write_text(FILE)
    return {"path": str(path)}


def items(rows: Any) -> Any:
    return {"items": [shown(RateAnswer.of(row)) for row in rows]}


def noted(work: Any, _: Ids) -> Any:
    reference.note_rate(work, "USD", "EGP", "47.85", reference.today(work))
    return items(reference.rates(work))


CASES: Mapping[str, Case] = {
    "rates of a day": Case(
        "eva",
        stored,
        lambda r, i: items(reference.rates(r, date.fromisoformat(i["day"]))),
        ("GET", "/rates?day={day}", None),
        "rates --day {day}",
        writes=False,
    ),
    "rates without the right": Case(
        "ben",
        nothing,
        lambda r, _: reference.rates(r),
        ("GET", "/rates", None),
        "rates",
        code="NOT_ALLOWED",
        writes=False,
    ),
    "note a rate": Case("carla", nothing, noted, ("POST", "/rates", EGP), "note-rate USD EGP 47.85", keys=("items",)),
    "note a rate without the right": Case(
        "ana",
        nothing,
        lambda w, _: reference.note_rate(w, "USD", "EGP", "47.85", reference.today(w)),
        ("POST", "/rates", EGP),
        "note-rate USD EGP 47.85",
        code="NOT_ALLOWED",
    ),
    "note what is no rate": Case(
        "carla",
        nothing,
        lambda w, _: reference.note_rate(w, "USD", "EGP", "1e3", reference.today(w)),
        ("POST", "/rates", {**EGP, "rate": "1e3"}),
        "note-rate USD EGP 1e3",
        code="RATE_BAD",
    ),
    "take in a file of rates": Case(
        "carla",
        a_file,
        lambda w, _: shown(RatesTakenAnswer.of(reference.take_in_rates(w, FILE.encode()))),
        ("POST", "/rates/file", {"content": FILE}),
        "take-in-rates {path}",
        keys=("first_day", "last_day"),
    ),
    "exchange": Case(
        "ana",
        two_wallets,
        lambda w, i: shown(told.posted(ledger.exchange(w, i["wallet"], i["euro"], ONE))),
        (
            "POST",
            "/ledger/wallets/{wallet}/operations",
            {"type": "EXCHANGE", "amount": "1.00", "currency": "USD", "to_wallet": "{euro}"},
        ),
        "move EXCHANGE {wallet} 1.00 USD --to {euro}",
        keys=("effective_on", "repeated"),
    ),
}
