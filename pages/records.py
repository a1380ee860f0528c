"""Records: the rows of any table, drawn from what the table says of itself. They are only looked at."""

import streamlit as st

from finops_core import insight
from finops_core.catalog.tables import TABLES
from finops_core.kernel.permissions import Permission
from ui import filters, records
from ui.session import open_page

here = open_page(Permission.AUDIT_VIEW)

title = st.empty()
with here.read() as reading:
    every = {each.name: each for each in insight.tables(reading, TABLES)}
with filters.bar(records.fresh) as bar:
    titles = {"": "All tables", **{name: each.title for name, each in every.items()}}
    chosen = every.get(bar.order("Table", titles, records.OF, width=220))
    text = bar.search(records.FIND, records.hint(chosen), width=260) if chosen and chosen.searched else ""
if chosen:
    records.rows(here, title, chosen, text)
else:
    records.overview(here, title)
