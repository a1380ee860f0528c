"""Carries out one run in a child process: reads the input anew, gives the operation its context, reports back.

The child talks to its parent through a pipe: log lines, progress, and at last a result or an error. It writes to the
database only through ``unit()``, which refuses once another worker holds the job.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy.exc import OperationalError

from finops_core import files
from finops_core.kernel.actor import Actor, worker_actor
from finops_core.kernel.errors import Conflict, FinOpsError, Invalid, Unavailable
from finops_core.kernel.operation import LogLevel, Operation, Plan, Result, Sheet
from finops_core.operations.engine import Begun, LogEntry
from finops_core.operations.intake import read_sheet
from finops_core.platform import queue
from finops_core.platform.ports import Ports
from finops_core.platform.work import Units, Work


@dataclass(frozen=True, slots=True)
class Line:
    """A log line, child to parent."""

    entry: LogEntry


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is, child to parent."""

    done: int
    total: int
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last message of a child: a plan, a result, or an error in the user's words (its code, message and hint).

    Attributes:
        again: something outside did not answer; the same may go well later.
        broke: the operation's own mistake, not a refusal it told.
    """

    plan: Plan | None = None
    result: Result | None = None
    error: tuple[str, str, str] | None = None
    again: bool = False
    broke: bool = False


Message = Line | Progress | Outcome


@dataclass
class Run:
    """The ``RunContext`` of one attempt."""

    units: Units
    begun: Begun
    send: Callable[[Message], None]
    should_stop: Callable[[], bool]
    _started: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.now()

    @property
    def org_id(self) -> str:
        """The organisation."""
        return self.begun.claim.org_id

    @property
    def execution_id(self) -> str:
        """The execution."""
        return self.begun.execution.id

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        return self.begun.execution.attempt

    @property
    def fence(self) -> int:
        """Of the claim this run is made under."""
        return self.begun.claim.fence

    @property
    def ports(self) -> Ports:
        """The outside world."""
        return self.units.ports

    @property
    def operation(self) -> Operation:
        """The operation that runs."""
        return self.ports.operations[self.begun.execution.operation_id]

    @cached_property
    def params(self) -> Any:
        """The stored parameters as an instance of the operation's class."""
        return self.operation.parameters.model_validate(dict(self.begun.execution.params))

    @cached_property
    def sheet(self) -> Sheet:
        """The stored file, its hash checked, read and validated again."""
        spec, reference = self.operation.file, self.begun.execution.input_reference
        if spec is None or reference is None:
            return Sheet({}, [])
        with self.units.read(self._actor()) as reading:
            content = files.content(reading, reference)
        if files.content_hash_of(content) != self.begun.execution.input_sha256:
            raise Conflict("FILE_CHANGED", "The stored file is not the one that was checked.", hint="Upload it again.")
        sheet = read_sheet(content, self.begun.execution.input_name, spec, len(content))
        if isinstance(sheet, tuple):
            raise Invalid("FILE_FAULTY", f"The stored file has {len(sheet)} faults.", hint="Upload it again.")
        return sheet

    @property
    def plan(self) -> Plan:
        """The approved plan; empty during a dry run."""
        return self.begun.plan or Plan((), "", "")

    @property
    def retry_rows(self) -> tuple[int, ...]:
        """The rows of earlier attempts that this dry run plans again."""
        return self.begun.execution.retry_rows

    @property
    def wind_down(self) -> tuple[str, str] | None:
        """Why a resumed run may begin nothing new."""
        return self.begun.wind_down

    def now(self) -> datetime:
        """The present instant."""
        return self.ports.clock.now()

    @contextmanager
    def unit(self) -> Iterator[Work]:
        """One unit of work on behalf of the submitter; ``LEASE_LOST`` once another worker holds the run."""
        with self.units.work(self._actor()) as work:
            queue.hold(work, self.begun.claim)
            yield work

    def log(self, level: LogLevel, message: str, **data: Any) -> None:
        """A line of the run's log."""
        self.send(Line(LogEntry(self.now(), level, message, data)))

    def progress(self, done: int, total: int, message: str = "") -> None:
        """How far it is."""
        self.send(Progress(done, total, message))

    def stop_requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self.should_stop()

    def _actor(self) -> Actor:
        return worker_actor(self.org_id, self.begun.execution.requested_by)


def carry_out(run: Run) -> Outcome:
    """Do the dry run or the run. Errors become an outcome, but for a database that fails: that ends the process.

    What was done by then can only be told by the database, so the run is resumed or interrupted like a crashed one.
    """
    operation = run.operation
    try:
        if run.begun.dry:
            if operation.dry_run is None:
                return Outcome(plan=Plan((), "", ""))
            return Outcome(plan=operation.dry_run(run))
        run.log(LogLevel.INFO, f"{operation.title} {operation.version} started, attempt {run.attempt}.")
        result = operation.run(run)
        run.log(LogLevel.INFO if result.success else LogLevel.ERROR, result.message)
        return Outcome(result=result)
    except FinOpsError as error:
        run.log(LogLevel.ERROR, error.message, code=error.code)
        told = (error.code, error.message, error.hint)
        return Outcome(error=told, again=isinstance(error, Unavailable))
    except OperationalError as error:
        run.log(LogLevel.ERROR, "The database did not answer.", where=_where(error))
        raise
    except Exception as error:  # noqa: BLE001 - an operation may raise anything; the person gets a sentence and an id
        run.log(LogLevel.ERROR, f"{type(error).__name__} in the operation.", where=_where(error))
        return Outcome(error=("OPERATION_BROKE", "The operation broke off.", _TELL), broke=True)


_TELL = "Tell whoever maintains it; the run's log says where it broke."


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
