"""Which release runs since when, and deadlocks of the database: what whoever looks for a cause asks first."""

import threading
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from finops_core import VERSION, ledger
from finops_core.kernel.actor import system_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.platform.db import open_owner_engine
from finops_core.upkeep import deploying
from tests.processes import ROOT, until
from tests.world import World, running_world


def started(world: World, release: str, revision: str) -> bool:
    settings = world.desk.settings.model_copy(update={"release": release})
    with world.desk.work(system_actor()) as work:
        work.ports = replace(work.ports, settings=settings)
        return deploying.note(work, revision)


def listed(world: World, who: str) -> list[tuple[str, str]]:
    with world.desk.read(world.actor(who)) as reading:
        return [(each.release, each.revision) for each in deploying.deployments(reading)]


def test_another_release_or_migration_is_kept_and_a_start_of_the_same_is_not(world: World):
    # Given a desk that was started once
    (first,) = listed(world, "carla")
    assert first[0] == VERSION

    # When it is started as it was, then as another release, twice, and then at another migration
    assert not started(world, "", first[1])
    assert started(world, "spring", first[1])
    assert not started(world, "spring", first[1])
    assert started(world, "spring", "0099")

    # Then each is told once, newest first, to whoever may see the ledger or the desk's health
    expected = [(f"{VERSION}+spring", "0099"), (f"{VERSION}+spring", first[1]), first]
    assert listed(world, "ana") == expected
    assert listed(world, "adam") == expected
    with pytest.raises(NotAllowed):
        listed(world, "ben")
    # and going back to an older one is news, too
    assert started(world, "", first[1])
    assert listed(world, "ana")[0] == first


def test_the_version_is_the_projects():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] == VERSION


@pytest.fixture
def on_postgresql(tmp_path: Path, postgres_database: str) -> Iterator[World]:
    with running_world(tmp_path, postgres_database) as made:
        yield made


def deadlocks(world: World) -> int:
    with world.desk.read(world.actor("eva")) as reading:
        return ledger.health(reading).deadlocks


def test_sqlite_has_no_deadlocks(world: World):
    assert deadlocks(world) == 0


def test_deadlocks_that_postgresql_broke_are_counted(on_postgresql: World):
    # Given a database that has broken none
    before = deadlocks(on_postgresql)
    engine = open_owner_engine(on_postgresql.desk.settings)
    met, broken = threading.Barrier(2), []

    def lock(first: int, second: int) -> None:
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({first})")
                met.wait(20)
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({second})")
        except OperationalError as error:
            broken.append(error)

    # When two wait for each other
    threads = [threading.Thread(target=lock, args=pair) for pair in ((71, 72), (72, 71))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    engine.dispose()

    # Then the one that was broken is counted, once the database has counted it
    assert len(broken) == 1
    until(lambda: deadlocks(on_postgresql) > before, 20, "it is counted")
