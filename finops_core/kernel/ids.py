"""Ids: our own prefix and a UUIDv7, so that ids of one kind sort by when they were made (RFC 9562, 5.7)."""

import uuid_utils

PREFIX_SEPARATOR = "_"


def new_id(prefix: str) -> str:
    """A fresh id such as ``ex_0199…`` (32 hex digits after the prefix); sortable within one process."""
    return f"{prefix}{PREFIX_SEPARATOR}{uuid_utils.uuid7().hex}"
