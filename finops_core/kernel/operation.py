"""What an operation is: data that form, engine and approval read. Built-in ones are listed in ``catalog``."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel

from finops_core.kernel.faults import Fault
from finops_core.kernel.permissions import Permission


class Category(StrEnum):
    """Where the catalogue lists an operation (B03)."""

    STRIPE = "stripe"
    BANK = "bank"
    PAYROLL = "payroll"
    RECONCILIATION = "reconciliation"
    REPORTING = "reporting"
    CUSTOM = "custom"


class Risk(StrEnum):
    """How much harm a wrong run can do (B04)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Recovery(StrEnum):
    """What the worker may do with a run whose process died."""

    RESUME = "resume"
    INTERRUPT = "interrupt"


class LogLevel(StrEnum):
    """Levels of a log entry (E10)."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Column:
    """A column an input file may have.

    Attributes:
        name: the header as the sample shows it; matched without regard to case, spaces and underscores.
        read: turns a non-empty, stripped cell into a value; raises ``ValueError`` with a sentence for the user.
        required: the header must be there and no cell may be empty.
        description: one line for the form.
        aliases: other headers that mean the same.
    """

    name: str
    read: Callable[[str], Any]
    required: bool = False
    description: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSpec:
    """The file an operation takes.

    Attributes:
        label: shown above the uploader.
        columns: what it may hold; a header outside this list is a fault unless ``extra_columns``.
        sample_name: file name of the sample offered beside the uploader.
        sample: the sample's text.
        extra_columns: whether unknown headers are let pass unread.
        max_rows: more rows than this is one fault.
        check_row: a second look at a whole row, after its cells were read: gives ``(column, message)`` pairs. An
            optional cell that was refused is None here, like an empty one; with a refused required one nobody looks.
        check_partly: look nevertheless; a refused required cell is None then.
        unique: columns whose values together may stand only once.
    """

    label: str
    columns: tuple[Column, ...]
    sample_name: str
    sample: str
    extra_columns: bool = False
    max_rows: int = 200_000
    check_row: Callable[[Mapping[str, Any]], Sequence[tuple[str, str]]] | None = None
    unique: tuple[str, ...] = ()
    check_partly: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A validated input file, by columns.

    Attributes:
        columns: column name -> one value a row (None where an optional cell was empty or the column absent).
        rows: the spreadsheet row number of each row (the header is row 1).
    """

    columns: Mapping[str, list[Any]]
    rows: list[int]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One thing that will happen. ``body`` is JSON (amounts as strings) and is what the approval binds.

    Attributes:
        account: the account at the provider, "" for the connection's own.
        currency: ISO 4217.
        amount_minor: to be paid, in ISO minor units; 0 for a row that only explains why nothing moves.
        body: everything else the approver sees, in the field names the screens know.
    """

    account: str
    currency: str
    amount_minor: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a dry run found: shown to preparer and approver, hashed, and later carried out row by row."""

    rows: tuple[PlanRow, ...]
    mode: str
    key_fingerprint: str
    connection_id: str | None = None
    warnings: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A result file."""

    name: str
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of a run (E09). ``total_minor``: currency -> minor units."""

    records_processed: int = 0
    records_successful: int = 0
    records_failed: int = 0
    total_minor: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gives back (E08).

    Attributes:
        table: what the viewer shows and the exports hold: header -> one value a row (str, int, date, ``Money``, None).
        open_ends: how many things nobody can be sure of yet; while there are any, the run is neither done nor failed.
        untouched: nothing at all was done, so that a new plan may take its place.
    """

    success: bool
    message: str
    metrics: Metrics = Metrics()
    table: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    files: tuple[OutputFile, ...] = ()
    open_ends: int = 0
    untouched: bool = False


class RunContext(Protocol):
    """What a dry run or a run is given. It never holds a transaction open between calls."""

    @property
    def org_id(self) -> str:
        """The organisation."""
        ...

    @property
    def execution_id(self) -> str:
        """The execution (``ex_…``)."""
        ...

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        ...

    @property
    def fence(self) -> int:
        """Rises whenever another worker takes the run over: tells whose a record is."""
        ...

    @property
    def params(self) -> Any:
        """The validated parameters, an instance of the operation's class."""
        ...

    @property
    def retry_rows(self) -> tuple[int, ...]:
        """The rows of earlier attempts that a dry run plans again; empty for a plan of the whole."""
        ...

    @property
    def wind_down(self) -> tuple[str, str] | None:
        """Code and words of why a resumed run may begin nothing new; None while it may."""
        ...

    @property
    def sheet(self) -> Sheet:
        """The input file, read and validated anew; empty for operations without one."""
        ...

    @property
    def plan(self) -> Plan:
        """The approved plan; empty during a dry run."""
        ...

    @property
    def ports(self) -> Any:
        """The outside world."""
        ...

    def now(self) -> datetime:
        """The present instant."""
        ...

    def unit(self) -> AbstractContextManager[Any]:
        """One unit of work on behalf of the submitter; refuses to commit when this run lost its lease."""
        ...

    def log(self, level: LogLevel, message: str, **data: Any) -> None:
        """A line of the run's log; no secrets, no names of people."""
        ...

    def progress(self, done: int, total: int, message: str = "") -> None:
        """How far it is; cheap to call often."""
        ...

    def stop_requested(self) -> bool:
        """Whether somebody asked to stop; ask between rows."""
        ...


class NoParameters(BaseModel):
    """For operations that take only a file."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an attempt has come to by now, in short: a sentence, "" before it has made a record, and its open ends."""

    message: str
    open_ends: int


@dataclass(frozen=True, slots=True)
class Records:
    """For operations that keep records of their own; each is given a unit of work, an execution and an attempt.

    Attributes:
        conclude: closes what was never begun and gives what the attempt has come to. Called in the unit that ends the
            attempt, however it ends, and again when its last open end is settled.
        standing: the short form, without a look at every row; called whenever one of them has changed.
        ends_by_run: once the last open end is settled the run is carried out once more, since it has something left to
            do that only it can, such as writing a file.
    """

    conclude: Callable[[Any, str, int], Result]
    standing: Callable[[Any, str, int], Standing]
    ends_by_run: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """Something users can run.

    Attributes:
        id: ``area.name``, stable for ever.
        version: semantic version; part of what an approval binds.
        run: does it; may be called again after a crash when ``recovery`` is RESUME.
        dry_run: makes the plan; None for operations without one.
        records: of an operation that keeps its own; None for one whose result says it all.
        approval_required: whether a second person must agree before it runs.
        item_type: names the authority an approver needs; "" when no approval is required.
        permissions: all of them are needed to run it (A12).
        concurrency: how many runs at once per organisation.
        procedure: how and when to use it, shown beside the form (B16), Markdown.
    """

    id: str
    version: str
    title: str
    description: str
    category: Category
    risk: Risk
    run: Callable[[RunContext], Result]
    parameters: type[BaseModel] = NoParameters
    file: FileSpec | None = None
    dry_run: Callable[[RunContext], Plan] | None = None
    records: Records | None = None
    permissions: tuple[Permission, ...] = (Permission.OPERATIONS_RUN,)
    approval_required: bool = False
    item_type: str = ""
    recovery: Recovery = Recovery.INTERRUPT
    timeout_s: int = 600
    concurrency: int = 4
    procedure: str = ""
