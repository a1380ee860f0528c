"""Endpoints and what was forwarded to them, on screen."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

from finops_core.notifications import (
    Channel,
    DispatchState,
    DispatchView,
    EndpointState,
    EndpointView,
    TryView,
    facts_of,
    forwarded_titles,
)
from ui import html
from ui.format import NOTHING, Format, ago, plural, words
from ui.html import Cell, Column, Markup

OPEN, VIEW = "dispatch", {"forwarding_view": "Log"}
CHANNELS = {Channel.WEBHOOK: "Webhook", Channel.SLACK: "Slack"}
STATES = {
    EndpointState.ACTIVE: ("Active", "green"),
    EndpointState.PAUSED: ("Paused", "amber"),
    EndpointState.OFF: ("Switched off", "red"),
}
TONES = {DispatchState.SENT: "green", DispatchState.FAILED: "red", DispatchState.QUEUED: "amber"}
TEST, TEST_TITLE = "endpoint.test", "A test"
SOMEBODY = "somebody"
TRIES = (Column("When", fixed=True), Column("Answer", fixed=True), Column("In its words", wide=True))


def card(view: EndpointView, names: Mapping[str, str], shown: Format, now: datetime) -> None:
    """What may be known of an endpoint, and how it goes."""
    label, tone = STATES[view.state]
    name = Markup(f'<span class="to-big">{html.text(view.name)}</span>')
    html.draw(html.line(name, html.badge(CHANNELS[view.channel], "blue"), html.badge(label, tone)))
    added = f"{shown.instant(view.created_at)}, by {names.get(view.created_by, SOMEBODY)}"
    signed: Cell = _code(view.secret_shown) if view.secret_shown else ""
    html.draw(html.facts([("Address", _code(view.shown)), ("Signed with", signed), ("Added", added)]))
    if view.old_until_at is not None and view.old_until_at > now:
        told = f"Being replaced: the secret before it signs too, until {shown.instant(view.old_until_at)}."
        html.draw(html.line(html.badge("Two secrets", "amber"), told))
    html.draw(Markup(_tested(view, shown, now) + _health(view, shown, now)))
    titles = forwarded_titles()
    kinds = [(titles.get(kind, kind), Markup(f"<code>{html.text(kind)}</code>")) for kind in view.kinds]
    html.draw(html.more(f"Forwards {plural(len(view.kinds), 'kind')} of notices", html.definitions(kinds)))


def told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """Endpoints by id, for a filter; of those with one name each says the end of its id."""
    twice = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {id_: f"{name} …{id_[-4:]}" if name in twice else name for id_, name in names.items()}


def table(rows: Sequence[DispatchView], names: Mapping[str, str], shown: Format) -> None:
    """Notices on their way, each leading to its drawer."""
    columns = (
        Column("About"),
        Column("To"),
        Column("State", fixed=True),
        Column("Tries", number=True),
        Column("Last answer", wide=True),
        Column("Written", fixed=True),
        Column("Next try", fixed=True),
    )
    html.draw(html.table(columns, [_row(each, names, shown) for each in rows], "What was forwarded"))


def dispatch(view: DispatchView, names: Mapping[str, str], shown: Format) -> None:
    """One of them with each try."""
    html.draw(html.line(state(view), plural(view.attempts, "try", "tries")))
    html.draw(
        html.facts(
            [
                ("To", names.get(view.endpoint_id, "")),
                ("Written", shown.instant(view.created_at, seconds=True)),
                ("Ended", shown.instant(view.ended_at, seconds=True) if view.ended_at else ""),
                ("Next try", shown.instant(view.next_at, seconds=True) if view.next_at else ""),
                ("webhook-id", view.id),
            ]
        )
    )
    if view.tries:
        rows: list[tuple[Cell, ...]] = [
            (shown.instant(each.at, seconds=True), answered(each), html.faint(each.words)) for each in view.tries[::-1]
        ]
        html.draw(html.table(TRIES, rows, "Tries, the last one first"))
    else:
        st.caption("Not tried yet.")


def title_of(view: DispatchView) -> str:
    """What it is about: its kind, for what it says is for those who are told."""
    return TEST_TITLE if view.kind == TEST else forwarded_titles().get(view.kind, facts_of(view.kind).title)


def state(view: DispatchView) -> Markup:
    """Where it stands."""
    return html.badge(words(view.state.value), TONES.get(view.state, "gray"))


def answered(one: TryView) -> str:
    """The answer's code, or that there was none."""
    return str(one.status) if one.status else "None"


def in_words(one: TryView) -> str:
    """What came of a test, as a sentence."""
    return f"It answered {one.status}." if one.status else f"{one.words.rstrip('.')}."


def _tested(view: EndpointView, shown: Format, now: datetime) -> Markup:
    """A test that failed, until something was taken again."""
    test = view.last_test
    if test is None or test.passed or (view.passed_at is not None and view.passed_at > test.at):
        return Markup()
    hint = f"Tested {ago(test.at, now)}, {shown.instant(test.at)}. Mend the other side or its address, then test again."
    return html.told("error", f"The last test failed: {in_words(test)}", hint, "red")


def _health(view: EndpointView, shown: Format, now: datetime) -> Markup:
    passed = f"Last taken {ago(view.passed_at, now)}." if view.passed_at else "Nothing was taken yet."
    if view.state is EndpointState.OFF:
        hint = "Mend the other side, test it, then switch it on. What happens meanwhile is not kept for it."
        return html.told("cloud_off", view.why_off, f"{hint} {passed}", "red")
    if view.failing_since_at is not None:
        hint = f"It is tried again; after five days of that it is switched off. {passed}"
        return html.told("error", f"It has failed since {shown.instant(view.failing_since_at)}.", hint, "amber")
    if view.state is EndpointState.PAUSED:
        return html.line(html.join(html.icon("pause_circle", "amber"), "What happens meanwhile waits for it.", passed))
    icon = html.icon("check_circle", "green") if view.passed_at else html.icon("help", "gray")
    return html.line(html.join(icon, passed))


def _row(view: DispatchView, names: Mapping[str, str], shown: Format) -> list[Cell]:
    last = view.tries[-1] if view.tries else None
    kept = {key: value for key, value in st.query_params.to_dict().items() if key.startswith("forwarded_")}
    said = f"{answered(last)} {last.words}" if last and last.status else last.words if last else ""
    return [
        html.link(title_of(view), "forwarding", {**VIEW, **kept, OPEN: view.id}),
        names.get(view.endpoint_id, NOTHING),
        state(view),
        view.attempts,
        html.faint(said),
        shown.instant(view.created_at),
        shown.instant(view.next_at) if view.next_at else NOTHING,
    ]


def _code(value: str) -> Markup:
    return Markup(f"<code>{html.text(value)}</code>")
