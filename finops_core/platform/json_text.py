"""A text field of a JSON text column as SQL: what generated columns are made of, the same on both databases."""

import re
from typing import Any

from sqlalchemy import Column, ColumnElement, Computed, Text, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

_FIELD = re.compile(r"[a-z_]+", re.ASCII)


class JsonText(FunctionElement[str]):
    """The value of one top-level field as text; NULL when the field is absent or null.

    Args:
        body: the column that holds a JSON object as text, or its name.
        field: the field, lower-case letters and ``_``; it becomes part of the statement's text.
    """

    type = Text()
    inherit_cache = False  # the field is not among the clauses a cache key is made of
    name = "json_text"

    def __init__(self, body: ColumnElement[str] | str, field: str) -> None:
        if not _FIELD.fullmatch(field):
            raise ValueError(f"not a field name: {field!r}")
        super().__init__(column(body) if isinstance(body, str) else body)
        self.field = field


@compiles(JsonText, "sqlite")
def _json_text_sqlite(element: JsonText, compiler: SQLCompiler, **kw: Any) -> str:
    # Not ``->>``: it needs SQLite 3.38, which Python need not have been built with.
    return f"json_extract({compiler.process(element.clauses, **kw)}, '$.{element.field}')"


@compiles(JsonText, "postgresql")
def _json_text_postgres(element: JsonText, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(CAST({compiler.process(element.clauses, **kw)} AS JSONB) ->> '{element.field}')"


def generated_text(body: str, field: str) -> Column[str]:
    """A stored column the database itself fills from ``body``: a filter on it can never disagree with the body."""
    return Column(field, Text(), Computed(JsonText(body, field), persisted=True), nullable=False)
