"""Who may decide, by rule: the default is no, and nothing bad that is added ever turns a no into a yes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core.approvals.rules import (
    ANY_CURRENCY,
    Authority,
    Candidate,
    Decision,
    Level,
    Matter,
    Said,
    Standing,
    State,
    behind,
    eligible,
    may_decide,
    open_level,
    outcome,
    person_of,
    stands,
)
from finops_core.kernel.actor import Actor, Via, system_actor, worker_actor
from finops_core.kernel.errors import Conflict, NotAllowed

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(days=1), NOW + timedelta(days=1)
KIND = "payouts.stripe_balance"
OPEN = Standing(State.PENDING, FUTURE)
MATTER = Matter(KIND, {"USD": 1_000_000}, "person_pat", {"person_uma": "uploaded its file"})
HASH = "a" * 64
SEEN = settings(max_examples=300, deadline=None, derandomize=True, database=None)


def ada(*authorities: Authority, permitted: bool = True) -> Candidate:
    return Candidate("person_ada", permitted, authorities)


def up_to(limit_minor: int | None, currency: str = "USD", **other: object) -> Authority:
    values: dict = {"item_type": KIND, "since_at": PAST, **other}
    return Authority(currency=currency, limit_minor=limit_minor, **values)


def code(matter: Matter, candidate: Candidate, standing: Standing = OPEN) -> str:
    refusal = may_decide(matter, standing, candidate, NOW)
    return "" if refusal is None else refusal.code


def test_somebody_else_with_permission_and_authority_may_decide():
    assert code(MATTER, ada(up_to(1_000_000))) == ""


def test_a_limit_includes_itself_and_not_one_minor_unit_more():
    supervisor = ada(up_to(1_000_000))

    assert code(MATTER, supervisor) == ""
    assert code(replace(MATTER, amounts={"USD": 1_000_001}), supervisor) == "APPROVAL_OVER_LIMIT"


def test_the_requester_and_whoever_stands_too_near_may_never_decide_however_high_their_limit():
    for person in ("person_pat", "person_uma"):
        near = Candidate(person, permitted=True, authorities=(up_to(None, ANY_CURRENCY),))
        assert code(MATTER, near) == "APPROVAL_EXCLUDED"
        assert not eligible(MATTER, near, NOW)


def test_without_the_permission_authority_is_worth_nothing():
    assert code(MATTER, ada(up_to(None, ANY_CURRENCY), permitted=False)) == "APPROVAL_NOT_PERMITTED"


@pytest.mark.parametrize(
    "held",
    [
        (),
        (up_to(None, item_type="payroll.run"),),
        (up_to(None, since_at=FUTURE),),
        (up_to(None, until_at=NOW),),
    ],
    ids=["none", "for another kind of item", "not begun", "ended this instant"],
)
def test_without_a_living_authority_for_the_kind_of_item_nobody_decides(held: tuple[Authority, ...]):
    assert code(MATTER, ada(*held)) == "APPROVAL_NO_AUTHORITY"
    assert code(replace(MATTER, amounts={}), ada(*held)) == "APPROVAL_NO_AUTHORITY"


def test_an_authority_counts_from_its_first_instant_to_before_its_last():
    assert code(MATTER, ada(up_to(None, since_at=NOW, until_at=NOW + timedelta(microseconds=1)))) == ""


def test_every_currency_needs_its_own_limit():
    matter = replace(MATTER, amounts={"USD": 100, "EUR": 100, "JPY": 100})

    refusal = may_decide(matter, OPEN, ada(up_to(100), up_to(99, "EUR")), NOW)

    assert refusal is not None
    assert refusal.code == "APPROVAL_OVER_LIMIT"
    assert "EUR, JPY" in refusal.message
    assert code(matter, ada(up_to(100), up_to(100, "EUR"), up_to(100, "JPY"))) == ""


def test_any_currency_means_unlimited_or_nothing():
    assert code(MATTER, ada(up_to(None, ANY_CURRENCY))) == ""
    assert code(MATTER, ada(up_to(2**53, ANY_CURRENCY))) == "APPROVAL_OVER_LIMIT"


def test_limits_of_one_person_do_not_add_up_the_highest_counts():
    assert code(MATTER, ada(up_to(600_000), up_to(600_000))) == "APPROVAL_OVER_LIMIT"
    assert code(MATTER, ada(up_to(1), up_to(1_000_000))) == ""


def test_an_item_without_amounts_needs_authority_for_its_kind_only():
    assert code(replace(MATTER, amounts={}), ada(up_to(0))) == ""
    assert code(replace(MATTER, amounts={"EUR": 0}), ada(up_to(0))) == ""


@pytest.mark.parametrize("state", [state for state in State if state is not State.PENDING])
def test_a_request_that_ended_cannot_be_decided(state: State):
    refusal = may_decide(MATTER, Standing(state, FUTURE), ada(up_to(None)), NOW)

    assert refusal is not None
    assert refusal.code == "APPROVAL_NOT_PENDING"
    assert isinstance(refusal.error(), Conflict)


def test_a_request_can_be_decided_until_before_it_expires():
    assert code(MATTER, ada(up_to(None)), Standing(State.PENDING, NOW + timedelta(microseconds=1))) == ""
    assert code(MATTER, ada(up_to(None)), Standing(State.PENDING, NOW)) == "APPROVAL_EXPIRED"


def test_one_person_counts_once_in_a_whole_request():
    spoken = Standing(State.PENDING, FUTURE, frozenset({"person_ada"}))

    assert code(MATTER, ada(up_to(None)), spoken) == "APPROVAL_ALREADY_DECIDED"


def test_a_refusal_becomes_the_error_a_verb_raises():
    refusal = may_decide(MATTER, OPEN, ada(), NOW)

    assert refusal is not None
    error = refusal.error(request_id="ap_1")
    assert isinstance(error, NotAllowed)
    assert (error.code, error.context) == ("APPROVAL_NO_AUTHORITY", {"request_id": "ap_1"})
    assert error.hint


def test_only_people_who_act_for_themselves_are_people():
    ada_herself = Actor("person_ada", "org_1", Via.PAGE)

    assert person_of(ada_herself) == "person_ada"
    assert person_of(worker_actor("org_1", "person_ada")) is None
    assert person_of(system_actor("org_1")) is None
    assert person_of(replace(ada_herself, on_behalf_of="person_max")) is None
    assert person_of(Actor("link_1", "org_1", Via.LINK)) is None
    assert behind(worker_actor("org_1", "person_ada")) == "person_ada"


people = st.sampled_from(["person_ada", "person_max", "person_pat", "person_uma", "person_zoe"])
codes = st.sampled_from(["USD", "EUR", "JPY"])
instants = st.sampled_from([PAST, NOW, FUTURE])
authorities = st.builds(
    Authority,
    item_type=st.sampled_from([KIND, "payroll.run"]),
    currency=st.sampled_from(["USD", "EUR", "JPY", ANY_CURRENCY]),
    limit_minor=st.one_of(st.none(), st.integers(0, 1000)),
    since_at=instants,
    until_at=st.one_of(st.none(), instants),
)
matters = st.builds(
    Matter,
    item_type=st.just(KIND),
    amounts=st.dictionaries(codes, st.integers(0, 1000)),
    requested_by=people,
    excluded=st.dictionaries(people, st.just("uploaded its file"), max_size=2),
)
standings = st.builds(
    Standing, state=st.sampled_from(list(State)), expires_at=instants, decided_by=st.frozensets(people, max_size=2)
)
candidates = st.builds(
    Candidate, person_id=people, permitted=st.booleans(), authorities=st.lists(authorities, max_size=4).map(tuple)
)


def allowed(matter: Matter, standing: Standing, candidate: Candidate) -> bool:
    return may_decide(matter, standing, candidate, NOW) is None


@SEEN
@given(matters, standings, candidates, people)
def test_standing_too_near_never_turns_no_into_yes(
    matter: Matter, standing: Standing, candidate: Candidate, person: str
):
    nearer = replace(matter, excluded={**matter.excluded, person: "edited it"})

    assert not (allowed(nearer, standing, candidate) and not allowed(matter, standing, candidate))
    if person == candidate.person_id:
        assert not allowed(nearer, standing, candidate)


@SEEN
@given(matters, standings, candidates, codes, st.integers(1, 2**60))
def test_a_higher_amount_never_turns_no_into_yes(
    matter: Matter, standing: Standing, candidate: Candidate, currency: str, more: int
):
    higher = replace(matter, amounts={**matter.amounts, currency: matter.amounts.get(currency, 0) + more})

    assert not (allowed(higher, standing, candidate) and not allowed(matter, standing, candidate))


@SEEN
@given(matters, standings, candidates, st.randoms(use_true_random=False))
def test_the_order_of_grants_amounts_and_exclusions_changes_nothing(
    matter: Matter, standing: Standing, candidate: Candidate, chance
):
    def shuffled(items) -> list:
        mixed = list(items)
        chance.shuffle(mixed)
        return mixed

    other = replace(
        matter, amounts=dict(shuffled(matter.amounts.items())), excluded=dict(shuffled(matter.excluded.items()))
    )
    mixed = replace(candidate, authorities=tuple(shuffled(candidate.authorities)))

    assert may_decide(matter, standing, candidate, NOW) == may_decide(other, standing, mixed, NOW)


@SEEN
@given(matters, standings, candidates, authorities)
def test_losing_a_grant_never_turns_no_into_yes(
    matter: Matter, standing: Standing, candidate: Candidate, more: Authority
):
    richer = replace(candidate, authorities=(*candidate.authorities, more))

    assert not (allowed(matter, standing, candidate) and not allowed(matter, standing, richer))


@SEEN
@given(matters, standings, candidates)
def test_whoever_may_decide_is_permitted_apart_covered_and_in_time(
    matter: Matter, standing: Standing, candidate: Candidate
):
    if not allowed(matter, standing, candidate):
        return

    assert candidate.permitted
    assert candidate.person_id not in {matter.requested_by, *matter.excluded, *standing.decided_by}
    assert standing.state is State.PENDING
    assert standing.expires_at > NOW
    assert eligible(matter, candidate, NOW)
    live = [one for one in candidate.authorities if one.item_type == KIND and one.lives(NOW)]
    assert live
    for currency, amount in matter.amounts.items():
        limits = [one.limit_minor for one in live if one.currency == currency]
        unlimited = any(one.limit_minor is None for one in live if one.currency in {currency, ANY_CURRENCY})
        assert amount == 0 or unlimited or amount <= max(limit for limit in limits if limit is not None)


def said(person: str, decision: Decision = Decision.APPROVED, level: int = 1, content: str = HASH) -> Said:
    return Said(level, person, decision, content)


ONE, TWO_OF = (Level(1, 1),), (Level(1, 2), Level(2, 1))


def test_one_level_and_one_person_is_enough_where_one_is_asked_for():
    assert outcome(ONE, ()) is State.PENDING
    assert outcome(ONE, (said("person_ada"),)) is State.APPROVED
    assert outcome(ONE, (said("person_ada", Decision.REJECTED),)) is State.REJECTED


def test_each_level_needs_its_number_of_different_people_in_order():
    first, second, third = said("person_ada"), said("person_max"), said("person_zoe", level=2)

    assert open_level(TWO_OF, ()) == 1
    assert open_level(TWO_OF, (first, said("person_ada"))) == 1
    assert open_level(TWO_OF, (first, second)) == 2
    assert outcome(TWO_OF, (first, second)) is State.PENDING
    assert outcome(TWO_OF, (first, second, third)) is State.APPROVED


def test_one_rejection_ends_it_whatever_the_others_said():
    assert outcome(ONE, (said("person_ada"), said("person_max", Decision.REJECTED))) is State.REJECTED


@pytest.mark.parametrize("levels", [(), (Level(1, 0),), (Level(1, -1),)])
def test_nothing_asked_for_is_never_an_approval(levels: tuple[Level, ...]):
    assert outcome(levels, ()) is State.PENDING
    assert outcome(levels, (said("person_ada"),)) is State.PENDING


def test_an_approval_stands_only_on_decisions_that_carry_it():
    assert stands(MATTER, HASH, ONE, (said("person_ada"),))
    assert not stands(MATTER, HASH, ONE, ())
    assert not stands(MATTER, HASH, ONE, (said("person_ada", content="b" * 64),))
    assert not stands(MATTER, HASH, ONE, (said("person_pat"),))
    assert not stands(MATTER, HASH, ONE, (said("person_uma"),))
    assert not stands(MATTER, HASH, ONE, (said("person_ada"), said("person_max", Decision.REJECTED)))
    assert not stands(MATTER, HASH, (Level(1, 2),), (said("person_ada"), said("person_ada")))
    assert not stands(MATTER, HASH, TWO_OF, (said("person_ada"), said("person_max"), said("person_ada", level=2)))
