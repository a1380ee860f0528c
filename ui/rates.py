"""Exchange rates on screen: the newest of each pair; in dialogs one that is noted, and a file that is taken in."""

from collections.abc import Mapping
from datetime import date

import streamlit as st

from finops_core import reference, security
from finops_core.kernel.errors import Invalid
from finops_core.kernel.permissions import Permission
from finops_core.reference import RateSource, RateView
from ui import html, log, widgets
from ui.dialogs import Dialogs, refused, send
from ui.html import Cell, Column
from ui.session import Here

NOTE, FILE = "note", "file"
DIALOGS = Dialogs("rate")
ONE, OTHER, COSTS, DAY, GIVEN = "rate_one", "rate_other", "rate_costs", "rate_day", "rate_file"
FILE_MEGABYTES = 2
SOURCES = {RateSource.ECB: "European Central Bank", RateSource.MANUAL: "Typed"}
COLUMNS = (
    Column("One"),
    Column("Costs", number=True),
    Column("Of the day", fixed=True),
    Column("Source"),
    Column("Noted"),
)


def section(here: Here, day: date | None) -> None:
    """The newest rate of each pair of currencies, and for those who may the ways to more."""
    with here.read() as reading:
        rows = reference.rates(reading, day)
        names = security.names(reading, {row.noted_by for row in rows})
        counted_on = day or reference.today(reading)
    if rows:
        html.draw(html.table(COLUMNS, [_row(row, names, here, counted_on) for row in rows], "Exchange rates"))
    else:
        widgets.empty("currency_exchange", "No rate is stored", "Take in a file of the European Central Bank's rates.")
    may = here.may(Permission.LEDGER_ADJUST)
    with st.container(horizontal=True, key="tall_rates"):
        if may and st.button("Take in a file", icon=":material/upload_file:"):
            DIALOGS.ask(FILE)
        if may and st.button("Note a rate", icon=":material/edit:"):
            DIALOGS.ask(NOTE)
    what, _ = DIALOGS.asked()
    if what == NOTE and may:
        st.dialog("Note a rate", on_dismiss=DIALOGS.close)(_note)(here)
    elif what == FILE and may:
        st.dialog("Take in a file of rates", on_dismiss=DIALOGS.close)(_file)(here)
    else:
        refused()


def _row(row: RateView, names: Mapping[str, str], here: Here, day: date) -> tuple[Cell, ...]:
    old = html.badge("Too old to be used", "amber") if day - row.on_day > reference.VALID else ""
    return (
        f"1 {row.currency}",
        html.strong(f"{row.rate} {row.quote}"),
        html.lines(row.on_day.isoformat(), old),
        SOURCES[row.source],
        html.lines(here.shown.instant(row.noted_at), html.faint(log.actor_name(row.noted_by, names))),
    )


def _note(here: Here) -> None:
    DIALOGS.head(here)
    st.caption("Of a day the rate noted last counts. What was booked before keeps the rate it was booked at.")
    with st.form("note_rate", border=False):
        st.text_input("One unit of", key=ONE, max_chars=3, placeholder="EUR")
        st.text_input("costs", key=COSTS, max_chars=40, placeholder="1.0543")
        st.text_input("in", here.shown.base, key=OTHER, max_chars=3)
        st.date_input("Of the day", None, key=DAY, format="YYYY-MM-DD", help="Left empty: today.")
        send("Note it", lambda: _noted(here))


def _noted(here: Here) -> str:
    one, other = (_typed(name).upper() for name in (ONE, OTHER))
    costs, day = _typed(COSTS), st.session_state.get(DAY)
    with here.work() as work:
        reference.note_rate(work, one, other, costs, day or reference.today(work))
    return f"Noted: 1 {one} costs {costs} {other}."


def _file(here: Here) -> None:
    DIALOGS.head(here)
    st.caption("The euro reference rates of the European Central Bank, as CSV or XML: of a day, or of the last 90.")
    with st.form("rates_file", border=False):
        st.file_uploader("File of rates", type=["csv", "xml"], max_upload_size=FILE_MEGABYTES, key=GIVEN)
        send("Take it in", lambda: _taken(here))


def _taken(here: Here) -> str:
    given = st.session_state.get(GIVEN)
    if given is None:
        raise Invalid("RATES_FILE_BAD", "Choose the file of rates first.")
    content = given.getvalue()
    with here.work() as work:
        taken = reference.take_in_rates(work, content)
    first, last = taken.first_day.isoformat(), taken.last_day.isoformat()
    span = first if first == last else f"{first} to {last}"
    known = f"; {here.shown.count(taken.known)} stood already" if taken.known else ""
    return f"{here.shown.count(taken.new)} rates of {span} are new{known}."


def _typed(name: str) -> str:
    return str(st.session_state.get(name) or "").strip()
