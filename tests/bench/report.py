"""The table of figures and the description of the machine."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured, the figure, what the issue asks for, and its ratio to the floor if it has one."""

    name: str
    value: float
    unit: str
    goal: str = ""
    floor: float | None = None
    floor_name: str = ""


def machine() -> str:
    """Cores, memory, Python and load: what a reader needs to compare."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


def median(times: Sequence[float]) -> float:
    return statistics.median(times)


def p90(times: Sequence[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.9))]


def p99(times: Sequence[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]


def timed(call: Callable[[], object], turns: int = 5) -> list[float]:
    """Seconds of each turn, after one that is not counted."""
    call()
    found = []
    for _ in range(turns):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return found


def fsync_s(folder: Path, turns: int = 50) -> float:
    """The floor of a commit: append 4 KiB and fsync, median seconds."""
    path = folder / "fsync-floor"
    found = []
    with path.open("wb") as file:
        for _ in range(turns):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            found.append(time.perf_counter() - started)
    path.unlink()
    return statistics.median(found)


def show(figures: Sequence[Figure]) -> None:
    """Print a Markdown table."""
    print(f"\nMeasured on {machine()}\n")
    print("| what | figure | goal | floor | ratio |")
    print("|---|---:|---|---|---:|")
    for figure in figures:
        floor = f"{figure.floor_name} {figure.floor:.3g} {figure.unit}" if figure.floor else ""
        ratio = f"{figure.value / figure.floor:.1f}" if figure.floor else ""
        print(f"| {figure.name} | {figure.value:.4g} {figure.unit} | {figure.goal} | {floor} | {ratio} |")
