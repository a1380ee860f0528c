"""A process's own log: whom a line is about, and that no secret gets into it."""

import io
import json
import logging
import threading

import pytest

from finops_core.platform import logs

LOG = logging.getLogger("tieout.test")


def told(lines: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_names_what_it_is_about_and_only_while_it_is(lines):
    with logs.about(request="rq_1", actor="person_1"):
        with logs.about(execution="ex_1", org=""):
            LOG.warning("inside")
        LOG.warning("between")
    LOG.warning("after")

    inside, between, after = told(lines)
    assert (inside["request"], inside["actor"], inside["execution"]) == ("rq_1", "person_1", "ex_1")
    assert "org" not in inside, "what is not known is not told"
    assert "execution" not in between
    assert "request" not in after
    assert (after["level"], after["logger"], after["message"]) == ("warning", "tieout.test", "after")


def test_two_threads_do_not_speak_of_each_others_doings(lines):
    with logs.about(actor="person_1"):
        other = threading.Thread(target=lambda: LOG.warning("elsewhere"))
        other.start()
        other.join()

    (elsewhere,) = told(lines)
    assert "actor" not in elsewhere


def test_setting_it_up_again_writes_no_line_twice(lines):
    again = io.StringIO()
    logs.configure("text", "INFO", again)

    with logs.about(job="job_1"):
        LOG.info("once")

    assert lines.getvalue() == ""
    assert again.getvalue().count("once job=job_1") == 1


SECRETS = {
    "a provider's key": ("the key rk_test_51HarbourDemoKey0001 was refused", "51HarbourDemoKey0001"),
    "a webhook's secret": ("whsec_4f3c2b1a0099887766 does not fit", "4f3c2b1a0099887766"),
    "a token of ours": ("tieout_pat_Zm9vYmFyYmF6cXV4 was revoked", "Zm9vYmFyYmF6cXV4"),
    "a header": ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc", "eyJhbGciOiJIUzI1NiJ9.e30.abc"),
    "a database's address": ("postgresql+psycopg://desk:hunter22@db/tieout is gone", "hunter22"),
    "a cookie": ("cookie tieout_session=Zm9vYmFyYmF6cXV4Zm9v", "Zm9vYmFyYmF6cXV4Zm9v"),
    "a form": ("{'username': 'ana', 'password': 'correct horse'}", "correct"),
    "a passphrase": ("password: correct horse battery staple", "battery"),
    "a passphrase in quotes": ("{'password': 'correct, horse; battery', 'next': 1}", "battery"),
    "a database's address with an @ in it": ("postgresql+psycopg://desk:hun@ter/22@db/tieout is gone", "ter/22"),
    "an invitation": ("GET /?invite=Abcdefgh1234567890abcdefgh123456 HTTP/1.1", "Abcdefgh1234567890"),
    "a link for a new password": ("/?org=x&reset=Abcdefgh1234567890abcdefgh", "Abcdefgh1234567890"),
    "a key in a form": ("api_key=abcdef123456", "abcdef123456"),
    "a recovery code": ("recovery 7K3D-9XQZ-1ABC-2DEF", "9XQZ"),
    "a bank account with blanks": ("DE02 1203 0000 0000 2020 51 is closed", "0000 2020"),
    "a bank account that ends in letters": ("MT84MALT011000012345MTLCAST001S is closed", "0110000"),
    "a bank account": ("DE02120300000000202051 is closed", "0300000000"),
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_a_message_is_blotted_out(lines, name: str):
    message, secret = SECRETS[name]

    LOG.warning("it says: %s", message)

    assert secret not in lines.getvalue()
    assert logs.BLOT in told(lines)[0]["message"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_in_the_text_of_an_error_is_blotted_out_too(lines, name: str):
    message, secret = SECRETS[name]
    try:
        int(message)
    except ValueError:
        LOG.exception("it broke")

    assert secret not in lines.getvalue()
    assert "ValueError" in told(lines)[0]["error"]


@pytest.mark.parametrize(
    "plain",
    [
        "execution ex_01a2188e4f9c7bb1a5d3c2b1a0f9e8d7 ended",
        "payout po_sbx_01a21886bac4711291b6a4dcf59acbed is paid",
        "EX-2026-0004: 101.00 USD to •••• 6789",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "GET /webhooks/stripe/{connection} 200 in 3 ms",
        "the password was refused; 2026-11-26 2026-11-27",
        "job 01a2188e-4f9c-7bb1-a5d3-c2b1a0f9e8d7 EX-2026-0004-0001",
    ],
)
def test_what_is_no_secret_stays_readable(lines, plain: str):
    LOG.warning(plain)

    assert told(lines)[0]["message"] == plain
