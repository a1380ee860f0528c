"""What can be done with wallets: ten operations, each a balanced entry. Amounts are above zero, in minor units.

Each verb takes ``key``, the caller's idempotency key: asked again with the same key and content it gives the first
result; with other content ``DUPLICATE_TRANSACTION``.
"""

import re
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import select, update

from finops_core import audit, parties, reference
from finops_core.kernel.errors import Conflict, Invalid, NotAllowed
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.kernel.rates import convert
from finops_core.ledger import activity, adjusting, booking, chart, journal, proposing, queries, rules
from finops_core.ledger.activity import Refused
from finops_core.ledger.booking import Posted
from finops_core.ledger.journal import EntryPosting
from finops_core.ledger.models import ledger_account, ledger_balance
from finops_core.ledger.proposing import Proposal
from finops_core.ledger.rules import AccountState, Entry, EntryType, Line
from finops_core.platform.work import Work

_HOLDER = re.compile(r"[A-Za-z0-9_.-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Terms:
    """What every operation may be given besides its amount; see ``rules.Entry``."""

    key: str = ""
    reason: str = ""
    effective_on: date | None = None
    source: tuple[str, str] = ("", "")


NO_TERMS = Terms()
OVER_LIMIT = "ADJUSTMENT_OVER_LIMIT"


@dataclass(frozen=True, slots=True)
class _Side:
    """An account that an operation takes from or gives to, and what it must be for."""

    account_id: str
    purpose: str = ""

    def line(self, amount: Money) -> Line:
        return Line(self.account_id, amount, self.purpose)


def open_wallet(work: Work, party_id: str, currency: str) -> str:
    """The id of a holder's wallet in a currency; the one there is, if there is one. Needs ``LEDGER_POST``.

    ``HOLDER_BAD`` for what cannot be somebody's id, ``CURRENCY_UNKNOWN``.
    """
    work.require(Permission.LEDGER_POST)
    if _HOLDER.fullmatch(party_id) is None:
        raise Invalid(
            "HOLDER_BAD",
            "A wallet needs the id of whoever holds it.",
            hint="Up to 80 letters, digits, “_”, “-” and “.”, such as party_lumen.",
        )
    wanted = chart.Wanted(chart.WALLETS, currency, party_id, rules.WALLET)
    known = chart.known(work, [wanted])
    if wanted in known:
        return known[wanted]
    wallet_id = chart.account(work, chart.WALLETS, currency, party_id, rules.WALLET)
    detail = {"currency": currency, "holder": party_id}
    audit.record(work, "wallet.opened", f"wallet:{wallet_id}", detail=detail)
    return wallet_id


def deposit(work: Work, wallet_id: str, amount: Money, terms: Terms = NO_TERMS) -> Posted:
    """Money that came in for the holder of a wallet."""
    outside = _system(work, chart.EXTERNAL, amount)
    return _move(work, EntryType.DEPOSIT, outside, _wallet(wallet_id), amount, terms)


def withdraw(work: Work, wallet_id: str, amount: Money, terms: Terms = NO_TERMS) -> Posted:
    """Money that goes back to the holder; see ``check_leaving``."""
    return _move(work, EntryType.WITHDRAWAL, _wallet(wallet_id), _system(work, chart.EXTERNAL, amount), amount, terms)


def check_leaving(
    work: Work, type_: EntryType, wallet_id: str, to_wallet_id: str = "", day: date | None = None
) -> None:
    """Refuse money that would leave the desk for somebody unknown, where the installation asks for identities first.

    What goes to another wallet, is set aside or taken as a fee stays here. ``IDENTITY_UNVERIFIED``,
    ``IDENTITY_EXPIRED``, ``WALLET_NOT_FOUND``.
    """
    if type_ in _LEAVES and not to_wallet_id and work.ports.settings.ledger_withdraw_needs_kyc:
        parties.require_verified(work, queries.wallet_account(work, wallet_id).party_id, day)


def hold(work: Work, wallet_id: str, amount: Money, terms: Terms = NO_TERMS) -> Posted:
    """Set money of a wallet aside: it stays the holder's, who cannot use it."""
    return _move(work, EntryType.ESCROW_HOLD, _wallet(wallet_id), _escrow(work, wallet_id), amount, terms)


def release(work: Work, wallet_id: str, amount: Money, to_wallet_id: str = "", terms: Terms = NO_TERMS) -> Posted:
    """Give money set aside to another wallet, or back to its own."""
    to = _wallet(to_wallet_id or wallet_id)
    return _move(work, EntryType.ESCROW_RELEASE, _escrow(work, wallet_id), to, amount, terms)


def pay_out(work: Work, wallet_id: str, amount: Money, terms: Terms = NO_TERMS) -> Posted:
    """Money of a wallet on its way to its holder's bank; see ``check_leaving``."""
    return _move(work, EntryType.PAYOUT, _wallet(wallet_id), _system(work, chart.TRANSIT, amount), amount, terms)


def charge_fee(work: Work, wallet_id: str, amount: Money, terms: Terms = NO_TERMS) -> Posted:
    """A fee taken from a wallet."""
    return _move(work, EntryType.FEE, _wallet(wallet_id), _system(work, chart.FEES, amount), amount, terms)


def refund(work: Work, wallet_id: str, amount: Money, to_wallet_id: str = "", terms: Terms = NO_TERMS) -> Posted:
    """Money given back by whoever was paid: to another wallet, or out of the desk; then see ``check_leaving``."""
    to = _wallet(to_wallet_id) if to_wallet_id else _system(work, chart.EXTERNAL, amount)
    return _move(work, EntryType.REFUND, _wallet(wallet_id), to, amount, terms)


def transfer(work: Work, from_wallet_id: str, to_wallet_id: str, amount: Money, terms: Terms = NO_TERMS) -> Posted:
    """Money from one wallet to another of the same currency."""
    return _move(work, EntryType.TRANSFER, _wallet(from_wallet_id), _wallet(to_wallet_id), amount, terms)


def exchange(work: Work, wallet_id: str, to_wallet_id: str, amount: Money, terms: Terms = NO_TERMS) -> Posted:
    """Money of a wallet becomes money of another currency, in a wallet of that currency, at the day's stored rate.

    The amount is what is given; what it becomes is rounded half to even. It counts for today: whoever could name the
    day could choose its rate. ``OPERATION_BAD``, ``RATE_UNKNOWN``, and ``RATE_YOURS`` at a rate that one has typed
    oneself.
    """
    work.require(Permission.LEDGER_POST)
    rules.check_amount(amount)
    to = queries.wallet_account(work, to_wallet_id)
    if to.currency == amount.currency:
        raise _bad(f"Both are in {to.currency}.", "Transfer it instead.")
    # What was asked for, not what it came to: asked again, it is the same whatever rates did since.
    entry = replace(_entry(EntryType.EXCHANGE, (), terms), asked=(wallet_id, to.id, str(amount)))
    if (stands := booking.standing(work, entry)) is not None:
        return stands
    today = reference.today(work)
    if terms.effective_on not in {None, today}:
        raise _bad("An exchange counts for today, at today's rate.", "Leave the day out.")
    becomes = _becomes(work, amount, to.currency, today)
    # Both at once: two units that exchange there and back for the first time would each make the one and wait for the
    # other's.
    mine, theirs = (chart.Wanted(chart.EXCHANGE, each.currency) for each in (amount, becomes))
    positions = chart.accounts(work, (mine, theirs))
    lines = (
        _wallet(wallet_id).line(-amount),
        _Side(positions[mine]).line(amount),
        _Side(positions[theirs]).line(-becomes),
        _wallet(to.id).line(becomes),
    )
    return booking.post(work, replace(entry, lines=lines))


def operate(
    work: Work, type_: EntryType, wallet_id: str, amount: Money, terms: Terms = NO_TERMS, to_wallet_id: str = ""
) -> Posted:
    """One of the ten operations, by its type. ``to_wallet_id``: who gets it, where the operation knows of another.

    ``OPERATION_BAD`` for a type that is none of them, and what the operation itself refuses.
    """
    with activity.told(Refused(type_, wallet_id, amount)):
        return _operated(work, type_, wallet_id, amount, terms, to_wallet_id)


def adjust(work: Work, wallet_id: str, amount: Money, terms: Terms) -> Posted:
    """Put a wallet right, up or down, against suspense. Needs ``LEDGER_ADJUST``.

    ``REASON_MISSING``; ``ADJUSTMENT_OVER_LIMIT`` for one that somebody else must agree to.
    """
    with activity.told(Refused(EntryType.ADJUSTMENT, wallet_id, amount)):
        return _adjusted(work, wallet_id, amount, terms)


def reverse(work: Work, journal_id: str, terms: Terms) -> Posted:
    """Undo an entry, by its id or number, by one that takes back each of its postings. Needs ``LEDGER_ADJUST``.

    ``JOURNAL_UNKNOWN``, ``ALREADY_REVERSED``, ``FOLLOWS_ITS_DOCUMENT``, ``REASON_MISSING``, and
    ``INSUFFICIENT_BALANCE`` where the money is gone.
    """
    with activity.told(Refused(EntryType.REVERSAL)):
        return _reversed(work, journal_id, terms)


def freeze(work: Work, wallet_id: str, reason: str) -> None:
    """Let a wallet, and what is held for its holder, give and take nothing until it is opened again.

    Needs ``LEDGER_STOP``; ``REASON_MISSING``.
    """
    _set_state(work, wallet_id, AccountState.FROZEN, reason)


def unfreeze(work: Work, wallet_id: str, reason: str) -> None:
    """Open a frozen wallet again. Needs ``LEDGER_STOP``; ``REASON_MISSING``."""
    _set_state(work, wallet_id, AccountState.OPEN, reason)


_FOLLOWS = {rules.PENDING: frozenset({EntryType.ESCROW_HOLD, EntryType.ESCROW_RELEASE})}
"""Kind of document -> entries that stand and fall with it, besides the own books' that any document has."""
_LEAVES = frozenset({EntryType.WITHDRAWAL, EntryType.PAYOUT, EntryType.REFUND})
"""Operations that take money out of the desk, a refund unless it goes to another wallet."""
TO_ANOTHER = frozenset({EntryType.TRANSFER, EntryType.ESCROW_RELEASE, EntryType.REFUND, EntryType.EXCHANGE})
_PLAIN = {
    EntryType.DEPOSIT: deposit,
    EntryType.WITHDRAWAL: withdraw,
    EntryType.ESCROW_HOLD: hold,
    EntryType.PAYOUT: pay_out,
    EntryType.FEE: charge_fee,
}


def check_other(type_: EntryType, to_wallet_id: str) -> None:
    """Refuse another wallet where the operation knows of none, and none where it must have one: ``OPERATION_BAD``."""
    if to_wallet_id and type_ not in TO_ANOTHER:
        raise _bad(f"{type_.value} concerns one wallet alone.", "Leave the other wallet out.")
    if not to_wallet_id and type_ in (EntryType.TRANSFER, EntryType.EXCHANGE):
        raise _bad(f"{type_.value} gives to another wallet.", "Name the wallet it goes to.")


def _operated(work: Work, type_: EntryType, wallet_id: str, amount: Money, terms: Terms, to_wallet_id: str) -> Posted:
    check_other(type_, to_wallet_id)
    match type_:
        case EntryType.ADJUSTMENT:
            return adjust(work, wallet_id, amount, terms)
        case EntryType.TRANSFER | EntryType.EXCHANGE:
            verb = transfer if type_ is EntryType.TRANSFER else exchange
            return verb(work, wallet_id, to_wallet_id, amount, terms)
        case EntryType.ESCROW_RELEASE:
            return release(work, wallet_id, amount, to_wallet_id, terms)
        case EntryType.REFUND:
            return refund(work, wallet_id, amount, to_wallet_id, terms)
    plain = _PLAIN.get(type_)
    if plain is None:
        raise _bad(f"{type_.value} is no operation on a wallet.", "Name one, such as DEPOSIT.")
    return plain(work, wallet_id, amount, terms)


def _adjusted(work: Work, wallet_id: str, amount: Money, terms: Terms) -> Posted:
    work.require(Permission.LEDGER_ADJUST)
    queries.wallet_account(work, wallet_id)
    lines = (_system(work, chart.SUSPENSE, amount).line(-amount), _wallet(wallet_id).line(amount))
    entry = _entry(EntryType.ADJUSTMENT, lines, terms)
    adjusting.one_at_a_time(work)
    if (stands := booking.standing(work, entry)) is not None:
        return stands
    # What was proposed under this key is booked by its approval alone, even once the limit has room for it again.
    if proposing.asked_before(work, terms.key) or adjusting.over_limit(work, amount, terms.effective_on):
        raise _over_limit(amount)
    return booking.post(work, entry)


def _reversed(work: Work, journal_id: str, terms: Terms) -> Posted:
    work.require(Permission.LEDGER_ADJUST)
    if not terms.reason.strip():
        raise rules.reason_missing("A reversal")
    undone = journal.entry(work, journal_id)
    lines = tuple(_taken_back(posting) for posting in undone.postings)
    entry = replace(_entry(EntryType.REVERSAL, lines, terms), reverses=undone.id)
    if (stands := booking.standing(work, entry)) is not None:
        return stands
    if undone.reversed_by:
        raise rules.reversed_before()
    if undone.type == EntryType.REVERSAL:
        raise Conflict(
            "REVERSAL_STANDS", "A reversal cannot be reversed.", hint="Book again what it took back, as a new entry."
        )
    if undone.type == EntryType.ADJUSTMENT:
        for posting in undone.postings:
            if adjusting.over_limit_to_reverse(work, posting.amount, undone.effective_on):
                raise _over_limit(posting.amount)
    if undone.type in _FOLLOWS.get(undone.source[0], {EntryType.JOURNAL} if undone.source[0] else ()):
        raise rules.follows_its_document(undone.source[0])
    return booking.post(work, entry)


def adjust_or_propose(work: Work, wallet_id: str, amount: Money, terms: Terms) -> Posted | None:
    """Adjust, or ask somebody else to agree where one alone may not: None then. Needs ``LEDGER_ADJUST``."""
    try:
        return adjust(work, wallet_id, amount, terms)
    except Conflict as over:
        if over.code != OVER_LIMIT:
            raise
    key, about = terms.key, terms.source
    proposing.propose_adjustment(work, Proposal(wallet_id, amount, terms.reason, terms.effective_on, about, key))
    return None


def _over_limit(amount: Money) -> Conflict:
    return Conflict(
        OVER_LIMIT,
        f"An adjustment of {amount} needs somebody else's approval, by itself or with your others of 24 hours.",
        hint="Propose it; it is booked once somebody with the authority agrees.",
    )


def _bad(message: str, hint: str) -> Invalid:
    return Invalid("OPERATION_BAD", message, hint=hint)


def _move(work: Work, type_: EntryType, from_: _Side, to: _Side, amount: Money, terms: Terms) -> Posted:
    work.require(Permission.LEDGER_POST)
    rules.check_amount(amount)
    if from_ == to:
        raise rules.invalid_amount("A wallet cannot pay itself.")
    entry = _entry(type_, (from_.line(-amount), to.line(amount)), terms)
    if type_ in _LEAVES and to.purpose != rules.WALLET:
        # What was booked once is told again, whatever is known of the holder since.
        if (stands := booking.standing(work, entry)) is not None:
            return stands
        check_leaving(work, type_, from_.account_id, day=terms.effective_on)
    return booking.post(work, entry)


def _entry(type_: EntryType, lines: tuple[Line, ...], terms: Terms) -> Entry:
    return Entry(type_, lines, terms.effective_on, terms.key, terms.reason.strip(), terms.source)


def _becomes(work: Work, amount: Money, currency: str, day: date) -> Money:
    used = reference.rate(work, amount.currency, currency, day)
    if work.actor.id in used.typed_by:
        raise NotAllowed(
            "RATE_YOURS",
            "You typed the rate that this would be exchanged at.",
            hint="Have somebody else note it, or take in the European Central Bank's.",
        )
    found = convert(amount, used.value, currency)
    if not found.minor:
        raise rules.invalid_amount(f"{amount} would become nothing in {currency}.")
    return found


def _taken_back(posting: EntryPosting) -> Line:
    # Worth what it was worth: a rate that has moved since makes no gain of a mistake.
    worth = -posting.worth.minor if posting.worth else None
    return Line(posting.account.id, -posting.amount, worth=(worth, posting.rate_ids))


def _system(work: Work, code: str, amount: Money) -> _Side:
    return _Side(chart.account(work, code, amount.currency))


def _wallet(wallet_id: str) -> _Side:
    return _Side(wallet_id, rules.WALLET)


def _escrow(work: Work, wallet_id: str) -> _Side:
    wallet = queries.wallet_account(work, wallet_id)
    return _Side(chart.account(work, chart.ESCROW, wallet.currency, wallet.party_id, rules.ESCROW))


def _set_state(work: Work, wallet_id: str, state: AccountState, reason: str) -> None:
    work.require(Permission.LEDGER_STOP)
    if not reason.strip():
        raise rules.reason_missing("Freezing or opening a wallet")
    wallet = queries.wallet_account(work, wallet_id)
    # What is held for the holder stays where it is, too. Accounts for it are made where there are none, since a hold
    # under way may be making them just now: it would be seen by nobody here, and its money could leave.
    aside = [chart.Wanted(chart.ESCROW, wallet.currency, wallet.party_id, purpose) for purpose in rules.ASIDE]
    theirs = sorted({wallet.id, *chart.accounts(work, aside).values()})
    # Entries hold the balance while they are written: none that saw the wallet open is left once this has it.
    work.execute(
        select(ledger_balance.c.id)
        .where(ledger_balance.c.org_id == work.org_id, ledger_balance.c.id.in_(theirs))
        .order_by(ledger_balance.c.id)
        .with_for_update()
    )
    changed = work.execute(
        update(ledger_account)
        .where(
            ledger_account.c.org_id == work.org_id,
            ledger_account.c.id.in_(theirs),
            ledger_account.c.state.not_in([state.value, AccountState.CLOSED.value]),
        )
        .values(state=state.value, state_reason=reason.strip() if state is AccountState.FROZEN else "")
    )
    if not changed.rowcount:
        raise Conflict("WALLET_STANDS", f"The wallet is {wallet.state} already.", hint="Look at it again.")
    audit.record(work, f"wallet.{state.value}", f"wallet:{wallet.id}", detail={"reason": reason.strip()})
