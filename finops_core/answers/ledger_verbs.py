"""What programs can ask of the ledger, as ``verbs`` does for everything else; no rule lives here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

from finops_core import ledger
from finops_core.answers import ledger as told
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
from finops_core.kernel.money import Money
from finops_core.ledger import Dated, EntryFilter, EntryType, Proposal, StopWidth, Terms
from finops_core.platform.work import Reading, Work
from finops_core.upkeep.deploying import deployments

T = TypeVar("T")
STOPS_MOST = 200


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a list that goes on from its last row: ``past`` what an answer called ``next``."""

    limit: int = 50
    past: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One operation on a wallet as a program asks for it. ``amount``: decimals of the currency, such as "12.50"."""

    type: EntryType
    wallet: str
    amount: str
    currency: str
    to_wallet: str = ""
    terms: Terms = field(default_factory=Terms)


def trial_balance(reading: Reading, day: date | None) -> TrialBalanceAnswer:
    """The trial balance, now or at the end of a day."""
    return told.trial_balance(ledger.trial_balance(reading, day))


def wallets(reading: Reading, holder: str, part: Part) -> WalletsAnswer:
    """Wallets, of one holder or of all."""
    rows, more = page_of(ledger.wallets(reading, holder, part.limit + 1, part.past), part)
    return WalletsAnswer(items=[told.wallet(row) for row in rows], next=rows[-1].id if more else "")


def wallet(reading: Reading, wallet_id: str) -> WalletAnswer:
    """One wallet."""
    return told.wallet(ledger.wallet(reading, wallet_id))


def open_wallet(work: Work, holder: str, currency: str) -> WalletAnswer:
    """The holder's wallet in a currency, opened if there is none."""
    return wallet(work, ledger.open_wallet(work, holder, currency))


def move(work: Work, asked: Move) -> PostedAnswer:
    """One of the ten operations."""
    amount = Money.parse(asked.amount, asked.currency)
    return told.posted(ledger.operate(work, asked.type, asked.wallet, amount, asked.terms, asked.to_wallet))


def reverse(work: Work, entry_id: str, terms: Terms) -> PostedAnswer:
    """Undo an entry."""
    return told.posted(ledger.reverse(work, entry_id, terms))


def freeze(work: Work, wallet_id: str, reason: str) -> WalletAnswer:
    """Let a wallet give and take nothing."""
    ledger.freeze(work, wallet_id, reason)
    return wallet(work, wallet_id)


def unfreeze(work: Work, wallet_id: str, reason: str) -> WalletAnswer:
    """Open a frozen wallet again."""
    ledger.unfreeze(work, wallet_id, reason)
    return wallet(work, wallet_id)


def statement(reading: Reading, account_id: str, part: Part, until: date | None, dated: Dated) -> StatementAnswer:
    """An account's postings."""
    return told.statement(ledger.statement(reading, account_id, part.limit, part.past, until, dated))


def entries(reading: Reading, wanted: EntryFilter, part: Part) -> EntriesAnswer:
    """Entries, newest first."""
    rows, more = page_of(ledger.entries(reading, wanted, part.limit + 1, part.past), part)
    return EntriesAnswer(items=[told.entry(row) for row in rows], next=rows[-1].id if more else "")


def entry(reading: Reading, entry_id: str) -> EntryAnswer:
    """One entry."""
    return told.entry(ledger.entry(reading, entry_id))


def statistics(reading: Reading, period: timedelta) -> StatisticsAnswer:
    """What was booked and refused in the period that ends now."""
    return told.statistics(ledger.statistics(reading, period))


def health(reading: Reading) -> LedgerHealthAnswer:
    """How the ledger stands now."""
    return told.health(ledger.health(reading), deployments(reading))


def refusals(reading: Reading, part: Part) -> RefusalsAnswer:
    """Refused operations, newest first."""
    rows, more = page_of(ledger.refusals(reading, part.limit + 1, part.past), part)
    return RefusalsAnswer(items=[told.refusal(row) for row in rows], next=rows[-1].id if more else "")


def propose(work: Work, asked: Move) -> ProposalAnswer:
    """Ask somebody else to agree to an adjustment."""
    amount, terms = Money.parse(asked.amount, asked.currency), asked.terms
    wanted = Proposal(asked.wallet, amount, terms.reason, terms.effective_on, terms.source, terms.key)
    return told.proposal(ledger.proposal(work, ledger.propose_adjustment(work, wanted)))


def proposals(reading: Reading, wallet_id: str, part: Part, *, waiting: bool) -> ProposalsAnswer:
    """Proposals, newest first."""
    rows, more = page_of(ledger.proposals(reading, wallet_id, part.limit + 1, part.past, waiting=waiting), part)
    return ProposalsAnswer(items=[told.proposal(row) for row in rows], next=rows[-1].id if more else "")


def take_back(work: Work, proposal_id: str) -> ProposalAnswer:
    """Take one's own proposal back."""
    ledger.withdraw_proposal(work, proposal_id)
    work.hear()
    return told.proposal(ledger.proposal(work, proposal_id))


def stop(work: Work, width: StopWidth, subject: str, reason: str) -> StopAnswer:
    """Stop money."""
    return told.stop(ledger.money_stop(work, ledger.stop(work, width, reason, subject)))


def resume(work: Work, stop_id: str, reason: str) -> StopAnswer:
    """Let money go on."""
    ledger.resume(work, stop_id, reason)
    return told.stop(ledger.money_stop(work, stop_id))


def stops(reading: Reading, *, standing: bool) -> StopsAnswer:
    """Stops that stand, or the last ones there were."""
    return StopsAnswer(items=[told.stop(each) for each in ledger.stops(reading, STOPS_MOST, standing=standing)])


def reconcile(
    work: Work, reason: str, *, full: bool, dry_run: bool, batch_size: int | None = None
) -> ReconciliationAnswer:
    """Have the worker hold every balance against its postings."""
    run_id = ledger.ask_to_reconcile(work, reason, full=full, dry_run=dry_run, batch_size=batch_size)
    return reconciliation(work, run_id)


def reconcile_wallet(work: Work, wallet_id: str, reason: str, *, dry_run: bool) -> ReconciliationAnswer:
    """Hold one wallet against its postings, now."""
    return told.reconciliation(ledger.reconcile_wallet(work, wallet_id, reason, dry_run=dry_run))


def reconciliation(reading: Reading, run_id: str) -> ReconciliationAnswer:
    """One look at the balances."""
    return told.reconciliation(ledger.reconciliation(reading, run_id))


def reconciliations(reading: Reading, part: Part) -> ReconciliationsAnswer:
    """Looks at the balances, newest first."""
    rows, more = page_of(ledger.reconciliations(reading, part.limit + 1, part.past), part)
    return ReconciliationsAnswer(items=[told.reconciliation(row) for row in rows], next=rows[-1].id if more else "")


def drifts(reading: Reading, account_id: str, part: Part) -> DriftsAnswer:
    """What was found off, newest first."""
    rows, more = page_of(ledger.drifts(reading, account_id, part.limit + 1, part.past), part)
    return DriftsAnswer(items=[told.drift(row) for row in rows], next=rows[-1].id if more else "")


def page_of(rows: Sequence[T], part: Part) -> tuple[Sequence[T], bool]:
    """The rows of a page, of which one too many was asked for, and whether there are more."""
    return rows[: part.limit], len(rows) > part.limit
