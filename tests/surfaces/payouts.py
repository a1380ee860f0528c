"""Payouts and rehearsals: the cases."""

from collections.abc import Mapping
from typing import Any

from finops_core import payouts
from finops_core.answers.common import amounts
from finops_core.answers.payouts import rehearsal
from finops_core.payouts import Order, PayoutFilter, PayoutPage, Standing, Trouble, Verdict
from finops_core.platform.work import Reading, Work
from tests.surfaces.places import (
    Ids,
    asked,
    done,
    for_a_person,
    in_doubt,
    one_refused,
    paid_out,
    planned,
    with_rehearsal,
)
from tests.surfaces.ways import Case, exe, listed, of_screen

SETTLE = {"verdict": "never_made", "comment": "looked"}


def some(page: PayoutPage) -> dict[str, Any]:
    return {
        "total": page.sums.count,
        "sums": [each.model_dump() for each in amounts(page.sums.amounts)],
        **listed(page.rows),
    }


def of_run(reading: Reading, ids: Ids) -> dict[str, Any]:
    return some(payouts.page(reading, PayoutFilter(ids["execution"], newest=False), order=Order.PLAN))


def settled(work: Work, ids: Ids, comment: str = "looked") -> Any:
    payouts.resolve(work, ids["payout"], Verdict.NEVER_MADE, "", comment)
    return of_screen(payouts.one(work, ids["payout"]))


def rehearsed(work: Work, ids: Ids) -> Any:
    payouts.rehearse(work, ids["execution"], [Trouble.ANSWER_LOST])
    return rehearsal(payouts.rehearsals(work, ids["execution"])[0]).model_dump(mode="json")


CASES: Mapping[str, Case] = {
    "payouts of an execution": Case(
        "ana",
        one_refused,
        of_run,
        ("GET", exe("/payouts"), None),
        "payouts {execution}",
        writes=False,
        keys=("total", "sums", "items"),
    ),
    "payouts of another's": Case(
        "ben",
        planned,
        lambda r, i: payouts.rows(r, i["execution"]),
        ("GET", exe("/payouts"), None),
        "payouts {execution}",
        code="EXECUTION_UNKNOWN",
        writes=False,
    ),
    "payouts in flight": Case(
        "eva",
        paid_out,
        lambda r, _: some(payouts.page(r, PayoutFilter(standing=Standing.IN_FLIGHT))),
        ("GET", "/payouts?standing=in_flight", None),
        "payouts --standing in_flight",
        writes=False,
        keys=("total", "sums", "items"),
    ),
    "one payout": Case(
        "ana",
        paid_out,
        lambda r, i: of_screen(payouts.one(r, i["payout"])),
        ("GET", "/payouts/{payout}", None),
        "payout {payout}",
        writes=False,
    ),
    "a payout that is not there": Case(
        "ana",
        paid_out,
        lambda r, _: payouts.one(r, "pay_none"),
        ("GET", "/payouts/pay_none", None),
        "payout pay_none",
        code="PAYOUT_UNKNOWN",
        writes=False,
    ),
    "rehearse": Case(
        "ana",
        planned,
        rehearsed,
        ("POST", exe("/rehearse"), {"troubles": ["answer_lost"]}),
        "rehearse {execution} --trouble answer_lost",
    ),
    "rehearse as the one who decides": Case(
        "ben",
        asked,
        rehearsed,
        ("POST", exe("/rehearse"), {"troubles": ["answer_lost"]}),
        "rehearse {execution} --trouble answer_lost",
    ),
    "rehearse another's": Case(
        "eva",
        planned,
        lambda w, i: payouts.rehearse(w, i["execution"], []),
        ("POST", exe("/rehearse"), None),
        "rehearse {execution}",
        code="NOT_YOURS",
    ),
    "rehearse what has run": Case(
        "ana",
        done,
        lambda w, i: payouts.rehearse(w, i["execution"], []),
        ("POST", exe("/rehearse"), None),
        "rehearse {execution}",
        code="EXECUTION_MOVED_ON",
    ),
    "rehearsals": Case(
        "ana",
        with_rehearsal,
        lambda r, i: {
            "items": [rehearsal(each).model_dump(mode="json") for each in payouts.rehearsals(r, i["execution"])]
        },
        ("GET", exe("/rehearsals"), None),
        "rehearsals {execution}",
        writes=False,
    ),
    "send on": Case(
        "ana",
        in_doubt,
        lambda w, i: of_screen(payouts.send_on(w, i["execution"])),
        ("POST", exe("/send-on"), None),
        "send-on {execution}",
    ),
    "send on when nothing is in doubt": Case(
        "ana",
        done,
        lambda w, i: payouts.send_on(w, i["execution"]),
        ("POST", exe("/send-on"), None),
        "send-on {execution}",
        code="NOTHING_TO_SEND",
    ),
    "send on without the right": Case(
        "eva",
        done,
        lambda w, i: payouts.send_on(w, i["execution"]),
        ("POST", exe("/send-on"), None),
        "send-on {execution}",
        code="NOT_ALLOWED",
    ),
    "take back": Case(
        "ana",
        paid_out,
        lambda w, i: {"asked": payouts.ask_cancel(w, i["execution"], i["payout"], "no")},
        ("POST", exe("/take-back"), {"payout": "{payout}", "reason": "no"}),
        "take-back {execution} --payout {payout} --reason no",
    ),
    "take back when nothing is there": Case(
        "ana",
        planned,
        lambda w, i: payouts.ask_cancel(w, i["execution"]),
        ("POST", exe("/take-back"), None),
        "take-back {execution}",
        code="NOTHING_TO_CANCEL",
    ),
    "take back without the right": Case(
        "eva",
        paid_out,
        lambda w, i: payouts.ask_cancel(w, i["execution"]),
        ("POST", exe("/take-back"), None),
        "take-back {execution}",
        code="NOT_ALLOWED",
    ),
    "settle": Case(
        "ben",
        for_a_person,
        settled,
        ("POST", "/payouts/{payout}/settle", SETTLE),
        "settle {payout} never_made --comment looked",
    ),
    "settle without a word": Case(
        "ben",
        for_a_person,
        lambda w, i: settled(w, i, " "),
        ("POST", "/payouts/{payout}/settle", {**SETTLE, "comment": " "}),
        "settle {payout} never_made --comment=",
        code="COMMENT_NEEDED",
    ),
    "settle without saying which": Case(
        "ben",
        for_a_person,
        lambda w, i: payouts.resolve(w, i["payout"], Verdict.EXISTS, "", "looked"),
        ("POST", "/payouts/{payout}/settle", {**SETTLE, "verdict": "exists"}),
        "settle {payout} exists --comment looked",
        code="PROVIDER_ID_NEEDED",
    ),
    "settle what does not wait": Case(
        "ben",
        paid_out,
        settled,
        ("POST", "/payouts/{payout}/settle", SETTLE),
        "settle {payout} never_made --comment looked",
        code="PAYOUT_MOVED_ON",
    ),
    "settle without the right": Case(
        "ana",
        paid_out,
        settled,
        ("POST", "/payouts/{payout}/settle", SETTLE),
        "settle {payout} never_made --comment looked",
        code="NOT_ALLOWED",
    ),
    "retry": Case(
        "ana",
        one_refused,
        lambda w, i: of_screen(payouts.retry(w, i["execution"])),
        ("POST", exe("/retry"), None),
        "retry {execution}",
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
}
