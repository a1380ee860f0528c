"""The sign-in page, the first administrator's page behind a one-time link, and the demo people of demo mode."""

from collections.abc import Callable

import streamlit as st

from finops_core.kernel.errors import FinOpsError
from finops_core.security import LinkKind
from finops_core.upkeep import demo
from ui import html, session, widgets

FORM_WIDTH = 460
LOGGED_OUT = ":material/logout:"
# A sidebar that was there before the session ended stays on the page, empty.
NO_SIDEBAR = html.Markup("<style>[data-testid='stSidebar'],[data-testid='stExpandSidebarButton']{display:none}</style>")
PASSWORD_LEAST, PASSWORD_MOST_BYTES = 12, 72
PASSWORD_RULE = f"A password has at least {PASSWORD_LEAST} characters and at most {PASSWORD_MOST_BYTES} bytes."


def page() -> None:
    """The form; or, behind a one-time link, the form that sets a password."""
    html.draw(NO_SIDEBAR)
    with st.container(horizontal_alignment="center"), st.container(width=FORM_WIDTH, gap="small"):
        st.image(widgets.logo(), width=150, alt="Tieout")
        token = st.query_params.get("setup", "") or st.query_params.get("reset", "")
        if token:
            _by_link(token)
        else:
            if session.has_ended():
                st.info("**Your session has ended.**  \nSign in again, and you are back on this page.", icon=LOGGED_OUT)
            _form()
            _demo()


def _form() -> None:
    with st.form("sign_in"):
        st.subheader("Sign in", anchor=False)
        username = st.text_input("Username", key="username", autocomplete="username", max_chars=64)
        password = st.text_input(
            "Password", key="password", type="password", autocomplete="current-password", max_chars=PASSWORD_MOST_BYTES
        )
        pressed = st.form_submit_button("Sign in", type="primary", width="stretch")
    if not pressed:
        return
    refused = session.sign_in(username, password)
    if refused is None:
        st.rerun()
    st.error(f"**{refused.message}**  \n{refused.hint}", icon=":material/lock:")


def _demo() -> None:
    people = demo.people(session.the_desk().settings)
    if not people:
        return
    with st.container(border=True, gap="xsmall"):
        st.markdown("**Demo people**")
        html.draw(html.line("Press a name to fill the form. The password is", html.strong(people[0].password)))
        for person in people:
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                html.draw(html.Markup(f"{html.strong(person.name)}<br>{html.faint(person.does)}"))
                st.button(
                    person.username,
                    key=f"demo_{person.username}",
                    icon=":material/person:",
                    width=110,
                    on_click=_fill,
                    args=(person.username, person.password),
                    help=f"Fill in {person.name}'s name and password",
                )


def _fill(username: str, password: str) -> None:
    st.session_state["username"], st.session_state["password"] = username, password


def _by_link(token: str) -> None:
    link = session.link_of(token)
    if link is None:
        st.error("**This link is not valid any more.**  \nIt works once and for a day; ask for a new one.")
        html.draw(html.line(html.link("To the sign-in page", "")))
        return
    if link.kind is LinkKind.SETUP:
        _setup(token)
    else:
        _reset(token, link.username)


def _setup(token: str) -> None:
    with st.form("setup"):
        st.subheader("Make the first administrator", anchor=False)
        st.caption("This link works once. Choose a password that is used nowhere else.")
        username = st.text_input("Username", autocomplete="username", max_chars=20).strip().lower()
        name = st.text_input("Your name", autocomplete="name", max_chars=80).strip()
        password, again = _new_password()
        pressed = st.form_submit_button("Make the administrator", type="primary", width="stretch")
    if pressed and not _told(setup_faults(username, name, password, again)):
        _try(lambda: session.accept_setup(token, username, name, password))


def _reset(token: str, username: str) -> None:
    with st.form("reset"):
        st.subheader("Set a new password", anchor=False)
        st.caption(f"For {username}. This link works once and ends every open session.")
        password, again = _new_password()
        pressed = st.form_submit_button("Set the password", type="primary", width="stretch")
    if pressed and not _told(password_faults(password, again)):
        _try(lambda: session.accept_reset(token, password))


def _new_password() -> tuple[str, str]:
    first = st.text_input("Password", type="password", autocomplete="new-password", help=PASSWORD_RULE)
    return first, st.text_input("Password again", type="password", autocomplete="new-password")


def _told(faults: list[str]) -> bool:
    for sentence in faults:
        st.error(sentence, icon=":material/error:")
    return bool(faults)


def _try(act: Callable[[], None]) -> None:
    try:
        act()
    except FinOpsError as error:
        widgets.refusal(error)
        return
    st.query_params.clear()
    st.toast("Done. Sign in with your new password.", icon=":material/check:")
    st.rerun()


def setup_faults(username: str, name: str, password: str, again: str) -> list[str]:
    """Everything wrong with the form at once, in the user's words; ``security`` has the last word."""
    # Imported here: it costs a third of a second, and this form is seen once in the life of a desk.
    from streamlit_authenticator.utilities import Validator  # noqa: PLC0415

    check = Validator()
    faults = []
    if not check.validate_username(username):
        faults.append("A username has 1 to 20 letters without accents, digits, dashes or underscores.")
    if not check.validate_name(name):
        faults.append("A name has 2 to 100 letters, and may hold spaces, dots, dashes and apostrophes.")
    return faults + password_faults(password, again)


def password_faults(password: str, again: str) -> list[str]:
    """What is wrong with a new password before it is sent."""
    faults = []
    if len(password) < PASSWORD_LEAST or len(password.encode()) > PASSWORD_MOST_BYTES:
        faults.append(PASSWORD_RULE)
    if password != again:
        faults.append("The two passwords are not the same.")
    return faults
