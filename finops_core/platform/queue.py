"""The one queue: a ``job`` table with leases by the database's clock and a fence that every write checks.

A job is claimed by one worker until its lease ends; each claim raises the fence, so a worker that slept through its
lease can no longer write. ``lease`` rows name the one scheduler and the one sealer, however many workers run.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import BigInteger, ColumnElement, Index, and_, bindparam, case, func, or_, select, text, update
from sqlmodel import Field, SQLModel

from finops_core.kernel.errors import Conflict
from finops_core.kernel.ids import new_id
from finops_core.platform.db import now_ms
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.tables import Retention, big, installation_table, instant, table_of
from finops_core.platform.work import Reading, Work

MAX_ERROR_CHARS = 2000
_CODED = re.compile(r"[A-Z][A-Z0-9_]*: (.+)", re.ASCII | re.DOTALL)


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"


_OPEN = "state IN ('queued', 'leased')"


class JobRow(SQLModel, table=True):
    """One piece of background work."""

    __tablename__ = "job"
    __table_args__ = installation_table(
        Index("ix_job_due", "state", "run_at_ms"),
        Index("uq_job_open_key", "key", unique=True, sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
        retention=Retention.TRANSIENT,
    )

    id: str = Field(primary_key=True)
    org_id: str
    kind: str
    key: str
    payload: str
    state: str
    run_at_ms: int = big()
    lease_owner: str = ""
    lease_until_ms: int = big()
    fence: int = big()
    attempts: int = 0
    again_at_ms: int | None = Field(default=None, sa_type=cast("Any", BigInteger), nullable=True)
    last_error: str = ""
    created_at: Any = instant()
    ended_at: Any = instant(nullable=True)


class LeaseRow(SQLModel, table=True):
    """Who may act alone in a role, until when."""

    __tablename__ = "lease"
    __table_args__ = installation_table(retention=Retention.TRANSIENT)

    name: str = Field(primary_key=True)
    owner: str
    until_ms: int = big()
    fence: int = big()


job, lease = table_of(JobRow), table_of(LeaseRow)
_HOLD = (
    select(job.c.id)
    .where(job.c.id == bindparam("held"), job.c.fence == bindparam("fence"), job.c.state == JobState.LEASED)
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job this worker holds.

    Attributes:
        fence: rises with each claim; writes under an older one are refused.
        attempts: how many times it was claimed, this time included.
    """

    id: str
    org_id: str
    kind: str
    payload: Mapping[str, Any]
    fence: int
    attempts: int


def enqueue(
    work: Work,
    kind: str,
    payload: Mapping[str, Any],
    *,
    key: str = "",
    delay_s: float = 0,
    org_id: str | None = None,
    again: bool = False,
    fence: int = 0,
) -> str | None:
    """Queue a job in this unit; None when an unfinished job with the same key is already there.

    ``payload`` is plain JSON: ids, never secrets. ``again``: the one that is there shall run (once) more after now,
    even if it runs already: it may have looked before what this unit does could be seen. Of several such wishes the
    soonest counts. ``fence``: the highest one of an earlier job that began the same work (``highest_fence``), so that
    every later claim is above it.
    """
    job_id = new_id("job")
    key = key or job_id
    run_at = now_ms() + int(delay_s * 1000)
    row = {
        "id": job_id,
        "org_id": work.org_id if org_id is None else org_id,
        "kind": kind,
        "key": key,
        "payload": json.dumps(payload, sort_keys=True),
        "state": JobState.QUEUED,
        "run_at_ms": run_at,
        "lease_owner": "",
        "lease_until_ms": 0,
        "fence": fence,
        "attempts": 0,
        "last_error": "",
        "created_at": work.now,
    }
    while True:
        if again and _asked_again(work, key, run_at):
            return None
        if insert_unless_there(work, job, row):
            return job_id
        if not again:
            return None


def _asked_again(work: Work, key: str, run_at: Any) -> bool:
    """Mark the unfinished job with this key; False when there is none.

    Its row is locked by this until the unit ends, so it cannot be completed without having seen the mark.
    """
    there = job.c.key == key, job.c.state.in_((JobState.QUEUED, JobState.LEASED))
    soonest = case((job.c.again_at_ms < run_at, job.c.again_at_ms), else_=run_at)
    return work.execute(update(job).where(*there).values(again_at_ms=soonest)).rowcount > 0


def highest_fence(reading: Reading, key: str) -> int:
    """The highest fence of the jobs with this key, ended ones too; 0 when there was none. Reads the whole queue."""
    return int(reading.scalar(select(func.max(job.c.fence)).where(job.c.key == key)) or 0)


def claim(work: Work, owner: str, lease_s: float, kinds: tuple[str, ...] = ()) -> Claim | None:
    """Take the job that has waited longest, or one whose lease ran out; None when there is nothing to do."""
    wanted = select(job).where(*_due(kinds)).order_by(job.c.run_at_ms, job.c.id).limit(1)
    row = work.first(wanted.with_for_update(skip_locked=True))
    if row is None:
        return None
    work.execute(
        update(job)
        .where(job.c.id == row.id)
        .values(
            state=JobState.LEASED,
            lease_owner=owner,
            lease_until_ms=now_ms() + int(lease_s * 1000),
            fence=row.fence + 1,
            attempts=row.attempts + 1,
            again_at_ms=None,
        )
    )
    return Claim(row.id, row.org_id, row.kind, json.loads(row.payload), row.fence + 1, row.attempts + 1)


def is_due(reading: Reading, kinds: tuple[str, ...] = ()) -> bool:
    """Whether there is something to claim: a look that, unlike ``claim``, keeps no writer waiting."""
    return reading.scalar(select(job.c.id).where(*_due(kinds)).limit(1)) is not None


def renew(work: Work, held: Claim, lease_s: float) -> bool:
    """Hold on to a job a while longer; False when another worker has it."""
    changed = work.execute(update(job).where(*_mine(held)).values(lease_until_ms=now_ms() + int(lease_s * 1000)))
    return changed.rowcount == 1


def hold(work: Work, held: Claim) -> None:
    """Refuse with ``LEASE_LOST`` unless this claim is still the newest; locks the row until the unit ends."""
    found = work.execute(_HOLD, {"held": held.id, "fence": held.fence}).first()
    if found is None:
        raise Conflict(
            "LEASE_LOST",
            "Another worker has taken over this run.",
            hint="Nothing to do: the other worker carries on.",
            job_id=held.id,
            fence=held.fence,
        )


def complete(work: Work, held: Claim) -> bool:
    """The job is done, or queued once more when that was asked for meanwhile; False when another worker has it."""
    return _end(work, held, JobState.DONE, "")


def give_up(work: Work, held: Claim, error: str) -> bool:
    """The job failed for good, or begins anew when it was asked for meanwhile; False when another worker has it."""
    return _end(work, held, JobState.FAILED, error)


def put_back(work: Work, held: Claim, *, delay_s: float, error: str = "", uncounted: bool = False) -> bool:
    """Let it run again later; ``uncounted`` for a job that only had to wait its turn."""
    changed = work.execute(
        update(job)
        .where(*_mine(held))
        .values(
            state=JobState.QUEUED,
            lease_owner="",
            lease_until_ms=0,
            run_at_ms=now_ms() + int(delay_s * 1000),
            attempts=held.attempts - 1 if uncounted else held.attempts,
            last_error=error[:MAX_ERROR_CHARS],
        )
    )
    return changed.rowcount == 1


def acquire_lease(work: Work, name: str, owner: str, lease_s: float) -> int | None:
    """Become (or stay) the one owner of a role: its fence, or None while another owner's lease runs."""
    row = work.first(select(lease).where(lease.c.name == name).with_for_update())
    until = now_ms() + int(lease_s * 1000)
    if row is None:
        added = insert_unless_there(work, lease, {"name": name, "owner": owner, "until_ms": until, "fence": 1})
        return 1 if added else None
    if row.owner == owner:
        work.execute(update(lease).where(lease.c.name == name).values(until_ms=until))
        return int(row.fence)
    taken = work.execute(
        update(lease)
        .where(lease.c.name == name, lease.c.until_ms < now_ms())
        .values(owner=owner, until_ms=until, fence=row.fence + 1)
    )
    return int(row.fence) + 1 if taken.rowcount == 1 else None


def release_lease(work: Work, name: str, owner: str) -> None:
    """Let another owner take the role at once."""
    work.execute(update(lease).where(lease.c.name == name, lease.c.owner == owner).values(until_ms=0))


def lease_age_s(reading: Reading, name: str) -> float | None:
    """Seconds since the role's lease ran out (negative while it is held); None when nobody ever had it."""
    until = reading.scalar(select(now_ms() - lease.c.until_ms).where(lease.c.name == name))
    return None if until is None else until / 1000


def outage_of(reading: Reading, name: str) -> str:
    """A name for the time since the role's lease ran out: another one after it was held again."""
    row = reading.first(select(lease).where(lease.c.name == name))
    return "" if row is None else f"{row.fence}:{row.until_ms}"


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """The unfinished jobs of one kind, of all organisations.

    Attributes:
        waiting: due, and taken by no worker.
        running: held by a worker whose lease still runs.
        later: due at a later time.
        oldest_s: how long the one that waits longest has been due, in seconds; 0 when none waits.
    """

    kind: str
    waiting: int
    running: int
    later: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class BrokenJob:
    """A job that was given up, or that is tried again after a failure.

    Attributes:
        message: why, in people's words; "" when it broke in a way nobody foresaw, which the worker's own log tells.
        again: whether it is tried again.
        ended_at: when it was given up; None while it is tried again.
    """

    id: str
    kind: str
    attempts: int
    message: str
    again: bool
    created_at: datetime
    ended_at: datetime | None


def is_open(reading: Reading, key: str) -> bool:
    """Whether an unfinished job has this key."""
    there = job.c.key == key, job.c.state.in_((JobState.QUEUED, JobState.LEASED))
    return reading.scalar(select(job.c.id).where(*there).limit(1)) is not None


def open_jobs(reading: Reading) -> tuple[OpenJobs, ...]:
    """How the queue stands, by kind; kinds without an unfinished job are left out."""
    (due,) = _due(())
    running = and_(job.c.state == JobState.LEASED, job.c.lease_until_ms >= now_ms())
    waiting, held = func.sum(case((due, 1), else_=0)), func.sum(case((running, 1), else_=0))
    oldest = now_ms() - func.min(case((due, job.c.run_at_ms)))
    columns = (waiting.label("waiting"), held.label("running"), func.count().label("many"), oldest.label("oldest_ms"))
    unfinished = job.c.state.in_((JobState.QUEUED, JobState.LEASED))
    rows = reading.rows(select(job.c.kind, *columns).where(unfinished).group_by(job.c.kind).order_by(job.c.kind))
    return tuple(
        OpenJobs(
            row.kind,
            int(row.waiting),
            int(row.running),
            int(row.many - row.waiting - row.running),
            max(row.oldest_ms or 0, 0) / 1000,
        )
        for row in rows
    )


def broken_jobs(reading: Reading, limit: int = 20) -> tuple[BrokenJob, ...]:
    """Jobs of this organisation, or of the installation itself, that failed and were not done since; newest first.

    One that was given up is remembered as long as finished jobs are.
    """
    again = and_(job.c.state.in_((JobState.QUEUED, JobState.LEASED)), job.c.last_error != "")
    mine = job.c.org_id.in_(("", reading.org_id)), or_(job.c.state == JobState.FAILED, again)
    rows = reading.rows(select(job).where(*mine).order_by(job.c.created_at.desc(), job.c.id.desc()).limit(limit))
    done = _last_done(reading, [row.key for row in rows])
    return tuple(
        BrokenJob(
            row.id,
            row.kind,
            row.attempts,
            _in_words(row.last_error),
            row.state != JobState.FAILED,
            row.created_at,
            row.ended_at,
        )
        for row in rows
        if row.key not in done or done[row.key] < row.created_at
    )


def _last_done(reading: Reading, keys: Sequence[str]) -> Mapping[str, datetime]:
    """When the newest job with each of these keys was made that has been done."""
    if not keys:
        return {}
    wanted = job.c.state == JobState.DONE, job.c.key.in_(sorted(set(keys)))
    newest = select(job.c.key, func.max(job.c.created_at).label("at")).where(*wanted).group_by(job.c.key)
    return {row.key: row.at for row in reading.rows(newest)}


def _in_words(error: str) -> str:
    """The message behind an error's code; what has no code is the name of something in the program."""
    found = _CODED.fullmatch(error)
    return found.group(1) if found else ""


def _due(kinds: tuple[str, ...]) -> tuple[ColumnElement[bool], ...]:
    due = or_(
        and_(job.c.state == JobState.QUEUED, job.c.run_at_ms <= now_ms()),
        and_(job.c.state == JobState.LEASED, job.c.lease_until_ms < now_ms()),
    )
    return (due, job.c.kind.in_(kinds)) if kinds else (due,)


def _mine(held: Claim) -> tuple[Any, ...]:
    return (job.c.id == held.id, job.c.fence == held.fence, job.c.state == JobState.LEASED)


def _end(work: Work, held: Claim, state: JobState, error: str) -> bool:
    again = job.c.again_at_ms
    # One statement: between two of them somebody could ask for it and not be heard.
    changed = work.execute(
        update(job)
        .where(*_mine(held))
        .values(
            state=case((again.is_(None), state.value), else_=JobState.QUEUED.value),
            run_at_ms=func.coalesce(again, job.c.run_at_ms),
            ended_at=case((again.is_(None), work.now), else_=None),
            attempts=case((again.is_(None), job.c.attempts), else_=0),
            again_at_ms=None,
            lease_owner="",
            lease_until_ms=0,
            last_error=error[:MAX_ERROR_CHARS],
        )
    )
    return changed.rowcount == 1
