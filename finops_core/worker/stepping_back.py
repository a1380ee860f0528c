"""A worker steps back behind the other processes of its machine, so that whoever waits for an answer goes first."""

import os
import threading
from contextlib import suppress
from pathlib import Path

NICE, AFTER_S = 5, 10.0
_THREADS = Path("/proc/self/task")


def later() -> None:
    """Step back once it has started: until then everybody waits for it."""
    timer = threading.Timer(AFTER_S, step_back)
    timer.daemon = True
    timer.start()


def step_back() -> None:
    """Every thread there is, since Linux keeps this for each; those they make take it over. Elsewhere nothing."""
    for thread in _THREADS.iterdir() if _THREADS.is_dir() else ():
        with suppress(OSError):  # it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, int(thread.name), NICE)
