"""A person's own second factor on screen: set it up, keep the recovery codes, make new ones, turn it off."""

from io import BytesIO

import segno
import streamlit as st

from finops_core import security
from finops_core.security import SecondFactorView, SignInRefused
from ui import acts, html, secret, widgets
from ui.format import plural
from ui.session import Here

BEGIN_PASSWORD = "factor_begin_password"  # noqa: S105 - the name of a field
SETTING_UP, CODES, LED_HERE = "factor_setting_up", "factor_codes", "factor_led_here"
CODE, OFF_PASSWORD, OFF_CODE, RENEW_CODE = "factor_code", "factor_off_password", "factor_off_code", "factor_renew_code"
FEW_LEFT, QR_PX = 3, 220
WHY = "After your password you type a code from an app on your phone. A stolen password alone opens nothing then."
SCAN = "Scan this with an authenticator app, or type the key into it. Then type the six digits it shows."
KEEP = (
    "**Keep these recovery codes now; they are not shown again.** Each opens your account once when your phone is "
    "gone. Print them, or keep them where you keep passwords, not on that phone."
)
DEMANDED = "Your role may be used only with a second factor. It takes a minute, and you need your phone."


def section(here: Here) -> None:
    """The whole of it, in a card of its own."""
    with here.read() as reading:
        view = security.own_second_factor(reading)
        given = security.enrolment(reading)
    st.header("Second factor", anchor=False)
    if st.session_state.get(CODES):
        _keep_codes(st.session_state[CODES])
    elif view.on:
        _on(here, view)
    elif given is not None and st.session_state.get(SETTING_UP):
        _scan(here, given)
    else:
        st.caption(WHY)
        with st.form("factor_begin", border=False):
            secret.field("Your password", BEGIN_PASSWORD)
            acts.send("Set it up", "factor_begin", lambda: _begin(here))


def is_demanded(here: Here) -> bool:
    """Whether nothing else is to be shown: a role asks for one, or its recovery codes were not yet kept."""
    if here.session.second_factor_due:
        st.session_state[LED_HERE] = True
    elif CODES not in st.session_state:
        st.session_state.pop(LED_HERE, None)
    return LED_HERE in st.session_state


def demand(here: Here) -> None:
    """The only screen of somebody whose role demands a second factor they have not got."""
    widgets.head("Set up your second factor first", here.around.name, here.session.display_name)
    st.caption(DEMANDED)
    with st.container(border=True, width=560):
        section(here)


def _begin(here: Here) -> str | SignInRefused:
    proof = secret.proof(here, BEGIN_PASSWORD)
    with here.work() as work:
        refused = security.begin_second_factor(work, proof)
    if refused is not None:
        return refused
    st.session_state[SETTING_UP] = True
    return ""


def _scan(here: Here, given: security.Enrolment) -> None:
    st.caption(SCAN)
    st.image(_qr(given.address), width=QR_PX, alt="QR code for your authenticator app")
    html.draw(html.line("Key to type instead:"))
    st.code(given.key, language=None, wrap_lines=True)
    with st.form("factor_confirm", border=False):
        secret.code_field("Code", CODE)
        acts.send("Turn it on", "factor_confirm", lambda: _confirm(here))


def _confirm(here: Here) -> str:
    typed = secret.take(CODE)
    with here.work() as work:
        codes = security.confirm_second_factor(work, typed)
    st.session_state[CODES] = codes
    st.session_state.pop(SETTING_UP, None)
    return "Your second factor is on. Other sessions of yours have ended."


def _keep_codes(codes: tuple[str, ...]) -> None:
    st.warning(KEEP, icon=":material/key:")
    st.code("\n".join(codes), language=None)
    with st.container(horizontal=True, key="tall_factor_kept"):
        st.download_button(
            "Download them",
            "\n".join(codes) + "\n",
            file_name="tieout-recovery-codes.txt",
            mime="text/plain",
            icon=":material/download:",
            on_click="ignore",
        )
        st.button("I have kept them", type="primary", on_click=lambda: st.session_state.pop(CODES, None))


def _on(here: Here, view: SecondFactorView) -> None:
    since = f"since {here.shown.instant(view.confirmed_at)}"
    html.draw(html.line(html.badge("On", "green"), html.faint(since, small=False)))
    left = f"{plural(view.recovery_left, 'recovery code')} left"
    if view.recovery_left < FEW_LEFT:
        html.draw(html.told("key", f"{left}.", "Make new ones before you need the last.", "amber"))
    else:
        st.caption(f"{left}. Each opens your account once when your phone is gone.")
    with st.expander("Make new recovery codes", icon=":material/key:", expanded=acts.is_refused("factor_renew")):
        st.caption("The old ones count no more from then on.")
        with st.form("factor_renew", border=False):
            secret.code_field("Code", RENEW_CODE)
            acts.send("Make new codes", "factor_renew", lambda: _renew(here), primary=False)
    with st.expander("Turn it off", icon=":material/no_encryption:", expanded=acts.is_refused("factor_off")):
        st.caption("To use another phone, turn it off and set it up again.")
        with st.form("factor_off", border=False):
            secret.field("Password", OFF_PASSWORD)
            secret.code_field("Code", OFF_CODE)
            acts.send("Turn it off", "factor_off", lambda: _turn_off(here), primary=False)


def _renew(here: Here) -> str | SignInRefused:
    typed = secret.take(RENEW_CODE)
    with here.work() as work:
        outcome = security.renew_recovery_codes(work, typed)
    if isinstance(outcome, SignInRefused):
        return outcome
    st.session_state[CODES] = outcome
    return "New recovery codes were made."


def _turn_off(here: Here) -> str | SignInRefused:
    password, code = secret.take(OFF_PASSWORD), secret.take(OFF_CODE)
    address = st.context.ip_address or ""
    with here.read() as reading:
        proof = security.prove_oneself(reading, password, address)
    with here.work() as work:
        refused = security.turn_off_second_factor(work, proof, code)
    return refused or "Your second factor is off."


def _qr(address: str) -> str:
    """As SVG, black on white whatever the theme: cameras read it so. It goes into the page itself, to no address."""
    out = BytesIO()
    made = segno.make(address, error="m")
    made.save(out, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, omitsize=True)
    return out.getvalue().decode()
