"""My work: what waits for the person who looks, what of theirs is under way or went wrong, and their history."""

import streamlit as st

from finops_core import insight, operations
from finops_core.kernel.permissions import Permission
from ui import figures, filters, html, mine, several, widgets
from ui.session import open_page

here = open_page(Permission.HOME_VIEW)
with here.read() as reading:
    view = insight.my_work(reading)
    offered = operations.catalogue(reading)
now = view.figures.as_of

widgets.head("My work", here.around.name, f"as of {here.shown.as_of(now)}")
spoken = {figure.key: filters.spoken(figure.query, offered) for figure in view.figures.figures}
html.draw(figures.cards(view.figures.figures, here.shown, spoken))

mine.section("For you to decide", [mine.asked(each, here.shown, now) for each in view.to_decide])
mine.section("Not submitted yet", [mine.unsubmitted(run, here.shown, now) for run in view.drafts])
several.call_off(here, view.drafts)
mine.section("Went wrong", [mine.wrong(run, here.shown, now) for run in view.failed])
mine.section("Under way", [mine.moving(run, here.shown, now) for run in view.running])
mine.section("Waiting", [mine.waiting(run, view.asked.get(run.id), here.shown, now) for run in view.awaiting])
if not mine.anything(view):
    widgets.empty("task_alt", "Nothing waits for you", "What you begin, and what you are asked, appears here.")
if view.ended:
    st.header("Ended", anchor=False)
    html.draw(mine.history(view.ended, here.shown))
