"""A person's own API tokens: make one for a program, see which there are, revoke one. A secret is shown once."""

from datetime import datetime, timedelta

import streamlit as st

from finops_core import security
from finops_core.security import Scope, SignInRefused, TokenView
from ui import acts, html, secret, widgets
from ui.format import NOTHING, Format, ago
from ui.html import Markup
from ui.session import Here

MADE = "token_made"
NAME, SCOPES, DAYS, PASSWORD = "token_name", "token_scopes", "token_days", "token_password"
LASTS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "1 year"}
USUAL = 30
WHAT = "For programs of yours that use the API in this organisation. A token may do what it says, never more than you."
ONCE = "**Copy it now; it is not shown again.** Keep it where programs keep secrets, never in a file that others read."
MEANS = {
    Scope.READ: "Read runs, approvals, the ledger and parties",
    Scope.RUN: "Run operations",
    Scope.APPROVE: "Decide approvals",
    Scope.SETTLE: "Settle payouts in doubt",
    Scope.FILES: "Files",
    Scope.AUDIT: "Take records for an audit",
    Scope.LEDGER: "Move money in the ledger",
    Scope.SCHEDULES: "Switch and change schedules",
    Scope.PARTIES: "Keep parties and their bank details",
}


def section(here: Here) -> None:
    """All of it: the new secret once, the list, and the form."""
    with here.read() as reading:
        mine = security.tokens_of(reading)
        now = reading.now
    st.header("API tokens", anchor=False)
    st.caption(WHAT)
    if st.session_state.get(MADE):
        _show_secret(st.session_state[MADE])
    acts.refusal_at("token_revoke")
    for token in mine:
        _one(here, token, now)
    if not mine:
        widgets.empty("key_off", "You have no API token", "Make one when a program needs it.")
    with st.expander("Make a token", icon=":material/add:", expanded=acts.is_refused("token_issue")):
        _form(here)


def _form(here: Here) -> None:
    with st.form("token_issue", border=False):
        st.text_input("Name", key=NAME, max_chars=80, placeholder="Nightly upload", help="What it is for.")
        offered = security.scopes_of_use(here.session.permissions)
        st.pills("It may", offered, selection_mode="multi", key=SCOPES, format_func=MEANS.__getitem__)
        st.selectbox("Good for", list(LASTS), list(LASTS).index(USUAL), key=DAYS, format_func=LASTS.__getitem__)
        secret.field("Your password", PASSWORD, help_="Needed for a token that may run operations or decide approvals.")
        acts.send("Make the token", "token_issue", lambda: _issue(here))


def _issue(here: Here) -> str | SignInRefused:
    name, scopes = str(st.session_state.get(NAME, "")), [str(scope) for scope in st.session_state.get(SCOPES) or ()]
    lasts = timedelta(days=int(st.session_state.get(DAYS) or USUAL))
    proof = secret.proof(here, PASSWORD)
    with here.work() as work:
        issued = security.issue_token(work, name, scopes, work.now + lasts, proof)
    if isinstance(issued, SignInRefused):
        return issued
    st.session_state[MADE] = issued.secret
    return "The token was made."


def _show_secret(made: str) -> None:
    st.warning(ONCE, icon=":material/key:")
    st.code(made, language=None, wrap_lines=True)
    with st.container(key="tall_token_copied"):
        st.button("I have copied it", type="primary", on_click=lambda: st.session_state.pop(MADE, None))


def _one(here: Here, token: TokenView, now: datetime) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key=f"tall_{token.id}"
    ):
        html.draw(html.lines(_head(token, now), html.faint(_facts(token, here.shown, now))))
        if _lives(token, now):
            st.button(
                "Revoke",
                key=f"revoke_{token.id}",
                help=f"End {token.name} for good",
                on_click=acts.carry_out,
                args=("token_revoke", lambda: _revoke(here, token)),
            )


def _head(token: TokenView, now: datetime) -> Markup:
    ended = "Revoked" if token.revoked_at is not None else "" if _lives(token, now) else "Expired"
    code = Markup(f"<code>{html.text(token.shown)}…</code>")
    return html.join(html.strong(token.name), code, html.badge(ended, "gray") if ended else "")


def _facts(token: TokenView, shown: Format, now: datetime) -> str:
    scopes = ", ".join(MEANS[scope].lower() for scope in token.scopes)
    used = f"used {ago(token.last_used_at, now)}" if token.last_used_at else "never used"
    ends = f"ends {shown.instant(token.expires_at)}" if _lives(token, now) else ""
    return " · ".join(filter(None, (scopes or NOTHING, ends, used)))


def _lives(token: TokenView, now: datetime) -> bool:
    return token.revoked_at is None and token.expires_at > now


def _revoke(here: Here, token: TokenView) -> str:
    with here.work() as work:
        security.revoke_token(work, token.id)
    return f"{token.name} was revoked."
