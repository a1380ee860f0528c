"""The audit log on screen: a table of records, the trail of one thing, exports and the verdict of a verification."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from finops_core import audit, security
from finops_core.audit import AuditFacets, AuditFilter, AuditView, Verification
from finops_core.kernel.actor import SYSTEM_ID, WORKER_ID
from finops_core.operations.spreadsheets import csv_bytes, xlsx_bytes
from ui import html
from ui.format import Format, plural, words
from ui.html import Cell, Column, Markup
from ui.session import Here

FOUND = "audit_verified"
FACETS_S = 60
DETAIL_CHARS = 160
ID_TAIL = 6
_ID = re.compile(r"\b([a-z]+)_[0-9a-f]{26}([0-9a-f]{6})\b")
MIMES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
SERVICES = {SYSTEM_ID: "The installation", WORKER_ID: "The worker", "service:visitor": "A visitor"}
COLUMNS = (
    Column("When"),
    Column("Who"),
    Column("Act"),
    Column("Object"),
    Column("Details", wide=True),
    Column("Place", number=True),
)


@st.cache_resource(ttl=FACETS_S, show_spinner=False)
def facets(org_id: str, _here: Here) -> tuple[AuditFacets, Mapping[str, str]]:
    """What can be filtered by, and the names of the actors; counted once a minute for an organisation.

    Only the audit page calls it, after ``open_page`` has asked for the right to see the log.
    """
    del org_id  # the cache's key
    with _here.read() as reading:
        found = audit.facets(reading)
        return found, dict(security.names(reading, [actor for actor, _ in found.actors]))


def verb_words(verb: str) -> str:
    """``execution.stop_requested`` as ``Execution: stop requested``."""
    area, _, act = verb.partition(".")
    return f"{words(area)}: {act.replace('_', ' ')}"


def actor_name(actor: str, names: Mapping[str, str]) -> str:
    """A person's name, or what a service is called."""
    return names.get(actor) or SERVICES.get(actor, actor)


def records_table(records: Sequence[AuditView], names: Mapping[str, str], shown: Format) -> Markup:
    """Records as rows; an object opens its own trail."""
    return html.table(COLUMNS, [_row(record, names, shown) for record in records], "Audit records")


def trail_line(object_: str) -> Markup:
    """What the list is narrowed to, the way out, and the way to the thing itself."""
    kind, _, id_ = object_.partition(":")
    there = html.link("Open it", "executions", {"execution": id_}) if kind == "execution" else ""
    return html.line(html.strong(f"Everything about {object_}"), there, html.link("Show the whole log", "audit"))


def exported(here: Here, wanted: AuditFilter, kind: str) -> bytes:
    """The matching records as a file; that they were exported is itself recorded."""
    with here.work() as work:
        found = audit.export_rows(work, wanted)
        names = security.names(work, {record.actor for record in found})
    table: dict[str, list[Any]] = {
        "Place": [record.position for record in found],
        "At": [record.at for record in found],
        "Who": [actor_name(record.actor, names) for record in found],
        "Actor": [record.actor for record in found],
        "On behalf of": [record.on_behalf_of for record in found],
        "Via": [record.via for record in found],
        "Act": [record.verb for record in found],
        "Object": [record.object for record in found],
        "Record": [record.body for record in found],
    }
    return csv_bytes(table) if kind == "csv" else xlsx_bytes(table, "Audit log")


def verdict(found: Verification, at: datetime, shown: Format) -> None:
    """What a verification gave: whole, or every finding by name; with what to keep elsewhere."""
    if found.ok:
        st.success(
            f"**The log is whole.** {plural(found.size, 'sealed record')} checked {shown.as_of(at)}.",
            icon=":material/verified:",
        )
    else:
        total = len(found.findings) + found.more
        st.error(
            f"**The log was changed.** {plural(total, 'finding')}, checked {shown.as_of(at)}. "
            "Tell an administrator, and change nothing.",
            icon=":material/gpp_bad:",
        )
        columns = (Column("Place", number=True), Column("Record", wide=True), Column("What is wrong", wide=True))
        rows = [("" if each.position is None else each.position, each.record_id, each.what) for each in found.findings]
        html.draw(html.table(columns, rows, "Findings"))
    html.draw(
        html.facts(
            [
                ("Size", shown.count(found.size)),
                ("Not sealed yet", shown.count(found.unsealed)),
                ("Root, to note elsewhere", Markup(f"<code>{html.text(found.root)}</code>")),
            ]
        )
    )


def _row(record: AuditView, names: Mapping[str, str], shown: Format) -> tuple[Cell, ...]:
    behalf = actor_name(record.on_behalf_of, names) if record.on_behalf_of else ""
    return (
        Markup(f'<span class="to-num">{shown.instant(record.at, seconds=True)}</span>'),
        html.lines(actor_name(record.actor, names), html.faint(f"for {behalf}") if behalf else ""),
        verb_words(record.verb),
        html.link(_object(record), "audit", {"object": record.object}),
        html.faint(_detail(record.detail, names)),
        html.faint("not sealed yet") if record.position is None else shown.count(record.position),
    )


def _object(record: AuditView) -> str:
    kind, _, id_ = record.object.partition(":")
    number = record.detail.get("number")
    return str(number) if number and kind != "payout" else f"{words(kind)} …{id_[-ID_TAIL:]}"


def _detail(detail: Mapping[str, Any], names: Mapping[str, str]) -> str:
    facts = ((key.replace("_", " "), _plain(value, names)) for key, value in detail.items())
    told = " · ".join(f"{key}: {value}" for key, value in facts if value)
    return told if len(told) <= DETAIL_CHARS else f"{told[:DETAIL_CHARS]}…"


def _plain(value: object, names: Mapping[str, str]) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(each, names)} {key}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(each, names) for each in value)
    told = names.get(str(value)) or str(value)
    return _ID.sub(lambda found: f"{found[1]} …{found[2]}", told)
