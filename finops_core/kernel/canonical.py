"""One way to turn a value into bytes, so that the same content always has the same hash (RFC 8785)."""

import hashlib
from typing import Any

import orjson
import rfc8785

_EXACT_INTEGER = 2**53 - 1
# What it would write of itself, and RFC 8785 knows nothing of, is refused.
_PLAIN = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value. Amounts go in as strings: integers past 2^53 - 1 are refused."""
    return plain_bytes(value) if _is_plain(value) else rfc8785.dumps(value)


def plain_bytes(value: Any) -> bytes:
    """``canonical_bytes`` of what is known to hold texts, exact integers, truths and nothing else, at any depth."""
    # Every record of the log passes here. Of ASCII texts and exact integers orjson writes the same bytes many times
    # faster; keys of other letters sort differently, and floats are written differently.
    try:
        text = orjson.dumps(value, option=_PLAIN)
    except orjson.JSONEncodeError:
        return rfc8785.dumps(value)  # which says why there is no such text
    return text if text.isascii() else rfc8785.dumps(value)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical bytes, as 64 hex digits."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def plain_hash(value: Any) -> str:
    """``content_hash`` of what is known to be plain, as ``plain_bytes`` has it."""
    return hashlib.sha256(plain_bytes(value)).hexdigest()


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_plain, value.values()))
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return kind is int and -_EXACT_INTEGER <= value <= _EXACT_INTEGER
