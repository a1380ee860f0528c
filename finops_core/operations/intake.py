"""An uploaded CSV file becomes a validated ``Sheet``, or every fault in it at once. Stores nothing, raises on no bytes.

The checks run in the order of what can be trusted after them: size, kind of file, encoding, header, rows, cells. A row
number is the line of the file on which the row starts, as an editor and (without line breaks in cells) a spreadsheet
show it.
"""

import codecs
import io
import re

import filetype

from finops_core.kernel.faults import Fault
from finops_core.kernel.operation import FileSpec, Sheet
from finops_core.operations.intake_faults import Faults, shown
from finops_core.operations.intake_records import Lines, delimiter_of, records
from finops_core.operations.intake_table import read_table

EXTENSIONS = (".csv", ".tsv", ".txt")
_BOM = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEAD_BYTES = 8192
_PIECE_BYTES = 1024 * 1024
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_AS_CSV = "save it as CSV (UTF-8) and upload that."
_KINDS = {
    "xlsx": f"This is an Excel workbook; {_AS_CSV}",
    "xls": f"This is an old Excel workbook or another old Office file; {_AS_CSV}",
    "ods": f"This is a spreadsheet of LibreOffice; {_AS_CSV}",
    "pdf": "This is a PDF document; export the table it was made from as CSV (UTF-8).",
    "rtf": f"This is a text document with formatting; {_AS_CSV}",
    "html": f"This is a web page, even if its name says otherwise; open it in a spreadsheet, then {_AS_CSV}",
    "xml": f"This is an XML document; open it in a spreadsheet, then {_AS_CSV}",
    "json": "This is JSON; a CSV file (UTF-8) is expected.",
    "zip": "This is a ZIP archive; unpack it and upload the CSV file inside.",
    "gz": "This is a compressed file (gzip); unpack it and upload the CSV file inside.",
    "utf-16": f"This is text in UTF-16 (“Unicode text” in Excel); {_AS_CSV}",
}
_TEXT_KINDS = (
    (re.compile(rb"%PDF-"), "pdf"),
    (re.compile(rb"\{\\rtf"), "rtf"),
    (re.compile(rb"(?i)<(!doctype\s+html|html|head|body|table)\b"), "html"),
    (re.compile(rb"<\?xml\b"), "xml"),
    (re.compile(rb'\{\s*"|\[\s*\{'), "json"),
)


def read_sheet(content: bytes, filename: str, spec: FileSpec, max_bytes: int) -> Sheet | tuple[Fault, ...]:
    """Read a CSV file as ``spec`` describes it; gives the sheet, or every fault in file order.

    UTF-8 with or without a byte order mark; comma, semicolon, tab or bar between cells, told from the header line.
    Blank rows are skipped. Headers are matched without regard to case, spaces and underscores. Limits: ``max_bytes``,
    ``spec.max_rows``, 4,096 characters a cell, 1,000 columns, 200,000 faults.
    A reader of a column refuses a cell with ``ValueError``; any other error of it is a mistake of the program.
    """
    faults = Faults()
    _check_size(content, max_bytes, faults)
    if not faults.count:
        _check_kind(content, filename, faults)
    if not faults.count:
        _check_text(content, faults)
    if faults.count:
        return faults.found()

    stream = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    start = len(_BOM) if content.startswith(_BOM) else 0
    stream.seek(start)
    delimiter = delimiter_of(Lines(stream), spec)
    stream.seek(start)
    sheet = read_table(records(Lines(stream), delimiter, faults), spec, faults)
    return faults.found() if sheet is None else sheet


def _check_size(content: bytes, max_bytes: int, faults: Faults) -> None:
    if len(content) > max_bytes:
        faults.add("FILE_TOO_LARGE", f"The file has {_size(len(content))}; at most {_size(max_bytes)} are accepted.")
    elif not content.removeprefix(_BOM).strip():
        faults.add("FILE_EMPTY", "The file is empty. Its first row must hold the headers.")


def _check_kind(content: bytes, filename: str, faults: Faults) -> None:
    kind = _foreign_kind(content)
    if kind:
        message = _KINDS.get(kind, f"This is a file of the kind {kind.upper()}; a CSV file (UTF-8) is expected.")
        faults.add("FILE_TYPE", message)
        return
    _, dot, extension = filename.rpartition(".")
    if dot and f".{extension.lower()}" not in EXTENSIONS:
        faults.add(
            "FILE_TYPE",
            f"The name of the file ends in “.{shown(extension)}”; a CSV file ends in .csv, .tsv or .txt.",
        )


def _foreign_kind(content: bytes) -> str:
    """What a file is that is no plain text, "" for what may be CSV."""
    head = content[:_HEAD_BYTES]
    start = head.removeprefix(_BOM).lstrip()
    for pattern, kind in _TEXT_KINDS:
        if pattern.match(start):
            return kind
    if head.startswith(_UTF_16_MARKS):
        return "utf-16"
    # Only what has control characters is asked further: a file type library takes a header that starts with
    # BM for a bitmap and one with MZ for a program.
    if not _CONTROL.search(head):
        return ""
    if head.startswith(_OLE):
        return "xls"
    try:
        known = filetype.guess(content)
    except Exception:  # noqa: BLE001 - foreign code over hostile bytes; what it cannot name is refused by the next check
        return ""
    return str(known.extension) if known else ""


def _check_text(content: bytes, faults: Faults) -> None:
    position = content.find(b"\0")
    if position >= 0:
        faults.add(
            "FILE_NUL",
            f"Byte {position + 1:,} is a NUL character, which no text file has. The file is damaged or not UTF-8; "
            "export it again as CSV (UTF-8).",
            _line_of(content, position),
        )
        return
    position = _first_bad_byte(content)
    if position >= 0:
        faults.add(
            "FILE_NOT_UTF8",
            f"Byte {position + 1:,} (hexadecimal {content[position]:02X}) is not UTF-8. Choose “CSV UTF-8” when you "
            "save the file.",
            _line_of(content, position),
        )


def _first_bad_byte(content: bytes) -> int:
    """Where strict UTF-8 ends, or -1. In pieces: one emoji makes the text of a file four times its size."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(content), _PIECE_BYTES):
        kept, _ = decoder.getstate()
        end = start + _PIECE_BYTES
        try:
            decoder.decode(content[start:end], final=end >= len(content))
        except UnicodeDecodeError as error:
            return start - len(kept) + error.start
    return -1


def _line_of(content: bytes, position: int) -> int:
    line_feeds = content.count(b"\n", 0, position)
    return 1 + (line_feeds or content.count(b"\r", 0, position))


def _size(count: int) -> str:
    mebibytes, rest = divmod(count, 1024 * 1024)
    return f"{mebibytes:,} MiB" if mebibytes and not rest else f"{count:,} bytes"
