"""How much is paid and why; what a look-up means; the key."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.kernel.errors import Conflict
from finops_core.kernel.money import Money
from finops_core.kernel.provider import Balance, CurrencyRule, Mode, ProviderPayout
from finops_core.payouts import rules
from finops_core.payouts.rules import LookUp, PayoutState

EVERY_CENT = CurrencyRule("USD", 1, 1)
WHOLE_FORINT = CurrencyRule("HUF", 100, 100, "HUF is paid out in whole forint.")
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def listed(amount_minor: int = 500, currency: str = "USD") -> ProviderPayout:
    return ProviderPayout("po_1", "pending", amount_minor, currency, NOW, NOW.date(), "ba_1", {}, Mode.TEST)


def test_everything_available_is_paid_when_the_file_asks_for_nothing_else():
    sizing = rules.size(Balance("USD", 12_345, 0), EVERY_CENT, None, None)
    assert (sizing.amount_minor, sizing.left_minor, sizing.why_left) == (12_345, 0, "")


@pytest.mark.parametrize(
    ("available", "maximum", "keep", "amount", "why"),
    [
        (10_000, 4_000, None, 4_000, "the file sets a maximum"),
        (10_000, None, 2_500, 7_500, "the file asks to leave this much"),
        (10_000, 9_000, 2_500, 7_500, "the file asks to leave this much"),
        (2_000, None, 2_500, 0, "no more is available than the file asks to leave"),
        (0, None, None, 0, ""),
        (-177_465, None, None, 0, "the balance is negative"),
        (-177_465, 100, None, 0, "the balance is negative"),
    ],
)
def test_the_file_can_cap_a_payout_and_keep_money_back(available, maximum, keep, amount, why):
    sizing = rules.size(
        Balance("USD", available, 0),
        EVERY_CENT,
        usd(maximum) if maximum else None,
        usd(keep) if keep else None,
    )
    assert (sizing.amount_minor, sizing.why_left) == (amount, why)
    assert sizing.amount_minor + sizing.left_minor == available


def test_a_payout_is_rounded_down_to_the_currencys_step_and_says_so():
    sizing = rules.size(Balance("HUF", 91_234_550, 0), WHOLE_FORINT, None, None)
    assert sizing.amount_minor == 91_234_500
    assert sizing.left_minor == 50
    assert sizing.why_left == WHOLE_FORINT.reason


def test_less_than_one_step_pays_nothing_and_says_why():
    sizing = rules.size(Balance("HUF", 99, 0), WHOLE_FORINT, None, None)
    assert sizing.amount_minor == 0
    assert sizing.why_left == WHOLE_FORINT.reason


def test_below_the_minimum_nothing_is_paid():
    sizing = rules.size(Balance("USD", 60, 0), CurrencyRule("USD", 1, 100), None, None)
    assert sizing.amount_minor == 0
    assert "minimum" in sizing.why_left


@given(
    st.integers(-(10**12), 10**12),
    st.one_of(st.none(), st.integers(1, 10**12)),
    st.one_of(st.none(), st.integers(0, 10**12)),
    st.sampled_from([1, 10, 100, 10_000]),
    st.integers(1, 500),
)
def test_a_payout_never_exceeds_what_may_leave(available, maximum, keep, step, minimum):
    rule = CurrencyRule("USD", step, minimum, "step")
    sizing = rules.size(
        Balance("USD", available, 0), rule, usd(maximum) if maximum else None, usd(keep) if keep is not None else None
    )
    assert sizing.amount_minor >= 0
    assert sizing.amount_minor % step == 0
    assert sizing.amount_minor == 0 or sizing.amount_minor >= minimum
    assert sizing.amount_minor <= max(available - (keep or 0), 0)
    assert maximum is None or sizing.amount_minor <= maximum
    assert sizing.amount_minor + sizing.left_minor == available
    assert bool(sizing.why_left) == bool(sizing.left_minor)


def test_the_key_is_the_same_for_the_same_attempt_and_another_for_the_next():
    first = rules.idempotency_key("ex_1:1", "a" * 64, 1)
    assert first == rules.idempotency_key("ex_1:1", "a" * 64, 1)
    others = [("ex_1:2", "a" * 64, 1), ("ex_1:1", "b" * 64, 1), ("ex_1:1", "a" * 64, 2)]
    assert len({first, *(rules.idempotency_key(*other) for other in others)}) == 4
    assert len(first) == 44


@pytest.mark.parametrize(
    ("found", "age_h", "verdict"),
    [
        ([listed()], 0, LookUp.FOUND),
        ([listed()], 99, LookUp.FOUND),
        ([listed(), listed()], 0, LookUp.TWICE),
        ([], 22, LookUp.RESEND),
        ([], 23, LookUp.REVIEW),
        ([listed(501)], 0, LookUp.REVIEW),
        ([listed(500, "EUR")], 0, LookUp.REVIEW),
    ],
)
def test_a_look_up_adopts_one_alarms_at_two_and_sends_again_only_while_the_key_is_sure_to_live(found, age_h, verdict):
    judged = rules.judge(
        found,
        amount_minor=500,
        currency="USD",
        sent_at=NOW - timedelta(hours=age_h),
        now=NOW,
        lifetime_s=23 * 3600,
    )
    assert judged is verdict


def test_a_final_payout_never_moves_again():
    for final in (PayoutState.REJECTED, PayoutState.CANCELED, PayoutState.FAILED, PayoutState.NEEDS_REVIEW):
        for new in PayoutState:
            with pytest.raises(Conflict):
                rules.move(final, new)


def test_nothing_is_sent_before_it_was_approved_and_nothing_is_created_unsent():
    assert PayoutState.CREATED not in rules.NEXT[PayoutState.APPROVED]
    assert PayoutState.SUBMITTING in rules.NEXT[PayoutState.APPROVED]
    assert PayoutState.REJECTED not in rules.NEXT[PayoutState.APPROVED]
