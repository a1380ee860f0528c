"""How tables are declared: one place for what crossing tests, masking, retention, search and guards must know.

Every business table is an ``OrgRow`` (composite key ``(org_id, id)``); the few installation-wide tables are named
in ``INSTALLATION_TABLES``. Facts about a table live in its SQLAlchemy ``info`` under ``FACTS``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    MetaData,
    String,
    Table,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import AutoString

from finops_core.kernel.permissions import Permission

FACTS = "tieout"

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA: MetaData = SQLModel.metadata


class Scope(StrEnum):
    """Whether a row belongs to one organisation or to the installation."""

    ORGANISATION = "organisation"
    INSTALLATION = "installation"


class DataClass(StrEnum):
    """How sensitive a column is (L07)."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


class Retention(StrEnum):
    """How long rows are kept; years are settings of a later issue."""

    RECORD = "record"
    WORKING = "working"
    TRANSIENT = "transient"


@dataclass(frozen=True, slots=True)
class Guard:
    """A truth of a table that its database itself holds, whatever program writes: one trigger on each database.

    Attributes:
        name: of the trigger, and on PostgreSQL of its function too.
        when: ``BEFORE INSERT``, say; a row at a time. PostgreSQL's order of several events is ``DELETE OR UPDATE``.
        sqlite: the statements between BEGIN and END.
        postgresql: the body of the plpgsql function, from its first word.
    """

    name: str
    when: str
    sqlite: str
    postgresql: str


def refusing(name: str, code: str, when: str, condition: str = "TRUE") -> Guard:
    """A guard that refuses a change, with ``code``, wherever the condition on OLD and NEW holds."""
    return Guard(
        name,
        when,
        f"SELECT RAISE(ABORT, '{code}') WHERE {condition};",
        f"""
BEGIN
  IF {condition} THEN RAISE EXCEPTION '{code}'; END IF;
  RETURN NEW;
END
""",
    )


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What is declared of a table.

    Attributes:
        scope: organisation or installation.
        retention: how long its rows are kept.
        classes: column -> class, for columns that are not INTERNAL.
        append_only: whether triggers refuse UPDATE and DELETE.
        guards: what else its database holds.
        listed: columns an administration page shows.
        searched: columns a search looks into.
        seen_by: permissions that whoever looks at its rows there needs, all of them; nobody looks where none is named.
    """

    scope: Scope
    retention: Retention
    classes: Mapping[str, DataClass] = field(default_factory=dict)
    append_only: bool = False
    listed: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    seen_by: tuple[Permission, ...] = ()

    def class_of(self, column: str) -> DataClass:
        """The class of one column."""
        return self.classes.get(column, DataClass.INTERNAL)


class UtcInstant(TypeDecorator[datetime]):
    """An aware instant, always UTC; naive values are refused before they reach the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; SQLite stores it without an offset, in the sortable ISO form."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Back as an aware UTC instant."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@compiles(AutoString, "sqlite")
@compiles(String, "sqlite")
@compiles(DateTime, "sqlite")
def _text_on_sqlite(_type: TypeEngine[Any], _compiler: object, **_: object) -> str:
    return "TEXT"  # STRICT tables know INT, INTEGER, REAL, TEXT, BLOB and ANY only


@compiles(BigInteger, "sqlite")
@compiles(Boolean, "sqlite")
def _integer_on_sqlite(_type: TypeEngine[Any], _compiler: object, **_: object) -> str:
    return "INTEGER"


def instant(*, nullable: bool = False, index: bool = False) -> Any:
    """A column for an instant (``…_at``)."""
    default: dict[str, Any] = {"default": None} if nullable else {}
    return Field(sa_type=cast("Any", UtcInstant), nullable=nullable, index=index, **default)


def minor(*, nullable: bool = False) -> Any:
    """A column for money in ISO minor units (``…_minor``)."""
    default: dict[str, Any] = {"default": None} if nullable else {}
    return Field(sa_type=cast("Any", BigInteger), nullable=nullable, **default)


def big(default: int = 0) -> Any:
    """A 64-bit integer column."""
    return Field(sa_type=cast("Any", BigInteger), nullable=False, default=default)


class OrgRow(SQLModel):
    """Base of every business table: belongs to one organisation."""

    org_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)


def org_table(
    *constraints: Any,
    retention: Retention = Retention.RECORD,
    classes: Mapping[str, DataClass] | None = None,
    append_only: bool = False,
    listed: tuple[str, ...] = (),
    searched: tuple[str, ...] = (),
    guards: tuple[Guard, ...] = (),
    seen_by: tuple[Permission, ...] = (),
) -> tuple[Any, ...]:
    """``__table_args__`` of a business table; adds the link to its organisation."""
    facts = TableFacts(Scope.ORGANISATION, retention, classes or {}, append_only, listed, searched, guards, seen_by)
    owner = ForeignKeyConstraint(["org_id"], ["organisation.id"])
    return (*constraints, owner, {"sqlite_strict": True, "info": {FACTS: facts}})


def installation_table(
    *constraints: Any,
    retention: Retention = Retention.RECORD,
    classes: Mapping[str, DataClass] | None = None,
    append_only: bool = False,
) -> tuple[Any, ...]:
    """``__table_args__`` of a table that belongs to no single organisation."""
    facts = TableFacts(Scope.INSTALLATION, retention, classes or {}, append_only)
    return (*constraints, {"sqlite_strict": True, "info": {FACTS: facts}})


def link(column: str, target: str) -> ForeignKeyConstraint:
    """A foreign key inside one organisation: ``(org_id, column)`` -> ``(target.org_id, target.id)``."""
    return ForeignKeyConstraint(["org_id", column], [f"{target}.org_id", f"{target}.id"])


def table_of(model: type[SQLModel]) -> Table:
    """The Core table of a model; verbs and queries work with Core statements."""
    return cast("Table", cast("Any", model).__table__)


def facts_of(table: Table) -> TableFacts:
    """What was declared of a table; an undeclared one is a programming error."""
    facts = table.info.get(FACTS)
    if not isinstance(facts, TableFacts):
        raise TypeError(f"table {table.name} declares no scope")
    return facts


def column(model: type[SQLModel], name: str) -> Column[Any]:
    """One Core column of a model."""
    return table_of(model).c[name]
