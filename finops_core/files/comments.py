"""Comments and attachments on anything: an execution, a request, a payout, a file.

Whoever may see the thing may read what was said about it, and say something. Which things there are, and who may see
them, is not known down here: ``catalog.SUBJECTS`` names for each kind the read that its own area answers for a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from finops_core import audit
from finops_core.files import queries, rules
from finops_core.files.models import comment, file_reference
from finops_core.files.queries import FileView
from finops_core.files.rules import ATTACHMENT
from finops_core.files.service import Download, store
from finops_core.kernel.canonical import content_hash
from finops_core.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.work import Reading, Work

COMMENT_MAX_CHARS = 4000
SHOWN_MOST = 500


@dataclass(frozen=True, slots=True)
class CommentView:
    """What somebody said. ``text`` is "" once they took it back, at ``withdrawn_at``."""

    id: str
    author: str
    text: str
    created_at: datetime
    withdrawn_at: datetime | None


def comments(reading: Reading, kind: str, id_: str) -> tuple[CommentView, ...]:
    """The last 500 things said about a thing this person may see, oldest first; ``earlier_comments`` counts the rest.

    The area's own refusal when they may not see it.
    """
    rows = reading.rows(_said(reading, kind, id_).limit(SHOWN_MOST))[::-1]
    withdrawn = _withdrawn(reading, [row.id for row in rows])
    return tuple(
        CommentView(row.id, row.author, "" if row.id in withdrawn else row.text, row.created_at, withdrawn.get(row.id))
        for row in rows
    )


def earlier_comments(reading: Reading, kind: str, id_: str) -> int:
    """How many comments are older than those that ``comments`` gives."""
    every = reading.scalar(select(func.count()).select_from(_said(reading, kind, id_).order_by(None).subquery()))
    return max(0, int(every or 0) - SHOWN_MOST)


def add_comment(work: Work, kind: str, id_: str, text: str) -> CommentView:
    """Say something about a thing this person may see; kept for ever.

    Raises Invalid COMMENT_EMPTY, COMMENT_LONG, NotFound SUBJECT_UNKNOWN or what the thing's own area says.
    """
    thing, text = _seen(work, kind, id_), text.strip()
    if not text:
        raise Invalid("COMMENT_EMPTY", "There is nothing in the comment.", hint="Write a sentence.")
    if len(text) > COMMENT_MAX_CHARS:
        raise Invalid(
            "COMMENT_LONG",
            f"The comment has {len(text):,} characters; {COMMENT_MAX_CHARS:,} are kept.",
            hint="Shorten it, or attach a file.",
        )
    view = CommentView(new_id("cm"), work.actor.id, text, work.now, None)
    _write(work, view.id, kind, thing, text, None)
    # The hash binds the words; the row's random id, which is part of it, keeps a short comment from being guessed.
    bound = content_hash({"id": view.id, "text": text})
    audit.record(work, "comment.added", f"comment:{view.id}", after=bound, detail={"subject": f"{kind}:{thing}"})
    return view


def withdraw_comment(work: Work, comment_id: str) -> None:
    """Take back what one said oneself: its place stays, its words are shown no more.

    Raises NotFound COMMENT_UNKNOWN, NotAllowed COMMENT_NOT_YOURS, Conflict COMMENT_WITHDRAWN.
    """
    table = comment.c
    row = work.first(select(comment).where(table.org_id == work.org_id, table.id == comment_id))
    if row is None or row.withdraws:
        raise NotFound("COMMENT_UNKNOWN", "There is no such comment.", hint="Open the page again.")
    thing = _seen(work, row.object_kind, row.object_id)
    if row.author != work.actor.id:
        raise NotAllowed("COMMENT_NOT_YOURS", "Only its author takes a comment back.", hint="Answer it instead.")
    # Looked at first, since SQLite's guard takes nothing over a row; on PostgreSQL two may look before either writes.
    if _withdrawn(work, [comment_id]) or not _write(work, new_id("cm"), row.object_kind, thing, "", comment_id):
        raise Conflict("COMMENT_WITHDRAWN", "The comment was taken back already.", hint="Open the page again.")
    detail = {"subject": f"{row.object_kind}:{thing}"}
    audit.record(work, "comment.withdrawn", f"comment:{comment_id}", detail=detail)


def attachments(reading: Reading, kind: str, id_: str) -> tuple[FileView, ...]:
    """The files attached to a thing this person may see, oldest first."""
    thing, table = _seen(reading, kind, id_), file_reference.c
    mine = table.owner_kind == kind, table.owner_id == thing, table.role == ATTACHMENT
    rows = reading.rows(queries.joined(reading).where(*mine).order_by(table.created_at, table.id).limit(SHOWN_MOST))
    return tuple(queries.view(row) for row in rows)


def attach(work: Work, kind: str, id_: str, name: str, content: bytes) -> FileView:
    """Put a file beside a thing this person may see; needs ``FILES_UPLOAD``.

    Raises Invalid ATTACHMENT_EMPTY, ATTACHMENT_LARGE, ATTACHMENT_TYPE.
    """
    work.require(Permission.FILES_UPLOAD)
    thing = _seen(work, kind, id_)
    mime = rules.attachment_mime(name, content, work.ports.settings.upload_max_bytes)
    return store(
        work,
        content,
        filename=name,
        mime=mime,
        owner_kind=kind,
        owner_id=thing,
        role=ATTACHMENT,
        visible_to=work.actor.id,
    )


def take_attachment(work: Work, reference_id: str) -> Download:
    """The content of an attachment, for whoever may see the thing; who took it stands in the audit."""
    table = file_reference.c
    row = work.first(queries.joined(work).where(table.id == reference_id, table.role == ATTACHMENT))
    if row is None:
        raise queries.unknown()
    _seen(work, row.owner_kind, row.owner_id)
    content = queries.opened(work, row)
    audit.record(work, "file.downloaded", f"file:{reference_id}", after=row.sha256)
    return Download(row.name, row.mime, content)


def _seen(reading: Reading, kind: str, id_: str) -> str:
    """The thing's own id, when this person may see it; its area says so."""
    ask = reading.ports.subjects.get(kind)
    if ask is None:
        raise NotFound("SUBJECT_UNKNOWN", "Nothing of this kind can be talked about.", hint="Open it from its list.")
    return ask(reading, id_)


def _said(reading: Reading, kind: str, id_: str) -> Select[Any]:
    """Comments on a thing, newest first; what takes one back is none."""
    thing, table = _seen(reading, kind, id_), comment.c
    about = table.org_id == reading.org_id, table.object_kind == kind, table.object_id == thing
    newest = table.created_at.desc(), table.id.desc()
    return select(comment).where(*about, table.withdraws.is_(None)).order_by(*newest)


def _withdrawn(reading: Reading, ids: Sequence[str]) -> Mapping[str, datetime]:
    """Those of these comments that were taken back, with when."""
    table = comment.c
    rows = reading.rows(select(comment).where(table.org_id == reading.org_id, table.withdraws.in_(sorted(ids))))
    return {str(row.withdraws): row.created_at for row in rows}


def _write(work: Work, id_: str, kind: str, thing: str, text: str, withdraws: str | None) -> bool:
    facts = {"object_kind": kind, "object_id": thing, "author": work.actor.id, "text": text, "withdraws": withdraws}
    return insert_unless_there(work, comment, {"org_id": work.org_id, "id": id_, "created_at": work.now, **facts})
