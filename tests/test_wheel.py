"""The core as a package of its own: it builds, installs without any screen library, and every module imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import house
from tests.tools.environment import uv_environment

WITHOUT_SCREENS = """
import importlib, importlib.util, pkgutil, sys
import finops_core

for name in ("streamlit", "streamlit_authenticator", "pandas", "plotly", "psycopg"):
    assert importlib.util.find_spec(name) is None, name
skipped = {"finops_core.__main__", "finops_core.platform.migrations.env"}  # run, not imported
modules = [found.name for found in pkgutil.walk_packages(finops_core.__path__, "finops_core.")]
for name in modules:
    if name not in skipped and ".migrations.versions." not in name:
        importlib.import_module(name)

from finops_core.kernel.money import Money
assert sum(part.minor for part in Money(100, "USD").allocate([1, 1, 1])) == 100
print(finops_core.__file__, len(modules))
"""


def run(*command: object, folder: Path) -> str:
    """Run a program in a folder; its output is the failure's text when it fails."""
    texts = [str(part) for part in command]
    done = subprocess.run(
        texts,
        cwd=folder,
        env=uv_environment(sys.executable),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{' '.join(texts)}\n{done.stdout}"
    return done.stdout


@pytest.mark.slow
def test_the_core_wheel_installs_and_imports_without_any_screen_library(tmp_path: Path):
    # Given the wheel, in an environment that holds nothing but what the core asks for, at the pinned versions
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, folder=house.ROOT)
    (wheel,) = tmp_path.glob("tieout-*.whl")
    python = tmp_path / "env" / "bin" / "python"
    run(sys.executable, "-m", "uv", "venv", "--python", sys.executable, tmp_path / "env", folder=tmp_path)
    pins = house.ROOT / "requirements.txt"
    install = [sys.executable, "-m", "uv", "pip", "install", "--python", python, "--constraint", pins, wheel]
    run(*install, "--index-strategy", "unsafe-best-match", folder=tmp_path)

    # When every module of it is imported, away from the source
    told = run(python, "-c", WITHOUT_SCREENS, folder=tmp_path)

    # Then it is the installed one that answered
    assert str(tmp_path / "env") in told
