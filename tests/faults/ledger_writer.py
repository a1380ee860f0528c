"""A process that moves money between wallets until it is ended, and notes in a file what was answered to it.

What it asks for under a key follows from the key alone: afterwards each entry can be held against what was asked.
"""

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same moves in every run

from sqlalchemy.exc import DBAPIError

from finops_core import ledger, reference
from finops_core.catalog.listeners import LISTENERS
from finops_core.kernel.actor import Actor, Via
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import ReconcileWidth, reconciling
from finops_core.platform.db import is_away, open_database
from finops_core.platform.queue import Claim
from finops_core.platform.work import UnitFactory, Work
from tests.desks import START, ports_for, settings_for

TRANSFERS = ("transfer",)
EVERYTHING = (
    *("transfer", "transfer", "hold", "hold", "release", "exchange", "exchange", "deposit", "withdraw", "fee"),
    *("reverse", "reconcile", "rate", "look"),
)
# Entries of these can be told from their key; the others depend on what was there.
PLAIN = frozenset({"transfer", "hold", "release", "deposit", "withdraw", "fee"})
RATES = ("1.02", "1.09", "1.1543")
AWAY, NOTHING = "away", "-"
PAUSE_S = 0.05
CAP_DAC_OVERRIDE, LIBC_VERSION_3 = 1, 0x20080522


@dataclass(frozen=True, slots=True)
class Desktop:
    """What writers work on: a database, and wallets in two currencies; ``notes``: the folder of their notes."""

    folder: str
    url: str
    org_id: str
    dollars: tuple[str, ...]
    euros: tuple[str, ...]
    notes: str
    verbs: tuple[str, ...] = EVERYTHING


@dataclass(frozen=True, slots=True)
class Asked:
    """What one number of one writer asks for. ``wallet`` gives, ``other`` is given to."""

    verb: str
    wallet: str
    other: str
    amount: Money
    chance: Random


@dataclass(frozen=True, slots=True)
class Note:
    """One answer. ``told``: the entry, what was seen, or the code of a refusal; the instants are of one clock."""

    key: str
    verb: str
    told: str
    repeated: bool
    begun: int
    ended: int

    @property
    def answered(self) -> bool:
        """Whether the desk answered, and not only that its database did not."""
        return self.told != AWAY and not self.told.startswith("!")

    @property
    def entry(self) -> bool:
        return self.told.startswith("je_")


def asked(desk: Desktop, key: str) -> Asked:
    """What stands behind a key."""
    chance = Random(key)
    verb = chance.choice(desk.verbs)
    one, other = chance.sample(desk.dollars, 2)
    if verb == "exchange":
        one, other = chance.sample((one, chance.choice(desk.euros)), 2)
    currency = "EUR" if one in desk.euros else "USD"
    return Asked(verb, one, other, Money(chance.randint(2, 50), currency), chance)


def notes(folder: str | Path) -> list[Note]:
    """Everything that was answered to every writer."""
    return [note for path in sorted(Path(folder).glob("*.notes")) for note in _noted(path)]


def reconcile(desk: Desktop) -> None:
    """Look at every balance, one a batch, over and over."""
    reconciling.BATCHES[ReconcileWidth.HOURLY] = 1
    units = _units(desk)
    while True:
        with units.work(_person(desk, "clerk")) as work:
            run_id = ledger.ask_to_reconcile(work, "a look")
        reconciling.reconcile_asked(units, Claim("job_1", "", "", {"run": run_id, "org": desk.org_id}, 1, 1))


def write(desk: Desktop, seed: int, most: int = 10**9, *, bound: bool = False) -> None:
    """Ask under the keys ``seed-0`` and on, from where the notes of this seed end; each answer is noted.

    While the database gives none, the same is asked again. ``bound``: files that may not be written are not written,
    even by root.
    """
    if bound:
        respect_rights()
    units = _units(desk)
    path = Path(desk.notes) / f"{seed}.notes"
    before = [note for note in _noted(path) if note.answered] if path.exists() else []
    last = next((note.told for note in reversed(before) if note.entry), "")
    with path.open("a") as book:
        for number in range(len(before), len(before) + most):
            for note in _answers(units, desk, f"{seed}-{number}", last):
                repeated = int(note.repeated)
                book.write(f"{note.key} {note.verb} {note.told} {repeated} {note.begun} {note.ended}\n")
                book.flush()
                with suppress(OSError):  # of a full disk: it is written, and need not outlive the machine
                    os.fsync(book.fileno())
                last = note.told if note.entry else last


def respect_rights() -> None:
    """Give up root's right to write what its permissions forbid; whoever is not root never had it."""

    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = Header(LIBC_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(ctypes.byref(header), sets) == 0
    sets[0] &= ~(1 << CAP_DAC_OVERRIDE)
    assert libc.capset(ctypes.byref(header), sets) == 0


def _units(desk: Desktop) -> UnitFactory:
    settings = settings_for(Path(desk.folder), desk.url)
    ports = ports_for(settings, ManualClock(START))
    return UnitFactory(open_database(settings), ports, LISTENERS, lambda _: frozenset(Permission))


def _noted(path: Path) -> list[Note]:
    told = []
    for line in path.read_text().splitlines():
        key, verb, said, repeated, begun, ended = line.split()
        told.append(Note(key, verb, said, repeated == "1", int(begun), int(ended)))
    return told


def _answers(units: UnitFactory, desk: Desktop, key: str, last: str) -> Iterator[Note]:
    """One answer of the desk, after as many failures of its database as there are."""
    wanted = asked(desk, key)
    while True:
        begun, repeated, told = time.monotonic_ns(), False, ""
        try:
            told, repeated = _done(units, desk, wanted, key, last)
        except FinOpsError as error:
            told = error.code
        except DBAPIError as error:
            told = AWAY if is_away(error) else f"!{type(error.orig).__name__}"
        note = Note(key, wanted.verb, told, repeated, begun, time.monotonic_ns())
        yield note
        if note.answered:
            return
        units.database.close()
        time.sleep(PAUSE_S)


def _done(units: UnitFactory, desk: Desktop, wanted: Asked, key: str, last: str) -> tuple[str, bool]:
    seed = key.partition("-")[0]
    if wanted.verb == "look":
        with units.read(_person(desk, seed)) as reading:
            return f"{wanted.wallet}={ledger.balance(reading, wanted.wallet).minor}", False
    # Nobody exchanges at a rate of their own.
    with units.work(_person(desk, "rater" if wanted.verb == "rate" else seed)) as work:
        if wanted.verb == "rate":
            rate = wanted.chance.choice(RATES)
            return reference.note_rate(work, "EUR", "USD", rate, reference.today(work)), False
        if wanted.verb == "reconcile":
            seen = ledger.reconcile_wallet(work, wanted.wallet, "a look")
            return f"{wanted.wallet}:{seen.drifted}", False
        if wanted.verb == "reverse" and not last:
            return NOTHING, False
        posted = _posted(work, wanted, ledger.Terms(key=key, reason="a test"), last)
    return posted.id, posted.repeated


def _posted(work: Work, wanted: Asked, terms: ledger.Terms, last: str) -> ledger.Posted:
    one, other, amount = wanted.wallet, wanted.other, wanted.amount
    match wanted.verb:
        case "reverse":
            return ledger.reverse(work, last, terms)
        case "transfer" | "exchange":
            return getattr(ledger, wanted.verb)(work, one, other, amount, terms)
        case "release":
            return ledger.release(work, one, amount, other, terms)
        case _:
            verb = "charge_fee" if wanted.verb == "fee" else wanted.verb
            return getattr(ledger, verb)(work, one, amount, terms)


def _person(desk: Desktop, name: str) -> Actor:
    return Actor(id=f"person_{name}", org_id=desk.org_id, via=Via.API)
