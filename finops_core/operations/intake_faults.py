"""Collecting what is wrong with an uploaded file: bounded, in file order, harmless to show."""

from finops_core.kernel.faults import Fault

MAX_FAULTS = 200_000
"""More than anybody reads; without a bound a file made of faults would fill the memory."""

SHOWN_CHARACTERS = 80


class Faults:
    """Takes every fault there is and keeps the first ``MAX_FAULTS``; ``count`` counts all of them."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[Fault] = []

    def add(self, code: str, message: str, row: int | None = None, column: str | None = None, value: str = "") -> None:
        """Note one fault; control characters in its texts are made visible, the value is cut to 80 characters."""
        self.count += 1
        if len(self._kept) < MAX_FAULTS:
            self._kept.append(Fault(code, printable(message), row, column, shown(value)))

    def found(self) -> tuple[Fault, ...]:
        """All that were kept, and as a last one how many more there are."""
        more = self.count - len(self._kept)
        if not more:
            return tuple(self._kept)
        message = f"There are {more:,} more faults like these; mend the first {MAX_FAULTS:,} and upload it again."
        return (*self._kept, Fault("FAULTS_MANY", message))


def shown(text: str) -> str:
    """A value fit for a message: at most 80 characters, one line, nothing that a terminal or a log would act on."""
    # Escapes are longer than what they stand for, so the cut comes last as well.
    return printable(text[:SHOWN_CHARACTERS])[:SHOWN_CHARACTERS]


def printable(text: str) -> str:
    r"""The text with line breaks, control and direction characters as escapes (``\n``, ``\u202e``)."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
