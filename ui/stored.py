"""Stored files in a list, and one of them beside it: its versions, where it is used, what was said of it."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core import files, operations, security
from finops_core.files import FileView
from finops_core.kernel.errors import NotFound
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionFilter
from finops_core.platform.work import Reading
from ui import address, html, log, outcome, talk, widgets
from ui.format import Format, plural, size, words
from ui.html import Cell, Column, Markup
from ui.session import Here

OPEN = "file"
HASH_CHARS = 12
ROLES = {"input": "Given", "output": "Made", "status": "Bank's answer", "attachment": "Attached"}
COLUMNS = (
    Column("Name"),
    Column("Kind"),
    Column("Used by", fixed=True),
    Column("By"),
    Column("Size", number=True),
    Column("SHA-256", fixed=True),
    Column("Stored", fixed=True),
)


def roles() -> dict[str, str]:
    """What files are, by value."""
    return {"": "Any kind", **ROLES}


def numbers(reading: Reading, rows: Sequence[FileView]) -> Mapping[str, str]:
    """The numbers of the executions these files belong to, as far as the person may see them, by id."""
    ids = tuple({row.owner_id for row in rows if row.owner_kind == "execution"})
    page = operations.executions(reading, ExecutionFilter(ids=ids), limit=len(ids)) if ids else None
    return {run.id: run.number for run in page.rows} if page else {}


def table(
    rows: Sequence[FileView],
    used_by: Mapping[str, str],
    names: Mapping[str, str],
    shown: Format,
    kept: Mapping[str, str],
) -> Markup:
    """The name opens a file beside the list, the number opens what it belongs to."""
    return html.table(COLUMNS, [_row(row, used_by, names, shown, kept) for row in rows], "Files")


def open_drawer(here: Here) -> None:
    """Show the file that the address names; what cannot be shown says so above the list."""
    wanted = st.query_params.get(OPEN, "")
    if not wanted:
        return
    try:
        with here.read() as reading:
            seen = files.one(reading, wanted)
    except NotFound as error:
        widgets.refusal(error)
        return
    st.dialog(seen.name, width="medium", position="right", on_dismiss=close)(_drawer)(here, seen)


def close() -> None:
    """The drawer was put away."""
    address.put_away(OPEN)


def _drawer(here: Here, seen: FileView) -> None:
    with here.read() as reading:
        versions, uses = files.versions(reading, seen), files.uses(reading, seen)
        used_by = numbers(reading, [*versions, *uses])
        taken = files.downloads(reading, [seen.id]).get(seen.id, 0)
        names = security.names(reading, [seen.uploaded_by])
    shown = here.shown
    html.draw(
        html.line(
            html.badge(ROLES.get(seen.role, words(seen.role))),
            html.strong(here.around.name),
            log.actor_name(seen.uploaded_by, names),
            shown.instant(seen.created_at),
            f"version {seen.version}",
        )
    )
    st.markdown("SHA-256")
    st.code(seen.sha256, language=None, wrap_lines=True)
    told = f"{size(seen.size_bytes)} · {seen.mime} · downloaded {plural(taken, 'time')}"
    outcome.hand_out(here, seen, told, key=f"tall_one_{seen.id}")
    if not seen.available:
        st.info("Its content was removed after its time; hash and history stay.", icon=":material/info:")
    if len(versions) > 1:
        html.draw(_part("Versions", _list(versions, used_by, shown, seen.id)))
    html.draw(_part("Where this very content is used", _list(uses, used_by, shown, "")))
    talk.section(here, "file", seen.id)
    if here.may(Permission.AUDIT_VIEW):
        html.draw(html.line(html.link("Everything recorded about it", "audit", {"object": f"file:{seen.id}"})))


def _part(title: str, body: Markup) -> Markup:
    return Markup(f'<p class="to-h">{html.text(title)}</p>{body}')


def _list(rows: Sequence[FileView], used_by: Mapping[str, str], shown: Format, present: str) -> Markup:
    lines = []
    for row in rows:
        name = f"Version {row.version}" if present else ROLES.get(row.role, words(row.role))
        link = html.strong(name) if row.id == present else html.link(name, "files", {OPEN: row.id})
        lines.append(html.line(link, _owner(row, used_by), shown.instant(row.created_at), size(row.size_bytes)))
    return Markup("".join(lines))


def _owner(row: FileView, used_by: Mapping[str, str]) -> Cell:
    number = used_by.get(row.owner_id)
    if number:
        return html.link(number, "executions", {"execution": number})
    if row.owner_kind == "payout":
        return html.link("a payout", "payouts", {"payout": row.owner_id})
    return html.faint(words(row.owner_kind))


def _row(
    row: FileView, used_by: Mapping[str, str], names: Mapping[str, str], shown: Format, kept: Mapping[str, str]
) -> tuple[Cell, ...]:
    version = html.faint(f"version {row.version}") if row.version > 1 else ""
    gone = "" if row.available else html.faint("content removed")
    return (
        html.lines(html.link(row.name, "files", {**kept, OPEN: row.id}), version, gone),
        ROLES.get(row.role, words(row.role)),
        _owner(row, used_by),
        log.actor_name(row.uploaded_by, names),
        size(row.size_bytes),
        Markup(f'<code title="{html.text(row.sha256)}">{row.sha256[:HASH_CHARS]}</code>'),
        shown.instant(row.created_at),
    )
