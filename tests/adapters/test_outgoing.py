"""Posting to addresses that people typed, against a real server: what is called, what never is, and how it ends."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from finops_core.adapters import outgoing
from finops_core.adapters.outgoing import ANSWER_BYTES, NO_NAME, NOT_PUBLIC, TOO_LATE, Found, GuardedPoster
from finops_core.kernel.clock import SystemClock
from finops_core.platform.ports import PostAnswer, Posting
from tests.listener import Listener, endless, listening, raw, said, silent
from tests.mail_host import free_port

HERE = frozenset({"127.0.0.1"})
NAME = "hooks.example.test"
SHORT_S = 0.4
LONG_S = 60.0


def posted(url: str, *, inside: frozenset[str] = HERE, timeout_s: float = LONG_S, **more: object) -> PostAnswer:
    posting = Posting(url, {"Content-Type": "application/json", "webhook-id": "msg_1"}, b'{"a": 1}')
    return GuardedPoster(inside, timeout_s, **more)(posting)  # type: ignore[arg-type]


def found(*addresses: str) -> Callable[[str, int], Sequence[Found]]:
    """A resolver that knows one name."""

    def look(_host: str, port: int) -> Sequence[Found]:
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, (each, port)) for each in addresses]

    return look


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as made:
        yield made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of a name that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = SystemClock().now()
    alternatives = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secured(certificate: Path) -> Iterator[Listener]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with listening(context) as made:
        yield made


# --- what is sent, and how it ends --------------------------------------------------------------------------------


def test_a_posting_arrives_whole_and_its_answer_is_told(listener: Listener):
    listener.always = said(202, "thank you")

    answer = posted(listener.url("/in/here?key=1"))

    assert answer == PostAnswer(202, "thank you")
    (got,) = listener.got
    assert (got.path, got.body, got.headers["webhook-id"]) == ("/in/here?key=1", b'{"a": 1}', "msg_1")
    assert got.headers["host"] == f"127.0.0.1:{listener.port}"


def test_by_tls_the_address_that_was_judged_is_called_by_its_name(secured: Listener, certificate: Path):
    trusting = ssl.create_default_context(cafile=str(certificate))
    url = secured.url(host=NAME)

    answer = posted(url, inside=frozenset({NAME}), resolver=found("127.0.0.1"), context=trusting)

    assert answer == PostAnswer(200, "ok")
    assert (secured.got[0].name, secured.got[0].headers["host"]) == (NAME, f"{NAME}:{secured.port}")


def test_a_certificate_that_nobody_vouches_for_or_of_another_name_sends_nothing(secured: Listener, certificate: Path):
    other, trusting = "other.example.test", ssl.create_default_context(cafile=str(certificate))

    unknown = posted(secured.url(host=NAME), inside=frozenset({NAME}), resolver=found("127.0.0.1"))
    misnamed = posted(secured.url(host=other), inside=frozenset({other}), resolver=found("127.0.0.1"), context=trusting)

    assert [answer.status for answer in (unknown, misnamed)] == [0, 0]
    assert "No secure connection: self-signed certificate" in unknown.words
    assert "Hostname mismatch" in misnamed.words
    assert secured.got == []


def test_a_redirect_is_an_answer_and_is_not_followed(listener: Listener):
    with listening() as elsewhere:
        listener.always = said(302, "", f"Location: {elsewhere.url()}")

        assert posted(listener.url()).status == 302
        assert elsewhere.lines == 0


def test_no_proxy_of_the_environment_is_asked(listener: Listener, monkeypatch: pytest.MonkeyPatch):
    with listening() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))

        assert posted(listener.url()).status == 200
        assert (proxy.lines, len(listener.got)) == (0, 1)


def test_a_huge_answer_is_cut(listener: Listener):
    taken: list[int] = []

    def pour(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            taken.append(line.send(b"x" * ANSWER_BYTES))

    listener.always = pour

    answer = posted(listener.url())

    assert answer == PostAnswer(200, "x" * outgoing.WORDS_CHARS)
    assert sum(taken) < 1_000_000_000


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), 200),
        (raw(b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 503),
        (raw(b"HTTP/1.1 20"), 0),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Le"), 200),
        (raw(b""), 0),
        (raw(b"220 mail.example.org ESMTP\r\n"), 0),
        (raw(b"\x00" * 70_000), 0),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), 0),
    ],
)
def test_half_answers_and_strange_ones_are_values(listener: Listener, answer: Callable, status: int):
    listener.always = answer

    assert posted(listener.url()).status == status


@pytest.mark.parametrize(
    "answer",
    [
        silent(5),
        endless(b"x"),
        endless(b"HTTP/1.1 100 Continue\r\n\r\n"),
        endless(b"X: y\r\n", b"HTTP/1.1 200 OK\r\n", pause_s=0.05),
    ],
)
def test_whoever_dawdles_is_not_waited_for(listener: Listener, answer: Callable):
    listener.always = answer

    assert posted(listener.url(), timeout_s=SHORT_S) == PostAnswer(0, TOO_LATE)


def test_a_body_that_drips_does_not_keep_its_code_from_counting(listener: Listener):
    listener.always = endless(b"x", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")

    assert posted(listener.url(), timeout_s=SHORT_S).status == 200


def test_a_dawdler_by_tls_is_not_waited_for_either(secured: Listener, certificate: Path):
    secured.always = endless(b"x")
    trusting = ssl.create_default_context(cafile=str(certificate))
    given = {"inside": frozenset({NAME}), "resolver": found("127.0.0.1"), "context": trusting}

    assert posted(secured.url(host=NAME), timeout_s=1.0, **given) == PostAnswer(0, TOO_LATE)  # type: ignore[arg-type]


def test_a_name_server_that_dawdles_is_not_waited_for():
    def look(_host: str, _port: int) -> Sequence[Found]:
        time.sleep(5)
        return []

    assert posted("https://hooks.example.org/", timeout_s=SHORT_S, resolver=look) == PostAnswer(0, NO_NAME)


def test_nobody_at_the_address_is_a_value():
    assert posted(f"http://127.0.0.1:{free_port()}/").words == "Nobody takes calls at the address."
    assert posted("https://no-such-host.invalid/").words == NO_NAME


def test_what_an_answer_says_is_kept_only_when_it_is_text(listener: Listener):
    listener.answers = [said(400, "invalid_payload"), said(400, "PNG", kind="image/png")]

    assert [posted(listener.url()).words, posted(listener.url()).words] == ["invalid_payload", ""]


# --- what is never called -----------------------------------------------------------------------------------------

INSIDE = [
    "localhost",
    "LOCALHOST.",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",  # noqa: S104 - an address like the others
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "169.254.169.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b::a00:1]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2002:7f00:1::]",
]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every line that somebody tries to open."""
    opened: list[object] = []

    def call(given: Sequence[Found], _until: float) -> socket.socket:
        opened.append(given)
        raise ConnectionRefusedError

    monkeypatch.setattr(outgoing, "_call", call)
    return opened


@pytest.mark.parametrize("host", INSIDE)
def test_an_address_inside_a_network_is_not_called(host: str, counted: list[object]):
    answer = posted(f"https://{host}/", inside=frozenset())

    assert answer.status == 0
    assert answer.words in {NOT_PUBLIC, NO_NAME}
    assert counted == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.216.34", "10.0.0.1"],
        ["10.0.0.1", "93.184.216.34"],
        ["2606:4700:4700::1111", "::1"],
        ["64:ff9b::10.0.0.1"],
        ["224.0.0.1"],
        ["169.254.169.254"],
        ["93.184.216.34", "fe80::1%eth0"],
    ],
)
def test_a_name_with_one_address_inside_a_network_is_not_called(addresses: list[str], counted: list[object]):
    answer = posted("https://hooks.example.org/", inside=frozenset(), resolver=found(*addresses))

    assert answer == PostAnswer(0, NOT_PUBLIC)
    assert counted == []


def test_a_public_name_is_called_at_the_addresses_that_were_judged(counted: list[object]):
    posted("https://hooks.example.org/", inside=frozenset(), resolver=found("93.184.216.34", "2606:4700:4700::1111"))

    assert counted == [[(socket.AF_INET, ("93.184.216.34", 443)), (socket.AF_INET6, ("2606:4700:4700::1111", 443))]]


def test_a_name_that_changes_after_it_was_judged_is_looked_up_once(counted: list[object]):
    # Given a name that is public when it is asked for, and inside the network from then on
    answers = [found("93.184.216.34"), found("127.0.0.1"), found("127.0.0.1")]

    def look(host: str, port: int) -> Sequence[Found]:
        return answers.pop(0)(host, port)

    # When it is posted to, then the address that was judged is the one that is called
    posted("https://hooks.example.org/", inside=frozenset(), resolver=look)
    assert counted == [[(socket.AF_INET, ("93.184.216.34", 443))]]

    # and the next posting judges anew
    assert posted("https://hooks.example.org/", inside=frozenset(), resolver=look).words == NOT_PUBLIC
    assert len(counted) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "https://hooks.example.org:22/",
        "https://hooks.example.org:80/",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "https:///",
        "https://hooks.example.org:99999/",
        "https://[::1/",
        "",
    ],
)
def test_another_way_or_another_port_is_not_called(url: str, counted: list[object]):
    assert posted(url, inside=frozenset(), resolver=found("93.184.216.34")).status == 0
    assert counted == []


def test_a_posting_shows_neither_its_address_nor_what_signs_it():
    assert repr(Posting("https://hooks.slack.com/services/secret", {"webhook-signature": "v1,x"}, b"{}")) == "Posting()"
