"""The commands of people, in one list: each asks one verb, as the API does, and tells its answer."""

import typer

from finops_core.commands import activity, approvals, desk, executions, files, ledger, payouts, proposals, rates

PEOPLES = (
    desk.me,
    desk.catalogue,
    desk.search,
    files.upload,
    executions.run,
    executions.plan,
    payouts.rehearse,
    payouts.rehearsals,
    executions.submit,
    executions.withdraw,
    executions.status,
    executions.history,
    executions.log,
    executions.result,
    payouts.payouts,
    payouts.payout,
    files.files,
    files.download,
    executions.record,
    executions.cancel,
    payouts.retry,
    executions.replan,
    payouts.send_on,
    payouts.take_back,
    payouts.settle,
    approvals.approvals,
    approvals.decide,
    ledger.trial_balance,
    ledger.wallets,
    ledger.wallet,
    ledger.open_wallet,
    ledger.move,
    ledger.adjust,
    ledger.freeze,
    ledger.unfreeze,
    ledger.transactions,
    ledger.entries,
    ledger.entry,
    ledger.reverse,
    ledger.stops,
    ledger.stop,
    ledger.resume,
    ledger.reconcile,
    ledger.reconcile_wallet,
    ledger.reconciliations,
    ledger.drifts,
    activity.stats,
    activity.errors,
    activity.failed,
    proposals.propose_adjustment,
    proposals.proposals,
    proposals.withdraw_proposal,
    rates.rates,
    rates.note_rate,
    rates.take_in_rates,
    desk.tokens,
)


def add_to(app: typer.Typer) -> None:
    """Hang the commands into the program."""
    for command in PEOPLES:
        app.command(rich_help_panel="As a person, by a token in TIEOUT_TOKEN")(command)
