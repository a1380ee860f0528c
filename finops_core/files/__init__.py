"""Stored files: sealed, content-addressed per organisation, with versions and owners."""

from finops_core.files.finding import find
from finops_core.files.queries import FileView, check, content, downloads, mine, of
from finops_core.files.rules import INPUT, OUTPUT, STATUS, content_hash_of
from finops_core.files.service import Download, download, expire, store, sweep

__all__ = [
    "INPUT",
    "OUTPUT",
    "STATUS",
    "Download",
    "FileView",
    "check",
    "content",
    "content_hash_of",
    "download",
    "downloads",
    "expire",
    "find",
    "mine",
    "of",
    "store",
    "sweep",
]
