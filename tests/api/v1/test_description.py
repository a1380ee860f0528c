"""The API keeps what its OpenAPI document says: schemathesis makes up calls from it, seeded, and looks at each answer.

Not asked of it: that valid data is always taken, since what is well-formed may still be refused, as an unknown
operation is; nor that bad data is always refused: often all that is bad is a missing token, which is put back here.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from finops_core import approvals, ledger, parties, security
from finops_core.api.v1.app import bare
from finops_core.kernel.actor import system_actor
from finops_core.kernel.money import Money
from finops_core.security.roles import SHIPPED_ROLES
from tests.api.v1.programs import PASSWORD, Office, Program

pytestmark = pytest.mark.slow

SCHEMA = schemathesis.openapi.from_dict(bare().openapi())
NOT_ASKED = CHECKS.get_by_names(["positive_data_acceptance", "negative_data_rejection"])
EXAMPLES = 5
SEEDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def everybody(office: Office) -> Program:
    """A program of somebody with every role, in an office where things have happened."""
    world = office.world
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        person_id = security.add_person(work, "hana", "Hana", "", PASSWORD)
        for role in SHIPPED_ROLES:
            security.grant_role(work, person_id, role.id, work.org_id)
        approvals.grant_authority(work, person_id=person_id, item_type="payout", currency="*", limit_minor=None)
    world.people["hana"] = person_id
    world.approved("currency,maximum\nEUR,1\n")
    world.work_off()
    world.submitted("currency,maximum\nUSD,1\n")
    world.planned("currency,maximum\nCHF,1\n", who="ana")
    with world.desk.work(world.actor("hana")) as work:
        wallet = ledger.open_wallet(work, "party_ann", "USD")
        lumen = parties.add_party(work, parties.PartyKind.COMPANY, "Lumen")
        parties.propose_details(work, lumen, parties.BankDetails("Lumen", "DE89370400440532013000"), "their letter")
        ledger.deposit(work, wallet, Money(100, "USD"))
        ledger.reconcile_wallet(work, wallet, "a look")
        ledger.stop(work, ledger.StopWidth.TYPE, "asked", "REFUND")
    return office.program("hana")


def names(program: Program, path: str) -> list[str]:
    """Names of things there are, for a path; "" where it takes none."""
    if "{name}" not in path:
        return [""]
    if path.startswith("/ledger/"):
        kind = path.split("/")[2].replace("accounts", "wallets")
        return [item["id"] for item in program.get(f"/ledger/{kind}").json()["items"]] or ["none"]
    if path.startswith("/parties/details"):
        return [item["coming"]["id"] for item in program.get("/parties").json()["items"] if item["coming"]] or ["none"]
    for list_, name in (("/parties", "id"), ("/approvals", "number"), ("/payouts", "id"), ("/operations", "id")):
        if path.startswith(list_):
            return [item[name] for item in program.get(list_).json()["items"]] or ["none"]
    executions = program.get("/executions").json()["items"]
    if path.startswith("/files"):
        return [item["file"] for item in executions if item["file"]]
    return [item["number"] for item in executions] if path.startswith("/executions") else ["token_of_nobody"]


@SCHEMA.parametrize()
@SEEDED
def test_calls_that_are_made_up_get_answers_that_the_document_describes(
    case: schemathesis.Case, office: Office, everybody: Program
):
    answer = case.call_and_validate(
        base_url=office.base,
        headers={"Authorization": f"Bearer {everybody.secret}"},
        excluded_checks=NOT_ASKED,
    )

    assert answer.status_code != 500


@SCHEMA.include(path_regex=r"\{name\}").parametrize()
@SEEDED
def test_the_same_about_things_that_there_are(case: schemathesis.Case, office: Office, everybody: Program):
    there = names(everybody, case.path)
    case.path_parameters = {"name": there[hash(str(case.body)) % len(there)]}

    answer = case.call_and_validate(
        base_url=office.base,
        headers={"Authorization": f"Bearer {everybody.secret}"},
        excluded_checks=NOT_ASKED,
    )

    assert answer.status_code != 500
