"""The command line: ``python -m finops_core COMMAND``. A thin layer over the same verbs the screens use."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

if sys.argv[1:2] == ["worker"]:
    # Before the imports below, which take a second: the server of its children does its own beside them.
    from finops_core.worker import forking

    forking.start_early()

from finops_core.kernel.loading import uncollected

with uncollected():
    import typer

    from finops_core.commands.acting import Exit
    from finops_core.kernel.errors import FinOpsError, Unavailable
    from finops_core.platform.settings import Settings, what_is_wrong

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
SERVICES = (["worker"], ["stripe-sandbox"])
Parent = Annotated[int | None, typer.Option(help="Leave when this process is gone.")]


@app.command()
def migrate() -> None:
    """Bring the database to the present schema and the registry up to date."""
    from finops_core.start import prepare

    prepare(Settings()).close()
    typer.echo("The database is up to date.")


@app.command()
def setup(
    organisation: Annotated[str, typer.Option(help="Name of the first organisation.")] = "My company",
    currency: Annotated[str, typer.Option(help="Its base currency, ISO 4217.")] = "USD",
    country: Annotated[str, typer.Option(help="Its country, ISO 3166; its holidays count.")] = "US",
    zone: Annotated[str, typer.Option(help="Its time zone, such as Europe/Berlin.")] = "UTC",
) -> None:
    """Make the first organisation and the one-time link for its first administrator (outside demo mode)."""
    from finops_core import reference, security
    from finops_core.desk import open_desk
    from finops_core.kernel.actor import system_actor
    from finops_core.platform.crypto import load_master_key
    from finops_core.start import prepare

    settings = Settings()
    load_master_key(settings.master_key.get_secret_value(), settings.data_dir, may_create=True)
    prepare(settings).close()
    with open_desk(settings) as desk, desk.work(system_actor()) as work:
        if not reference.all_ids(work):
            facts = {"base_currency": currency, "country": country, "zone": zone, "locale": "en_US"}
            reference.add_organisation(work, slug="main", name=organisation, **facts)
        token = security.first_administrator_link(work)
    typer.echo("Open this address within 24 hours to become the first administrator:")
    typer.echo(f"  {settings.public_url or 'http://localhost:8501'}/?setup={token}")


@app.command()
def worker(parent: Parent = None) -> None:
    """Run a worker: queue, schedules, sealing of the log."""
    with uncollected():
        from finops_core.desk import open_desk
        from finops_core.platform import logs
        from finops_core.worker import stepping_back
        from finops_core.worker.main import run_worker

    settings = Settings()
    logs.configure(settings.log_format, settings.log_level)
    stepping_back.later()
    with open_desk(settings) as desk:
        run_worker(desk, parent)


@app.command("stripe-sandbox")
def stripe_sandbox(parent: Parent = None, port: int | None = None, database: Path | None = None) -> None:
    """Run the local Stripe sandbox alone, on this machine's loopback address."""
    from urllib.parse import urlsplit

    from finops_core.adapters.stripe_sandbox.server import serve

    settings = Settings()
    wanted = port or urlsplit(settings.stripe_sandbox_url).port or 12111
    serve(wanted, database or settings.data_dir / "stripe-sandbox.sqlite", parent)


@app.command("verify-audit")
def verify_audit(
    size: Annotated[int | None, typer.Option(help="Size of a head you noted elsewhere.")] = None,
    root: Annotated[str, typer.Option(help="Root of that head.")] = "",
) -> None:
    """Check the whole audit log; names every row that was edited, deleted, inserted or cut. Exit code 1 if any."""
    from finops_core import audit
    from finops_core.desk import open_desk
    from finops_core.kernel.actor import system_actor

    if (size is None) != (not root):
        raise typer.BadParameter("a noted head has a size and a root; give both", param_hint="--size, --root")
    settings = Settings()
    noted = (size, root) if size is not None and root else None
    with open_desk(settings) as desk:
        with desk.read(system_actor()) as reading:
            found = audit.verify(reading, settings.heads_dir, noted=noted)
        with desk.work(system_actor()) as work:
            audit.note_verified(work, found)
    typer.echo(f"{found.size} sealed records, {found.unsealed} not sealed yet, root {found.root}")
    for finding in found.findings:
        place = "no position" if finding.position is None else f"position {finding.position}"
        typer.echo(f"  {place}: {finding.record_id}: {finding.what}")
    if found.more:
        typer.echo(f"  … and {found.more} more")
    typer.echo("The log is whole." if found.ok else "THE LOG WAS TAMPERED WITH.")
    raise typer.Exit(0 if found.ok else 1)


if sys.argv[1:2] not in SERVICES:
    # What people ask loads every area. A service is waited for, and loads what it needs by itself.
    with uncollected():
        from finops_core.commands import verbs as people

    people.add_to(app)


def main(words: Sequence[str] | None = None) -> None:
    """Entry of the ``tieout`` program, for the terminal's words unless some are given.

    Errors are sentences, with the exit codes of docs/command-line.md.
    """
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    try:
        app(words)
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        typer.echo(f"The settings cannot be used. {what_is_wrong(error)}", err=True)
        raise SystemExit(Exit.WRONG_USE) from None
    except FinOpsError as error:
        _tell(error)
    except DBAPIError as error:
        _tell(
            Unavailable(
                "DATABASE_NOT_READY",
                f"The database does not answer, or is not migrated: {error.orig}.",
                hint="Check DATABASE_URL, then run `python -m finops_core migrate`.",
            )
        )


def _tell(error: FinOpsError) -> NoReturn:
    typer.echo(f"{error.code}: {error}", err=True)
    raise SystemExit(Exit.UNAVAILABLE if isinstance(error, Unavailable) else Exit.REFUSED) from None


if __name__ == "__main__":
    main()
