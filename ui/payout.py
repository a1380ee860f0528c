"""One payout beside the list: where it stands, how it came there, and what the provider's statement says of it."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core import payouts, security
from finops_core.kernel.errors import NotFound
from finops_core.kernel.permissions import Permission
from finops_core.payouts import PayoutHistory, PayoutState, PayoutView, Statement, Step, StepKind
from ui import address, html, in_flight, ledger, payout_rows, talk, widgets
from ui.format import Format, duration, spelled
from ui.html import Cell, Markup
from ui.in_flight import OPEN
from ui.plan import OWN_ACCOUNT
from ui.session import Here

BAD = frozenset({PayoutState.FAILED, PayoutState.REJECTED})
MOVES = {
    "approved": "Approved, and lined up to be sent",
    "submitting": "About to be sent",
    "created": "Made at the provider",
    "in_transit": "On its way to the bank",
    "paid": "Arrived at the bank",
    "failed": "Came back",
    "rejected": "Refused",
    "in_doubt": "In doubt: nobody can say yet whether it was made",
    "needs_review": "Waits for a person to settle it",
    "canceled": "Cancelled",
    "expired": "Expired with its approval, never sent",
}
CALLS = {
    "submit": "Sent to the provider",
    "find": "Looked up at the provider",
    "cancel": "Asked to take it back",
    "export": "Put into the bank file",
}
OUTCOMES = {
    "created": "it was made",
    "rejected": "refused",
    "later": "to be asked again later",
    "retrylater": "to be asked again later",
    "unknown": "no clear answer",
    "our fault": "the request did not belong to its key",
    "found": "it is there",
    "resend": "it is not there, and may be sent again",
    "review": "a person must look",
    "twice": "it is there more than once",
    "other": "one of another amount is there",
    "elsewhere": "not to be seen with this key",
    "canceled": "taken back",
    "notcanceled": "too late",
    "intended": "about to leave",
}
SAYINGS = {
    "cancel": "asked for it to be taken back",
    "exists": "said that it exists at the provider",
    "never_made": "said that it was never made",
    "paid_twice": "said that it was paid twice, and how that was dealt with",
}
ICONS = {StepKind.CALLED: "sync_alt", StepKind.HEARD: "mark_email_read", StepKind.SAID: "person"}
SOMEBODY = "Somebody"


def open_drawer(here: Here) -> None:
    """Show the payout that the address names, if it names one; what cannot be shown says so above the list."""
    wanted = st.query_params.get(OPEN, "")
    if not wanted:
        return
    try:
        with here.read() as reading:
            story = payouts.history(reading, wanted)
            names = security.names(reading, {step.by for step in story.steps if step.by})
    except NotFound as error:
        widgets.refusal(error)
        return
    amount = here.shown.amount(story.payout.amount_minor, story.payout.currency)
    st.dialog(f"Payout of {amount}", width="medium", position="right", on_dismiss=close)(_drawer)(here, story, names)


def close() -> None:
    """The drawer was put away."""
    address.put_away(OPEN)


def _drawer(here: Here, story: PayoutHistory, names: Mapping[str, str]) -> None:
    row = story.payout
    html.draw(_head(story, here.around.name))
    html.draw(_told(row))
    html.draw(_facts(story, here.shown))
    html.draw(_part("What happened", timeline(story.steps, names, here.shown)))
    if row.provider_id:
        html.draw(_part("The provider's statement", statement(story.statement, row, here.shown)))
    if len(story.attempts) > 1:
        html.draw(_part("Every attempt of this row", attempts(story.attempts, row.id)))
    talk.section(here, "payout", row.id)
    if here.may(Permission.LEDGER_VIEW):
        booked = {ledger.VIEW: "Entries", ledger.SOURCE: row.id}
        html.draw(html.line(html.link("How it was booked", ledger.PAGE, booked)))
    if here.may(Permission.AUDIT_VIEW):
        html.draw(html.line(html.link("Everything recorded about it", "audit", {"object": f"payout:{row.id}"})))


def _part(title: str, body: Markup) -> Markup:
    return Markup(f'<p class="to-h">{html.text(title)}</p>{body}')


def timeline(steps: Sequence[Step], names: Mapping[str, str], shown: Format) -> Markup:
    """Every step with its instant, oldest first; what is only for asking the provider by stands faint."""
    items = "".join(
        f'<li><span class="at">{shown.instant(step.at, seconds=True)}</span>{_icon(step)}'
        f"<div>{html.lines(_sentence(step, names), *_small(step))}</div></li>"
        for step in steps
    )
    return Markup(f'<ol class="to-story">{items}</ol>')


def statement(said: Statement, row: PayoutView, shown: Format) -> Markup:
    """What left the balance and what came back, and whether it is what the desk says."""
    if said.seen_at is None:
        return html.line(html.icon("hourglass_top", "gray"), "It does not stand in the provider's statement yet.")

    def amount(minor: int | None) -> Cell:
        return "" if minor is None else html.strong(shown.amount(minor, row.currency))

    verdict = html.badge("Agrees", "green") if said.agrees else html.badge("Differs from what was asked for", "red")
    return html.facts(
        [
            ("Change of the balance", amount(said.net_minor)),
            ("Fee", amount(said.fee_minor)),
            ("Given back", amount(said.returned_minor)),
            ("Verdict", verdict),
            ("Movement", _code(said.movement_id)),
            ("Movement back", _code(said.return_id)),
            ("Seen", shown.instant(said.seen_at)),
        ]
    )


def attempts(rows: Sequence[PayoutView], shown_id: str) -> Markup:
    """Each attempt with its state; the others open in place of this one."""
    lines = []
    for row in rows:
        name = f"Attempt {row.attempt}"
        link = html.strong(name) if row.id == shown_id else html.link(name, "payouts", in_flight.beside({OPEN: row.id}))
        lines.append(html.line(link, payout_rows.state(row), *map(html.faint, payout_rows.why(row))))
    return Markup("".join(lines))


def _head(story: PayoutHistory, organisation: str) -> Markup:
    row = story.payout
    return html.line(
        payout_rows.state(row),
        html.strong(organisation),
        html.link(row.number, "executions", {"execution": row.number}),
        f"row {row.row_no}",
        f"attempt {row.attempt} of {len(story.attempts)}" if len(story.attempts) > 1 else "",
    )


def _told(row: PayoutView) -> Markup:
    why = payout_rows.why(row)
    if not why:
        return Markup()
    tone = payout_rows.TONES.get(row.state.value, "gray")
    icon = "error" if row.state in BAD else "help" if tone == "amber" else "info"
    return html.told(icon, spelled(why[0]), spelled(" ".join(why[1:])), tone)


def _facts(story: PayoutHistory, shown: Format) -> Markup:
    row = story.payout
    return html.facts(
        [
            ("To bank account", html.fixed_tail(row.bank)),
            ("From", row.account or OWN_ACCOUNT),
            ("Sent", shown.instant(row.sent_at) if row.sent_at else "Never"),
            ("Expected", in_flight.expected(row)),
            ("Arrived", shown.instant(story.paid_at) if story.paid_at else ""),
            ("Provider id", _code(row.provider_id)),
            ("Bank reference", _code(row.trace)),
        ]
    )


def _icon(step: Step) -> Markup:
    if step.kind is StepKind.MOVED:
        return html.icon("radio_button_checked", payout_rows.TONES.get(step.what, "gray"))
    return html.icon(ICONS[step.kind], "gray")


def _sentence(step: Step, names: Mapping[str, str]) -> Markup:
    if step.kind is StepKind.MOVED:
        return html.strong(MOVES.get(step.what, step.what))
    if step.kind is StepKind.CALLED:
        outcome = OUTCOMES.get(step.outcome, step.outcome)
        return html.text(f"{CALLS.get(step.what, step.what)}: {outcome}")
    if step.kind is StepKind.HEARD:
        return html.join("The provider sent news:", Markup(f"<code>{html.text(step.what)}</code>"))
    return html.text(f"{names.get(step.by, SOMEBODY)} {SAYINGS.get(step.what, step.what)}")


def _small(step: Step) -> list[Markup]:
    """Why, in words; and for a call what the provider knows it by."""
    told = spelled(step.told.replace("_", " ")) if step.kind is StepKind.MOVED else step.told
    if step.outcome == "created":
        told = ""  # the provider's id, which stands above
    call = " · ".join(filter(None, (duration(step.duration_ms) if step.duration_ms else "", step.request_id)))
    return [html.faint(each) for each in (told, call) if each]


def _code(value: str) -> Markup:
    return Markup(f"<code>{html.text(value)}</code>") if value else Markup()
