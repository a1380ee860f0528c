"""Readers of cells for ``Column.read``: text in, value out, ``ValueError`` with a sentence for the person.

Readers get a stripped, non-empty text. What needs two cells (an amount and its currency) belongs in ``check_row``.
"""

import re
from collections.abc import Callable
from datetime import date

from finops_core.kernel import currencies
from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money, plain_decimal
from finops_core.operations.intake_faults import shown

MAX_IDENTIFIER = 64
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def currency(text: str) -> str:
    """An ISO 4217 code in upper case, whatever case it was written in."""
    code = text.upper()
    # upper() makes ASCII of a few other letters ("ß" -> "SS"), which nobody meant as a code.
    if text.isascii() and currencies.is_known(code):
        return code
    raise ValueError(f"“{shown(text)}” is not a currency; use a three-letter code such as EUR, USD or JPY.")


def decimal_amount(text: str) -> str:
    """A plain decimal such as ``-1234.50``, without leading zeros, its decimals as written.

    Whether the currency has that many decimals is for ``money_of`` in ``check_row``.
    """
    try:
        unscaled, _ = plain_decimal(text)
    except Invalid as error:
        raise ValueError(str(error)) from None
    whole, dot, decimals = text.removeprefix("-").partition(".")
    return f"{'-' if unscaled < 0 else ''}{whole.lstrip('0') or '0'}{dot}{decimals}"


def unsigned_amount(text: str) -> str:
    """A plain decimal that is not negative; see ``decimal_amount``."""
    amount = decimal_amount(text)
    if amount.startswith("-"):
        raise ValueError(f"{shown(text)} is negative; write an amount of zero or more.")
    return amount


def money_of(amount: str, currency_code: str) -> Money:
    """The money of two cells already read; ``ValueError`` for more decimals than the currency has, or too much."""
    try:
        return Money.parse(amount, currency_code)
    except Invalid as error:
        raise ValueError(str(error)) from None


def text(max_length: int) -> Callable[[str], str]:
    """A reader of one line of text of up to ``max_length`` characters, without control or direction characters."""

    def read(cell: str) -> str:
        if len(cell) > max_length:
            raise ValueError(f"This has {len(cell):,} characters; at most {max_length:,} are accepted.")
        if not cell.isprintable():
            raise ValueError("This has a line break or a control character; retype it on one line.")
        return cell

    return read


def date_iso(cell: str) -> date:
    """A day written as ``2026-11-20`` (ISO 8601), which no country reads in another order."""
    try:
        if _ISO_DATE.fullmatch(cell):
            return date.fromisoformat(cell)
    except ValueError:
        pass
    raise ValueError(f"“{shown(cell)}” is not a date; write year, month and day as 2026-11-20.")


def identifier(prefix: str = "") -> Callable[[str], str]:
    """A reader of ids: up to 64 ASCII letters, digits, ``_`` and ``-``, starting with ``prefix``."""
    wanted = f"an id starting with {prefix}" if prefix else "an id"

    def read(cell: str) -> str:
        if len(cell) <= MAX_IDENTIFIER and _IDENTIFIER.fullmatch(cell) and cell.startswith(prefix):
            return cell
        raise ValueError(f"“{shown(cell)}” is not {wanted}: letters, digits, _ and -, at most {MAX_IDENTIFIER}.")

    return read


account_id = identifier()
"""An account at a provider."""
