"""How somebody wants to be told, kind by kind, in one form that is saved at once."""

import streamlit as st

from finops_core import notifications
from finops_core.notifications import KINDS, Kind, Way
from ui import toasts
from ui.session import Here

LABELS = {Way.MAIL: "Mail now", Way.DIGEST: "Daily mail", Way.APP: "Here", Way.OFF: "Off"}
NEVER = "Never"


def form(here: Here) -> None:
    """Every kind with the ways there are, and when the daily mail comes."""
    with here.read() as reading:
        now = notifications.choices(reading)
    st.caption("“Here” is among the notices; what comes by mail stands there too.")
    with st.form("preferences", border=False):
        with st.container(border=True):
            ways = {kind.value: _choice(kind, now.ways[kind]) for kind in Kind if _is_offered(here, kind)}
        hours = [NEVER, *(f"{hour:02}:00" for hour in range(24))]
        at = 0 if now.digest_hour is None else now.digest_hour + 1
        chosen = st.selectbox(
            "The daily mail comes at",
            hours,
            index=at,
            width=260,
            help="What you have not read, and what waits for your decision. None when there is nothing.",
        )
        st.caption(f"By the organisation's clock, {here.around.zone}.")
        saved = st.form_submit_button("Save", type="primary", icon=":material/save:")
    if saved:
        with here.work() as work:
            notifications.choose(work, ways, None if chosen in (NEVER, None) else int(str(chosen)[:2]))
        toasts.say("Saved")
        st.rerun()


def _is_offered(here: Here, kind: Kind) -> bool:
    """Whether there is something to choose, and this person is ever told of it."""
    facts = KINDS[kind]
    return len(facts.ways) > 1 and (facts.told is None or here.may(facts.told))


def _choice(kind: Kind, way: Way) -> str:
    name, choice = st.columns([2, 3], vertical_alignment="center")
    with name:
        st.markdown(KINDS[kind].title)
    with choice:
        chosen: Way | None = st.segmented_control(
            KINDS[kind].title,
            list(KINDS[kind].ways),
            default=way,
            required=True,
            key=f"way_{kind.value}",
            format_func=LABELS.__getitem__,
            label_visibility="collapsed",
            wrap=True,
        )
    return chosen or way
