"""Search: one field, and what was found in each area that the person may see."""

import streamlit as st

from finops_core.kernel.permissions import Permission
from ui import finding, widgets
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.HOME_VIEW)
LOOKS_FOR = (
    "Numbers (EX-2026-0001, JE-2026-0001), ids of ours and of the provider, amounts with or without their currency "
    "(1,250.00 EUR), payees, parties, the last four digits of an account, file names, the beginning of a file's "
    "SHA-256, and people."
)

title = st.empty()
typed = st.text_input(
    "Search", key=finding.ASKED, bind="query-params", placeholder=finding.HINT, label_visibility="collapsed"
).strip()
found, names, today = finding.look(here, typed)
with title.container():
    widgets.head("Search", here.around.name, f"{plural(found.total, 'thing')} found" if found.sought else "")
finding.groups(here, found, names, today)
if not found.sought:
    widgets.empty("search", "What are you looking for?", LOOKS_FOR)
elif not found.total:
    widgets.empty("search_off", "Nothing matches", LOOKS_FOR)
