"""Files: what was uploaded, made and attached, with versions and uses; each opens beside the list."""

import streamlit as st

from finops_core import files, security
from finops_core.files import FileFilter
from finops_core.kernel.permissions import Permission
from ui import filters, html, several, stored, widgets
from ui.format import plural
from ui.session import open_page

here = open_page(Permission.FILES_VIEW_OWN, Permission.FILES_VIEW_ALL)
PAGE = "files_page"


def fresh() -> None:
    """Another question starts at its first page."""
    widgets.first_page(PAGE)


def wanted_rows() -> FileFilter:
    """The filters, kept in the address."""
    with filters.bar(fresh) as bar:
        text = bar.search("file_find", "Name of a file")
        role = bar.choice("Kind", stored.roles(), "file_kind")
        since = bar.day("From", "file_since")
        until = bar.day("To", "file_until")
        mine = bar.switch("Only mine", "file_mine")
    return FileFilter(
        text=text,
        role=role,
        mine=mine,
        since=here.shown.start_of(since) if since else None,
        until=here.shown.end_of(until) if until else None,
    )


title = st.empty()
wanted = wanted_rows()
offset = (widgets.page_wanted(PAGE) - 1) * widgets.PAGE_SIZE
with here.read() as reading:
    found = files.page(reading, wanted, widgets.PAGE_SIZE, offset)
    used_by = stored.numbers(reading, found.rows)
    names = security.names(reading, {row.uploaded_by for row in found.rows})
widgets.within(found.total, PAGE)
with title.container():
    widgets.head("Files", here.around.name, f"{plural(found.total, 'file')}, newest first")
if found.rows:
    html.draw(stored.table(found.rows, used_by, names, here.shown, st.query_params.to_dict()))
    several.take(here, found.rows)
elif wanted != FileFilter():
    widgets.empty("filter_alt_off", "Nothing matches", "Loosen the filters above.")
else:
    widgets.empty("folder_open", "No file is stored yet", "What you upload, and what a run makes, appears here.")
widgets.pager(found.total, PAGE)
stored.open_drawer(here)
