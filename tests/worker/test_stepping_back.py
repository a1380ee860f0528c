"""A worker steps back behind whoever waits for an answer on the same machine."""

import subprocess
import sys

STEPS_BACK = """
import os, threading, time
from finops_core.worker import stepping_back
stepping_back.AFTER_S = 0.2
other = threading.Thread(target=time.sleep, args=(2,), daemon=True)
other.start()
stepping_back.later()
print(os.getpriority(os.PRIO_PROCESS, 0), os.getpriority(os.PRIO_PROCESS, other.native_id))
time.sleep(1)
print(os.getpriority(os.PRIO_PROCESS, 0), os.getpriority(os.PRIO_PROCESS, other.native_id))
"""


def test_each_thread_of_a_worker_steps_back_once_it_has_started():
    told = subprocess.run([sys.executable, "-c", STEPS_BACK], capture_output=True, text=True, check=True, timeout=60)

    first, then = told.stdout.splitlines()
    assert first == "0 0"
    assert then == "5 5"
