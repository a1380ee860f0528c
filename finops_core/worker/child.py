"""What runs inside a child: opens its own desk, carries one run out, tells the parent, leaves.

Children come from a forkserver that has these imports already (``forking.PRELOAD``), so a start costs milliseconds. A
child whose parent is gone ends itself at once: the next claim of the job must not find two of them at work.
"""

import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from finops_core.desk import Desk, open_desk
from finops_core.operations.engine import Begun
from finops_core.operations.runner import Message, Outcome, Run, carry_out
from finops_core.platform import logs
from finops_core.platform.settings import Settings

STOP = b"stop"
Opener = Callable[[Settings], Desk]


def main(pipe: Connection, settings: Settings, begun: Begun, opener: Opener = open_desk) -> None:
    """Entry of the child process. Sends ``Line``, ``Progress`` and one last ``Outcome`` through the pipe.

    ``opener`` is a module's function by name, for it is pickled: what opens the child's own desk.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker decides what it means
    stop = threading.Event()
    sending = threading.Lock()

    def send(message: Message) -> None:
        with sending:
            pipe.send(message)

    threading.Thread(target=_listen, args=(pipe, stop), daemon=True).start()
    logs.configure(settings.log_format, settings.log_level)
    logs.about_now(job=begun.claim.id, org=begun.claim.org_id, execution=begun.execution.id)
    with opener(settings) as desk:
        outcome: Outcome = carry_out(Run(desk, begun, send, stop.is_set))
    send(outcome)
    pipe.close()


def _listen(pipe: Connection, stop: threading.Event) -> None:
    while True:
        try:
            message: Any = pipe.recv_bytes()
        except (EOFError, OSError):
            if not stop.is_set():
                os._exit(3)  # the parent is gone: no further call may start
            return
        if message == STOP:
            stop.set()
