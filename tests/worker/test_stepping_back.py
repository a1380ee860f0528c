"""A worker steps back behind whoever waits for an answer on the same machine."""

import os
from pathlib import Path

from finops_core import __main__ as commands
from finops_core.worker import main


def test_a_worker_is_nicer_than_the_process_that_answers(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TIEOUT_DATA_DIR", str(tmp_path))
    steps, order = [], []
    monkeypatch.setattr(os, "nice", lambda by: order.append("back") or steps.append(by))
    monkeypatch.setattr(main, "run_worker", lambda *_: order.append("works"))
    commands.migrate()

    commands.worker()

    assert steps == [commands.WORKER_NICE]
    assert commands.WORKER_NICE > 0
    assert order == ["back", "works"]
