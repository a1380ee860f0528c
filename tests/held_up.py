"""Two units at the same moment: the second begins inside the first one, is held up, and goes on after its commit."""

import threading
from collections.abc import Callable

from finops_core.kernel.actor import Actor
from finops_core.kernel.errors import FinOpsError
from finops_core.platform.work import Units, Work

HELD_UP_S = 0.5
"""Long enough for the second one to reach what it has to wait for; when it does not, the test proves less, no more."""


def held_up(units: Units, actor: Actor, first: Callable[[Work], object], second: Callable[[], object]) -> object:
    """What the second one gave (or the code of what it raised), begun while the first was not yet committed."""
    given: list[object] = []

    def attempt() -> None:
        try:
            given.append(second())
        except FinOpsError as error:
            given.append(error.code)

    thread = threading.Thread(target=attempt, daemon=True)
    with units.work(actor) as work:
        first(work)
        thread.start()
        thread.join(HELD_UP_S)
    thread.join(60)
    assert not thread.is_alive(), "the second one never goes on"
    assert given, "the second one broke"
    return given[0]
