"""Three small tables of their own, with rows of two organisations, to try the guard on."""

from sqlalchemy import (
    Column,
    Engine,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    insert,
)
from sqlmodel import Field, SQLModel

from finops_core.platform.tables import FACTS, OrgRow, Retention, Scope, TableFacts

METADATA = MetaData()
BUSINESS = {FACTS: TableFacts(Scope.ORGANISATION, Retention.WORKING)}
SHARED = {FACTS: TableFacts(Scope.INSTALLATION, Retention.WORKING)}

note = Table(
    "note",
    METADATA,
    Column("org_id", Text, primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("body", Text),
    Column("serial", Integer, unique=True),
    info=BUSINESS,
)
tag = Table(
    "tag",
    METADATA,
    Column("org_id", Text, primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("note_id", Integer),
    Column("body", Text),
    UniqueConstraint("org_id", "body"),
    ForeignKeyConstraint(["org_id", "note_id"], ["note.org_id", "note.id"]),
    info=BUSINESS,
)
reader = Table(
    "reader",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("org_id", Text),
    Column("body", Text),
    info=SHARED,
)

OURS, THEIRS = "ours", "theirs"


class NoteModel(OrgRow, table=True):
    """The same table for statements written with ORM entities."""

    metadata = MetaData()
    __tablename__ = "note"
    __table_args__ = ({"info": BUSINESS},)

    body: str


class LooseModel(SQLModel, table=True):
    """A table that declares nothing."""

    metadata = MetaData()
    __tablename__ = "loose"

    id: int = Field(primary_key=True)


def filled_notebook() -> Engine:
    """An unguarded database in memory: every text of an organisation begins with its name."""
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        for shift, org in enumerate((OURS, THEIRS)):
            notes = [{"org_id": org, "id": n, "body": f"{org} note {n}", "serial": 10 * shift + n} for n in (1, 2, 3)]
            tags = [{"org_id": org, "id": n, "note_id": n, "body": f"{org} tag {n}"} for n in (1, 2)]
            readers = [{"id": 10 * shift + n, "org_id": org, "body": "somebody"} for n in (1, 2)]
            connection.execute(insert(note), notes)
            connection.execute(insert(tag), tags)
            connection.execute(insert(reader), readers)
    return engine
