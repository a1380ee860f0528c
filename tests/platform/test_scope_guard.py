"""The guard on the engine: what it lets through can only ever show rows of the unit's organisations."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import (
    DDL,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    lateral,
    literal_column,
    not_,
    or_,
    select,
    table,
    text,
    true,
    tuple_,
    type_coerce,
    union_all,
    update,
    values,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased
from sqlalchemy.schema import CreateTable

from finops_core.platform.scope_guard import ScopeBreach, check_statement
from tests.platform.notebook import OURS, THEIRS, LooseModel, NoteModel, filled_notebook, note, reader, tag

ORGS = frozenset({OURS})
ours = note.c.org_id == OURS
ours_tag = tag.c.org_id == OURS
same = and_(tag.c.org_id == note.c.org_id, tag.c.note_id == note.c.id)
other = note.alias("other")
again = other.alias("again")
AliasedNote = aliased(NoteModel)
# What passes though it names none: it touches an installation's tables alone.
NO_ORGANISATION = {
    "an installation's table",
    "an insert from select between installation tables",
    "an update of the installation's",
}
Statement = tuple[Any, Sequence[Mapping[str, Any]]]


def plain(statement: Any, *params: Mapping[str, Any]) -> Statement:
    return statement, params


def through_a_subquery() -> Any:
    notes = select(note.c.org_id, note.c.id).where(ours).subquery()
    return select(tag).join(notes, notes.c.org_id == tag.c.org_id).where(notes.c.org_id == OURS)


def recursive() -> Any:
    first = select(note.c.id, note.c.body).where(ours, note.c.id == 1).cte("chain", recursive=True)
    step = select(note.c.id, note.c.body).join(first, note.c.id == first.c.id + 1).where(ours)
    return select(first.union_all(step))


def leaking_recursion() -> Any:
    first = select(note.c.id, note.c.body).where(ours, note.c.id == 1).cte("chain", recursive=True)
    return select(first.union_all(select(note.c.id, note.c.body).join(first, note.c.id == first.c.id + 1)))


def three_levels() -> Any:
    innermost = select(tag.c.body).where(tag.c.org_id == other.c.org_id).limit(1).scalar_subquery()
    middle = select(other.c.id).where(other.c.org_id == note.c.org_id, other.c.body != innermost)
    return select(note.c.body).where(ours, note.c.id.in_(middle))


def upsert(into: Any, **conflict: Any) -> Any:
    row = {"org_id": OURS, "id": 1, "body": "ours again"}
    return sqlite.insert(into).values(row).on_conflict_do_update(**conflict)


PASSES: dict[str, Callable[[], Statement]] = {
    "a plain select": lambda: plain(select(note).where(ours)),
    "a select of one of several organisations": lambda: plain(select(note).where(note.c.org_id.in_([OURS]))),
    "an alias": lambda: plain(select(other).where(other.c.org_id == OURS)),
    "an alias of an alias": lambda: plain(select(again).where(again.c.org_id == OURS)),
    "an entity": lambda: plain(select(NoteModel).where(NoteModel.org_id == OURS)),
    "an aliased entity": lambda: plain(select(AliasedNote).where(AliasedNote.org_id == OURS)),
    "a join tied on one side": lambda: plain(select(note, tag).join(tag, same).where(ours)),
    "a join tied in its condition": lambda: plain(select(note, tag).join(tag, and_(same, ours_tag))),
    "a join object": lambda: plain(select(note, tag).select_from(note.join(tag, same)).where(ours)),
    "a join by foreign key": lambda: plain(select(note, tag).select_from(note.join(tag)).where(ours)),
    "a chain without a condition, both tied": lambda: plain(select(note, tag).join(tag).where(ours, ours_tag)),
    "a left join, the left side tied": lambda: plain(select(note, tag).outerjoin(tag, same).where(ours)),
    "a left join object": lambda: plain(select(note, tag).select_from(note.outerjoin(tag, same)).where(ours)),
    "a join of a join": lambda: plain(
        select(note, tag, other)
        .select_from(note.join(tag.join(other, other.c.org_id == tag.c.org_id), same))
        .where(ours)
    ),
    "a subquery": lambda: plain(select(select(note).where(ours).subquery())),
    "a subquery joined": lambda: plain(select(tag, select(note.c.id).where(ours).subquery("n")).where(ours_tag)),
    "a common table expression": lambda: plain(select(select(note).where(ours).cte("n"))),
    "a recursive one": lambda: plain(recursive()),
    "a tie through a subquery's column": lambda: plain(through_a_subquery()),
    "a union": lambda: plain(union_all(select(note.c.body).where(ours), select(tag.c.body).where(ours_tag))),
    "exists, tied by the outer row": lambda: plain(
        select(note).where(ours, exists().where(tag.c.org_id == note.c.org_id, tag.c.note_id == note.c.id))
    ),
    "exists with a select": lambda: plain(select(note).where(ours, select(tag.c.id).where(same).exists())),
    "not exists": lambda: plain(select(note).where(ours, not_(exists().where(same)))),
    "a correlated figure": lambda: plain(
        select(note.c.body, select(func.count()).select_from(tag).where(same).scalar_subquery()).where(ours)
    ),
    "explicitly correlated": lambda: plain(
        select(note.c.body, select(func.max(tag.c.body)).where(same).correlate(note).scalar_subquery()).where(ours)
    ),
    "correlated but for one": lambda: plain(
        select(note.c.body, select(func.max(tag.c.body)).where(same).correlate_except(tag).scalar_subquery()).where(
            ours
        )
    ),
    "three levels": lambda: plain(three_levels()),
    "in a subselect of its own": lambda: plain(
        select(note).where(ours, note.c.id.in_(select(tag.c.id).where(ours_tag)))
    ),
    "a parameter at execution": lambda: plain(select(note).where(note.c.org_id == bindparam("o")), {"o": OURS}),
    "a list at execution": lambda: plain(
        select(note).where(note.c.org_id.in_(bindparam("o", expanding=True))), {"o": [OURS]}
    ),
    "an installation's table": lambda: plain(select(reader)),
    "an installation's table beside ours": lambda: plain(
        select(reader, note).join(note, note.c.org_id == reader.c.org_id).where(ours)
    ),
    "functions": lambda: plain(select(func.count(), func.max(note.c.body)).where(ours).group_by(note.c.id)),
    "a case": lambda: plain(select(case((note.c.id > 1, note.c.body), else_="-")).where(ours).order_by(note.c.id)),
    "a window": lambda: plain(select(func.row_number().over(order_by=note.c.id)).where(ours)),
    "a condition with an or inside": lambda: plain(select(note).where(ours, or_(note.c.id == 1, note.c.id == 2))),
    "an insert": lambda: plain(insert(note).values(org_id=OURS, id=9, body="ours")),
    "an insert by parameters": lambda: plain(insert(note), {"org_id": OURS, "id": 9, "body": "ours"}),
    "an insert of many": lambda: plain(insert(note), *({"org_id": OURS, "id": n, "body": "ours"} for n in (8, 9))),
    "an insert of rows in the statement": lambda: plain(
        insert(note).values([{"org_id": OURS, "id": n, "body": "ours"} for n in (8, 9)])
    ),
    "an insert of tuples": lambda: plain(insert(note).values([(OURS, 8, "ours", 88), (OURS, 9, "ours", 99)])),
    "an insert with a named parameter": lambda: plain(insert(note).values(org_id=bindparam("o"), id=9), {"o": OURS}),
    "an insert, giving back": lambda: plain(insert(note).values(org_id=OURS, id=9, body="ours").returning(note.c.body)),
    "an insert where nothing stands": lambda: plain(
        sqlite.insert(note).values(org_id=OURS, id=1).on_conflict_do_nothing()
    ),
    "an upsert on the key": lambda: plain(upsert(note, index_elements=["org_id", "id"], set_={"body": "ours twice"})),
    "an insert from select between installation tables": lambda: plain(
        insert(reader).from_select(["id", "body"], select(reader.c.id + 100, reader.c.body))
    ),
    "an update": lambda: plain(update(note).where(ours, note.c.id == 1).values(body="ours new")),
    "an update of many": lambda: plain(
        update(note).where(ours, note.c.id == bindparam("n")), {"n": 1, "body": "ours"}, {"n": 2, "body": "ours"}
    ),
    "an update from another table": lambda: plain(update(note).where(ours, same).values(body=tag.c.body)),
    "an update by a correlated value": lambda: plain(
        update(note).where(ours).values(body=select(func.max(tag.c.body)).where(same).scalar_subquery())
    ),
    "an update of the installation's": lambda: plain(update(reader).where(reader.c.id == 1).values(body="x")),
    "a delete": lambda: plain(delete(tag).where(ours_tag, tag.c.id == 1)),
    "a delete where another exists": lambda: plain(delete(tag).where(ours_tag, exists().where(same))),
}


def nested_in_from() -> Any:
    everything = select(note.c.id, note.c.body).subquery("n")
    return select(everything.c.body).join(note, note.c.id == everything.c.id).where(ours)


REFUSED: dict[str, Callable[[], Statement]] = {
    "a select without": lambda: plain(select(note)),
    "a select of one column": lambda: plain(select(note.c.body)),
    "a count": lambda: plain(select(func.count()).select_from(note)),
    "a select of theirs": lambda: plain(select(note).where(note.c.org_id == THEIRS)),
    "theirs among ours": lambda: plain(select(note).where(note.c.org_id.in_([OURS, THEIRS]))),
    "an empty list": lambda: plain(select(note).where(note.c.org_id.in_([]))),
    "no organisation": lambda: plain(select(note).where(note.c.org_id == None)),  # noqa: E711
    "not ours": lambda: plain(select(note).where(note.c.org_id != OURS)),
    "not in": lambda: plain(select(note).where(note.c.org_id.not_in([OURS]))),
    "the negation": lambda: plain(select(note).where(not_(and_(ours, note.c.id == 1)))),
    "an or": lambda: plain(select(note).where(or_(ours, note.c.id == 1))),
    "an or above an and": lambda: plain(select(note).where(or_(and_(ours, note.c.id == 1), true()))),
    "greater or equal": lambda: plain(select(note).where(note.c.org_id >= OURS)),
    "like": lambda: plain(select(note).where(note.c.org_id.like(OURS))),
    "only in a case": lambda: plain(select(note).where(case((ours, True), else_=True))),
    "only in having": lambda: plain(select(func.count(note.c.id)).group_by(note.c.org_id).having(ours)),
    "only in the columns": lambda: plain(select(ours, note.c.body)),
    "with itself": lambda: plain(select(note).where(note.c.org_id == note.c.org_id)),
    "with another column": lambda: plain(select(note).where(note.c.org_id == note.c.body)),
    "with an untied table": lambda: plain(select(note, tag).where(note.c.org_id == tag.c.org_id)),
    "with the installation's": lambda: plain(select(note).where(note.c.org_id == reader.c.org_id)),
    "with literal text": lambda: plain(select(note).where(note.c.org_id == literal_column("'ours' OR 1=1"))),
    "with a cast": lambda: plain(select(note).where(cast(note.c.org_id, String) == OURS)),
    "with a coerced type": lambda: plain(select(note).where(type_coerce(note.c.org_id, String) == OURS)),
    "with a label": lambda: plain(select(note).where(note.c.body.label("org_id") == OURS)),
    "a free column of the name": lambda: plain(select(note).where(column("org_id") == OURS)),
    "a pair": lambda: plain(select(note).where(tuple_(note.c.org_id, note.c.id).in_([(OURS, 1)]))),
    "a computed parameter": lambda: plain(select(note).where(note.c.org_id == bindparam("o", callable_=lambda: OURS))),
    "a parameter of theirs": lambda: plain(select(note).where(note.c.org_id == bindparam("o")), {"o": THEIRS}),
    "one of many parameters theirs": lambda: plain(
        update(note).where(note.c.org_id == bindparam("o")).values(body="x"), {"o": OURS}, {"o": THEIRS}
    ),
    "a list of theirs": lambda: plain(
        select(note).where(note.c.org_id.in_(bindparam("o", expanding=True))), {"o": [OURS, THEIRS]}
    ),
    "a value swapped at execution": lambda: plain(select(note).where(ours), {"org_id_1": THEIRS}),
    "an alias tied by the table": lambda: plain(select(other).where(ours)),
    "an alias untied": lambda: plain(select(note, other).where(ours)),
    "an alias of an alias untied": lambda: plain(select(other.alias("again"))),
    "a sample": lambda: plain(select(note.tablesample(10))),
    "an entity untied": lambda: plain(select(NoteModel)),
    "an aliased entity untied": lambda: plain(select(aliased(NoteModel))),
    "a column of an entity untied": lambda: plain(select(NoteModel.body)),
    "a join with a forgotten tie": lambda: plain(select(note, tag).join(tag, tag.c.note_id == note.c.id).where(ours)),
    "a join by a chain without": lambda: plain(select(note, tag).join(tag).where(ours)),
    "a join from another": lambda: plain(
        select(tag.c.body).join_from(note, tag, tag.c.note_id == note.c.id).where(ours_tag)
    ),
    "a left join tied only in its condition": lambda: plain(
        select(note).select_from(note.outerjoin(tag, and_(ours, same)))
    ),
    "a left join chain tied only in its condition": lambda: plain(select(note).outerjoin(tag, and_(ours, same))),
    "a left join tied by its right side": lambda: plain(select(note).outerjoin(tag, and_(same, ours_tag))),
    "a left join object tied by its right side": lambda: plain(
        select(note).select_from(note.outerjoin(tag, and_(same, ours_tag)))
    ),
    "a full join tied in its condition": lambda: plain(
        select(note, tag).join(tag, and_(same, ours, ours_tag), full=True)
    ),
    "a full join object": lambda: plain(
        select(note, tag).select_from(note.join(tag, and_(same, ours, ours_tag), full=True))
    ),
    "a join inside a join": lambda: plain(
        select(note).select_from(note.join(tag.join(other, other.c.id == tag.c.id), same)).where(ours)
    ),
    "a subquery untied": lambda: plain(select(select(note).subquery())),
    "a subquery untied beside a tied table": lambda: plain(nested_in_from()),
    "a common table expression untied": lambda: plain(select(select(note).cte("n"))),
    "one added on the side": lambda: plain(select(reader).add_cte(select(note).cte("n"))),
    "a recursion untied": lambda: plain(leaking_recursion()),
    "a lateral untied": lambda: plain(
        select(note.c.id, lateral(select(other.c.body).where(other.c.id == note.c.id), "l").c.body).where(ours)
    ),
    "one part of a union": lambda: plain(union_all(select(note.c.body).where(ours), select(tag.c.body))),
    "a part of a limited union": lambda: plain(union_all(select(note.c.body).where(ours), select(tag.c.body).limit(1))),
    "exists untied": lambda: plain(select(note).where(ours, exists().where(tag.c.note_id == note.c.id))),
    "in a subselect untied": lambda: plain(select(note).where(ours, note.c.id.in_(select(tag.c.id)))),
    "in a subselect of the same table": lambda: plain(select(note).where(ours, note.c.id.in_(select(note.c.serial)))),
    "a figure over the same table": lambda: plain(
        select(note.c.id, select(func.max(note.c.body)).scalar_subquery()).where(ours)
    ),
    "a figure that is not correlated": lambda: plain(
        select(note.c.id, select(func.max(tag.c.body)).where(same).correlate(None).scalar_subquery()).where(ours)
    ),
    "a figure that is correlated with none": lambda: plain(
        select(note.c.id, select(func.max(tag.c.body)).where(same).correlate_except(note, tag).scalar_subquery()).where(
            ours
        )
    ),
    "a figure over a join with the outer table": lambda: plain(
        select(note.c.id, select(func.max(tag.c.body)).select_from(note.join(tag, same)).scalar_subquery()).where(ours)
    ),
    "a select hidden in a function": lambda: plain(
        select(func.coalesce(select(note.c.body).limit(1).scalar_subquery(), "-"))
    ),
    "a select hidden in an order": lambda: plain(
        select(reader).order_by(select(func.count()).select_from(note).scalar_subquery())
    ),
    "a select hidden in a limit": lambda: plain(
        select(reader).limit(select(func.count()).select_from(note).scalar_subquery())
    ),
    "a select hidden in a join": lambda: plain(
        select(reader).join(tag, and_(ours_tag, tag.c.id == select(func.max(note.c.id)).scalar_subquery()))
    ),
    "a select hidden in values": lambda: plain(
        select(
            values(column("n", Integer), name="v").data([(select(func.count()).select_from(note).scalar_subquery(),)])
        )
    ),
    "a select hidden in a table function": lambda: plain(
        select(func.json_each(select(note.c.body).limit(1).scalar_subquery()).table_valued("value"))
    ),
    "text": lambda: plain(text("SELECT * FROM note")),
    "text as a select": lambda: plain(text("SELECT body FROM note").columns(column("body"))),
    "text as a column": lambda: plain(select(text("* FROM note"))),
    "text as a source": lambda: plain(select(column("body")).select_from(text("note"))),
    "text as a condition": lambda: plain(select(note).where(ours, text("1=1 OR 1=1"))),
    "text as an order": lambda: plain(select(reader).order_by(text("(SELECT body FROM note)"))),
    "text before a select": lambda: plain(select(reader).prefix_with("body FROM note --")),
    "text after a select": lambda: plain(select(reader).suffix_with("UNION SELECT * FROM note")),
    "a hint": lambda: plain(select(reader).with_statement_hint("UNION ALL SELECT id, org_id, body FROM note")),
    "literal text as a column": lambda: plain(select(literal_column("(SELECT body FROM note)"))),
    "an operator of one's own": lambda: plain(select(note).where(ours, note.c.id.op("IS NULL OR 1 =")(1))),
    "an undeclared table by name": lambda: plain(select(table("note", column("body")))),
    "an undeclared model": lambda: plain(select(LooseModel)),
    "a table of another book": lambda: plain(select(Table("note", MetaData(), *[c._copy() for c in note.c]))),
    "a statement of structure": lambda: plain(DDL("DROP TABLE note")),
    "the making of a table": lambda: plain(CreateTable(note)),
    "something compiled before": lambda: plain(select(note).compile()),
    "an insert for them": lambda: plain(insert(note).values(org_id=THEIRS, id=9)),
    "an insert without": lambda: plain(insert(note).values(id=9)),
    "an insert by parameters for them": lambda: plain(insert(note), {"org_id": THEIRS, "id": 9}),
    "one of many inserts for them": lambda: plain(insert(note), {"org_id": OURS, "id": 9}, {"org_id": THEIRS, "id": 9}),
    "an insert whose parameters win": lambda: plain(insert(note).values(org_id=OURS, id=9), {"org_id": THEIRS}),
    "one row in the statement for them": lambda: plain(
        insert(note).values([{"org_id": OURS, "id": 9}, {"org_id": THEIRS, "id": 9}])
    ),
    "rows in the statement with parameters": lambda: plain(
        insert(note).values([{"org_id": OURS, "id": 9}]), {"org_id_m0": THEIRS}
    ),
    "a tuple for them": lambda: plain(insert(note).values([(THEIRS, 8, "x", 88)])),
    "a named parameter for them": lambda: plain(insert(note).values(org_id=bindparam("o"), id=9), {"o": THEIRS}),
    "an organisation by select": lambda: plain(
        insert(note).values(org_id=select(reader.c.org_id).limit(1).scalar_subquery(), id=9)
    ),
    "an insert from select": lambda: plain(
        insert(note).from_select(["org_id", "id"], select(tag.c.org_id, tag.c.id).where(ours_tag))
    ),
    "an insert that reads untied": lambda: plain(
        insert(note).values(org_id=OURS, id=9, body=select(func.max(tag.c.body)).scalar_subquery())
    ),
    "a row in the statement that reads untied": lambda: plain(
        insert(note).values([{"org_id": OURS, "id": 9, "body": select(func.max(tag.c.body)).scalar_subquery()}])
    ),
    "an insert that gives back what it reads": lambda: plain(
        insert(note).values(org_id=OURS, id=9).returning(select(func.max(tag.c.body)).scalar_subquery())
    ),
    "an installation's insert that reads untied": lambda: plain(
        insert(reader).from_select(["id", "body"], select(note.c.serial, note.c.body))
    ),
    "an installation's insert with a value that reads": lambda: plain(
        insert(reader).values(id=9, body=select(func.max(note.c.body)).scalar_subquery())
    ),
    "an insert or replace": lambda: plain(insert(note).prefix_with("OR REPLACE").values(org_id=OURS, id=9, serial=11)),
    "an upsert that moves the row": lambda: plain(
        upsert(note, index_elements=["org_id", "id"], set_={"org_id": THEIRS})
    ),
    "an upsert over a row of theirs": lambda: plain(upsert(note, index_elements=["serial"], set_={"body": "x"})),
    "an upsert over whatever": lambda: plain(upsert(note, set_={"body": "x"})),
    "an upsert by the name of a constraint": lambda: plain(
        postgresql.insert(note)
        .values(org_id=OURS, id=1)
        .on_conflict_do_update(constraint="uq_note_serial", set_={"body": "x"})
    ),
    "an upsert that reads untied": lambda: plain(
        upsert(note, index_elements=["org_id", "id"], set_={"body": select(func.max(tag.c.body)).scalar_subquery()})
    ),
    "an upsert whose condition reads untied": lambda: plain(
        upsert(note, index_elements=["org_id", "id"], set_={"body": "x"}, where=exists().where(tag.c.id == 1))
    ),
    "an update without": lambda: plain(update(note).values(body="x")),
    "an update of theirs": lambda: plain(update(note).where(note.c.org_id == THEIRS).values(body="x")),
    "an update that moves rows": lambda: plain(update(note).where(ours).values(org_id=THEIRS)),
    "an update in order that moves rows": lambda: plain(
        update(note).where(ours).ordered_values((note.c.org_id, THEIRS), (note.c.body, "x"))
    ),
    "an update by parameters that moves rows": lambda: plain(update(note).where(ours), {"org_id": THEIRS}),
    "an update from an untied table": lambda: plain(
        update(note).where(ours, note.c.id == tag.c.id).values(body=tag.c.body)
    ),
    "an update that reads untied": lambda: plain(
        update(note).where(ours).values(body=select(func.max(tag.c.body)).scalar_subquery())
    ),
    "an update that gives back what it reads": lambda: plain(
        update(note).where(ours).values(body="x").returning(select(func.max(tag.c.body)).scalar_subquery())
    ),
    "an update of the installation's that reads": lambda: plain(
        update(reader).values(body=select(func.max(tag.c.body)).scalar_subquery())
    ),
    "two values of one name": lambda: plain(
        select(note.c.body).where(note.c.org_id == bindparam("o", OURS), note.c.id != bindparam("o", THEIRS))
    ),
    "two values of one name, the other in a subquery": lambda: plain(
        select(note.c.body).where(
            note.c.org_id == bindparam("o", OURS),
            note.c.id.not_in(select(tag.c.note_id).where(ours_tag, tag.c.id == bindparam("o", THEIRS))),
        )
    ),
    "a delete without": lambda: plain(delete(note)),
    "a delete of theirs": lambda: plain(delete(note).where(note.c.org_id == THEIRS)),
    "a delete with another table": lambda: plain(delete(note).using(tag).where(ours, tag.c.id == note.c.id)),
    "a delete inside a select": lambda: plain(select(delete(note).returning(note.c.body).cte("gone"))),
    "an update inside a select": lambda: plain(
        select(update(note).where(ours).values(org_id=THEIRS).returning(note.c.body).cte("moved"))
    ),
}


@pytest.mark.parametrize("name", PASSES)
def test_a_statement_that_names_its_organisation_passes_and_shows_only_its_rows(name: str):
    statement, params = PASSES[name]()

    check_statement(statement, params, ORGS)
    check_statement(*PASSES[name](), ORGS)

    with filled_notebook().connect() as connection:
        theirs_before = connection.execute(select(note).where(note.c.org_id == THEIRS)).all()
        result = connection.execute(statement, list(params) or None)
        shown = [tuple(row) for row in result] if result.returns_rows else []
        theirs_after = connection.execute(select(note).where(note.c.org_id == THEIRS)).all()
    readers = name in {"an installation's table", "an installation's table beside ours"}
    assert readers or not any(THEIRS in str(value) for row in shown for value in row)
    assert theirs_before == theirs_after


@pytest.mark.parametrize("name", sorted(set(PASSES) - NO_ORGANISATION))
def test_what_passed_once_is_refused_to_another_organisation(name: str):
    check_statement(*PASSES[name](), ORGS)

    with pytest.raises(ScopeBreach):
        check_statement(*PASSES[name](), frozenset({"third"}))


@pytest.mark.parametrize(
    "named",
    [
        lambda org_id: select(note).where(note.c.org_id == org_id),
        lambda org_id: select(note).where(note.c.org_id.in_([OURS, org_id])),
        lambda org_id: select(note).where(note.c.org_id == bindparam("org", org_id)),
        lambda org_id: select(note).where(note.c.org_id == bindparam("org", callable_=lambda: org_id)),
        lambda org_id: select(note).where(ours).params(org_id_1=org_id),
        lambda org_id: update(note).where(note.c.org_id == org_id).values(body=""),
        lambda org_id: insert(note).values(org_id=org_id, id="n9", body=""),
        lambda org_id: select(select(note.c.id).where(note.c.org_id == org_id).subquery()),
    ],
)
def test_a_shape_that_passed_does_not_carry_another_organisation_along(named: Callable[[str], Any]):
    check_statement(select(note).where(ours), (), ORGS)
    check_statement(select(note).where(note.c.org_id == bindparam("org", OURS)), (), ORGS)
    with contextlib.suppress(ScopeBreach):
        check_statement(named(OURS), (), ORGS)

    with pytest.raises(ScopeBreach):
        check_statement(named(THEIRS), (), ORGS)


@pytest.mark.parametrize("name", REFUSED)
def test_a_statement_that_could_reach_other_rows_is_refused(name: str):
    statement, params = REFUSED[name]()

    with pytest.raises(ScopeBreach):
        check_statement(statement, params, ORGS)


def test_a_spanning_read_may_name_each_of_its_organisations_and_no_other():
    spanned = frozenset({OURS, THEIRS})
    both = select(note).where(note.c.org_id.in_([OURS, THEIRS]))

    check_statement(both, (), spanned)

    with pytest.raises(ScopeBreach):
        check_statement(select(note).where(note.c.org_id.in_([OURS, "third"])), (), spanned)


def test_the_parts_of_a_limited_union_are_looked_at_inside_their_brackets():
    # SQLite has no such brackets, so this one is only looked at.
    part = select(note.c.body).where(ours).limit(1)

    check_statement(union_all(part, select(tag.c.body).where(ours_tag).limit(1)), (), ORGS)

    with pytest.raises(ScopeBreach):
        check_statement(union_all(part, select(tag.c.body).limit(1)), (), ORGS)


WITH_PARAMETERS: dict[str, tuple[Any, Mapping[str, Any]]] = {
    "select": (select(note.c.id).where(note.c.org_id == bindparam("org")), {"org": OURS}),
    "insert": (insert(note), {"org_id": OURS, "id": 77, "body": "x"}),
    "update": (
        update(note).where(note.c.org_id == bindparam("org")).values(body=bindparam("said")),
        {"org": OURS, "said": "x"},
    ),
}


@pytest.mark.parametrize("kind", WITH_PARAMETERS)
def test_a_statement_that_passed_is_refused_with_the_parameters_of_another(kind: str):
    statement, given = WITH_PARAMETERS[kind]
    name = "org" if "org" in given else "org_id"
    ours, theirs = frozenset({OURS}), {**given, name: THEIRS}
    for _ in range(2):
        check_statement(statement, [given], ours)

    for params in ([theirs], [given, theirs], [{**given, name: None}], [{k: v for k, v in given.items() if k != name}]):
        with pytest.raises(ScopeBreach):
            check_statement(statement, params, ours)
