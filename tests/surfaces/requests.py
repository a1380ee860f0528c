"""Approvals: the cases."""

from collections.abc import Mapping
from typing import Any

from finops_core import approvals, operations, payouts
from finops_core.approvals import Decision
from finops_core.platform.work import Reading
from tests.surfaces.places import asked, nothing
from tests.surfaces.ways import Case, listed, of_screen


def drawer(reading: Reading, ids: Mapping[str, str]) -> dict[str, Any]:
    """What the approver's drawer has in its hands: the request, and what happened since its plan was made."""
    view = approvals.request_view(reading, ids["request"])
    run = operations.execution(reading, view.subject_id)
    plan = operations.plan(reading, run.id, view.content_hash)
    assert plan is not None
    since = payouts.meanwhile(reading, run, plan)
    return {**of_screen(view), "meanwhile": list(since.told), "others": sorted(since.numbers)}


APPROVE = {"decision": "approved", "content_hash": "{content}", "comment": "fine"}
CASES: Mapping[str, Case] = {
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
        drawer,
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
