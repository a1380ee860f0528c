"""A small log for tests: records sealed in batches, and a way to change what the triggers protect."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, text

from finops_core import audit
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.platform.db import open_owner_engine
from tests.desks import AreaDesk, area_desk, person_actor


@dataclass
class Log:
    """A desk with one organisation and a folder for ``heads.jsonl``."""

    desk: AreaDesk
    org_id: str
    heads_dir: Path

    @property
    def heads(self) -> Path:
        return self.heads_dir / "heads.jsonl"

    def write(self, count: int = 1, verb: str = "payout.sent", **given) -> list[str]:
        """Records a second apart, each in a unit of its own; their ids."""
        ids = []
        for number in range(count):
            self.desk.clock.advance(timedelta(seconds=1))
            with self.desk.work(person_actor("person_ada", self.org_id)) as work:
                ids.append(audit.record(work, verb, f"payout:po_{number}", detail={"number": number}, **given))
        return ids

    def seal(self, **given) -> int:
        with self.desk.work(worker_actor(self.org_id)) as work:
            return audit.seal(work, self.heads_dir, **given)

    def verify(self, noted: tuple[int, str] | None = None) -> audit.Verification:
        with self.desk.read(system_actor(self.org_id)) as reading:
            return audit.verify(reading, self.heads_dir, noted=noted)

    def found(self) -> list[tuple[int | None, str]]:
        """(position, record id) of every finding."""
        return [(finding.position, finding.record_id) for finding in self.verify().findings]

    def tamper(self, *statements: str, **values: object) -> None:
        """Change the database as somebody with every right would: the guards off, then plain SQL."""
        engine = open_owner_engine(self.desk.settings)
        with engine.begin() as connection:
            _unguard(connection)
            for statement in statements:
                connection.execute(text(statement), values)
        engine.dispose()


def log_with(folder: Path, url: str, batches: Sequence[int] = (4, 1, 5)) -> tuple[Log, list[str]]:
    """A log with sealed batches of these sizes, and the ids of its records in order."""
    desk = area_desk(folder, url)
    log = Log(desk, desk.org(), folder / "heads")
    ids: list[str] = []
    for count in batches:
        ids += log.write(count)
        log.seal()
    return log, ids


def plain_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word: the largest power of two smaller than n splits the list."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + plain_root(leaves[:split]) + plain_root(leaves[split:])).digest()


def _unguard(connection: Connection) -> None:
    tables = ("audit_record", "audit_leaf", "audit_head")
    if connection.dialect.name == "postgresql":
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        return
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
    for name in names:
        connection.execute(text(f"DROP TRIGGER {name}"))
