"""Parties: people and companies we deal with, their bank details and identity, and our own bank accounts."""

import streamlit as st

from finops_core import ledger, parties, reference, security
from finops_core.kernel.errors import NotFound
from finops_core.kernel.permissions import Permission
from finops_core.parties import PartyFilter, PartyKind
from ui import filters, html, party_acts, talk, widgets
from ui import parties as screen
from ui.session import open_page

here = open_page(Permission.PARTY_VIEW)
asked = st.query_params.to_dict()


def fresh() -> None:
    """Another question starts at its first row."""
    st.query_params.pop(screen.AFTER, None)


def every() -> None:
    """The list, with what it can be narrowed by."""
    title = st.empty()
    kinds = {"": "Any kind", **{kind.value: screen.KINDS[kind] for kind in PartyKind}}
    with filters.bar(fresh) as bar:
        text = bar.search("find_party", "Name, id or last four", width=260)
        kind = bar.choice("Kind", kinds, "parties_kind")
        closed = bar.switch("Closed too", "closed")
    wanted = PartyFilter(text, kind, closed)
    with here.read() as reading:
        rows = parties.parties(reading, wanted, parties.PAGE + 1, asked.get(screen.AFTER, ""))
        today, now = reference.today(reading), here.shown.as_of(reading.now)
    with title.container():
        widgets.head("Parties", here.around.name, "whom we deal with", f"as of {now}")
    page = rows[: parties.PAGE]
    if page:
        html.draw(screen.table(page, today))
        if len(rows) > parties.PAGE:
            kept = {name: value for name, value in asked.items() if name != screen.AFTER}
            html.draw(html.line(html.link("More →", screen.PAGE, {**kept, screen.AFTER: page[-1].id})))
    elif wanted == PartyFilter():
        widgets.empty(
            "contacts", "There is no party yet", "Add whom you pay and hold money for, and your own accounts."
        )
    else:
        widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
    party_acts.add_button(here)


def one(party_id: str) -> None:
    """One party with everything that is known of it."""
    html.draw(html.line(html.link("← Parties", screen.PAGE)))
    try:
        with here.read() as reading:
            seen, checks = parties.party(reading, party_id), parties.identities_of(reading, party_id)
            held = ledger.wallets(reading, party_id) if here.may(Permission.LEDGER_VIEW) else ()
            names = security.names(reading, screen.people(seen, checks))
            today = reference.today(reading)
    except NotFound as error:
        widgets.refusal(error)
        return
    widgets.head(seen.name, here.around.name, seen.id)
    html.draw(screen.facts(seen, names, today, here.shown))
    party_acts.buttons(here, seen)
    st.header("Bank details", anchor=False)
    if seen.details.coming is not None:
        html.draw(screen.coming(seen.details.coming, here.shown))
        party_acts.stop_button(here, seen)
    if seen.details.versions:
        html.draw(screen.versions(seen.details.versions, names, here.shown))
    else:
        widgets.empty("account_balance", "It has no bank details yet", "They take two people, the first ones too.")
    party_acts.reveal_buttons(here, seen)
    st.header("Identity", anchor=False)
    if checks:
        html.draw(screen.checks(checks, names, here.shown))
    else:
        widgets.empty("badge", "Its identity was not checked yet", "Money is withdrawn only for verified holders.")
    if held:
        st.header("Wallets", anchor=False)
        html.draw(screen.wallets(held, here.shown))
    talk.section(here, "party", seen.id)
    party_acts.open_asked(here, seen)


if asked.get(screen.PARTY):
    one(asked[screen.PARTY])
else:
    every()
