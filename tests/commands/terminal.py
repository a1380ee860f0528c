"""A terminal in which somebody's token stands; commands run in this process, which starts none."""

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from finops_core.__main__ import app
from finops_core.platform.settings import Settings
from tests.processes import environment


@dataclass(frozen=True)
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        return json.loads(self.out)

    @property
    def problem(self) -> dict[str, Any]:
        return json.loads(self.err.strip().splitlines()[-1])


def command(settings: Settings, secret: str, *words: str) -> Told:
    """Run a command as the person behind a token."""
    done = CliRunner().invoke(app, list(words), env={**environment(settings), "TIEOUT_TOKEN": secret})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Told(done.exit_code, done.stdout, done.stderr)
