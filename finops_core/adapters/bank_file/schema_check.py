"""Whether a document is a pain.001.001.09, by the schema of ISO 20022 that lies beside this file. No network."""

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xmlschema import XMLSchema10

SCHEMA = Path(__file__).with_name("schema") / "pain.001.001.09.xsd"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_SHOWN_MAX = 20


def violations(content: bytes) -> list[str]:
    """Where a document breaks the schema and which kind of rule, at most 20; empty when it keeps it.

    Values are left out: they are bank numbers and names.
    """
    found = []
    for error in _schema().iter_errors(BytesIO(content)):
        found.append(f"{error.path}: {type(error.validator).__name__}")
        if len(found) == _SHOWN_MAX:
            break
    return found


@cache
def _schema() -> "XMLSchema10":
    # Imported here: it costs 0.2 s, and reading the schema as much again, which only an export needs.
    from xmlschema import XMLSchema10  # noqa: PLC0415

    return XMLSchema10(str(SCHEMA), allow="local", defuse="always")
