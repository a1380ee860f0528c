"""CSV totals on 100,000 rows: bytes to verdict, with and without faults, and the memory it takes."""

import csv
import io
import json
import subprocess
import sys
import time

from tests.bench.report import Figure, median, timed

ROWS = 100_000


def amounts(faulty: bool = False) -> bytes:
    """A file of about 10 MB: currency, amount and three more columns; every row wrong when ``faulty``."""
    lines = ["currency,amount,reference,customer,note"]
    codes = ("USD", "EUR", "JPY", "GBP", "KWD")
    for row in range(ROWS):
        code = codes[row % 5]
        amount = f"{row % 9000 + 1}" if code == "JPY" else f"{row % 9000 + 1}.{row % 90 + 10}"
        if faulty:
            code, amount = "XXQ", f"{row},5"
            amount = f'"{amount}"'
        lines.append(
            f"{code},{amount},INV-{row:09d},Customer number {row % 5000:06d},a note of ordinary length here {row}"
        )
    return "\n".join(lines).encode()


def child(faulty: bool) -> None:
    """Runs alone in a process: prints seconds and extra megabytes."""
    import threading

    import psutil

    from finops_core.operations.intake import read_sheet
    from finops_core.operations.operations import CSV_TOTALS

    content = amounts(faulty)
    process = psutil.Process()
    before = peak = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    assert CSV_TOTALS.file is not None
    verdict = read_sheet(content, "amounts.csv", CSV_TOTALS.file, len(content))
    seconds = time.perf_counter() - started
    peak = max(peak, process.memory_info().rss)
    done.set()
    watcher.join()
    faults = len(verdict) if isinstance(verdict, tuple) else 0
    print(json.dumps({"s": seconds, "mb": (peak - before) / 2**20, "faults": faults, "bytes": len(content)}))


def measure() -> list[Figure]:
    """The figures of intake."""
    figures: list[Figure] = []
    text = amounts().decode()
    floor = median(timed(lambda: sum(1 for _ in csv.reader(io.StringIO(text))), 3))
    for name, faulty in (("good", False), ("every row faulty", True)):
        runs = [_run(faulty) for _ in range(3)]
        seconds = median([run["s"] for run in runs])
        size = runs[0]["bytes"] / 1e6
        what = f"CSV totals, {ROWS:,} rows ({size:.1f} MB), {name}: bytes to verdict"
        figures.append(Figure(what, seconds, "s", "< 2 s", floor, "csv.reader alone"))
        more = median([run["mb"] for run in runs])
        figures.append(Figure(f"… {name}: more memory ({runs[0]['faults']:,} faults)", more, "MB", "< 150 MB"))
    return figures


def _run(faulty: bool) -> dict[str, float]:
    program = f"from tests.bench.intake import child; child({faulty})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
