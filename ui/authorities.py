"""What somebody may approve, on their page: the authorities they have, each with its end, and a new one."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import partial

import streamlit as st

from finops_core import approvals, ledger, parties
from finops_core.approvals import ANY_CURRENCY, AuthorityView
from finops_core.kernel.money import Money
from finops_core.security import MemberDetail
from ui import acts, html
from ui.format import words
from ui.session import Here

KIND, CURRENCY, LIMIT, UNTIL = "authority_kind", "authority_currency", "authority_limit", "authority_until"
GIVEN = "authority_given"


def section(here: Here, found: MemberDetail) -> None:
    """What the person may approve now or later, and how much more could be given."""
    with here.read() as reading:
        held = [each for each in approvals.authorities(reading, found.entry.id) if _open(each, reading.now)]
    kinds = _kinds(here)
    st.header("May approve", anchor=False)
    for each in held:
        with st.container(
            horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key=f"tall_may_{each.id}"
        ):
            html.draw(html.lines(html.strong(_told(here, each, kinds)), html.faint(_span(here, each))))
            acts.button("End", f"end_{each.id}", partial(_ended, here, each), "close")
        acts.refusal_at(f"end_{each.id}")
    if not held:
        st.caption("Nothing. Besides a role that decides, an approver needs the authority for each kind of item.")
    if found.entry.id == here.session.person_id:
        st.caption("Another administrator gives you an authority.")
        return
    with st.form(GIVEN, border=False):
        st.selectbox(
            "Kind of item", list(kinds), None, key=KIND, placeholder="Choose one", format_func=kinds.__getitem__
        )
        with st.container(horizontal=True):
            st.text_input("Currency", key=CURRENCY, max_chars=3, placeholder="Any", width=110)
            st.text_input("Up to, for a request", key=LIMIT, placeholder="Any amount", width=190)
            st.date_input("Last day", None, key=UNTIL, format="YYYY-MM-DD", width=170, help="Left empty: no end.")
        acts.send("Give the authority", GIVEN, lambda: _given(here, found), primary=False)


def _kinds(here: Here) -> Mapping[str, str]:
    """Every kind of item that is approved, by its name."""
    asked = {op.item_type for op in here.desk.ports.operations.values() if op.item_type}
    return {kind: words(kind) for kind in sorted({*asked, ledger.ADJUSTMENT_ITEM, parties.BANK_DETAILS_ITEM})}


def _open(each: AuthorityView, now: datetime) -> bool:
    return each.authority.until_at is None or each.authority.until_at > now


def _told(here: Here, each: AuthorityView, kinds: Mapping[str, str]) -> str:
    granted = each.authority
    of = kinds.get(granted.item_type, words(granted.item_type))
    if granted.limit_minor is not None:
        return f"{of}, up to {here.shown.amount(granted.limit_minor, granted.currency)}"
    return f"{of}, any amount" if granted.currency == ANY_CURRENCY else f"{of}, any amount in {granted.currency}"


def _span(here: Here, each: AuthorityView) -> str:
    since, until = here.shown.instant(each.authority.since_at), each.authority.until_at
    return f"since {since}" + (f", until {here.shown.instant(until)}" if until else "")


def _given(here: Here, found: MemberDetail) -> str:
    kind = str(st.session_state.get(KIND) or "")
    currency = str(st.session_state.get(CURRENCY) or "").strip().upper() or ANY_CURRENCY
    limit, last = str(st.session_state.get(LIMIT) or "").strip(), st.session_state.get(UNTIL)
    until = here.shown.end_of(last) if isinstance(last, date) else None
    # A limit without a currency is refused by the verb, in its own words.
    minor = Money.parse(limit, currency).minor if limit and currency != ANY_CURRENCY else (0 if limit else None)
    with here.work() as work:
        approvals.grant_authority(
            work, person_id=found.entry.id, item_type=kind, currency=currency, limit_minor=minor, until_at=until
        )
    return f"{found.entry.display_name} may approve it."


def _ended(here: Here, each: AuthorityView) -> str:
    with here.work() as work:
        approvals.end_authority(work, each.id)
    return "The authority was ended."
