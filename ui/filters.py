"""Filters of a list. Each one's value stands in the address, so that a reload or a sent link shows the same rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date

import streamlit as st

from finops_core.operations import OperationView, PublicState
from ui import navigation, widgets
from ui.format import words


@contextmanager
def bar() -> Iterator[None]:
    """A row for the filters; on a phone they are folded away, for the rows are what somebody came for."""
    if widgets.on_phone():
        with st.expander("Filters", icon=":material/filter_list:"):
            yield
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            yield


def states() -> dict[str, str]:
    """The five public states of executions, by value."""
    return {"": "Any state", **{state.value: words(state.value) for state in PublicState}}


def operations(offered: Iterable[OperationView]) -> dict[str, str]:
    """Operations by id."""
    return {"": "Any operation", **{view.id: view.title for view in offered}}


def spoken(query: Mapping[str, str], offered: Iterable[OperationView]) -> dict[str, str]:
    """A query of the core's, with what the filters show instead of values: the form an address has on screen."""
    labels = {"state": states(), "operation": operations(offered)}
    return {key: labels.get(key, {}).get(value, value) for key, value in query.items() if value}


def speak(offered: Iterable[OperationView]) -> None:
    """Come again with an address in the form above when this one has bare values, as one typed by hand does."""
    said = st.query_params.to_dict()
    if (told := spoken(said, offered)) != said:
        navigation.go("executions", **told)


def search(key: str, hint: str, fresh: Callable[[], None], width: int = 200) -> str:
    """Words to look for."""
    typed = st.text_input("Search", key=key, bind="query-params", placeholder=hint, width=width, on_change=fresh)
    return typed.strip()


def choice(label: str, options: Mapping[str, str], key: str, fresh: Callable[[], None], width: int = 150) -> str:
    """One of several, by value -> what is shown; "" stands for all of them and comes first.

    Streamlit keeps in the address what is shown, so labels must be stable: no counts in them.
    """
    values = list(options)
    chosen = st.selectbox(
        label, values, key=key, bind="query-params", format_func=options.__getitem__, width=width, on_change=fresh
    )
    return chosen or ""


def day(label: str, key: str, fresh: Callable[[], None]) -> date | None:
    """A date, or none."""
    return st.date_input(label, None, key=key, bind="query-params", format="YYYY-MM-DD", width=130, on_change=fresh)
