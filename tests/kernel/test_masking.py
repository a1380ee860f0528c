"""Masking shows the tail and hides the rest, the length too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_core.kernel.masking import BULLETS, last4, mask, mask_key


@pytest.mark.parametrize(
    ("number", "shown"),
    [("DE89 3704 0044 0532 0130 00", "3000"), ("000123456789", "6789"), ("123456789", "789"), ("12", ""), ("", "")],
)
def test_at_most_the_last_four_are_shown_and_never_more_than_a_third(number, shown):
    assert last4(number) == shown
    assert mask(number) == f"{BULLETS} {shown}".rstrip()


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("sk_test_51HabcdefghijWXYZ", "sk_test_••••WXYZ"),
        ("rk_live_51HabcdefghijWXYZ", "rk_live_••••WXYZ"),
        ("whsec_abcdefghijklmnop", "whsec_••••mnop"),
        ("abcdefghijklmnop", "••••mnop"),
        ("sk_test_a", "sk_test_••••"),
        ("", "••••"),
    ],
)
def test_a_key_shows_its_kind_and_its_last_four(key, shown):
    assert mask_key(key) == shown


@given(st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", max_size=60))
def test_two_thirds_of_a_number_stay_hidden_and_so_does_its_length(number):
    assert len(last4(number)) <= min(4, len(number) // 3)
    assert mask(number).startswith(BULLETS)
    assert len(mask(number)) <= len(BULLETS) + 5
