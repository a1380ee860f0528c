"""The ledger as programs see it: wallets, entries, statements, stops, and what was found off."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from pydantic import Field

from finops_core.answers.common import Amount, Answer, amount
from finops_core.ledger import (
    AccountLine,
    DriftView,
    EntryLine,
    EntryPosting,
    LedgerHealth,
    Posted,
    ProposalView,
    ReconciliationView,
    RefusalView,
    Statement,
    Statistics,
    StopView,
    TrialLine,
    WalletView,
)
from finops_core.upkeep.deploying import Deployment

NEXT = Field(default="", description="Where the next page begins; empty on the last one.")


class TrialLineAnswer(Answer):
    """A line of the chart in one currency; a debit is negative."""

    code: str = Field(examples=["1030"])
    name: str = Field(examples=["Payouts in transit"])
    kind: str = Field(examples=["asset"])
    total: Amount


class TrialBalanceAnswer(Answer):
    """Every line that was posted to; in each currency they add up to zero."""

    items: list[TrialLineAnswer]


class AccountAnswer(Answer):
    """What postings go to: a line of the chart in one currency, for one holder."""

    id: str = Field(examples=["acc_0199b1c2d3e4"])
    code: str
    name: str
    kind: str
    currency: str
    party_id: str = Field(description="Its holder; empty for the organisation itself.")
    purpose: str
    state: str = Field(examples=["open"])


class WalletAnswer(Answer):
    """A wallet; what is held for its holder is not in its balance."""

    id: str = Field(examples=["acc_0199b1c2d3e4"])
    party_id: str = Field(examples=["party_lumen"])
    currency: str = Field(examples=["USD"])
    balance: Amount
    held: Amount
    state: str = Field(examples=["open"])
    state_reason: str = ""


class WalletsAnswer(Answer):
    """Wallets, oldest first."""

    items: list[WalletAnswer]
    next: str = NEXT


class PostingAnswer(Answer):
    """One side of an entry; a debit is negative."""

    account: AccountAnswer
    amount: Amount
    worth: Amount | None = Field(description="In the base currency; null while no rate was stored.")
    rates: list[str] = Field(description="The stored rates that this follows from.")


class EntryAnswer(Answer):
    """An entry with its sides."""

    id: str = Field(examples=["je_0199b1c2d3e4"])
    number: str = Field(description="Empty until it is given, within a minute.", examples=["JE-2026-0001"])
    type: str = Field(examples=["DEPOSIT"])
    booked_at: datetime
    effective_on: date
    created_by: str
    reason: str
    source_kind: str = Field(description="What kind of document it comes from.", examples=["payout"])
    source_id: str
    reverses: str = Field(description="The entry that it undoes.")
    reversed_by: str = Field(description="The entry that undid it.")
    postings: list[PostingAnswer]


class EntriesAnswer(Answer):
    """Entries, newest first."""

    items: list[EntryAnswer]
    next: str = NEXT


class StatementLineAnswer(Answer):
    """A posting of an account, and what the account held after it in the order of the statement."""

    journal_id: str
    number: str = Field(description="Of its entry; empty until it is given.", examples=["JE-2026-0001"])
    type: str
    effective_on: date
    booked_at: datetime
    reason: str
    source_kind: str
    source_id: str
    amount: Amount
    balance: Amount


class StatementAnswer(Answer):
    """A page of an account's postings, newest first."""

    account: AccountAnswer
    balance: Amount = Field(description="With every posting up to the day that was asked for.")
    items: list[StatementLineAnswer]
    next: str = NEXT


class PostedAnswer(Answer):
    """An entry that stands."""

    id: str = Field(examples=["je_0199b1c2d3e4"])
    booked_at: datetime
    effective_on: date
    repeated: bool = Field(description="It stood before, under the same key; nothing was booked now.")


class StopAnswer(Answer):
    """Money that may not move, or might not."""

    id: str = Field(examples=["stop_0199b1c2d3e4"])
    width: str = Field(examples=["type"])
    subject: str = Field(description="The type or the wallet it is of; empty for the wide ones.")
    reason: str
    set_by: str
    set_at: datetime
    lifted_by: str
    lifted_at: datetime | None
    lifted_reason: str


class StopsAnswer(Answer):
    """Stops, newest first."""

    items: list[StopAnswer]


class ReconciliationAnswer(Answer):
    """A look at balances beside their postings; it counts accounts."""

    id: str = Field(examples=["rec_0199b1c2d3e4"])
    width: str = Field(examples=["hourly"])
    account_id: str = Field(description="The wallet it looked at; empty for all.")
    dry_run: bool
    asked_by: str
    reason: str
    asked_at: datetime
    moved_since: datetime | None = Field(
        description="It looked at accounts that moved since; null where it did at all."
    )
    ended_at: datetime | None = Field(description="Null while it is under way.")
    checked: int
    drifted: int
    repaired: int
    broken: int = Field(description="Nothing was done to these: postings are gone or changed.")


class ReconciliationsAnswer(Answer):
    """Looks, newest first."""

    items: list[ReconciliationAnswer]
    next: str = NEXT


class DriftAnswer(Answer):
    """An account that was off."""

    id: str
    reconciliation_id: str
    account_id: str
    shown: Amount
    should: Amount
    repaired: bool
    broken: bool
    found_at: datetime


class DriftsAnswer(Answer):
    """What was found off, newest first."""

    items: list[DriftAnswer]
    next: str = NEXT


class KindAnswer(Answer):
    """Entries of a type in one currency; ``volume`` is what was credited in all of them."""

    type: str = Field(examples=["DEPOSIT"])
    many: int
    volume: Amount


class StatisticsAnswer(Answer):
    """What was booked and refused in a period."""

    since: datetime
    until: datetime
    entries: int
    failed: int
    error_rate: float = Field(description="The part of all operations that was refused, 0 to 1.")
    kinds: list[KindAnswer]
    refused: dict[str, int] = Field(description="Error code and how often.")
    timed: int = Field(description="How many bookings were timed.")
    median_ms: int | None = Field(description="Half of them took at most this; null when none was timed.")
    slow_ms: int | None = Field(description="19 of 20 took at most this.")


class DeploymentAnswer(Answer):
    """A release of the desk that was started."""

    release: str = Field(examples=["0.1.0"])
    revision: str = Field(description="The migration its database stood at.")
    at: datetime


class LedgerHealthAnswer(Answer):
    """How much the ledger holds, and whether its balances are their postings."""

    healthy: bool
    wallets: int
    entries: int
    balances: int = Field(description="Balances that are kept beside the postings.")
    stops: int = Field(description="Stops of money that stand.")
    off: int | None = Field(description="Accounts that the last look left off; null before the first.")
    looked_at: datetime | None = Field(description="When that look ended.")
    deadlocks: int = Field(description="Broken by the database since it began to count.")
    deployments: list[DeploymentAnswer] = Field(description="The last releases that were started, newest first.")


class RefusalAnswer(Answer):
    """An operation that was refused."""

    id: str = Field(examples=["ref_0199b1c2d3e4"])
    type: str
    wallet: str = Field(description="Empty where it was none of yours.")
    amount: Amount | None
    code: str = Field(examples=["INSUFFICIENT_BALANCE"])
    asked_by: str
    asked_at: datetime


class RefusalsAnswer(Answer):
    """Refused operations, newest first."""

    items: list[RefusalAnswer]
    next: str = NEXT


class ProposalAnswer(Answer):
    """An adjustment that needs somebody else's approval."""

    id: str = Field(examples=["adj_0199b1c2d3e4"])
    wallet: str
    amount: Amount
    reason: str
    effective_on: date | None = Field(description="The business day it would count for; null for that of its approval.")
    source_kind: str
    source_id: str
    approval: str = Field(description="The request to decide.", examples=["ap_0199b1c2d3e4"])
    proposed_by: str
    proposed_at: datetime
    state: str = Field(examples=["waiting"])
    entry: str = Field(description="Its entry once it is booked; empty before.")


class ProposalsAnswer(Answer):
    """Proposals, newest first."""

    items: list[ProposalAnswer]
    next: str = NEXT


def trial_balance(lines: Iterable[TrialLine]) -> TrialBalanceAnswer:
    """A trial balance."""
    items = [
        TrialLineAnswer(code=each.code, name=each.name, kind=each.kind, total=amount(each.total)) for each in lines
    ]
    return TrialBalanceAnswer(items=items)


def wallet(view: WalletView) -> WalletAnswer:
    """One wallet."""
    return WalletAnswer(
        id=view.id,
        party_id=view.party_id,
        currency=view.currency,
        balance=amount(view.balance),
        held=amount(view.held),
        state=view.state.value,
        state_reason=view.state_reason,
    )


def account(line: AccountLine) -> AccountAnswer:
    """One account."""
    return AccountAnswer.of(line)


def entry(line: EntryLine) -> EntryAnswer:
    """One entry."""
    return EntryAnswer(
        id=line.id,
        number=line.number,
        type=line.type,
        booked_at=line.booked_at,
        effective_on=line.effective_on,
        created_by=line.created_by,
        reason=line.reason,
        source_kind=line.source[0],
        source_id=line.source[1],
        reverses=line.reverses,
        reversed_by=line.reversed_by,
        postings=[_posting(each) for each in line.postings],
    )


def _posting(each: EntryPosting) -> PostingAnswer:
    return PostingAnswer(
        account=account(each.account),
        amount=amount(each.amount),
        worth=amount(each.worth) if each.worth else None,
        rates=each.rate_ids.split("+") if each.rate_ids else [],
    )


def statement(found: Statement) -> StatementAnswer:
    """A page of a statement."""
    lines = [
        StatementLineAnswer(
            journal_id=line.journal_id,
            number=line.number,
            type=line.type,
            effective_on=line.effective_on,
            booked_at=line.booked_at,
            reason=line.reason,
            source_kind=line.source[0],
            source_id=line.source[1],
            amount=amount(line.amount),
            balance=amount(line.balance),
        )
        for line in found.lines
    ]
    return StatementAnswer(account=account(found.account), balance=amount(found.balance), items=lines, next=found.older)


def posted(found: Posted) -> PostedAnswer:
    """An entry that stands."""
    return PostedAnswer.of(found)


def statistics(found: Statistics) -> StatisticsAnswer:
    """What was booked and refused."""
    kinds = [KindAnswer(type=each.type, many=each.many, volume=amount(each.volume)) for each in found.kinds]
    same = {name: getattr(found, name) for name in ("since", "until", "entries", "failed", "error_rate", "refused")}
    took = found.latency
    times = {"timed": took.units, "median_ms": took.median_ms, "slow_ms": took.slow_ms}
    return StatisticsAnswer(kinds=kinds, **same, **times)


def health(found: LedgerHealth, started: Sequence[Deployment]) -> LedgerHealthAnswer:
    """How the ledger stands, and which releases were started."""
    names = ("healthy", "wallets", "entries", "balances", "stops", "off", "looked_at", "deadlocks")
    deployments = [DeploymentAnswer(release=each.release, revision=each.revision, at=each.at) for each in started]
    return LedgerHealthAnswer(**{name: getattr(found, name) for name in names}, deployments=deployments)


def refusal(view: RefusalView) -> RefusalAnswer:
    """One refused operation."""
    refused = view.refused
    return RefusalAnswer(
        id=view.id,
        type=refused.type.value,
        wallet=refused.wallet_id,
        amount=amount(refused.amount) if refused.amount else None,
        code=view.code,
        asked_by=view.asked_by,
        asked_at=view.asked_at,
    )


def proposal(view: ProposalView) -> ProposalAnswer:
    """One proposal."""
    return ProposalAnswer(
        id=view.id,
        wallet=view.asked.wallet_id,
        amount=amount(view.asked.amount),
        reason=view.asked.reason,
        effective_on=view.asked.effective_on,
        source_kind=view.asked.about[0],
        source_id=view.asked.about[1],
        approval=view.request_id,
        proposed_by=view.proposed_by,
        proposed_at=view.proposed_at,
        state=view.state.value,
        entry=view.journal_id,
    )


def stop(view: StopView) -> StopAnswer:
    """One stop."""
    return StopAnswer.of(view)


def reconciliation(view: ReconciliationView) -> ReconciliationAnswer:
    """One look."""
    return ReconciliationAnswer.of(view)


def drift(view: DriftView) -> DriftAnswer:
    """One account that was off."""
    facts = {name: getattr(view, name) for name in ("id", "reconciliation_id", "account_id", "found_at")}
    said = {"repaired": view.repaired, "broken": view.broken}
    return DriftAnswer(shown=amount(view.shown), should=amount(view.should), **facts, **said)
