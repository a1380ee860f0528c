"""Ledger: the trial balance, every entry with the document it comes from, and each account's statement."""

import streamlit as st

from finops_core import ledger as core
from finops_core.kernel.permissions import Permission
from finops_core.ledger import EntryFilter, EntryType
from ui import activity, books, drifts, filters, html, ledger, periods, rates, stops, wallets, widgets
from ui.format import words
from ui.session import open_page

here = open_page(Permission.LEDGER_VIEW)
TRIAL, WALLETS, ENTRIES, RATES = "Trial balance", "Wallets", "Entries", "Rates"
BALANCES, ACTIVITY, STOPS, PERIODS = "Balances", "Activity", "Money stops", "Periods"
asked = st.query_params.to_dict()


def trial() -> None:
    """Every line of the chart that was posted to."""
    day = books.until()
    with here.read() as reading:
        lines, now = core.trial_balance(reading, day), here.shown.as_of(reading.now)
    with title.container():
        widgets.head("Ledger", here.around.name, books.as_of(day, now))
    for currency in sorted({line.total.currency for line in lines}):
        html.draw(ledger.trial(lines, currency, here.shown))
    if not lines:
        widgets.empty("account_balance", "Nothing was booked yet", "Payouts are booked as they are made.")


def entries() -> None:
    """Entries, newest first."""
    kinds = {"": "Any kind", **{kind.value: words(kind.value.lower()) for kind in EntryType}}
    with filters.bar(ledger.fresh) as bar:
        kind = bar.choice("Kind", kinds, "entry_kind", width=190)
        source = bar.search(ledger.SOURCE, "pay_…", "Document's id", width=260)
    with here.read() as reading:
        wanted = EntryFilter(type=kind, source_id=source)
        rows = core.entries(reading, wanted, core.PAGE + 1, asked.get(ledger.OLDER, ""))
        now = here.shown.as_of(reading.now)
    with title.container():
        widgets.head("Ledger", here.around.name, "entries, newest first", f"as of {now}")
    page = rows[: core.PAGE]
    if page:
        html.draw(ledger.entries(page, here.shown))
        kept = {name: value for name, value in asked.items() if name != ledger.OLDER}
        html.draw(ledger.older(kept, page[-1].id if len(rows) > core.PAGE else ""))
    elif wanted == EntryFilter():
        widgets.empty("account_balance", "Nothing was booked yet", "Payouts are booked as they are made.")
    else:
        widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")


if asked.get(ledger.ENTRY):
    books.entry(here, asked[ledger.ENTRY])
elif asked.get(ledger.ACCOUNT):
    books.account(here, asked[ledger.ACCOUNT], asked.get(ledger.OLDER, ""))
elif asked.get(ledger.LINE):
    books.line(here, asked[ledger.LINE], asked.get("currency", ""), asked.get(ledger.OLDER, ""))
else:
    title = st.empty()
    view = st.segmented_control(
        "Show",
        [TRIAL, WALLETS, ENTRIES, RATES, BALANCES, ACTIVITY, STOPS, PERIODS],
        default=TRIAL,
        required=True,
        key=ledger.VIEW,
        bind="query-params",
        label_visibility="collapsed",
        on_change=ledger.fresh,
    )
    if view == ENTRIES:
        entries()
    elif view == WALLETS:
        now = wallets.section(here, asked.get(ledger.OLDER, ""))
        with title.container():
            widgets.head("Ledger", here.around.name, "what is held for others", f"as of {now}")
    elif view == RATES:
        with title.container():
            widgets.head("Ledger", here.around.name, "what currencies cost in each other")
        rates.section(here, books.until())
    elif view == BALANCES:
        with title.container():
            widgets.head("Ledger", here.around.name, "balances held against their postings")
        drifts.section(here, asked.get(ledger.OLDER, ""))
    elif view == ACTIVITY:
        now = activity.section(here, asked.get(ledger.OLDER, ""))
        with title.container():
            widgets.head("Ledger", here.around.name, "what was booked and refused", f"as of {now}")
    elif view == STOPS:
        with title.container():
            widgets.head("Ledger", here.around.name, "what may not move, and why")
        stops.section(here)
    elif view == PERIODS:
        with title.container():
            widgets.head("Ledger", here.around.name, "days that nothing is posted into")
        periods.section(here)
    else:
        trial()
