"""Rows of cells become columns of values, by a ``FileSpec``. Not for bytes, quotes or delimiters."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from finops_core.kernel.operation import Column, FileSpec, Sheet
from finops_core.operations.intake_faults import Faults, shown
from finops_core.operations.intake_records import names_of

MAX_COLUMNS = 1_000
CACHED_VALUES = 10_000
"""How many distinct texts of a column are remembered; more would cost the memory that reading them again saves."""

_LONGEST_GUESSED = 40
_UNREAD: Final = object()


def read_table(records: Iterator[tuple[int, list[str]]], spec: FileSpec, faults: Faults) -> Sheet | None:
    """The sheet, or None when there is any fault: they are all in ``faults`` then."""
    row, headers = next(records, (1, []))
    if not headers and not faults.count:
        faults.add("FILE_EMPTY", "The file is empty. Its first row must hold the headers.")
    places = _read_header(headers, row, spec, faults) if headers else {}
    if not places:
        return None
    table = _Table(spec, places, len(headers), faults)
    for number, (row, cells) in enumerate(records, 1):
        if number > spec.max_rows:
            faults.add("ROWS_MANY", f"The file has more than {spec.max_rows:,} rows; split it.", row)
            break
        table.add(row, cells)
    else:
        if not table.seen and not faults.count:
            faults.add("FILE_NO_ROWS", "The file has headers but no rows below them.")
    return None if faults.count else table.sheet()


def _read_header(headers: Sequence[str], row: int, spec: FileSpec, faults: Faults) -> dict[str, int]:
    """Column name -> its place in a row; of a header that stands twice, the first."""
    if len(headers) > MAX_COLUMNS:
        faults.add("COLUMNS_MANY", f"The file has {len(headers):,} columns; at most {MAX_COLUMNS:,} are read.", row)
        return {}
    known = {name: each.name for each in spec.columns for name in names_of(each.name, *each.aliases)}
    places: dict[str, int] = {}
    for place, (header, name) in enumerate(zip(headers, names_of(*headers), strict=True)):
        if name not in known and spec.extra_columns:
            continue
        first = places.setdefault(known.get(name, f"unknown:{name}"), place)
        if not name:
            faults.add("HEADER_BLANK", f"Column {place + 1} has no header; name it or take it out.", row)
        elif first != place:
            message = f"The header “{shown(header)}” stands twice, in columns {first + 1} and {place + 1}; keep one."
            faults.add("COLUMN_TWICE", message, row, shown(header), header)
        elif name not in known:
            _add_unknown(header.strip(), row, spec, faults)
    found = {each.name: places[each.name] for each in spec.columns if each.name in places}
    _check_complete(found, row, spec, faults)
    return found


def _add_unknown(header: str, row: int, spec: FileSpec, faults: Faults) -> None:
    names = [column.name for column in spec.columns]
    near = difflib.get_close_matches(header.casefold(), names, n=1) if len(header) <= _LONGEST_GUESSED else []
    advice = f"did you mean “{near[0]}”?" if near else f"known are: {', '.join(names)}."
    faults.add("COLUMN_UNKNOWN", f"The column “{shown(header)}” is not known; {advice}", row, shown(header), header)


def _check_complete(found: Mapping[str, int], row: int, spec: FileSpec, faults: Faults) -> None:
    names = ", ".join(column.name for column in spec.columns)
    for column in spec.columns:
        if column.required and column.name not in found:
            message = f"The column “{column.name}” is missing. The first row must hold the headers; known are: {names}."
            faults.add("COLUMN_MISSING", message, row, column.name)
    if not found and not faults.count:
        message = f"None of the known columns is there. The first row must hold the headers; known are: {names}."
        faults.add("COLUMN_MISSING", message, row)


class _Table:
    """The rows read so far, by columns; values are let go as soon as the first fault makes them useless."""

    def __init__(self, spec: FileSpec, places: dict[str, int], width: int, faults: Faults) -> None:
        self.seen = 0
        self._spec = spec
        self._width = width
        self._faults = faults
        self._readers = [_CellReader(each, places[each.name]) for each in spec.columns if each.name in places]
        self._required = frozenset(each.name for each in spec.columns if each.required)
        self._absent = [each.name for each in spec.columns if each.name not in places]
        self._columns: dict[str, list[Any]] = {reader.name: [] for reader in self._readers}
        self._targets = list(self._columns.values())
        self._rows: list[int] = []
        self._first_rows: dict[tuple[Any, ...], int] = {}

    def sheet(self) -> Sheet:
        columns = {each.name: self._columns.get(each.name) or [None] * len(self._rows) for each in self._spec.columns}
        return Sheet(columns, self._rows)

    def add(self, row: int, cells: list[str]) -> None:
        faults = self._faults
        before = faults.count
        self.seen += 1
        if len(cells) != self._width:
            self._add_wrong_width(row, len(cells))
            return
        values = [reader.read(cells[reader.place], row, faults) for reader in self._readers]
        if self._spec.check_row or self._spec.unique:
            refused = self._refused(cells) if faults.count != before else frozenset()
            self._look_again(row, cells, values, refused)
        if faults.count:
            return
        for target, value in zip(self._targets, values, strict=True):
            target.append(value)
        self._rows.append(row)

    def _refused(self, cells: list[str]) -> frozenset[str]:
        return frozenset(reader.name for reader in self._readers if reader.refuses(cells[reader.place]))

    def _look_again(self, row: int, cells: list[str], values: list[Any], refused: frozenset[str]) -> None:
        """What only the whole row tells; one bad cell must not hide what is wrong with the others."""
        by_name = dict.fromkeys(self._absent)
        by_name.update(zip(self._columns, values, strict=True))
        if self._spec.check_row and (self._spec.check_partly or not refused & self._required):
            for column, message in self._spec.check_row(by_name):
                if column not in refused:
                    stood = next((cells[reader.place] for reader in self._readers if reader.name == column), "")
                    self._faults.add("ROW_BAD", message, row, column, stood.strip())
        if self._spec.unique and not refused.intersection(self._spec.unique):
            key = tuple(by_name[name] for name in self._spec.unique)
            first = self._first_rows.setdefault(key, row)
            if first != row:
                names = " and ".join(self._spec.unique)
                self._faults.add("ROW_TWICE", f"The same {names} as in row {first}; each may stand only once.", row)

    def _add_wrong_width(self, row: int, count: int) -> None:
        cells = "1 cell" if count == 1 else f"{count:,} cells"
        if count < self._width:
            message = f"This row has {cells}, the header has {self._width:,}; add the missing delimiters."
            self._faults.add("ROW_SHORT", message, row)
            return
        message = (
            f"This row has {cells}, the header has {self._width:,}; a value with the delimiter in it needs quotes."
        )
        self._faults.add("ROW_WIDE", message, row)


@dataclass(frozen=True, slots=True)
class _Refusal:
    code: str
    message: str


class _CellReader:
    """Reads the cells of one column and remembers what came of each text, good or bad."""

    def __init__(self, column: Column, place: int) -> None:
        self.name = column.name
        self.place = place
        self._column = column
        self._outcomes: dict[str, Any] = {}

    def read(self, cell: str, row: int, faults: Faults) -> Any:
        """The value of a cell; None for an empty one, and for one that was refused."""
        outcome = self._remembered(cell)
        if type(outcome) is _Refusal:
            faults.add(outcome.code, outcome.message, row, self.name, cell.strip())
            return None
        return outcome

    def refuses(self, cell: str) -> bool:
        """Whether the cell is one that cannot be read."""
        return type(self._remembered(cell)) is _Refusal

    def _remembered(self, cell: str) -> Any:
        outcome = self._outcomes.get(cell, _UNREAD)
        if outcome is _UNREAD:
            outcome = self._outcome(cell.strip())
            if len(self._outcomes) < CACHED_VALUES:
                self._outcomes[cell] = outcome
        return outcome

    def _outcome(self, text: str) -> Any:
        if not text:
            required = self._column.required
            return _Refusal("CELL_EMPTY", f"“{self.name}” must not be empty.") if required else None
        try:
            return self._column.read(text)
        except ValueError as error:
            return _Refusal("CELL_BAD", str(error) or f"“{shown(text)}” cannot be read.")
