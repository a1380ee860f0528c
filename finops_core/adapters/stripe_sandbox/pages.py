"""Lists: filters, cursors and page sizes, the same for every kind of object."""

from dataclasses import dataclass

from finops_core.adapters.stripe_sandbox import objects, refusals
from finops_core.adapters.stripe_sandbox.calls import Call
from finops_core.adapters.stripe_sandbox.parameters import integer
from finops_core.adapters.stripe_sandbox.wire import JsonObject

PAGE_DEFAULT = 10
Conditions = tuple[list[str], list[object]]
_BOUNDS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class Listed:
    """What is listed: its table, its noun in error messages, its address, and its filters by column."""

    table: str
    noun: str
    url: str
    equal: tuple[str, ...] = ()
    between: tuple[str, ...] = ()


def page(call: Call, listed: Listed, more: Conditions | None = None) -> JsonObject:
    """One page, newest first, of the account's own objects; ``Refusal`` when a cursor names nothing.

    ``more`` are conditions of its own, with their values.
    """
    where, values = _conditions(call, listed)
    if more is not None:
        where, values = [*where, *more[0]], [*values, *more[1]]
    backwards = "ending_before" in call.params
    cursor = call.text("ending_before" if backwards else "starting_after")
    if cursor:
        where.append("seq > ?" if backwards else "seq < ?")
        values.append(_position(call, listed, cursor, backwards=backwards))
    limit = integer("limit", call.text("limit") or str(PAGE_DEFAULT))
    rows = call.store.documents(
        f"SELECT body FROM {listed.table} WHERE {' AND '.join(where)} "
        f"ORDER BY seq {'ASC' if backwards else 'DESC'} LIMIT ?",
        (*values, limit + 1),
    )
    shown = rows[:limit]
    if backwards:
        shown.reverse()
    return objects.listing(listed.url, shown, has_more=len(rows) > limit)


def _conditions(call: Call, listed: Listed) -> Conditions:
    where, values = ["account = ?"], list[object]([call.account])
    for column in listed.equal:
        if call.text(column):
            where.append(f"{column} = ?")
            values.append(call.text(column))
    for column in listed.between:
        if call.text(column):
            where.append(f"{column} = ?")
            values.append(int(call.text(column)))
        for bound, number in call.mapping(column).items():
            where.append(f"{column} {_BOUNDS[bound]} ?")
            values.append(int(str(number)))
    return where, values


def _position(call: Call, listed: Listed, cursor: str, *, backwards: bool) -> int:
    row = call.store.connection.execute(
        f"SELECT seq FROM {listed.table} WHERE account = ? AND id = ?", (call.account, cursor)
    ).fetchone()
    if row is None:
        param = "ending_before" if backwards else "starting_after"
        raise refusals.no_such(listed.noun, cursor, param, as_filter=True)
    return int(row["seq"])
