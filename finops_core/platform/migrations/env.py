"""Alembic's entry: runs inside the connection that ``schema.migrate`` hands over, never opens one itself.

The rules tell what a new migration is made of.
"""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import CreateTableOp, MigrationScript
from sqlalchemy import Computed
from sqlalchemy.schema import SchemaItem

from finops_core.platform.json_text import JsonText


def same_type(
    _context: MigrationContext, _inspected: Any, _column: Any, inspected_type: Any, declared_type: Any
) -> bool | None:
    """Whether types differ, told by the database's own name for them (both read TEXT on SQLite)."""
    dialect = _context.dialect
    if dialect.name == "sqlite":
        return bool(inspected_type.compile(dialect) != declared_type.compile(dialect))
    return None


def under_alembic(_item: SchemaItem, name: str | None, type_: str, _reflected: bool, _other: Any) -> bool:  # noqa: FBT001
    """Leave Alembic's own table out of comparisons."""
    return not (type_ == "table" and name == "alembic_version")


def without_facts(_context: MigrationContext, _revision: Any, scripts: list[MigrationScript]) -> None:
    """Leave what a table declares of itself (``tables.FACTS``) out of migrations: it is code, not schema."""
    for script in scripts:
        for upgrade in script.upgrade_ops_list:
            for made in upgrade.ops:
                if isinstance(made, CreateTableOp):
                    made.info = {}


def render_generated(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write a generated column into a migration as ``JsonText``, not as the text of the database at hand."""
    if kind == "server_default" and isinstance(item, Computed) and isinstance(item.sqltext, JsonText):
        (body,) = item.sqltext.clauses
        call = f"finops_core.platform.json_text.JsonText({body.name!r}, {item.sqltext.field!r})"
        return f"sa.Computed({call}, persisted=True)"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=True,
    compare_type=same_type,
    compare_server_default=False,
    include_object=under_alembic,
    render_item=render_generated,
    process_revision_directives=without_facts,
    transactional_ddl=True,
)
context.run_migrations()
