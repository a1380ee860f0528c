"""Showing a little of a number or a key without giving it away. Not for encryption, and not for who may see what."""

import re

BULLETS = "••••"
"""Always this many, so that the length stays hidden."""

TAIL = 4
SHOWN_AT_MOST_ONE_IN = 3
_KEY_PREFIX = re.compile(r"[a-z]{2,10}_(?:(?:test|live)_)?")


def last4(number: str) -> str:
    """The last four letters and digits; fewer, or none, where four would be more than a third of them."""
    return _tail("".join(character for character in number if character.isalnum()))


def mask(number: str) -> str:
    """A bank account or card number as ``•••• 6789``; only bullets when it is too short to show any of it."""
    return f"{BULLETS} {last4(number)}".rstrip()


def mask_key(key: str) -> str:
    """An API key as ``sk_test_••••wxyz``: its kind and its last four, enough to tell two keys apart."""
    match = _KEY_PREFIX.match(key)
    prefix = match.group() if match else ""
    return f"{prefix}{BULLETS}{_tail(key[len(prefix) :])}"


def _tail(secret: str) -> str:
    shown = min(TAIL, len(secret) // SHOWN_AT_MOST_ONE_IN)
    return secret[-shown:] if shown else ""
