"""What the scope guard remembers: the shapes of statements that passed, so that each is walked once, not each time.

A shape is SQLAlchemy's own cache key: statements that share it become the same SQL and differ in bound values alone.
Of the walk nothing depends on values but whether the organisations named are the unit's; that is looked at each time.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, Delete, Insert, Select, Update
from sqlalchemy.sql.cache_key import CacheKey

SHAPES_MOST = 2_000
_KNOWN = (Select, CompoundSelect, Insert, Update, Delete)
# Shape -> where among its bound values those stand that name organisations.
_passed: dict[tuple[Any, ...], tuple[int, ...]] = {}


def shape_of(statement: object) -> CacheKey | None:
    """The shape of a statement with its values; None for one that has none, or whose values come from elsewhere."""
    if not isinstance(statement, _KNOWN):
        return None
    key = statement._generate_cache_key()  # noqa: SLF001 - kept by the statement, which needs it to be compiled anyway
    return None if key is None or key.params else key


def passed_before(shape: CacheKey, orgs: Collection[str]) -> bool:
    """Whether this shape passed, and every value that named an organisation then names one of these now."""
    places = _passed.get(shape.key)
    return places is not None and all(_names_ours(shape.bindparams[place], orgs) for place in places)


def remember(shape: CacheKey, named: Sequence[BindParameter[Any]]) -> None:
    """A statement of this shape passed because of these bound values."""
    by_identity = {id(bind): place for place, bind in enumerate(shape.bindparams)}
    if all(id(bind) in by_identity for bind in named):
        if len(_passed) >= SHAPES_MOST:
            _passed.clear()
        _passed[shape.key] = tuple(by_identity[id(bind)] for bind in named)


def _names_ours(bind: BindParameter[Any], orgs: Collection[str]) -> bool:
    if bind.callable is not None:
        return False
    named = bind.value if isinstance(bind.value, list | tuple | set | frozenset) else [bind.value]
    return bool(named) and all(org_id in orgs for org_id in named)
