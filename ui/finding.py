"""Search: the box that every page has, and what was found, area by area, each with the way to it."""

from collections.abc import Mapping, Sequence
from datetime import date

import streamlit as st

from finops_core import insight, reference
from finops_core.approvals import RequestView
from finops_core.files import FileView
from finops_core.insight import Found
from finops_core.kernel.permissions import Permission
from ui import html, in_flight, ledger, log, parties, request_cards, runs
from ui.format import Format, size, words
from ui.html import Cell, Column, Markup
from ui.session import Here

PAGE, ASKED = "search", "q"
HINT = "Number, amount, payee, party, file …"
HASH_CHARS = 12
REQUESTS = (
    Column("Number", fixed=True),
    Column("About"),
    Column("State"),
    Column("Amount", number=True),
    Column("Asked by"),
    Column("Asked", fixed=True),
)
FILES = (
    Column("Name"),
    Column("Size", number=True),
    Column("SHA-256", fixed=True),
    Column("By"),
    Column("Uploaded", fixed=True),
)


def box() -> Markup:
    """The box of the menu: a form that works without a script as well, in the organisation of this tab."""
    address = html.href(PAGE).partition("?")[0]
    kept = "".join(
        f'<input type="hidden" name="{html.text(name)}" value="{html.text(value)}">'
        for name, value in html.addressed().items()
    )
    return Markup(
        f'<form class="to-find" role="search" action="{html.text(address)}" method="get" data-inside="1">'
        f'<input type="search" name="{ASKED}" aria-label="Search everything" placeholder="Search" autocomplete="off" '
        f'maxlength="100" enterkeyhint="search">{html.icon("search")}<kbd class="to-key" aria-hidden="true">/</kbd>'
        f"{kept}</form>"
    )


def glass(here: Here) -> Markup:
    """The way to the search page from a phone's strip."""
    if not here.may(Permission.HOME_VIEW):
        return Markup()
    label = html.join(html.icon("search"), Markup('<span class="to-words">Search</span>'))
    return html.link(label, PAGE, css="to-bell to-bell-strip")


def look(here: Here, typed: str) -> tuple[Found, Mapping[str, str], date]:
    """What was found, the names of everybody it shows, and the day."""
    with here.read() as reading:
        found = insight.search(reading, typed)
        people = {*request_cards.people(found.requests), *(file.uploaded_by for file in found.files)}
        return found, log.names(reading, found.records, people), reference.today(reading)


def groups(here: Here, found: Found, names: Mapping[str, str], today: date) -> None:
    """Every area with something: its rows, newest first."""
    shown = here.shown
    if found.executions:
        _group("executions", "Executions", runs.runs_table(found.executions, shown), found)
    if found.payouts:
        _group("payouts", "Payouts", in_flight.table(found.payouts, shown, kept=False), found)
    if found.requests:
        _group("requests", "Approval requests", requests_table(found.requests, names, shown), found)
    if found.files:
        _group("files", "Files", files_table(found.files, names, shown), found)
    if found.entries:
        _group("entries", "Entries", ledger.entries(found.entries, shown), found)
    if found.parties:
        _group("parties", "Parties", parties.table(found.parties, today), found)
    if found.records:
        _group("records", "Audit", log.records_table(found.records, names, here), found)


def requests_table(rows: Sequence[RequestView], names: Mapping[str, str], shown: Format) -> Markup:
    """Requests as rows; the number opens one."""
    return html.table(REQUESTS, [_request(row, names, shown) for row in rows], "Approval requests")


def files_table(rows: Sequence[FileView], names: Mapping[str, str], shown: Format) -> Markup:
    """Files as rows; the name opens one."""
    return html.table(FILES, [_file(row, names, shown) for row in rows], "Files")


def _group(name: str, title: str, table: Markup, found: Found) -> None:
    st.header(title, anchor=False)
    html.draw(table)
    if name in found.more:
        html.draw(html.line(html.faint("The newest are shown; there are more. Type more to narrow it.", small=False)))


def _request(row: RequestView, names: Mapping[str, str], shown: Format) -> tuple[Cell, ...]:
    amounts = shown.first_amounts({money.currency: money.minor for money in row.amounts}, 2)
    return (
        html.link(row.number, "approvals", {"request": row.number}),
        row.title,
        html.badge(words(row.state.value), request_cards.STATE_TONES.get(row.state, "gray")),
        html.lines(*amounts),
        names.get(row.requested_by, request_cards.SOMEBODY),
        shown.instant(row.created_at),
    )


def _file(row: FileView, names: Mapping[str, str], shown: Format) -> tuple[Cell, ...]:
    version = html.faint(f"version {row.version}") if row.version > 1 else ""
    return (
        html.lines(html.link(row.name, "files", {"file": row.id}), version),
        size(row.size_bytes),
        Markup(f"<code>{row.sha256[:HASH_CHARS]}</code>"),
        names.get(row.uploaded_by, ""),
        shown.instant(row.created_at),
    )
