"""The sandbox as a process: it survives being killed, leaves with its parent, listens on loopback only."""

import os
import socket
import subprocess
import sys

import psutil
import pytest

from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.adapters.stripe_sandbox.server import listen
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.provider import Created
from tests.adapters.test_stripe_payouts import submit
from tests.sandbox import start_sandbox_process, wait_until

pytestmark = pytest.mark.slow


def test_a_killed_sandbox_forgets_neither_payouts_nor_keys_nor_its_clock(tmp_path):
    first = start_sandbox_process(tmp_path)
    first.control.open()
    first.control.fund(100_000)
    first.control.advance(3600)
    made = submit(StripePayouts(first.credentials(), 5.0))
    first.process.kill()
    first.process.wait(20)
    first.process.stdout.close()

    second = start_sandbox_process(tmp_path)
    again = submit(StripePayouts(second.credentials(), 5.0))

    assert isinstance(made, Created)
    assert again.replayed
    assert again.payout == made.payout
    assert second.control.available() == 100_000 - 12_345
    assert len(second.control.payouts()) == 1
    assert second.control.post("clock", {})["offset_s"] == 3600
    second.stop()
    assert second.process.returncode in (0, -15)


def test_it_leaves_when_its_parent_is_gone(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from tests.sandbox import start_sandbox_process; "
        "running = start_sandbox_process(Path(sys.argv[1]), parent_pid=os.getpid()); "
        "print(running.process.pid, flush=True); os._exit(0)"
    )
    parent = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=30
    )
    child = int(parent.stdout)

    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_it_listens_on_loopback_only(tmp_path):
    running = start_sandbox_process(tmp_path, parent_pid=os.getpid())

    listening = [c.laddr.ip for c in psutil.Process(running.process.pid).net_connections() if c.status == "LISTEN"]

    assert listening == ["127.0.0.1"]
    running.stop()


def test_a_taken_port_is_told_in_plain_words():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(Unavailable) as caught:
            listen(taken.getsockname()[1])

    assert caught.value.code == "SANDBOX_PORT_TAKEN"
