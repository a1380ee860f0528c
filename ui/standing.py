"""What everybody should know of the desk itself while it lasts: that no worker is there."""

import streamlit as st

from finops_core.kernel.permissions import Permission
from finops_core.upkeep import outage
from finops_core.upkeep.outage import OutageWatch
from ui import address, html
from ui.session import Here, the_desk

LOOK_AGAIN_S = 3


@st.cache_resource(show_spinner=False)
def _watch() -> OutageWatch:
    return OutageWatch(the_desk)


def worker_line(here: Here, gone_s: float | None) -> None:
    """A line on every page while the worker is gone; whoever watches the desk is told of it, once."""
    if _watch().saw(gone_s):
        st.fragment(_line, run_every=LOOK_AGAIN_S)(here, [True])


def _line(here: Here, just_found: list[bool]) -> None:
    """Goes by itself: a page nobody touches must not say for an hour what was true for a moment.

    Such a moment follows a database that was away: the worker could not keep its lease either.
    """
    if just_found:
        just_found.clear()
    elif not _is_gone(here):
        address.draw_anew()
    told = "The worker is not there: nothing is planned, sent or followed until it is back."
    more = html.link("See Health", "health") if here.may(Permission.HEALTH_VIEW) else ""
    html.draw(html.told("engineering", told, more, "red"))


def _is_gone(here: Here) -> bool:
    with here.read() as reading:
        gone_s = outage.absence_s(reading)
    return _watch().saw(gone_s)
