"""What several pages draw: headings, empty states, refusals, badges, pages of a list, the strip of test mode."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.faults import Fault
from finops_core.security import SessionView, SignInRefused
from ui import html
from ui.format import plural, words
from ui.html import Column, Markup
from ui.session import Surroundings

STATIC = Path(__file__).parent / "static"
PAGE_SIZE = 25
LAST_PAGE, PAGE_DIGITS = 1_000_000, 8
FAULTS_SHOWN, FAULTS_UNFRAMED = 50, 8
VALUE_CHARS = 32

RISK_TONES = {"low": "green", "medium": "amber", "high": "red", "critical": "red"}


def mark() -> Path:
    """The mark alone; the style sheet writes the name beside it in an open sidebar."""
    return STATIC / "mark.svg"


def brand() -> Markup:
    """The mark and the name, for pages without a sidebar."""
    return Markup(f'<div class="to-brand"><img src="{html.static(mark().name)}" alt="" height="32">Tieout</div>')


def head(title: str, *facts: str) -> None:
    """A page's title and one grey line with the facts; the organisation's name is the first of them."""
    st.title(title, anchor=False)
    if facts:
        st.caption(" · ".join(filter(None, facts)))


def on_phone() -> bool:
    """Whether the browser says it is on a phone; the width itself is not known here."""
    return "Mobile" in st.context.headers.get("User-Agent", "")


def mode_strip(around: Surroundings, beside: Markup) -> None:
    """The permanent strip while no real money can move; ``beside`` it what a phone needs, whose menu is closed."""
    ends = Markup(f'<span class="to-strip-end">{beside}</span>') if beside else Markup()
    if around.mode == "test":
        where = "sandbox money; nothing leaves a bank" if around.sandbox else "the provider's test mode; no real money"
        sentence = Markup(f"<span>{html.strong('TEST')} \N{EN DASH} {where}</span>")
        html.draw(Markup(f'<div class="to-test" role="status">{html.icon("science")}{sentence}{ends}</div>'))
    else:
        html.draw(ends)


def person_chip(session: SessionView) -> Markup:
    """The signed-in person with their roles."""
    roles = [", ".join(choice.roles) for choice in session.organisations if choice.id == session.org_id]
    return Markup(f"{html.strong(session.person.display_name)}<br>{html.faint(' '.join(roles))}")


def empty(icon: str, sentence: str, hint: str = "") -> None:
    """A list without rows: one sentence and what to do next. Put the next action right after it."""
    with st.container(border=True, horizontal_alignment="center", gap="xsmall"):
        st.markdown(f":material/{icon}: **{sentence}**", text_alignment="center")
        if hint:
            st.caption(hint, text_alignment="center")


def refusal(error: FinOpsError) -> None:
    """Something the desk refuses, in its own words."""
    icon = ":material/block:" if error.kind == "not_allowed" else ":material/error:"
    st.error(f"**{error.message}**" + (f"  \n{error.hint}" if error.hint else ""), icon=icon)


def not_believed(refused: SignInRefused) -> None:
    """A password or code that is not believed."""
    st.error(f"**{refused.message}**  \n{refused.hint}", icon=":material/lock:")


def risk_badge(risk: str) -> Markup:
    """How much harm a wrong run can do."""
    return html.badge(f"{words(risk)} risk", RISK_TONES.get(risk, "gray"))


def faults_table(faults: Sequence[Fault], name: str, outcome: str) -> None:
    """Every fault of a file or form, by row and column; ``outcome`` says what was not done because of them."""
    st.error(
        f"**{plural(len(faults), 'thing')} to mend in {name}; {outcome}.**",
        icon=":material/rule:",
    )
    columns = (
        Column("Row", number=True),
        Column("Column"),
        Column("Value"),
        Column("What is wrong", wide=True),
    )
    rows = [(fault.row or "", fault.column or "", _cut(fault.value), fault.message) for fault in faults[:FAULTS_SHOWN]]
    table = html.table(columns, rows, f"What is wrong in {name}")
    # Many of them scroll in a frame of their own: what is to be done about them stands below.
    html.draw(html.framed(table, f"What is wrong in {name}") if len(faults) > FAULTS_UNFRAMED else table)
    if len(faults) > FAULTS_SHOWN:
        st.caption(f"The first {FAULTS_SHOWN} are shown; the file has all {len(faults):,}.")


def _cut(value: str) -> str:
    return value if len(value) <= VALUE_CHARS else f"{value[:VALUE_CHARS]}…"


def page_wanted(key: str) -> int:
    """Which page of a list the address or the pager asks for, before the list is read; 1 when it is no number."""
    raw = str(st.session_state.get(key) or st.query_params.get(key, "1"))
    return min(max(1, int(raw)), LAST_PAGE) if raw.isascii() and raw.isdigit() and len(raw) < PAGE_DIGITS else 1


def first_page(key: str) -> None:
    """For the filters' ``on_change``: another question starts at its first page."""
    st.session_state[key] = 1


def within(total: int, key: str, size: int = PAGE_SIZE) -> None:
    """Once the list is counted: draw the page anew at the last of its pages when the address asked past that."""
    last = _pages(total, size)
    if page_wanted(key) > last:
        st.session_state[key] = last
        st.rerun()


def pager(total: int, key: str, size: int = PAGE_SIZE) -> None:
    """The pages of a list, kept in the address."""
    pages = _pages(total, size)
    if pages > 1:
        with st.container(horizontal_alignment="center"):
            st.pagination(pages, key=key, bind="query-params")


def _pages(total: int, size: int) -> int:
    return max(1, -(-total // size))
