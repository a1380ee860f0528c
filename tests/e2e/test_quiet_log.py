"""The real app's own log, at its most talkative: it names what it is about by ids, and knows no secret."""

import json

import pytest
import requests

from finops_core import connections, security
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.api.session import COOKIE
from finops_core.kernel.actor import system_actor
from finops_core.operations import State
from tests.e2e.backstage import Backstage
from tests.webapp import running_app, until_cookie

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RIGHT, WRONG = "a-Right-and-l0ng-one", "a-Mistyped-passw0rd"
KEY, SECRET = "rk_test_sbx_harbour_demo_0001", "whsec_plantedForTheLog0001"
METRICS = "planted-token-of-the-watchers"


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("talkative")
    with running_app(folder, log_level="DEBUG", log_format="json", metrics_token=METRICS) as app:
        yield Backstage(app)


def test_no_secret_that_passed_through_the_desk_is_in_its_log(talkative: Backstage, visit):
    # Given somebody who mistypes, signs in, and clicks
    app = talkative.app
    screen = visit(app, "executions")
    with app.desk.work(system_actor(talkative.orgs["harbour"])) as work:
        quentin = security.add_person(work, "quentin", "Quentin Test", "quentin@example.com", RIGHT)
    talkative.grant_role(quentin, "preparer")
    for password in (WRONG, RIGHT):
        screen.page.get_by_label("Username").fill("quentin")
        screen.page.get_by_role("textbox", name="Password").fill(password)
        screen.press("Sign in")
    screen.heading("Executions")
    until_cookie(screen.page)
    (cookie,) = [each["value"] for each in screen.page.context.cookies() if each["name"] == COOKIE]
    # a payout that is refused, one that is paid, news that is proven and news that is not
    app.sandbox.fault(Fault(FaultKind.ERROR_BEFORE, where={"currency": "sek"}, times=2))
    paid = talkative.approved("currency,maximum\nUSD,10.00\nSEK,1.00\n")
    talkative.awaited(paid.id, *set(State) - {State.QUEUED, State.RUNNING, State.AWAITING_APPROVAL})
    with app.desk.work(system_actor(talkative.orgs["harbour"])) as work:
        (connection,) = [each.id for each in connections.listed(work) if each.provider == "stripe" and each.active]
        connections.set_webhook_secret(work, connection, SECRET)
    sent = {"Stripe-Signature": f"t=1,v1={SECRET}"}
    requests.post(f"{app.url}/webhooks/stripe/{connection}", data=SECRET, headers=sent, timeout=20)
    requests.get(f"{app.url}/metrics", headers={"Authorization": f"Bearer {METRICS}"}, timeout=20)
    requests.post(f"{app.url}/session/begin", data="a-stolen-ticket-000001", headers={"Origin": app.url}, timeout=20)

    written = app.log.read_text()

    settings = app.desk.settings
    planted = [WRONG, RIGHT, cookie, KEY, SECRET, METRICS, settings.master_key.get_secret_value(), "a-stolen-ticket"]
    assert [secret for secret in planted if secret in written] == []


def test_a_line_of_the_worker_names_the_execution_it_is_about(talkative: Backstage):
    app = talkative.app
    app.sandbox.fault(Fault(FaultKind.RESET_BEFORE, where={"currency": "cad"}, times=60))

    seen = talkative.approved("currency,maximum\nCAD,1.00\n")
    talkative.awaited(seen.id, State.UNSETTLED)
    app.sandbox.post("reset", {"only": ["fault"]})

    lines = [json.loads(line) for line in app.log.read_text().splitlines() if line.startswith("{")]
    about = [line for line in lines if line.get("execution") == seen.id]
    assert about
    assert {line["org"] for line in about} == {talkative.orgs["harbour"]}
    assert any(line["logger"] == "tieout.http" and line["request"].startswith("rq_") for line in lines)
