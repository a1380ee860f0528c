"""Payouts at the provider that carry a row of ours and are not its payout: they may pay the row as well.

News tells of them; what the provider says when it is asked is what counts, and is kept. Until it was asked, news of one
holds a row back, and proves nothing.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, or_, select, union_all, update

from finops_core import audit, connections, operations
from finops_core.kernel.actor import Actor, worker_actor
from finops_core.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.kernel.provider import PayoutStatus, ProviderPayout
from finops_core.payouts import notices, queries, rounds, rules
from finops_core.payouts.models import payout, provider_news, stray_payout
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rounds import Round
from finops_core.payouts.rules import DOUBTFUL
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.work import Reading, Units, Work

NOT_THERE = ""
OVER = (NOT_THERE, PayoutStatus.FAILED.value, PayoutStatus.CANCELED.value)
# One that arrived can still come back; it is asked about once a day.
ARRIVED_AGAIN = timedelta(days=1)
# One heard of longer ago, and never asked about, is asked about before a retry of its row.
HEARD_WITHIN = timedelta(days=31)
MOST = 10_000
_ANY = union_all(
    *(
        select(table.c.id).where(
            table.c.org_id == bindparam(f"{of}_org"), table.c.item.in_(bindparam(f"{of}_items", expanding=True))
        )
        for of, table in (("heard", provider_news), ("asked", stray_payout))
    )
).limit(1)


@dataclass(frozen=True, slots=True)
class Stray:
    """A payout that may pay a row of ours.

    Attributes:
        payout_id: its id at the provider.
        item, attempt: what it carries; of one nobody has asked about, what news says, and None.
        asked: whether the provider itself has said so.
    """

    connection_id: str
    account: str
    payout_id: str
    item: str
    attempt: int | None = None
    asked: bool = False


def of_rows(reading: Reading, execution_id: str, numbers: Iterable[int]) -> Mapping[int, Stray]:
    """By row: a payout made behind the desk's back, by a call that came late, say, that may pay it.

    One that the provider was asked about comes before those that only news tells of.
    """
    items = {rules.item_id(execution_id, number): number for number in numbers}
    # Of most rows nothing was said at all, which is the quicker question.
    org, names = reading.org_id, sorted(items)
    given = {"heard_org": org, "asked_org": org, "heard_items": names, "asked_items": names}
    if reading.execute(_ANY, given).first() is None:
        return {}
    heard, asked = provider_news.c.item.in_(sorted(items)), stray_payout.c.item.in_(sorted(items))
    strays = _loose(reading, heard, asked)
    return {items[each.item]: each for each in sorted(strays, key=lambda each: (each.asked, each.payout_id))}


def unclaimed(reading: Reading, since: datetime, looked_into: Iterable[str]) -> list[tuple[str, str]]:
    """Those heard of since then, by their id, and the item each carries.

    Left out are those whose row waits to be settled, and those that came to nothing. ``looked_into``: the states of
    news that is not looked into any more.
    """
    heard = provider_news.c.state.in_(sorted(looked_into)), provider_news.c.received_at >= since
    strays = _loose(reading, and_(*heard), stray_payout.c.found_at >= since)
    return sorted((each.payout_id, each.item) for each in strays)


def due(reading: Reading, looked_into: Iterable[str]) -> list[Stray]:
    """Those to be asked about anew: never asked about, on their way, or arrived, since even then one can come back."""
    a_while_ago = reading.now - timedelta(seconds=reading.ports.settings.payout_refresh_s)
    arrived = stray_payout.c.status == PayoutStatus.PAID.value
    moving = and_(~arrived, stray_payout.c.looked_at < a_while_ago)
    again = or_(moving, and_(arrived, stray_payout.c.looked_at < reading.now - ARRIVED_AGAIN))
    heard = provider_news.c.state.in_(sorted(looked_into)), provider_news.c.received_at >= reading.now - HEARD_WITHIN
    return _loose(reading, and_(*heard), again)


def _loose(reading: Reading, heard: ColumnElement[bool], asked: ColumnElement[bool]) -> list[Stray]:
    """Of what was only heard of, and of what was asked about: payouts that may pay a row and are not its payout."""
    told, kept = provider_news, stray_payout
    same = kept.c.connection_id == told.c.connection_id, kept.c.provider_id == told.c.payout_id
    was_asked = select(kept.c.id).where(kept.c.org_id == reading.org_id, *same).exists()
    mine = told.c.org_id == reading.org_id, told.c.payout_id != "", told.c.item != "", heard
    unasked = select(told.c.connection_id, told.c.account, told.c.payout_id, told.c.item).distinct()
    unasked = unasked.where(*mine, ~was_asked, ~_known(reading, told, told.c.payout_id))
    found = [
        Stray(row.connection_id, row.account, row.payout_id, row.item) for row in reading.rows(unasked.limit(MOST))
    ]
    alive = kept.c.org_id == reading.org_id, kept.c.item != "", kept.c.status.not_in(OVER), asked
    here = select(kept).where(*alive, ~_known(reading, kept, kept.c.provider_id))
    found += [
        Stray(row.connection_id, row.account, row.provider_id, row.item, row.attempt, asked=True)
        for row in reading.rows(here.limit(MOST))
    ]
    claimed = _rows_by_item(reading, {each.item for each in found}) if found else {}
    return [
        each for each in found if claimed[each.item] and not any(_explains(row, each) for row in claimed[each.item])
    ]


def _known(reading: Reading, table: Any, provider_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row of ours is that payout's."""
    same = payout.c.org_id == reading.org_id, payout.c.connection_id == table.c.connection_id
    return select(payout.c.id).where(*same, payout.c.provider_id != "", payout.c.provider_id == provider_id).exists()


def _rows_by_item(reading: Reading, items: set[str]) -> Mapping[str, list[Row[Any]]]:
    found: dict[str, list[Row[Any]]] = {item: [] for item in items}
    executions = {item.rpartition(":")[0] for item in items}
    mine = payout.c.org_id == reading.org_id, payout.c.execution_id.in_(sorted(executions))
    for row in reading.rows(select(payout).where(*mine).order_by(payout.c.attempt)):
        found.get(rules.item_id(row.execution_id, row.row_no), []).append(row)
    return found


def _explains(row: Row[Any], stray: Stray) -> bool:
    """Whether a row is that payout's, or may turn out to be."""
    open_ = not row.provider_id and row.state in DOUBTFUL and stray.attempt in {None, 0, row.attempt}
    return bool(row.provider_id == stray.payout_id or open_)


# --- asking


def ask(provider: PayoutProvider, stray: Stray, row: Unsettled | None) -> ProviderPayout | None:
    """What the provider says of it now; None when there is no such payout.

    Looked for where its row was paid from, and where news places it: a place that the key has no business with, which
    anybody can write into an event, is none. ``CONNECTION_OTHER_ACCOUNT`` when the connection's key opens another
    account by now: that it is not there says nothing then.
    """
    account = row.account if row else stray.account
    try:
        return provider.get(account, stray.payout_id)
    except NotFound:
        pass
    if stray.account != account:
        with suppress(NotFound, NotAllowed, Invalid):
            return provider.get(stray.account, stray.payout_id)
    if row and row.provider_account and provider.facts(account).account != row.provider_account:
        told = "The connection speaks for another account now than the payout's row was paid from."
        raise Conflict("CONNECTION_OTHER_ACCOUNT", told, hint="Replace its key by one of that account.")
    return None


def note(work: Work, stray: Stray, told: ProviderPayout | None) -> bool | None:
    """Keep what the provider said; whether the payout carries a row of ours. The first time it may pay one, it is told.

    None, and nothing is kept, when it has turned out meanwhile to be a row's own payout, or still may.
    """
    item = rules.item_told(told.metadata) if told else ""
    carried = told.metadata.get(rules.META_ATTEMPT, "") if told else ""
    attempt = int(carried) if carried.isascii() and carried.isdecimal() and len(carried) < 9 else 0  # noqa: PLR2004
    rows = _rows_by_item(work, {item})[item] if item else []
    found = replace(stray, item=item, attempt=attempt, asked=True)
    if work.scalar(select(_own(work, stray))) or any(_explains(row, found) for row in rows):
        return None
    alive = _keep(work, found, told.status.value if told else NOT_THERE)
    if rows and alive:
        row = next((each for each in rows if each.attempt == attempt), rows[-1])
        _tell(work, queries.unsettled(row), stray.payout_id)
    return bool(rows)


def _own(work: Work, stray: Stray) -> ColumnElement[bool]:
    of_it = payout.c.connection_id == stray.connection_id, payout.c.provider_id == stray.payout_id
    return select(payout.c.id).where(payout.c.org_id == work.org_id, *of_it).exists()


def _keep(work: Work, stray: Stray, status: str) -> bool:
    """Whether the payout is alive and was not known to be."""
    table = stray_payout
    of_it = table.c.org_id == work.org_id, table.c.connection_id == stray.connection_id
    mine = *of_it, table.c.provider_id == stray.payout_id
    told = {"item": stray.item, "attempt": stray.attempt or 0, "status": status, "looked_at": work.now}
    key = {"org_id": work.org_id, "connection_id": stray.connection_id, "provider_id": stray.payout_id}
    row = {**key, **told, "id": new_id("stray"), "account": stray.account, "found_at": work.now}
    if insert_unless_there(work, table, row):
        return status not in OVER
    before = work.first(select(table.c.item, table.c.status).where(*mine).with_for_update())
    work.execute(update(table).where(*mine).values(**told))
    was_alive = before is not None and before.item == stray.item and before.status not in OVER
    return status not in OVER and not was_alive


def _tell(work: Work, row: Unsettled, payout_id: str) -> None:
    detail = {"execution": row.execution_id, "row": row.row_no, "provider_id": payout_id}
    audit.record(work, "payout.unexpected", f"payout:{row.id}", before=row.row_hash, detail=detail)
    notices.tell_of_unexpected(work, row, payout_id)


def row_of(reading: Reading, stray: Stray) -> Unsettled | None:
    """The last attempt of the row it is said to carry; None when there is no such row."""
    rows = _rows_by_item(reading, {stray.item})[stray.item] if stray.item else []
    return queries.unsettled(rows[-1]) if rows else None


def look_at(units: Units, org_id: str, stray: Stray) -> bool | None:
    """Ask the provider about one, and ``note`` what it says. Raises what its reads raise."""
    with units.read(worker_actor(org_id)) as reading:
        credentials, row = connections.credentials(reading, stray.connection_id), row_of(reading, stray)
    told = ask(units.ports.provider(credentials), stray, row)
    with units.work(worker_actor(org_id)) as work:
        return note(work, stray, told)


def look_at_all(units: Units, actor: Actor, execution_id: str) -> None:
    """Ask the provider about every payout that keeps a row of an execution from being retried. Needs PAYOUTS_PREPARE.

    For who is about to retry; what cannot be asked now keeps its row back as before.
    """
    with units.read(actor) as reading:
        reading.require(Permission.PAYOUTS_PREPARE)
        seen = operations.execution(reading, execution_id)
        numbers = [row.row_no for row in queries.rows(reading, seen.id) if row.newest]
        strays = of_rows(reading, seen.id, numbers).values()
    asked = Round(units)
    for each in strays:
        asked.ask(each.connection_id, partial(look_at, units, actor.org_id, each))
    rounds.tell_refused(units, actor.org_id, asked)
