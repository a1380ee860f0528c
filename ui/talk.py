"""What is said about a thing and attached to it: read by everybody who may see it, added to by them."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from finops_core import files, security
from finops_core.files import COMMENT_MAX_CHARS, CommentView, FileView
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from ui import html, widgets
from ui.format import ago, plural, size
from ui.html import Markup
from ui.session import Here

SOMEBODY = "Somebody"
MIB = 1024 * 1024


def section(here: Here, kind: str, id_: str) -> None:
    """Comments and attachments, folded to a line while nobody has said anything."""
    place = f"talk_{kind}_{id_}"
    with here.read() as reading:
        said = files.comments(reading, kind, id_)
        earlier = files.earlier_comments(reading, kind, id_) if said else 0
        kept = files.attachments(reading, kind, id_)
        people = {each.author for each in said} | {each.uploaded_by for each in kept}
        names, now = security.names(reading, people), reading.now
    counted = [plural(len(said) + earlier, "comment")] * bool(said) + [plural(len(kept), "attachment")] * bool(kept)
    with st.expander(
        "Comments" if not counted else " · ".join(counted), icon=":material/forum:", expanded=bool(counted), key=place
    ):
        if earlier:
            st.caption(f"The last {len(said)} are shown; {plural(earlier, 'earlier one')} not.")
        for each in said:
            _comment(here, each, names, ago(each.created_at, now))
        for file in kept:
            _attachment(here, file, names)
        _say(here, kind, id_, place)
        if here.may(Permission.FILES_UPLOAD):
            _attach(here, kind, id_, place)


def _comment(here: Here, said: CommentView, names: Mapping[str, str], when: str) -> None:
    who = html.line(html.strong(names.get(said.author, SOMEBODY)), when)
    text = html.faint("Taken back by its author.") if said.withdrawn_at else html.text(said.text)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"unwrapped_{said.id}"):
        html.draw(Markup(f'<div class="to-said">{who}<div>{text}</div></div>'))
        mine = said.author == here.actor.id and not said.withdrawn_at
        if mine and st.button("", icon=":material/undo:", type="tertiary", key=f"back_{said.id}", help="Take it back"):
            _do(here, partial(_withdraw, here, said.id))


def _attachment(here: Here, file: FileView, names: Mapping[str, str]) -> None:
    told = f"{names.get(file.uploaded_by, SOMEBODY)} · {size(file.size_bytes)} · SHA-256 {file.sha256[:12]}…"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        html.draw(Markup(f"{html.icon('attach_file')} {html.strong(file.name)}<br>{html.faint(told)}"))
        st.download_button(
            "Download",
            partial(_bytes, here, file.id),
            file_name=file.name,
            mime=file.mime,
            icon=":material/download:",
            key=f"attached_{file.id}",
            on_click="ignore",
            disabled=not file.available,
        )


def _say(here: Here, kind: str, id_: str, place: str) -> None:
    with st.form(f"say_{place}", border=False, clear_on_submit=True):
        text = st.text_area("Message", height=80, max_chars=COMMENT_MAX_CHARS, key=f"text_{place}")
        sent = st.form_submit_button("Send", icon=":material/send:")
    if sent:
        _do(here, partial(_write, here, kind, id_, text))


def _attach(here: Here, kind: str, id_: str, place: str) -> None:
    most = max(1, here.desk.settings.upload_max_bytes // MIB)
    with st.form(f"attach_{place}", border=False, clear_on_submit=True):
        given = st.file_uploader("Attach a file", type=sorted(files.ATTACHED), max_upload_size=most, key=f"f_{place}")
        sent = st.form_submit_button("Attach", icon=":material/attach_file:")
    if sent and given is None:
        st.error("Choose a file first.", icon=":material/error:")
    elif sent and given is not None:
        _do(here, partial(_store, here, kind, id_, given.name, given.getvalue()))


def _do(here: Here, act: partial[None]) -> None:
    """Carry it out and draw anew with it, in a drawer only the drawer; or say why not."""
    del here
    try:
        act()
    except FinOpsError as error:
        widgets.refusal(error)
        return
    st.rerun()


def _write(here: Here, kind: str, id_: str, text: str) -> None:
    with here.work() as work:
        files.add_comment(work, kind, id_, text)


def _withdraw(here: Here, comment_id: str) -> None:
    with here.work() as work:
        files.withdraw_comment(work, comment_id)


def _store(here: Here, kind: str, id_: str, name: str, content: bytes) -> None:
    with here.work() as work:
        files.attach(work, kind, id_, name, content)


def _bytes(here: Here, reference_id: str) -> bytes:
    with here.hand_out() as work:
        return files.take_attachment(work, reference_id).content
