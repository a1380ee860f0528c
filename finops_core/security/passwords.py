"""Password hashes by bcrypt, and the same work for names that do not exist. Slow on purpose: about 0.25 s at 12 rounds.

Never called inside a unit that other writers wait for, but for the rare acts of an administrator.
"""

import hashlib
import secrets
from dataclasses import dataclass

import bcrypt

from finops_core.security.rules import password_bytes

SECRET_BYTES = 32
# A well-formed hash of nothing anybody knows: comparing against it costs what a real one costs.
_DUMMY_TAIL = "C6UzMDM.H6dfI/f/IKcEeO7xsv9RUBeM9xv6TkXBdAvCkWBPy3o7a"


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome of one comparison; ``rounds`` is the bcrypt cost that was spent on it."""

    right: bool
    rounds: int


def hashed(password: bytes, rounds: int) -> str:
    """A bcrypt hash with a fresh salt."""
    return bcrypt.hashpw(password, bcrypt.gensalt(rounds)).decode("ascii")


def compare(typed: str, stored: str, rounds: int) -> Compared:
    """Whether a typed password is the stored one; the full work is done whatever is missing or too long.

    Args:
        typed: what the person typed.
        stored: the bcrypt hash, or "" when there is no such person or no password yet.
        rounds: the cost for the dummy, the same as for hashes made now.
    """
    against = stored or dummy(rounds)
    encoded = password_bytes(typed)
    same = bcrypt.checkpw(encoded if encoded is not None else b"too long", against.encode("ascii"))
    return Compared(same and bool(stored) and encoded is not None, int(against.split("$")[2]))


def dummy(rounds: int) -> str:
    """A hash that no password is known for."""
    return f"$2b${rounds:02d}${_DUMMY_TAIL}"


def new_secret() -> str:
    """256 random bits for a cookie, a ticket or a link."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> str:
    """What is stored of such a secret. A plain SHA-256 is enough for 256 random bits, unlike for passwords."""
    return hashlib.sha256(secret.encode("utf-8", "backslashreplace")).hexdigest()
