"""Health: how database, worker, queue and log stand, and whether what must always hold still does."""

import streamlit as st

from finops_core.kernel.permissions import Permission
from finops_core.upkeep import checking
from ui import address, health, html, runs, schedules, toasts, widgets
from ui.format import ago, plural
from ui.health import Standing
from ui.session import open_page

here = open_page(Permission.HEALTH_VIEW)
ASKED, SINCE = "checks_asked", "checks_waited_since"
FOLLOW_S = 1.0


def verdict(standing: Standing) -> None:
    """Everything in one sentence."""
    trouble = health.trouble(standing, parts)
    if trouble:
        st.error(f"**Needs somebody: {', '.join(trouble)}.**  \nWhat to do stands with each.", icon=":material/error:")
    elif health.last_run(standing.checks) is None:
        st.info("**The checks have not run yet.**  \nThe worker runs them every 15 minutes.", icon=":material/info:")
    elif off := schedules.off(standing.schedules):
        st.warning(
            f"**Switched off: {off}.**  \nEvery check holds. What is missed stands below.", icon=":material/pause:"
        )
    else:
        st.success("**The desk is well.** Every check holds.", icon=":material/check_circle:")


def checks(standing: Standing) -> None:
    """The standing checks: failed ones with what to do, then all of them."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("Standing checks", anchor=False, width="content")
        with st.container(key="tall_checks", width="content"):
            label, icon = "Run the checks now", ":material/rule:"
            if st.button(label, icon=icon, type="primary", disabled=standing.checking):
                with here.work() as work:
                    checking.ask_to_check(work)
                st.session_state[ASKED] = True
                st.rerun()
    if standing.checking:
        st.fragment(follow, run_every=FOLLOW_S)()
    for view in standing.checks:
        if view.violations:
            html.draw(health.violations(view, standing.numbers))
    html.draw(health.checks_table(standing.checks, standing.now, here.shown))


def follow() -> None:
    """Look until the checks have run, then draw the page anew."""
    with here.read() as reading:
        under_way, now = checking.under_way(reading), reading.now
    if not under_way:
        address.draw_anew()
    since = st.session_state.setdefault(SINCE, now)
    html.draw(html.line(html.icon("hourglass_top", "blue"), runs.turn_words((now - since).total_seconds())))


def told_at_last(standing: Standing) -> None:
    """Whoever asked for the checks is told once that they have run, however quick they were."""
    if standing.checking:
        return
    st.session_state.pop(SINCE, None)
    if st.session_state.pop(ASKED, False):
        failed = sum(1 for view in standing.checks if view.violations)
        toasts.say(
            f"The checks have run: {plural(failed, 'check')} failed" if failed else "The checks have run: all hold"
        )


standing = health.look(here)
parts = health.parts(standing, here.shown, here.desk.settings.scheduler_lease_s)
ran = health.last_run(standing.checks)
told = f"checks ran {ago(ran, standing.now)}" if ran else "checks never ran"
widgets.head("Health", here.around.name, told, f"as of {here.shown.as_of(standing.now)}")
verdict(standing)
for row in (parts[:2], parts[2:]):
    for column, each in zip(st.columns(2), row, strict=True):
        with column, st.container(border=True, height="stretch"):
            html.draw(health.part(each))
if standing.machinery.broken:
    st.header(f"{plural(len(standing.machinery.broken), 'job')} that failed", anchor=False)
    html.draw(health.jobs_table(standing.machinery.broken, standing.now))
checks(standing)
schedules.section(here, standing.schedules)
told_at_last(standing)
