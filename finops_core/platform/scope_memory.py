"""What the scope guard remembers: the shapes of statements that passed, so that each is walked once, not each time.

A shape is SQLAlchemy's own cache key: statements that share it become the same SQL and differ in bound values alone.
Of the walk nothing depends on values but whether the organisations named are the unit's; that is looked at each time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, Delete, Insert, Select, Update
from sqlalchemy.sql.cache_key import CacheKey

SHAPES_MOST = 2_000
_KNOWN = (Select, CompoundSelect, Insert, Update, Delete)
NO_NAMES: frozenset[str] = frozenset()
Params = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Named:
    """What names organisations in a shape: places among its bound values, and parameters it is given when it runs."""

    places: tuple[int, ...]
    given: tuple[str, ...]


_passed: dict[tuple[Any, frozenset[str] | None], _Named] = {}


def shape_of(statement: object) -> CacheKey | None:
    """The shape of a statement with its values; None for one that has none, or that was given values of its own."""
    if not isinstance(statement, _KNOWN):
        return None
    key = statement._generate_cache_key()  # noqa: SLF001 - kept by the statement, which needs it to be compiled anyway
    return None if key is None or key.params else key


def passed_before(shape: CacheKey, params: Params, orgs: Collection[str]) -> bool:
    """Whether this shape passed with parameters of these names, and what named an organisation then is ours now."""
    named = _passed.get((shape.key, _names(params)))
    return (
        named is not None
        and all(_all_ours(_value_of(shape.bindparams[place]), orgs) for place in named.places)
        and all(_all_ours(value, orgs) for name in named.given for value in _values(params, name))
    )


def named_by(statement: object, params: Params) -> tuple[str, ...] | None:
    """Of a statement that passed: the parameters that alone say whose rows it is about; None when its own values do.

    With none of them at all it is about no organisation's rows.
    """
    shape = shape_of(statement)
    named = None if shape is None else _passed.get((shape.key, _names(params)))
    return None if named is None or named.places else named.given


def remember(shape: CacheKey, params: Params, named: Sequence[BindParameter[Any]], columns: Collection[str]) -> None:
    """A statement of this shape passed because of these bound values and inserted columns."""
    names = _names(params)
    by_identity = {id(bind): place for place, bind in enumerate(shape.bindparams)}
    if names is None or any(id(bind) not in by_identity for bind in named):
        return
    given = {bind.key for bind in named if not bind.unique and bind.key in names}
    places = tuple(by_identity[id(bind)] for bind in named if bind.key not in given)
    if len(_passed) >= SHAPES_MOST:
        _passed.clear()
    _passed[shape.key, names] = _Named(places, (*given, *columns))


def _names(params: Params) -> frozenset[str] | None:
    """The names of the parameters; None where rows differ in them."""
    if not params:
        return NO_NAMES
    first = params[0].keys()
    return frozenset(first) if all(row.keys() == first for row in params) else None


def _values(params: Params, name: str) -> Collection[Any]:
    """What the rows give for a name, each value once: most batches are of one organisation."""
    found = [row.get(name) for row in params]
    return set(found) if all(isinstance(value, str) for value in found) else found


def _value_of(bind: BindParameter[Any]) -> object:
    return None if bind.callable is not None else bind.value


def _all_ours(value: object, orgs: Collection[str]) -> bool:
    named = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return bool(named) and all(isinstance(org_id, str) and org_id in orgs for org_id in named)
