"""Write requirements.txt and requirements-dev.txt from pyproject.toml: `make pins`, or `make pins UPGRADE=1`.

Both files hold one exact version per package for every platform and every Python from 3.11 on. They name no package
index, so that they install from whichever one a company uses.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = """\
# {what}
# Written by `make pins` from pyproject.toml; do not edit by hand. `make pins UPGRADE=1` raises versions.
"""
RUN, DEV = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
EXTRAS = ["--extra", "ui", "--extra", "postgres"]
QUIETLY = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]


def main(*, upgrade):
    """Resolve both files; the second keeps to the versions of the first."""
    resolve(RUN, "Everything the app needs, with screens and PostgreSQL.", EXTRAS, upgrade=upgrade)
    tools = [*EXTRAS, "--group", "dev", "--constraint", RUN.name]
    resolve(DEV, "The same versions, and the tools of development and tests.", tools, upgrade=upgrade)


def resolve(target, what, arguments, *, upgrade):
    """Resolve into one file, staying with the versions already in it unless told to upgrade."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--output-file", target.name]
    command += ["--universal", "--python-version", "3.11", *QUIETLY, *arguments]
    subprocess.run(command + (["--upgrade"] if upgrade else []), cwd=ROOT, check=True)
    target.write_text(HEADER.format(what=what) + target.read_text())


if __name__ == "__main__":
    main(upgrade="--upgrade" in sys.argv)
