"""One unit of work: one transaction, one actor, one instant. The only module that commits.

``Reading`` looks and never writes; ``Work`` is a ``Reading`` that writes and commits once, on leaving. Both are made
by ``desk``; verbs take them as their first argument.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, CursorResult, Executable, Row

from finops_core.kernel.actor import Actor
from finops_core.kernel.errors import NotAllowed
from finops_core.kernel.job import Event, Listener
from finops_core.kernel.permissions import Permission
from finops_core.platform.db import UNIT, Database, UnitScope
from finops_core.platform.ports import Ports
from finops_core.platform.repeated import Asked, Repeated, Rows

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Reading:
    """A consistent look at the database for one actor.

    Attributes:
        actor: who looks.
        org_id: the organisation looked at; in a spanning read, the actor's present one.
        orgs: every organisation this reading may name.
        now: the unit's one instant.
        ports: the outside world.
        permissions: what the actor may do in ``org_id``, read from the database for this unit.
    """

    def __init__(self, connection: Connection, actor: Actor, orgs: frozenset[str], ports: Ports) -> None:
        self._scope = UnitScope(orgs)
        self._connection = connection.execution_options(**{UNIT: self._scope})
        self.actor = actor
        self.org_id = actor.org_id
        self.orgs = orgs
        self.now: datetime = ports.clock.now()
        self.ports = ports
        self.permissions: frozenset[Permission] = frozenset()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._connection.dialect.name

    def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[Any]:
        """Run a Core statement; the guard refuses one that does not name its organisation."""
        return self._connection.execute(statement, parameters)

    def ask(self, asked: Asked, given: Mapping[str, Any]) -> Sequence[Any]:
        """All rows of a select that is asked again and again; the guard looks at it as at any statement."""
        if not self._scope.across:
            asked.check(given, self._scope.orgs)
        return asked.run(self._connection, given)

    def rows(self, statement: Executable) -> Sequence[Row[Any]]:
        """All rows of a select."""
        return self._connection.execute(statement).all()

    def first(self, statement: Executable) -> Row[Any] | None:
        """The first row, or None."""
        return self._connection.execute(statement).first()

    def scalar(self, statement: Executable) -> Any:
        """The first column of the first row, or None."""
        return self._connection.execute(statement).scalar()

    def may(self, permission: Permission) -> bool:
        """Whether the actor holds the permission in this organisation."""
        return permission in self.permissions

    def require(self, *permissions: Permission) -> None:
        """Refuse with ``NOT_ALLOWED`` unless every permission is held."""
        missing = [permission.value for permission in permissions if permission not in self.permissions]
        if missing:
            raise NotAllowed(
                "NOT_ALLOWED",
                "You are not allowed to do this.",
                hint="Ask an administrator for a role that includes it."
                if self.actor.token_id is None
                else "The role or the scopes of your API token do not include it.",
                missing=missing,
            )

    @contextmanager
    def across_orgs(self, reason: str) -> Iterator[None]:
        """Let statements pass unchecked, for work that concerns every organisation; the reason is for the reader."""
        if not reason:
            raise ValueError("say why")
        before, self._scope.across = self._scope.across, reason
        try:
            yield
        finally:
            self._scope.across = before


class Work(Reading):
    """A ``Reading`` that may write. What verbs tell is heard before the commit.

    ``marks``: what kinds of things it has done, for whoever looks at it once it is committed.
    """

    def __init__(
        self,
        connection: Connection,
        actor: Actor,
        orgs: frozenset[str],
        ports: Ports,
        listeners: Mapping[type[Event], Sequence[Listener]],
    ) -> None:
        super().__init__(connection, actor, orgs, ports)
        self._listeners = listeners
        self._news: deque[Event] = deque()
        self.marks: set[str] = set()

    def write(self, repeated: Repeated, rows: Rows) -> None:
        """Run an insert or update once for each row; the guard looks at it as at any statement."""
        before = self._scope.across
        if not before:
            repeated.check(rows, self._scope.orgs)
        self._scope.across = "the guard has looked at the statement and its rows"
        try:
            repeated.run(self._connection, rows)
        finally:
            self._scope.across = before

    def tell(self, event: Event) -> None:
        """Upward news: the listeners named in ``catalog`` run in this unit, before it commits."""
        self._news.append(event)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that may fail alone: on an exception only what was done inside is undone."""
        with self._connection.begin_nested():
            yield

    def hear(self) -> None:
        """Run the listeners of everything told so far, and of what they tell."""
        while self._news:
            event = self._news.popleft()
            for listener in self._listeners.get(type(event), ()):
                listener(self, event)


class Units(Protocol):
    """What code that opens units of its own needs of the desk: jobs, runs, calls to the outside between two units."""

    ports: Ports

    def work(self, actor: Actor) -> AbstractContextManager[Work]:
        """One unit of work."""
        ...

    def read(self, actor: Actor) -> AbstractContextManager[Reading]:
        """One look."""
        ...


Resolve = Callable[[Reading], frozenset[Permission]]


@dataclass(frozen=True, slots=True)
class UnitFactory:
    """Opens units over a database; ``desk`` holds one."""

    database: Database
    ports: Ports
    listeners: Mapping[type[Event], Sequence[Listener]]
    resolve: Resolve

    @contextmanager
    def work(self, actor: Actor) -> Iterator[Work]:
        """One transaction: commits when the block ends, rolls back when it raises."""
        with self.database.writing.connection() as connection, connection.begin():
            work = Work(connection, actor, frozenset({actor.org_id}), self.ports, self.listeners)
            work.permissions = self.resolve(work)
            yield work
            work.hear()

    @contextmanager
    def read(self, actor: Actor, orgs: frozenset[str] = frozenset()) -> Iterator[Reading]:
        """One read-only transaction over the actor's organisation, or the ones given (which ``desk`` has checked)."""
        with self.database.reading.connection() as connection, connection.begin():
            reading = Reading(connection, actor, orgs or frozenset({actor.org_id}), self.ports)
            reading.permissions = self.resolve(reading)
            yield reading
