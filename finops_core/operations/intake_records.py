"""Text becomes rows of cells (RFC 4180): delimiter, quotes, limits of line, row and cell. Not for what cells mean."""

import csv
import io
from collections.abc import Iterator

from finops_core.kernel.operation import FileSpec
from finops_core.operations.intake_faults import Faults, shown

DELIMITERS = (",", ";", "\t", "|")
MAX_CELL_CHARACTERS = 4_096
MAX_ROW_CHARACTERS = 1_000_000
"""Bounds what one row can take in memory: a file of nothing but delimiters is one row of millions of cells."""

MAX_BLANK_ROWS = 1_048_576
"""As many as a spreadsheet has rows; without a bound a file of line breaks would keep the reader busy for long."""


class RowTooLong(Exception):
    """A row went past ``MAX_ROW_CHARACTERS``; reading can go on with the line after."""


class Lines:
    """The lines of a text, numbered from 1, that refuses to feed one row too much.

    ``number`` is the last line given; ``row_characters`` counts since it was last set to 0; ``ended`` after the last.
    """

    def __init__(self, stream: io.TextIOBase) -> None:
        self.number = 0
        self.row_characters = 0
        self.ended = False
        self._stream = stream

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._stream.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        self.row_characters += len(line)
        if self.row_characters > MAX_ROW_CHARACTERS:
            raise RowTooLong
        return line


def delimiter_of(lines: Lines, spec: FileSpec) -> str:
    """The delimiter of the header line: the one that gives the most known headers, then the most cells.

    Equal ones are taken in the order comma, semicolon, tab, bar; a delimiter inside quotes separates nothing.
    """
    try:
        header = next((line for line in lines if line.strip()), "")
    except RowTooLong:
        return DELIMITERS[0]
    known = {name for column in spec.columns for name in names_of(column.name, *column.aliases)}

    def score(delimiter: str) -> tuple[int, int]:
        try:
            cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True))
        except csv.Error:
            return 0, 0
        return len(known.intersection(names_of(*cells))), len(cells)

    return max(DELIMITERS, key=score)


def names_of(*headers: str) -> tuple[str, ...]:
    """Headers in the form they are compared in: no case, no spaces, no underscores."""
    return tuple("".join(header.split()).replace("_", "").casefold() for header in headers)


def records(lines: Lines, delimiter: str, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the line it starts on; rows that cannot be read become faults."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    headers: list[str] = []
    blank = 0
    while blank <= MAX_BLANK_ROWS:
        row = lines.number + 1
        lines.row_characters = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except RowTooLong:
            faults.add("ROW_TOO_LONG", f"This row has more than {MAX_ROW_CHARACTERS:,} characters.", row)
            continue
        except csv.Error as error:
            _add_unreadable(error, lines, row, faults)
            continue
        if not cells or (not cells[0].strip() and not any(cell.strip() for cell in cells)):
            blank += 1
            continue
        if lines.row_characters > MAX_CELL_CHARACTERS and not _cells_fit(cells, row, headers, faults):
            continue
        headers = headers or cells
        yield row, cells
    faults.add("ROWS_MANY", f"The file has more than {MAX_BLANK_ROWS:,} blank rows; take them out.", row)


def _add_unreadable(error: csv.Error, lines: Lines, row: int, faults: Faults) -> None:
    # After an error the reader starts afresh with the next line, so the rows behind a bad one are still checked.
    if "field limit" in str(error):
        faults.add("CELL_TOO_LONG", f"A cell is longer than {MAX_CELL_CHARACTERS:,} characters.", row)
    elif lines.ended:
        faults.add("QUOTE_OPEN", 'A quotation mark (") is opened in this row and never closed.', row)
    else:
        faults.add(
            "QUOTE_BAD",
            'A quotation mark (") stands inside a quoted cell. Write it twice ("") there, or take it out.',
            row,
        )


def _cells_fit(cells: list[str], row: int, headers: list[str], faults: Faults) -> bool:
    long = [(place, cell) for place, cell in enumerate(cells) if len(cell) > MAX_CELL_CHARACTERS]
    for place, cell in long:
        column = shown(headers[place].strip()) if place < len(headers) else None
        message = f"This cell has {len(cell):,} characters; at most {MAX_CELL_CHARACTERS:,} are accepted."
        faults.add("CELL_TOO_LONG", message, row, column, cell)
    return not long
