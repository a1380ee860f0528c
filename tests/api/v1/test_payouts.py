"""Payouts through the API: found, rehearsed, retried, taken back and settled, as far as a token goes."""

import pytest

from finops_core.kernel.actor import worker_actor
from finops_core.payouts import strays
from tests.api.v1.programs import Office, code_of
from tests.payouts.test_strays import refused_second, stray_of
from tests.payouts.walks import provider
from tests.surfaces.places import Place, for_a_person, paid_out

pytestmark = pytest.mark.slow
TWO = "currency,maximum\nUSD,1.50\nEUR,2.50\n"


def test_payouts_come_in_pages_in_the_order_of_the_plan_with_their_sums(office: Office):
    seen = office.world.approved(TWO)
    office.world.work_off()
    program = office.program("ana")

    first = program.get(f"/executions/{seen.number}/payouts?limit=1")
    second = program.get(first.links["next"]["url"].removeprefix("/api/v1"))

    pages = [first.json(), second.json()]
    assert [each["row_no"] for page in pages for each in page["items"]] == [1, 2]
    assert [page["total"] for page in pages] == [2, 2]
    assert {each["currency"]: each["amount"] for each in first.json()["sums"]} == {"EUR": "2.50", "USD": "1.50"}
    assert "next" not in second.links


def test_money_in_flight_is_narrowed_by_what_is_looked_for(office: Office):
    for _ in range(2):
        office.world.approved(TWO, reason="once more")
    office.world.work_off()
    program = office.program("eva")

    found = program.get("/payouts?standing=in_flight&currency=USD&state=created&order=newest").json()
    nothing = program.get("/payouts?state=failed&state=rejected").json()
    wrong = program.get("/payouts?standing=lost")
    first = program.get("/payouts?currency=USD&limit=1")
    following = program.get(first.links["next"]["url"].removeprefix("/api/v1")).json()

    assert {each["amount"]["currency"] for each in found["items"]} == {"USD"}
    assert {each["state"] for each in found["items"]} == {"created"}
    assert nothing["total"] == 0
    assert code_of(wrong) == (422, "REQUEST_BAD")
    assert [each["amount"]["currency"] for each in following["items"]] == ["USD"]
    assert following["total"] == first.json()["total"], "the next page is of the same"


def test_a_program_rehearses_a_plan_and_reads_what_came_of_it(office: Office):
    seen = office.world.planned(TWO, reason="once more")
    program = office.program("ana")

    asked = program.post(f"/executions/{seen.id}/rehearse", {"troubles": ["answer_lost", "server_error"]})
    again = program.post(f"/executions/{seen.id}/rehearse", {})
    office.world.work_off()
    (told,) = program.get(f"/executions/{seen.id}/rehearsals").json()["items"]

    assert (asked.status_code, asked.json()["running"]) == (201, True)
    assert code_of(again) == (409, "REHEARSAL_RUNS")
    assert (told["id"], told["passed"], told["running"]) == (asked.json()["id"], True, False)
    assert told["troubles"] == ["answer_lost", "server_error"]
    assert code_of(program.post(f"/executions/{seen.id}/rehearse", {"troubles": ["flood"]})) == (422, "REQUEST_BAD")


def test_a_retry_asks_first_whether_another_payout_still_may_pay_a_row(both_offices: Office):
    # Given a row that another payout may have paid, which was taken back without news of it
    world, program = both_offices.world, both_offices.program("ana")
    execution_id = refused_second(world)
    stray = stray_of(world, execution_id)
    world.work_off()
    held = program.post(f"/executions/{execution_id}/retry")
    provider(world).cancel("", stray, "take-back")
    number = world.execution(execution_id).number
    # When a program asks for a retry by the execution's number
    retried = program.post(f"/executions/{number}/retry")
    # Then the provider was asked, and the row is planned again
    assert code_of(held) == (409, "OTHER_PAYOUT_FOUND")
    assert (retried.status_code, retried.json()["attempt"]) == (200, 2)
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        assert not strays.of_rows(reading, execution_id, [1, 2])


def test_one_payout_is_taken_back_by_the_providers_id_once_however_often_it_is_asked(office: Office):
    ids = paid_out(_place(office))
    program = office.program("ana")
    row = program.get(f"/payouts/{ids['payout']}").json()

    path, body = f"/executions/{ids['execution']}/take-back", {"payout": row["provider_id"], "reason": "wrong"}
    answers = [program.post(path, body, key="take-back-1") for _ in range(2)]
    office.world.work_off()

    assert [answer.json() for answer in answers] == [{"execution": ids["execution"], "asked": 1}] * 2
    assert program.get(f"/payouts/{row['provider_id']}").json()["state"] == "canceled"
    assert len([line for line in office.log("payout.cancel_asked") if ids["payout"] in line]) == 1


def test_a_token_that_settles_sees_what_it_is_about_and_settles_it_and_nothing_else(office: Office):
    # Given a payout that waits for a person, and a controller's token that only settles
    ids = for_a_person(_place(office))
    program = office.program("carla", "settle")
    # When the controller's program looks, and says what was seen
    waiting = program.get("/payouts?standing=for_a_person").json()["items"]
    said = program.post(f"/payouts/{ids['payout']}/settle", {"verdict": "never_made", "comment": "Not in the list."})
    # Then it is told, and checked; what belongs to other scopes is refused
    assert ids["payout"] in [each["id"] for each in waiting]
    assert said.status_code == 200
    assert any(ids["payout"] in line and '"token"' in line for line in office.log("payout.resolution_given"))
    assert code_of(program.post(f"/executions/{ids['execution']}/cancel")) == (403, "TOKEN_SCOPE")
    assert code_of(program.get(f"/executions/{ids['execution']}/record")) == (403, "TOKEN_SCOPE")


def test_the_record_is_handed_out_as_a_file_that_no_browser_opens_in_place(office: Office):
    seen = office.world.approved("currency,maximum\nCHF,1.50\n")
    office.world.work_off()
    program = office.program("eva", "audit")

    page, pack = (program.get(f"/executions/{seen.number}/record?form={form}") for form in ("html", "zip"))

    assert [each.headers["content-type"].partition(";")[0] for each in (page, pack)] == ["text/html", "application/zip"]
    assert page.headers["content-disposition"] == f"attachment; filename*=UTF-8''{seen.number}-record.html"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert seen.number in page.text
    assert pack.content.startswith(b"PK")
    assert len([line for line in office.log("execution.record_taken") if seen.id in line]) == 2


def test_search_finds_records_of_the_log_only_with_the_scope_for_them(office: Office):
    seen = office.world.submitted("currency,maximum\nSEK,1.50\n")

    wide, narrow = (
        office.program("eva", scopes).get(f"/search?text={seen.number}") for scopes in ("read audit", "read")
    )

    assert [each.json()["executions"][0]["id"] for each in (wide, narrow)] == [seen.id] * 2
    assert wide.json()["records"]
    assert narrow.json()["records"] == []


def _place(office: Office) -> Place:
    return Place(office, office.world.desk.settings.data_dir)
