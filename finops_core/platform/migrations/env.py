"""Alembic's entry: runs inside the connection that ``schema.migrate`` hands over, never opens one itself."""

from alembic import context

from finops_core.platform.json_text import render_generated
from finops_core.platform.schema import same_type, under_alembic, without_facts

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
