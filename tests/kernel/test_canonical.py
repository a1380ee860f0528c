"""Canonical bytes are RFC 8785's, whichever way they are written."""

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from finops_core.kernel.canonical import canonical_bytes

EXACT = 2**53 - 1
TEXTS = st.text(st.characters(codec="utf-8"))
LEAVES = (
    st.none() | st.booleans() | st.integers(-EXACT, EXACT) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@example({"b": '\x00\x1f\x7f\b\t\n\f\r"\\/', "a": [True, 1, None, -EXACT]})
@example({"\ufb33": 1, "\U0001f600": 2, "a": 3})  # by code point the other way round than by UTF-16
@example({"x": 1e21, "y": -0.0, "z": 5e-324, "é": "e\u0301"})
def test_the_bytes_are_those_of_the_standard(value: object):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), [float("nan")], {"a": float("inf")}, "\ud800", {1: "a"}])
def test_what_has_no_exact_form_is_refused(value: object):
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_bytes(value)
