"""The catalogue and executions: the cases."""

from collections.abc import Mapping
from typing import Any

from finops_core import files, insight, operations
from finops_core.answers import finding
from finops_core.answers import operations as told
from finops_core.operations import ExecutionFilter, Refused, Upload
from finops_core.platform.work import Work
from tests.api.v1.programs import STRIPE
from tests.surfaces.places import FILE, asked, cancelled, done, drafted, nothing, planned, withdrawn
from tests.surfaces.ways import Case, exe, listed, of_screen, packed, there

WRONG = "currency,amount\nEUR,none\nXXX,1\n"
SUBMIT = ("POST", exe("/submit"), {"plan_hash": "{plan}"})


def draft_of(work: Work, operation: str, content: str | None, replaces: str = "") -> Any:
    upload = None if content is None else Upload("currencies.csv", content.encode())
    taken = operations.draft(work, operation, {}, upload, reason="again", replaces=replaces)
    if isinstance(taken, Refused):
        return {"code": "DRAFT_REFUSED", "faults": [fault.code for fault in taken.faults]}
    return of_screen(operations.execution(work, taken.execution_id))


CASES: Mapping[str, Case] = {
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
    "plan anew": Case(
        "ana",
        planned,
        lambda w, i: of_screen(operations.replan(w, i["execution"])),
        ("POST", exe("/replan"), None),
        "replan {execution}",
    ),
    "withdraw": Case(
        "ana",
        asked,
        lambda w, i: of_screen(operations.withdraw(w, i["execution"], "no")),
        ("POST", exe("/withdraw"), {"reason": "no"}),
        "withdraw {execution} --reason no",
    ),
    "withdraw without a word": Case(
        "ana",
        asked,
        lambda w, i: operations.withdraw(w, i["execution"], " "),
        ("POST", exe("/withdraw"), {"reason": " "}),
        "withdraw {execution} --reason=",
        code="WITHDRAW_REASON_NEEDED",
    ),
    "withdraw what does not wait": Case(
        "ana",
        planned,
        lambda w, i: operations.withdraw(w, i["execution"], "no"),
        ("POST", exe("/withdraw"), {"reason": "no"}),
        "withdraw {execution} --reason no",
        code="EXECUTION_MOVED_ON",
    ),
    "withdraw another's": Case(
        "eva",
        asked,
        lambda w, i: operations.withdraw(w, i["execution"], "no"),
        ("POST", exe("/withdraw"), {"reason": "no"}),
        "withdraw {execution} --reason no",
        code="NOT_YOURS",
    ),
    "draft in the place of one withdrawn": Case(
        "ana",
        withdrawn,
        lambda w, i: draft_of(w, STRIPE, None, i["execution"]),
        ("POST", "/executions", {"operation": STRIPE, "replaces": "{execution}", "reason": "again"}),
        f"run {STRIPE} --replaces {{execution}} --reason again",
    ),
    "draft in the place of what has run": Case(
        "ana",
        done,
        lambda w, i: draft_of(w, STRIPE, None, i["execution"]),
        ("POST", "/executions", {"operation": STRIPE, "replaces": "{execution}", "reason": "again"}),
        f"run {STRIPE} --replaces {{execution}} --reason again",
        code="REPLACES_BAD",
    ),
    "record": Case(
        "eva",
        done,
        lambda w, i: packed(insight.take_record(w, i["execution"]).content),
        ("GET", exe("/record"), None),
        "record {execution} --to {to}",
    ),
    "record without the right": Case(
        "ana",
        done,
        lambda w, i: insight.take_record(w, i["execution"]),
        ("GET", exe("/record"), None),
        "record {execution} --to {to}",
        code="NOT_ALLOWED",
    ),
    "record of what is not there": Case(
        "eva",
        nothing,
        lambda w, _: insight.take_record(w, "EX-1999-0001"),
        ("GET", "/executions/EX-1999-0001/record", None),
        "record EX-1999-0001 --to {to}",
        code="EXECUTION_UNKNOWN",
    ),
    "search": Case(
        "eva",
        asked,
        lambda r, i: finding.found(insight.search(r, i["execution"])).model_dump(mode="json"),
        ("GET", "/search?text={execution}", None),
        "search {execution}",
        writes=False,
    ),
    "search for what one may not see": Case(
        "ben",
        planned,
        lambda r, i: finding.found(insight.search(r, i["execution"])).model_dump(mode="json"),
        ("GET", "/search?text={execution}", None),
        "search {execution}",
        writes=False,
    ),
}
