"""Real processes of the desk for fault tests: started with the settings of a world, killed by their own id only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from finops_core.platform.settings import Settings

ROOT = Path(__file__).parents[1]


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables for a process of ours."""
    told = settings.model_dump(exclude_none=True)
    variables = {f"TIEOUT_{name.upper()}": str(value) for name, value in told.items() if "url" not in name}
    secrets = {name: value for name, value in told.items() if isinstance(value, SecretStr)}
    variables |= {f"TIEOUT_{name.upper()}": value.get_secret_value() for name, value in secrets.items()}
    variables["TIEOUT_STRIPE_SANDBOX_URL"] = settings.stripe_sandbox_url
    variables["TIEOUT_MAIL_PASSWORD"] = settings.mail_password.get_secret_value()
    variables["TIEOUT_PUBLIC_URL"] = settings.public_url
    variables["DATABASE_URL"] = settings.database_url
    return {**os.environ, **variables}


@contextmanager
def running_worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process; killed at the end of the block if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-m", "finops_core", "worker", "--parent", str(os.getpid())],
        cwd=ROOT,
        env=environment(settings),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, and wait for the end."""
    process.send_signal(signal.SIGKILL)
    process.wait(60)


def until(holds: Callable[[], bool], seconds: float = 120, what: str = "it") -> None:
    """Return once it holds; fail when it never does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)
