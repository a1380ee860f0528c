"""The one error of the desk and its five kinds. Not for bad files: those are faults, see ``faults``."""

from typing import Any, ClassVar


class FinOpsError(Exception):
    """Something the desk refuses or could not do, told in the user's words.

    Args:
        code: stable, upper-case; every code is documented in ``docs/errors.md``.
        message: what happened, to which thing.
        hint: what the person can do now.
        context: facts for the log; never shown to the person, never a secret.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, code: str, message: str, *, hint: str = "", **context: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.context = context

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Invalid(FinOpsError):
    """What was given cannot be accepted; the same call again fails again."""

    kind = "invalid"


class NotFound(FinOpsError):
    """No such thing, or none that this person may know of."""

    kind = "not_found"


class NotAllowed(FinOpsError):
    """The person lacks a permission, an authority or the distance from the matter."""

    kind = "not_allowed"


class Conflict(FinOpsError):
    """The thing has moved on: look again, then decide."""

    kind = "conflict"


class Unavailable(FinOpsError):
    """Something outside did not answer; the same call may succeed later."""

    kind = "unavailable"
