"""The drawer of one request: what is asked, its plan and checks, what was said, and the one decision."""

from dataclasses import dataclass
from datetime import datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from finops_core import approvals, operations, parties, payouts, security
from finops_core.approvals import Decision, RequestView
from finops_core.kernel.errors import FinOpsError, NotFound
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionView, PlanView
from finops_core.payouts import Meanwhile, RehearsalView, Remedies
from finops_core.platform.work import Reading
from ui import address, html, rehearsals, request_cards, runs, talk, toasts, widgets
from ui.format import countdown
from ui.plan import plan_view
from ui.session import Here

OPEN, PAGE = "request", "drawer_page"
SHOWN = "shown_since_"
SINCE_OPENED = "of the same file or payees, since you opened this"
LOOK_AGAIN = "Nothing was decided. Look above, then decide again."
TAKEN_AWAY = frozenset({approvals.State.SUPERSEDED, approvals.State.WITHDRAWN})
KEYS: dict[str, str | None] = {"Approve": "Alt+A", "Reject": "Alt+J", "Next": "Alt+N"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with what belongs to it; ``plan`` is the one that was asked about, ``newest`` the one that counts.

    ``retried``: how the payouts stand, when that plan pays some of them again. ``rehearsed``: of that very plan.
    ``meanwhile``: what other executions did since that plan was made, looked up now; nothing once it is decided.
    """

    request: RequestView
    newest: RequestView
    run: ExecutionView | None
    plan: PlanView | None
    retried: Remedies | None
    rehearsed: tuple[RehearsalView, ...]
    meanwhile: Meanwhile
    now: datetime

    @property
    def same_plan(self) -> bool:
        """Whether what was asked about is still what would be carried out."""
        return self.plan is not None and self.run is not None and self.run.plan_hash == self.request.content_hash


def open_drawer(here: Here, request: RequestView) -> None:
    """Show it beside the list."""
    st.dialog(request.title, width="medium", position="right", on_dismiss=close)(_drawer)(here, request.id)


def close() -> None:
    """The drawer was put away."""
    address.put_away(OPEN, PAGE)


def wanted(request: RequestView) -> bool:
    """Whether the address names this request, by number or id."""
    return st.query_params.get(OPEN, "") in {request.number, request.id}


def elsewhere(here: Here, missing: DeltaGenerator) -> RequestView | None:
    """A request the address names that is on neither list's present page; told in ``missing`` when there is none."""
    asked_for = st.query_params.get(OPEN, "")
    if not asked_for:
        return None
    try:
        with here.read() as reading:
            return approvals.request_view(reading, asked_for)
    except NotFound as error:
        with missing:
            widgets.refusal(error)
        return None


def _drawer(here: Here, request_id: str) -> None:
    with here.read() as reading:
        asked = _asked(reading, request_id)
        following = _following(reading, request_id)
        people = {*request_cards.people([asked.request]), *(each.requested_by for each in asked.rehearsed)}
        names = security.names(reading, people)
        holders = parties.names(reading, request_cards.holders(asked.request))
    request = asked.request
    html.draw(request_cards.facts(request, names, asked.run, here.around.name, asked.now))
    _on_to(following)
    if asked.plan is not None:
        plan_view(asked.plan, here.shown, asked.retried, PAGE, asked.meanwhile)
        html.draw(rehearsals.outcomes(asked.rehearsed, names, here))
    else:
        html.draw(request_cards.sums(request, here.shown))
        html.draw(request_cards.adjustment(request, here.shown, holders, opens=here.may(Permission.LEDGER_VIEW)))
        html.draw(request_cards.bank_details(request))
    html.draw(request_cards.said(request, names, here.shown))
    # One conversation about a matter: what is said here stands on the execution's page too.
    talk.section(here, *(("execution", asked.run.id) if asked.run else ("approval", request.id)))
    if request.refusal is None:
        html.draw(request_cards.checks(request, same_plan=asked.same_plan, cool_off_h=here.desk.settings.cool_off_h))
        _decide(here, request, asked.meanwhile)
    elif request.state is approvals.State.PENDING:
        st.info(f"**{request.refusal.message}**  \n{request.refusal.hint}", icon=":material/lock:")
    elif asked.newest.id != request.id or request.state in TAKEN_AWAY:
        _replaced(here, asked)
    else:
        html.draw(request_cards.ending(request, here.shown))


def _asked(reading: Reading, request_id: str) -> Asked:
    """The request; its execution, when the person may see that, with the very plan that was asked about."""
    request = approvals.request_view(reading, request_id)
    newest = approvals.of_subject(reading, request.subject_kind, request.subject_id)[0]
    try:
        run = operations.execution(reading, request.subject_id)
        plan = operations.plan(reading, run.id, request.content_hash)
    except NotFound:
        return Asked(request, newest, None, None, None, (), Meanwhile(), reading.now)
    again = run.retry_rows and plan is not None and plan.attempt == run.attempt
    retried = payouts.remedies(reading, run) if again else None
    waits = request.state is approvals.State.PENDING
    return Asked(
        request,
        newest,
        run,
        plan,
        retried,
        payouts.rehearsals(reading, run.id, request.content_hash),
        payouts.meanwhile(reading, run, plan) if waits and plan is not None else Meanwhile(),
        reading.now,
    )


def _following(reading: Reading, request_id: str) -> str:
    """The number of the next request this person may decide, in the order of the list; "" when there is no other."""
    if not reading.may(Permission.APPROVALS_VIEW):
        return ""
    waiting = approvals.waiting(reading)
    place = next((index for index, each in enumerate(waiting) if each.id == request_id), -1)
    mine = [each for each in (*waiting[place + 1 :], *waiting[: max(place, 0)]) if each.refusal is None]
    return mine[0].number if mine else ""


def _on_to(following: str) -> None:
    """The button that opens the next request in place of this one."""
    key = None if widgets.on_phone() else KEYS["Next"]
    if following and st.button("Next request", icon=":material/arrow_forward:", type="tertiary", shortcut=key):
        close()
        st.query_params[OPEN] = following
        st.rerun()


def _replaced(here: Here, asked: Asked) -> None:
    """What somebody reads whose drawer stood open while the preparer thought again."""
    request, newest = asked.request, asked.newest
    why = (request.closed_why or "a newer request took its place").rstrip(".")
    told = f"{request.number} does not count any more: {why}."
    if newest.id == request.id:
        since = f"Since {here.shown.instant(request.decided_at)}. " if request.decided_at else ""
        begun = "" if request.decisions else "Nothing was decided. "
        hint = f"{since}{begun}Should it be submitted again, a new request appears in the list."
        st.warning(f"**{told}**  \n{hint}", icon=":material/update:")
        return
    st.warning(f"**{told}**  \nIt was replaced by {newest.number}.", icon=":material/update:")
    html.draw(html.line(html.link(f"Open {newest.number}", "approvals", {OPEN: newest.number})))


def _unseen(request: RequestView, meanwhile: Meanwhile) -> tuple[str, ...]:
    """Executions that paid or will pay the same, and were not yet on the screen on which the button was pressed."""
    place = f"{SHOWN}{request.id}"
    shown: frozenset[str] = st.session_state.get(place, meanwhile.numbers)
    st.session_state[place] = meanwhile.numbers
    return meanwhile.unseen(shown)


def _decide(here: Here, request: RequestView, meanwhile: Meanwhile) -> None:
    """Comment and the two buttons, each with its key; a phone has none, and no room to name them."""
    unseen = _unseen(request, meanwhile)
    keys = dict.fromkeys(KEYS) if widgets.on_phone() else KEYS
    with st.form("decide", border=False):
        comment = st.text_area("Comment", placeholder="Needed to reject", height=80, max_chars=2000)
        wrong = st.container()
        with st.container(horizontal=True, key="tall_decide"):
            yes = st.form_submit_button(
                "Approve", type="primary", icon=":material/check:", width="stretch", shortcut=keys["Approve"]
            )
            no = st.form_submit_button("Reject", icon=":material/close:", width="stretch", shortcut=keys["Reject"])
    if not (yes or no):
        return
    if yes and unseen:
        with wrong:
            st.warning(f"**{', '.join(unseen)}: {SINCE_OPENED}**  \n{LOOK_AGAIN}", icon=":material/update:")
        return
    decision = Decision.APPROVED if yes else Decision.REJECTED
    try:
        with here.work() as work:
            decided = approvals.decide(work, request.id, decision, comment.strip(), request.content_hash)
    except FinOpsError as error:
        with wrong:
            widgets.refusal(error)
        return
    toasts.say(f"{request.number} {decision.value}{_held_back(here, decided)}")
    close()
    st.rerun()


def _held_back(here: Here, decided: RequestView) -> str:
    """What to add when it does not leave at once; nothing for a person who may not see what they decided on."""
    if decided.state is not approvals.State.APPROVED:
        return ""
    try:
        with here.read() as reading:
            left_s = runs.held_s(operations.execution(reading, decided.subject_id), reading.now)
    except FinOpsError:
        return ""
    return f"; leaves in {countdown(left_s)}, can be stopped" if left_s else ""
