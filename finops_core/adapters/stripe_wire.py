"""How requests to Stripe travel: exact bytes out and back, nothing sent twice, nothing told of this machine."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import stripe
from requests.auth import AuthBase

CONNECT_TIMEOUT_S = 5.0
RAW_MAX_BYTES = 64 * 1024
_SECRET_HEADERS = frozenset(("authorization",))
# These two name the operating system and what runs around the SDK; Stripe does not need either.
_CHATTY_HEADERS = frozenset(("x-stripe-client-user-agent", "x-stripe-client-telemetry"))

# A setting of the whole SDK: otherwise it reports the duration of earlier calls with each new one.
stripe.enable_telemetry = False


@dataclass(slots=True)
class Exchange:
    """What went out and what came back in one call; ``status`` stays 0 when no answer came.

    ``body`` replaces whatever the SDK would have sent; None lets the SDK decide. ``keyless`` leaves out the
    Idempotency-Key, which the SDK would invent for every POST.
    """

    body: bytes | None = None
    keyless: bool = False
    request: bytes = b""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""

    def header(self, name: str) -> str:
        """A header of the answer by its lower-case name, "" when it has none."""
        return self.headers.get(name, "")

    def raw(self) -> bytes:
        """Request and answer for the record, at most 64 KiB each; the API key is not among them."""
        head = f"HTTP {self.status}\n".encode() if self.status else b"no answer\n"
        told = b"\n\n" + head + _lines(self.headers) + b"\n" + self.answer[:RAW_MAX_BYTES] if self.status else head
        return self.request[:RAW_MAX_BYTES] + b"\n\n" + told.lstrip(b"\n")


class RecordingClient(stripe.RequestsClient):
    """The SDK's HTTP client with a witness.

    Args:
        base_url: where the API is; for loopback the machine's proxy settings do not count.
        timeout_s: longest silence while an answer is awaited; connecting has its own, shorter limit.
    """

    def __init__(self, base_url: str, timeout_s: float) -> None:
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        super().__init__(timeout=(connect_s, timeout_s), session=_session(base_url))
        self._exchanges = threading.local()

    @contextmanager
    def watched(self, body: bytes | None = None, *, keyless: bool = False) -> Iterator[Exchange]:
        """Record the calls of this thread inside the block; the last one stays in the exchange. Not nested."""
        exchange = Exchange(body=body, keyless=keyless)
        self._exchanges.current = exchange
        try:
            yield exchange
        finally:
            self._exchanges.current = None

    def request(  # type: ignore[override]  # the SDK's own RequestsClient answers bytes too
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: object = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request, once."""
        exchange = getattr(self._exchanges, "current", None) or Exchange()
        sent = exchange.body if exchange.body is not None else _as_bytes(post_data)
        left_out = _CHATTY_HEADERS | {"idempotency-key"} if exchange.keyless else _CHATTY_HEADERS
        kept = {name: value for name, value in (headers or {}).items() if name.lower() not in left_out}
        kept["User-Agent"] = f"Stripe/v1 PythonBindings/{stripe.VERSION}"
        exchange.request = f"{method.upper()} {url}\n".encode() + _lines(kept) + b"\n" + (sent or b"")
        answer, status, told = super().request(method, url, kept, sent)
        exchange.answer, exchange.status = bytes(answer), status
        exchange.headers = {name.lower(): value for name, value in told.items()}
        return answer, status, told


class _SdkKeyOnly(AuthBase):
    """Leaves the SDK's own Authorization header alone; without it, a .netrc of this machine would replace it."""

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        return prepared


def _session(base_url: str) -> requests.Session:
    session = requests.Session()
    session.auth = _SdkKeyOnly()
    # A redirect would send the payment somewhere that nobody has configured.
    session.max_redirects = 0
    session.trust_env = not is_loopback(base_url)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def is_loopback(url: str) -> bool:
    """Whether an address is this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def _as_bytes(post_data: object) -> bytes | None:
    return post_data.encode() if isinstance(post_data, str) else None


def _lines(headers: Mapping[str, str]) -> bytes:
    shown = ((name, value) for name, value in headers.items() if name.lower() not in _SECRET_HEADERS)
    return "".join(f"{name}: {value}\n" for name, value in sorted(shown)).encode("utf-8", "replace")
