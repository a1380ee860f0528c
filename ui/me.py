"""A person's own page: profile with zone and locale, password, sessions."""

from functools import lru_cache
from zoneinfo import available_timezones

import streamlit as st
from babel import Locale

from finops_core import security
from finops_core.security import SessionEntry, SignInRefused
from ui import acts, html, secret
from ui.format import ago
from ui.session import Here

NAME, EMAIL, ZONE, LOCALE, CONFIRM = "me_name", "me_email", "me_zone", "me_locale", "me_confirm"
PRESENT, NEW, AGAIN = "me_present", "me_new", "me_again"
LOCALES = (
    *("cs_CZ", "da_DK", "de_AT", "de_CH", "de_DE", "en_AU", "en_CA", "en_GB", "en_IE", "en_IN", "en_US", "es_ES"),
    *("es_MX", "et_EE", "fi_FI", "fr_BE", "fr_CA", "fr_CH", "fr_FR", "hu_HU", "it_IT", "ja_JP", "ko_KR", "lt_LT"),
    *("lv_LV", "nb_NO", "nl_BE", "nl_NL", "pl_PL", "pt_BR", "pt_PT", "ro_RO", "sk_SK", "sv_SE", "tr_TR", "uk_UA"),
)
SHOWN = "Times are shown in this zone. Business dates, such as those of filters, stay your organisation's ({zone})."


def profile(here: Here) -> None:
    """Name and mail address, and how figures and times are shown to this person."""
    with here.read() as reading:
        mine = security.profile(reading)
        now = reading.now
    st.header("Profile", anchor=False)
    zones, locales = ["", *_zones()], ["", *sorted({*LOCALES, *filter(None, [mine.locale])}, key=_told_locale)]
    with st.form("me_profile", border=False):
        st.text_input("Name", mine.display_name, key=NAME, max_chars=80, autocomplete="name")
        st.text_input("E-mail", mine.email, key=EMAIL, max_chars=254, autocomplete="email")
        st.selectbox(
            "Time zone",
            zones,
            zones.index(mine.zone) if mine.zone in zones else 0,
            key=ZONE,
            format_func=lambda zone: zone or f"My organisation's ({here.around.zone})",
            help=SHOWN.format(zone=here.around.zone),
        )
        st.selectbox(
            "Numbers and dates",
            locales,
            locales.index(mine.locale),
            key=LOCALE,
            format_func=lambda name: _told_locale(name) if name else f"My organisation's ({here.around.locale})",
        )
        secret.field("Password, for another e-mail address", CONFIRM, help_="The former address is told as well.")
        st.caption(f"It is {here.shown.as_of(now)}; an amount reads {here.shown.amount(123456789, 'USD')}.")
        acts.send("Save", "me_profile", lambda: _save(here))


def _save(here: Here) -> str | SignInRefused:
    told = {key: str(st.session_state.get(key) or "") for key in (NAME, EMAIL, ZONE, LOCALE)}
    proof = secret.proof(here, CONFIRM)
    with here.work() as work:
        refused = security.change_profile(work, told[NAME], told[EMAIL], told[ZONE], told[LOCALE], proof=proof)
    return refused or "Your profile was saved."


def password(here: Here) -> None:
    """Set a new one; the present one is asked for."""
    st.header("Password", anchor=False)
    with st.form("me_password", border=False):
        secret.field("Present password", PRESENT)
        secret.field("New password", NEW, help_="At least 12 characters, without your username in them.")
        secret.field("New password again", AGAIN)
        st.caption("Every other session and API token of yours ends.")
        acts.send("Change the password", "me_password", lambda: _change(here))


def _change(here: Here) -> str | SignInRefused:
    present, new, again = (secret.take(key) for key in (PRESENT, NEW, AGAIN))
    if new != again:
        return SignInRefused("PASSWORDS_DIFFER", "The two new passwords are not the same.", "Type both again.")
    address = st.context.ip_address or ""
    with here.read() as reading:
        change = security.prepare_password(reading, present, new, address)
    with here.work() as work:
        refused = security.change_password(work, change)
    return refused or "Your password was changed. Every other session and token of yours has ended."


def sessions(here: Here) -> None:
    """Where the person is signed in; one can be ended, or all others."""
    with here.read() as reading:
        every = security.sessions_of(reading, here.session.person_id)
        now = reading.now
    st.header("Sessions", anchor=False)
    st.caption("Where you are signed in now. End what you do not know, and change your password.")
    acts.refusal_at("me_session")
    for entry in every:
        mine = entry.id == here.session.id
        with st.container(
            horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key=f"tall_{entry.id}"
        ):
            facts = f"since {here.shown.instant(entry.opened_at)} · seen {ago(entry.last_seen_at, now)}"
            here_badge = html.badge("This one", "green") if mine else ""
            html.draw(html.lines(html.join(html.strong(_where(entry)), here_badge), html.faint(facts)))
            if not mine:
                act = lambda entry=entry: _end(here, entry)  # noqa: E731 - one for each row
                st.button("End", key=f"end_{entry.id}", on_click=acts.carry_out, args=("me_session", act))
    if len(every) > 1:
        with st.container(key="tall_me_others"):
            acts.button("End all others", "me_others", lambda: _end_others(here), "logout")


def _where(entry: SessionEntry) -> str:
    return f"Address {entry.address}" if entry.address else "Address not known"


def _end(here: Here, entry: SessionEntry) -> str:
    with here.work() as work:
        security.sign_out(work, entry.id)
    return "The session was ended."


def _end_others(here: Here) -> str:
    with here.work() as work:
        security.sign_out_others(work)
    return "Every other session was ended."


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    """Places people know, and UTC; the many historical names and offsets are left out."""
    places = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    return ("UTC", *sorted(zone for zone in available_timezones() if zone.partition("/")[0] in places))


@lru_cache(maxsize=64)
def _told_locale(name: str) -> str:
    return str(Locale.parse(name).get_display_name("en")) if name else ""
