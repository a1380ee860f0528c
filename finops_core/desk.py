"""The front door: opens everything once and gives out units of work. Wiring only; no rule lives here."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from importlib import import_module
from logging import getLogger
from time import monotonic, perf_counter
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from finops_core import audit, ledger, security
from finops_core.adapters.file_store import FolderFileStore
from finops_core.catalog.listeners import LISTENERS
from finops_core.catalog.operations import OPERATIONS
from finops_core.catalog.subjects import SUBJECTS
from finops_core.catalog.tables import TABLES
from finops_core.kernel.actor import Actor, worker_actor
from finops_core.kernel.clock import Clock, SystemClock
from finops_core.kernel.errors import FinOpsError, NotAllowed
from finops_core.kernel.provider import ProviderEvent
from finops_core.platform import logs
from finops_core.platform.crypto import Vault, load_master_key
from finops_core.platform.db import Database, open_database, open_owner_engine
from finops_core.platform.ports import MailServer, PayoutProvider, Ports, Poster, ProviderCredentials
from finops_core.platform.settings import Settings
from finops_core.platform.work import Reading, UnitFactory, Work

_log = getLogger(__name__)
_LATE = ("finops_core.adapters.stripe_webhooks", "finops_core.adapters.stripe_payouts")


class Desk:
    """Everything, opened. Cheap to keep, safe to share between threads; close it when done."""

    def __init__(self, settings: Settings, database: Database, ports: Ports) -> None:
        self.settings = settings
        self.database = database
        self.ports = ports
        self._units = UnitFactory(database, ports, LISTENERS, security.permissions_of)
        self._timings = ledger.Timings()

    @contextmanager
    def work(self, actor: Actor) -> Iterator[Work]:
        """One transaction for one actor; commits on leaving. What was refused is recorded in a unit of its own."""
        began = perf_counter()
        try:
            with _about(actor), self._units.work(actor) as work:
                yield work
        except FinOpsError as refusal:
            if isinstance(refusal, NotAllowed):
                self._record_refusal(actor, refusal)
            if ledger.REFUSED in refusal.context:
                with self._units.work(actor) as work:
                    ledger.note_refused(work, refusal)
            raise
        if ledger.BOOKED in work.marks:
            self._time(work, perf_counter() - began)

    @contextmanager
    def read(self, actor: Actor, orgs: Iterable[str] = ()) -> Iterator[Reading]:
        """A consistent look that never writes. ``orgs`` may span organisations the actor has a role in."""
        wanted = frozenset(orgs)
        try:
            with _about(actor), self._units.read(actor, wanted) as reading:
                if wanted:
                    security.require_orgs(reading, wanted)
                yield reading
        except NotAllowed as refusal:
            self._record_refusal(actor, refusal)
            raise

    def migrate(self) -> None:
        """Bring the database to the present schema and set its guards; safe to call at every start."""
        from finops_core.platform import schema  # noqa: PLC0415 - Alembic

        engine = open_owner_engine(self.settings)
        try:
            schema.migrate(engine, TABLES)
        finally:
            engine.dispose()

    def close(self) -> None:
        """Give back the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _time(self, done: Work, took_s: float) -> None:
        """Count how long a unit took that is committed; what goes wrong here must not look as if it had failed."""
        try:
            counted = self._timings.note(done.org_id, took_s, done.now, monotonic())
            if counted is not None:
                with self._units.work(worker_actor(done.org_id)) as work:
                    ledger.keep_timings(work, counted)
        except (SQLAlchemyError, FinOpsError, OSError):
            _log.warning("How long booking took could not be kept", exc_info=True)

    def _record_refusal(self, actor: Actor, refusal: FinOpsError) -> None:
        with self._units.work(actor) as work:
            audit.record(work, "access.denied", f"actor:{actor.id}", detail={"code": refusal.code, **_plain(refusal)})


def _about(actor: Actor) -> AbstractContextManager[None]:
    """Whatever is logged while the unit lasts names who acts, by ids."""
    facts = {"actor": actor.id, "on_behalf_of": actor.on_behalf_of, "session": actor.session_id}
    return logs.about(via=actor.via.value, org=actor.org_id, **facts)


def open_desk(settings: Settings | None = None, *, clock: Clock | None = None) -> Desk:
    """Open the desk: settings from the environment unless given. Does not migrate."""
    settings = settings or Settings()
    key = load_master_key(settings.master_key.get_secret_value(), settings.data_dir, may_create=settings.demo)
    vault, clock = Vault(key), clock or SystemClock()
    ports = Ports(
        clock=clock,
        settings=settings,
        vault=vault,
        file_store=FolderFileStore(settings.data_dir / "files"),
        provider=lambda credentials: _provider(credentials, settings, vault, clock),
        webhooks={"stripe": _stripe_news},
        operations=OPERATIONS,
        mail=mail_server(settings),
        post=poster(settings),
        rates=rates_feed(settings),
        subjects=SUBJECTS,
    )
    return Desk(settings, open_database(settings), ports)


def preload() -> None:
    """Import what is imported on first use: without it the first webhook and the first test of a key wait for it."""
    for name in _LATE:
        import_module(name)


def rates_feed(settings: Settings) -> Callable[[], bytes] | None:
    """Where exchange rates are fetched from; None while no address is set."""
    if not settings.rates_url:
        return None
    from finops_core.adapters.rates_feed import RatesFeed  # noqa: PLC0415 - most desks start without one

    return RatesFeed(settings.rates_url, settings.rates_timeout_s)


def mail_server(settings: Settings) -> MailServer | None:
    """The mail server of the settings; None while none is set, and then nobody is written to."""
    if not settings.mail_host:
        return None
    from finops_core.adapters.mail import SmtpServer  # noqa: PLC0415 - most desks start without one

    return SmtpServer(
        host=settings.mail_host,
        port=settings.mail_port,
        security=settings.mail_security,
        user=settings.mail_user,
        password=settings.mail_password.get_secret_value(),
        sender=settings.mail_sender,
        timeout_s=settings.mail_timeout_s,
    )


def poster(settings: Settings) -> Poster:
    """Who carries notices out to the addresses that an organisation has entered."""
    from finops_core.adapters.outgoing import GuardedPoster  # noqa: PLC0415 - few processes ever post

    return GuardedPoster(settings.inside_hosts, settings.forwarding_timeout_s)


def _stripe_news(body: bytes, signature: str, secrets: Sequence[str], now: datetime) -> ProviderEvent:
    from finops_core.adapters.stripe_webhooks import read_event  # noqa: PLC0415 - the SDK again

    return read_event(body, signature, secrets, now)


def _provider(credentials: ProviderCredentials, settings: Settings, vault: Vault, clock: Clock) -> PayoutProvider:
    # Imported on first use: the SDK costs a quarter of a second that pages never need.
    if credentials.provider == "bank_file":
        from finops_core.adapters.bank_file.payouts import BankFilePayouts  # noqa: PLC0415

        store = FolderFileStore(settings.data_dir / "bank-files")
        return BankFilePayouts(credentials, store, vault, clock, outbox=credentials.connection_id)
    from finops_core.adapters.stripe_payouts import StripePayouts  # noqa: PLC0415

    return StripePayouts(credentials, settings.provider_timeout_s)


def _plain(refusal: FinOpsError) -> dict[str, str | list[str]]:
    return {
        key: [str(item) for item in value] if isinstance(value, list | tuple) else str(value)
        for key, value in refusal.context.items()
    }
