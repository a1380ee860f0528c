"""What was done once under a caller's key is answered again, not done again (the Idempotency-Key of HTTP).

A caller that never saw the answer asks again with the same key. The first answer is kept in the unit that did the
thing, so neither exists without the other; of two calls at once the second waits for the first. A refusal changes
nothing and is not kept: the same key may be tried again. Kept per person, for a day.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import UniqueConstraint, delete, select, update

from finops_core.kernel.errors import Invalid
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.tables import DataClass, OrgRow, Retention, instant, org_table, table_of
from finops_core.platform.work import Work

KEPT = timedelta(hours=24)
KEY_CHARS_MAX = 200


class RepeatRow(OrgRow, table=True):
    """One key of one person, what was asked under it, and the answer."""

    __tablename__ = "repeat"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "actor_id", "key"),
        retention=Retention.TRANSIENT,
        classes={"answer": DataClass.CONFIDENTIAL},
    )

    actor_id: str
    key: str
    asked: str
    status: int
    answer: str
    at: Any = instant(index=True)


repeat = table_of(RepeatRow)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer: its status, its text, and whether it is a repeat of an earlier one."""

    status: int
    text: str
    repeated: bool = False


def asked_hash(parts: Iterable[str]) -> str:
    """What tells two requests under one key apart: the route, its ids and the content."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "backslashreplace")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def once(work: Work, key: str, asked: str, do: Callable[[], Kept]) -> Kept:
    """The earlier answer under this key, or what ``do`` gives, kept with it; without a key simply that.

    ``IDEMPOTENCY_KEY_BAD`` for a key that is too long or holds other characters than visible ASCII,
    ``IDEMPOTENCY_KEY_REUSED`` when something else was asked under it within a day.
    """
    if not key:
        return do()
    if len(key) > KEY_CHARS_MAX or not all("!" <= char <= "~" for char in key):
        raise Invalid("IDEMPOTENCY_KEY_BAD", "This Idempotency-Key cannot be used.", hint="Use up to 200 of ! to ~.")
    mine = repeat.c.org_id == work.org_id, repeat.c.actor_id == work.actor.id, repeat.c.key == key
    work.execute(delete(repeat).where(*mine, repeat.c.at <= work.now - KEPT))
    row = {"org_id": work.org_id, "id": new_id("rep"), "actor_id": work.actor.id, "key": key, "asked": asked}
    if not insert_unless_there(work, repeat, {**row, "status": 0, "answer": "", "at": work.now}):
        return _earlier(work, mine, asked)
    made = do()
    work.execute(update(repeat).where(*mine).values(status=made.status, answer=made.text))
    return made


def tidy(work: Work) -> int:
    """Delete the organisation's answers past their day: how many. Needs ``WORKER_ACT``."""
    work.require(Permission.WORKER_ACT)
    old = repeat.c.org_id == work.org_id, repeat.c.at <= work.now - KEPT
    return int(work.execute(delete(repeat).where(*old)).rowcount)


def _earlier(work: Work, mine: tuple[Any, ...], asked: str) -> Kept:
    row = work.rows(select(repeat).where(*mine))[0]
    if row.asked != asked:
        raise Invalid(
            "IDEMPOTENCY_KEY_REUSED",
            "Something else was asked under this Idempotency-Key.",
            hint="Use a new key for each thing to be done; the same one only to ask for the same again.",
        )
    return Kept(row.status, row.answer, repeated=True)
