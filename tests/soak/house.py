"""Every process of the desk by itself, as `compose.yaml` runs them, and a supervisor's start after a kill."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from finops_core.desk import Desk, open_desk
from finops_core.platform.settings import Settings
from finops_core.start import prepare
from tests import postgres
from tests.desks import settings_for
from tests.mail_host import MailHost, mail_settings, running_mail_host
from tests.processes import ROOT, environment, kill
from tests.sandbox import SandboxControl, start_sandbox_process
from tests.webapp import free_port
from tests.world import COMPANY

PATIENCE_S = 90.0
METRICS_TOKEN = "of-the-soak"
WORKER_LEASE_S = 5.0


@dataclass
class Part:
    """A process that may be killed and is started anew; ``lives`` counts its starts."""

    name: str
    command: list[str]
    settings: Settings
    log: Path
    lives: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=environment(self.settings), stdout=log, stderr=subprocess.STDOUT
            )
        self.lives += 1

    def kill(self) -> None:
        """kill -9, of this process alone: what it has started must notice by itself."""
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} is not there: {self.tail()}"
        kill(self.process)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


@dataclass
class House:
    """All of it. ``desk`` looks at the same database from outside, as the harness."""

    url: str
    desk: Desk
    web: Part
    worker: Part
    database: postgres.MortalServer
    sandbox: SandboxControl
    mail: MailHost
    folder: Path

    @property
    def parts(self) -> Mapping[str, Part]:
        return {"web": self.web, "worker": self.worker}

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:  # noqa: S310 - our own loopback address
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def open_house() -> Iterator[House]:
    """Everything started and well; ended with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tieout-soak-")))
        database = stack.enter_context(postgres.mortal_server())
        host = stack.enter_context(running_mail_host())
        port, sandbox_port = free_port(), free_port()
        sandbox = start_sandbox_process(folder, sandbox_port, os.getpid())
        stack.callback(sandbox.stop)
        settings = _settings(
            folder, database.server.url(database.server.create()), sandbox.url, f"http://127.0.0.1:{port}", host
        )
        prepare(settings.model_copy(update={"demo": True}), settings.public_url).close()
        web = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        web += ["--server.address", "127.0.0.1", "--server.headless", "true"]
        worker = [sys.executable, "-m", "finops_core", "worker", "--parent", str(os.getpid())]
        house = House(
            settings.public_url,
            stack.enter_context(open_desk(settings)),
            Part("web", web, settings, folder / "web.log"),
            Part("worker", worker, settings, folder / "worker.log"),
            database,
            sandbox.control,
            host,
            folder,
        )
        for part in house.parts.values():
            stack.callback(part.end)
            part.start()
        _until_well(house)
        yield house


def _settings(folder: Path, database: str, sandbox_url: str, url: str, host: MailHost) -> Settings:
    """Of an installation, not of a demo; only the worker's lease is shorter, so that its absence is told sooner."""
    return settings_for(
        folder,
        database,
        demo=False,
        demo_file=COMPANY,
        worker="off",
        hold_back_s=0,
        stripe_sandbox_url=sandbox_url,
        metrics_token=METRICS_TOKEN,
        scheduler_lease_s=WORKER_LEASE_S,
        job_lease_s=15.0,
        **mail_settings(host, public_url=url),
    )


def _until_well(house: House) -> None:
    until = time.monotonic() + PATIENCE_S
    while not house.healthy():
        for part in house.parts.values():
            if not part.alive():
                raise RuntimeError(f"{part.name} does not start:\n{part.tail()}")
        if time.monotonic() > until:
            raise RuntimeError(f"not healthy:\n{house.web.tail()}\n{house.worker.tail()}")
        time.sleep(0.2)
