"""What a select reads from, and which conditions bind which part of it; half of ``scope_guard``.

SQLAlchemy has public names for few of these parts, so its private ones are read here and in ``scope_guard`` alone;
the tests there run statements of every shape and fail when a new version changes what they mean.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, Join, Select
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BooleanClauseList, ClauseElement, ColumnElement, Grouping
from sqlalchemy.sql.selectable import FromGrouping, NamedFromGrouping

Leaves = frozenset[FromClause]
NONE: Leaves = frozenset()
_TREES = (Join, FromGrouping, NamedFromGrouping)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition that every row fulfils.

    Attributes:
        binds: the sources whose rows it keeps out; None for all. The ON of a left join keeps out rows of its right
            side only, the ON of a full join none.
    """

    element: ColumnElement[Any]
    binds: Leaves | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """The FROM of a select before correlation.

    Attributes:
        leaves: every source, joins taken apart.
        loose: those that stand in no join; only they can be left to an enclosing statement.
        joined: whether there is a join beside them.
        conditions: the ON conditions, taken apart at AND.
        on: the same, whole.
    """

    leaves: Leaves
    loose: Leaves
    joined: bool
    conditions: tuple[Condition, ...]
    on: tuple[ClauseElement, ...]


@dataclass(frozen=True, slots=True)
class Enclosing:
    """What a statement inside another one can see of it.

    Attributes:
        near: the sources of the statement right around it.
        far: those of all around it.
        tied: those bound to organisations of the unit.
    """

    near: Leaves = NONE
    far: Leaves = NONE
    tied: Leaves = NONE


OUTSIDE = Enclosing()


def sources_of(statement: Select[Any]) -> Sources:
    """The FROM of a select: what it names itself and what its columns and conditions bring in."""
    # Not ``get_final_froms``: it compiles the whole statement, and compiling is most of a statement's cost.
    named = [*statement._from_obj, *from_objects(statement._raw_columns)]  # noqa: SLF001
    joins = statement._setup_joins  # noqa: SLF001 - what .join() recorded: (target, condition, left, flags)
    chained: list[Any] = [part for join in joins for part in (join[0], join[2]) if part is not None]
    everything: list[Any] = [*named, *from_objects(statement._where_criteria), *chained]  # noqa: SLF001
    trees = [source for source in everything if isinstance(source, _TREES)]
    inside = {leaf for source in trees for leaf in leaves_of(source)}
    if joins:
        # Any of these may have become the left side of the chain.
        inside |= {leaf for source in [*named, *chained] for leaf in leaves_of(source)}
    leaves = frozenset(leaf for source in everything for leaf in leaves_of(source))
    loose = frozenset(leaf for leaf in leaves if leaf not in inside)
    conditions = [condition for source in everything for condition in join_conditions(source)]
    conditions += [condition for join in joins for condition in _chained(join)]
    on: list[Any] = [clause for source in everything for clause in _on_clauses(source)]
    on += [join[1] for join in joins if join[1] is not None]
    return Sources(leaves, loose, bool(joins or trees), tuple(conditions), tuple(on))


def borrowed(statement: Select[Any], sources: Sources, outer: Enclosing) -> Leaves:
    """The sources that will not stand in this select's own FROM, because an enclosing statement has them.

    SQLAlchemy's rules, told on the safe side: a source that might stand in the own FROM is never among these.
    """
    explicit, excepted = statement._correlate, statement._correlate_except  # noqa: SLF001
    gone: set[FromClause] = set()
    if explicit:
        gone |= {leaf for leaf in sources.loose if leaf in outer.far and leaf in explicit}
    if excepted is not None:
        gone |= {leaf for leaf in sources.loose if leaf in outer.far and leaf not in excepted}
    # A lone source is never left to the enclosing statement: ``in_(select(t.c.id))`` reads the whole of t anew.
    if statement._auto_correlate and outer.near and _entries(sources, gone) > 1:  # noqa: SLF001
        gone |= {leaf for leaf in sources.loose if leaf in outer.near}
    return frozenset(gone)


def _entries(sources: Sources, gone: set[FromClause]) -> int:
    """How many entries the FROM has at the least: copies of one source are one, and so are all joins together."""
    seen: set[Any] = set()
    count = int(sources.joined)
    for leaf in sources.loose - gone:
        count += seen.isdisjoint(leaf._cloned_set)  # noqa: SLF001
        seen |= leaf._cloned_set  # noqa: SLF001
    return count


def leaves_of(source: FromClause) -> Iterator[FromClause]:
    """The sources in a tree of joins."""
    if isinstance(source, Join):
        yield from leaves_of(source.left)
        yield from leaves_of(source.right)
    elif isinstance(source, FromGrouping | NamedFromGrouping):
        yield from leaves_of(source.element)
    else:
        yield source


def join_conditions(source: FromClause) -> Iterator[Condition]:
    """The ON conditions in a tree of joins, each with the sources it binds."""
    if isinstance(source, FromGrouping | NamedFromGrouping):
        yield from join_conditions(source.element)
    if not isinstance(source, Join):
        return
    yield from join_conditions(source.left)
    yield from join_conditions(source.right)
    right = frozenset(leaves_of(source.right))
    binds = NONE if source.full else right if source.isouter else right | frozenset(leaves_of(source.left))
    for element in conjuncts(source.onclause):
        yield Condition(element, binds)


def conjuncts(condition: object) -> Iterator[ColumnElement[Any]]:
    """A condition taken apart at AND, and at nothing else."""
    if isinstance(condition, Grouping):
        yield from conjuncts(condition.element)
    elif isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from conjuncts(part)
    elif isinstance(condition, ColumnElement):
        yield condition


def from_objects(parts: Iterable[Any]) -> list[FromClause]:
    """The sources that columns and conditions bring into a FROM."""
    return [source for part in parts for source in part._from_objects]  # noqa: SLF001


def _on_clauses(source: FromClause) -> Iterator[ClauseElement]:
    if isinstance(source, FromGrouping | NamedFromGrouping):
        yield from _on_clauses(source.element)
    elif isinstance(source, Join):
        yield from _on_clauses(source.left)
        yield from _on_clauses(source.right)
        if source.onclause is not None:
            yield source.onclause


def _chained(join: Any) -> Iterator[Condition]:
    target, onclause, _left, flags = join
    # A left join binds its target, an inner one whatever its condition names, a full one nothing.
    binds = NONE if flags["full"] else frozenset(leaves_of(target)) if flags["isouter"] else None
    for element in conjuncts(onclause):
        yield Condition(element, binds)
