"""A result table as CSV and as XLSX: typed cells, nothing a spreadsheet would run, equal bytes for equal tables.

A table maps a header to one value a row: str, int, bool, date, aware datetime, ``Money`` or None. Amounts are written
in the major unit (``1234.50``); their currency stands in the header when the column has one, else in a column beside
it, unless the table's own ``currency`` column says it already.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from finops_core.kernel import currencies
from finops_core.kernel.errors import Invalid
from finops_core.kernel.money import Money

Table = Mapping[str, Sequence[Any]]

CREATED_AT = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands in every workbook as its date of creation, so that equal tables give equal bytes."""

MAX_SHEET_ROWS = 1_048_575
"""Rows below the header that an XLSX sheet can have (Microsoft's limit of 1,048,576 with it)."""

MAX_EXACT = 10**15 - 1
"""Spreadsheets count in 15 digits; larger numbers are written as text, so that no digit is lost."""

MAX_CELL_TEXT = 32_767
_CUT = "… (cut)"
_STREAMED_ROWS = 10_000
_WIDTH_ROWS = 200
_WIDEST, _NARROWEST = 60, 8
# Signs that start a formula, in their full-width forms too; tab, line breaks and NUL hide one (OWASP ASVS 5.0, 1.2.10).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_bytes(table: Table) -> bytes:
    """The table as CSV (RFC 4180): UTF-8 with a byte order mark, which Excel needs to read it as UTF-8; CRLF.

    Text that a spreadsheet could take for a formula gets an apostrophe in front; numbers stay numbers, negative ones
    too. Instants are ISO 8601 in UTC. Raises ValueError when columns differ in length.
    """
    shaped = _with_currencies(table)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_harmless(header) for header in shaped])
    writer.writerows([_csv_cell(value) for value in row] for row in zip(*shaped.values(), strict=True))
    return text.getvalue().encode("utf-8-sig", "backslashreplace")


def xlsx_bytes(table: Table, title: str = "") -> bytes:
    """The table as an XLSX workbook of one sheet; see ``workbook_bytes``."""
    return workbook_bytes({"Result": table}, title)


def workbook_bytes(sheets: Mapping[str, Table], title: str = "") -> bytes:
    """Tables as an XLSX workbook, a sheet each by name; ``title`` stands in its properties.

    Numbers, amounts and days are typed cells; text is never taken for a formula or a link. Instants are in UTC, as
    their header says. Past 10,000 rows a workbook goes through a private temporary file, not through memory.
    Raises Invalid TABLE_LONG for more rows than a sheet can have, ValueError when columns differ in length.
    """
    shaped = {name: _with_currencies(table) for name, table in sheets.items()}
    rows = max((len(values) for table in shaped.values() for values in table.values()), default=0)
    if rows > MAX_SHEET_ROWS:
        message = f"The result has {rows:,} rows; a spreadsheet holds {MAX_SHEET_ROWS:,}."
        raise Invalid("TABLE_LONG", message, hint="Download the CSV file instead.")
    import xlsxwriter  # noqa: PLC0415 - fifty milliseconds, for those who write a workbook

    content = io.BytesIO()
    streamed = rows > _STREAMED_ROWS
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": not streamed,
        "constant_memory": streamed,
    }
    with xlsxwriter.Workbook(content, options) as workbook:
        workbook.set_properties({"title": _sheet_text(title)[:255], "created": CREATED_AT.replace(tzinfo=None)})
        styles = _Styles(workbook)
        for name, table in shaped.items():
            _fill(workbook.add_worksheet(name), table, styles)
    return content.getvalue()


def _with_currencies(table: Table) -> dict[str, Sequence[Any]]:
    """The table with the currency of every amount said somewhere."""
    stated = next((list(values) for header, values in table.items() if header.casefold() == "currency"), None)
    shaped: dict[str, Sequence[Any]] = {}
    for header, values in table.items():
        of_rows = [value.currency if isinstance(value, Money) else None for value in values]
        distinct = sorted({currency for currency in of_rows if currency})
        if not distinct or (stated and all(of in (None, is_) for of, is_ in zip(of_rows, stated, strict=True))):
            shaped[header] = values
        elif len(distinct) == 1:
            shaped[f"{header} ({distinct[0]})"] = values
        else:
            shaped[header] = values
            shaped[f"{header} currency"] = of_rows
    return shaped


def _csv_cell(value: object) -> str | int | None:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | None:
            return value
        case Money():
            return value.plain()
        case datetime():
            return f"{_in_utc(value).isoformat()}Z"
        case date():
            return value.isoformat()
        case _:
            return _harmless(str(value))


def _harmless(text: str) -> str:
    starts = text.startswith(_FORMULA_STARTS) or text.lstrip().startswith(_FORMULA_STARTS)
    return f"'{text}" if starts else text


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("An instant without a zone cannot be exported.")
    return instant.astimezone(UTC).replace(tzinfo=None)


def _fill(sheet: Any, shaped: Mapping[str, Sequence[Any]], styles: "_Styles") -> None:
    sheet.freeze_panes(1, 0)
    for place, (header, values) in enumerate(shaped.items()):
        instants = any(isinstance(value, datetime) for value in values)
        name = _sheet_text(f"{header} (UTC)" if instants else header)
        widest = max([len(name), *(len(str(value)) for value in values[:_WIDTH_ROWS])])
        sheet.set_column(place, place, min(max(widest + 2, _NARROWEST), _WIDEST))
        sheet.write_string(0, place, name, styles.bold)
    # A streamed sheet forgets what came before: cells have to come row by row.
    for row, values in enumerate(zip(*shaped.values(), strict=True), 1):
        for place, value in enumerate(values):
            _write(sheet, row, place, value, styles)


class _Styles:
    """The cell formats of a workbook, one for each number of decimals."""

    def __init__(self, workbook: Any) -> None:
        self.bold = workbook.add_format({"bold": True})
        self.day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        self.instant = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.whole = workbook.add_format({"num_format": "0"})
        self.amounts = {
            decimals: workbook.add_format({"num_format": f"#,##0.{'0' * decimals}".rstrip("."), "align": "right"})
            for decimals in range(5)
        }


def _write(sheet: Any, row: int, place: int, value: object, styles: _Styles) -> None:
    match value:
        case None:
            return
        case Money():
            decimals = currencies.exponent(value.currency)
            if abs(value.minor) <= MAX_EXACT:
                number = Decimal(value.minor).scaleb(-decimals)
                sheet.write_number(row, place, number, styles.amounts[decimals])
            else:
                sheet.write_string(row, place, value.plain(), styles.amounts[decimals])
        case int() if not isinstance(value, bool) and abs(value) <= MAX_EXACT:
            sheet.write_number(row, place, value, styles.whole)
        case datetime():
            sheet.write_datetime(row, place, _in_utc(value), styles.instant)
        case date():
            sheet.write_datetime(row, place, value, styles.day)
        case bool():
            sheet.write_string(row, place, "yes" if value else "no")
        case _:
            sheet.write_string(row, place, _sheet_text(str(value)))


def _sheet_text(text: str) -> str:
    # XlsxWriter silently leaves out a text longer than the format allows, and cannot encode half a surrogate pair.
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return whole if len(whole) <= MAX_CELL_TEXT else whole[: MAX_CELL_TEXT - len(_CUT)] + _CUT
