"""The check that the API document shows believes what we send, and nothing else."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from finops_core.kernel.clock import SystemClock
from finops_core.notifications.envelopes import headers_of, new_secret
from tests import house

BODY = '{"type":"execution.failed","data":{"title":"Zahlung zurück"}}'


@pytest.fixture(scope="module")
def is_ours() -> Callable[..., bool]:
    text = (house.ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    known: dict[str, Any] = {}
    exec(compile(block, "api.md", "exec"), known)  # noqa: S102 - our own document
    return known["is_ours"]


def test_what_we_sign_is_believed_with_either_secret_while_it_is_rolled(is_ours):
    old, new = new_secret(), new_secret()
    headers = headers_of("msg_1", BODY, [new, old], SystemClock().now())

    assert is_ours(headers, BODY.encode(), new)
    assert is_ours(headers, BODY.encode(), old)


def test_another_body_id_time_or_secret_is_not(is_ours):
    secret, now = new_secret(), SystemClock().now()
    headers = headers_of("msg_1", BODY, [secret], now)
    stamp = int(headers["webhook-timestamp"])

    assert not is_ours(headers, BODY.encode() + b" ", secret)
    assert not is_ours({**headers, "webhook-id": "msg_2"}, BODY.encode(), secret)
    assert not is_ours({**headers, "webhook-timestamp": str(stamp + 1)}, BODY.encode(), secret)
    assert not is_ours({**headers, "webhook-timestamp": "soon"}, BODY.encode(), secret)
    assert not is_ours({**headers, "webhook-signature": "v1,x v2 é"}, BODY.encode(), secret)
    assert not is_ours(headers, BODY.encode(), new_secret())
    for late in (-301, 301):
        assert not is_ours(headers, BODY.encode(), secret, now=stamp + late)
    assert is_ours(headers, BODY.encode(), secret, now=stamp + 299)
