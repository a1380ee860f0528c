"""The cookie: set for a ticket, HttpOnly, and only for pages of this site."""

from http.cookies import SimpleCookie

from finops_core.api.session import COOKIE
from tests.api.conftest import Site


def cookie_of(header: str) -> dict[str, str]:
    morsel = SimpleCookie(header)[COOKIE]
    return {"value": morsel.value, **{name: value for name, value in morsel.items() if value}}


def test_a_ticket_becomes_a_cookie_no_script_can_read(site: Site):
    answer = site.post("/session/begin", site.ticket())

    cookie = cookie_of(answer.headers["set-cookie"])
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["cache-control"] == "no-store"
    assert cookie.pop("value")
    assert cookie == {"httponly": True, "samesite": "lax", "path": "/", "max-age": "28800"}
    found = site.session(site.browser.cookies[COOKIE])
    assert found is not None
    assert found.person_id == site.person_id


def test_a_ticket_works_once_and_only_a_ticket_does(site: Site):
    ticket = site.ticket()

    codes = [site.post("/session/begin", body).status_code for body in (ticket, ticket, "", "guess", b"\xff\0\xfe")]

    assert codes == [204, 403, 403, 403, 403]


FOREIGN_ORIGINS = (
    None,
    "null",
    "",
    "http://evil.example",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1:1",
    "https://127.0.0.1",
    "ftp://127.0.0.1",
    "127.0.0.1",
    "http://[::1",
    "http://127.0.0.1:x",
)


def test_pages_of_other_sites_are_refused_and_use_nothing_up(site: Site):
    ticket = site.ticket()

    refused = [site.post("/session/begin", ticket, Origin=origin) for origin in FOREIGN_ORIGINS]

    assert {answer.status_code for answer in refused} == {403}
    assert not any("set-cookie" in answer.headers for answer in refused)
    assert site.post("/session/begin", ticket).status_code == 204
    assert {site.post("/session/end", Origin=origin).status_code for origin in FOREIGN_ORIGINS} == {403}
    assert site.session(site.browser.cookies[COOKIE]) is not None


def test_a_long_body_is_refused_before_it_is_read(site: Site):
    def endless():
        for _ in range(100_000):
            yield b"x" * 1024

    assert site.post("/session/begin", "x" * 256).status_code == 403
    assert site.post("/session/begin", "x" * 257).status_code == 413
    try:
        answer = site.browser.post(
            f"{site.url}/session/begin", data=endless(), headers={"Origin": site.url}, timeout=20
        )
    except OSError:
        return  # the server hung up on the stream, as it may
    assert answer.status_code == 413


def test_signing_out_ends_the_session_and_clears_the_cookie(site: Site):
    site.post("/session/begin", site.ticket())
    secret = site.browser.cookies[COOKIE]

    answer = site.post("/session/end")

    assert answer.status_code == 204
    assert cookie_of(answer.headers["set-cookie"])["max-age"] == "0"
    assert COOKIE not in site.browser.cookies
    assert site.session(secret) is None, "a copy of the cookie opens nothing afterwards"
    assert site.post("/session/end").status_code == 204
    assert site.post("/session/end", Cookie=f"{COOKIE}={'x' * 5000}").status_code == 204


def test_behind_https_the_cookie_is_secure_and_plain_pages_are_refused(secure_site: Site):
    ticket = secure_site.ticket()
    plain, encrypted = secure_site.url, secure_site.url.replace("http://", "https://")

    refused = secure_site.post("/session/begin", ticket, Origin=plain)
    answer = secure_site.post("/session/begin", ticket, Origin=encrypted)

    assert refused.status_code == 403
    assert answer.status_code == 204
    assert cookie_of(answer.headers["set-cookie"])["secure"] is True


def test_only_posts_change_anything(site: Site):
    for path in ("/session/begin", "/session/end"):
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
            assert site.browser.request(method, site.url + path, timeout=20).status_code == 405
