"""What everybody should know of the desk itself while it lasts: that no worker is there."""

import streamlit as st

from finops_core.kernel.permissions import Permission
from finops_core.upkeep.outage import OutageWatch
from ui import html
from ui.session import Here, the_desk


@st.cache_resource(show_spinner=False)
def _watch() -> OutageWatch:
    return OutageWatch(the_desk)


def worker_line(here: Here, gone_s: float | None) -> None:
    """A line on every page while the worker is gone; whoever watches the desk is told of it, once."""
    if _watch().saw(gone_s):
        told = "The worker is not there: nothing is planned, sent or followed until it is back."
        more = html.link("See Health", "health") if here.may(Permission.HEALTH_VIEW) else ""
        html.draw(html.told("engineering", told, more, "red"))
