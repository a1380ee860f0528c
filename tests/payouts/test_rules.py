"""How much is paid and why; what a look-up means; the key."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.kernel.errors import Conflict
from finops_core.kernel.money import Money
from finops_core.kernel.provider import Balance, CurrencyRule, Mode, PayoutStatus, ProviderPayout
from finops_core.payouts import rules
from finops_core.payouts.rules import LookUp, PayoutState

EVERY_CENT = CurrencyRule("USD", 1, 1)
WHOLE_FORINT = CurrencyRule("HUF", 100, 100, "HUF is paid out in whole forint.")
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def listed(amount_minor: int = 500, currency: str = "USD") -> ProviderPayout:
    return ProviderPayout("po_1", PayoutStatus.PENDING, amount_minor, currency, NOW, NOW.date(), "ba_1", {}, Mode.TEST)


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
        (0, None, None, 0, "nothing is available"),
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
    assert bool(sizing.why_left) == bool(sizing.left_minor or not sizing.amount_minor)


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
        ([listed(501)], 0, LookUp.OTHER),
        ([listed(500, "EUR")], 0, LookUp.OTHER),
        ([replace(listed(), destination="ba_1")], 0, LookUp.FOUND),
        ([replace(listed(), destination="ba_2")], 0, LookUp.OTHER),
    ],
)
def test_a_look_up_adopts_one_alarms_at_two_and_sends_again_only_while_the_key_is_sure_to_live(found, age_h, verdict):
    judged = rules.judge(
        found,
        amount_minor=500,
        destination="ba_1",
        currency="USD",
        sent_at=NOW - timedelta(hours=age_h),
        now=NOW,
        lifetime_s=23 * 3600,
    )
    assert judged is verdict


def test_what_is_settled_for_good_moves_again_only_into_the_hands_of_a_person():
    for final in rules.RETRYABLE:
        for new in set(PayoutState) - {PayoutState.NEEDS_REVIEW}:
            with pytest.raises(Conflict):
                rules.move(final, new)
    # and there only if the provider had made it, and says now that it was paid
    assert {final for final in rules.RETRYABLE if rules.NEXT.get(final)} == {PayoutState.FAILED, PayoutState.CANCELED}
    said = [(state, status) for state in PayoutState for status in PayoutStatus if rules.contradicts(state, status)]
    assert said == [(PayoutState.FAILED, PayoutStatus.PAID), (PayoutState.CANCELED, PayoutStatus.PAID)]


def test_a_paid_payout_can_still_come_back_and_goes_nowhere_else():
    assert rules.NEXT[PayoutState.PAID] == {PayoutState.FAILED}


@pytest.mark.parametrize(
    ("state", "status", "new"),
    [
        (PayoutState.CREATED, PayoutStatus.PENDING, None),
        (PayoutState.CREATED, PayoutStatus.IN_TRANSIT, PayoutState.IN_TRANSIT),
        (PayoutState.CREATED, PayoutStatus.PAID, PayoutState.PAID),
        (PayoutState.PAID, PayoutStatus.FAILED, PayoutState.FAILED),
        (PayoutState.PAID, PayoutStatus.IN_TRANSIT, None),
        (PayoutState.FAILED, PayoutStatus.PAID, None),
        (PayoutState.REJECTED, PayoutStatus.PAID, None),
    ],
)
def test_news_moves_a_payout_on_and_news_from_the_past_does_not(state, status, new):
    assert rules.followed(state, status) is new


def test_a_clock_that_was_set_back_tells_nothing_of_a_keys_age():
    judged = rules.judge(
        [],
        amount_minor=500,
        destination="",
        currency="USD",
        sent_at=NOW + timedelta(days=3),
        now=NOW,
        lifetime_s=23 * 3600,
    )
    assert judged is LookUp.REVIEW
    assert rules.search_from(NOW, NOW + timedelta(days=3), NOW, 3600) == NOW - timedelta(days=31)


def test_a_payout_is_searched_for_from_before_anybody_was_asked():
    asked, sent = NOW - timedelta(hours=30), NOW - timedelta(hours=2)
    assert rules.search_from(asked, sent, NOW, 3600) == asked - timedelta(hours=1)


@given(
    st.dictionaries(st.sampled_from(["card", "bank_account", "fpx"]), st.integers(-(10**9), 10**9), max_size=3),
    st.sampled_from([1, 10, 100]),
    st.integers(0, 10**9),
)
def test_a_split_balance_is_paid_in_parts_that_each_source_can_bear(by_source, step, wanted):
    available = sum(by_source.values())
    amount = max(min(wanted, available), 0)
    amount -= amount % step
    parts = rules.by_source(Balance("USD", available, 0, by_source), amount, step)

    assert sum(minor for _, minor in parts) <= amount
    assert all(minor % step == 0 for _, minor in parts)
    if len(by_source) > 1:
        assert all(minor <= max(by_source.get(source, 0), 0) for source, minor in parts)
        assert amount - sum(minor for _, minor in parts) < step * len(by_source) or any(
            minor < 0 for minor in by_source.values()
        )
    else:
        assert parts == (("", amount),)


def test_nothing_is_sent_before_it_was_approved_and_nothing_is_created_unsent():
    assert PayoutState.CREATED not in rules.NEXT[PayoutState.APPROVED]
    assert PayoutState.SUBMITTING in rules.NEXT[PayoutState.APPROVED]
    assert PayoutState.REJECTED not in rules.NEXT[PayoutState.APPROVED]


@pytest.mark.parametrize(
    ("sent_min", "looked_min", "again"),
    [
        (None, None, True),
        (5, None, True),
        (8, 1, True),
        (16, 1, False),
        (16, 2, True),
        (600, 14, False),
        (600, 15, True),
    ],
)
def test_a_payout_is_looked_up_after_an_eighth_of_its_age_and_every_quarter_of_an_hour_at_the_rarest(
    sent_min: int | None, looked_min: int | None, again: bool
):
    sent, looked = (None if each is None else NOW - timedelta(minutes=each) for each in (sent_min, looked_min))

    assert rules.look_again(sent, looked, NOW) is again


def test_after_a_clock_was_set_back_a_payout_is_looked_up_at_once():
    assert rules.look_again(NOW - timedelta(hours=9), NOW + timedelta(hours=2), NOW)


def test_people_read_one_spelling_of_a_cancelled_payout():
    told = {rules.words(state) for state in PayoutState}

    assert "cancelled" in told
    assert not any("canceled" in each or "_" in each for each in told)
