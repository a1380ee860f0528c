"""Filters of a list. Each one's value stands in the address, so that a reload or a sent link shows the same rows."""

from collections.abc import Callable, Mapping
from datetime import date

import streamlit as st


def search(key: str, hint: str, fresh: Callable[[], None]) -> str:
    """Words to look for."""
    typed = st.text_input("Search", key=key, bind="query-params", placeholder=hint, width=220, on_change=fresh)
    return typed.strip()


def choice(label: str, options: Mapping[str, str], key: str, fresh: Callable[[], None], width: int = 170) -> str:
    """One of several, by value -> what is shown; "" stands for all of them and comes first."""
    values = list(options)
    chosen = st.selectbox(
        label, values, key=key, bind="query-params", format_func=options.__getitem__, width=width, on_change=fresh
    )
    return chosen or ""


def day(label: str, key: str, fresh: Callable[[], None]) -> date | None:
    """A date, or none."""
    return st.date_input(label, None, key=key, bind="query-params", format="YYYY-MM-DD", width=140, on_change=fresh)
