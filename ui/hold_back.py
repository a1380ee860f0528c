"""The time between an approval and the first payment: a countdown, and one button that stops it."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from finops_core import operations
from finops_core.kernel.errors import FinOpsError
from finops_core.operations import ExecutionView
from ui import html, toasts, widgets
from ui.format import countdown
from ui.html import Markup
from ui.session import Here

TICK_S, SLOW_TICK_S = 1, 15
SHORT_S = 600
WHY = "nothing was sent"


def card(here: Here, run: ExecutionView, left_s: float, *, may_stop: bool) -> None:
    """How long there still is to stop it; the button is outside of what ticks, so that a press is never lost."""
    begins_at = run.not_before
    if begins_at is None:
        return
    sums = here.shown.first_amounts(run.totals)
    with st.container(border=True, key="held_back"):
        st.fragment(_ticking, run_every=TICK_S if left_s < SHORT_S else SLOW_TICK_S)(here, begins_at, sums)
        if may_stop and st.button(
            "Stop", key="tall_stop", icon=":material/front_hand:", type="primary", width="stretch"
        ):
            _stop(here, run)


def _ticking(here: Here, begins_at: datetime, sums: Sequence[str]) -> None:
    html.draw(words((begins_at - here.desk.ports.clock.now()).total_seconds(), sums))


def words(left_s: float, sums: Sequence[str]) -> Markup:
    """The sentence with the time that is left, and what is about to be sent."""
    told = f"Sending begins in {countdown(left_s)}" if left_s > 0 else "Sending begins now"
    why = "It is approved, and nothing has been sent. Until then it can be stopped without a trace at the provider."
    amounts = html.line(*map(html.strong, sums), html.text(why))
    return Markup(f'<div class="to-count" role="timer">{html.text(told)}</div>{amounts}')


def _stop(here: Here, run: ExecutionView) -> None:
    try:
        with here.work() as work:
            operations.cancel(work, run.id, WHY)
    except FinOpsError as error:
        widgets.refusal(error)
        return
    toasts.say(f"{run.number} stopped; nothing was sent", "front_hand")
    st.rerun()
