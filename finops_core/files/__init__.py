"""Stored files: sealed, content-addressed per organisation, with versions and owners; comments and attachments."""

from finops_core.files.bundles import BYTES_MAX as BUNDLE_BYTES
from finops_core.files.bundles import download_all
from finops_core.files.comments import (
    COMMENT_MAX_CHARS,
    CommentView,
    add_comment,
    attach,
    attachments,
    comments,
    earlier_comments,
    take_attachment,
    withdraw_comment,
)
from finops_core.files.finding import find
from finops_core.files.incoming import Sealed, keep, take_in
from finops_core.files.queries import (
    FileFilter,
    FilePage,
    FileView,
    PayableView,
    check,
    content,
    downloads,
    may_take,
    of,
    one,
    page,
    payable,
    uses,
    versions,
)
from finops_core.files.rules import ATTACHED, ATTACHMENT, INPUT, OUTPUT, STATUS, content_hash_of
from finops_core.files.service import Download, download, expire, note_download, store, sweep

__all__ = [
    "ATTACHED",
    "ATTACHMENT",
    "BUNDLE_BYTES",
    "COMMENT_MAX_CHARS",
    "INPUT",
    "OUTPUT",
    "STATUS",
    "CommentView",
    "Download",
    "FileFilter",
    "FilePage",
    "FileView",
    "PayableView",
    "Sealed",
    "add_comment",
    "attach",
    "attachments",
    "check",
    "comments",
    "content",
    "content_hash_of",
    "download",
    "download_all",
    "downloads",
    "earlier_comments",
    "expire",
    "find",
    "keep",
    "may_take",
    "note_download",
    "of",
    "one",
    "page",
    "payable",
    "store",
    "sweep",
    "take_attachment",
    "take_in",
    "uses",
    "versions",
    "withdraw_comment",
]
