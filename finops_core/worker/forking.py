"""Where the worker's children come from: a server of Python's that has the heavy imports done and forks."""

import multiprocessing
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running

PRELOAD = ["finops_core.worker.preloaded"]


def forkserver() -> ForkServerContext:
    """The server's context; the first child that is begun starts it, unless it was started before."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def start_early() -> None:
    """Start the server now: it imports while this process goes on with imports of its own."""
    forkserver()
    ensure_running()
