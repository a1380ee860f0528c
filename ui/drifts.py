"""Balances beside their postings: the last looks at them, what was found off, and in dialogs a look that is wanted."""

from collections.abc import Mapping, Sequence

import streamlit as st

from finops_core import ledger as core
from finops_core import security
from finops_core.catalog.checks import CHECKS
from finops_core.kernel.permissions import Permission
from finops_core.ledger import DriftView, LedgerHealth, ReconcileWidth, ReconciliationView, Trend, WalletView
from finops_core.upkeep import checking, deploying
from finops_core.upkeep.deploying import Deployment
from ui import address, health, html, ledger, log, widgets
from ui.dialogs import Dialogs, refused, send
from ui.format import plural
from ui.html import Cell, Column, Markup
from ui.session import Here

LOOK, WALLET = "look", "check"
DIALOGS = Dialogs("of_balances")
WHY, DRY, FULL = "look_why", "look_dry", "look_full"
FOLLOW_S = 1.0
WIDTHS = {
    ReconcileWidth.HOURLY: "Every balance",
    ReconcileWidth.FULL: "Every balance and its history",
    ReconcileWidth.WALLET: "One wallet",
}
RUNS = (
    Column("Asked for", fixed=True),
    Column("What", wide=True),
    Column("Checked", number=True),
    Column("Off", number=True),
    Column("Put back", number=True),
    Column("Left alone", number=True),
)
DRIFTS = (
    Column("Found", fixed=True),
    Column("Account"),
    Column("Balance said", number=True),
    Column("Postings say", number=True),
    Column("Then", wide=True),
)


def section(here: Here, older: str) -> None:
    """What was found off, the last looks, and the way to one more."""
    with here.read() as reading:
        rows = core.reconciliations(reading, core.PAGE + 1, older)
        off = core.drifts(reading, limit=core.PAGE)
        names = security.names(reading, {row.asked_by for row in rows})
        stands, started = core.health(reading), deploying.deployments(reading, 1)
        checks = [each for each in checking.last_runs(reading, CHECKS) if each.id.startswith(checking.LEDGERS)]
        now = reading.now
    html.draw(_stands(stands, here))
    html.draw(_runs(stands, started, here))
    for failed in checks:
        if failed.violations:
            html.draw(health.violations(failed, {}))
    may = here.may(Permission.LEDGER_ADJUST)
    with st.container(key="tall_look"):
        if may and st.button("Look now", icon=":material/balance:"):
            DIALOGS.ask(LOOK)
    if any(row.ended_at is None for row in rows[:1]):
        st.fragment(_follow, run_every=FOLLOW_S)(here, rows[0].id)
    if off:
        html.draw(html.table(DRIFTS, [_drift(each, here) for each in off], "Balances that were off"))
    elif rows:
        html.draw(html.line(html.icon("check_circle", "green"), "No balance was ever off."))
    if rows:
        page = rows[: core.PAGE]
        html.draw(html.table(RUNS, [_run(row, names, here) for row in page], "Looks at the balances"))
        kept = {ledger.VIEW: "Balances"}
        html.draw(ledger.older(kept, page[-1].id if len(rows) > core.PAGE else ""))
    else:
        widgets.empty("balance", "Nobody has looked yet", "The worker looks on schedule; see Health.")
    html.draw(health.checks_table(checks, now, here.shown))
    what, _ = DIALOGS.asked()
    if what == LOOK and may:
        st.dialog("Look at the balances", on_dismiss=DIALOGS.close)(_look)(here)
    else:
        refused()


def _stands(found: LedgerHealth, here: Here) -> Markup:
    """How much is held, and whether it is known to be right."""
    counts = ("wallets", found.wallets), ("entries", found.entries), ("balances", found.balances)
    held = " · ".join(f"{here.shown.count(many)} {name}" for name, many in counts)
    if found.off:
        told = html.badge(f"{plural(found.off, 'balance is', 'balances are')} off", "red")
        return html.line(told, html.faint(held))
    looked = f"as of {here.shown.instant(found.looked_at)}" if found.looked_at else "not looked at yet"
    return html.line(html.faint(f"{held}; {looked}"))


def _runs(found: LedgerHealth, started: Sequence[Deployment], here: Here) -> Markup:
    """What has changed about the desk itself, for whoever asks why something is off."""
    runs = [f"Release {each.release} since {here.shown.instant(each.at)}" for each in started]
    broken = [f"{plural(found.deadlocks, 'deadlock')} broken by the database"] if found.deadlocks else []
    return html.line(html.faint(" · ".join([*runs, *broken]))) if runs or broken else Markup()


def ask_wallet(here: Here, wallet: WalletView, holder: str) -> None:
    """The dialog that has one wallet looked at, if the address asks for it; ``holder``: what its holder is called."""
    what, _ = DIALOGS.asked()
    if what == WALLET and here.may(Permission.LEDGER_ADJUST):
        st.dialog("Check the balance", on_dismiss=DIALOGS.close)(_wallet)(here, wallet, holder)


def of_account(rows: Sequence[DriftView], trend: Trend, here: Here) -> Markup:
    """How often, and by how much, one account was off; nothing where it never was."""
    if not rows:
        return Markup()
    most = f", by {here.shown.amount(trend.most.minor, trend.most.currency)} at most" if trend.most else ""
    told = f"Off {_times(trend.lately)} in the last 30 days{most}; {_times(trend.before)} in the 30 days before."
    table = html.table(DRIFTS, [_drift(each, here) for each in rows], "When it was off")
    return html.join(html.line(html.faint(told)), table)


def _times(many: int) -> str:
    return ("never", "once", "twice")[many] if many < 3 else f"{many} times"  # noqa: PLR2004


def _follow(here: Here, run_id: str) -> None:
    """Look until it has ended, then draw the page anew."""
    with here.read() as reading:
        run = core.reconciliation(reading, run_id)
    if run.ended_at is not None:
        address.draw_anew()
    html.draw(html.line(html.icon("hourglass_top", "blue"), "The worker is looking at the balances."))


def _run(row: ReconciliationView, names: Mapping[str, str], here: Here) -> tuple[Cell, ...]:
    who = log.actor_name(row.asked_by, names)
    at = html.lines(here.shown.instant(row.asked_at), html.faint(who))
    what: Cell = WIDTHS[row.width] if not row.account_id else ledger.wallet_link(row.account_id)
    if row.moved_since is not None:
        what = "What moved lately and its history"
    told = [html.faint("nothing is put back") if row.dry_run else "", html.faint(row.reason) if row.reason else ""]
    counts = (row.checked, row.drifted, row.repaired, row.broken)
    return (at, html.lines(what, *told), *(here.shown.count(count) for count in counts))


def _drift(row: DriftView, here: Here) -> tuple[Cell, ...]:
    told = html.badge("Put back", "green") if row.repaired else html.badge("Left as it is", "amber")
    if row.broken:
        told = html.join(html.badge("Left alone", "red"), "its postings do not fit each other")
    amounts = (here.shown.amount(each.minor, each.currency) for each in (row.shown, row.should))
    return (here.shown.instant(row.found_at), ledger.wallet_link(row.account_id), *amounts, told)


def _look(here: Here) -> None:
    DIALOGS.head(here)
    st.caption("Each balance is held against its postings. One that is off is put back to them; no money is booked.")
    with st.form("look", border=False):
        st.toggle("With the whole history", key=FULL, help="Each posting is held against the one before it, too.")
        st.toggle("Only look, put nothing back", key=DRY)
        st.text_input("Why", key=WHY, max_chars=200)
        send("Look at them now", lambda: _asked(here))


def _asked(here: Here) -> str:
    state = st.session_state
    why, full, dry = str(state.get(WHY) or ""), bool(state.get(FULL)), bool(state.get(DRY))
    with here.work() as work:
        core.ask_to_reconcile(work, why, full=full, dry_run=dry)
    return "The worker looks at the balances."


def _wallet(here: Here, wallet: WalletView, holder: str) -> None:
    DIALOGS.head(here, f"The wallet of {holder}")
    with st.form("look_at_one", border=False):
        st.toggle("Only look, put nothing back", key=DRY)
        st.text_input("Why", key=WHY, max_chars=200, placeholder="A ticket, or what was seen")
        send("Check it now", lambda: _checked(here, wallet))


def _checked(here: Here, wallet: WalletView) -> str:
    why, dry = str(st.session_state.get(WHY) or ""), bool(st.session_state.get(DRY))
    with here.work() as work:
        run = core.reconcile_wallet(work, wallet.id, why, dry_run=dry)
    if run.broken:
        return "Its postings do not fit each other. Nothing was put back."
    if run.repaired:
        return "It was off, and is put back."
    return f"{plural(run.drifted, 'balance is', 'balances are')} off." if run.drifted else "It is its postings."
