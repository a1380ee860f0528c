"""What an administrator does with a connection: test it, and in dialogs add, replace, sign and retire.

Which dialog is open stands in the address. What is typed as a key is taken by the form's callback and by nothing else.
"""

import json
from collections.abc import Sequence

import streamlit as st

from finops_core import connections
from finops_core.connections import ConnectionView
from finops_core.kernel.errors import FinOpsError
from ui import secret, toasts, widgets
from ui.connections import BANK_FILE, STRIPE, TITLES
from ui.dialogs import Dialogs, attempt, send
from ui.session import Here

ADD, REPLACE, SIGN, RETIRE = "add", "replace", "sign", "retire"
TESTED = "connection_tested"
DIALOGS = Dialogs("connection")
KEY, SECRET, IBAN = "cn_key", "cn_secret", "cn_iban"
STRIPE_API = "https://api.stripe.com"
OVERLAPS = {24 * 3600: "24 hours", 3600: "1 hour", 0: "not at all"}
MOST = 140
HOLDER = ("holder", "bic", "street", "building", "post_code", "town", "country")


def buttons(here: Here, view: ConnectionView) -> None:
    """What can be done with one."""
    with st.container(horizontal=True, key=f"tall_acts_{view.id}"):
        fresh = view.tested_at is None
        if st.button(
            "Test", icon=":material/wifi_tethering:", type="primary" if fresh else "secondary", key=f"test_{view.id}"
        ):
            _test(here, view)
        label = "Replace the key" if view.provider == STRIPE else "Replace the account"
        if st.button(label, icon=":material/key:", key=f"replace_{view.id}"):
            DIALOGS.ask(REPLACE, view.id)
        if st.button("Retire", icon=":material/link_off:", key=f"retire_{view.id}"):
            DIALOGS.ask(RETIRE, view.id)


def retired_buttons(views: Sequence[ConnectionView]) -> None:
    """Payouts made through a retired connection are still followed with its key, which can end like any other."""
    for view in views:
        if view.provider == STRIPE:
            with st.container(key=f"tall_retired_{view.id}"):
                label = f"Replace the key of {view.name}, retired"
                if st.button(label, icon=":material/key:", key=f"replace_{view.id}"):
                    DIALOGS.ask(REPLACE, view.id)


def open_asked(here: Here, every: Sequence[ConnectionView]) -> None:
    """The dialog that the address asks for, if it still makes sense."""
    what, which = DIALOGS.asked()
    free = free_providers(every)
    named = next((each for each in every if each.id == which), None)
    view = named if named is not None and (named.active or what == REPLACE) else None
    if what == ADD and free:
        st.dialog("Add a connection", on_dismiss=DIALOGS.close)(_add)(here, free)
    elif view is not None and what == REPLACE:
        title = "Replace the key" if view.provider == STRIPE else "Replace the account"
        st.dialog(f"{title} of {view.name}", on_dismiss=DIALOGS.close)(_replace)(here, view)
    elif view is not None and what == SIGN and view.provider == STRIPE:
        st.dialog(f"Signing secret of {view.name}", on_dismiss=DIALOGS.close)(_sign)(here, view)
    elif view is not None and what == RETIRE:
        st.dialog(f"Retire {view.name}?", on_dismiss=DIALOGS.close)(_retire)(here, view)


def free_providers(every: Sequence[ConnectionView]) -> list[str]:
    """Providers the organisation is not connected to."""
    taken = {view.provider for view in every if view.active}
    return [provider for provider in TITLES if provider not in taken]


def _test(here: Here, view: ConnectionView) -> None:
    """Ask the provider; the page is then drawn anew with what was found."""
    try:
        with st.spinner("Asking the provider …"):
            trial = connections.try_connection(here.desk, here.actor, view.id)
    except FinOpsError as error:
        widgets.refusal(error)
        return
    st.session_state[TESTED] = view.id
    if trial.passed:
        toasts.say("The test passed.")
    else:
        toasts.say("The test failed.", toasts.FAILED)
    st.rerun()


def _add(here: Here, free: Sequence[str]) -> None:
    DIALOGS.head(here)
    provider = st.segmented_control(
        "Provider", free, default=free[0], required=True, format_func=TITLES.__getitem__, key="cn_provider"
    )
    with st.form("cn_add", border=False):
        st.text_input("Name", TITLES[provider], key="cn_name", max_chars=80, help="What people call it here.")
        if provider == STRIPE:
            _key_field()
            st.text_input("Account", key="cn_account", max_chars=64, placeholder="acct_…", help=_ACCOUNT_HELP)
            st.selectbox("Sent to", _addresses(here), key="cn_address", accept_new_options=True, help=_ADDRESS_HELP)
        else:
            _holder_fields()
        send("Add it", lambda: _added(here, provider))


def _replace(here: Here, view: ConnectionView) -> None:
    DIALOGS.head(here, view.shown)
    st.markdown(_REPLACED if view.provider == STRIPE else _REPLACED_ACCOUNT)
    with st.form("cn_replace", border=False):
        if view.provider == STRIPE:
            _key_field()
            st.caption("Only test keys are accepted: real money may move only once the controls for it are in place.")
        else:
            _holder_fields()
        send("Replace it", lambda: _replaced(here, view))


def _sign(here: Here, view: ConnectionView) -> None:
    DIALOGS.head(here, view.shown)
    with here.read() as reading:
        rolled = bool(connections.webhook_secrets(reading, view.id))
    st.markdown(_ROLLED if rolled else _SIGNED)
    with st.form("cn_sign", border=False):
        secret.field("Signing secret", SECRET, placeholder="whsec_…")
        if rolled:
            st.selectbox(
                "The old one still counts for", list(OVERLAPS), format_func=OVERLAPS.__getitem__, key="cn_overlap"
            )
        send("Set the secret", lambda: _signed(here, view))
    if view.base_url == here.desk.settings.stripe_sandbox_url:
        st.caption("The sandbox on this machine signs with the new one from the next start on.")


def _retire(here: Here, view: ConnectionView) -> None:
    DIALOGS.head(here, view.shown)
    st.markdown(
        "No new plan can use it, and plans that were approved with it are not sent. Payouts that left through it are "
        "still followed to the bank with its key; once you end that at the provider, replace it here. It cannot be "
        "taken back into use; a new one can be added."
    )
    with st.container(key="tall_ends_connection"):
        st.button("Retire it", type="primary", on_click=attempt, args=(lambda: _retired(here, view),))


def _added(here: Here, provider: str) -> str:
    key = _credential(provider)
    stripe = provider == STRIPE
    address = str(st.session_state.get("cn_address") or "") if stripe else ""
    account = str(st.session_state.get("cn_account", "")) if stripe else ""
    with here.work() as work:
        connections.add(
            work, provider=provider, name=_typed("cn_name"), secret=key, base_url=address.strip(), account=account
        )
    secret.take(IBAN)
    return "The connection was added. Test it now."


def _replaced(here: Here, view: ConnectionView) -> str:
    key = _credential(view.provider)
    connections.replace_key(here.desk, here.actor, view.id, key)
    secret.take(IBAN)
    return "It was replaced. Test it now." if view.active else "It was replaced: its payouts are followed with it."


def _signed(here: Here, view: ConnectionView) -> str:
    given, overlap_s = secret.take(SECRET), int(st.session_state.get("cn_overlap", 0))
    with here.work() as work:
        connections.set_webhook_secret(work, view.id, given, overlap_s)
    return "News signed with this secret is believed from now on."


def _retired(here: Here, view: ConnectionView) -> str:
    with here.work() as work:
        connections.retire(work, view.id)
    return f"{view.name} was retired."


def _key_field() -> None:
    secret.field("Secret or restricted key", KEY, placeholder="rk_test_…", help_=_KEY_HELP)


def _holder_fields() -> None:
    """Our own bank account, as a bank file names it. What is too long can be typed, so that the refusal can say so."""
    st.text_input("Account holder", key="cn_holder", max_chars=MOST)
    secret.field(
        "IBAN", IBAN, placeholder="DE89 3704 0044 0532 0130 00", help_="Kept sealed; its last four characters show."
    )
    st.text_input("BIC", key="cn_bic", max_chars=MOST, placeholder="COBADEFFXXX")
    with st.container(horizontal=True):
        st.text_input("Street", key="cn_street", max_chars=MOST)
        st.text_input("Building", key="cn_building", max_chars=MOST, width=110)
    with st.container(horizontal=True):
        st.text_input("Post code", key="cn_post_code", max_chars=MOST, width=110)
        st.text_input("Town", key="cn_town", max_chars=MOST)
        st.text_input("Country", key="cn_country", max_chars=MOST, width=90, placeholder="DE")


def _credential(provider: str) -> str:
    """What the core seals: a key, or our account as it reads one."""
    if provider != BANK_FILE:
        return secret.take(KEY)
    iban = "".join(secret.typed(IBAN).split()).upper()
    told = {name: _typed(f"cn_{name}") for name in HOLDER}
    address = {name: told[name] for name in ("town", "street", "building", "post_code")}
    address["country"] = told["country"].upper()
    return json.dumps({"name": told["holder"], "iban": iban, "bic": told["bic"].upper(), "address": address})


def _typed(key: str) -> str:
    return str(st.session_state.get(key, "")).strip()


def _addresses(here: Here) -> list[str]:
    return [STRIPE_API, here.desk.settings.stripe_sandbox_url]


_KEY_HELP = (
    "A restricted key is better: it needs to read balances, balance transactions, payouts, events and the account, and "
    "to write payouts."
)
_ACCOUNT_HELP = "A connected account to act for. Empty: the key's own."
_ADDRESS_HELP = "Stripe's own address, or a sandbox's on this machine; a key is sent nowhere else."
_SIGNED = (
    "Stripe shows the endpoint's signing secret beside its address. From then on only news signed with it is believed."
)
_ROLLED = (
    "Roll the secret at the provider, letting the old one run on for a while, and set the new one here at once. Until "
    "the old one has run out both are believed, so no news gets lost."
)
_REPLACED = (
    "The old key is gone at once and cannot be brought back. Once a payout was made, only another key **of the same "
    "account** is taken, since those already sent are followed with it; for another account retire this connection. "
    "**Plans approved with the old key are not sent**: they need a new plan and a new approval. A batch that is being "
    "sent at this moment ends with the old key, so let it end before you revoke that at the provider."
)
_REPLACED_ACCOUNT = (
    "The account that files are written for changes at once. **Plans approved with the old one are not sent**: they "
    "need a new plan and a new approval."
)
