"""Refuses any statement on a business table that does not name its organisation.

ORM-level criteria alone leak (a plain Core select passes them by), so the guard sits on the engine and looks at
every statement: each business table in it must be tied, by AND-ed equality on ``org_id``, to organisations of the
unit. An OR, a forgotten join condition or a text statement is refused, not repaired.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Alias, BindParameter, FromClause, Insert, Join, Select, Table, TextClause
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ClauseElement, ColumnElement, Grouping
from sqlalchemy.sql.schema import Column
from sqlalchemy.sql.selectable import CompoundSelect, SelectBase
from sqlalchemy.sql.visitors import iterate

from finops_core.platform.tables import FACTS, Scope, TableFacts

ORG = "org_id"
Params = Sequence[Mapping[str, Any]]


class ScopeBreach(AssertionError):
    """A statement reached for rows outside its organisations: a programming error, never shown."""


def check_statement(statement: object, params: Params, orgs: frozenset[str]) -> None:
    """Raise ``ScopeBreach`` unless every business table in the statement is tied to ``orgs``."""
    if isinstance(statement, TextClause):
        raise ScopeBreach("text statements cannot be checked")
    if isinstance(statement, Insert):
        _check_insert(statement, params, orgs)
    elif isinstance(statement, UpdateBase):
        _check_change(statement, params, orgs)
    elif isinstance(statement, SelectBase):
        _check_select(statement, params, orgs, frozenset())


def _check_insert(statement: Insert, params: Params, orgs: frozenset[str]) -> None:
    if statement.select is not None:
        _check_select(statement.select, params, orgs, frozenset())
    if not _is_business(statement.table):
        return
    if statement.select is not None:
        raise ScopeBreach(f"insert from select into {statement.table} cannot be checked")
    for org_id in _inserted_orgs(statement, params):
        if org_id not in orgs:
            raise ScopeBreach(f"insert into {statement.table} for another organisation")


def _inserted_orgs(statement: Insert, params: Params) -> Iterator[object]:
    fixed = {_key(name): value for name, value in (statement._values or {}).items()}  # noqa: SLF001
    several = [row for group in statement._multi_values for row in group]  # noqa: SLF001
    if several:
        for row in several:
            named = {_key(name): value for name, value in dict(row).items()}
            yield _plain(named.get(ORG), {})
    elif ORG in fixed:
        yield from (_plain(fixed[ORG], row) for row in params or [{}])
    else:
        yield from (row.get(ORG) for row in params or [{}])


def _key(name: object) -> str:
    return name.key if isinstance(name, Column) else str(name)


def _plain(value: object, row: Mapping[str, Any]) -> object:
    return _bound(value, [row])[0] if isinstance(value, BindParameter) else value


def _check_change(statement: Any, params: Params, orgs: frozenset[str]) -> None:
    conditions = list(_conjuncts(statement.whereclause))
    tied = _tied(conditions, params, orgs, frozenset())
    _require(statement.table, tied)
    values = {_key(name): value for name, value in (getattr(statement, "_values", None) or {}).items()}
    if ORG in values and _is_business(statement.table):
        raise ScopeBreach("a row never moves to another organisation")
    for nested in _nested([*conditions, *(v for v in values.values() if isinstance(v, ClauseElement))]):
        _check_select(nested, params, orgs, tied)


def _check_select(statement: SelectBase, params: Params, orgs: frozenset[str], outer: frozenset[FromClause]) -> None:
    if isinstance(statement, CompoundSelect):
        for part in statement.selects:
            _check_select(_select_in(part), params, orgs, outer)
        return
    if not isinstance(statement, Select):
        for inner in _nested([statement]):
            _check_select(inner, params, orgs, outer)
        return
    # Not ``get_final_froms``: it compiles the whole statement. What these parts name is what the FROM will hold,
    # and in a correlated select also tables of the outer one, which are tied there.
    parts: list[Any] = [*statement._raw_columns, *statement._where_criteria]  # noqa: SLF001
    froms = [*statement._from_obj, *(source for part in parts for source in part._from_objects)]  # noqa: SLF001
    joined = statement._setup_joins  # noqa: SLF001 - what .join() recorded: (target, condition, …)
    froms += [join[0] for join in joined]
    sources = [leaf for source in froms for leaf in _leaves(source)]
    conditions = [*_conjuncts(statement.whereclause), *_join_conditions(froms)]
    conditions += [condition for join in joined for condition in _conjuncts(join[1])]
    tied = _tied(conditions, params, orgs, outer)
    for source in sources:
        _require(source, tied)
    for nested in _nested([*statement.get_children(), *(join[1] for join in joined if join[1] is not None)]):
        _check_select(nested, params, orgs, tied)


def _select_in(part: object) -> SelectBase:
    inner = getattr(part, "element", part)
    if not isinstance(inner, SelectBase):
        raise ScopeBreach("a part of the statement cannot be checked")
    return inner


def _require(source: FromClause, tied: frozenset[FromClause]) -> None:
    if _is_business(source) and source not in tied:
        raise ScopeBreach(f"no organisation named for {getattr(source, 'name', source)}")


def _is_business(source: FromClause) -> bool:
    table = source.element if isinstance(source, Alias) else source
    if not isinstance(table, Table):
        return False
    facts = table.info.get(FACTS)
    return isinstance(facts, TableFacts) and facts.scope is Scope.ORGANISATION


def _leaves(source: FromClause) -> Iterator[FromClause]:
    if isinstance(source, Join):
        yield from _leaves(source.left)
        yield from _leaves(source.right)
    else:
        yield source


def _join_conditions(sources: Iterable[FromClause]) -> Iterator[ColumnElement[Any]]:
    for source in sources:
        if isinstance(source, Join):
            if source.onclause is not None:
                yield from _conjuncts(source.onclause)
            yield from _join_conditions([source.left, source.right])


def _conjuncts(condition: object) -> Iterator[ColumnElement[Any]]:
    if isinstance(condition, Grouping):
        yield from _conjuncts(condition.element)
    elif isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from _conjuncts(part)
    elif isinstance(condition, ColumnElement):
        yield condition


def _tied(
    conditions: Iterable[ColumnElement[Any]], params: Params, orgs: frozenset[str], outer: frozenset[FromClause]
) -> frozenset[FromClause]:
    tied = set(outer)
    pairs: list[tuple[FromClause, FromClause]] = []
    for condition in conditions:
        if not isinstance(condition, BinaryExpression) or not _is_org(condition.left):
            continue
        left = condition.left.table
        if condition.operator is operators.eq and _is_org(condition.right):
            pairs.append((left, condition.right.table))
        elif condition.operator in {operators.eq, operators.in_op} and isinstance(condition.right, BindParameter):
            named = _bound(condition.right, params)
            if named and all(org_id in orgs for org_id in named):
                tied.add(left)
    grown = True
    while grown:
        before = len(tied)
        for one, other in pairs:
            if one in tied or other in tied:
                tied |= {one, other}
        grown = len(tied) > before
    return frozenset(tied)


def _is_org(part: object) -> bool:
    return isinstance(part, ColumnElement) and getattr(part, "key", None) == ORG and hasattr(part, "table")


def _bound(parameter: BindParameter[Any], params: Params) -> list[object]:
    values: list[object] = []
    for row in params or [{}]:
        value = row.get(parameter.key, parameter.effective_value)
        values.extend(value if isinstance(value, list | tuple | set | frozenset) else [value])
    return values


def _nested(parts: Iterable[ClauseElement]) -> Iterator[SelectBase]:
    for part in parts:
        if isinstance(part, SelectBase):
            yield part
        else:
            yield from _first_selects(part)


def _first_selects(part: ClauseElement) -> Iterator[SelectBase]:
    # ``iterate`` is breadth first and would also give selects inside selects; checking those twice is harmless
    # only when they are tied themselves, so the walk stops at the first one on each path.
    if isinstance(part, Table):
        return
    for child in part.get_children():
        if isinstance(child, SelectBase):
            yield child
        elif isinstance(child, ClauseElement):
            yield from _first_selects(child)


def tables_in(statement: ClauseElement) -> set[Table]:
    """Every table a statement touches; for tests."""
    return {element for element in iterate(statement) if isinstance(element, Table)}
