"""What happens before the first page: schema, registry, demo company, and the processes beside the app."""

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

from finops_core import operations, security
from finops_core.catalog.schedules import SCHEDULES
from finops_core.desk import Desk, open_desk, preload
from finops_core.kernel.actor import system_actor
from finops_core.platform.settings import Settings
from finops_core.upkeep import demo, deploying, scheduling

STOP_S = 10
PRELOAD_AFTER_S = 4.0


def prepare(settings: Settings, address: str = "") -> Desk:
    """Migrate, bring the registry up to date and, in demo mode, seed the demo company; gives the open desk.

    ``address``: where this app is reached on this machine, so that the demo's sandbox can send its news there.
    """
    from finops_core.platform import schema  # noqa: PLC0415 - Alembic

    desk = open_desk(settings)
    desk.migrate()
    with desk.work(system_actor()) as work:
        operations.register(work)
        deploying.note(work, schema.newest() or "")
    if settings.demo:
        demo.seed(desk)
        if address:
            demo.hear_news(desk, address)
    else:
        with desk.work(system_actor()) as work:
            security.ensure_roles(work)
    scheduling.lay_out_all(desk, SCHEDULES)
    return desk


def welcome(settings: Settings) -> str:
    """What a newcomer reads in the terminal: who can sign in (demo mode only)."""
    people = demo.people(settings)
    if not people:
        return "Tieout is ready.\n"
    rows = "".join(f"    {person.username:<8}{person.name:<14}{person.does}\n" for person in people)
    return f"\n  Tieout is ready. Sign in with the password {people[0].password} as one of:\n\n{rows}\n"


@contextmanager
def children(settings: Settings) -> Iterator[None]:
    """The worker, and in demo mode the Stripe sandbox; they leave with this block or when this process is gone."""
    with ExitStack() as stack:
        if settings.demo:
            stack.enter_context(_child("stripe-sandbox"))
        if settings.worker == "child":
            stack.enter_context(_child("worker"))
        yield


@contextmanager
def preloading(after_s: float = PRELOAD_AFTER_S) -> Iterator[None]:
    """Import the provider's SDK and the API a moment after the app's start: neither that nor a request waits for it.

    Then the garbage collector is told that what is there stays.
    """
    timer = threading.Timer(after_s, _settle_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _settle_down() -> None:
    preload()
    import_module("finops_core.api.v1.app")
    # What is loaded stays. Looked through by each whole collection it would cost everybody a tenth of a second.
    gc.collect()
    gc.freeze()


@contextmanager
def _child(command: str) -> Iterator[None]:
    arguments = [sys.executable, "-m", "finops_core", command, "--parent", str(os.getpid())]
    process = subprocess.Popen(arguments)  # noqa: S603 - our own program, no input in it
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
