"""Make `.venv` and install pinned requirements into it: `python3 tests/tools/environment.py run|dev`.

`run` installs requirements.txt (all the app needs), `dev` installs requirements-dev.txt (the same pins and the tools
of development). Nothing is done when both the pins and the interpreter are those of the last time, so that a second
start is quick. Runs before anything is installed: standard library only, and it must still parse on an older Python
to say that it is too old.
"""

import ast
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PINS = {"run": ROOT / "requirements.txt", "dev": ROOT / "requirements-dev.txt"}
OLDEST = (3, 11)

# uv reads no pip configuration, so a company's own index would be missed: pip's answers are handed over.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def main(purpose):
    """Bring the environment to the pins of `purpose`; exit with a sentence when it cannot be done."""
    refuse_unfit_python()
    wanted = fingerprint(PINS[purpose])
    stamp = VENV / f"installed-{purpose}"
    if venv_python().exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    # An install that is cut short must not look finished.
    stamp.unlink(missing_ok=True)
    started = time.monotonic()
    make_venv()
    install(PINS[purpose])
    stamp.write_text(wanted)
    if purpose == "dev":  # its pins are a superset, and a test holds that
        (VENV / "installed-run").write_text(fingerprint(PINS["run"]))
    say(f"Environment ready in {time.monotonic() - started:.0f} s.")


def refuse_unfit_python():
    """Say what is missing before anything is half made."""
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        sys.exit(f"Tieout needs Python 3.11 or newer; this is {found}. Try: make PYTHON=python3.12 run")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        sys.exit(
            "This Python cannot make virtual environments (its venv or ensurepip module is missing).\n"
            "On Debian or Ubuntu: apt-get install python3-venv. Elsewhere: install Python from python.org."
        )


def venv_python():
    """The environment's interpreter."""
    return VENV / "bin" / "python"


def fingerprint(pins):
    """Changes with the pins and with the interpreter the environment was made by."""
    return hashlib.sha256(pins.read_bytes() + repr(sys.version_info[:2]).encode()).hexdigest()


def make_venv():
    """Make the environment unless a working one of this Python version is there."""
    if works(venv_python()):
        return
    say(f"Making .venv with Python {sys.version.split()[0]} …")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False)
    if done.returncode:
        sys.exit("python -m venv failed; on Debian or Ubuntu: apt-get install python3-venv, then try again.")


def works(python):
    """Whether an interpreter starts, has pip and is of the version that runs this."""
    probe = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    return python.exists() and subprocess.run([str(python), "-c", probe], check=False).returncode == 0


def install(pins):
    """Install the pins with uv where it can be had (several times faster), else with pip alone."""
    say(f"Installing the packages of {pins.name} …")
    python = str(venv_python())
    if has_uv():
        # pip's own rule for several indexes: the pinned version counts, wherever it is.
        command = [python, "-m", "uv", "pip", "install", "--python", python, "--quiet", "-r", str(pins)]
        command += ["--index-strategy", "unsafe-best-match"]
        if subprocess.run(command, check=False, env=uv_environment(python)).returncode == 0:
            return
        say("uv could not install them; trying pip …")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pins)]
    if subprocess.run(command, check=False).returncode:
        sys.exit("The packages could not be installed; is a package index reachable?")


def has_uv():
    """Install the pinned uv; False (pip must do) when it cannot be had for this machine."""
    lines = PINS["dev"].read_text().splitlines()
    pin = next(line for line in lines if line.startswith("uv=="))
    command = [str(venv_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary", ":all:", pin]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


def uv_environment(python):
    """This process's environment with pip's index settings added under uv's names, where uv has none."""
    listing = subprocess.run([python, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True)
    environment = dict(os.environ)
    for line in listing.stdout.splitlines():
        name, _, value = line.partition("=")
        target = PIP_TO_UV.get(name.rpartition(".")[2])
        if target and target not in os.environ:
            environment[target] = ast.literal_eval(value)
    return environment


def say(text):
    """Progress goes to the person at once, even through a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "run")
