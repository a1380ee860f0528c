"""Audit: the log with its filters, the trail of one thing, exports, and the proof that nothing was changed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

import streamlit as st

from finops_core import audit
from finops_core.audit import AuditFacets, AuditFilter, Verification
from finops_core.kernel.permissions import Permission
from ui import filters, html, log, timeline, widgets
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.AUDIT_VIEW)
PAGE = "audit_page"
TABLE, TIMELINE = "Table", "Timeline"
VIEW = "audit_view"


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def wanted_rows(facets: AuditFacets, names: Mapping[str, str]) -> tuple[AuditFilter, str]:
    """The filters, kept in the address, and the thing whose trail is wanted, as it was typed."""
    verbs = {"": "Any act", **timeline.areas(facets), **{verb: log.verb_words(verb) for verb, _ in facets.verbs}}
    people = {"": "Anybody", **{actor: log.actor_name(actor, names) for actor, _ in facets.actors}}
    with filters.bar(fresh) as bar:
        text = bar.search("find", "Number, id or detail", width=170)
        verb = bar.choice("Act", verbs, "verb", width=190)
        actor = bar.choice("Person", people, "actor")
        thing = bar.search("object", "EX-2026-0001", "About", width=150)
        since = bar.day("From", "audit_since")
        until = bar.day("To", "audit_until")
    wanted = AuditFilter(
        text=text,
        verb=verb,
        actor=actor,
        since=here.shown.start_of(since) if since else None,
        until=here.shown.end_of(until) if until else None,
    )
    return wanted, thing


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


def rows() -> None:
    """The records found, as a table or as days."""
    offered = (TABLE, TIMELINE)
    start = TIMELINE if widgets.on_phone() else TABLE
    view = st.segmented_control(
        "Show",
        offered,
        default=start,
        required=True,
        key=VIEW,
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == TIMELINE:
        html.draw(timeline.timeline(found.rows, partial(log.told, names=shown, here=here), here.shown))
    else:
        html.draw(log.records_table(found.rows, shown, here))


title = st.empty()
facets, names = log.facets(here.session.org_id, here)
if here.may(Permission.AUDIT_VERIFY):
    verify()
wanted, typed = wanted_rows(facets, names)
offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
with here.read() as reading:
    thing = audit.thing(reading, typed)
    wanted = replace(wanted, about=thing.object if thing else typed)
    found = audit.records(reading, wanted, limit=widgets.PAGE_SIZE, offset=offset)
    shown = log.names(reading, found.rows)
widgets.within(found.total, PAGE)
with title.container():
    widgets.head("Audit", here.around.name, f"{plural(found.total, 'record')}, newest first")
html.draw(log.trail_line(thing, typed) if typed else log.hint_line(wanted.text))
if not typed:
    view = st.session_state.get(VIEW) or st.query_params.get(VIEW, "")
    html.draw(timeline.facet_line(facets, wanted.verb, here.shown, {VIEW: view} if view else {}))
if found.rows:
    rows()
    if here.may(Permission.AUDIT_EXPORT):
        export(wanted)
else:
    widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
widgets.pager(found.total, PAGE)
