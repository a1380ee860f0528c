"""The door of the API: every route asks for a token, and every error has one shape and an id that the log knows."""

import logging

import pytest
import requests
from starlette.routing import Route

from finops_core.api.v1.app import bare
from finops_core.api.v1.gate import OPEN_PATHS
from tests.api.v1.programs import STRIPE, Office, Program, code_of

pytestmark = pytest.mark.slow


def routes() -> list[tuple[str, str]]:
    """Every method and path, with its parameters filled in."""
    app = bare()
    told = {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}
    hidden = {
        (method, route.path) for route in app.routes if isinstance(route, Route) for method in route.methods or ()
    }
    return sorted(
        (method, path.replace("{name}", "EX-2026-0001")) for method, path in told | hidden if method != "HEAD"
    )


def test_only_the_description_can_be_read_without_a_token(office: Office):
    answered = [
        (method, path) for method, path in routes() if requests.request(method, office.base + path, timeout=20).ok
    ]

    assert len(routes()) > 20
    assert answered == [("GET", "/docs"), ("GET", "/openapi.json")]
    assert {path for _, path in answered} == OPEN_PATHS


@pytest.mark.parametrize(("method", "path"), [each for each in routes() if each[1] not in OPEN_PATHS])
def test_a_route_refuses_who_has_no_token_a_wrong_one_or_only_a_cookie(office: Office, method: str, path: str):
    given: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer tieout_nobodys"},
        {"Authorization": "Basic YW5hOng="},
        {"Authorization": "Bearer "},
        {"Cookie": "tieout_session=x"},
    ]
    answers = [requests.request(method, office.base + path, headers=headers, timeout=20) for headers in given]

    # A stranger who keeps guessing is made to wait.
    assert {code_of(answer) for answer in answers} <= {(401, "TOKEN_NOT_VALID"), (429, "RATE_LIMITED")}
    refused = [answer for answer in answers if answer.status_code == 401]
    assert all(answer.headers["www-authenticate"] == 'Bearer realm="tieout"' for answer in refused)


@pytest.mark.parametrize("path", ["/nowhere", "/executions/", "/executions/EX-2026-0001/", "/", "/openapi.json/"])
def test_what_is_not_there_asks_for_a_token_first_and_is_a_problem_then(office: Office, path: str):
    stranger = code_of(requests.get(office.base + path, timeout=20))

    assert stranger in {(401, "TOKEN_NOT_VALID"), (429, "RATE_LIMITED")}
    assert code_of(office.program("ana").get(path)) == (404, "ROUTE_UNKNOWN")


def test_another_method_is_a_problem_and_says_which_there_are(office: Office):
    answer = office.program("ana").call("PUT", "/executions/EX-2026-0001")

    assert code_of(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "body", ["x", "[]", '{"operation": 1}', '{"operation": "x", "more": 1}', '{"operation": "\\ud800"}']
)
def test_a_body_that_is_not_as_described_names_its_fields(office: Office, body: str):
    answer = office.program("ana").call("POST", "/executions", data=body, headers={"Content-Type": "application/json"})

    assert code_of(answer) == (422, "REQUEST_BAD")
    assert answer.json()["faults"][0]["column"].startswith("body")


def test_a_body_past_a_mebibyte_is_not_read_on(office: Office):
    answer = office.program("ana").call(
        "POST", "/executions", data=b"x" * 1_100_000, headers={"Content-Type": "application/json"}
    )

    assert code_of(answer) == (413, "BODY_TOO_LARGE")


def test_a_refusal_has_code_message_hint_and_an_id(office: Office):
    answer = office.program("ana").get("/executions/EX-1999-0001")

    told = answer.json()
    assert code_of(answer) == (404, "EXECUTION_UNKNOWN")
    assert told["detail"] == "There is no such execution among those you may see."
    assert told["hint"]
    denied = office.program("eva").post("/executions", {"operation": STRIPE})
    assert code_of(denied) == (403, "NOT_ALLOWED")
    assert denied.json()["hint"] == "The role or the scopes of your API token do not include it.", "and nothing else"
    assert told["instance"] == f"urn:tieout:request:{answer.headers['x-request-id']}"


def test_an_unexpected_error_gives_an_id_that_the_log_knows_and_nothing_else(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    from finops_core.answers import verbs

    def broken(*_: object) -> None:
        raise RuntimeError("the password is correct horse")

    monkeypatch.setattr(verbs, "catalogue", broken)
    with caplog.at_level(logging.ERROR):
        answer = office.program("ana").get("/operations")

    assert code_of(answer) == (500, "UNEXPECTED")
    assert "horse" not in answer.text
    assert answer.headers["x-request-id"] in answer.json()["hint"]
    assert any(answer.headers["x-request-id"] in record.getMessage() for record in caplog.records)


def test_a_database_that_does_not_answer_is_told_as_busy(office: Office, monkeypatch: pytest.MonkeyPatch):
    from sqlalchemy.exc import OperationalError

    from finops_core.answers import verbs

    def gone(*_: object) -> None:
        raise OperationalError("select secret", {}, Exception("server at 10.0.0.1"))

    monkeypatch.setattr(verbs, "catalogue", gone)
    answer = office.program("ana").get("/operations")

    assert code_of(answer) == (503, "DATABASE_BUSY")
    assert "10.0.0.1" not in answer.text


def test_the_description_has_examples_errors_and_webhooks_and_the_page_runs_no_script(office: Office):
    told = requests.get(f"{office.base}/openapi.json", timeout=20).json()
    page = requests.get(f"{office.base}/docs", timeout=20)

    assert told["servers"] == [{"url": "/api/v1"}]
    assert told["security"] == [{"token": []}]
    assert "/webhooks/stripe/{connection}" in told["webhooks"]["stripe"]["post"]["summary"]
    operations = [(path, verb, each) for path, verbs in told["paths"].items() for verb, each in verbs.items()]
    assert [path for path, _, each in operations if not each.get("summary") or not each.get("description")] == []
    assert all({"401", "422", "429", "500", "503"} <= set(each["responses"]) for _, _, each in operations)
    assert "examples" in str(told["components"]["schemas"]["ExecutionAnswer"])
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_secret_stands_in_no_answer_and_in_no_log(office: Office, caplog: pytest.LogCaptureFixture):
    ana = office.program("ana")
    secret = ana.secret.removeprefix("tieout_")[8:]

    with caplog.at_level(logging.DEBUG):
        told = [ana.get(path) for path in ("/me", "/tokens", "/executions", "/nowhere")]
        told.append(Program(office.base, ana.secret[:-1] + "_").get("/me"))

    assert [answer.url for answer in told if secret in answer.text] == []
    assert [record for record in caplog.records if secret in record.getMessage()] == []
    assert not any(secret in line for verb in ("token.issued", "token.refused") for line in office.log(verb))


@pytest.mark.parametrize("spelled", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_may_be_spelled_in_any_case(office: Office, spelled: str):
    secret = office.token("ana").secret

    answer = requests.get(f"{office.base}/me", headers={"Authorization": f"{spelled} {secret}"}, timeout=20)

    assert answer.json()["username"] == "ana"


def test_a_good_token_counts_nowhere_but_in_its_header(office: Office):
    secret = office.token("ana").secret

    answers = [
        requests.get(f"{office.base}/me", headers={"Cookie": f"tieout_session={secret}"}, timeout=20),
        requests.get(f"{office.base}/me", headers={"X-Api-Key": secret}, timeout=20),
        requests.get(f"{office.base}/me", params={"token": secret, "access_token": secret}, timeout=20),
    ]

    assert [code_of(answer) for answer in answers] == [(401, "TOKEN_NOT_VALID")] * 3


def test_no_answer_is_kept_on_its_way(office: Office):
    answers = [office.program("ana").get(path) for path in ("/me", "/executions", "/nowhere")]
    answers.append(requests.get(f"{office.base}/me", timeout=20))

    assert [answer.status_code for answer in answers] == [200, 200, 404, 401]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
