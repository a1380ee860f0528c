"""What is wrong with a file or a form, as values: every fault at once, never an exception."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, in the user's words.

    Attributes:
        code: stable, upper-case, documented in ``docs/errors.md``.
        message: what is wrong and what would be right.
        row: the line of the file as a spreadsheet shows it (the header is row 1); None for the whole file.
        column: the header or parameter it concerns; None for the whole row.
        value: what stood there, cut to 80 characters; never a secret.
    """

    code: str
    message: str
    row: int | None = None
    column: str | None = None
    value: str = ""
