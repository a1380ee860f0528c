"""The states of an execution and the hash an approval binds."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core.kernel.errors import Conflict
from finops_core.kernel.operation import Plan, PlanRow
from finops_core.operations import rules
from finops_core.operations.rules import FINAL, OVER, PUBLIC, PublicState, State

# What the screens offer: a stop before the end, a new plan for what has not begun, and a retry of what has failed.
CANCELLABLE = {State.PLANNING, State.READY, State.AWAITING_APPROVAL, State.QUEUED, State.RUNNING}
REPLANNABLE = {State.READY, State.AWAITING_APPROVAL, State.SUPERSEDED, State.EXPIRED}
RETRYABLE = {State.COMPLETED, State.FAILED, State.CANCELLED, State.TIMED_OUT, State.INTERRUPTED}
PAIRS = [(old, new) for old in State for new in State]


def may_follow(old: State, new: State) -> bool:
    try:
        return rules.move("EX-2026-0001", old, new) is new
    except Conflict:
        return False


def successors(state: State) -> set[State]:
    return {new for new in State if may_follow(state, new)}


def test_every_state_is_one_of_the_five_that_everybody_sees():
    assert set(PUBLIC) == set(State)
    assert set(PUBLIC.values()) == set(PublicState)


def test_every_state_can_be_reached_from_a_draft():
    # Given the two states a draft begins in
    reached = {State.PLANNING, State.READY}
    # When every step is taken
    for _ in State:
        reached |= {new for old in reached for new in successors(old)}
    # Then nothing is left over
    assert reached == set(State)


def test_nothing_follows_a_final_state_but_a_new_plan_where_there_can_be_one_or_a_new_doubt():
    planned_anew = REPLANNABLE | RETRYABLE

    assert all(successors(state) == {State.UNSETTLED} for state in FINAL - planned_anew)
    assert all(successors(state) == {State.PLANNING, State.UNSETTLED} for state in FINAL & planned_anew)


def test_an_execution_that_is_seen_as_over_is_over_and_one_that_is_not_goes_on():
    over = {PublicState.COMPLETED, PublicState.FAILED, PublicState.CANCELLED}

    assert {state for state in State if PUBLIC[state] in over} == FINAL
    assert all(successors(state) for state in set(State) - FINAL)


def test_a_run_with_open_ends_is_over_but_neither_completed_nor_failed():
    assert State.UNSETTLED in OVER
    assert State.UNSETTLED not in FINAL
    assert PUBLIC[State.UNSETTLED] is PublicState.RUNNING


def test_whatever_may_be_cancelled_or_planned_anew_has_that_way_open():
    assert all(may_follow(state, State.CANCELLED) for state in CANCELLABLE)
    assert {state for state in State if may_follow(state, State.CANCELLED)} == CANCELLABLE | {State.UNSETTLED}
    assert {state for state in State if may_follow(state, State.PLANNING)} == REPLANNABLE | RETRYABLE


def test_only_what_was_queued_runs_or_goes_on_and_only_what_ran_is_completed():
    assert {old for old in State if may_follow(old, State.RUNNING)} == {State.QUEUED, State.UNSETTLED}
    assert {old for old in State if may_follow(old, State.COMPLETED)} == {State.RUNNING, State.UNSETTLED}
    assert {old for old in State if may_follow(old, State.QUEUED)} == {State.READY, State.AWAITING_APPROVAL}


@pytest.mark.parametrize(("old", "new"), [pair for pair in PAIRS if not may_follow(*pair)])
def test_a_step_that_is_not_on_the_map_is_refused_in_words(old: State, new: State):
    with pytest.raises(Conflict) as refused:
        rules.move("EX-2026-0007", old, new)

    assert refused.value.code == "EXECUTION_MOVED_ON"
    assert refused.value.message == f"EX-2026-0007 is {old.value.replace('_', ' ')} by now."


# --- the hash an approval binds -----------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=12)
ROWS = st.builds(
    PlanRow,
    account=TEXT,
    currency=st.sampled_from(["USD", "EUR", "JPY", "KWD"]),
    amount_minor=st.integers(0, 2**62),
    body=st.fixed_dictionaries({"destination": TEXT, "bank": TEXT, "descriptor": TEXT, "row": st.integers(2, 1001)}),
)
PLANS = st.builds(
    Plan,
    rows=st.lists(ROWS, min_size=1, max_size=4).map(tuple),
    mode=st.sampled_from(["test", "live"]),
    key_fingerprint=TEXT,
    connection_id=TEXT,
)
AGREED = st.fixed_dictionaries(
    {
        "operation_id": st.just("payouts.stripe_balance"),
        "version": st.sampled_from(["1.0.0", "1.0.1"]),
        "params": st.fixed_dictionaries({"descriptor": TEXT}),
        "file_hash": TEXT,
        "plan": PLANS,
    }
)


def with_row(agreed: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same with something else in its last row."""
    plan: Plan = agreed["plan"]
    return {**agreed, "plan": replace(plan, rows=(*plan.rows[:-1], replace(plan.rows[-1], **changes)))}


def with_body(agreed: dict[str, Any], name: str) -> dict[str, Any]:
    body = agreed["plan"].rows[-1].body
    return with_row(agreed, body={**body, name: f"{body[name]}x"})


def with_plan(agreed: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**agreed, "plan": replace(agreed["plan"], **changes)}


OTHER = {
    "one minor unit more": lambda a: with_row(a, amount_minor=a["plan"].rows[-1].amount_minor + 1),
    "another account": lambda a: with_row(a, account=a["plan"].rows[-1].account + "x"),
    "another currency": lambda a: with_row(a, currency="CHF"),
    "another bank": lambda a: with_body(a, "bank"),
    "another bank account": lambda a: with_body(a, "destination"),
    "another descriptor": lambda a: with_body(a, "descriptor"),
    "one fact more": lambda a: with_row(a, body={**a["plan"].rows[-1].body, "note": ""}),
    "another operation": lambda a: {**a, "operation_id": a["operation_id"] + "x"},
    "another version": lambda a: {**a, "version": "1.1.0"},
    "other parameters": lambda a: {**a, "params": {"descriptor": a["params"]["descriptor"] + "x"}},
    "one parameter more": lambda a: {**a, "params": {**a["params"], "unpayable": ""}},
    "another file": lambda a: {**a, "file_hash": a["file_hash"] + "0"},
    "another mode": lambda a: with_plan(a, mode="test" if a["plan"].mode == "live" else "live"),
    "another key": lambda a: with_plan(a, key_fingerprint=a["plan"].key_fingerprint + "0"),
    "another connection": lambda a: with_plan(a, connection_id=a["plan"].connection_id + "x"),
    "no connection": lambda a: with_plan(a, connection_id=None),
    "a warning more": lambda a: with_plan(a, warnings=("swept daily",)),
    "one row less": lambda a: with_plan(a, rows=a["plan"].rows[:-1]),
    "the last row twice": lambda a: with_plan(a, rows=(*a["plan"].rows, a["plan"].rows[-1])),
}


@pytest.mark.parametrize("change", OTHER.values(), ids=list(OTHER))
@settings(max_examples=25)
@given(agreed=AGREED)
def test_a_change_of_any_single_fact_is_another_plan(change, agreed: dict[str, Any]):
    assert rules.plan_hash(**change(agreed)) != rules.plan_hash(**agreed)


@given(agreed=AGREED, first=ROWS, second=ROWS)
def test_the_order_of_the_rows_is_part_of_the_plan(agreed: dict[str, Any], first: PlanRow, second: PlanRow):
    there = rules.plan_hash(**with_plan(agreed, rows=(first, second)))
    back = rules.plan_hash(**with_plan(agreed, rows=(second, first)))

    assert (there == back) is (first == second)


@given(agreed=AGREED)
def test_the_same_facts_give_the_same_hash_whatever_their_order(agreed: dict[str, Any]):
    row = agreed["plan"].rows[-1]

    assert rules.plan_hash(**with_row(agreed, body=dict(reversed(row.body.items())))) == rules.plan_hash(**agreed)


@given(plan=PLANS)
def test_totals_hold_every_minor_unit_and_no_empty_currency(plan: Plan):
    sums = rules.totals(plan)

    assert sum(sums.values()) == sum(row.amount_minor for row in plan.rows)
    assert 0 not in sums.values()


@given(params=st.dictionaries(TEXT, TEXT, max_size=3), other=TEXT)
def test_the_same_content_has_one_key_whatever_the_order_of_its_parameters(params: dict[str, str], other: str):
    key = rules.content_key("a.b", params, "f")

    assert rules.content_key("a.b", dict(reversed(params.items())), "f") == key
    assert rules.content_key("a.b", params, "g") != key
    assert rules.content_key("a.c", params, "f") != key
    assert (rules.content_key("a.b", {**params, "more": other}, "f") == key) is (params.get("more") == other)
