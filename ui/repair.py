"""What can be done about payouts: retry what failed, send on what is in doubt, take back what has not left."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from finops_core import payouts
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.faults import Fault
from finops_core.operations import ExecutionView
from finops_core.payouts import PayoutFilter, PayoutState, Remedies, Sums
from finops_core.platform.work import Work
from ui import html, navigation, payout_rows, toasts, widgets
from ui.format import plural, spelled
from ui.html import Markup
from ui.runs import BANK_TRANSFERS
from ui.session import Here

ALL, ONE = "All of them", "One of them"
MOST_NAMED, MOST_TOLD = 200, 5
LOOK_THERE = "Look at it at the provider. If it pays the row, nothing is left to do; once it is cancelled, retry."
LOOKED_UP = (
    "The desk looks {which} up at the provider again and again, by itself, and goes on as soon as it is known. "
    "Nothing is sent again without looking first."
)
FOR_A_PERSON = "{which} {has} to be looked up at the provider by a person who did not prepare the payout; see below."
RETRIED = (
    "Only these are planned again, with the same amounts to the same bank accounts; what was made is left out. {now} "
    "Nothing is sent before somebody has approved the new plan."
)
AT_PROVIDER = "The balance and the bank accounts are looked at now."
BY_FILE = (
    "A bank file looks at no balance: they are taken from the stored file as they are, into a bank file of its own."
)
SENT_ON = (
    "Each of them is looked up at the provider now. One that the provider does not know is sent again with the same "
    "key, under which the provider makes it once at most."
)
TAKEN_BACK = (
    "The provider is asked to take them back, which it does as long as they have not left for the bank. What is taken "
    "back stands in the balance again; each row says what came of it."
)
ORDERS_BACK = "As long as no bank file holds them, they are taken back for ever; each row says what came of it."
DEAL_WITH = (
    "Have one of the two taken back at the provider. Or somebody who did not prepare it says below how it was dealt "
    "with, such as that the money was sent back."
)


def buttons(here: Here, run: ExecutionView, found: Remedies) -> None:
    """The remedies that are open to this person, each with its own question."""
    if found.may_retry and st.button("Retry failed", type="primary", icon=":material/replay:"):
        st.dialog(f"Retry what failed of {run.number}?")(_retry)(here, run, found)
    if found.may_send_on and st.button("Send on", icon=":material/play_arrow:"):
        st.dialog(f"Send on what is in doubt of {run.number}?")(_send_on)(here, run, found)
    if found.may_take_back and st.button("Take back", icon=":material/undo:"):
        st.dialog(f"Take back payouts of {run.number}?")(_take_back)(here, run, found)


def in_the_way(faults: Sequence[Fault]) -> Markup:
    """Why a retry could not be planned, a sentence each: there is no file whose rows could be mended."""
    one = len(faults) == 1
    sentence = f"{plural(len(faults), 'thing')} {'is' if one else 'are'} in the way of the retry; nothing was paid."
    return html.told("rule", sentence, html.lines(*(fault.message for fault in faults)), "red")


def doubt(run: ExecutionView, found: Remedies, here: Here, *, whole: bool) -> None:
    """What is known of an execution whose payouts are in doubt, and what happens next; never told as a failure."""
    one = found.doubtful.count == 1
    sentence = (
        f"{plural(found.doubtful.count, 'payout')} {'is' if one else 'are'} in doubt: {amounts(found.doubtful, here)}. "
        f"Nobody can say yet whether {'it was' if one else 'they were'} made."
    )
    words = html.lines(spelled(run.message), *(_next(found) if whole else ()), *_no_retry(found))
    html.draw(html.told("help", sentence, words, "amber"))


def twice(found: Remedies, here: Here) -> None:
    """Money that left twice, as loud as can be, until it came back or somebody has dealt with it."""
    one = found.twice.count == 1
    rows = f"{plural(found.twice.count, 'row')} {'was' if one else 'were'}"
    sentence = f"{rows} paid twice: {amounts(found.twice, here)} more than was planned."
    html.draw(html.told("error", sentence, html.lines(DEAL_WITH, *_no_retry(found)), "red"))


def blocked(found: Remedies) -> None:
    """Rows that failed and are in no retry, since something else may pay them."""
    rows = [f"Row {number} may be paid by {other}." for number, other in list(found.again.blocked.items())[:MOST_TOLD]]
    more = len(found.again.blocked) - len(rows)
    words = html.lines(*rows, *([f"And {more} more."] if more else []), LOOK_THERE)
    sentence = f"{plural(len(found.again.blocked), 'row')} not paid, and left out of every retry."
    html.draw(html.told("block", sentence, words, "amber"))


def _no_retry(found: Remedies) -> list[str]:
    """Why what failed cannot be retried now, in the words in which it would be refused."""
    why_not = found.again.why_not
    return [f"{why_not.message} {why_not.hint}"] if why_not is not None and found.failed.count else []


def _next(found: Remedies) -> list[str]:
    """What the desk does about them by itself, and what only a person can do."""
    told = []
    if found.unsure.count:
        which = "it" if found.unsure.count == 1 else "them"
        told.append(LOOKED_UP.format(which=which if not found.waiting.count else f"{found.unsure.count} of them"))
    if found.waiting.count:
        which = "It" if found.doubtful.count == 1 else f"{found.waiting.count} of them"
        told.append(FOR_A_PERSON.format(which=which, has="has" if found.waiting.count == 1 else "have"))
    return told


def amounts(sums: Sums, here: Here) -> str:
    """``2,500.00 GBP and 10.00 USD``."""
    *most, last = here.shown.first_amounts(sums.amounts) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _what(sums: Sums, here: Here) -> Markup:
    """How many, and how much, in figures one cannot miss."""
    figures = "".join(
        f'<span class="to-mid">{html.text(told)}</span>' for told in here.shown.first_amounts(sums.amounts)
    )
    return Markup(f'<div class="to-totals">{html.faint(plural(sums.count, "payout"), small=False)}{figures}</div>')


def _retry(here: Here, run: ExecutionView, found: Remedies) -> None:
    html.draw(_what(found.again.sums, here))
    st.markdown(RETRIED.format(now=BY_FILE if run.operation_id == BANK_TRANSFERS else AT_PROVIDER))
    # A row that another payout may pay is left out of a retry: whether it still may, the provider is asked first.
    first = partial(payouts.look_at_all, here.desk, here.actor, run.id)
    if _confirmed(here, "Plan the retry", lambda work: payouts.retry(work, run.id), first):
        navigation.go("run", execution=run.number)


def _send_on(here: Here, run: ExecutionView, found: Remedies) -> None:
    html.draw(_what(found.unsure, here))
    st.markdown(SENT_ON)
    if _confirmed(here, "Look up and send on", lambda work: payouts.send_on(work, run.id)):
        st.rerun()


def _take_back(here: Here, run: ExecutionView, found: Remedies) -> None:
    html.draw(_what(found.takeable, here))
    chosen = _which(here, run) if found.takeable.count > 1 else ""
    st.markdown(ORDERS_BACK if run.operation_id == BANK_TRANSFERS else TAKEN_BACK)
    reason = st.text_input("Reason", max_chars=200)
    if chosen is not None and _confirmed(
        here, "Take back", lambda work: payouts.ask_cancel(work, run.id, chosen, reason.strip())
    ):
        toasts.say("The provider is being asked.", "undo")
        st.rerun()


def _which(here: Here, run: ExecutionView) -> str | None:
    """The id of the one to take back, "" for all of them, None while none is chosen."""
    if st.radio("Which", [ALL, ONE], horizontal=True, label_visibility="collapsed") != ONE:
        return ""
    wanted = PayoutFilter(run.id, states=frozenset({PayoutState.CREATED}))
    with here.read() as reading:
        page = payouts.page(reading, wanted, MOST_NAMED)
    names = {row.id: payout_rows.named(row, here.shown) for row in page.rows if not row.cancel_asked}
    return st.selectbox("Payout", list(names), index=None, format_func=names.__getitem__, placeholder="Choose one")


def _confirmed(
    here: Here, label: str, verb: Callable[[Work], object], first: Callable[[], None] = lambda: None
) -> bool:
    """The one button that does it; whether it was pressed, and nothing was refused. ``first``: before the unit."""
    if not st.button(label, type="primary", key="tall_confirm"):
        return False
    try:
        first()
        with here.work() as work:
            verb(work)
    except FinOpsError as error:
        widgets.refusal(error)
        return False
    return True
