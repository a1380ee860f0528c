"""Endpoints: addresses outside that an organisation's notices are forwarded to. All verbs need CONNECTIONS_ADMINISTER.

A signing secret is shown once, an address never again as a whole.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select, update

from finops_core import audit
from finops_core.kernel.errors import Conflict, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.notifications import addresses, dispatches, envelopes
from finops_core.notifications.addresses import Channel, DispatchState, EndpointState
from finops_core.notifications.dispatches import TryView
from finops_core.notifications.models import endpoint
from finops_core.platform import queue
from finops_core.platform.work import Reading, Work

MOST = 20
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint as people may see it.

    Attributes:
        shown: its address, of which long parts, that may be secrets, show their ends only.
        secret_shown: the signing secret's end; "" for a channel that is not signed.
        old_until_at: until when the secret before it signs too; None when there is none.
        failing_since_at: the first failure since something was taken; None when nothing fails.
        why_off: why it was given up.
        last_test: what came of the newest test; None when it was never tested.
    """

    id: str
    name: str
    channel: Channel
    kinds: tuple[str, ...]
    state: EndpointState
    shown: str
    secret_shown: str
    old_until_at: datetime | None
    failing_since_at: datetime | None
    passed_at: datetime | None
    why_off: str
    created_by: str
    created_at: datetime
    last_test: TryView | None


@dataclass(frozen=True, slots=True)
class Made:
    """An endpoint, and its signing secret, which is shown this once; "" for a channel that is not signed."""

    endpoint_id: str
    secret: str = field(repr=False)


def add_endpoint(work: Work, *, channel: str, name: str, url: str, kinds: Iterable[str]) -> Made:
    """Have notices of some kinds forwarded from now on.

    Refuses with ``ENDPOINT_CHANNEL_BAD``, ``ENDPOINT_NAME_BAD``, ``ENDPOINT_URL_BAD``, ``ENDPOINT_KINDS_BAD``, or
    ``ENDPOINTS_MANY`` (20 at most). What its host's name stands for is judged when it is called.
    """
    work.require(Permission.CONNECTIONS_ADMINISTER)
    sort, endpoint_id = addresses.checked_channel(channel), new_id("ne")
    inside = work.ports.settings.inside_hosts
    checked = addresses.checked_url(sort, url, inside)
    secret = envelopes.new_secret() if sort is Channel.WEBHOOK else ""
    values = {
        "name": addresses.checked_name(name),
        "channel": sort,
        "kinds": json.dumps(addresses.checked_kinds(kinds)),
        "state": EndpointState.ACTIVE,
        "shown": addresses.shown_url(checked),
        "url": _seal(work, f"{dispatches.sealed_at(endpoint_id)}|url", checked),
        **_signed(work, endpoint_id, secret),
        "old_secret": b"",
        "rest_until_at": work.now,
        "created_by": work.actor.id,
        "created_at": work.now,
    }
    _require_room(work)
    work.execute(insert(endpoint).values(org_id=work.org_id, id=endpoint_id, failures=0, why_off="", **values))
    _record(work, "added", endpoint_id, channel=sort.value, kinds=json.loads(values["kinds"]))
    return Made(endpoint_id, secret)


def change_endpoint(work: Work, endpoint_id: str, *, name: str, kinds: Iterable[str]) -> None:
    """Call it otherwise, or forward other kinds; refuses what ``add_endpoint`` refuses of them."""
    chosen = addresses.checked_kinds(kinds)
    seen = endpoint_view(work, endpoint_id)
    values = {"name": addresses.checked_name(name), "kinds": json.dumps(chosen)}
    _change(work, seen.id, values)
    _record(work, "changed", seen.id, kinds=chosen)


def roll_secret(work: Work, endpoint_id: str) -> Made:
    """Sign with a new secret from now on, and with the present one too for 24 hours more.

    ``ENDPOINT_UNSIGNED`` for a channel that is not signed.
    """
    seen = endpoint_view(work, endpoint_id)
    if seen.channel is not Channel.WEBHOOK:
        raise Conflict("ENDPOINT_UNSIGNED", "Nothing is signed for it.", hint="Slack goes by the address alone.")
    secret = envelopes.new_secret()
    old = {"old_secret": endpoint.c.secret, "old_until_at": work.now + OVERLAP}
    _change(work, seen.id, {**old, **_signed(work, seen.id, secret)})
    fingerprint = work.ports.vault.fingerprint(secret)
    _record(work, "secret_rolled", seen.id, overlap_s=int(OVERLAP.total_seconds()), fingerprint=fingerprint)
    return Made(seen.id, secret)


def pause_endpoint(work: Work, endpoint_id: str) -> None:
    """Send nothing until it is resumed; what happens meanwhile waits. ``ENDPOINT_STATE`` unless it is active."""
    _turn(work, endpoint_id, EndpointState.PAUSED, endpoint.c.state == EndpointState.ACTIVE)
    _record(work, "paused", endpoint_id)


def resume_endpoint(work: Work, endpoint_id: str) -> None:
    """Send again: what waits, and what happens from now on. ``ENDPOINT_STATE`` for an active one.

    For one that was given up too: what happened meanwhile was not kept for it, and what had failed is sent again one by
    one.
    """
    _turn(work, endpoint_id, EndpointState.ACTIVE, endpoint.c.state != EndpointState.ACTIVE)
    fresh = {"failures": 0, "failing_since_at": None, "rest_until_at": work.now, "why_off": ""}
    _change(work, endpoint_id, fresh)
    _record(work, "resumed", endpoint_id)
    queue.enqueue(work, dispatches.DISPATCH_JOB, {}, org_id="")


def remove_endpoint(work: Work, endpoint_id: str) -> None:
    """Forward nothing more to it, and forget its address and secrets; the log of what was sent stays."""
    seen = endpoint_view(work, endpoint_id)
    forgotten = {"url": b"", "secret": b"", "old_secret": b"", "old_until_at": None, "state": EndpointState.REMOVED}
    _change(work, seen.id, forgotten)
    dispatches.end_waiting(work, seen.id, DispatchState.DROPPED)
    _record(work, "removed", seen.id)


def endpoint_list(reading: Reading) -> tuple[EndpointView, ...]:
    """Every endpoint of the organisation that is not removed, oldest first. Needs CONNECTIONS_ADMINISTER."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    rows = reading.rows(select(endpoint).where(*_there(reading)).order_by(endpoint.c.id))
    tests = dispatches.last_tests(reading, [row.id for row in rows])
    return tuple(_view(row, tests.get(row.id)) for row in rows)


def endpoint_view(reading: Reading, endpoint_id: str) -> EndpointView:
    """One of them, or ``ENDPOINT_UNKNOWN``. Needs CONNECTIONS_ADMINISTER."""
    row = endpoint_row(reading, endpoint_id)
    return _view(row, dispatches.last_tests(reading, [row.id]).get(row.id))


def endpoint_row(reading: Reading, endpoint_id: str) -> Row[Any]:
    """The row itself, for this area alone."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    row = reading.first(select(endpoint).where(*_there(reading), endpoint.c.id == endpoint_id))
    if row is None:
        raise unknown_endpoint()
    return row


def endpoint_names(reading: Reading) -> dict[str, str]:
    """What people call every endpoint, removed ones too, by id. Needs CONNECTIONS_ADMINISTER."""
    reading.require(Permission.CONNECTIONS_ADMINISTER)
    mine = select(endpoint.c.id, endpoint.c.name).where(endpoint.c.org_id == reading.org_id)
    return {row.id: row.name for row in reading.rows(mine)}


def unknown_endpoint() -> NotFound:
    """The one answer for endpoints that do not exist, are removed or belong to another organisation."""
    return NotFound("ENDPOINT_UNKNOWN", "There is no such endpoint.", hint="Choose one from the list.")


def _there(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    return endpoint.c.org_id == reading.org_id, endpoint.c.state != EndpointState.REMOVED


def _require_room(work: Work) -> None:
    if int(work.scalar(select(func.count()).select_from(endpoint).where(*_there(work))) or 0) >= MOST:
        raise Conflict("ENDPOINTS_MANY", f"There are {MOST} endpoints already.", hint="Remove one first.")


def _turn(work: Work, endpoint_id: str, state: EndpointState, while_: ColumnElement[bool]) -> None:
    seen = endpoint_view(work, endpoint_id)
    turned = update(endpoint).where(*_there(work), endpoint.c.id == seen.id, while_).values(state=state)
    if work.execute(turned).rowcount != 1:
        raise Conflict("ENDPOINT_STATE", f"It is {seen.state.value} already.", hint="Load the page again.")


def _change(work: Work, endpoint_id: str, values: dict[str, Any]) -> None:
    if work.execute(update(endpoint).where(*_there(work), endpoint.c.id == endpoint_id).values(**values)).rowcount != 1:
        raise unknown_endpoint()


def _signed(work: Work, endpoint_id: str, secret: str) -> dict[str, Any]:
    if not secret:
        return {"secret": b"", "secret_shown": ""}
    place = dispatches.sealed_at(endpoint_id)
    return {"secret": _seal(work, place, secret), "secret_shown": envelopes.shown(secret)}


def _seal(work: Work, place: str, text: str) -> bytes:
    return work.ports.vault.seal(text.encode("ascii"), place)


def _record(work: Work, what: str, endpoint_id: str, **detail: Any) -> None:
    audit.record(work, f"endpoint.{what}", f"endpoint:{endpoint_id}", detail=detail)


def _view(row: Row[Any], last_test: TryView | None) -> EndpointView:
    return EndpointView(
        id=row.id,
        name=row.name,
        channel=Channel(row.channel),
        kinds=tuple(json.loads(row.kinds)),
        state=EndpointState(row.state),
        shown=row.shown,
        secret_shown=row.secret_shown,
        old_until_at=row.old_until_at,
        failing_since_at=row.failing_since_at,
        passed_at=row.passed_at,
        why_off=row.why_off,
        created_by=row.created_by,
        created_at=row.created_at,
        last_test=last_test,
    )
