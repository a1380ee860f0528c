"""The sign-in page with its second step, the pages behind one-time links, and the demo people of demo mode."""

from collections.abc import Callable

import streamlit as st

from finops_core.kernel.errors import FinOpsError
from finops_core.security import NO_ROLE, LinkKind, LinkView, SignInRefused
from finops_core.upkeep import demo
from ui import html, session, toasts, widgets

FORM_WIDTH = 460
REFUSED = "sign_in_refused"
NO_OTHER_CODE = frozenset({"SIGN_IN_TOO_LATE", "SIGN_IN_LOCKED", "SIGN_IN_NO_ROLE"})
CODE_MOST = 24
CODE_RULE = "Your authenticator app shows six digits for Tieout. Without your phone, type one of your recovery codes."
LOGGED_OUT = ":material/logout:"
SESSION_OVER = "**Your session has ended.**  \nSign in again, and you are back on this page."
WITHOUT_ROLE = "**You have no role any more.**  \nAsk an administrator for one; then sign in again."
# A sidebar that was there before the session ended stays on the page, empty.
NO_SIDEBAR = html.Markup("<style>[data-testid='stSidebar'],[data-testid='stExpandSidebarButton']{display:none}</style>")
PASSWORD_LEAST, PASSWORD_MOST_BYTES = 12, 72
PASSWORD_RULE = f"A password has at least {PASSWORD_LEAST} characters and at most {PASSWORD_MOST_BYTES} bytes."


def page() -> None:
    """The form; or, behind a one-time link, the form that sets a password."""
    html.draw(NO_SIDEBAR)
    with st.container(horizontal_alignment="center"), st.container(width=FORM_WIDTH, gap="small"):
        html.draw(widgets.brand())
        token = next((st.query_params[kind.value] for kind in LinkKind if st.query_params.get(kind.value)), "")
        if token:
            _by_link(token)
        elif session.code_wanted():
            _code_form()
        else:
            if why := session.has_ended():
                st.info(WITHOUT_ROLE if why == NO_ROLE else SESSION_OVER, icon=LOGGED_OUT)
            _form()
            _demo()


def _form() -> None:
    with st.form("sign_in"):
        st.header("Sign in", anchor=False)
        username = st.text_input("Username", key="username", autocomplete="username", max_chars=64)
        password = st.text_input(
            "Password", key="password", type="password", autocomplete="current-password", max_chars=PASSWORD_MOST_BYTES
        )
        pressed = st.form_submit_button("Sign in", type="primary", width="stretch")
    if not pressed:
        _say_refused()
        return
    _conclude(session.sign_in(username, password))


def _code_form() -> None:
    """The second step: nothing of the desk is there before the code is right."""
    with st.form("second_step"):
        st.header("Type your code", anchor=False)
        st.caption(CODE_RULE)
        code = st.text_input("Code", key="sign_in_code", autocomplete="one-time-code", max_chars=CODE_MOST)
        pressed = st.form_submit_button("Sign in", type="primary", width="stretch")
    with st.container(key="tall_start_again"):
        st.button("Start again", icon=":material/arrow_back:", type="tertiary", on_click=session.start_again)
    if pressed:
        refused = session.sign_in_by_code(code)
        if refused is not None and refused.code in NO_OTHER_CODE:
            session.start_again()
            st.session_state[REFUSED] = refused
            st.rerun()
        _conclude(refused)


def _conclude(refused: SignInRefused | None) -> None:
    """On to the desk or to the second step, or why not."""
    if refused is None:
        st.session_state.pop("sign_in_code", None)
        st.rerun()
    widgets.not_believed(refused)


def _say_refused() -> None:
    refused: SignInRefused | None = st.session_state.pop(REFUSED, None)
    if refused is not None:
        widgets.not_believed(refused)


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
        st.error("**This link is not valid any more.**  \nIt works once and for a limited time; ask for a new one.")
        html.draw(html.line(html.link("To the sign-in page", "")))
        return
    if link.kind is LinkKind.SETUP:
        _setup(token)
    elif link.kind is LinkKind.INVITE:
        _join(token, link)
    else:
        _reset(token, link.username)


def _setup(token: str) -> None:
    with st.form("setup"):
        st.header("Make the first administrator", anchor=False)
        st.caption("This link works once. Choose a password that is used nowhere else.")
        username = st.text_input("Username", autocomplete="username", max_chars=20).strip().lower()
        name = st.text_input("Your name", autocomplete="name", max_chars=80).strip()
        password, again = _new_password()
        pressed = st.form_submit_button("Make the administrator", type="primary", width="stretch")
    if pressed and not _told(setup_faults(username, name, password, again)):
        _try(lambda: session.accept_setup(token, username, name, password))


def _reset(token: str, username: str) -> None:
    with st.form("reset"):
        st.header("Set a new password", anchor=False)
        st.caption(f"For {username}. This link works once and ends every open session.")
        password, again = _new_password()
        pressed = st.form_submit_button("Set the password", type="primary", width="stretch")
    if pressed and not _told(password_faults(password, again)):
        _try(lambda: session.accept_reset(token, password))


def _join(token: str, link: LinkView) -> None:
    with st.form("join"):
        st.header("Welcome to Tieout", anchor=False)
        st.caption(
            f"You sign in as {link.username}. This link works once. Choose a password that is used nowhere else."
        )
        name = st.text_input("Your name", link.display_name, autocomplete="name", max_chars=80).strip()
        password, again = _new_password()
        pressed = st.form_submit_button("Join", type="primary", width="stretch")
    if pressed and not _told(password_faults(password, again)):
        _try(lambda: session.accept_invitation(token, name, password))


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
    toasts.say("Done. Sign in with your new password.")
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
