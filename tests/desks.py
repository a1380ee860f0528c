"""A real desk for tests: a fresh database on SQLite or PostgreSQL, a clock that stands still, small builders."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from finops_core import security
from finops_core.adapters.file_store import FolderFileStore
from finops_core.catalog.tables import TABLES
from finops_core.desk import mail_server, poster, rates_feed
from finops_core.kernel.actor import Actor, Via, system_actor
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.job import Event, Listener
from finops_core.kernel.operation import Operation
from finops_core.kernel.permissions import Permission
from finops_core.platform import guards
from finops_core.platform.crypto import Vault
from finops_core.platform.db import open_database, open_owner_engine
from finops_core.platform.ports import Ports
from finops_core.platform.settings import Settings
from finops_core.platform.work import UnitFactory, Work
from tests import templates

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TEST_KEY = bytes(range(32))


def settings_for(folder: Path, url: str = "", **overrides: object) -> Settings:
    """Settings that read no environment file and cost little: few bcrypt rounds, short leases."""
    values: dict[str, object] = {
        "data_dir": folder,
        "DATABASE_URL": url,
        "DATABASE_OWNER_URL": "",
        "master_key": TEST_KEY.hex(),
        "bcrypt_rounds": 4,
        "job_lease_s": 0.5,
        "scheduler_lease_s": 0.5,
        # Most wallets of tests are held by nobody in particular; tests/parties hold withdrawals against identities.
        "ledger_withdraw_needs_kyc": False,
        **overrides,
    }
    return Settings(_env_file=None, **values)  # type: ignore[arg-type,call-arg]


def ports_for(settings: Settings, clock: ManualClock, operations: Mapping[str, Operation] | None = None) -> Ports:
    """Ports without any outside provider."""

    def no_provider(_credentials: object) -> object:
        raise AssertionError("this test has no provider")

    return Ports(
        clock=clock,
        settings=settings,
        vault=Vault(TEST_KEY),
        file_store=FolderFileStore(settings.data_dir / "files"),
        provider=no_provider,  # type: ignore[arg-type]
        webhooks={},
        operations=operations or {},
        mail=mail_server(settings),
        post=poster(settings),
        rates=rates_feed(settings),
    )


def lay_out(folder: Path, url: str = "") -> None:
    """Tables and guards in a folder (SQLite), or in the PostgreSQL database at ``url``."""
    templates.fill(folder, url, "tables", _tables)


def _tables(folder: Path, url: str) -> None:
    make_schema(settings_for(folder, url))


def make_schema(settings: Settings) -> None:
    """Tables and guards straight from the models."""
    engine = open_owner_engine(settings)
    with engine.begin() as connection:
        TABLES.create_all(connection)
        guards.ensure(connection, TABLES)
    engine.dispose()


@dataclass
class AreaDesk:
    """Units over a fresh database for tests of one area: every actor holds every permission unless told otherwise."""

    settings: Settings
    clock: ManualClock
    units: UnitFactory
    permissions: dict[str, frozenset[Permission]] = field(default_factory=dict)

    def work(self, actor: Actor):
        return self.units.work(actor)

    def read(self, actor: Actor, orgs: frozenset[str] = frozenset()):
        return self.units.read(actor, orgs)

    def org(self, slug: str = "harbour", zone: str = "UTC") -> str:
        from finops_core import reference

        with self.units.work(system_actor()) as work, work.across_orgs("a test makes its organisation"):
            return reference.add_organisation(
                work, slug=slug, name=slug.title(), base_currency="USD", country="US", zone=zone, locale="en_US"
            )


def area_desk(
    folder: Path,
    url: str = "",
    listeners: Mapping[type[Event], Sequence[Listener]] | None = None,
    operations: Mapping[str, Operation] | None = None,
    **overrides: object,
) -> AreaDesk:
    """A fresh desk in a folder (SQLite), or in the database at ``url`` (PostgreSQL)."""
    settings = settings_for(folder, url, **overrides)
    lay_out(folder, url)
    clock = ManualClock(START)
    permissions: dict[str, frozenset[Permission]] = {}
    everything = frozenset(Permission)
    units = UnitFactory(
        open_database(settings),
        ports_for(settings, clock, operations),
        listeners or {},
        lambda reading: permissions.get(reading.actor.id, everything),
    )
    return AreaDesk(settings, clock, units, permissions)


def units_of(folder: Path, url: str = "") -> UnitFactory:
    """Units over what another process has laid out, for one of its children: everybody may do everything."""
    settings = settings_for(folder, url)
    everything = frozenset(Permission)
    return UnitFactory(open_database(settings), ports_for(settings, ManualClock(START)), {}, lambda _: everything)


def person_actor(person_id: str, org_id: str) -> Actor:
    """Somebody at a page."""
    return Actor(id=person_id, org_id=org_id, via=Via.PAGE)


__all__ = ["START", "AreaDesk", "area_desk", "lay_out", "make_schema", "person_actor", "settings_for"]


def issued_token(
    work: Work, username: str, password: str, scopes: Iterable[str], end: datetime, name: str = "A program"
) -> security.IssuedToken:
    """A token for the actor, whose password this is, made the way the page makes it."""
    issued = security.issue_token(work, name, scopes, end, security.prove(work, username, password))
    assert isinstance(issued, security.IssuedToken), issued
    return issued
