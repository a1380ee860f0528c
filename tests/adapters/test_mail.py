"""Mail by SMTP against a real server: secure connections, passwords, and answers that are values."""

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from finops_core.adapters.mail import SmtpServer
from finops_core.kernel.clock import SystemClock
from finops_core.platform.ports import Delivery, Letter, MailAnswer
from tests.mail_host import MailHost, free_port, running_mail_host

LETTER = Letter("ml_1", "Ana", "ana@example.org", "Zahlung zurück", "Grüße\n", datetime(2026, 11, 20, 9, tzinfo=UTC))


def server(host: MailHost, **more: object) -> SmtpServer:
    given: dict[str, object] = {"security": "none", "user": host.user, "password": host.password, **more}
    return SmtpServer(host="127.0.0.1", port=host.port, sender="desk@tieout.example", timeout_s=5.0, **given)  # type: ignore[arg-type]


def sent(given: SmtpServer, letter: Letter = LETTER) -> MailAnswer:
    with given.connection() as line:
        return line.send(letter)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
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
def secure(certificate: Path) -> Iterator[MailHost]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with running_mail_host(tls=context, user="desk", password="a secret of the mail server") as host:
        yield host


def test_a_letter_arrives_as_it_was_written():
    with running_mail_host() as host:
        answer = sent(server(host))

        (taken,) = host.taken
    assert answer == MailAnswer(Delivery.SENT, "250 2.0.0 OK, queued")
    assert (str(taken.message["Subject"]), taken.text) == ("Zahlung zurück", "Grüße\n")
    assert taken.id == "<ml_1@tieout.example>"
    assert str(taken.message["Auto-Submitted"]) == "auto-generated"
    assert taken.raw.isascii()


def test_a_connection_is_made_secure_before_the_password_is_told(
    secure: MailHost, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert sent(server(secure, security="starttls")).delivery is Delivery.SENT


def test_a_certificate_nobody_vouches_for_ends_it(secure: MailHost, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    answer = sent(server(secure, security="starttls"))

    assert (answer.delivery, answer.words) == (Delivery.NO_SERVER, "No secure connection: CERTIFICATE_VERIFY_FAILED")
    assert secure.taken == []


def test_a_server_without_tls_gets_neither_password_nor_mail():
    with running_mail_host(user="desk", password="a secret") as host:
        answer = sent(server(host, security="starttls"))

        assert host.taken == []
    assert answer.delivery is Delivery.NO_SERVER


def test_a_wrong_password_is_the_desks_trouble_and_not_told_on():
    with running_mail_host(user="desk", password="right") as host:
        answer = sent(server(host, password="wrong-as-can-be"))

        assert host.taken == []
    assert answer.delivery is Delivery.NO_SERVER
    assert "wrong-as-can-be" not in answer.words
    assert answer.words.startswith("535")


def test_nobody_there_is_a_value():
    given = SmtpServer("127.0.0.1", free_port(), "none", "", "", "desk@tieout.example", 2.0)

    assert sent(given) == MailAnswer(
        Delivery.NO_SERVER, "The mail server could not be reached (ConnectionRefusedError)."
    )


@pytest.mark.parametrize(
    "address", ["", "no at sign", "a@b\r\nRCPT TO:<x@y.example>", "äöü@example.org", "a b@example.org", "<a@b>@c"]
)
def test_an_impossible_address_is_refused_before_anybody_is_called(address: str):
    with running_mail_host() as host:
        before = host.lines
        answer = sent(server(host), replace(LETTER, address=address))

        assert (host.taken, host.lines) == ([], before)
    assert answer == MailAnswer(Delivery.REFUSED, "The address cannot be written to.")


@pytest.mark.parametrize("part", ["subject", "name"])
def test_a_line_end_in_a_header_is_refused(part: str):
    with running_mail_host() as host:
        answer = sent(server(host), replace(LETTER, **{part: "a\r\nBcc: thief@example.org"}))

        assert host.taken == []
    assert answer.delivery is Delivery.REFUSED


def test_a_line_is_kept_for_many_letters_and_made_anew_after_a_hundred():
    with running_mail_host() as host, server(host).connection() as line:
        for number in range(101):
            assert line.send(replace(LETTER, id=f"ml_{number}")).delivery is Delivery.SENT

        assert len({each.line for each in host.taken[:100]}) == 1
        assert host.taken[100].line != host.taken[0].line
