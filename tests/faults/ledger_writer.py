"""A process that moves money between wallets until it is killed, and notes in a file what was acknowledged to it."""

import os
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same moves in every run

from finops_core import ledger
from finops_core.catalog.listeners import LISTENERS
from finops_core.kernel.actor import Actor, Via
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.platform.db import open_database
from finops_core.platform.work import UnitFactory
from tests.desks import START, ports_for, settings_for


def write(
    folder: str, url: str, org_id: str, wallets: tuple[str, ...], notes: str, seed: int, most: int = 10**9
) -> None:
    """Transfers with keys ``seed-0`` and on, from where the notes of this seed end; each noted once it stands."""
    settings = settings_for(Path(folder), url)
    units = UnitFactory(
        open_database(settings), ports_for(settings, ManualClock(START)), LISTENERS, lambda _: frozenset(Permission)
    )
    who = Actor(id=f"person_{seed}", org_id=org_id, via=Via.API)
    path = Path(notes) / f"{seed}.txt"
    begun = len(path.read_text().split("\n")) - 1 if path.exists() else 0
    with path.open("a") as told:
        for number in range(begun, begun + most):
            chance = Random(f"{seed}-{number}")
            one, other = chance.sample(wallets, 2)
            try:
                with units.work(who) as work:
                    amount = Money(chance.randint(1, 50), "USD")
                    posted = ledger.transfer(work, one, other, amount, ledger.Terms(key=f"{seed}-{number}"))
                line = f"{posted.id} {int(posted.repeated)}"
            except FinOpsError as error:
                line = f"{error.code} 0"
            told.write(line + "\n")
            told.flush()
            os.fsync(told.fileno())
