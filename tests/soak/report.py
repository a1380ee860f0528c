"""The report: what was measured, as Markdown without a word about where."""

import os
import platform
import statistics
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from tests.soak.gauges import Sample
from tests.soak.onlooker import Outage
from tests.soak.tally import Tally
from tests.soak.verdict import QUARTERS, Verdict, middle, quarter, share

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 130


@dataclass(frozen=True, slots=True)
class Soak:
    """Everything there is to tell."""

    at: datetime
    minutes: float
    postgres: str
    sessions: int
    tally: Tally
    samples: Sequence[Sample]
    outages: Sequence[Outage]
    verdicts: Sequence[Verdict]
    ended_s: float

    @property
    def holds(self) -> bool:
        return all(each.holds for each in self.verdicts)


def written(soak: Soak) -> str:
    """The page."""
    parts = (_head(soak), _verdicts(soak), _quarters(soak), _outages(soak), _lines(soak), _counts(soak))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(soak: Soak) -> list[str]:
    loads, busy = [each.load for each in soak.samples], statistics.mean(each.busy for each in soak.samples)
    about = f"""
        `make soak` of {soak.at:%Y-%m-%d %H:%M} UTC: {soak.minutes:g} minutes of work on PostgreSQL, with web
        process, worker and database in processes of their own. Each was killed once (`kill -9`) and
        started again as a supervisor
        would; the other two were left alone. All figures are of this one run."""
    machine = f"""
        - Machine: {os.cpu_count()} cores, which sessions, browser, sandbox and mail server of the soak share with
        the desk, and with whatever else ran there: load average {middle(loads):.1f} in the middle,
        {max(loads):.1f} at most; {busy:.0%} of the cores in use on average."""
    work = f"""
        - Work: {soak.sessions} sessions that click through all pages, one click in about five seconds each, and load
        anew after twenty; a browser; batches from upload by the API to the bank, every ninth
        rejected, a payout of every
        seventh sent back; reports; a program that reads twice a second; webhooks from the sandbox; mail to a server on
        loopback."""
    versions = f"- Versions: Python {platform.python_version()}, Streamlit {version('streamlit')}, {soak.postgres}."
    verdict = f"**{'Everything held.' if soak.holds else 'Not everything held.'}**"
    return ["# Soak", "", _wrapped(about), "", *map(_wrapped, (machine, versions, work)), "", verdict]


def _wrapped(text: str) -> str:
    plain = " ".join(text.split())
    return textwrap.fill(plain, WIDTH, subsequent_indent="  " if plain.startswith("- ") else "", break_on_hyphens=False)


def _verdicts(soak: Soak) -> list[str]:
    rows = [f"| {each.what} | {'yes' if each.holds else '**no**'} | {each.told} |" for each in soak.verdicts]
    return ["## Verdicts", "", "| what | holds | figures |", "|---|---|---|", *rows]


def _quarters(soak: Soak) -> list[str]:
    def figures(pick: Callable[[Sample], float | None], number: int) -> list[float]:
        points = [(each.at_s, value) for each in soak.samples if (value := pick(each)) is not None]
        return quarter(points, number, 0, soak.ended_s)

    def of_clicks(number: int) -> list[float]:
        return quarter([(click.at_s, click.took_s * 1000) for click in soak.tally.clicks], number, 0, soak.ended_s)

    rows = []
    for number in range(1, QUARTERS + 1):
        took, waiting = of_clicks(number), figures(lambda each: each.waiting, number)
        cells = [
            str(number),
            _told(figures(lambda each: each.web_mib, number), "MiB"),
            _told(figures(lambda each: each.worker_mib, number), "MiB"),
            f"{len(took)}",
            f"{middle(took):.0f} ms" if took else "",
            f"{share(took, 0.95):.0f} ms" if took else "",
            f"{middle(waiting):.0f}, most {max(waiting):.0f}" if waiting else "",
            f"{sum(figures(lambda each: each.faults, number)):.0f}",
            f"{middle(figures(lambda each: each.load, number)):.1f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return [
        "## Quarters",
        "",
        _wrapped(
            """Medians of a look every ten seconds; clicks and faults while a part was out are not in here. A killed
            process begins anew, so memory is judged per life above: its last quarter against its second one."""
        ),
        "",
        "| quarter | web process | worker | clicks | p50 | p95 | jobs waiting | faults | load |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]


def _told(found: Sequence[float], unit: str) -> str:
    return f"{middle(found):.1f} {unit}" if found else ""


def _outages(soak: Soak) -> list[str]:
    rows = []
    for each in soak.outages:
        told = f"after {each.told_s:.0f} s: “{each.said}”" if each.told_s is not None else "nothing"
        back = f"{each.back_s:.1f} s, {'still signed in' if each.signed_in else '**signed out**'}"
        rows.append(f"| {each.part} | {each.at_s / 60:.1f} min | {told} | {each.out_s:.0f} s | {back} |")
    return [
        "## The three kills",
        "",
        "What one real browser showed. The last column counts from the start of the killed process.",
        "",
        "| killed | at | what the page said | out for | the page worked again by itself after |",
        "|---|---:|---|---:|---|",
        *rows,
    ]


def _lines(soak: Soak) -> list[str]:
    def line(name: str, pick: Callable[[Sample], float | None], unit: str) -> str:
        found = [pick(each) for each in soak.samples]
        there = [each for each in found if each is not None]
        # From what most looks found: the first ones after a start would press all others to one height.
        low, high = share(there, 0.1), max(there)
        scale = (high - low) or 1
        steps = [
            None if each is None else round(max(0.0, each - low) / scale * (len(BARS) - 1)) for each in _thinned(found)
        ]
        bars = "".join(" " if each is None else BARS[each] for each in steps)
        return f"{name}, {low:.0f} to {high:.0f} {unit}\n{bars}"

    return [
        "## As lines",
        "",
        "```",
        line("web process", lambda each: each.web_mib, "MiB"),
        line("worker", lambda each: each.worker_mib, "MiB"),
        line("click p50", lambda each: each.p50_ms, "ms"),
        "```",
    ]


def _thinned(found: Sequence[float | None], most: int = 120) -> list[float | None]:
    step = max(1, -(-len(found) // most))
    return [found[place] for place in range(0, len(found), step)]


def _counts(soak: Soak) -> list[str]:
    rows = [f"| {what} | {many:,} |" for what, many in sorted(soak.tally.counts.items())]
    return ["## Counted", "", "| what | how often |", "|---|---:|", *rows]
