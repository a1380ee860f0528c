"""The audit log on screen: a table of records, the trail of one thing, exports and the verdict of a verification."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st

from finops_core import audit, security
from finops_core.audit import AuditFacets, AuditFilter, AuditView, Thing, Verification
from finops_core.kernel.actor import SYSTEM_ID, WORKER_ID
from finops_core.operations.spreadsheets import csv_bytes, xlsx_bytes
from finops_core.platform.work import Reading
from ui import html
from ui.format import Format, plural, spelled, words
from ui.html import Cell, Column, Markup
from ui.session import Here

FOUND = "audit_verified"
FACETS_S = 60
DETAIL_CHARS, HASH_CHARS, ID_TAIL = 160, 12, 6
_ID = re.compile(r"\b([a-z]+(?:_[a-z]+)*)_[0-9a-f]{26}([0-9a-f]{6})\b")
_OBJECT = re.compile(r"\b([a-z_]+):[a-z]+_[0-9a-f]{26}([0-9a-f]{6})\b")
_HASH = re.compile(rf"\b([0-9a-f]{{{HASH_CHARS}}})[0-9a-f]{{{64 - HASH_CHARS}}}\b")
_PERSON = re.compile(r"\bperson_[0-9a-f]{32}\b")
_CODE = re.compile(r"[A-Z]+(_[A-Z]+)+")
_NUMBER = re.compile(r"[A-Za-z]{2}-[0-9]{4}-[0-9]{4,}", re.ASCII)
MIMES = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
SERVICES = {SYSTEM_ID: "The installation", WORKER_ID: "The worker", "service:visitor": "A visitor"}
ALONE = {"audit:log": "The log"}
PLACES = {"execution": ("executions", "execution"), "approval": ("approvals", "request")}
TOLD_BESIDE = frozenset({"number", "token"})
LABELS = {"ok": "whole", "codes": "why", "subject": "about", "owner": "of"}
COLUMNS = (
    Column("When", fixed=True),
    Column("Who", fixed=True),
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
    return f"{words(area)}: {spelled(act.replace('_', ' '))}"


def actor_name(actor: str, names: Mapping[str, str]) -> str:
    """A person's name, or what a service is called."""
    return names.get(actor) or SERVICES.get(actor, actor)


def names(reading: Reading, records: Sequence[AuditView], others: Iterable[str] = ()) -> Mapping[str, str]:
    """The names of everybody whom these records name, of others, and of the tokens that were used, by id."""
    ids = {found for record in records for found in _PERSON.findall(record.body)}
    people = security.names(reading, {*ids, *(record.actor for record in records), *others})
    used = {_token(record) for record in records}
    about = {record.object.removeprefix("token:") for record in records if record.object.startswith("token:")}
    return {**people, **security.token_names(reading, used | about)}


def by_token(record: AuditView, names: Mapping[str, str]) -> str:
    """``with token “ci”``, of what somebody had a program do; "" of what they did themselves."""
    token = _token(record)
    if not token:
        return ""
    return f"with token “{names[token]}”" if token in names else f"with token …{token[-ID_TAIL:]}"


def records_table(records: Sequence[AuditView], names: Mapping[str, str], here: Here) -> Markup:
    """Records as rows; an object opens its own trail, the details open to everything that was recorded."""
    titles = {op.id: op.title for op in here.desk.ports.operations.values()}
    return html.table(COLUMNS, [_row(record, names, titles, here.shown) for record in records], "Audit records")


def told(record: AuditView, names: Mapping[str, str], here: Here) -> tuple[Markup, Markup, Markup]:
    """A record for the timeline: who did what, to which thing, and the details."""
    titles = {op.id: op.title for op in here.desk.ports.operations.values()}
    behalf = f" for {actor_name(record.on_behalf_of, names)}" if record.on_behalf_of else ""
    behalf += f" {by_token(record, names)}".rstrip()
    who = html.strong(actor_name(record.actor, names))
    thing = html.link(_object(record, names, titles), "audit", {"object": record.object})
    what = Markup(f"{who}{html.text(behalf)} · {html.text(verb_words(record.verb))} ·")
    return what, thing, html.more(_summary(record, names), _whole(record))


def trail_line(thing: Thing | None, typed: str) -> Markup:
    """What the list is narrowed to, the way out, and the way to the thing itself."""
    kind, _, id_ = (thing.object if thing else typed).partition(":")
    number = thing.number if thing else ""
    page, key = PLACES.get(kind, ("", ""))
    there = html.link("Open it", page, {key: number or id_}) if page and thing else ""
    named = number or (f"{words(kind)} …{id_[-ID_TAIL:]}" if id_ else typed)
    return html.line(html.strong(f"Everything about {named}"), there, html.link("Show the whole log", "audit"))


def hint_line(find: str) -> Markup:
    """Whoever searches a number reads where the rest of its story is: most records about it do not repeat it."""
    number = find.strip().upper()
    return html.line(html.link(f"Everything about {number}", "audit", {"object": number}) if is_number(find) else "")


def is_number(find: str) -> bool:
    """Whether somebody typed the number of a thing."""
    return _NUMBER.fullmatch(find.strip()) is not None


def exported(here: Here, wanted: AuditFilter, kind: str) -> bytes:
    """The matching records as a file; that they were exported is itself recorded."""
    with here.hand_out() as work:
        found = audit.export_rows(work, wanted)
        known = names(work, found)
    table: dict[str, list[Any]] = {
        "Place": [record.position for record in found],
        "At": [record.at for record in found],
        "Who": [actor_name(record.actor, known) for record in found],
        "Actor": [record.actor for record in found],
        "On behalf of": [record.on_behalf_of for record in found],
        "Via": [record.via for record in found],
        "Token": [_token(record) for record in found],
        "Act": [record.verb for record in found],
        "Object": [record.object for record in found],
        "Record": [record.body for record in found],
    }
    return csv_bytes(table) if kind == "csv" else xlsx_bytes(table, "Audit log")


def verdict(found: Verification, at: datetime, shown: Format) -> None:
    """What a verification gave: whole, or every finding by name; with what to keep elsewhere."""
    if found.ok:
        st.success(
            f"**The log is whole.** {plural(found.size, 'sealed record')} checked {shown.as_of(at)}: "
            "the whole installation's, other organisations' included.",
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
                ("Sealed, of all organisations", shown.count(found.size)),
                ("Not sealed yet", shown.count(found.unsealed)),
                ("Root, to note elsewhere", Markup(f"<code>{html.text(found.root)}</code>")),
            ]
        )
    )


def _row(record: AuditView, names: Mapping[str, str], titles: Mapping[str, str], shown: Format) -> tuple[Cell, ...]:
    behalf = f"for {actor_name(record.on_behalf_of, names)}" if record.on_behalf_of else ""
    beside = behalf or by_token(record, names)
    return (
        Markup(f'<span class="to-num">{shown.instant(record.at, seconds=True)}</span>'),
        html.lines(actor_name(record.actor, names), html.faint(beside) if beside else ""),
        verb_words(record.verb),
        html.link(_object(record, names, titles), "audit", {"object": record.object}),
        html.more(_summary(record, names), _whole(record)),
        html.faint("not sealed yet") if record.position is None else shown.count(record.position),
    )


def _token(record: AuditView) -> str:
    return str(record.detail.get("token", ""))


def _object(record: AuditView, names: Mapping[str, str], titles: Mapping[str, str]) -> str:
    kind, _, id_ = record.object.partition(":")
    number = record.detail.get("number")
    if number and kind in PLACES:
        return str(number)
    return ALONE.get(record.object) or titles.get(id_) or names.get(id_) or f"{words(kind)} …{id_[-ID_TAIL:]}"


def _summary(record: AuditView, names: Mapping[str, str]) -> str:
    """The details in people's words; what stands in a column of its own is not said again."""
    facts = [(key, _plain(value, names)) for key, value in record.detail.items() if key not in TOLD_BESIDE]
    told = " · ".join(f"{LABELS.get(key, spelled(key.replace('_', ' ')))}: {value}" for key, value in facts if value)
    return told if len(told) <= DETAIL_CHARS else f"{told[:DETAIL_CHARS]}…"


def _whole(record: AuditView) -> Markup:
    """Everything, as it stands in the log: what a hash is made of."""
    pairs: list[tuple[str, Cell]] = [
        ("Object", record.object),
        ("Through", record.via),
        ("Token", _token(record)),
        ("Before", record.before),
        ("After", record.after),
    ]
    exact = Markup(f"<code>{html.text(record.body)}</code>")
    return html.definitions([*((name, value) for name, value in pairs if value), ("The record", exact)])


def _plain(value: object, names: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{_plain(each, names)} {key}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(each, names) for each in value)
    told = names.get(str(value)) or spelled(str(value))
    if _CODE.fullmatch(told):
        return told.replace("_", " ").lower()
    return _HASH.sub(r"\1…", _ID.sub(r"\1 …\2", _OBJECT.sub(r"\1 …\2", told)))
