"""Health on screen: how each part of the desk stands, and every standing check with what its violations mean."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from finops_core import audit, operations
from finops_core.api.health import HealthCheck
from finops_core.catalog.checks import CHECKS
from finops_core.catalog.jobs import JOBS
from finops_core.catalog.schedules import SCHEDULES
from finops_core.operations import ExecutionFilter
from finops_core.operations.drafting import PLAN_JOB
from finops_core.operations.service import RUN_JOB
from finops_core.payouts import PayoutState
from finops_core.platform.queue import BrokenJob
from finops_core.platform.work import Reading
from finops_core.upkeep import checking, queries, scheduling
from finops_core.upkeep.checking import CheckView
from finops_core.upkeep.queries import Health, Lane, Machinery
from finops_core.upkeep.scheduling import ScheduleView
from ui import html
from ui.format import Format, ago, duration, plural, size, spelled
from ui.html import Cell, Column, Markup
from ui.session import Here, the_desk

TOLD_SHOWN = 5
SLOW_S = 60
DATABASES = {"sqlite": "SQLite, embedded", "postgresql": "PostgreSQL"}
RUN_TITLES = {PLAN_JOB: "Make a plan", RUN_JOB: "Carry out an execution"}
NO_WORKER = "Nothing runs until one is there: start the desk anew, or `python -m finops_core worker`."
_STATE = re.compile("|".join(rf"\b{state}\b" for state in PayoutState if "_" in state))
_EXECUTION = re.compile(r"\bex_[0-9a-f]{32}\b")
CHECK_COLUMNS = (
    Column("Check"),
    Column("Holds", fixed=True),
    Column("Last run", fixed=True),
    Column("Took", number=True),
)
JOB_COLUMNS = (
    Column("Job"),
    Column("State", fixed=True),
    Column("Why", wide=True),
    Column("Tries", number=True),
    Column("Since", fixed=True),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything the page shows, of one moment."""

    health: Health
    machinery: Machinery
    log: audit.Standing
    checks: tuple[CheckView, ...]
    checking: bool
    schedules: tuple[ScheduleView, ...]
    numbers: Mapping[str, str]
    now: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the desk: ``tone`` green, amber or red; ``word`` says it in a word; ``help_``: what to do."""

    title: str
    icon: str
    tone: str
    word: str
    facts: tuple[tuple[str, Cell], ...]
    help_: str = ""


@st.cache_resource(show_spinner=False)
def _looker() -> HealthCheck:
    return HealthCheck(the_desk)


def look(here: Here) -> Standing:
    """How everything stands; needs HEALTH_VIEW."""
    found = _looker().look()
    with here.read() as reading:
        checks = checking.last_runs(reading, CHECKS)
        return Standing(
            found,
            queries.machinery(reading),
            audit.standing(reading),
            checks,
            checking.under_way(reading),
            scheduling.schedules(reading, SCHEDULES),
            _numbers(reading, checks),
            reading.now,
        )


def parts(standing: Standing, shown: Format, lease_s: float) -> tuple[Part, ...]:
    """Database, worker, queue and log."""
    return (
        _database(standing.health, standing.machinery),
        _worker(standing.health, lease_s),
        _queue(standing.machinery),
        _log(standing.log, shown, standing.now),
    )


def part(each: Part) -> Markup:
    """One part as a card."""
    head = html.line(html.icon(each.icon, each.tone), html.strong(each.title), html.badge(each.word, each.tone))
    todo: Cell = ""
    if each.help_:
        bad = each.tone == "red"
        todo = (
            html.told("build", each.help_, "", "red") if bad else html.line(html.join(html.icon("build"), each.help_))
        )
    return Markup(f'<div class="to-part">{head}{html.facts(each.facts)}{todo}</div>')


def trouble(standing: Standing, every: Sequence[Part]) -> list[str]:
    """What is red, in a few words each."""
    failed = sum(1 for view in standing.checks if view.violations)
    told = [each.title.lower() for each in every if each.tone == "red"]
    return told + ([plural(failed, "check")] if failed else [])


def violations(view: CheckView, numbers: Mapping[str, str]) -> Markup:
    """A check that failed: what it means, what to do, and the first of what it found; ``numbers`` of executions."""
    found = [_linked(told, numbers) for told in view.told[:TOLD_SHOWN]]
    more = view.violations - len(found)
    rest = [html.faint(f"and {plural(more, 'more', 'more')}")] if more > 0 else []
    items = "".join(f"<li>{each}</li>" for each in [*found, *rest])
    body = Markup(f'{html.text(view.hint)}<ul class="to-found">{items}</ul>')
    return html.told("error", f"{view.title}: {plural(view.violations, 'violation')}.", body, "red")


def checks_table(checks: Sequence[CheckView], now: datetime, shown: Format) -> Markup:
    """Every check with its last run, failed ones first."""
    ordered = sorted(checks, key=lambda view: not view.violations)
    return html.table(CHECK_COLUMNS, [_check_row(view, now, shown) for view in ordered], "Standing checks")


def jobs_table(jobs: Iterable[BrokenJob], now: datetime) -> Markup:
    """Background work that failed."""
    return html.table(JOB_COLUMNS, [_job_row(job, now) for job in jobs], "Jobs that failed")


def last_run(checks: Iterable[CheckView]) -> datetime | None:
    """When the checks last ran; None before the first time."""
    return max((view.at for view in checks if view.at is not None), default=None)


def _database(health: Health, machinery: Machinery) -> Part:
    schema = health.schema
    facts: list[tuple[str, Cell]] = [
        ("Kind", DATABASES.get(machinery.dialect, machinery.dialect)),
        ("Size", size(machinery.size_bytes)),
    ]
    if schema is None:
        return Part("Database", "database", "red", "Not reached", tuple(facts), "Look at the database's own log.")
    standing = schema.triggers - len(schema.triggers_missing)
    facts += [
        ("Migration", schema.revision or "none"),
        ("Guards of the append-only tables", f"{standing} of {schema.triggers} stand"),
    ]
    if not schema.current:
        facts.append(("This version needs", schema.expected or ""))
        return Part(
            "Database", "database", "red", "Out of date", tuple(facts), "Start the desk anew: that migrates it."
        )
    if schema.triggers_missing:
        which = Markup("<br>".join(map(html.text, schema.triggers_missing)))
        facts.append(("Missing", html.more(f"{len(schema.triggers_missing)} of them", which)))
        todo = "Somebody took a guard down. Verify the audit log, then start the desk anew: that puts it back."
        return Part("Database", "database", "red", "Unguarded", tuple(facts), todo)
    return Part("Database", "database", "green", "Well", tuple(facts))


def _worker(health: Health, lease_s: float) -> Part:
    age = health.worker_lease_age_s
    sign = "" if age is None else _span(max(age + lease_s, 0))
    facts: tuple[tuple[str, Cell], ...] = (("Last sign of life", f"{sign} ago" if sign else "never"),)
    if not health.worker:
        return Part("Worker", "engineering", "red", "Not there", facts, NO_WORKER.replace("`", ""))
    return Part("Worker", "engineering", "green", "At work", facts)


def _queue(machinery: Machinery) -> Part:
    lanes = (("Plans and executions", machinery.runs), ("Everything else", machinery.others))
    facts = tuple((title, _lane(lane)) for title, lane in lanes)
    broken, slow = len(machinery.broken), max(lane.oldest_s for _, lane in lanes) > SLOW_S
    if broken:
        todo = "Each stands below with its reason. What runs on schedule leaves the list once it was done again."
        return Part("Queue", "format_list_numbered", "red", f"{plural(broken, 'job')} failed", facts, todo)
    if slow:
        todo = "Work waits longer than it should. Give the worker more processes, or start a second one."
        return Part("Queue", "format_list_numbered", "amber", "Slow", facts, todo)
    return Part("Queue", "format_list_numbered", "green", "Flowing", facts)


def _lane(lane: Lane) -> Markup:
    counts = ((lane.running, "running"), (lane.waiting, "waiting"), (lane.later, "planned for later"))
    told = [f"{many} {what}" for many, what in counts if many] or ["nothing to do"]
    oldest = html.faint(f"the oldest for {_span(lane.oldest_s)}") if lane.waiting else ""
    return html.lines(", ".join(told), oldest)


def _log(log: audit.Standing, shown: Format, now: datetime) -> Part:
    sealed = f"{ago(log.sealed_at, now)}" if log.sealed_at else "never"
    facts: list[tuple[str, Cell]] = [
        ("Sealed records, of all organisations", shown.count(log.sealed)),
        ("Last sealed", sealed),
        ("Not sealed yet", shown.count(log.unsealed)),
    ]
    if log.verified_at is None:
        facts.append(("Last verified", "never"))
        return Part(
            "Audit log", "policy", "amber", "Never verified", tuple(facts), "Have an auditor verify it on its page."
        )
    facts.append(("Last verified", f"{ago(log.verified_at, now)}, {shown.count(log.verified_size)} records"))
    if not log.verified_ok:
        todo = "The last verification found changes. Keep everything as it is and call an auditor."
        return Part("Audit log", "policy", "red", "Changed", tuple(facts), todo)
    return Part("Audit log", "policy", "green", "Whole", tuple(facts))


def _check_row(view: CheckView, now: datetime, shown: Format) -> tuple[Cell, ...]:
    if view.at is None:
        return (view.title, html.badge("Never ran", "gray"), "", "")
    failed = html.badge(plural(view.violations, "violation"), "red")
    holds = failed if view.violations else html.badge("Yes", "green")
    when = html.lines(ago(view.at, now), html.faint(shown.instant(view.at)))
    return (view.title, holds, when, duration(view.duration_ms))


def _job_row(job: BrokenJob, now: datetime) -> tuple[Cell, ...]:
    title = RUN_TITLES.get(job.kind) or (JOBS[job.kind].title if job.kind in JOBS else job.kind)
    state = html.badge("Tried again", "amber") if job.again else html.badge("Given up", "red")
    why = job.message or "It broke in a way nobody foresaw; the worker's own log tells more."
    return (title, state, why, job.attempts, ago(job.ended_at or job.created_at, now))


def _numbers(reading: Reading, checks: Iterable[CheckView]) -> Mapping[str, str]:
    """The numbers of executions that violations name by id, as far as this person may see them."""
    ids = {found for view in checks for told in view.told[:TOLD_SHOWN] for found in _EXECUTION.findall(told)}
    if not ids:
        return {}
    seen = operations.executions(reading, ExecutionFilter(ids=tuple(sorted(ids))), limit=len(ids))
    return {run.id: run.number for run in seen.rows}


def _linked(told: str, numbers: Mapping[str, str]) -> Markup:
    """A violation with each execution by its number, as a link to it; and its row in words."""
    pieces: list[Cell] = []
    end = 0
    for found in re.finditer(r"\b(ex_[0-9a-f]{32})(?::([0-9]+))?", told):
        number, row = numbers.get(found.group(1)), found.group(2)
        link = html.link(number, "executions", {"execution": number}) if number else Markup("an execution")
        pieces += [_said(told[end : found.start()]), link, f", row {row}," if row else ""]
        end = found.end()
    return Markup("".join(html.text(piece) for piece in [*pieces, _said(told[end:])]))


def _said(told: str) -> str:
    """States as people write them."""
    return _STATE.sub(lambda found: found[0].replace("_", " "), spelled(told))


def _span(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < SLOW_S else duration(whole * 1000)
