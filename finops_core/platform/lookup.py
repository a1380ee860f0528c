"""Conditions of a search that an index answers: beginnings as ranges, amounts by their currency's decimals."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_

from finops_core.kernel import currencies
from finops_core.kernel.sought import Sought
from finops_core.platform.work import Reading

LAST_DIGITS, PAST_HEX = "99999999", "g"


def number_begins(column: ColumnElement[str], begun: str) -> ColumnElement[bool]:
    """A human number that begins so. A range, not LIKE: PostgreSQL's index serves that in one collation only.

    Whatever the collation, digits stand in their order.
    """
    return and_(column >= begun, column <= f"{begun}{LAST_DIGITS}")


def hash_begins(column: ColumnElement[str], begun: str) -> ColumnElement[bool]:
    """A hash in hex that begins so; as above."""
    return and_(column >= begun, column < f"{begun}{PAST_HEX}")


def holds(dialect: str, column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """A name with this part in it, in upper or lower case. No index finds that: have one read that holds every column.

    SQLite's LIKE minds no case by itself, and is a third quicker without being told.
    """
    return (column if dialect == "sqlite" else func.lower(column)).contains(part, autoescape=True)


def amount_is(minor: ColumnElement[int], currency: ColumnElement[str], sought: Sought) -> ColumnElement[bool]:
    """The amount that was typed, in its currency or in any."""
    if sought.currency:
        return and_(minor == sought.minor.get(currencies.exponent(sought.currency), -1), currency == sought.currency)
    each = (and_(minor == units, currency.in_(_codes(places))) for places, units in sought.minor.items())
    # The first condition is what the index is asked by; the others say in which currencies it counts.
    return and_(minor.in_(sorted(set(sought.minor.values()))), or_(*each))


def newest_of(reading: Reading, ways: Iterable[Select[tuple[str, datetime]]], limit: int) -> list[str]:
    """Ids of what any of these statements finds, the newest first; each gives ``id`` and ``created_at``."""
    found = {row.id: row.created_at for way in ways for row in reading.rows(way)}
    return sorted(found, key=lambda id_: (found[id_], id_), reverse=True)[:limit]


def _codes(places: int) -> list[str]:
    return [code for code in currencies.codes() if currencies.exponent(code) == places]
