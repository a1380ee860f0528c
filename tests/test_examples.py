"""The programs in ``examples`` run as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT
from tests.webapp import free_port

PROGRAMS = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem != "__init__")


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_example_runs_from_the_checkout_and_ends_well(program: str, tmp_path: Path):
    told = {"TIEOUT_DATA_DIR": str(tmp_path), "TIEOUT_STRIPE_SANDBOX_URL": f"http://127.0.0.1:{free_port()}"}
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{program}"],
        cwd=ROOT,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "completed" in done.stdout
    assert "po_sbx" in done.stdout
