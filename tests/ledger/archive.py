"""Random entries of every type, written through the ledger and, line by line, into a list: what it must add up to.

The list is made from what was asked for alone: no query of the product, and no sum of its database, is used in it.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from random import Random  # noqa: TID251 - seeded: the same entries in every run
from typing import NamedTuple

from finops_core import ledger, reference
from finops_core.kernel.actor import Actor
from finops_core.kernel.money import Money
from finops_core.ledger import EntryType, Posted, Terms, booking, chart
from finops_core.ledger.rules import Dimensions, Entry, Line
from finops_core.platform.work import Work

HOLDERS, CURRENCIES, BASE = ("ann", "bob", "cid"), ("USD", "EUR"), "USD"
DAYS_BACK = 20
LEAST, MOST = 2, 900
RATES = ("1.02", "1.0905", "1.1543", "0.97")
DEPARTMENTS = ("", "sales", "support")
TYPES = tuple(EntryType)


class Account(NamedTuple):
    """Names an account by what it is."""

    code: str
    currency: str
    party: str = ""
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """One posting: of which entry, its place in it, and what it does; ``worth`` in the base currency."""

    entry: str
    line: int
    type: EntryType
    account: Account
    minor: int
    worth: int
    day: date
    booked_at: datetime
    department: str
    source: str
    reverses: str


@dataclass
class Archive:
    """What was written. ``ids``: the accounts' ids as the desk gave them."""

    work: Callable[[], AbstractContextManager[Work]]
    rater: Callable[[], AbstractContextManager[Work]]
    chance: Random
    kept: list[Kept] = field(default_factory=list)
    ids: dict[Account, str] = field(default_factory=dict)
    rates: dict[date, Fraction] = field(default_factory=dict)

    def begin(self) -> None:
        """Wallets of each holder in each currency, with money in them, and rates of the days before."""
        with self.work() as work:
            today = reference.today(work)
            for holder in HOLDERS:
                for currency in CURRENCIES:
                    self.ids[_wallet(holder, currency)] = ledger.open_wallet(work, f"party_{holder}", currency)
        for back in range(DAYS_BACK, -1, -1):
            self.note_rate(today - timedelta(days=back))
        for account in list(self.ids):
            self._write(EntryType.DEPOSIT, account, 5_000)

    def note_rate(self, day: date) -> None:
        """What a euro costs from that day on."""
        if day in self.rates:
            return
        rate = self.chance.choice(RATES)
        with self.rater() as work:
            reference.note_rate(work, "EUR", BASE, rate, day)
        self.rates[day] = Fraction(rate)

    def add(self) -> None:
        """One more entry of a type that can be: whoever has nothing gives nothing."""
        account = _wallet(self.chance.choice(HOLDERS), self.chance.choice(CURRENCIES))
        type_ = self.chance.choice(TYPES)
        has = self.holds(_aside(account) if type_ is EntryType.ESCROW_RELEASE else account)
        if type_ is EntryType.REVERSAL:
            self._reverse()
        elif type_ is EntryType.DEPOSIT or has >= LEAST:
            self._write(type_, account, self.chance.randint(LEAST, min(max(has, LEAST), MOST)))

    def holds(self, account: Account) -> int:
        return sum(each.minor for each in self.kept if each.account == account)

    def of(self, kept: Iterable[Kept] | None = None) -> dict[Account, int]:
        """Account -> the sum of its postings."""
        sums: Counter[Account] = Counter()
        for each in self.kept if kept is None else kept:
            sums[each.account] += each.minor
        return {account: sums[account] for account in {each.account for each in (kept or self.kept)}}

    def _write(self, type_: EntryType, account: Account, minor: int) -> None:
        day = None
        with self.work() as work:
            today, now = reference.today(work), work.now
            if type_ is not EntryType.EXCHANGE and self.chance.random() < 1 / 2:
                day = today - timedelta(days=self.chance.randint(0, DAYS_BACK))
            to = self._other(type_, account)
            source = ("order", f"or_{self.chance.randint(1, 9)}") if self.chance.random() < 1 / 3 else ("", "")
            department = self.chance.choice(DEPARTMENTS) if type_ is EntryType.JOURNAL else ""
            lines = self._lines(type_, account, to, minor, day or today)
            terms = Terms(reason="for the archive", effective_on=day, source=source)
            amount = Money(minor if type_ is not EntryType.ADJUSTMENT else lines[-1][1], account.currency)
            if type_ is EntryType.JOURNAL:
                posted = self._journal(work, lines, terms, department)
            else:
                posted = ledger.operate(work, type_, self.ids[account], amount, terms, self.ids[to] if to else "")
        facts = day or today, now, department, source[1], ""
        self._keep(posted.id, type_, [(*line, self._worth(*line, day or today)) for line in lines], facts)

    def _other(self, type_: EntryType, account: Account) -> Account | None:
        others = [_wallet(name, account.currency) for name in HOLDERS if f"party_{name}" != account.party]
        match type_:
            case EntryType.TRANSFER:
                return self.chance.choice(others)
            case EntryType.REFUND | EntryType.ESCROW_RELEASE:
                return self.chance.choice([None, *others])
            case EntryType.EXCHANGE:
                return _wallet(self.chance.choice(HOLDERS), "EUR" if account.currency == "USD" else "USD")
        return None

    def _lines(
        self, type_: EntryType, wallet: Account, to: Account | None, minor: int, day: date
    ) -> list[tuple[Account, int]]:
        """What each type does, said once more."""
        currency = wallet.currency

        def own(code: str, of: str = currency) -> Account:
            return Account(code, of)

        by = self.chance.choice((minor, -minor))
        plain = {
            EntryType.DEPOSIT: [(own("1090"), -minor), (wallet, minor)],
            EntryType.WITHDRAWAL: [(wallet, -minor), (own("1090"), minor)],
            EntryType.PAYOUT: [(wallet, -minor), (own("1030"), minor)],
            EntryType.FEE: [(wallet, -minor), (own("4010"), minor)],
            EntryType.REFUND: [(wallet, -minor), (to or own("1090"), minor)],
            EntryType.TRANSFER: [(wallet, -minor), (to or wallet, minor)],
            EntryType.ESCROW_HOLD: [(wallet, -minor), (_aside(wallet), minor)],
            EntryType.ESCROW_RELEASE: [(_aside(wallet), -minor), (to or wallet, minor)],
            EntryType.ADJUSTMENT: [(own("2090"), -by), (wallet, by)],
            EntryType.JOURNAL: [(own("5010"), -minor - 1), (own("4010"), 1), (own("1010"), minor)],
        }
        if type_ in plain:
            return plain[type_]
        assert to is not None
        rate = self.rate(day)
        becomes = round(minor * (rate if currency == "EUR" else 1 / rate))
        return [(wallet, -minor), (own("3090"), minor), (own("3090", to.currency), -becomes), (to, becomes)]

    def _journal(self, work: Work, lines: list[tuple[Account, int]], terms: Terms, department: str) -> Posted:
        asked = tuple(
            Line(chart.account(work, account.code, account.currency), Money(minor, account.currency))
            for account, minor in lines
        )
        counted_by = Dimensions(department=department)
        facts = {"effective_on": terms.effective_on, "reason": terms.reason, "source": terms.source}
        return booking.post(work, Entry(EntryType.JOURNAL, asked, **facts, dimensions=counted_by))

    def _reverse(self) -> None:
        undone = {each.reverses for each in self.kept}
        able = [
            each.entry
            for each in self.kept
            if each.entry not in undone
            and each.type is not EntryType.REVERSAL
            and not (each.type is EntryType.JOURNAL and each.source)
        ]
        entry = self.chance.choice(able)
        theirs = [each for each in self.kept if each.entry == entry]
        if any(each.minor > 0 and each.account.party and self.holds(each.account) < each.minor for each in theirs):
            return
        with self.work() as work:
            today, now = reference.today(work), work.now
            posted = ledger.reverse(work, entry, Terms(reason="a mistake"))
        lines = [(each.account, -each.minor, -each.worth) for each in theirs]
        self._keep(posted.id, EntryType.REVERSAL, lines, (today, now, "", "", entry))

    def rate(self, day: date) -> Fraction:
        return self.rates[max(noted for noted in self.rates if noted <= day)]

    def _worth(self, account: Account, minor: int, day: date) -> int:
        return minor if account.currency == BASE else round(minor * self.rate(day))

    def _keep(
        self,
        entry: str,
        type_: EntryType,
        lines: list[tuple[Account, int, int]],
        facts: tuple[date, datetime, str, str, str],
    ) -> None:
        for number, (account, minor, worth) in enumerate(lines, 1):
            self.kept.append(Kept(entry, number, type_, account, minor, worth, *facts))


def filled(
    work: Callable[[Actor], AbstractContextManager[Work]],
    actors: tuple[Actor, Actor],
    seed: int,
    many: int,
    goes_by: Callable[[], object] = lambda: None,
) -> Archive:
    """An archive of so many entries or nearly: those that cannot be are left out. ``actors``: who books, who rates."""
    print(f"archive: seed {seed}")
    archive = Archive(lambda: work(actors[0]), lambda: work(actors[1]), Random(seed))
    archive.begin()
    for _ in range(many):
        goes_by()
        with archive.work() as reading:
            today = reference.today(reading)
        archive.note_rate(today)
        archive.add()
    return archive


def _wallet(holder: str, currency: str) -> Account:
    return Account("2010", currency, f"party_{holder}", "wallet")


def _aside(wallet: Account) -> Account:
    return Account("2020", wallet.currency, wallet.party, "escrow")
