"""The app alone, over a folder that is already full: no worker, no sandbox, no demo. Starts quickly, so often."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finops_core.desk import open_desk
from tests.desks import settings_for
from tests.processes import ROOT, environment
from tests.sandbox import SandboxControl
from tests.webapp import START_S, WebApp, free_port


@contextmanager
def bare_app(folder: Path, database: str = "", *, scheduler_lease_s: float = 15) -> Iterator[WebApp]:
    """The app over a folder that ``running_world`` has filled, and the PostgreSQL at ``database``.

    Only its health check has been asked before the block begins: no page has run.
    """
    settings = settings_for(folder, database, demo=False, worker="off", scheduler_lease_s=scheduler_lease_s)
    port = free_port()
    log = folder / f"app-{port}.log"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(settings), stdout=out, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        _await_answer(f"{url}/healthz", process, log)
        with open_desk(settings) as desk:
            yield WebApp(url, desk, SandboxControl(settings.stripe_sandbox_url), process, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while not _answers(url):
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"the app did not come up:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own loopback address
            return True
    except urllib.error.HTTPError:
        return True  # 503: without a worker the desk is not well, but the server is there
    except OSError:
        return False
