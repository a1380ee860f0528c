"""The tables of an organisation on screen, and the rows of one: what each declares decides what is drawn."""

from collections.abc import Mapping
from datetime import datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from finops_core import insight, security
from finops_core.catalog.tables import TABLES
from finops_core.insight import TableRows, TableView
from finops_core.kernel import currencies
from ui import html, log, widgets
from ui.format import NOTHING, Format, plural, words
from ui.html import Cell, Column
from ui.session import Here

PAGE, OF, FIND, OLDER = "records", "records_of", "records_find", "records_older"
MINOR, INSTANT, ID, PERSON = "_minor", "_at", "_id", "person_"
OVERVIEW = (Column("Table"), Column("Rows", number=True), Column("Kept as"), Column("Its rows"))


def fresh() -> None:
    """Another question starts at its first row."""
    st.query_params.pop(OLDER, None)


def hint(table: TableView) -> str:
    """What the search looks into."""
    return ", ".join(map(_title, table.searched))


def overview(here: Here, title: DeltaGenerator) -> None:
    """Every table this person may look into."""
    with here.read() as reading:
        every = insight.tables(reading, TABLES, counted=True)
        now = here.shown.as_of(reading.now)
    with title.container():
        widgets.head("Records", here.around.name, plural(len(every), "table"), f"as of {now}")
    html.draw(html.table(OVERVIEW, [_table(each, here.shown) for each in every], "Tables"))


def rows(here: Here, title: DeltaGenerator, table: TableView, text: str) -> None:
    """A page of one table's rows."""
    kept = st.query_params.to_dict()
    with here.read() as reading:
        found = insight.table_rows(reading, TABLES, table.name, text, after=kept.pop(OLDER, ""))
        people = {cell for row in found.rows for cell in row if isinstance(cell, str) and cell.startswith(PERSON)}
        names = security.names(reading, people)
    with title.container():
        count = f"{_many(found.total, here.shown)} {'row' if found.total == 1 else 'rows'}, newest first"
        widgets.head("Records", here.around.name, count, f"as of {here.shown.as_of(found.as_of)}")
    html.draw(_facts(table))
    if found.rows:
        html.draw(html.table([_column(name) for name in table.columns], _cells(found, names, here.shown), table.title))
        if found.next:
            html.draw(html.line(html.link("Older →", PAGE, {**kept, OLDER: found.next})))
    elif text:
        widgets.empty("filter_alt_off", "Nothing matches", "What is masked is found by its whole value only.")
    else:
        widgets.empty("table_rows", "No row yet", "Choose another table.")


def _table(table: TableView, shown: Format) -> tuple[Cell, ...]:
    name = html.link(html.strong(table.title), PAGE, {OF: table.title})
    return name, _many(table.rows or 0, shown), words(table.retention.value), _written(table)


def _many(rows: int, shown: Format) -> str:
    return shown.count(rows) if rows <= insight.COUNTED else f"{shown.count(insight.COUNTED)}+"


def _written(table: TableView) -> str:
    return "are only added" if table.append_only else "may change"


def _facts(table: TableView) -> html.Markup:
    masked = ", ".join(_title(name) for name in table.columns if name in table.masked)
    told = f"Kept as {table.retention.value}; its rows {_written(table)}."
    return html.line(told, f"Masked: {masked}." if masked else "")


def _title(column: str) -> str:
    return words(column.removesuffix(MINOR).removesuffix(ID))


def _column(name: str) -> Column:
    return Column(_title(name), number=name.endswith(MINOR), wide=name.endswith(ID), fixed=name.endswith(INSTANT))


def _cells(found: TableRows, names: Mapping[str, str], shown: Format) -> list[tuple[Cell, ...]]:
    each = (dict(zip(found.table.columns, row, strict=True)) for row in found.rows)
    return [tuple(_cell(name, row, names, shown) for name in row) for row in each]


def _cell(name: str, row: Mapping[str, object], names: Mapping[str, str], shown: Format) -> Cell:
    value, currency = row[name], str(row.get("currency", ""))
    if value in {None, ""}:
        return NOTHING
    if isinstance(value, datetime):
        return shown.instant(value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int):
        money = name.endswith(MINOR) and currencies.is_known(currency)
        return shown.amount(value, currency) if money else shown.count(value)
    return log.actor_name(str(value), names)
