"""Whatever the guard lets through gives the same rows whether or not another organisation has any."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, FromClause, and_, delete, exists, func, not_, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from finops_core.platform.scope_guard import ScopeBreach, check_statement
from tests.platform.notebook import OURS, THEIRS, filled_notebook, note, reader, tag

pytestmark = pytest.mark.slow

ORGS = frozenset({OURS})
LEAVES: tuple[FromClause, ...] = (note, tag, note.alias("n2"), tag.alias("t2"), note.alias("n3").alias("n4"), reader)


def _alone() -> Engine:
    engine = filled_notebook()
    with engine.begin() as connection:
        for table in (tag, note):
            connection.execute(delete(table).where(table.c.org_id == THEIRS))
    return engine


TOGETHER, ALONE = filled_notebook(), _alone()


@st.composite
def conditions(draw: st.DrawFn, leaves: tuple[FromClause, ...], depth: int) -> Any:
    """A condition over some sources, usually with a tie in it."""
    one, two = draw(st.sampled_from(leaves)), draw(st.sampled_from(leaves))
    kind = draw(st.sampled_from(["tie", "tie", "tie", "pair", "pair", "ids", "list", "or", "not", "and", "select"]))
    if kind == "tie":
        return one.c.org_id == OURS
    if kind == "pair":
        return one.c.org_id == two.c.org_id
    if kind == "ids":
        return one.c.id == two.c.id
    if kind == "list":
        return one.c.org_id.in_([OURS])
    if kind == "select" and depth:
        inner = draw(selects(depth - 1, wide=False))
        return draw(st.sampled_from([one.c.id.in_(inner), inner.exists(), ~exists(inner.subquery())]))
    first, second = draw(conditions(leaves, 0)), draw(conditions(leaves, 0))
    return {"or": or_, "and": and_}.get(kind, lambda a, b: not_(and_(a, b)))(first, second)


@st.composite
def joined(draw: st.DrawFn, leaves: tuple[FromClause, ...]) -> FromClause:
    """The sources in a tree of joins of all kinds."""
    if len(leaves) == 1:
        return leaves[0]
    cut = draw(st.integers(1, len(leaves) - 1))
    left, right = draw(joined(leaves[:cut])), draw(joined(leaves[cut:]))
    on = and_(draw(conditions(leaves, 0)), draw(conditions(leaves, 0)))
    kind = draw(st.sampled_from([{}, {"isouter": True}, {"full": True}]))
    return left.join(right, on, **kind)


@st.composite
def sources(draw: st.DrawFn, depth: int) -> tuple[FromClause, ...]:
    """One to three different sources, some of them subqueries."""
    chosen = draw(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=3, unique=True))
    if depth and draw(st.booleans()):
        chosen.append(draw(selects(depth - 1)).subquery(f"s{draw(st.integers(0, 99))}"))
    return tuple(chosen)


@st.composite
def selects(draw: st.DrawFn, depth: int, *, wide: bool = True) -> Any:
    """A select of org_id, id and body (or, not wide, of ids) from anywhere."""
    leaves = draw(sources(depth))
    shown = draw(st.sampled_from(leaves))
    statement = select(shown.c.org_id, shown.c.id, shown.c.body) if wide else select(shown.c.id)
    if draw(st.integers(0, 3)):  # mostly well meant, or nothing would ever pass
        statement = statement.where(*(leaf.c.org_id == OURS for leaf in leaves[: draw(st.integers(1, 4))]))
    shape = draw(st.sampled_from(["comma", "tree", "chain"]))
    if shape == "tree":
        statement = statement.select_from(draw(joined(leaves)))
    elif shape == "chain":
        for leaf in leaves:
            if leaf is not shown:
                kind = draw(st.sampled_from([{}, {"isouter": True}, {"full": True}]))
                statement = statement.join(leaf, draw(conditions(leaves, 0)), **kind)
    for _ in range(draw(st.integers(0, 2))):
        statement = statement.where(draw(conditions((*leaves, draw(st.sampled_from(LEAVES))), depth)))
    if depth and wide and draw(st.booleans()):
        figure = select(func.count(leaves[0].c.id)).where(draw(conditions(LEAVES, 0)))
        statement = statement.add_columns(_correlated(draw, figure, leaves).scalar_subquery().label("figure"))
    return _correlated(draw, statement, leaves)


def _correlated(draw: st.DrawFn, statement: Any, leaves: tuple[FromClause, ...]) -> Any:
    how = draw(st.sampled_from(["auto", "auto", "auto", "none", "to", "except"]))
    one = draw(st.sampled_from((*LEAVES, *leaves)))
    if how == "none":
        return statement.correlate(None)
    if how == "to":
        return statement.correlate(one)
    return statement.correlate_except(one) if how == "except" else statement


def _rows(engine: Engine, statement: Any) -> Counter[tuple[object, ...]] | None:
    try:
        with engine.connect() as connection:
            return Counter(tuple(row) for row in connection.execute(statement))
    except SQLAlchemyError:
        return None  # a shape that SQL does not have


def assert_same_with_and_without_others(statement: Any) -> None:
    try:
        check_statement(statement, (), ORGS)
    except ScopeBreach:
        event("refused")
        return
    together, alone = _rows(TOGETHER, statement), _rows(ALONE, statement)
    event("no such SQL" if together is None else "let through")
    assert together == alone, str(statement)


LIMITS = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@LIMITS
@given(selects(depth=2))
def test_a_select_that_passes_does_not_depend_on_another_organisation(statement: Any):
    assert_same_with_and_without_others(statement)


@LIMITS
@given(st.data())
def test_a_change_that_passes_does_not_depend_on_another_organisation(data: st.DataObject):
    leaves = (note, tag)
    statement = update(note).values(body=tag.c.body) if data.draw(st.booleans()) else update(note).values(body="ours")
    for _ in range(data.draw(st.integers(1, 3))):
        statement = statement.where(data.draw(conditions(leaves, 1)))

    assert_same_with_and_without_others(statement.returning(note.c.org_id, note.c.id, note.c.body))
