"""The ledger in words, for people at a terminal; a debit is negative."""

from datetime import datetime

from finops_core.answers.common import Amount
from finops_core.answers.ledger import (
    DriftsAnswer,
    EntriesAnswer,
    EntryAnswer,
    LedgerHealthAnswer,
    PostedAnswer,
    ProposalAnswer,
    ProposalsAnswer,
    ReconciliationAnswer,
    ReconciliationsAnswer,
    RefusalsAnswer,
    StatementAnswer,
    StatisticsAnswer,
    StopAnswer,
    StopsAnswer,
    TrialBalanceAnswer,
    WalletAnswer,
    WalletsAnswer,
)
from finops_core.answers.pending import PendingAnswer, PendingMovesAnswer
from finops_core.answers.rates import RatesAnswer, RatesTakenAnswer
from finops_core.commands.words import table


def trial(told: TrialBalanceAnswer) -> str:
    """A trial balance."""
    rows = [(each.code, each.name, each.kind, money(each.total)) for each in told.items]
    return table(("Line", "Name", "Class", "Balance"), rows)


def wallets(told: WalletsAnswer) -> str:
    """Wallets."""
    rows = [(each.id, each.party_id, each.state, money(each.held), money(each.balance)) for each in told.items]
    return table(("Wallet", "Holder", "State", "Held", "Balance"), rows) + _more(told.next)


def wallet(told: WalletAnswer) -> str:
    """One wallet."""
    why = f" ({told.state_reason})" if told.state_reason else ""
    held = f", {money(told.held)} held for its holder" if told.held.amount_minor else ""
    return f"{told.id} of {told.party_id}: {money(told.balance)}{held}; {told.state}{why}"


def posted(told: PostedAnswer) -> str:
    """An entry that stands."""
    return f"{told.id} was booked before; nothing was booked now" if told.repeated else f"{told.id} is booked"


def statement(told: StatementAnswer) -> str:
    """A statement."""
    head = f"{told.account.code} {told.account.name}, {money(told.balance)}"
    rows = [
        (
            each.number or each.journal_id,
            each.effective_on,
            _when(each.booked_at),
            each.type,
            money(each.amount),
            money(each.balance),
        )
        for each in told.items
    ]
    heads = ("Entry", "Counts for", "Booked (UTC)", "Kind", "Amount", "Balance")
    return f"{head}\n{table(heads, rows)}{_more(told.next)}"


def entries(told: EntriesAnswer) -> str:
    """Entries."""
    rows = [
        (each.number or each.id, _when(each.booked_at), each.type, _moved(each), each.reason) for each in told.items
    ]
    return table(("Entry", "Booked (UTC)", "Kind", "Amount", "Reason"), rows) + _more(told.next)


def entry(told: EntryAnswer) -> str:
    """One entry."""
    rows = [
        (
            f"{each.account.code} {each.account.name}",
            each.account.party_id,
            money(each.amount),
            money(each.worth) if each.worth else "",
        )
        for each in told.postings
    ]
    undone = f"; undone by {told.reversed_by}" if told.reversed_by else ""
    called = f"{told.number} ({told.id})" if told.number else told.id
    head = f"{called}: {told.type}, counts for {told.effective_on}{undone}"
    return f"{head}\n{table(('Account', 'Holder', 'Amount', 'Worth'), rows)}"


def statistics(told: StatisticsAnswer) -> str:
    """What was booked and refused."""
    rows = [(each.type, each.many, money(each.volume)) for each in told.kinds]
    took = f"; half were booked within {told.median_ms} ms, 19 of 20 within {told.slow_ms} ms" if told.timed else ""
    head = f"{told.entries} entries since {_when(told.since)} UTC; {_rate(told)}{took}"
    return f"{head}\n{table(('Kind', 'Entries', 'Volume'), rows)}" if rows else head


def health(told: LedgerHealthAnswer) -> str:
    """How the ledger stands."""
    looked = f"looked at {_when(told.looked_at)} UTC" if told.looked_at else "never looked at"
    rows = [("Wallets", told.wallets), ("Entries", told.entries), ("Balances", told.balances)]
    rows += [("Stops that stand", told.stops), ("Balances left off", told.off or 0), ("Deadlocks", told.deadlocks)]
    started = [(each.release, each.revision, _when(each.at)) for each in told.deployments]
    head = f"{'Healthy' if told.healthy else 'Not healthy'}; {looked}."
    return "\n".join([head, table(("What", "How many"), rows), table(("Release", "Migration", "Since (UTC)"), started)])


def errors(told: StatisticsAnswer) -> str:
    """Why operations were refused."""
    head = f"Since {_when(told.since)} UTC {_rate(told)}"
    return f"{head}\n{table(('Code', 'Operations'), list(told.refused.items()))}" if told.refused else head


def refusals(told: RefusalsAnswer) -> str:
    """Refused operations."""
    rows = [
        (_when(each.asked_at), each.type, each.wallet, money(each.amount) if each.amount else "", each.code)
        for each in told.items
    ]
    return table(("Asked for (UTC)", "Kind", "Wallet", "Amount", "Code"), rows) + _more(told.next)


def proposals(told: ProposalsAnswer) -> str:
    """Proposed adjustments."""
    return "\n".join(proposal(each) for each in told.items) + _more(told.next)


def proposal(told: ProposalAnswer) -> str:
    """One of them."""
    booked = f", booked as {told.entry}" if told.entry else f", to decide as {told.approval}"
    more = booked if told.entry or told.state == "waiting" else ""
    return f"{told.id}: {money(told.amount)} for {told.wallet}, {told.state}{more}: {told.reason}"


def pendings(told: PendingMovesAnswer) -> str:
    """Moves in two steps."""
    return "\n".join(pending(each) for each in told.items) + _more(told.next)


def pending(told: PendingAnswer) -> str:
    """One of them."""
    to = f" to {told.to_wallet}" if told.to_wallet else ""
    then = f", {money(told.posted)} of it as {told.entry}" if told.entry else ""
    until = f" until {_when(told.expires_at)} UTC" if told.ended_at is None else then
    return f"{told.id}: {told.type} of {money(told.amount)} from {told.wallet}{to}, {told.state}{until}"


def rates(told: RatesAnswer) -> str:
    """Exchange rates."""
    rows = [(f"1 {each.currency}", f"{each.rate} {each.quote}", each.on_day, each.source) for each in told.items]
    return table(("One", "Costs", "On", "Source"), rows)


def rates_taken(told: RatesTakenAnswer) -> str:
    """What a file of rates held."""
    return f"{told.new} rates are new, {told.known} stood already; {told.first_day} to {told.last_day}"


def stops(told: StopsAnswer) -> str:
    """Stops."""
    return "\n".join(stop(each) for each in told.items) or "No money is stopped"


def stop(told: StopAnswer) -> str:
    """One stop."""
    of = f" {told.subject}" if told.subject else ""
    over = f"; lifted: {told.lifted_reason}" if told.lifted_at else ""
    return f"{told.id}: {told.width}{of} since {_when(told.set_at)} UTC: {told.reason}{over}"


def reconciliations(told: ReconciliationsAnswer) -> str:
    """Looks at the balances."""
    return "\n".join(reconciliation(each) for each in told.items) + _more(told.next)


def reconciliation(told: ReconciliationAnswer) -> str:
    """One look."""
    if told.ended_at is None:
        return f"{told.id}: the worker looks at the balances"
    done = "would be put back" if told.dry_run else "put back"
    mended = told.drifted - told.broken if told.dry_run else told.repaired
    return f"{told.id}: {told.checked} checked, {told.drifted} off, {mended} {done}, {told.broken} left alone"


def drifts(told: DriftsAnswer) -> str:
    """What was off."""
    rows = [
        (
            each.account_id,
            f"{each.found_at:%Y-%m-%d %H:%M}",
            money(each.shown),
            money(each.should),
            _then(each.repaired),
        )
        for each in told.items
    ]
    return table(("Account", "Found (UTC)", "Balance said", "Postings say", "Then"), rows) + _more(told.next)


def money(told: Amount) -> str:
    """An amount with its currency."""
    return f"{told.amount} {told.currency}"


def _rate(told: StatisticsAnswer) -> str:
    return f"{told.failed} operations were refused ({told.error_rate:.1%})"


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _then(repaired: bool) -> str:  # noqa: FBT001
    return "put back" if repaired else "left alone"


def _moved(told: EntryAnswer) -> str:
    """What was credited, which is what was debited, in each currency."""
    return ", ".join(money(each.amount) for each in told.postings if each.amount.amount_minor > 0)


def _more(next_: str) -> str:
    return f"\nMore: --past {next_}" if next_ else ""
