"""The file of a bank-transfer run: downloaded for the bank, and what the bank's answer did to its payments."""

import streamlit as st

from finops_core import files, payouts, security
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.permissions import Permission
from finops_core.operations import OVER, ExecutionView
from finops_core.payouts import PayoutState, StatusTaken
from ui import html, outcome, widgets
from ui.format import plural, size
from ui.runs import BANK_TRANSFERS
from ui.session import Here

TAKEN, TURN = "bank_status_taken", "bank_status_turn"
# Where a payout stands once its bank file was written; not everybody who settles sees the file itself.
LEFT = frozenset({PayoutState.IN_TRANSIT, PayoutState.PAID, PayoutState.FAILED})
TO_BANK = (
    "Give it to your bank as it is, once: the bank pays what is in it. Every download is counted here and in the audit."
)
TAKEN_BY = "{name} gives it to the bank, once. Every download is counted here and in the audit."
ANSWERED = "the bank has answered it; it must not go in again"
FROM_BANK = (
    "Banks answer with a status file (pain.002, XML): which payments were taken, which were refused and why. Bring it "
    "here and each payment moves on. A file with faults, or about another bank file, changes nothing."
)
BY_OTHERS = (
    "When the bank sends its status file (pain.002), give it to somebody who did not prepare these payments and may "
    "settle them: {names}. What the bank refused can be paid again, so the one who pays does not also bring the proof."
)
NOT_WRITTEN = "Its orders wait where nobody pays them. Take them back, then retry; or leave them, and nobody is paid."


def section(here: Here, run: ExecutionView) -> None:
    """The files of the run and the way back from the bank; nothing for other operations, or before it has run."""
    if run.operation_id != BANK_TRANSFERS:
        return
    with here.read() as reading:
        stored = files.of(reading, "execution", run.id)
        made = [file for file in stored if file.role == files.OUTPUT and file.name.endswith(".xml")]
        taken = [file for file in stored if file.role == files.STATUS]
        written = files.payable(reading, "execution", run.id)
        takes = payouts.may_take_status(reading, run)
        able = security.people_with(reading, Permission.PAYOUTS_RESOLVE)
        found = payouts.remedies(reading, run)
        preparer = security.names(reading, [run.requested_by]).get(run.requested_by, "whoever prepared it")
    left = found.of(LEFT).count
    on_its_way = found.of({PayoutState.CREATED, PayoutState.IN_TRANSIT}).count
    if found.takeable.count and not left and run.state in OVER:
        st.warning(f"**The bank file was not written.**  \n{NOT_WRITTEN}", icon=":material/warning:")
    if not written:
        return
    st.markdown("**Bank file**")
    with st.container(border=True):
        for each in written:
            file = next((one for one in made if one.name == each.name), None)
            # Only what the bank has refused is paid again, so a file before the last one has had its answer.
            _file(here, each, file, answered=each is not written[-1] or not on_its_way)
        st.caption(TO_BANK if made else TAKEN_BY.format(name=preparer))
    if takes:
        _answer(here, run, taken)
    elif here.may(Permission.PAYOUTS_PREPARE):
        names = ", ".join(person.display_name for person in able if person.id != run.requested_by)
        st.caption(BY_OTHERS.format(names=names or "nobody yet; ask an administrator"))


def _file(here: Here, written: files.PayableView, file: files.FileView | None, *, answered: bool) -> None:
    """One file: to be given to the bank, or answered by it; without its download for those who do not see it."""
    count = plural(written.downloads, "download") if written.downloads else "not downloaded yet"
    told = f"{here.shown.instant(written.created_at)} · {count}" + (f" · {ANSWERED}" if answered else "")
    if file is None:
        html.draw(html.line(html.strong(written.name), html.faint(told)))
        return
    told, label = f"{size(file.size_bytes)} · {told}", "Download again" if answered else "Download for the bank"
    outcome.hand_out(here, file, told, key=f"tall_bank_{file.id}", label=label, on_click="rerun", quiet=answered)


def _answer(here: Here, run: ExecutionView, taken: list[files.FileView]) -> None:
    """Bring the bank's status file; what the last one did stays in sight."""
    with st.expander("The bank's answer", icon=":material/mark_email_read:", expanded=not taken):
        st.caption(FROM_BANK)
        for file in taken:
            when = here.shown.instant(file.created_at)
            html.draw(html.line(html.icon("check_circle", "green"), html.strong(file.name), html.faint(f"read {when}")))
        turn = st.session_state.setdefault(TURN, 0)
        with st.form(f"bank_status_{run.id}", border=False):
            given = st.file_uploader("Status file (pain.002)", type="xml", key=f"bank_status_{run.id}_{turn}")
            pressed = st.form_submit_button("Read it", type="primary", icon=":material/play_arrow:")
        if pressed:
            _read(here, run, given.name if given else "", given.getvalue() if given else None)
        done: tuple[str, str, StatusTaken] | None = st.session_state.get(TAKEN)
        if done is not None and done[0] == run.id:
            _told(done[1], done[2])


def _read(here: Here, run: ExecutionView, name: str, content: bytes | None) -> None:
    if content is None:
        st.error("**Choose the bank's status file first.**", icon=":material/error:")
        return
    try:
        with here.work():
            pass  # a page drawn for another organisation is refused before anything is read
        done = payouts.take_bank_status(here.desk, here.actor, run.id, name, content)
    except FinOpsError as error:
        st.session_state.pop(TAKEN, None)
        widgets.refusal(error)
        return
    st.session_state[TAKEN] = (run.id, name, done)
    if not done.faults:
        st.session_state[TURN] += 1
        st.rerun()


def _told(name: str, done: StatusTaken) -> None:
    if done.faults:
        widgets.faults_table(done.faults, name, "nothing was changed")
        return
    moved = f"{plural(done.moved, 'payment')} moved on" if done.moved else "nothing new"
    st.success(f"{name}: {plural(done.named, 'payment')} named, {moved}.", icon=":material/check_circle:")
