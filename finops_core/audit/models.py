"""Tables of the log: the records, their place in the tree, and the heads."""

from typing import Any, cast

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from finops_core.platform.json_text import generated_text
from finops_core.platform.tables import DataClass, installation_table, instant, table_of


class AuditRecord(SQLModel, table=True):
    """One thing somebody did. ``body`` is the record; the other columns are generated from it, for filters only.

    One log for the installation, so the scope guard does not look at it: reads go through ``queries.own_records``.
    """

    __tablename__ = "audit_record"
    __table_args__ = installation_table(
        Index("ix_audit_record_at", "at", "id"),
        Index("ix_audit_record_org_at", "org", "at", "id"),
        Index("ix_audit_record_org_verb", "org", "verb", "at", "id"),
        Index("ix_audit_record_org_object", "org", "object", "at", "id"),
        Index("ix_audit_record_org_actor", "org", "actor", "at", "id"),
        append_only=True,
        classes={"body": DataClass.CONFIDENTIAL},
    )

    id: str = Field(primary_key=True)
    body: str
    at: str = Field(sa_column=generated_text("body", "at"))
    org: str = Field(sa_column=generated_text("body", "org"))
    actor: str = Field(sa_column=generated_text("body", "actor"))
    verb: str = Field(sa_column=generated_text("body", "verb"))
    object: str = Field(sa_column=generated_text("body", "object"))
    via: str = Field(sa_column=generated_text("body", "via"))


def _counted() -> Any:
    return Field(primary_key=True, sa_type=cast("Any", BigInteger), sa_column_kwargs={"autoincrement": False})


class AuditLeaf(SQLModel, table=True):
    """The place of a record in the tree: positions count from 0 without gaps."""

    __tablename__ = "audit_leaf"
    __table_args__ = installation_table(append_only=True)

    position: int = _counted()
    record_id: str = Field(unique=True)
    leaf_hash: str


class AuditHead(SQLModel, table=True):
    """The root of the tree after a batch was sealed; ``frontier`` is a JSON list of peaks to go on from."""

    __tablename__ = "audit_head"
    __table_args__ = installation_table(append_only=True)

    size: int = _counted()
    root: str
    frontier: str
    at: Any = instant()


audit_record, audit_leaf, audit_head = table_of(AuditRecord), table_of(AuditLeaf), table_of(AuditHead)
