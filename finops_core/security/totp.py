"""Codes of an authenticator app: TOTP (RFC 6238) over HMAC-SHA-1, six digits, a new one every 30 seconds. Pure.

Not for deciding whether a code counts: it may have been used already, see ``second_factor``.
"""

import base64
import hmac
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20  # RFC 4226, 4: 160 bits are recommended
SKEW_STEPS = 1  # RFC 6238, 5.2: one step for the way and for clocks that differ
ISSUER = "Tieout"
KEY_GROUP = 4


def new_secret() -> bytes:
    """160 random bits."""
    return secrets.token_bytes(SECRET_BYTES)


def step_of(at: datetime) -> int:
    """The number of the 30 seconds an instant falls into."""
    return int(at.timestamp()) // STEP_S


def code_at(secret: bytes, step: int) -> str:
    """The code of one step."""
    return _totp(secret).generate(step * STEP_S).decode("ascii")


def matching_steps(secret: bytes, typed: str, now: datetime) -> list[int]:
    """The steps around now whose code this is, earliest first; one at most but for one case in a million."""
    present = step_of(now)
    near = range(present - SKEW_STEPS, present + SKEW_STEPS + 1)
    return [step for step in near if hmac.compare_digest(code_at(secret, step), typed)]


def typed_key(secret: bytes) -> str:
    """The secret as an app takes it by hand: base32 in groups of four."""
    key = base64.b32encode(secret).decode("ascii")
    return " ".join(key[at : at + KEY_GROUP] for at in range(0, len(key), KEY_GROUP))


def address(secret: bytes, account: str) -> str:
    """The ``otpauth://`` address that a QR code carries to the app."""
    return _totp(secret).get_provisioning_uri(account, ISSUER)


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303 - what apps know; HMAC does not need collision resistance
