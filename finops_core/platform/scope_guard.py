"""Refuses any statement on a business table that does not name its organisation.

ORM-level criteria alone leak (a plain Core select passes them by), so the guard sits on the engine and looks at
every statement: each business table in it must be tied, by AND-ed equality on ``org_id``, to organisations of the
unit. An OR, a forgotten join condition, a text statement or anything it does not know is refused, not repaired.
It guards against mistakes of our own code, not against code that means harm.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import BindParameter, Delete, FromClause, Insert, Select, Table, Update
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    AbstractTextClause,
    BinaryExpression,
    ClauseElement,
    ColumnClause,
    ElementList,
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import (
    CTE,
    CompoundSelect,
    FromClauseAlias,
    Lateral,
    ScalarValues,
    SelectStatementGrouping,
    Subquery,
    TableValuedAlias,
    Values,
)
from sqlalchemy.sql.visitors import HasTraverseInternals, iterate

from finops_core.platform.scope_memory import Params, passed_before, remember, shape_of
from finops_core.platform.scope_sources import (
    NONE,
    OUTSIDE,
    Condition,
    Enclosing,
    Leaves,
    borrowed,
    conjuncts,
    from_objects,
    join_conditions,
    leaves_of,
    sources_of,
)
from finops_core.platform.tables import FACTS, Scope, TableFacts

ORG = "org_id"

_SAVEPOINTS = (SavepointClause, RollbackToSavepointClause, ReleaseSavepointClause)
_PLAIN_TEXT = re.compile(r"\*|[0-9]+|NULL|''")
_PLAIN_OPERATOR = re.compile(r"(?!.*(--|/\*))[-+*/<>=~!@#%^&|?]+")
# ``_params``: what ``.params()`` was given takes the place of bound values, by the names made up for them too.
_RAW = ("_prefixes", "_suffixes", "_statement_hints", "_memoized_select_entities", "_params")
_FROM_PARTS = (
    "_from_obj",
    "_correlate",
    "_correlate_except",
    "_setup_joins",
    "_for_update_arg",
    "table",
    "_extra_froms",
)


class ScopeBreach(AssertionError):
    """A statement reached for rows outside its organisations: a programming error, never shown."""


def check_statement(statement: object, params: Params, orgs: frozenset[str]) -> None:
    """Raise ``ScopeBreach`` unless every business table in the statement is tied to ``orgs``."""
    shape = shape_of(statement)
    if shape is not None and passed_before(shape, params, orgs):
        return
    check = _Check(params, orgs)
    check.statement(statement, OUTSIDE)
    check.parameter_names(statement)
    if shape is not None and check.plain:
        remember(shape, params, check.named_orgs, check.named_columns)


def tables_in(statement: ClauseElement) -> set[Table]:
    """Every table a statement touches; for tests."""
    return {element for element in iterate(statement) if isinstance(element, Table)}


class _Check:
    """One look at one statement with the parameters it will run with.

    Attributes:
        named_orgs: the bound values that named the unit's organisations; ``named_columns``: parameters for a column
            of an insert that did.
        plain: nothing else was asked for an organisation, so with such values any statement of this shape passes.
    """

    def __init__(self, params: Params, orgs: frozenset[str]) -> None:
        self._params = params
        self._orgs = orgs
        self._named: dict[str, BindParameter[Any]] = {}  # each bindparam() met on the way, by its key
        self._seen: set[int] = set()  # selects in FROM: they see nothing around them, so once is enough
        self.named_orgs: list[BindParameter[Any]] = []
        self.named_columns: set[str] = set()
        self.plain = True

    def statement(self, statement: object, outer: Enclosing) -> None:
        """Any statement, also one inside another."""
        if isinstance(statement, Select):
            self._select(statement, outer)
        elif isinstance(statement, CompoundSelect):
            for part in statement.selects:
                self.statement(part, outer)
            self._expressions(_children(statement, "selects"), outer)
        elif isinstance(statement, SelectStatementGrouping):
            self.statement(statement.element, outer)
        elif isinstance(statement, Insert):
            self._insert(statement)
        elif isinstance(statement, Update | Delete):
            self._change(statement)
        elif not isinstance(statement, _SAVEPOINTS):
            raise ScopeBreach(f"a {type(statement).__name__} cannot be checked")

    def parameter_names(self, statement: object) -> None:
        """Every parameter given at execution must be one that was looked at.

        SQLAlchemy also takes the name it made up for a value (``org_id_1``), which would swap the value afterwards.
        """
        given = {_key(name) for row in self._params for name in row}
        columns: set[str] = set()
        if isinstance(statement, Insert | Update) and isinstance(statement.table, Table):
            columns = set(statement.table.c.keys())
        if isinstance(statement, Update) and _is_business(statement.table):
            columns.discard(ORG)
        unknown = given - self._named.keys() - columns
        if unknown:
            raise ScopeBreach(f"parameters that the statement does not name: {sorted(unknown)}")

    def _select(self, statement: Select[Any], outer: Enclosing) -> None:
        _refuse_raw(statement)
        sources = sources_of(statement)
        elsewhere = borrowed(statement, sources, outer)
        conditions = [*sources.conditions, *map(Condition, conjuncts(statement.whereclause))]
        tied = self._tied(conditions, elsewhere & outer.tied)
        own = sources.leaves - elsewhere
        here = Enclosing(own, outer.far | own, outer.tied | tied)
        for leaf in own:
            self._source(leaf, tied, here)
        self._expressions([*_children(statement), *sources.on], here)

    def _change(self, statement: Update | Delete) -> None:
        _refuse_raw(statement)
        values = dict(getattr(statement, "_values", None) or {})
        if _is_business(statement.table) and any(_key(name) == ORG for name in values):
            raise ScopeBreach("a row never moves to another organisation")
        named = [statement.table, *getattr(statement, "_extra_froms", ())]
        everything = [*named, *from_objects(statement._where_criteria)]  # noqa: SLF001
        everything += from_objects(value for value in values.values() if isinstance(value, ClauseElement))
        leaves = frozenset(leaf for source in everything for leaf in leaves_of(source))
        conditions = [condition for source in everything for condition in join_conditions(source)]
        conditions += map(Condition, conjuncts(statement.whereclause))
        tied = self._tied(conditions, NONE)
        here = Enclosing(leaves, leaves, tied)
        for leaf in leaves:
            self._source(leaf, tied, here)
        self._expressions(_children(statement), here)

    def _insert(self, statement: Insert) -> None:
        _refuse_raw(statement)
        self._table(statement.table, tied=True)
        if _is_business(statement.table):
            if statement.select is not None:
                raise ScopeBreach(f"insert from select into {statement.table} cannot be checked")
            for org_id in self._inserted_orgs(statement):
                if org_id not in self._orgs:
                    raise ScopeBreach(f"insert into {statement.table} for another organisation")
            for clause in _conflict_clauses(statement):
                _refuse_stray_upsert(clause)
        if statement.select is not None:
            self.statement(statement.select, OUTSIDE)
        rows = [value for row in _multi_rows(statement) for value in row.values()]
        upserts = [part for clause in _conflict_clauses(statement) for part in _upsert_parts(clause)]
        parts = [*_children(statement, "select", "_post_values_clause"), *rows, *upserts]
        self._expressions((part for part in parts if isinstance(part, ClauseElement)), OUTSIDE)

    def _inserted_orgs(self, statement: Insert) -> Iterator[object]:
        several = list(_multi_rows(statement))
        if several and self._params:
            raise ScopeBreach("rows in the statement and parameters beside them cannot be checked")
        if several:
            for row in several:
                yield from self._values_of(row.get(ORG))
            return
        fixed = {_key(name): value for name, value in (statement._values or {}).items()}  # noqa: SLF001
        if ORG in fixed:
            yield from self._values_of(fixed[ORG])
        # A parameter of the column's name wins over the value in the statement.
        rows: Params = self._params or [{}]
        for row in rows:
            given = {_key(name): value for name, value in row.items()}
            if ORG in given or ORG not in fixed:
                self.named_columns.add(ORG)
                yield given.get(ORG)

    def _source(self, leaf: FromClause, tied: Leaves, here: Enclosing) -> None:
        base = leaf
        while isinstance(base, FromClauseAlias):
            self._expressions(_children(base, "element"), here)
            base = base.element
        if isinstance(base, Table):
            self._table(base, tied=leaf in tied)
        elif isinstance(base, Subquery | CTE):
            _refuse_raw(base)
            if id(base.element) not in self._seen:
                self._seen.add(id(base.element))
                self.statement(base.element, OUTSIDE)
        elif isinstance(base, Lateral):
            self.statement(base.element, here)
        elif isinstance(base, TableValuedAlias | FunctionElement | Values):
            self._expressions([base] if isinstance(base, Values) else _children(base), here)
        else:
            raise ScopeBreach(f"reading from a {type(base).__name__} cannot be checked")

    def _table(self, table: object, *, tied: bool) -> None:
        if not isinstance(table, Table) or not isinstance(table.info.get(FACTS), TableFacts):
            raise ScopeBreach(f"{table} is no declared table")
        if _is_business(table) and not tied:
            raise ScopeBreach(f"no organisation named for {table}")

    def _expressions(self, parts: Iterable[Any], here: Enclosing) -> None:
        """Look through columns, conditions and values for what could hide a read: selects, text, other sources."""
        waiting = list(parts)
        while waiting:
            part = waiting.pop()
            if isinstance(part, Select | CompoundSelect | SelectStatementGrouping):
                self.statement(part, here)
                continue
            if isinstance(part, AbstractTextClause):
                raise ScopeBreach("text cannot be checked")
            if isinstance(part, ColumnClause):
                if part.is_literal and not _PLAIN_TEXT.fullmatch(part.name):
                    raise ScopeBreach("literal text cannot be checked")
                continue
            if isinstance(part, FromClause) and not isinstance(part, FunctionElement | Values):
                if part not in here.far:
                    self._source(part, here.tied, here)
                continue
            _refuse_odd_operator(part)
            if isinstance(part, BindParameter) and not part.unique:
                self._name(part)
            if isinstance(part, Values | ScalarValues):
                cells = (cell for group in part._data for row in group for cell in row)  # noqa: SLF001
                waiting.extend(cell for cell in cells if isinstance(cell, ClauseElement))
            waiting.extend(part.get_children())

    def _name(self, bind: BindParameter[Any]) -> None:
        # Of two values of one name SQLAlchemy takes the later one for both.
        if self._named.setdefault(bind.key, bind) is not bind:
            raise ScopeBreach("two values of one name cannot be told apart")

    def _tied(self, conditions: Iterable[Condition], known: Leaves) -> Leaves:
        """The sources whose every row belongs to one of the unit's organisations, ``known`` ones included."""
        tied = set(known)
        follows: list[tuple[FromClause, FromClause]] = []
        for condition in conditions:
            element, binds = condition.element, condition.binds
            if not isinstance(element, BinaryExpression) or not _is_org(element.left):
                continue
            left = element.left.table
            if element.operator is operators.eq and _is_org(element.right):
                right = element.right.table
                follows += [(a, b) for a, b in ((left, right), (right, left)) if binds is None or b in binds]
            elif (binds is None or left in binds) and self._names_ours(element):
                tied.add(left)
        grown = True
        while grown:
            before = len(tied)
            tied |= {b for a, b in follows if a in tied}
            grown = len(tied) > before
        return frozenset(tied)

    def _names_ours(self, element: BinaryExpression[Any]) -> bool:
        if element.operator not in {operators.eq, operators.in_op} or not isinstance(element.right, BindParameter):
            return False
        named = self._values_of(element.right)
        ours = bool(named) and all(org_id in self._orgs for org_id in named)
        self.plain = self.plain and ours
        return ours

    def _values_of(self, value: object) -> list[object]:
        """What a value will be at execution; something never an organisation when that cannot be known now."""
        if not isinstance(value, BindParameter):
            self.plain = False
            return [None if isinstance(value, ClauseElement) else value]
        if value.callable is not None:
            return [None]
        self.named_orgs.append(value)
        given = [row[value.key] if not value.unique and value.key in row else value.value for row in self._params]
        plain: list[object] = []
        for one in given or [value.value]:
            plain.extend(one if isinstance(one, list | tuple | set | frozenset) else [one])
        return plain


def _children(element: HasTraverseInternals, *without: str) -> Iterable[Any]:
    # Not ``element.get_children``: a Select's own one cannot leave out its FROM, which was looked at before.
    return HasTraverseInternals.get_children(element, omit_attrs=(*_FROM_PARTS, *without))


def _refuse_raw(statement: Any) -> None:
    for part in _RAW:
        if getattr(statement, part, ()):
            raise ScopeBreach("text around a statement, a changed select list or values given to it cannot be checked")


def _refuse_odd_operator(part: object) -> None:
    for role in ("operator", "modifier"):
        operator = getattr(part, role, None)
        if isinstance(operator, operators.custom_op) and not _PLAIN_OPERATOR.fullmatch(operator.opstring):
            raise ScopeBreach("an operator of one's own cannot be checked")


def _refuse_stray_upsert(clause: Any) -> None:
    changed = getattr(clause, "update_values_to_set", None)
    if not changed:
        return
    if any(_key(name) == ORG for name in changed):
        raise ScopeBreach("a row never moves to another organisation")
    # The row that stands in the way is ours only when the organisation is part of what collides.
    if ORG not in {_key(name) for name in clause.inferred_target_elements or ()}:
        raise ScopeBreach("an upsert must name the organisation among the columns that collide")


def _conflict_clauses(statement: Insert) -> list[Any]:
    clause = statement._post_values_clause  # noqa: SLF001
    return list(clause.clauses) if isinstance(clause, ElementList) else [] if clause is None else [clause]


def _upsert_parts(clause: Any) -> list[Any]:
    changed = getattr(clause, "update_values_to_set", None) or {}
    where = getattr(clause, "update_whereclause", None)
    return [*changed.values(), where, getattr(clause, "inferred_target_whereclause", None)]


def _multi_rows(statement: Insert) -> Iterator[Mapping[str, Any]]:
    for group in statement._multi_values:  # noqa: SLF001
        for row in group:
            pairs = row.items() if isinstance(row, Mapping) else zip(statement.table.c.keys(), row, strict=False)
            yield {_key(name): value for name, value in pairs}


def _is_business(table: object) -> bool:
    while isinstance(table, FromClauseAlias):
        table = table.element
    facts = table.info.get(FACTS) if isinstance(table, Table) else None
    return isinstance(facts, TableFacts) and facts.scope is Scope.ORGANISATION


def _is_org(part: object) -> bool:
    return isinstance(part, ColumnClause) and part.key == ORG and part.table is not None


def _key(name: object) -> str:
    return name.key if isinstance(name, ColumnClause) else str(name)
