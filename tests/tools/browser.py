"""Find a Chromium or Chrome for the browser tests, or install one: `python -m tests.tools.browser` prints its path.

In this order: one named by the variable CHROME, one on the machine, Playwright's own of an earlier run; else Debian's
package when we are root and apt-get is there, else Playwright's download. A browser that cannot be had fails the run:
browser tests are never skipped.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)


def browser_path() -> str:
    """The path of a browser that starts; installs one when there is none, and raises when that fails too."""
    lock = Path(tempfile.gettempdir()) / f"tieout-browser-{os.getuid()}.lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # several test processes may ask at once; one installs
        found = found_browser()
        for install in (_from_debian, _from_playwright):
            if found is None:
                install()
                found = found_browser()
    if found is None:
        raise RuntimeError("No browser could be found or installed; browser tests cannot run (see above).")
    return found


def found_browser() -> str | None:
    """A browser of this machine that starts, or None."""
    named = (os.environ.get("CHROME", ""), *(shutil.which(name) or "" for name in NAMES), *PLACES, _playwrights_own())
    return next((path for path in named if path and _starts(path)), None)


def _starts(path: str) -> bool:
    # A name alone proves nothing: Ubuntu's chromium-browser, for one, is a stub that asks for snap.
    try:
        return subprocess.run([path, "--version"], check=False, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _playwrights_own() -> str:
    program = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    # In a process of its own: a second Playwright cannot start inside one that is already running.
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def _from_debian() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        _show(["apt-get", "-q", *command], quiet)


def _from_playwright() -> None:
    _show([sys.executable, "-m", "playwright", "install", "chromium"], dict(os.environ))


def _show(command: list[str], environment: dict[str, str]) -> None:
    # On stderr: this program's only output is the path.
    print("No browser yet:", *command, file=sys.stderr, flush=True)
    subprocess.run(command, check=False, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)


if __name__ == "__main__":
    print(browser_path())
