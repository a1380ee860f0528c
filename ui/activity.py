"""What happened in the ledger lately, on screen: entries by kind, what was refused and why."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import streamlit as st

from finops_core import ledger as core
from finops_core import security
from finops_core.kernel.money import Money
from finops_core.ledger import RefusalView, Statistics
from ui import html, ledger, log, widgets
from ui.format import words
from ui.html import Cell, Column, Markup
from ui.session import Here

PERIODS = {
    "1 hour": timedelta(hours=1),
    "24 hours": timedelta(hours=24),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}
USUAL = "24 hours"
KINDS = (Column("Kind", wide=True), Column("Entries", number=True), Column("Volume", number=True))
CODES = (Column("Refused because", wide=True), Column("Operations", number=True))
REFUSED = (
    Column("Asked for", fixed=True),
    Column("Operation"),
    Column("Wallet"),
    Column("Amount", number=True),
    Column("Refused because", wide=True),
)


def section(here: Here, older: str) -> str:
    """Figures of a period, and the operations that were refused, newest first; gives when they were read."""
    period = st.segmented_control(
        "Period", list(PERIODS), default=USUAL, required=True, key="period", bind="query-params", on_change=ledger.fresh
    )
    with here.read() as reading:
        seen = core.statistics(reading, PERIODS[period])
        rows = core.refusals(reading, core.PAGE + 1, older)
        names = security.names(reading, {row.asked_by for row in rows})
        now = here.shown.as_of(reading.now)
    html.draw(_figures(seen, here))
    if seen.kinds:
        told: list[tuple[Cell, ...]] = [
            (words(each.type.lower()), here.shown.count(each.many), _amount(each.volume, here)) for each in seen.kinds
        ]
        html.draw(html.table(KINDS, told, "Entries by kind"))
    elif not seen.failed:
        longest = period == list(PERIODS)[-1]
        widgets.empty("monitoring", "Nothing was booked in this time", "" if longest else "Choose a longer period.")
    if seen.refused:
        reasons: list[tuple[Cell, ...]] = [
            (_because(code), here.shown.count(many)) for code, many in seen.refused.items()
        ]
        html.draw(html.table(CODES, reasons, "Why operations were refused"))
    page: Sequence[RefusalView] = rows[: core.PAGE]
    if page:
        html.draw(html.table(REFUSED, [_row(row, names, here) for row in page], "Refused operations, newest first"))
        kept = {ledger.VIEW: "Activity", "period": period}
        html.draw(ledger.older(kept, page[-1].id if len(rows) > core.PAGE else ""))
    return now


def _figures(seen: Statistics, here: Here) -> Markup:
    return html.facts(
        [
            ("Entries", html.strong(here.shown.count(seen.entries))),
            ("Refused", html.strong(here.shown.count(seen.failed))),
            ("Of all that was asked for", html.strong(f"{seen.error_rate:.1%}")),
            ("Half were booked within", _took(seen.latency.median_ms, seen)),
            ("19 of 20 within", _took(seen.latency.slow_ms, seen)),
        ]
    )


def _took(bound_ms: int | None, seen: Statistics) -> Cell:
    if not seen.latency.units:
        return ""
    return html.strong(f"{bound_ms} ms" if bound_ms else "more than 10 s")


def _row(row: RefusalView, names: Mapping[str, str], here: Here) -> tuple[Cell, ...]:
    refused = row.refused
    return (
        html.lines(here.shown.instant(row.asked_at), html.faint(log.actor_name(row.asked_by, names))),
        words(refused.type.value.lower()),
        html.faint(f"…{refused.wallet_id[-8:]}", small=False) if refused.wallet_id else "",
        _amount(refused.amount, here) if refused.amount else "",
        _because(row.code),
    )


def _because(code: str) -> str:
    return words(code.lower())


def _amount(amount: Money, here: Here) -> Cell:
    return here.shown.amount(amount.minor, amount.currency)
