"""Every verb from a screen, over the API and on the command line: the same answer, and the same refusal.

The screen's side is the verb as pages call it, in a unit of the person's own; tests/pages draw the screens themselves.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from finops_core import approvals, files, operations, payouts
from finops_core.answers import operations as told
from finops_core.answers import others
from finops_core.approvals import Decision
from finops_core.kernel.errors import FinOpsError, NotFound
from finops_core.operations import ExecutionFilter, Refused, Upload
from finops_core.platform.work import Reading, Work
from tests.api.v1.programs import STRIPE, Office, open_office
from tests.commands.terminal import command

pytestmark = pytest.mark.slow

FILE = "currency,maximum\nEUR,1.25\n"
WRONG = "currency,amount\nEUR,none\nXXX,1\n"
Ids = dict[str, str]
# What differs between two executions of the same content, or between two looks at one.
OWN = frozenset(
    {
        *("id", "number", "file", "approval", "subject_id", "content_hash", "hash", "plan_hash", "title", "summary"),
        *("created_at", "submitted_at", "started_at", "ended_at", "duration_ms", "version", "expires_at", "decided_at"),
        *("at", "name", "size_bytes", "sha256", "file_name", "file_sha256", "message", "connection_id"),
    }
)


@dataclass
class Place:
    """An office and a folder for the files of the command line."""

    office: Office
    folder: Path

    def file(self, content: str) -> str:
        path = self.folder / "currencies.csv"
        path.write_text(content)
        return str(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_office(tmp_path_factory.mktemp("office"), plan_expires_s=7 * 24 * 3600) as office:
        yield Place(office, tmp_path_factory.mktemp("files"))


# --- what there is before a verb is asked -------------------------------------------------------------------------


def nothing(place: Place) -> Ids:
    del place
    return {}


def drafted(place: Place) -> Ids:
    done = place.office.world.draft(FILE, reason="once more")
    return {"execution": done.execution_id, "plan": "0"}


def planned(place: Place) -> Ids:
    seen = place.office.world.planned(FILE, reason="once more")
    return {"execution": seen.id, "plan": seen.plan_hash}


def asked(place: Place) -> Ids:
    world = place.office.world
    seen = world.submitted(FILE, reason="once more")
    with world.desk.read(world.actor("ben")) as reading:
        request = approvals.of_subject(reading, "execution", seen.id)[0]
    return {"execution": seen.id, "plan": seen.plan_hash, "request": request.id, "content": request.content_hash}


def done(place: Place) -> Ids:
    seen = place.office.world.approved("currency,maximum\nUSD,2.50\n", reason="once more")
    place.office.world.work_off()
    return {"execution": seen.id, "plan": seen.plan_hash}


def cancelled(place: Place) -> Ids:
    ids = planned(place)
    with place.office.world.desk.work(place.office.world.actor("ana")) as work:
        operations.cancel(work, ids["execution"])
    return ids


# --- the three ways of asking -------------------------------------------------------------------------------------


def of_screen(view: object) -> Any:
    """What a screen has in its hands, as programs are told it."""
    makers: tuple[tuple[type, Callable[[Any], Any]], ...] = (
        (operations.ExecutionView, told.execution),
        (operations.PlanView, told.plan),
        (operations.ResultView, told.result),
        (approvals.RequestView, others.approval),
        (files.FileView, others.file),
    )
    made = next(make(view) for kind, make in makers if isinstance(view, kind))
    return made.model_dump(mode="json")


def listed(views: Any) -> dict[str, Any]:
    return {"items": [of_screen(view) for view in views]}


@dataclass(frozen=True)
class Case:
    """One verb in one situation: who asks, what there is, and the three ways.

    Attributes:
        screen: the verb as a page calls it.
        api: method, path and body; ids stand in braces.
        cli: the words; ids stand in braces.
        code: the refusal, "" for none.
    """

    who: str
    given: Callable[[Place], Ids]
    screen: Callable[[Any, Ids], Any]
    api: tuple[str, str, Mapping[str, Any] | None]
    cli: str
    code: str = ""
    file: str = ""
    writes: bool = True
    keys: tuple[str, ...] = field(default=())


def draft_of(work: Work, operation: str, content: str) -> Any:
    taken = operations.draft(work, operation, {}, Upload("currencies.csv", content.encode()), reason="again")
    if isinstance(taken, Refused):
        return {"code": "DRAFT_REFUSED", "faults": [fault.code for fault in taken.faults]}
    return of_screen(operations.execution(work, taken.execution_id))


def there(found: Any, code: str) -> Any:
    """A page draws "nothing yet" where a program is told that there is nothing."""
    if found is None:
        raise NotFound(code, "There is none yet.")
    return of_screen(found)


def exe(verb: str = "") -> str:
    return f"/executions/{{execution}}{verb}"


SUBMIT = ("POST", exe("/submit"), {"plan_hash": "{plan}"})
APPROVE = {"decision": "approved", "content_hash": "{content}", "comment": "fine"}
CASES = {
    "catalogue": Case(
        "ana",
        nothing,
        lambda r, _: {"items": [told.operation(view).model_dump(mode="json") for view in operations.catalogue(r)]},
        ("GET", "/operations", None),
        "catalogue",
        writes=False,
    ),
    "one operation": Case(
        "eva",
        nothing,
        lambda r, _: told.operation(operations.offered(r, STRIPE)).model_dump(mode="json"),
        ("GET", f"/operations/{STRIPE}", None),
        f"catalogue {STRIPE}",
        writes=False,
    ),
    "an operation that is not there": Case(
        "ana",
        nothing,
        lambda r, _: operations.offered(r, "payouts.none"),
        ("GET", "/operations/payouts.none", None),
        "catalogue payouts.none",
        code="OPERATION_UNKNOWN",
        writes=False,
    ),
    "draft": Case(
        "ana",
        nothing,
        lambda w, _: draft_of(w, STRIPE, FILE),
        ("POST", "/executions", {"operation": STRIPE, "file": "{file}", "reason": "again"}),
        f"run {STRIPE} --file {{path}} --reason again",
        file=FILE,
    ),
    "draft of a wrong file": Case(
        "ana",
        nothing,
        lambda w, _: draft_of(w, STRIPE, WRONG),
        ("POST", "/executions", {"operation": STRIPE, "file": "{file}", "reason": "again"}),
        f"run {STRIPE} --file {{path}} --reason again",
        code="DRAFT_REFUSED",
        file=WRONG,
    ),
    "draft of what is not there": Case(
        "ana",
        nothing,
        lambda w, _: draft_of(w, "payouts.none", FILE),
        ("POST", "/executions", {"operation": "payouts.none", "file": "{file}"}),
        "run payouts.none --file {path}",
        code="OPERATION_UNKNOWN",
        file=FILE,
    ),
    "draft without the right": Case(
        "ben",
        nothing,
        lambda w, _: operations.draft(w, STRIPE, {}, None),
        ("POST", "/executions", {"operation": STRIPE}),
        f"run {STRIPE}",
        code="NOT_ALLOWED",
    ),
    "status": Case(
        "ana",
        planned,
        lambda r, i: of_screen(operations.execution(r, i["execution"])),
        ("GET", exe(), None),
        "status {execution}",
        writes=False,
    ),
    "status of another's": Case(
        "ben",
        planned,
        lambda r, i: operations.execution(r, i["execution"]),
        ("GET", exe(), None),
        "status {execution}",
        code="EXECUTION_UNKNOWN",
        writes=False,
    ),
    "history": Case(
        "eva",
        done,
        lambda r, _: listed(operations.executions(r, ExecutionFilter(public=operations.PublicState.COMPLETED), 5).rows),
        ("GET", "/executions?state=completed&limit=5", None),
        "history --state completed --limit 5",
        writes=False,
        keys=("items",),
    ),
    "plan": Case(
        "ana",
        planned,
        lambda r, i: there(operations.plan(r, i["execution"]), "PLAN_MISSING"),
        ("GET", exe("/plan"), None),
        "plan {execution}",
        writes=False,
    ),
    "plan that is not made yet": Case(
        "ana",
        drafted,
        lambda r, i: there(operations.plan(r, i["execution"]), "PLAN_MISSING"),
        ("GET", exe("/plan"), None),
        "plan {execution}",
        code="PLAN_MISSING",
        writes=False,
    ),
    "submit": Case(
        "ana",
        planned,
        lambda w, i: of_screen(operations.submit(w, i["execution"], i["plan"])),
        SUBMIT,
        "submit {execution} --plan {plan}",
    ),
    "submit of another plan": Case(
        "ana",
        planned,
        lambda w, i: operations.submit(w, i["execution"], "0"),
        ("POST", exe("/submit"), {"plan_hash": "0"}),
        "submit {execution} --plan 0",
        code="PLAN_CHANGED",
    ),
    "submit too early": Case(
        "ana",
        drafted,
        lambda w, i: operations.submit(w, i["execution"], "0"),
        SUBMIT,
        "submit {execution} --plan {plan}",
        code="EXECUTION_MOVED_ON",
    ),
    "submit of another's": Case(
        "eva",
        planned,
        lambda w, i: operations.submit(w, i["execution"], i["plan"]),
        SUBMIT,
        "submit {execution} --plan {plan}",
        code="NOT_YOURS",
    ),
    "cancel": Case(
        "ana",
        asked,
        lambda w, i: of_screen(operations.cancel(w, i["execution"], "no")),
        ("POST", exe("/cancel"), {"reason": "no"}),
        "cancel {execution} --reason no",
    ),
    "cancel again": Case(
        "ana",
        cancelled,
        lambda w, i: operations.cancel(w, i["execution"]),
        ("POST", exe("/cancel"), None),
        "cancel {execution}",
        code="EXECUTION_MOVED_ON",
    ),
    "cancel another's": Case(
        "eva",
        planned,
        lambda w, i: operations.cancel(w, i["execution"]),
        ("POST", exe("/cancel"), None),
        "cancel {execution}",
        code="NOT_ALLOWED",
    ),
    "log": Case(
        "ana",
        done,
        lambda r, i: {"levels": [line.level.value for line in operations.log(r, i["execution"])]},
        ("GET", exe("/log"), None),
        "log {execution}",
        writes=False,
    ),
    "result": Case(
        "ana",
        done,
        lambda r, i: {"success": there(operations.result(r, i["execution"]), "RESULT_MISSING")["success"]},
        ("GET", exe("/result"), None),
        "result {execution}",
        writes=False,
        keys=("success",),
    ),
    "result of what has not run": Case(
        "ana",
        planned,
        lambda r, i: there(operations.result(r, i["execution"]), "RESULT_MISSING"),
        ("GET", exe("/result"), None),
        "result {execution}",
        code="RESULT_MISSING",
        writes=False,
    ),
    "files": Case(
        "ana",
        done,
        lambda r, i: listed(files.of(r, "execution", i["execution"])),
        ("GET", exe("/files"), None),
        "files {execution}",
        writes=False,
    ),
    "retry with nothing to retry": Case(
        "ana",
        done,
        lambda w, i: payouts.retry(w, i["execution"]),
        ("POST", exe("/retry"), None),
        "retry {execution}",
        code="NOTHING_TO_RETRY",
    ),
    "retry without the right": Case(
        "eva",
        done,
        lambda w, i: payouts.retry(w, i["execution"]),
        ("POST", exe("/retry"), None),
        "retry {execution}",
        code="NOT_ALLOWED",
    ),
    "plan anew": Case(
        "ana",
        planned,
        lambda w, i: of_screen(operations.replan(w, i["execution"])),
        ("POST", exe("/replan"), None),
        "replan {execution}",
    ),
    "requests": Case(
        "ben",
        asked,
        lambda r, _: listed(approvals.waiting(r)),
        ("GET", "/approvals", None),
        "approvals",
        writes=False,
        keys=("items",),
    ),
    "requests without the right": Case(
        "ana",
        asked,
        lambda r, _: listed(approvals.waiting(r)),
        ("GET", "/approvals", None),
        "approvals",
        code="NOT_ALLOWED",
        writes=False,
    ),
    "one request": Case(
        "ben",
        asked,
        lambda r, i: of_screen(approvals.request_view(r, i["request"])),
        ("GET", "/approvals/{request}", None),
        "approvals {request}",
        writes=False,
    ),
    "a request that is not there": Case(
        "ben",
        nothing,
        lambda r, _: approvals.request_view(r, "AP-1999-0001"),
        ("GET", "/approvals/AP-1999-0001", None),
        "approvals AP-1999-0001",
        code="APPROVAL_UNKNOWN",
        writes=False,
    ),
    "decide": Case(
        "ben",
        asked,
        lambda w, i: of_screen(approvals.decide(w, i["request"], Decision.APPROVED, "fine", i["content"])),
        ("POST", "/approvals/{request}/decide", APPROVE),
        "decide {request} approved --content {content} --comment fine",
    ),
    "decide what was not seen": Case(
        "ben",
        asked,
        lambda w, i: approvals.decide(w, i["request"], Decision.APPROVED, "", "0"),
        ("POST", "/approvals/{request}/decide", {**APPROVE, "content_hash": "0"}),
        "decide {request} approved --content 0",
        code="APPROVAL_CONTENT_CHANGED",
    ),
    "reject without a word": Case(
        "ben",
        asked,
        lambda w, i: approvals.decide(w, i["request"], Decision.REJECTED, "", i["content"]),
        ("POST", "/approvals/{request}/decide", {"decision": "rejected", "content_hash": "{content}"}),
        "decide {request} rejected --content {content}",
        code="APPROVAL_COMMENT_NEEDED",
    ),
    "decide without the right": Case(
        "ana",
        asked,
        lambda w, i: approvals.decide(w, i["request"], Decision.APPROVED, "", i["content"]),
        ("POST", "/approvals/{request}/decide", APPROVE),
        "decide {request} approved --content {content}",
        code="NOT_ALLOWED",
    ),
    "decide without authority": Case(
        "dan",
        asked,
        lambda w, i: approvals.decide(w, i["request"], Decision.APPROVED, "", i["content"]),
        ("POST", "/approvals/{request}/decide", APPROVE),
        "decide {request} approved --content {content}",
        code="APPROVAL_NO_AUTHORITY",
    ),
}


def by_screen(place: Place, case: Case, ids: Ids) -> Any:
    world = place.office.world
    opened = world.desk.work if case.writes else world.desk.read
    try:
        with opened(world.actor(case.who)) as unit:
            assert isinstance(unit, Work if case.writes else Reading)
            return case.screen(unit, ids)
    except FinOpsError as refusal:
        return {"code": refusal.code}


def by_api(place: Place, case: Case, ids: Ids) -> Any:
    program = place.office.program(case.who)
    if case.file:
        ids["file"] = program.upload(case.file).json()["id"]
    method, path, body = case.api
    filled = None if body is None else {name: value.format(**ids) for name, value in body.items()}
    answer = program.call(method, path.format(**ids), json=filled)
    assert answer.ok == (not case.code), answer.text
    return answer.json()


def by_command(place: Place, case: Case, ids: Ids) -> Any:
    office = place.office
    if case.file:
        ids["path"] = place.file(case.file)
    words = [word.format(**ids) for word in case.cli.split()]
    said = command(office.world.desk.settings, office.program(case.who).secret, *words, "--json")
    assert said.code == (1 if case.code else 0), said
    return said.problem if case.code else said.answer


def comparable(answer: Any, case: Case) -> Any:
    if "code" in answer:
        faults = [fault if isinstance(fault, str) else fault["code"] for fault in answer.get("faults", [])]
        return {"code": answer["code"], "faults": faults}
    if "last" in answer:
        return {"levels": [line["level"] for line in answer["items"]]}
    return without_own({key: answer[key] for key in case.keys or answer})


def without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_own(each) for key, each in value.items() if key not in OWN}
    return [without_own(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", list(CASES))
def test_a_verb_gives_the_same_answer_and_the_same_refusal_on_all_three_surfaces(place: Place, name: str):
    case = CASES[name]

    # What is changed is made anew for each; looks and refusals change nothing.
    shared = case.given(place) if case.code or not case.writes else None

    screen, api, cli = (
        comparable(ask(place, case, shared or case.given(place)), case) for ask in (by_screen, by_api, by_command)
    )

    assert screen.get("code", "") == case.code
    assert api == screen
    assert cli == screen
