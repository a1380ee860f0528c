"""Pure decisions on connections: which keys and addresses may be stored, and how much of a key is shown."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from finops_core.kernel.errors import Invalid, NotAllowed
from finops_core.kernel.provider import Mode

STRIPE, BANK_FILE = "stripe", "bank_file"
OTHER_ACCOUNT_HINT = "Use a key of that account. For another account retire this connection, then add one."
STRIPE_API = "https://api.stripe.com"
NAME_CHARS_MAX = 80
ACCOUNT_CHARS_MAX = 64
SHOWN_LAST = 4
_KEY = re.compile(r"((?:sk|rk)_(test|live)_)[A-Za-z0-9_]{8,240}", re.ASCII)
_ACCOUNT = re.compile(r"acct_[A-Za-z0-9_]{1,59}", re.ASCII)
_WEBHOOK = re.compile(r"whsec_[A-Za-z0-9+/=_-]{16,200}", re.ASCII)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What may be known of a key without the key: its mode, its kind and its last four characters."""

    mode: Mode
    prefix: str
    last4: str


def key_facts(secret: str) -> KeyFacts:
    """What a Stripe key says of itself; ``STRIPE_KEY_BAD`` for anything else, without repeating it."""
    found = _KEY.fullmatch(secret)
    if found is None:
        raise Invalid(
            "STRIPE_KEY_BAD",
            "This is not a Stripe secret or restricted key.",
            hint="It starts with sk_test_ or rk_test_; copy it whole, without spaces.",
        )
    return KeyFacts(Mode(found.group(2)), found.group(1), secret[-SHOWN_LAST:])


def require_test_mode(mode: str, facts: KeyFacts) -> None:
    """``LIVE_MODE_REFUSED`` unless both the key and the person say test (decision 17)."""
    if mode != Mode.TEST or facts.mode is not Mode.TEST:
        raise NotAllowed(
            "LIVE_MODE_REFUSED",
            "Live keys are not accepted yet: real money may move only once the controls for it are in place.",
            hint="Use a test key (sk_test_… or rk_test_…).",
        )


def check_mode_of_news(ours: Mode, theirs: Mode) -> None:
    """``WEBHOOK_MODE_BAD`` for news of the other mode: live news has no business at a test connection."""
    if ours is not theirs:
        told = f"This is {theirs.value} news for a connection in {ours.value} mode."
        raise Invalid("WEBHOOK_MODE_BAD", told, hint="Check which endpoint the provider was given.")


def webhook_shown(secret: str) -> str:
    """What may be shown of a webhook's signing secret; ``WEBHOOK_SECRET_BAD`` for what cannot be one."""
    if _WEBHOOK.fullmatch(secret) is None:
        raise Invalid(
            "WEBHOOK_SECRET_BAD",
            "This is not the signing secret of a webhook.",
            hint="It starts with whsec_; Stripe shows it beside the endpoint's address.",
        )
    return f"whsec_…{secret[-SHOWN_LAST:]}"


def checked_provider(provider: str) -> str:
    """A provider we can speak to; ``PROVIDER_UNKNOWN`` otherwise."""
    if provider not in {STRIPE, BANK_FILE}:
        raise Invalid("PROVIDER_UNKNOWN", "This provider is not known.", hint="Choose Stripe, or bank files.")
    return provider


def account_facts(iban: str) -> KeyFacts:
    """What may be shown of our own bank account; files are written in test mode only (decision 17)."""
    return KeyFacts(Mode.TEST, iban[:2], iban[-SHOWN_LAST:])


def another_account(ours: str, theirs: str) -> str:
    """Why a key cannot be this connection's; "" when it can, or when either account is not known."""
    if not ours or not theirs or ours == theirs:
        return ""
    return f"This key opens {theirs}; the connection stands for {ours}, which payouts were made from."


def checked_name(typed: str) -> str:
    """What people call the connection; ``CONNECTION_NAME_BAD`` when empty, too long or with control characters."""
    name = typed.strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise Invalid("CONNECTION_NAME_BAD", "This name cannot be used.", hint="Use 1 to 80 characters on one line.")
    return name


def checked_url(typed: str, sandbox_url: str) -> str:
    """Where the key may be sent: Stripe itself, this machine, or the sandbox of the settings; "" means Stripe.

    ``STRIPE_URL_BAD`` for any other address: a key sent elsewhere is a key given away.
    """
    url = (typed or STRIPE_API).rstrip("/")
    try:
        parts = urlsplit(url)
        local = parts.scheme in {"http", "https"} and parts.hostname in _LOOPBACK and not parts.username
    except ValueError:
        local = False
    if url == sandbox_url.rstrip("/"):
        return sandbox_url
    if url == STRIPE_API or local:
        return url
    raise Invalid(
        "STRIPE_URL_BAD",
        "The key may not be sent to this address.",
        hint="Use https://api.stripe.com, or the sandbox's address on this machine.",
    )


def checked_account(typed: str) -> str:
    """A connected account's id, or "" for the key's own; ``ACCOUNT_BAD`` otherwise."""
    account = typed.strip()
    if account and _ACCOUNT.fullmatch(account) is None:
        raise Invalid("ACCOUNT_BAD", "This is not a Stripe account id.", hint="It starts with acct_; leave it empty.")
    return account
