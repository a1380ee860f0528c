"""The inbox of a provider's news: stored once and answered; the worker reads the payout anew (``following``)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any

from sqlalchemy import Row, and_, func, or_, select, update

from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.kernel.provider import ProviderEvent
from finops_core.payouts import queries, rules
from finops_core.payouts.models import payout, provider_news
from finops_core.payouts.queries import Unsettled
from finops_core.platform import queue
from finops_core.platform.inserts import insert_missing
from finops_core.platform.work import Reading, Work

FOLLOW_JOB = "payouts.follow"


class NewsState(StrEnum):
    """What became of a piece of news.

    STRANGER: about a payout that is not ours. UNEXPECTED: about one that carries a row of ours and is not its payout,
    so the row may have been paid twice. OTHER: not about a payout.
    """

    NEW = "new"
    WAITING = "waiting"
    DONE = "done"
    STRANGER = "stranger"
    UNEXPECTED = "unexpected"
    OTHER = "other"


OPEN = (NewsState.NEW, NewsState.WAITING)
LOOKED_INTO = (NewsState.DONE, NewsState.STRANGER, NewsState.UNEXPECTED)
# Of each connection, in a round; and of each payout.
PAYOUTS_AT_ONCE, PIECES_AT_ONCE = 500, 200


@dataclass(frozen=True, slots=True)
class News:
    """Everything the inbox holds of one payout that nobody has looked into yet."""

    ids: tuple[str, ...]
    connection_id: str
    account: str
    payout_id: str
    item: str


@dataclass(frozen=True, slots=True)
class Inbox:
    """A connection's news: when the last of it came, what that was called, and how many nobody has looked into yet."""

    last_at: datetime
    last_kind: str
    waiting: int


def inbox(reading: Reading, connection_id: str) -> Inbox | None:
    """How the news of a connection stands; None when it never sent any. Needs CONNECTIONS_ADMINISTER."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    table = provider_news
    ours = table.c.org_id == reading.org_id
    mine = ours, table.c.connection_id == connection_id
    if reading.scalar(select(table.c.id).where(*mine).limit(1)) is None:
        return None
    # Ids rise with time, so the last one stands at the end of the primary key; by the index of the connection every
    # piece of its news would be read and sorted.
    of_it = func.coalesce(table.c.connection_id, "") == connection_id
    columns = table.c.received_at, table.c.kind
    (last,) = reading.rows(select(*columns).where(ours, of_it).order_by(table.c.id.desc()).limit(1))
    waiting = reading.scalar(select(func.count()).select_from(table).where(*mine, table.c.state.in_(OPEN)))
    return Inbox(last.received_at, last.kind, int(waiting))


def take_news(work: Work, connection_id: str, told: Iterable[tuple[ProviderEvent, bytes]]) -> int:
    """Keep events of a connection whose signatures were checked, each with its body; how many had not come before.

    Whatever they say, the worker is asked to look; so an event that is late, twice or out of order does no harm.
    Needs NEWS_TAKE.
    """
    work.require(Permission.NEWS_TAKE)
    rows = {row["id"]: row for row in (_row(work, connection_id, event, body) for event, body in told)}
    # In one order everywhere: two who keep the same news at once wait for each other, and must not do so crosswise.
    in_order = sorted(rows.values(), key=itemgetter("event_id"))
    kept = [rows[news_id] for _, news_id in insert_missing(work, provider_news, in_order)]
    if any(row["payout_id"] for row in kept):
        ask_to_follow(work)
    return len(kept)


def _row(work: Work, connection_id: str, event: ProviderEvent, body: bytes) -> Mapping[str, Any]:
    news_id = new_id("news")
    about_payout = bool(event.payout_id)
    return {
        "org_id": work.org_id,
        "id": news_id,
        "connection_id": connection_id,
        "event_id": event.id,
        "kind": event.kind,
        "account": event.account,
        "payout_id": event.payout_id,
        "item": rules.item_told(event.metadata),
        "state": (NewsState.NEW if about_payout else NewsState.OTHER).value,
        "told_at": event.created_at,
        "received_at": work.now,
        "done_at": None if about_payout else work.now,
        "body": work.ports.vault.seal(body, f"provider_news|body|{news_id}"),
    }


def ask_to_follow(work: Work, delay_s: float = 0) -> None:
    """Have the worker look through the inbox, once more if it is at it already."""
    queue.enqueue(work, FOLLOW_JOB, {}, key=f"{FOLLOW_JOB}:{work.org_id}", again=True, delay_s=delay_s)


def any_open(reading: Reading) -> bool:
    """Whether there is news that nobody has looked into yet."""
    mine = provider_news.c.org_id == reading.org_id, provider_news.c.state.in_(OPEN)
    return reading.scalar(select(provider_news.c.id).where(*mine).limit(1)) is not None


def open_news(reading: Reading, most: int = PAYOUTS_AT_ONCE) -> tuple[News, ...]:
    """What nobody has looked into yet, by payout: at most so many payouts of each connection, one of each in turn.

    So a connection, or a payout, that is not answered takes no turn from the others. Of each connection those payouts
    come first that were never asked about, then those asked about longest ago, then the oldest news.
    """
    table = provider_news
    mine = table.c.org_id == reading.org_id, table.c.state.in_(OPEN)
    of_one = table.c.connection_id, table.c.payout_id
    columns = table.c.id, table.c.connection_id, table.c.account, table.c.payout_id, table.c.item
    numbered = select(
        *columns,
        func.row_number().over(partition_by=of_one, order_by=(table.c.received_at, table.c.id)).label("nth"),
        func.max(table.c.tried_at).over(partition_by=of_one).label("tried_at"),
        func.min(table.c.received_at).over(partition_by=of_one).label("first_at"),
    )
    each = numbered.where(*mine).subquery()
    order = each.c.tried_at.is_not(None), each.c.tried_at, each.c.first_at, each.c.payout_id
    turn = func.dense_rank().over(partition_by=each.c.connection_id, order_by=order).label("turn")
    placed = select(each, turn).where(each.c.nth <= PIECES_AT_ONCE).subquery()
    wanted = select(placed).where(placed.c.turn <= most)
    found: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in reading.rows(wanted.order_by(placed.c.turn, placed.c.connection_id, placed.c.nth)):
        found.setdefault((row.connection_id, row.payout_id), []).append(row)
    return tuple(
        News(tuple(row.id for row in group), *key[:1], group[0].account, key[1], _item(group))
        for key, group in found.items()
    )


def note_tried(work: Work, ids: Sequence[str]) -> None:
    """Note that the provider was asked about some news in vain."""
    mine = provider_news.c.org_id == work.org_id, provider_news.c.id.in_(ids)
    work.execute(update(provider_news).where(*mine).values(tried_at=work.now))


def row_of(reading: Reading, news: News) -> Unsettled | None:
    """Our payout that news is about: by the provider's id, else by what the payout carries; None for a stranger.

    Of several attempts of a row the last one without an id, else the last one: the caller compares the ids.
    """
    by_id = payout.c.provider_id == news.payout_id
    mine = payout.c.org_id == reading.org_id, payout.c.connection_id == news.connection_id
    item, _, number = news.item.rpartition(":")
    carried = and_(payout.c.execution_id == item, payout.c.row_no == (int(number) if number.isdecimal() else -1))
    order = (payout.c.provider_id != news.payout_id, payout.c.provider_id != "", payout.c.attempt.desc())
    row = reading.first(select(payout).where(*mine, or_(by_id, carried)).order_by(*order).limit(1))
    return None if row is None else queries.unsettled(row)


def mark(work: Work, ids: Sequence[str], state: NewsState) -> None:
    """Say what became of some news."""
    if not ids:
        return
    table = provider_news
    # What waits has had its turn, like what was asked about in vain.
    told = {"tried_at": work.now} if state in OPEN else {"done_at": work.now}
    mine = table.c.org_id == work.org_id, table.c.id.in_(ids)
    work.execute(update(table).where(*mine).values(state=state.value, **told))


def _item(group: Sequence[Row[Any]]) -> str:
    return next((str(row.item) for row in group if row.item), "")
