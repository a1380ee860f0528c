"""The same done to several at once: drafts called off, files taken, people signed out. Never a decision."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st

from finops_core import files, operations, security
from finops_core.files import BUNDLE_BYTES, FileView
from finops_core.operations import ExecutionView
from finops_core.security import MemberEntry
from ui import acts, html
from ui.format import plural, size
from ui.session import Here

DRAFTS, FILES, PEOPLE = "several_drafts", "several_files", "several_people"
KEPT = "several_people_kept"
WHY = "called off together with others"


def call_off(here: Here, drafts: Sequence[ExecutionView]) -> None:
    """Drafts of one's own, to be called off together; a retry is left on its own page, which says what stays of it."""
    named = {run.id: _draft(run, here) for run in drafts if not run.retry_rows}
    if len(named) < 2:  # noqa: PLR2004 - one is called off where it is looked at
        return
    with st.expander("Call several off", icon=":material/playlist_remove:", expanded=acts.is_refused(DRAFTS)):
        chosen = [each for each, name in named.items() if st.checkbox(name, key=f"{DRAFTS}_{each}")]
        acts.refusal_at(DRAFTS)
        _button(f"Call off {plural(len(chosen), 'draft')}", DRAFTS, chosen, lambda: _call_off(here, chosen))


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


def sign_out(here: Here, people: Sequence[MemberEntry]) -> None:
    """Colleagues of a list, to be signed out together: when a device is lost, or an address was broken into."""
    named = {each.id: each.display_name for each in people if _can_be_in(each, here)}
    if len(named) < 2:  # noqa: PLR2004 - one is signed out on their own page
        return
    kept = st.session_state.pop(KEPT, None)
    with st.expander("Sign several out", icon=":material/logout:", expanded=bool(kept) or acts.is_refused(PEOPLE)):
        chosen = st.multiselect(
            "People", list(named), format_func=named.__getitem__, key=PEOPLE, placeholder="Choose people of this page"
        )
        st.caption("It ends every session and API token of theirs, in all their organisations.")
        acts.refusal_at(PEOPLE)
        if kept:
            html.draw(html.told("block", "Not signed out", html.lines(*kept), "red"))
        out = {each: named[each] for each in chosen}
        _button(f"Sign {plural(len(out), 'person', 'people')} out", PEOPLE, chosen, lambda: _sign_out(here, out))


def _button(label: str, place: str, chosen: Sequence[str], act: Callable[[], str]) -> None:
    with st.container(key=f"tall_{place}"):
        st.button(label, disabled=not chosen, key=f"act_{place}", on_click=acts.carry_out, args=(place, act))


def _sign_out(here: Here, named: Mapping[str, str]) -> str:
    """Each by themself: who cannot be signed out is named with the reason, and the others are."""
    with here.work() as work:
        each = security.sign_out_several(work, named)
    st.session_state[PEOPLE] = []
    st.session_state[KEPT] = [f"{named[one.person_id]}: {one.refusal.message}" for one in each if one.refusal]
    out = [named[one.person_id] for one in each if one.refusal is None]
    ended = plural(sum(one.sessions for one in each), "session")
    return f"{', '.join(sorted(out))}: {ended} ended." if out else ""


def _call_off(here: Here, chosen: Sequence[str]) -> str:
    """All of them in one unit: when one has moved on meanwhile, none is called off, and the refusal names it."""
    with here.work() as work:
        for each in chosen:
            operations.cancel(work, each, WHY)
    return f"{plural(len(chosen), 'draft')} called off"


def _zip(here: Here, chosen: Sequence[str]) -> bytes:
    with here.hand_out() as work:
        return files.download_all(work, chosen).content


def _can_be_in(entry: MemberEntry, here: Here) -> bool:
    return entry.active and entry.joined and entry.id != here.session.person_id


def _draft(run: ExecutionView, here: Here) -> str:
    sums = here.shown.first_amounts(run.totals, 2)
    return " · ".join([run.number, run.title, *sums])


def _file(row: FileView) -> str:
    return f"{row.name}, version {row.version}" if row.version > 1 else row.name
