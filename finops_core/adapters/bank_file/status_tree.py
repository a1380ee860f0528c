"""Bytes from a bank, which may be anything, as a tree that remembers its lines. Never an exception.

Documents with a DTD or entities are refused whole (defusedxml): a status report needs neither, and they are how XML
is used to read files, reach networks and fill memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from finops_core.kernel.faults import Fault

SIZE_MAX_BYTES = 5 * 1024 * 1024
DEPTH_MAX, ELEMENTS_MAX = 64, 250_000
TEXT_KEPT = 2_000


@dataclass(slots=True)
class Node:
    """An element: its name and namespace, the line it starts in, its own text (its first part), its children."""

    name: str
    namespace: str
    line: int
    text: str = ""
    children: list["Node"] = field(default_factory=list)


class _TooMuchError(ValueError):
    """The document is built to cost more than it can be worth; the text says how."""


class _Builder:
    """What the parser tells its finds to."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.open: list[Node] = []
        self.count = 0
        self.parser: Any = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        del attributes
        self.count += 1
        if len(self.open) == DEPTH_MAX:
            raise _TooMuchError(f"Elements stand more than {DEPTH_MAX} deep in each other.")
        if self.count > ELEMENTS_MAX:
            raise _TooMuchError(f"The file has more than {ELEMENTS_MAX:,} elements.")
        namespace, _brace, name = tag.rpartition("}")
        node = Node(name, namespace.removeprefix("{"), self.line)
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.root = node
        self.open.append(node)

    def data(self, text: str) -> None:
        node = self.open[-1]
        if len(node.text) < TEXT_KEPT:
            node.text += text[:TEXT_KEPT]

    def end(self, tag: str) -> None:
        del tag
        self.open.pop()

    def close(self) -> Node | None:
        return self.root

    @property
    def line(self) -> int:
        return int(self.parser.parser.CurrentLineNumber)


def parse(content: bytes) -> Node | Fault:
    """The document's root, or what is wrong: BANK_STATUS_TOO_LARGE, BANK_STATUS_UNSAFE or BANK_STATUS_XML."""
    if len(content) > SIZE_MAX_BYTES:
        size, most = len(content), SIZE_MAX_BYTES
        return Fault("BANK_STATUS_TOO_LARGE", f"The file has {size:,} bytes; a status report may have {most:,}.")
    builder = _Builder()
    builder.parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    try:
        builder.parser.feed(content)
        root = builder.parser.close()
    except DefusedXmlException:
        message = "The file has a DTD or entities, which a status report never needs."
        return Fault("BANK_STATUS_UNSAFE", message, row=builder.line)
    except _TooMuchError as error:
        return Fault("BANK_STATUS_UNSAFE", f"{error} A status report never needs that.", row=builder.line)
    except (ParseError, ValueError, LookupError) as error:
        # ValueError and LookupError: an encoding that Python's parser does not take.
        line = error.position[0] if isinstance(error, ParseError) else None
        return Fault("BANK_STATUS_XML", "The file is not well-formed XML.", row=line)
    return root if isinstance(root, Node) else Fault("BANK_STATUS_XML", "The file is not well-formed XML.")
