"""An Idempotency-Key: what was done once under it is answered again, and not done again."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sqlalchemy import func, select, update

from finops_core import security
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.operations.models import execution
from finops_core.platform import repeats
from finops_core.platform.repeats import KEPT, repeat
from tests.api.v1.programs import PASSWORD, STRIPE, Office, code_of

pytestmark = pytest.mark.slow


def executions(office: Office) -> int:
    with office.world.desk.read(office.world.actor("eva")) as reading:
        counted = select(func.count()).select_from(execution).where(execution.c.org_id == reading.org_id)
        return int(reading.scalar(counted) or 0)


def replayed(answer: requests.Response) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def test_the_same_key_and_content_give_the_first_answer_and_do_nothing(both_offices: Office):
    # Given a draft made under a key, which has moved on since
    ana = both_offices.program("ana")
    file_id = ana.upload().json()["id"]
    body = {"operation": STRIPE, "file": file_id}
    first = ana.post("/executions", body, key="draft-1")
    both_offices.world.work_off()
    # When it is asked for again
    again = ana.post("/executions", body, key="draft-1")
    # Then it is the first answer, to the byte
    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert (replayed(first), replayed(again)) == (False, True)
    assert executions(both_offices) == 1
    assert ana.get(f"/executions/{first.json()['id']}").json()["state"] == "ready"


def test_ten_calls_at_once_under_one_key_make_one_draft(both_offices: Office):
    ana = both_offices.program("ana")
    body = {"operation": STRIPE, "file": ana.upload().json()["id"]}
    start = threading.Barrier(10)

    def ask(_: int) -> requests.Response:
        start.wait(20)
        return requests.post(
            f"{both_offices.base}/executions",
            json=body,
            headers={"Authorization": f"Bearer {ana.secret}", "Idempotency-Key": "at-once"},
            timeout=60,
        )

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(ask, range(10)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum(replayed(answer) for answer in answers) == 9
    assert executions(both_offices) == 1


@pytest.mark.parametrize("change", ["body", "route", "id"])
def test_something_else_under_the_same_key_is_refused(office: Office, change: str):
    ana, key = office.program("ana"), f"reused-{change}"
    first, second = (ana.draft("currency\nGBP\n", reason="once more").json()["id"] for _ in range(2))
    assert ana.post(f"/executions/{first}/cancel", {"reason": "a"}, key=key).status_code == 200

    answer = {
        "body": lambda: ana.post(f"/executions/{first}/cancel", {"reason": "b"}, key=key),
        "route": lambda: ana.post(f"/executions/{first}/submit", {"plan_hash": "a"}, key=key),
        "id": lambda: ana.post(f"/executions/{second}/cancel", {"reason": "a"}, key=key),
    }[change]()

    assert code_of(answer) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert ana.get(f"/executions/{second}").json()["state"] == "planning"


def test_without_a_key_each_call_is_one_of_its_own(office: Office):
    ana = office.program("ana")

    first, second = (ana.draft("currency\nGBP\n", reason="once more") for _ in range(2))

    assert first.json()["id"] != second.json()["id"]


def test_a_key_is_one_persons(office: Office):
    world = office.world
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        world.people["cem"] = security.add_person(work, "cem", "Cem Aydin", "", PASSWORD)
        security.grant_role(work, world.people["cem"], "preparer", work.org_id)
    ana, cem = office.program("ana"), office.program("cem")

    first = ana.upload("a\n", key="shared")
    second = cem.upload("b\n", key="shared")
    again = ana.upload("a\n", key="shared")

    assert first.status_code == second.status_code == 201
    assert (replayed(first), replayed(second), replayed(again)) == (False, False, True)
    assert first.json()["id"] != second.json()["id"]
    assert again.content == first.content, "hers, and not his"


def test_a_key_is_of_one_organisation(office: Office):
    first = office.program("ana").upload("a\n", key="both")
    second = office.program("ana", org="norrland").upload("a\n", key="both")

    assert first.status_code == second.status_code == 201
    assert not replayed(second)
    assert first.json()["id"] != second.json()["id"]


def test_a_refusal_is_not_kept_so_that_the_same_call_may_succeed_later(office: Office):
    ana = office.program("ana")
    drafted = ana.draft("currency\nJPY\n", reason="once more").json()
    too_early = ana.post(f"/executions/{drafted['id']}/replan", key="later")
    office.world.work_off()

    later = ana.post(f"/executions/{drafted['id']}/replan", key="later")

    assert code_of(too_early) == (409, "EXECUTION_MOVED_ON")
    assert (later.status_code, replayed(later)) == (200, False)


def test_a_wrong_file_is_told_again_with_every_fault(office: Office):
    ana = office.program("ana")
    body = {"operation": STRIPE, "file": ana.upload("currency,amount\nXXX,1\n").json()["id"]}

    first, again = (ana.post("/executions", body, key="wrong file") for _ in range(2))
    spaced = ana.post("/executions", body, key="wrong-file")
    repeated = ana.post("/executions", body, key="wrong-file")

    assert code_of(first) == code_of(again) == (422, "REQUEST_BAD"), "a key has no spaces"
    assert code_of(spaced) == code_of(repeated) == (422, "DRAFT_REFUSED")
    assert spaced.json()["instance"] == f"urn:tieout:request:{spaced.headers['x-request-id']}"
    assert spaced.content == repeated.content
    assert replayed(repeated)


def test_an_upload_sent_twice_under_one_key_is_one_file(office: Office):
    ana = office.program("ana")

    first, again = (ana.upload("currency\nUSD\n", "twice.csv", key="upload-1") for _ in range(2))
    other = ana.upload("currency\nCHF\n", "twice.csv", key="upload-1")

    assert first.content == again.content
    assert code_of(other) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_a_narrower_token_of_the_same_person_is_not_told_the_answer(office: Office):
    drafted = office.program("ana").draft("currency\nSEK\n", reason="once more").json()
    path = f"/executions/{drafted['id']}/cancel"
    assert office.program("ana").post(path, {}, key="narrow").status_code == 200

    assert code_of(office.program("ana", "read").post(path, {}, key="narrow")) == (403, "TOKEN_SCOPE")


def test_a_key_is_forgotten_after_a_day(office: Office):
    ana = office.program("ana")
    first = ana.upload("a\n", "day.csv", key="day")
    desk, org_id = office.world.desk, office.world.orgs["harbour"]
    with desk.work(worker_actor(org_id)) as work:
        mine = repeat.c.org_id == org_id, repeat.c.key == "day"
        work.execute(update(repeat).where(*mine).values(at=work.now - KEPT))

    second = ana.upload("b\n", "day.csv", key="day")
    with desk.work(worker_actor(org_id)) as work:
        work.execute(update(repeat).where(repeat.c.org_id == org_id).values(at=work.now - KEPT))
        gone = repeats.tidy(work)
        left = work.scalar(select(func.count()).select_from(repeat).where(repeat.c.org_id == org_id))

    assert first.json()["id"] != second.json()["id"]
    assert gone > 0
    assert left == 0
