"""A form drawn from an operation's pydantic parameters. Draws and collects; ``operations.draft`` judges the values."""

from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ui.format import words

LARGEST = 2**53 - 1


def parameters_form(model: type[BaseModel], key: str, given: BaseModel | None = None) -> dict[str, object]:
    """One widget a parameter, with its title, help and default, or what was given before; gives the values by name.

    Inside a form. A parameter left empty that may be empty is left out, so that the model's own default stands.
    """
    values: dict[str, object] = {}
    for name, field in model.model_fields.items():
        default = None if field.default is PydanticUndefined else field.default
        default = default if given is None else getattr(given, name, default)
        value = _widget(field, field.title or words(name), f"{key}_{name}", default)
        if value is not None:
            values[name] = value
    return values


def _widget(field: FieldInfo, label: str, key: str, default: object) -> object:
    kind, optional = _kind(field.annotation)
    if field.is_required() and not optional:
        label = f"{label} \\*"
    for accepts, draw in _DRAWN:
        if accepts(kind):
            return draw(kind, field, label, key, default, optional=optional)
    return _text(kind, field, label, key, default, optional=optional)


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The type behind ``X | None`` and ``Annotated``, and whether None is allowed."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        inner = [each for each in get_args(annotation) if each is not NoneType]
        return _kind(inner[0])[0], len(inner) < len(get_args(annotation))
    return annotation, False


def _choices(kind: Any) -> Mapping[str, object] | None:
    """Label -> value for an Enum or a Literal; None for other types."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {words(str(member.value)): member.value for member in kind}
    if get_origin(kind) is Literal:
        return {words(str(value)): value for value in get_args(kind)}
    return None


def _item_choices(kind: Any) -> Mapping[str, object] | None:
    many = get_origin(kind) in (list, tuple, set, frozenset) and get_args(kind)
    return _choices(_kind(get_args(kind)[0])[0]) if many else None


def _value(choice: object) -> object:
    return choice.value if isinstance(choice, Enum) else choice


def _select(kind: Any, field: FieldInfo, label: str, key: str, default: Any, *, optional: bool) -> object:
    choices = _choices(kind) or {}
    labels = list(choices)
    chosen = [name for name, value in choices.items() if value == _value(default)]
    index = labels.index(chosen[0]) if chosen else (None if optional or field.is_required() else 0)
    picked = st.selectbox(label, labels, index=index, key=key, help=field.description, placeholder="Choose one")
    return choices.get(picked) if picked else None


def _multiselect(kind: Any, field: FieldInfo, label: str, key: str, default: Any, *, optional: bool) -> object:
    del optional
    choices = _item_choices(kind) or {}
    wanted = {_value(each) for each in default or ()}
    chosen = [name for name, value in choices.items() if value in wanted]
    return [choices[name] for name in st.multiselect(label, list(choices), chosen, key=key, help=field.description)]


def _bool(kind: Any, field: FieldInfo, label: str, key: str, default: Any, *, optional: bool) -> object:
    del kind, optional
    return st.checkbox(label, value=bool(default), key=key, help=field.description)


def _int(kind: Any, field: FieldInfo, label: str, key: str, default: Any, *, optional: bool) -> object:
    del kind, optional
    low, high = -LARGEST, LARGEST
    for rule in field.metadata:
        if isinstance(rule, Ge | Gt):
            low = int(str(rule.ge if isinstance(rule, Ge) else rule.gt)) + isinstance(rule, Gt)
        if isinstance(rule, Le | Lt):
            high = int(str(rule.le if isinstance(rule, Le) else rule.lt)) - isinstance(rule, Lt)
    return st.number_input(label, low, high, default, step=1, key=key, help=field.description)


def _date(kind: Any, field: FieldInfo, label: str, key: str, default: Any, *, optional: bool) -> object:
    del kind, optional
    return st.date_input(label, value=default, key=key, help=field.description, format="YYYY-MM-DD")


def _text(kind: Any, field: FieldInfo, label: str, key: str, default: Any, *, optional: bool) -> object:
    del kind
    longest = next((rule.max_length for rule in field.metadata if isinstance(rule, MaxLen)), None)
    start = "" if default is None else str(default)
    typed = st.text_input(label, value=start, max_chars=longest, key=key, help=field.description)
    return None if optional and not typed else typed


_DRAWN: tuple[tuple[Callable[[Any], bool], Callable[..., object]], ...] = (
    (lambda kind: _choices(kind) is not None, _select),
    (lambda kind: _item_choices(kind) is not None, _multiselect),
    (lambda kind: kind is bool, _bool),
    (lambda kind: kind is int, _int),
    (lambda kind: kind is date, _date),
)
