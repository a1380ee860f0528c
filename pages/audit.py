"""Audit: the log with its filters, the trail of one thing, exports, and the proof that nothing was changed."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

import streamlit as st

from finops_core import audit, security
from finops_core.audit import AuditFacets, AuditFilter, Verification
from finops_core.kernel.permissions import Permission
from ui import filters, html, log, widgets
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.AUDIT_VIEW)
PAGE = "audit_page"


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def wanted_rows(facets: AuditFacets, names: Mapping[str, str]) -> AuditFilter:
    """The filters, kept in the address."""
    verbs = {"": "Any act", **{verb: log.verb_words(verb) for verb, _ in facets.verbs}}
    people = {"": "Anybody", **{actor: log.actor_name(actor, names) for actor, _ in facets.actors}}
    with filters.bar():
        text = filters.search("find", "Number, id or detail", fresh, width=170)
        verb = filters.choice("Act", verbs, "verb", fresh, width=190)
        actor = filters.choice("Person", people, "actor", fresh)
        thing = st.text_input(
            "Object", key="object", bind="query-params", placeholder="execution:ex_…", width=150, on_change=fresh
        )
        since = filters.day("From", "audit_since", fresh)
        until = filters.day("To", "audit_until", fresh)
    return AuditFilter(
        text=text,
        verb=verb,
        actor=actor,
        object=thing.strip(),
        since=here.shown.start_of(since) if since else None,
        until=here.shown.end_of(until) if until else None,
    )


def export(wanted: AuditFilter) -> None:
    """Everything the filters leave, made when the button is pressed."""
    with st.container(horizontal=True):
        for kind, label in (("csv", "Export CSV"), ("xlsx", "Export XLSX")):
            st.download_button(
                label,
                partial(log.exported, here, wanted, kind),
                file_name=f"audit.{kind}",
                mime=log.MIMES[kind],
                icon=":material/download:",
                key=f"export_{kind}",
                on_click="ignore",
            )


def verify() -> None:
    """One button, and what it found."""
    if st.button("Verify the log", icon=":material/verified:", type="primary"):
        with st.spinner("Recomputing every record …"), here.read() as reading:
            found = audit.verify(reading, here.desk.settings.heads_dir)
            at = reading.now
        with here.work() as work:
            audit.note_verified(work, found)
        st.session_state[log.FOUND] = (found, at)
    last: tuple[Verification, datetime] | None = st.session_state.get(log.FOUND)
    if last is not None:
        log.verdict(last[0], last[1], here.shown)


title = st.empty()
facets, names = log.facets(here.session.org_id, here)
if here.may(Permission.AUDIT_VERIFY):
    verify()
wanted = wanted_rows(facets, names)
offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
with here.read() as reading:
    found = audit.records(reading, wanted, limit=widgets.PAGE_SIZE, offset=offset)
    shown = security.names(reading, {who for row in found.rows for who in (row.actor, row.on_behalf_of) if who})
with title.container():
    widgets.head("Audit", f"{plural(found.total, 'record')}, newest first")
if wanted.object:
    html.draw(log.trail_line(wanted.object))
if found.rows:
    html.draw(log.records_table(found.rows, shown, here.shown))
    if here.may(Permission.AUDIT_EXPORT):
        export(wanted)
else:
    widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
widgets.pager(found.total, PAGE)
