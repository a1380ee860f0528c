"""How much to pay and why, the states of a payout, its identity and its key, and what answers mean. Pure.

Source of states, answers and the key: the batch specification in ``docs/decisions`` (never twice): an intent is
stored before the call, a row nobody can be sure of is looked up before anything is sent again.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from finops_core.kernel.business_days import NO_COUNTRY, add_business_days
from finops_core.kernel.canonical import content_hash
from finops_core.kernel.errors import Conflict, FinOpsError
from finops_core.kernel.money import Money
from finops_core.kernel.provider import Balance, CurrencyRule, PayoutStatus, ProviderPayout

KEY_PREFIX = "fod-"
KEY_HEX = 40
# Of a payout that was made: money is to come back, and nobody knows yet whether it will. Not a failure to retry.
REVERSED = "reversed"
META_ITEM, META_EXECUTION, META_ATTEMPT, META_HASH = "fod_item", "fod_exec", "fod_attempt", "fod_row_hash"
# Clocks of one company's machines and of a provider differ by seconds; further apart than this, one of them is wrong.
SKEW_MAX = timedelta(minutes=5)
# A look-up that showed nothing is made again after an eighth of the payout's age.
LOOK_SHARE, LOOK_RAREST = 8, timedelta(minutes=15)
# A provider that cannot be asked for a moment may be back in the next.
UNHEARD_WITHIN = timedelta(hours=1)
# A bank can return a payout up to five business days after it was paid (Stripe's payout documentation). Twice as many
# are watched, and three weeks at least: the bank may keep other holidays than the organisation, and be late.
RETURN_DAYS, WATCHED_DAYS, WATCHED_AT_LEAST = 5, 10, timedelta(days=21)
_ITEM = re.compile(r"ex_[0-9a-f]{1,64}:[0-9]{1,9}", re.ASCII)


class PayoutState(StrEnum):
    """Where a payout stands."""

    APPROVED = "approved"
    SUBMITTING = "submitting"
    CREATED = "created"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    NEEDS_REVIEW = "needs_review"
    CANCELED = "canceled"
    EXPIRED = "expired"


_S = PayoutState
NEXT: Mapping[PayoutState, frozenset[PayoutState]] = {
    _S.APPROVED: frozenset({_S.SUBMITTING, _S.CANCELED, _S.EXPIRED}),
    _S.SUBMITTING: frozenset({_S.CREATED, _S.REJECTED, _S.IN_DOUBT, _S.NEEDS_REVIEW, _S.CANCELED}),
    _S.IN_DOUBT: frozenset({_S.CREATED, _S.REJECTED, _S.NEEDS_REVIEW}),
    _S.NEEDS_REVIEW: frozenset({_S.CREATED, _S.REJECTED}),
    _S.CREATED: frozenset({_S.IN_TRANSIT, _S.PAID, _S.FAILED, _S.CANCELED}),
    _S.IN_TRANSIT: frozenset({_S.PAID, _S.FAILED, _S.CANCELED}),
    _S.PAID: frozenset({_S.FAILED}),
    # Only when the provider contradicts itself: see ``contradicts``.
    _S.FAILED: frozenset({_S.NEEDS_REVIEW}),
    _S.CANCELED: frozenset({_S.NEEDS_REVIEW}),
}
UNSETTLED = frozenset({_S.SUBMITTING, _S.IN_DOUBT})
DOUBTFUL = UNSETTLED | {_S.NEEDS_REVIEW}
LIVE = frozenset({_S.CREATED, _S.IN_TRANSIT, _S.PAID})
IN_FLIGHT = frozenset({_S.CREATED, _S.IN_TRANSIT})
# Money of this attempt has left, or may have.
MOVED = LIVE | DOUBTFUL
# Definitely no money of this attempt is on its way: a new attempt may be asked for.
RETRYABLE = frozenset({_S.REJECTED, _S.FAILED, _S.CANCELED, _S.EXPIRED})
_TOLD: Mapping[PayoutStatus, PayoutState] = {
    PayoutStatus.PENDING: _S.CREATED,
    PayoutStatus.IN_TRANSIT: _S.IN_TRANSIT,
    PayoutStatus.PAID: _S.PAID,
    PayoutStatus.FAILED: _S.FAILED,
    PayoutStatus.CANCELED: _S.CANCELED,
}


def words(state: PayoutState) -> str:
    """The state as people say it; a provider writes ``canceled``, the desk ``cancelled``."""
    return "cancelled" if state is _S.CANCELED else state.value.replace("_", " ")


def move(old: PayoutState, new: PayoutState) -> PayoutState:
    """The new state, or ``PAYOUT_MOVED_ON`` when it may not follow the old one."""
    if new not in NEXT.get(old, frozenset()):
        raise Conflict(
            "PAYOUT_MOVED_ON",
            f"A payout that is {words(old)} cannot become {words(new)}.",
            hint="Open the execution again to see where it stands.",
        )
    return new


def followed(state: PayoutState, status: PayoutStatus) -> PayoutState | None:
    """The state a payout moves on to by what the provider says; None when that is no news, or news from the past."""
    told = _TOLD[status]
    return told if told in NEXT.get(state, frozenset()) else None


def contradicts(state: PayoutState, status: PayoutStatus) -> bool:
    """Whether the provider says that a payout was paid which, by its own word, had not been: nothing to go by."""
    return status is PayoutStatus.PAID and state in {_S.FAILED, _S.CANCELED}


@dataclass(frozen=True, slots=True)
class Sizing:
    """How much one row pays, in minor units, what it leaves and why."""

    amount_minor: int
    left_minor: int
    why_left: str


def size(balance: Balance, rule: CurrencyRule, maximum: Money | None, minimum_to_leave: Money | None) -> Sizing:
    """The largest payable amount: available less what must stay, at most the maximum, rounded down to the step."""
    available = balance.available_minor
    keep = minimum_to_leave.minor if minimum_to_leave else 0
    wanted = available - keep
    reasons = []
    if keep:
        reasons.append("the file asks to leave this much")
    if maximum is not None and wanted > maximum.minor:
        wanted = maximum.minor
        reasons = ["the file sets a maximum"]
    amount = max(wanted, 0) - max(wanted, 0) % rule.step_minor
    if 0 < amount < max(wanted, 0) or (0 < wanted < rule.step_minor):
        reasons.append(rule.reason or "smaller than the currency's step")
    if 0 < amount < rule.minimum_minor:
        amount = 0
        reasons = [f"below the provider's minimum of {Money(rule.minimum_minor, rule.currency)}"]
    if available <= 0:
        reasons = ["nothing is available" if available == 0 else "the balance is negative"]
    elif wanted <= 0:
        reasons = ["no more is available than the file asks to leave"]
    left = available - amount
    return Sizing(amount, left, "; ".join(reasons) if left or not amount else "")


def by_source(balance: Balance, amount_minor: int, step_minor: int) -> tuple[tuple[str, int], ...]:
    """The parts an amount is paid in: a provider pays one payout from one source of the balance only.

    The largest source first, each part a multiple of the step. One part with source "" when there is but one source.
    A negative source pays nothing; the others make up for it.
    """
    if len(balance.by_source) <= 1:
        return (("", amount_minor),)
    parts: list[tuple[str, int]] = []
    rest = amount_minor
    for source, minor in sorted(balance.by_source.items(), key=lambda item: (-item[1], item[0])):
        part = min(minor, rest)
        part -= part % step_minor
        if part > 0:
            parts.append((source, part))
            rest -= part
    return tuple(parts) or (("", 0),)


def item_id(execution_id: str, row_no: int) -> str:
    """What a payout is for ever: its execution and its row in the plan."""
    return f"{execution_id}:{row_no}"


def item_told(metadata: Mapping[str, str]) -> str:
    """The item a payout at the provider carries; "" for one that cannot be ours, whatever else stands there."""
    told = metadata.get(META_ITEM, "")
    return told if _ITEM.fullmatch(told) else ""


def row_hash(facts: Mapping[str, str]) -> str:
    """Hash over provider, mode, account, currency, amount, destination, source type, method and descriptor."""
    return content_hash(dict(facts))


def idempotency_key(item: str, hash_of_row: str, attempt: int) -> str:
    """The key of an attempt: derived, so that no crash can lose it and no second key can exist."""
    digest = hashlib.sha256(f"v1|{item}|{hash_of_row}|{attempt}".encode()).hexdigest()
    return KEY_PREFIX + digest[:KEY_HEX]


class LookUp(StrEnum):
    """What a look-up of an unsettled payout means."""

    FOUND = "found"
    RESEND = "resend"
    REVIEW = "review"
    TWICE = "twice"
    OTHER = "other"


def judge(
    found: Sequence[ProviderPayout],
    *,
    amount_minor: int,
    currency: str,
    destination: str,
    sent_at: datetime,
    now: datetime,
    lifetime_s: int,
) -> LookUp:
    """What to do with a payout whose call had no clear answer, given what the provider lists for its metadata.

    One match: it is ours. Two, or one of another amount or to another bank account: alarm. None: the same key and body
    again while the provider is sure to remember the key; after that a person decides. A clock that has been set back
    tells nothing of a key's age: a person decides.
    """
    if any(payout.amount_minor != amount_minor or payout.currency != currency for payout in found):
        return LookUp.OTHER
    if any(goes_elsewhere(payout, destination) for payout in found):
        return LookUp.OTHER
    if len(found) > 1:
        return LookUp.TWICE
    if found:
        return LookUp.FOUND
    return LookUp.RESEND if key_is_known(sent_at, now, lifetime_s) else LookUp.REVIEW


def key_is_known(sent_at: datetime, now: datetime, lifetime_s: int) -> bool:
    """Whether the provider is sure to remember the key of a payout first sent then; never by a clock set back since."""
    return -SKEW_MAX <= now - sent_at < timedelta(seconds=lifetime_s)


def goes_elsewhere(found: ProviderPayout, destination: str) -> bool:
    """Whether a payout at the provider goes to another bank account than this one; "" on either side tells none."""
    return bool(destination and found.destination and found.destination != destination)


def search_from(asked_at: datetime, sent_at: datetime, now: datetime, margin_s: int) -> datetime:
    """Since when the provider's list is searched for a payout.

    From before its approval was asked for, not only from its sending: should this machine's clock have been ahead when
    it was sent, the payout is older than its own time of sending. When the clock was set back since, no stored time
    can be trusted, and the search goes back a month.
    """
    if max(asked_at, sent_at) > now + SKEW_MAX:
        return now - timedelta(days=31)
    return min(asked_at, sent_at) - timedelta(seconds=margin_s)


def look_again(sent_at: datetime | None, looked_at: datetime | None, now: datetime) -> bool:
    """Whether a payout nobody can be sure of is asked about now: rarer as it gets older, every quarter of an hour then.

    At once when a clock was set back since.
    """
    if sent_at is None or looked_at is None or looked_at > now:
        return True
    return now - looked_at >= min((now - sent_at) / LOOK_SHARE, LOOK_RAREST)


def given_up(sent_at: datetime | None, unheard_since: datetime | None, now: datetime, lifetime_s: int) -> bool:
    """Whether a payout in doubt is a person's matter: the provider may have forgotten its key, and cannot be asked.

    Of a clock that was set back since nothing can be trusted.
    """
    if sent_at is None or unheard_since is None or now - unheard_since < UNHEARD_WITHIN:
        return False
    return not key_is_known(sent_at, now, lifetime_s)


def clocks_agree(ours: datetime, theirs: datetime | None) -> bool:
    """Whether the provider's clock, as far as it tells, is near enough to ours to find payouts by their time."""
    return theirs is None or abs(ours - theirs) <= SKEW_MAX


def is_late(state: PayoutState, arrival_on: str, today: date) -> bool:
    """Whether money that should have arrived is still on its way; ``arrival_on`` is an ISO date or ""."""
    return state in IN_FLIGHT and bool(arrival_on) and date.fromisoformat(arrival_on) < today


def watched_from(today: date, country: str) -> date:
    """Of payouts paid since that day a bank may still return one; ``country``: whose business days count."""
    try:
        day = add_business_days(today, -WATCHED_DAYS, country)
    except FinOpsError:
        # A country the holiday library does not know.
        day = add_business_days(today, -WATCHED_DAYS, NO_COUNTRY)
    return min(day, today - WATCHED_AT_LEAST)
