"""The same done to several things at once: drafts called off, files taken. Never a decision: each is seen alone."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from finops_core import files, operations
from finops_core.files import BUNDLE_BYTES, FileView
from finops_core.operations import ExecutionView
from ui import acts
from ui.format import plural, size
from ui.session import Here

DRAFTS, FILES = "several_drafts", "several_files"
WHY = "called off together with others"


def call_off(here: Here, drafts: Sequence[ExecutionView]) -> None:
    """Drafts of one's own, to be called off together; a retry is left on its own page, which says what stays of it."""
    named = {run.id: _draft(run, here) for run in drafts if not run.retry_rows}
    if len(named) < 2:  # noqa: PLR2004 - one is called off where it is looked at
        return
    with st.expander("Call several off", icon=":material/playlist_remove:", expanded=acts.is_refused(DRAFTS)):
        chosen = [each for each, name in named.items() if st.checkbox(name, key=f"{DRAFTS}_{each}")]
        acts.refusal_at(DRAFTS)
        _button(f"Call off {plural(len(chosen), 'draft')}", chosen, lambda: _call_off(here, chosen))


def take(here: Here, rows: Sequence[FileView]) -> None:
    """Files of a list, to be taken as one ZIP; made when the button is pressed."""
    with here.read() as reading:
        named = {row.id: _file(row) for row in rows if row.available and files.may_take(reading, row)}
    if len(named) < 2:  # noqa: PLR2004 - one is taken from its drawer
        return
    with st.expander("Download several", icon=":material/folder_zip:"):
        chosen = st.multiselect(
            "Files", list(named), format_func=named.__getitem__, key=FILES, placeholder="Choose files of this page"
        )
        whole = sum(row.size_bytes for row in rows if row.id in chosen)
        if whole > BUNDLE_BYTES:
            st.caption(f"Together {size(whole)}: take at most {size(BUNDLE_BYTES)} at once.")
        st.download_button(
            f"Download {plural(len(chosen), 'file')} as ZIP",
            partial(_zip, here, chosen),
            file_name="files.zip",
            mime="application/zip",
            icon=":material/download:",
            key="tall_several_files",
            on_click="ignore",
            disabled=not chosen or whole > BUNDLE_BYTES,
        )


def _button(label: str, chosen: Sequence[str], act: Callable[[], str]) -> None:
    with st.container(key=f"tall_{DRAFTS}"):
        st.button(label, disabled=not chosen, key=f"act_{DRAFTS}", on_click=acts.carry_out, args=(DRAFTS, act))


def _call_off(here: Here, chosen: Sequence[str]) -> str:
    """All of them in one unit: when one has moved on meanwhile, none is called off, and the refusal names it."""
    with here.work() as work:
        for each in chosen:
            operations.cancel(work, each, WHY)
    return f"{plural(len(chosen), 'draft')} called off"


def _zip(here: Here, chosen: Sequence[str]) -> bytes:
    with here.hand_out() as work:
        return files.download_all(work, chosen).content


def _draft(run: ExecutionView, here: Here) -> str:
    sums = here.shown.first_amounts(run.totals, 2)
    return " · ".join([run.number, run.title, *sums])


def _file(row: FileView) -> str:
    return f"{row.name}, version {row.version}" if row.version > 1 else row.name
