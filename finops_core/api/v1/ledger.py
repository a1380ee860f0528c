"""The ledger: wallets and what is done with them, entries, statements, money stops, and looks at the balances."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import ledger_verbs
from finops_core.answers.ledger import (
    DriftsAnswer,
    EntriesAnswer,
    EntryAnswer,
    LedgerHealthAnswer,
    PostedAnswer,
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
from finops_core.answers.ledger_verbs import Move, Part
from finops_core.api.v1.asking import PAGE_MOST, Ask, Asking, Changing, Name, Text, problems, told
from finops_core.ledger import Dated, EntryFilter, EntryType, StopWidth, Terms
from finops_core.security import Scope

router = APIRouter(prefix="/ledger", tags=["ledger"])
_LEDGER = (Scope.LEDGER,)
_MOVES, _LOOKS = problems(400, 403, 404, 409, 413), problems(403, 404)
_ID, _PLACE = r"^[A-Za-z0-9_.-]*$", r"^[A-Za-z0-9_.~-]*$"
HOURS_MOST = 90 * 24
Id = Annotated[str, Query(max_length=80, pattern=_ID)]
Given = Annotated[str, Field(max_length=80, pattern=_ID)]
Key = Annotated[
    str,
    Field(
        max_length=200,
        pattern="^[!-~]*$",
        description="The ledger's own idempotency key, kept for ever: the same content under it gives the first one.",
    ),
]
Day = Annotated[date | None, Query(description="Up to the end of this day; everything without.")]


async def _part(
    limit: Annotated[int, Query(ge=1, le=PAGE_MOST, description="How many.")] = 50,
    past: Annotated[str, Query(max_length=120, pattern=_PLACE, description="`next` of the page before.")] = "",
) -> Part:
    return Part(limit, past)


Here = Annotated[Part, Depends(_part)]


class OpenAsk(Ask):
    """Whose wallet, in which currency."""

    holder: str = Field(min_length=1, max_length=80, examples=["party_lumen"])
    currency: str = Field(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["USD"])


class ReasonAsk(Ask):
    """Why."""

    reason: Text = Field(examples=["asked by the bank"])


class MoveAsk(Ask):
    """One operation on a wallet."""

    type: EntryType = Field(description="One of the ten: the first of these.", examples=["DEPOSIT"])
    amount: str = Field(
        max_length=40, description="Decimals of the currency; below zero only in an adjustment.", examples=["12.50"]
    )
    currency: str = Field(min_length=3, max_length=3, pattern="^[A-Z]{3}$", examples=["USD"])
    to_wallet: Given = Field(default="", description="Where money goes to another wallet.")
    reason: Text = ""
    effective_on: date | None = Field(
        default=None, description="The business day it counts for; today without.", examples=["2026-10-15"]
    )
    key: Key = ""
    source_kind: Given = Field(default="", description="What kind of document it comes from.")
    source_id: Given = ""


class ReverseAsk(ReasonAsk):
    """Why an entry is undone."""

    key: Key = ""


class StopAsk(ReasonAsk):
    """How much money is stopped."""

    width: StopWidth = Field(examples=["type"])
    subject: Given = Field(
        default="", description="The type or the wallet; empty for the wide ones.", examples=["REFUND"]
    )


class LookAsk(Ask):
    """How balances are looked at."""

    full: bool = Field(default=False, description="With the whole history.", examples=[True])
    dry_run: bool = Field(default=False, description="Put nothing back.")
    batch_size: int | None = Field(
        default=None, ge=1, le=5_000, description="So many accounts at a time.", examples=[500]
    )
    reason: Text = Field(default="", examples=["a look before the month ends"])


class LookAtOneAsk(Ask):
    """How one wallet is looked at; it needs a reason unless it is a dry run."""

    dry_run: bool = Field(default=False, examples=[False])
    reason: Text = Field(default="", examples=["a look before the month ends"])


@router.get("/trial-balance", summary="Trial balance", response_model=TrialBalanceAnswer, responses=problems(403))
def trial_balance(caller: Asking, day: Day = None) -> Response:
    """Every line of the chart that was posted to; a debit is negative, and each currency adds up to zero."""
    with caller.read() as reading:
        return told(ledger_verbs.trial_balance(reading, day))


@router.get("/statistics", summary="Statistics", response_model=StatisticsAnswer, responses=problems(403))
def statistics(caller: Asking, hours: Annotated[int, Query(ge=1, le=HOURS_MOST)] = 24) -> Response:
    """What was booked and refused in so many hours until now."""
    with caller.read() as reading:
        return told(ledger_verbs.statistics(reading, timedelta(hours=hours)))


@router.get("/health", summary="How it stands", response_model=LedgerHealthAnswer, responses=problems(403))
def health(caller: Asking) -> Response:
    """How much it holds, and whether the last look at its balances left any off."""
    with caller.read() as reading:
        return told(ledger_verbs.health(reading))


@router.get("/refusals", summary="Refused operations", response_model=RefusalsAnswer, responses=problems(403))
def refusals(caller: Asking, part: Here) -> Response:
    """Newest first."""
    with caller.read() as reading:
        return told(ledger_verbs.refusals(reading, part))


@router.get("/wallets", summary="Wallets", response_model=WalletsAnswer, responses=problems(403))
def wallets(caller: Asking, part: Here, holder: Id = "") -> Response:
    """Wallets, oldest first."""
    with caller.read() as reading:
        return told(ledger_verbs.wallets(reading, holder, part))


@router.post("/wallets", summary="Open a wallet", response_model=WalletAnswer, responses=_MOVES)
def open_wallet(change: Changing, asked: OpenAsk) -> Response:
    """The holder's wallet in a currency; the one there is, if there is one. Needs the scope `ledger`."""
    return change.done(_LEDGER, lambda work: ledger_verbs.open_wallet(work, asked.holder, asked.currency), asked)


@router.get("/wallets/{name}", summary="One wallet", response_model=WalletAnswer, responses=_LOOKS)
def wallet(caller: Asking, name: Name) -> Response:
    """What it holds, what is held for its holder, and whether it is open."""
    with caller.read() as reading:
        return told(ledger_verbs.wallet(reading, name))


@router.post("/wallets/{name}/operations", summary="Move money", response_model=PostedAnswer, responses=_MOVES)
def move(change: Changing, name: Name, asked: MoveAsk) -> Response:
    """Book one of the ten operations. An adjustment needs a reason, and the right to adjust."""
    source = (asked.source_kind, asked.source_id)
    terms = Terms(asked.key, asked.reason, asked.effective_on, source)
    wanted = Move(asked.type, name, asked.amount, asked.currency, asked.to_wallet, terms)
    return change.done(_LEDGER, lambda work: ledger_verbs.move(work, wanted), asked)


@router.post("/wallets/{name}/freeze", summary="Freeze", response_model=WalletAnswer, responses=_MOVES)
def freeze(change: Changing, name: Name, asked: ReasonAsk) -> Response:
    """It gives and takes nothing until it is opened again."""
    return change.done(_LEDGER, lambda work: ledger_verbs.freeze(work, name, asked.reason), asked)


@router.post("/wallets/{name}/unfreeze", summary="Open again", response_model=WalletAnswer, responses=_MOVES)
def unfreeze(change: Changing, name: Name, asked: ReasonAsk) -> Response:
    """Open a frozen wallet."""
    return change.done(_LEDGER, lambda work: ledger_verbs.unfreeze(work, name, asked.reason), asked)


@router.post(
    "/wallets/{name}/reconcile", summary="Check a balance", response_model=ReconciliationAnswer, responses=_MOVES
)
def reconcile_wallet(change: Changing, name: Name, asked: LookAtOneAsk) -> Response:
    """Hold one wallet against every posting of it, now; put it back unless it is a dry run."""
    return change.done(
        _LEDGER,
        lambda work: ledger_verbs.reconcile_wallet(work, name, asked.reason, dry_run=asked.dry_run),
        asked,
    )


@router.get("/accounts/{name}/statement", summary="Statement", response_model=StatementAnswer, responses=_LOOKS)
def statement(caller: Asking, name: Name, part: Here, until: Day = None, dated: Dated = Dated.EFFECTIVE) -> Response:
    """An account's postings with what it held after each, newest first by the date that is asked for."""
    with caller.read() as reading:
        return told(ledger_verbs.statement(reading, name, part, until, dated))


@router.get("/entries", summary="Entries", response_model=EntriesAnswer, responses=problems(403))
def entries(caller: Asking, part: Here, type: EntryType | None = None, source: Id = "") -> Response:  # noqa: A002
    """Entries, newest first; `source`: those that come from one document."""
    wanted = EntryFilter(type.value if type else "", source)
    with caller.read() as reading:
        return told(ledger_verbs.entries(reading, wanted, part))


@router.get("/entries/{name}", summary="One entry", response_model=EntryAnswer, responses=_LOOKS)
def entry(caller: Asking, name: Name) -> Response:
    """An entry with its sides; a debit is negative."""
    with caller.read() as reading:
        return told(ledger_verbs.entry(reading, name))


@router.post("/entries/{name}/reverse", summary="Reverse", response_model=PostedAnswer, responses=_MOVES)
def reverse(change: Changing, name: Name, asked: ReverseAsk) -> Response:
    """A new entry takes back each posting of this one; each can be reversed once."""
    terms = Terms(asked.key, asked.reason)
    return change.done(_LEDGER, lambda work: ledger_verbs.reverse(work, name, terms), asked)


@router.get("/stops", summary="Money stops", response_model=StopsAnswer, responses=problems(403))
def stops(caller: Asking, standing: bool = True) -> Response:  # noqa: FBT001, FBT002 - a query parameter
    """Stops that stand; with `standing=false` the last ones there were."""
    with caller.read() as reading:
        return told(ledger_verbs.stops(reading, standing=standing))


@router.post("/stops", summary="Stop money", response_model=StopAnswer, responses=_MOVES)
def stop(change: Changing, asked: StopAsk) -> Response:
    """From now on, until it is lifted; entries being written end first."""
    return change.done(_LEDGER, lambda work: ledger_verbs.stop(work, asked.width, asked.subject, asked.reason), asked)


@router.post("/stops/{name}/lift", summary="Let money go on", response_model=StopAnswer, responses=_MOVES)
def resume(change: Changing, name: Name, asked: ReasonAsk) -> Response:
    """Lift one stop."""
    return change.done(_LEDGER, lambda work: ledger_verbs.resume(work, name, asked.reason), asked)


@router.get(
    "/reconciliations", summary="Looks at the balances", response_model=ReconciliationsAnswer, responses=problems(403)
)
def reconciliations(caller: Asking, part: Here) -> Response:
    """On schedule, or asked for; newest first."""
    with caller.read() as reading:
        return told(ledger_verbs.reconciliations(reading, part))


@router.post("/reconciliations", summary="Look at the balances", response_model=ReconciliationAnswer, responses=_MOVES)
def reconcile(change: Changing, asked: LookAsk) -> Response:
    """Have the worker hold every balance against its postings; what is off is put back unless it is a dry run."""
    return change.done(
        _LEDGER,
        lambda work: ledger_verbs.reconcile(
            work, asked.reason, full=asked.full, dry_run=asked.dry_run, batch_size=asked.batch_size
        ),
        asked,
    )


@router.get("/reconciliations/{name}", summary="One look", response_model=ReconciliationAnswer, responses=_LOOKS)
def reconciliation(caller: Asking, name: Name) -> Response:
    """What it found; `ended_at` is null while it is under way."""
    with caller.read() as reading:
        return told(ledger_verbs.reconciliation(reading, name))


@router.get("/drifts", summary="What was off", response_model=DriftsAnswer, responses=problems(403))
def drifts(caller: Asking, part: Here, account: Id = "") -> Response:
    """Accounts whose balance was not their postings, newest first."""
    with caller.read() as reading:
        return told(ledger_verbs.drifts(reading, account, part))
