"""Tables of stored files and of what they belong to."""

from typing import Any

from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlmodel import Field

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import DataClass, OrgRow, big, instant, link, org_table, table_of


class StoredFile(OrgRow, table=True):
    """Content, once per organisation and hash, sealed with a data key of its own (decision 16).

    Without ``data_key`` the content is gone for good; the row, its hash and the audit stay.
    """

    __tablename__ = "stored_file"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "sha256"),
        classes={"data_key": DataClass.RESTRICTED},
        searched=("sha256",),
    )

    sha256: str
    size_bytes: int = big()
    stored_name: str
    data_key: bytes | None = Field(default=None, sa_type=LargeBinary, nullable=True)
    created_at: Any = instant()
    shredded_at: Any = instant(nullable=True)


class FileReference(OrgRow, table=True):
    """One place where a file is used: an input or output of something, under a name and version."""

    __tablename__ = "file_reference"
    __table_args__ = org_table(
        link("file_id", "stored_file"),
        Index("ix_file_reference_owner", "org_id", "owner_kind", "owner_id"),
        Index("ix_file_reference_mine", "org_id", "visible_to", "created_at"),
        Index("ix_file_reference_file", "org_id", "file_id"),
        # Holds all that a search by name reads, newest first.
        Index("ix_file_reference_found", "org_id", "created_at", "id", "visible_to", "uploaded_by", "name"),
        UniqueConstraint("org_id", "uploaded_by", "name", "version"),
        classes={"name": DataClass.CONFIDENTIAL},
        listed=("name", "version", "role", "created_at"),
        seen_by=(Permission.FILES_VIEW_ALL,),
        searched=("name",),
    )

    file_id: str
    owner_kind: str
    owner_id: str
    role: str
    name: str
    mime: str
    version: int
    uploaded_by: str
    visible_to: str
    created_at: Any = instant()


class Comment(OrgRow, table=True):
    """What somebody wrote about a thing, for ever.

    Nothing is changed or deleted: a row with ``withdraws`` takes an earlier one back, whose words no screen shows then.
    """

    __tablename__ = "comment"
    __table_args__ = org_table(
        link("withdraws", "comment"),
        UniqueConstraint("org_id", "withdraws"),
        Index("ix_comment_object", "org_id", "object_kind", "object_id", "created_at"),
        append_only=True,
        classes={"text": DataClass.CONFIDENTIAL},
        listed=("object_kind", "author", "created_at"),
        # Of anything there is: whoever sees them all may see each thing they are about.
        seen_by=(
            Permission.EXECUTIONS_VIEW_ALL,
            Permission.FILES_VIEW_ALL,
            Permission.APPROVALS_VIEW,
            Permission.LEDGER_VIEW,
            Permission.PARTY_VIEW,
        ),
        searched=("text",),
    )

    object_kind: str
    object_id: str
    author: str
    text: str
    withdraws: str | None = None
    created_at: Any = instant()


stored_file, file_reference, comment = table_of(StoredFile), table_of(FileReference), table_of(Comment)
