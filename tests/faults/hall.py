"""A ledger that processes write to and are ended at, and what is looked for in it afterwards."""

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import select

from finops_core import ledger, reference
from finops_core.kernel.actor import Actor
from finops_core.kernel.money import Money
from finops_core.ledger import numbering
from finops_core.ledger.checks import CHECKS
from finops_core.ledger.models import ledger_account, ledger_journal, ledger_posting
from tests.desks import AreaDesk, area_desk, person_actor
from tests.faults import ledger_writer
from tests.faults.ledger_writer import PLAIN, Desktop, Note, asked
from tests.processes import until

WALLETS, EACH = 4, 1_000
PATIENCE_S = 120.0
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.faults.ledger_writer"])


@dataclass(frozen=True, slots=True)
class Leg:
    """A posting; ``version`` and ``after`` are None of an account that keeps no balance."""

    entry: str
    account: str
    purpose: str
    minor: int
    currency: str
    version: int | None
    after: int | None


@dataclass
class Hall:
    """A ledger with wallets in two currencies, and the processes that write to it."""

    desk: AreaDesk
    clerk: Actor
    wanted: Desktop

    @contextmanager
    def writer(self, seed: int, most: int = 10**9, **given: bool) -> Iterator[ForkServerProcess]:
        """A writer, ended with the block if it still writes."""
        process = FORKS.Process(target=ledger_writer.write, args=(self.wanted, seed, most), kwargs=given)
        process.start()
        try:
            yield process
        finally:
            process.kill()
            process.join(PATIENCE_S)

    @contextmanager
    def writers(self, many: int, most: int = 10**9, **given: bool) -> Iterator[list[ForkServerProcess]]:
        """Several, with the seeds 1 and on."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.writer(seed + 1, most, **given)) for seed in range(many)]

    def notes(self) -> list[Note]:
        return ledger_writer.notes(self.wanted.notes)

    def until_answered(self, more: int = 1) -> None:
        """Wait until some more is booked."""
        before = self._booked()
        until(lambda: self._booked() >= before + more, PATIENCE_S, "somebody wrote")

    def _booked(self) -> int:
        # Counted, not read: it is asked for over and over beside the writers.
        return sum(path.read_bytes().count(b" je_") for path in Path(self.wanted.notes).glob("*.notes"))

    def until_failing(self, writers: int, *told: str) -> None:
        """Wait until each writer's newest note is that the database gave no answer; one of these words, if given."""

        def all_fail() -> bool:
            newest = {note.key.partition("-")[0]: note for note in self.notes()}.values()
            failing = [note for note in newest if not note.answered and note.told in (told or {note.told})]
            return len(failing) == len(newest) >= writers

        until(all_fail, PATIENCE_S, "nobody is answered")

    def checks(self) -> dict[str, list[str]]:
        numbering.number_entries(self.desk.units, None)  # as the worker would, within a minute
        with self.desk.read(self.clerk) as reading:
            return {check.id: told for check in CHECKS if (told := check.find(reading))}

    def entries(self) -> dict[str, str]:
        """Entry -> its key."""
        with self.desk.read(self.clerk) as reading:
            table = ledger_journal
            rows = reading.rows(select(table.c.id, table.c.key).where(table.c.org_id == reading.org_id))
        return {row.id: row.key for row in rows}

    def legs(self) -> list[Leg]:
        """Every posting, entry by entry."""
        table, account = ledger_posting, ledger_account
        with self.desk.read(self.clerk) as reading:
            rows = reading.rows(
                select(table, account.c.purpose)
                .join(account, (account.c.org_id == table.c.org_id) & (account.c.id == table.c.account_id))
                .where(table.c.org_id == reading.org_id)
                .order_by(table.c.journal_id, table.c.line)
            )
        return [
            Leg(
                *(row.journal_id, row.account_id, row.purpose, row.amount_minor, row.currency),
                *(row.account_version, row.balance_after_minor),
            )
            for row in rows
        ]

    def wrong(self) -> dict[str, list[str]]:
        """Everything that is not as it must be: what the desk's own checks find, and what was answered shows."""
        notes, entries, legs = self.notes(), self.entries(), self.legs()
        found = {
            **self.checks(),
            "lost": lost(notes, entries),
            "booked twice": [key for key, many in Counter(filter(None, entries.values())).items() if many > 1],
            "half": half(entries, legs),
            "not as asked": not_as_asked(self.wanted, entries, legs),
            "versions": gaps(legs),
            "out of order": out_of_order(notes, legs),
            "stale": stale(notes, legs),
            "drifted": [note.told for note in notes if note.verb == "reconcile" and note.told.endswith(":1")],
        }
        return {name: told for name, told in found.items() if told}


def booked(notes: Sequence[Note]) -> int:
    return sum(note.entry for note in notes)


def lost(notes: Sequence[Note], entries: Mapping[str, str]) -> list[str]:
    """Entries that were acknowledged, and are not there under their key."""
    return [f"{note.told} of {note.key}" for note in notes if note.entry and entries.get(note.told) != note.key]


def half(entries: Mapping[str, str], legs: Sequence[Leg]) -> list[str]:
    """Entries of fewer than two postings or that are out of balance, and postings without an entry."""
    sums: dict[tuple[str, str], list[int]] = {}
    for leg in legs:
        sums.setdefault((leg.entry, leg.currency), []).append(leg.minor)
    uneven = {entry for (entry, _), minors in sums.items() if sum(minors) or len(minors) < 2}
    whole = {entry for entry, _ in sums}
    return sorted(uneven | (whole ^ set(entries)))


def not_as_asked(desk: Desktop, entries: Mapping[str, str], legs: Sequence[Leg]) -> list[str]:
    """Entries that do to wallets, or to what is set aside, something else than their key asked for."""
    did: dict[str, Counter[tuple[str, str]]] = {}
    for leg in legs:
        if leg.purpose in ("wallet", "escrow"):
            name = leg.account if leg.purpose == "wallet" else ""
            did.setdefault(leg.entry, Counter())[leg.purpose, name] += leg.minor
    found = []
    for entry, key in entries.items():
        wanted = asked(desk, key)
        if not key or wanted.verb not in PLAIN:
            continue
        if did.get(entry) != _moves(wanted.verb, wanted.wallet, wanted.other, wanted.amount.minor):
            found.append(f"{entry} of {key}: {did.get(entry)}, asked for {wanted}")
    return found


def _moves(verb: str, wallet: str, other: str, minor: int) -> Counter[tuple[str, str]]:
    mine, theirs, aside = ("wallet", wallet), ("wallet", other), ("escrow", "")
    return Counter(
        {
            "transfer": {mine: -minor, theirs: minor},
            "hold": {mine: -minor, aside: minor},
            "release": {aside: -minor, theirs: minor},
            "deposit": {mine: minor},
        }.get(verb, {mine: -minor})
    )


def gaps(legs: Sequence[Leg]) -> list[str]:
    """Accounts whose versions do not count their postings from 1 on: an update of one was lost."""
    versions: dict[str, list[int]] = {}
    for leg in legs:
        if leg.version is not None:
            versions.setdefault(leg.account, []).append(leg.version)
    return [account for account, told in versions.items() if sorted(told) != list(range(1, len(told) + 1))]


def out_of_order(notes: Sequence[Note], legs: Sequence[Leg]) -> list[str]:
    """Entries that an account has before one that had been answered when they were asked for."""
    found = []
    for account, spans in _spans(notes, legs).items():
        latest = 0
        for version, begun, ended in sorted(spans):
            if ended < latest:
                found.append(f"{account} at its posting {version}")
            latest = max(latest, begun)
    return found


def stale(notes: Sequence[Note], legs: Sequence[Leg]) -> list[str]:
    """Looks at a wallet that showed what it had held before an entry already answered, or what it never held."""
    after = {(leg.account, leg.version): leg.after for leg in legs if leg.version is not None}
    last = Counter(leg.account for leg in legs if leg.version is not None)
    spans, found = _spans(notes, legs), []
    for note in notes:
        if note.verb != "look" or not note.answered:
            continue
        account, _, minor = note.told.partition("=")
        mine = spans.get(account, [])
        first = max((version for version, _, ended in mine if ended < note.begun), default=0)
        until_ = min((version for version, begun, _ in mine if begun > note.ended), default=last[account] + 1)
        if int(minor) not in {after.get((account, version), 0) for version in range(first, until_)}:
            found.append(f"{note.key}: {note.told}, from posting {first} to {until_ - 1}")
    return found


def overtaken(notes: Sequence[Note], legs: Sequence[Leg], account: str) -> int:
    """The most entries of an account that were booked while one that was asked for earlier waited for its turn."""
    spans = _spans(notes, legs)[account]
    return max(
        (sum(b > begun and v < version for v, b, _ in spans) for version, begun, _ in spans),
        default=0,
    )


def _spans(notes: Sequence[Note], legs: Sequence[Leg]) -> dict[str, list[tuple[int, int, int]]]:
    """Account -> (version, begun, ended) of each answered entry; of one told again its beginning is not known."""
    told: dict[str, Note] = {}
    for note in notes:
        if note.entry:
            told.setdefault(note.told, note)
    spans: dict[str, list[tuple[int, int, int]]] = {}
    for leg in legs:
        if leg.version is not None and (note := told.get(leg.entry)):
            spans.setdefault(leg.account, []).append((leg.version, 0 if note.repeated else note.begun, note.ended))
    return spans


@contextmanager
def open_hall(folder: Path, url: str) -> Iterator[Hall]:
    """A hall on a fresh database, with money in each wallet and a rate noted."""
    desk = area_desk(folder, url)
    clerk = person_actor("person_clerk", desk.org())
    notes = folder / "notes"
    notes.mkdir()
    with desk.work(replace(clerk, id="person_rater")) as work:
        reference.note_rate(work, "EUR", "USD", "1.1", reference.today(work))
    with desk.work(clerk) as work:
        dollars = tuple(ledger.open_wallet(work, f"party_{number}", "USD") for number in range(WALLETS))
        euros = tuple(ledger.open_wallet(work, f"party_{number}", "EUR") for number in range(2))
        for wallet in dollars:
            ledger.deposit(work, wallet, Money(EACH, "USD"))
        for wallet in euros:
            ledger.deposit(work, wallet, Money(EACH, "EUR"))
    try:
        yield Hall(desk, clerk, Desktop(str(folder), url, clerk.org_id, dollars, euros, str(notes)))
    finally:
        desk.units.database.close()
