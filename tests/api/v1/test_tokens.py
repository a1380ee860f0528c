"""Tokens at the door of the API: what ends or narrows them bites at the very next call, and stands in the log."""

from collections.abc import Callable

import pytest
from sqlalchemy import update

from finops_core import approvals, audit, operations, payouts, security
from finops_core.kernel.actor import Actor, Via, system_actor, worker_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.security.models import api_token
from tests.api.v1.programs import Office, Program, code_of

pytestmark = pytest.mark.slow


def revoked(office: Office, token: security.IssuedToken, who: str) -> None:
    with office.world.desk.work(office.world.actor(who)) as work:
        security.revoke_token(work, token.token.id)


def expired(office: Office, token: security.IssuedToken, who: str) -> None:
    del who
    with office.world.desk.work(system_actor(office.world.orgs["harbour"])) as work:
        one = api_token.c.org_id == work.org_id, api_token.c.id == token.token.id
        work.execute(update(api_token).where(*one).values(expires_at=work.now))


def deactivated(office: Office, token: security.IssuedToken, who: str) -> None:
    del token
    with office.world.desk.work(system_actor()) as work:
        security.set_active(work, office.world.people[who], active=False)


def without_role(office: Office, token: security.IssuedToken, who: str) -> None:
    del token
    with office.world.desk.work(system_actor(office.world.orgs["harbour"])) as work:
        security.end_role(work, office.world.people[who], "preparer", work.org_id)


@pytest.mark.parametrize(
    ("end", "why"),
    [(revoked, "revoked"), (expired, "expired"), (deactivated, "revoked"), (without_role, "revoked")],
)
def test_a_token_that_has_ended_is_refused_at_the_next_call_and_each_refusal_stands_in_the_log(
    both_offices: Office, end: Callable[[Office, security.IssuedToken, str], None], why: str
):
    # Given a program that has just been let in
    token = both_offices.token("ana")
    program = Program(both_offices.base, token.secret)
    assert program.get("/executions").status_code == 200
    # When its token ends
    end(both_offices, token, "ana")
    # Then the next calls are refused, reading or writing
    answers = [program.get("/executions"), program.post("/executions", {"operation": "x"}), program.upload()]
    assert {code_of(answer) for answer in answers} == {(401, "TOKEN_NOT_VALID")}
    lines = both_offices.log("token.refused")
    assert len(lines) == len(answers)
    assert all(token.token.id in line and f'"why":"{why}"' in line for line in lines)


def test_a_right_that_is_taken_away_is_gone_at_the_next_call(office: Office):
    with office.world.desk.work(system_actor(office.world.orgs["harbour"])) as work:
        security.grant_role(work, office.world.people["carla"], "preparer", work.org_id)
    program = office.program("carla")
    taken = program.draft()
    with office.world.desk.work(system_actor(office.world.orgs["harbour"])) as work:
        security.end_role(work, office.world.people["carla"], "preparer", work.org_id)

    assert taken.status_code == 201
    assert code_of(program.upload()) == (403, "NOT_ALLOWED")
    assert program.get(f"/executions/{taken.json()['id']}").status_code == 200, "a controller still sees it"


NARROW = [
    ("read", "POST", "/executions", {"operation": "reporting.csv_totals"}, "TOKEN_SCOPE"),
    ("read", "POST", "/executions/{id}/cancel", {}, "TOKEN_SCOPE"),
    ("read", "POST", "/executions/{id}/submit", {}, "TOKEN_SCOPE"),
    ("read", "POST", "/executions/{id}/retry", None, "TOKEN_SCOPE"),
    ("read", "POST", "/files?name=x.csv", None, "NOT_ALLOWED"),
    ("read", "GET", "/files/fr_x/content", None, "TOKEN_SCOPE"),
    ("files", "POST", "/executions/{id}/cancel", {}, "TOKEN_SCOPE"),
    ("files", "GET", "/executions/{id}", None, "EXECUTION_UNKNOWN"),
    ("run", "GET", "/approvals", None, "NOT_ALLOWED"),
    (
        "read run files",
        "POST",
        "/approvals/AP-2026-0001/decide",
        {"decision": "approved", "content_hash": "0"},
        "TOKEN_SCOPE",
    ),
    ("approve", "GET", "/executions/{id}", None, "NOT_ALLOWED"),
    ("read", "POST", "/executions/{id}/withdraw", {"reason": "no"}, "TOKEN_SCOPE"),
    ("read", "POST", "/executions/{id}/rehearse", None, "TOKEN_SCOPE"),
    ("read", "POST", "/executions/{id}/send-on", None, "TOKEN_SCOPE"),
    ("read", "POST", "/executions/{id}/take-back", None, "TOKEN_SCOPE"),
    ("run", "GET", "/search?text=EX-2026", None, "NOT_ALLOWED"),
    ("read run approve files", "GET", "/executions/{id}/record", None, "TOKEN_SCOPE"),
    (
        "read run approve files audit",
        "POST",
        "/payouts/pay_x/settle",
        {"verdict": "never_made", "comment": "looked"},
        "TOKEN_SCOPE",
    ),
    ("settle audit", "POST", "/executions/{id}/submit", {}, "TOKEN_SCOPE"),
    ("settle audit", "POST", "/executions/{id}/rehearse", None, "TOKEN_SCOPE"),
    ("settle audit", "GET", "/files/fr_x/content", None, "TOKEN_SCOPE"),
]


@pytest.mark.parametrize(("scopes", "method", "path", "body", "code"), NARROW)
def test_a_token_does_nothing_outside_its_scopes(
    office: Office, scopes: str, method: str, path: str, body: object, code: str
):
    drafted = office.program("ana").draft("currency\nUSD\n", reason="once more").json()
    narrow = office.program("ana", scopes)

    answer = narrow.call(method, path.replace("{id}", drafted["id"]), json=body)

    assert code_of(answer)[1] == code
    assert office.program("ana").get(f"/executions/{drafted['id']}").json()["state"] == "planning"


def test_a_token_for_files_does_not_read_its_own_persons_requests(office: Office):
    seen = office.world.submitted("currency,maximum\nGBP,1.5\n", reason="once more")
    with office.world.desk.read(office.world.actor("ana")) as reading:
        number = approvals.of_subject(reading, "execution", seen.id)[0].number

    assert code_of(office.program("ana", "files").get(f"/approvals/{number}")) == (403, "TOKEN_SCOPE")
    assert office.program("ana", "read").get(f"/approvals/{number}").status_code == 200


def test_verbs_that_go_by_whose_a_thing_is_ask_for_the_scope_themselves(office: Office):
    # Given a run of Ana's that waits for its approval, and her token that only reads
    world = office.world
    seen = world.submitted("currency,maximum\nGBP,1\n", reason="once more")
    token = office.token("ana", "read").token
    reads = Actor(world.people["ana"], world.orgs["harbour"], Via.API, token_id=token.id)
    with world.desk.read(world.actor("ana")) as reading:
        request = approvals.of_subject(reading, "execution", seen.id)[0]
    # When it is used for what needs no permission of its own, whichever door it came through
    refused = []
    for verb in (
        lambda work: operations.cancel(work, seen.id),
        lambda work: operations.withdraw(work, seen.id, "no"),
        lambda work: payouts.ask_cancel(work, seen.id),
        lambda work: approvals.withdraw(work, request.id),
    ):
        with pytest.raises(NotAllowed) as refusal, world.desk.work(reads) as work:
            verb(work)
        refused.append(refusal.value.code)
    # Then each is refused, and Ana herself may
    assert refused == ["TOKEN_SCOPE"] * 4
    with world.desk.work(world.actor("ana")) as work:
        assert operations.cancel(work, seen.id).state is operations.State.CANCELLED


def test_what_a_program_does_names_its_token_in_the_log_and_what_its_person_does_names_none(office: Office):
    # Given a token of Ana's
    token = office.token("ana")
    world, program = office.world, Program(office.base, token.secret)
    # When she drafts on a page and her program drafts through the API, and each calls its own off
    mine = world.draft("currency\nNOK\n", reason="once more").execution_id
    its = program.draft("currency\nNOK\n", reason="once more").json()["id"]
    with world.desk.work(world.actor("ana")) as work:
        operations.cancel(work, mine)
    program.post(f"/executions/{its}/cancel")
    # Then only the records of the program's say by which token, and none has the secret
    with world.desk.read(world.actor("eva")) as reading:
        told = {each: audit.records(reading, audit.AuditFilter(about=f"execution:{each}")).rows for each in (mine, its)}
    assert {record.verb for record in told[its]} >= {"execution.drafted", "execution.cancelled"}
    assert {record.detail.get("token") for record in told[its]} == {token.token.id}
    assert {record.detail.get("token") for record in told[mine]} == {None}
    assert token.secret not in "".join(record.body for record in told[its])
    # and the log is whole
    with world.desk.work(worker_actor("")) as work:
        audit.seal(work, world.desk.settings.heads_dir)
    with world.desk.read(world.actor("eva")) as reading:
        assert audit.verify(reading, world.desk.settings.heads_dir).ok


def test_a_refusal_for_want_of_a_scope_stands_in_the_log(office: Office):
    token = office.token("ana", "read")

    Program(office.base, token.secret).post("/executions/EX-2026-0001/cancel", {})

    assert any(token.token.id in line and "TOKEN_SCOPE" in line for line in office.log("access.denied"))


def test_a_token_is_of_one_organisation(office: Office):
    here, there = office.program("ana"), office.program("ana", org="norrland")
    drafted = here.draft("currency\nCHF\n").json()

    assert code_of(there.get(f"/executions/{drafted['id']}")) == (404, "EXECUTION_UNKNOWN")
    assert code_of(there.post(f"/executions/{drafted['id']}/cancel", {})) == (404, "EXECUTION_UNKNOWN")
    assert there.get("/executions").json()["total"] == 0
    assert (here.get("/me").json()["organisation"], there.get("/me").json()["organisation"]) == (
        "Harbour Labs",
        "Norrland Trading",
    )


def test_people_see_through_the_api_what_they_may_see_and_no_more(office: Office):
    drafted = office.program("ana").draft("currency\nSEK\n").json()
    file_id = drafted["file"]

    assert office.program("eva").get(f"/executions/{drafted['id']}").status_code == 200, "the auditor sees all"
    assert code_of(office.program("ben").get(f"/executions/{drafted['id']}")) == (404, "EXECUTION_UNKNOWN")
    assert code_of(office.program("ben").get(f"/files/{file_id}/content"))[0] in {403, 404}
    assert code_of(office.program("eva").post(f"/executions/{drafted['id']}/cancel", {})) == (403, "NOT_ALLOWED")


def test_a_token_lists_those_of_its_person_and_revokes_itself(office: Office):
    first, second = office.token("dan"), office.token("dan")
    program = Program(office.base, first.secret)

    listed = {token["id"] for token in program.get("/tokens").json()["items"]}
    other = program.post(f"/tokens/{second.token.id}/revoke")
    itself = program.post(f"/tokens/{first.token.id}/revoke")

    assert {first.token.id, second.token.id} <= listed
    assert code_of(other) == (403, "IN_PERSON_ONLY")
    assert itself.status_code == 200
    assert code_of(program.get("/me")) == (401, "TOKEN_NOT_VALID")
