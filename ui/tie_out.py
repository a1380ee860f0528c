"""The report of a batch: per currency a sum that visibly adds up to the plan, and one sentence whether it ties out."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from finops_core import payouts
from finops_core.operations import ExecutionView
from finops_core.payouts import Tie, TieOut
from ui import html, widgets
from ui.format import Format, plural
from ui.html import Cell, Markup
from ui.log import MIMES
from ui.session import Here

BANK_FILE = "payouts.bank_transfers"
PARTS = (
    ("in_flight", "In flight"),
    ("arrived", "Arrived"),
    ("returned", "Came back"),
    ("refused", "Refused"),
    ("not_sent", "Not sent"),
    ("in_doubt", "In doubt"),
)
TONES = {Tie.TIED: "green", Tie.DOUBT: "amber", Tie.UNSTATED: "amber", Tie.OFF: "red", Tie.TWICE: "red"}
WORDS = {
    Tie.TIED: "Ties out",
    Tie.DOUBT: "In doubt",
    Tie.UNSTATED: "Not stated yet",
    Tie.OFF: "Does not tie out",
    Tie.TWICE: "Paid twice",
}
ICONS = {
    Tie.TIED: "check_circle",
    Tie.DOUBT: "help",
    Tie.UNSTATED: "schedule",
    Tie.OFF: "error",
    Tie.TWICE: "error",
}
NO_STATEMENT = "A bank file has no statement here; the bank's status file says what became of it."
UNSTATED = "Every payout of the plan is accounted for; the provider's statement does not show all of them yet."
DOUBT = "It adds up to the plan, but of some payouts nobody can say yet what became of them."
OFF = (
    "Money came back late, or a payout is not what was planned. Compare the rows with the provider's own statement "
    "before anything else is paid."
)
TWICE = "Two attempts of one row were paid. Have one of the two taken back, or have it settled; see Progress."
WORST = (Tie.TWICE, Tie.OFF, Tie.DOUBT, Tie.UNSTATED)
EXPORTS = (
    (payouts.CSV, "Payouts (CSV)", "payouts.csv", MIMES["csv"]),
    (payouts.TIE_OUT_CSV, "Tie-out (CSV)", "tie-out.csv", MIMES["csv"]),
    (payouts.XLSX, "Both (XLSX)", "report.xlsx", MIMES["xlsx"]),
)


def report(here: Here, run: ExecutionView) -> None:
    """The tie-out with its verdict, and its files."""
    with here.read() as reading:
        sums = payouts.tie_out(reading, run.id)
        now = reading.now
    if not sums:
        widgets.empty("receipt_long", "Nothing was sent yet", "The report begins with the first payout of this plan.")
        return
    stated = run.operation_id != BANK_FILE
    html.draw(verdict(sums, stated=stated))
    html.draw(html.line(html.strong(here.around.name), html.faint(f"as of {here.shown.as_of(now)}")))
    html.draw(sheets(sums, here.shown, stated=stated))
    _exports(here, run)


def verdict(sums: Sequence[TieOut], *, stated: bool) -> Markup:
    """Whether it ties out, in one sentence; ``stated``: the provider gives a statement to hold it against."""
    ties = [_tie(each, stated=stated) for each in sums]
    worst = next((tie for tie in WORST if tie in ties), Tie.TIED)
    codes = ", ".join(each.currency for each, tie in zip(sums, ties, strict=True) if tie is worst)
    missing = sum(each.made - each.reconciled for each in sums)
    agreed = "It ties out: plan, payouts and the provider's statement agree."
    plain = "It ties out: every payment of the plan is accounted for."
    still = f"{plural(missing, 'payout')} {'is' if missing == 1 else 'are'} still missing there."
    sentence, words = {
        Tie.TIED: (agreed, "") if stated else (plain, NO_STATEMENT),
        Tie.UNSTATED: (UNSTATED, f"{still} It is read every 15 minutes."),
        Tie.DOUBT: (DOUBT, f"In doubt: {codes}. They are looked up by themselves, or wait for a person; see Progress."),
        Tie.OFF: (f"It does not tie out: {codes}.", OFF),
        Tie.TWICE: (f"Money left twice: {codes}.", TWICE),
    }[worst]
    return html.told(ICONS[worst], sentence, words, TONES[worst])


def sheets(sums: Sequence[TieOut], shown: Format, *, stated: bool) -> Markup:
    """A sum for each currency: what became of the plan, part by part, and below the line the plan itself."""
    return Markup(f'<div class="to-sheets">{"".join(_sheet(each, shown, stated=stated) for each in sums)}</div>')


def _sheet(each: TieOut, shown: Format, *, stated: bool) -> Markup:
    def amount(minor: int) -> Cell:
        told = shown.amount(minor, each.currency)
        return told if minor else html.faint(told, small=False)

    tie = _tie(each, stated=stated)
    lines = "".join(_line(label, amount(getattr(each, name))) for name, label in PARTS)
    if each.beside:
        # The parts are all the money there is; by so much they are more than the plan.
        lines += _line("Of it beside an earlier attempt", amount(-each.beside), "off")
    total = _line("Planned", html.strong(shown.amount(each.planned, each.currency)), "total")
    off = each.planned - each.accounted
    gap = _line("Not accounted for", html.strong(shown.amount(off, each.currency)), "off") if off else ""
    after = _line("Fees", amount(each.fees))
    if stated:
        after += _line("In the provider's statement", f"{each.reconciled} of {each.made}")
        after += _line("Difference to it", amount(each.difference), "off" if each.difference else "")
    head = html.join(html.strong(each.currency), html.faint(plural(each.payouts, "payout")))
    caption = f"<caption>What became of the plan, {html.text(each.currency)}</caption>"
    badge = html.badge(WORDS[tie], TONES[tie])
    return Markup(
        f'<div class="to-sheet"><div class="to-sheet-head"><span>{head}</span>{badge}</div>'
        f"<table>{caption}<tbody>{lines}{total}{gap}</tbody><tbody>{after}</tbody></table></div>"
    )


def _line(label: str, value: Cell, css: str = "") -> str:
    style = f' class="{css}"' if css else ""
    return f'<tr{style}><th scope="row">{html.text(label)}</th><td>{html.text(value)}</td></tr>'


def _tie(each: TieOut, *, stated: bool) -> Tie:
    """Without a statement of the provider's, nothing can be missing in it."""
    return Tie.TIED if each.tie is Tie.UNSTATED and not stated else each.tie


def _exports(here: Here, run: ExecutionView) -> None:
    with st.container(horizontal=True):
        for kind, label, name, mime in EXPORTS:
            st.download_button(
                label,
                partial(_bytes, here, run.id, kind),
                file_name=f"{run.number}-{name}",
                mime=mime,
                icon=":material/download:",
                key=f"report_{kind}",
                on_click="ignore",
            )
    st.caption("Each export is recorded in the audit log.")


def _bytes(here: Here, execution_id: str, kind: str) -> bytes:
    with here.hand_out() as work:
        return payouts.export(work, execution_id, kind)
