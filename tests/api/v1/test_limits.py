"""How fast programs may call, and how fast strangers may guess."""

from pathlib import Path

import pytest
import requests

from finops_core import security
from finops_core.api.v1.buckets import KEPT, Buckets
from tests.api.v1.programs import Program, code_of, open_office


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_then_its_rate():
    clock = Hand()
    buckets = Buckets(2.0, 3, clock)

    at_once = [buckets.take("a") for _ in range(5)]
    clock.now += 0.5
    then = [buckets.take("a"), buckets.take("a")]

    assert at_once == [0, 0, 0, 0.5, 0.5]
    assert then == [0, 0.5]
    assert buckets.take("b") == 0


def test_a_bucket_holds_no_more_than_its_burst():
    clock = Hand()
    buckets = Buckets(2.0, 3, clock)
    buckets.take("a")
    clock.now += 3600

    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_buckets_do_not_grow_without_end():
    buckets = Buckets(1.0, 1, Hand())

    for key in range(KEPT + 5):
        buckets.take(str(key))

    assert len(buckets._left) == KEPT


@pytest.mark.slow
def test_too_many_calls_with_one_token_wait_and_another_token_does_not(tmp_path: Path):
    with open_office(tmp_path, api_rate_per_s=0.01, api_burst=3) as office:
        ana, ben = office.program("ana"), office.program("ben")

        answers = [ana.get("/me") for _ in range(5)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert code_of(answers[-1]) == (429, "RATE_LIMITED")
        assert 90 <= int(answers[-1].headers["retry-after"]) <= 100
        assert ben.get("/me").status_code == 200
        # A second token of the same person has a bucket of its own.
        assert Program(office.base, office.token("ana").secret).get("/me").status_code == 200


@pytest.mark.slow
def test_a_stranger_who_keeps_guessing_is_held_off_and_the_log_is_not_flooded(tmp_path: Path):
    with open_office(tmp_path) as office:
        ana = office.program("ana")
        assert ana.get("/me").status_code == 200

        answers = [
            requests.get(f"{office.base}/me", headers={"Authorization": f"Bearer tieout_{number}"}, timeout=20)
            for number in range(60)
        ]

        codes = [code_of(answer) for answer in answers]
        assert codes[0] == (401, "TOKEN_NOT_VALID")
        # One more is let through a second, so which of the later ones are held off is the machine's to say.
        assert set(codes) == {(401, "TOKEN_NOT_VALID"), (429, "RATE_LIMITED")}
        assert ana.get("/me").status_code == 200, "who is in already is not held off with them"
        assert len(office.log("token.refused")) < 60


@pytest.mark.slow
def test_a_token_that_has_ended_and_is_sent_on_is_held_off_and_the_log_is_not_flooded(tmp_path: Path):
    with open_office(tmp_path) as office:
        ana = office.program("ana")
        assert ana.get("/me").status_code == 200
        with office.world.desk.work(office.world.actor("ana")) as work:
            security.sign_out_everywhere(work, work.actor.id)

        codes = [code_of(ana.get("/me")) for _ in range(60)]

        assert codes[0] == (401, "TOKEN_NOT_VALID")
        # One more is let through a second, so which of the later ones are held off is the machine's to say.
        assert set(codes) == {(401, "TOKEN_NOT_VALID"), (429, "RATE_LIMITED")}
        assert 1 <= len(office.log("token.refused")) <= codes.count((401, "TOKEN_NOT_VALID")) < 60
