"""Filters of a list. Each one's value stands in the address, so that a reload or a sent link shows the same rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date

import streamlit as st

from finops_core.operations import OperationView, PublicState
from ui import html, in_flight, navigation, widgets
from ui.format import words


class Bar:
    """The filters of one list, side by side; knows which of them are set."""

    def __init__(self, fresh: Callable[[], None]) -> None:
        self._fresh = fresh
        self._empty: dict[str, object] = {}
        self._told: list[str] = []

    def search(self, key: str, hint: str, label: str = "Search", width: int = 200) -> str:
        """Words to look for."""
        typed = st.text_input(
            label, key=key, bind="query-params", placeholder=hint, width=width, on_change=self._fresh
        ).strip()
        self._note(key, label, typed, empty="")
        return typed

    def choice(self, label: str, options: Mapping[str, str], key: str, width: int = 150) -> str:
        """One of several, by value -> what is shown; "" stands for all of them and comes first.

        Streamlit keeps in the address what is shown, so labels must be stable: no counts in them.
        """
        chosen = self.order(label, options, key, width)
        self._note(key, label, options[chosen] if chosen else "", empty="")
        return chosen

    def order(self, label: str, options: Mapping[str, str], key: str, width: int = 150) -> str:
        """Like ``choice``, for something that leaves no row out: it is not told, nor cleared."""
        chosen = st.selectbox(
            label,
            list(options),
            key=key,
            bind="query-params",
            format_func=options.__getitem__,
            width=width,
            on_change=self._fresh,
        )
        return chosen or ""

    def day(self, label: str, key: str) -> date | None:
        """A date, or none."""
        chosen = st.date_input(
            label, None, key=key, bind="query-params", format="YYYY-MM-DD", width=130, on_change=self._fresh
        )
        self._note(key, label, chosen.isoformat() if chosen else "", empty=None)
        return chosen

    def switch(self, label: str, key: str) -> bool:
        """On or off."""
        on = st.toggle(label, key=key, bind="query-params", on_change=self._fresh)
        self._note(key, label, "yes" if on else "", empty=False)
        return on

    def tell(self) -> None:
        """Which filters are set, with a link that keeps them and a button that clears them; nothing without any."""
        if self._told:
            with st.container(horizontal=True, vertical_alignment="center", key="told_filters"):
                html.draw(html.line("Filtered by", *map(html.strong, self._told), html.copier()))
                st.button("Clear all", icon=":material/filter_alt_off:", type="tertiary", on_click=self._clear)

    def _note(self, key: str, label: str, told: str, *, empty: object) -> None:
        self._empty[key] = empty
        if told:
            self._told.append(f"{label}: {told}")

    def _clear(self) -> None:
        for key, empty in self._empty.items():
            st.session_state[key] = empty
        self._fresh()


@contextmanager
def bar(fresh: Callable[[], None], label: str = "Filters") -> Iterator[Bar]:
    """A row for the filters, and below it which are set; ``fresh`` runs when one changes.

    On a phone they are folded away, for the rows are what somebody came for.
    """
    made = Bar(fresh)
    if widgets.on_phone():
        with st.expander(label, icon=":material/filter_list:"):
            yield made
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            yield made
    made.tell()


def states() -> dict[str, str]:
    """The five public states of executions, by value."""
    return {"": "Any state", **{state.value: words(state.value) for state in PublicState}}


def standings() -> dict[str, str]:
    """What to look for among payouts, by value."""
    told = {
        "in_flight": "On their way",
        "late": "Late",
        "in_doubt": "In doubt",
        "returned": "Came back",
        "not_made": "Refused or not sent",
        "sent": "Sent",
    }
    return {"": "All payouts", **told}


def operations(offered: Iterable[OperationView]) -> dict[str, str]:
    """Operations by id."""
    return {"": "Any operation", **{view.id: view.title for view in offered}}


def spoken(query: Mapping[str, str], offered: Iterable[OperationView]) -> dict[str, str]:
    """A query of the core's, with what the filters show instead of values: the form an address has on screen."""
    labels = {
        "state": states(),
        "run_of": operations(offered),
        "standing": standings(),
        "batch": standings(),
        "sort": in_flight.orders(),
    }
    return {key: labels.get(key, {}).get(value, value) for key, value in query.items() if value}


def speak(page: str, offered: Iterable[OperationView] = ()) -> None:
    """Come again with an address in the form above when this one has bare values, as one typed by hand does."""
    said = st.query_params.to_dict()
    if (told := spoken(said, offered)) != said:
        navigation.go(page, **told)
