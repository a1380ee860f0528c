"""Generated columns through Alembic: written as one expression for both databases, and no false differences."""

import shutil
import warnings
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, insert, select

import finops_core.platform.schema
from finops_core.audit.models import audit_head, audit_leaf, audit_record
from finops_core.platform.db import open_owner_engine
from tests.desks import settings_for


def test_generated_columns_survive_a_migration_written_from_the_models(tmp_path: Path, empty_database_url: str):
    """Given an empty database, when a migration is written from the models and run, then nothing differs."""
    tables = MetaData(naming_convention=audit_record.metadata.naming_convention)
    record, *_ = [table.to_metadata(tables) for table in (audit_record, audit_leaf, audit_head)]
    engine = open_owner_engine(settings_for(tmp_path, empty_database_url))

    with engine.begin() as connection, warnings.catch_warnings():
        warnings.simplefilter("error")  # Alembic only warns when a generated column differs
        config = _config(tmp_path, connection, tables)
        script = command.revision(config, "first", autogenerate=True, rev_id="0001")
        command.upgrade(config, "head")
        command.check(config)
        connection.execute(
            insert(record).values(
                id="au_1", body='{"at":"1","org":"o","actor":"a","verb":"v","object":"x","via":"page"}'
            )
        )
        row = connection.execute(select(record)).one()
    engine.dispose()

    assert (row.at, row.org, row.actor, row.verb, row.object, row.via) == ("1", "o", "a", "v", "x", "page")
    text = Path(script.path).read_text(encoding="utf-8")
    assert "JsonText('body', 'org')" in text
    assert "JSONB" not in text
    assert "json_extract" not in text


def _config(folder: Path, connection: Connection, tables: MetaData) -> Config:
    home = Path(finops_core.platform.schema.__file__).parent / "migrations"
    shutil.copytree(home, folder / "migrations", ignore=shutil.ignore_patterns("*.py[co]", "0*.py"))
    config = Config()
    config.set_main_option("script_location", str(folder / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = tables
    return config
