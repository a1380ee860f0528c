"""The table a run gave back: searched, sorted and turned over here, exactly, and drawn as real text.

Not ``st.dataframe``: its cells are floats to the browser, which cannot hold every amount, or texts, which sort as
texts; and its own download would leave no line in the log. Sorting compares integers and ``Decimal``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import streamlit as st

from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from ui import filters, html, widgets
from ui.format import Format, plural, words
from ui.html import Cell

FIND, SORT, PAGE = "result_find", "result_sort", "result_page"
CURRENCY, STATE = "currency", "state"
AS_MADE = "As listed"
LONG_CELL = 24
FEW_ROWS = 1
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_BANK = "\N{BULLET}" * 4
Table = Mapping[str, Sequence[Any]]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a column holds: ``number`` sorts and stands as one, ``money`` is grouped like one too."""

    number: bool
    money: bool


def viewer(table: Table, number: str, shown: Format) -> None:
    """The rows with their search and order; a page at a time."""
    kept = {header: tuple(cells) for header, cells in table.items() if any(cell not in (None, "") for cell in cells)}
    if not kept:
        return
    kinds, rows = kinds_of(kept), list(zip(*kept.values(), strict=True))
    if len(rows) > FEW_ROWS:
        rows = _wanted(rows, list(kept), kinds, shown)
    widgets.within(len(rows), PAGE)
    first = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
    told = rows[first : first + widgets.PAGE_SIZE]
    st.caption(f"{plural(len(rows), 'row')}; the files below hold all there are.")
    if told:
        stood = zip(*told, strict=True)
        columns = [_column(header, kind, cells) for header, kind, cells in zip(kept, kinds, stood, strict=True)]
        drawn = [_cells(kept, kinds, row, shown) for row in told]
        html.draw(html.table(columns, drawn, f"Result of {number}"))
    else:
        widgets.empty("filter_alt_off", "Nothing matches", "Loosen the search above.")
    widgets.pager(len(rows), PAGE)


def kinds_of(table: Table) -> list[Kind]:
    """What each column holds. Money is what has exactly its row's currency's decimals; other digits may be an id."""
    stated = next((cells for header, cells in table.items() if header.casefold() == CURRENCY), None)
    return [_kind(cells, stated) for cells in table.values()]


def matching(rows: Sequence[Row], kinds: Sequence[Kind], find: str, shown: Format) -> list[Row]:
    """The rows that hold these words in any cell, as shown or as stored."""
    wanted = find.casefold()
    return [row for row in rows if any(wanted in text for text in _texts(row, kinds, shown))]


def arranged(rows: Sequence[Row], place: int, *, number: bool, falling: bool) -> list[Row]:
    """The rows by one column; empty cells last, equal ones in their old order."""

    def empty(row: Row) -> bool:
        return row[place] in (None, "")

    def key(row: Row) -> Any:
        return Decimal(str(row[place])) if number else str(row[place]).casefold()

    filled = sorted((row for row in rows if not empty(row)), key=key, reverse=falling)
    return filled + [row for row in rows if empty(row)]


def _wanted(rows: list[Row], headers: Sequence[str], kinds: Sequence[Kind], shown: Format) -> list[Row]:
    orders = _orders(headers, kinds)
    with filters.bar(lambda: widgets.first_page(PAGE), "Search and sort") as bar:
        find = bar.search(FIND, "Any cell")
        order = bar.order("Sort by", {"": AS_MADE, **{label: label for label in orders}}, SORT, width=230)
    found = matching(rows, kinds, find, shown)
    return orders[order](found) if order else found


def _orders(headers: Sequence[str], kinds: Sequence[Kind]) -> dict[str, Callable[[Sequence[Row]], list[Row]]]:
    """Ways to sort, by their label."""

    def by(place: int, *, number: bool, falling: bool) -> Callable[[Sequence[Row]], list[Row]]:
        return lambda rows: arranged(rows, place, number=number, falling=falling)

    ways: dict[str, Callable[[Sequence[Row]], list[Row]]] = {}
    for place, (header, kind) in enumerate(zip(headers, kinds, strict=True)):
        if kind.number:
            ways[f"{_title(header)}, largest first"] = by(place, number=True, falling=True)
            ways[f"{_title(header)}, smallest first"] = by(place, number=True, falling=False)
        else:
            ways[_title(header)] = by(place, number=False, falling=False)
    return ways


def _kind(cells: Sequence[Any], stated: Sequence[Any] | None) -> Kind:
    filled = [cell for cell in cells if cell not in (None, "")]
    if all(type(cell) is int for cell in filled):
        return Kind(number=True, money=False)
    number = all(isinstance(cell, str) and _NUMBER.fullmatch(cell) for cell in filled)
    pairs = zip(cells, stated, strict=True) if number and stated else ()
    money = bool(stated) and number and all(_is_amount(cell, code) for cell, code in pairs if cell not in (None, ""))
    return Kind(number=money, money=money)


def _is_amount(cell: str, currency: object) -> bool:
    try:
        return Money.parse(cell, str(currency)).plain() == cell
    except FinOpsError:
        return False


def _column(header: str, kind: Kind, cells: Sequence[Any]) -> html.Column:
    texts = [str(cell or "") for cell in cells]
    long = any(len(text) > LONG_CELL and _BANK not in text for text in texts)
    fixed = all(_DAY.fullmatch(text) for text in texts if text)
    return html.Column(_title(header), number=kind.number, wide=long, fixed=fixed and not kind.number)


def _cells(table: Table, kinds: Sequence[Kind], row: Row, shown: Format) -> list[Cell]:
    return [_cell(header, kind, cell, shown) for header, kind, cell in zip(table, kinds, row, strict=True)]


def _cell(header: str, kind: Kind, cell: Any, shown: Format) -> Cell:
    if cell in (None, ""):
        return ""
    if kind.money:
        return html.strong(shown.figure(cell))
    if kind.number:
        return shown.count(cell)
    if header.casefold() == STATE:
        return words(str(cell))
    return html.fixed_tail(cell) if _BANK in str(cell) else str(cell)


def _texts(row: Row, kinds: Sequence[Kind], shown: Format) -> Iterator[str]:
    for cell, kind in zip(row, kinds, strict=True):
        text = "" if cell is None else str(cell).casefold()
        yield from (text, text.replace("_", " "), shown.figure(text) if kind.money and text else "")


def _title(header: str) -> str:
    return header[:1].upper() + header[1:]
