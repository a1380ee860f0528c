"""The sandbox's clock: answers carry it, and payouts move by it when they are let."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
import requests

from finops_core.adapters.stripe_payouts import StripePayouts
from finops_core.adapters.stripe_sandbox import conduct, timetable
from finops_core.adapters.stripe_sandbox.accounts import FAILING_NUMBERS, Bank
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.kernel.clock import ManualClock
from tests.adapters.test_sandbox_balances import START, Desk
from tests.adapters.test_stripe_payouts import submit
from tests.sandbox import ACCOUNT, KEY, start_sandbox, start_sandbox_process, usual_account, wait_until

DAY_S = 24 * 3_600
BEARER = {"Authorization": f"Bearer {KEY}"}


def statuses(sandbox, account=ACCOUNT) -> list[str]:
    return [payout["status"] for payout in reversed(sandbox.control.payouts(account))]


def test_every_answer_carries_the_sandboxs_clock_and_no_other(sandbox):
    sandbox.control.advance(400 * DAY_S)
    now = sandbox.control.now()

    answers = [
        requests.get(f"{sandbox.url}/v1/balance", headers=BEARER, timeout=10),
        requests.get(f"{sandbox.url}/v1/balance", timeout=10),
        requests.get(f"{sandbox.url}/v1/unicorns", headers=BEARER, timeout=10),
        requests.get(f"{sandbox.url}/_sandbox/state", timeout=10),
        requests.get(f"{sandbox.url}/elsewhere", timeout=10),
        requests.get(f"{sandbox.url}/v1/balance", headers={"Host": "evil.example"}, timeout=10),
    ]

    sandbox.forgive()
    for answer in answers:
        assert answer.raw.headers.getlist("date") == [answer.headers["date"]]
        assert abs((parsedate_to_datetime(answer.headers["date"]) - now).total_seconds()) < 60


def test_what_is_made_is_dated_by_the_sandboxs_clock(sandbox, provider):
    sandbox.control.advance(400 * DAY_S)
    before = sandbox.control.now().replace(microsecond=0)

    made = submit(provider).payout

    assert before <= made.created_at <= sandbox.control.now()
    assert made.arrival_on > made.created_at.date()


def test_payouts_stay_as_they_are_until_they_are_let_go(sandbox, provider):
    submit(provider)

    sandbox.control.advance(30 * DAY_S)

    assert statuses(sandbox) == ["pending"]


def test_payouts_go_on_their_way_after_a_minute_and_are_paid_when_they_arrive(sandbox, provider):
    sandbox.control.settings(moves_by_itself=True)
    made = submit(provider).payout

    sandbox.control.advance(50)
    assert provider.get("", made.id).status == "pending"
    sandbox.control.advance(11)
    assert provider.get("", made.id).status == "in_transit"
    arrives = datetime.combine(made.arrival_on, datetime.min.time(), UTC)
    sandbox.control.advance((arrives - sandbox.control.now()).total_seconds() - 30)
    assert provider.get("", made.id).status == "in_transit"
    sandbox.control.advance(31)
    paid = provider.get("", made.id)

    assert (paid.status, paid.trace[:3]) == ("paid", "SBX")
    listed = requests.get(f"{sandbox.url}/v1/events?limit=100", headers=BEARER, timeout=10).json()["data"]
    assert [event["type"] for event in reversed(listed)] == [
        "payout.created",
        "payout.updated",
        "payout.updated",
        "payout.paid",
    ]


@pytest.mark.parametrize(("number", "code"), FAILING_NUMBERS.items())
def test_a_bank_that_returns_everything_returns_the_payout_when_it_would_arrive(sandbox, provider, number, code):
    sandbox.control.open(usual_account(banks=(Bank("usd", number=number, id="ba_sbx_bad", is_default=False),)))
    sandbox.control.settings(moves_by_itself=True)
    made = submit(provider, destination="ba_sbx_bad").payout
    sandbox.control.advance(3_600)
    assert provider.get("", made.id).status == "in_transit"

    sandbox.control.advance(7 * DAY_S)

    failed = provider.get("", made.id)
    assert (failed.status, failed.failure_code) == ("failed", code)
    assert sandbox.control.available() == 100_000


def test_events_of_passing_time_come_without_anybody_asking(sandbox, provider):
    sandbox.control.settings(moves_by_itself=True, in_transit_after_s=0)
    submit(provider)

    store = Store(sandbox.database)
    wait_until(lambda: _status_in(store) == "in_transit")
    store.close()
    assert statuses(sandbox) == ["in_transit"]


def _status_in(store: Store) -> str:
    return store.connection.execute("SELECT status FROM payout").fetchone()["status"]


def test_one_account_may_move_while_another_waits(sandbox, provider):
    sandbox.control.open(usual_account(id="acct_sbx_two", key="sk_test_sandboxTwo0002", banks=(Bank("usd"),)))
    sandbox.control.fund(100_000, account="acct_sbx_two")
    other = StripePayouts(sandbox.credentials("sk_test_sandboxTwo0002"), 2.0)
    submit(provider)
    submit(other, destination="")

    sandbox.control.settings(account="acct_sbx_two", moves_by_itself=True)
    sandbox.control.advance(3_600)
    assert (statuses(sandbox), statuses(sandbox, "acct_sbx_two")) == (["pending"], ["in_transit"])
    sandbox.control.settings(moves_by_itself=True)
    sandbox.control.settings(account="acct_sbx_two", moves_by_itself=False)
    sandbox.control.advance(10 * DAY_S)

    assert (statuses(sandbox), statuses(sandbox, "acct_sbx_two")) == (["paid"], ["in_transit"])


def test_settings_that_are_none_are_refused(sandbox):
    before = sandbox.control.settings()

    for wrong in (
        {"moves_by_itself": "perhaps"},
        {"colour": "red"},
        {"in_transit_after_s": -1},
        {"delivery_timeout_s": 0},
        {"deliveries_at_once": 0},
        {"retry_after_s": [-1]},
        {"account": ACCOUNT, "in_transit_after_s": 5},
        {"account": "acct_sbx_nobody", "moves_by_itself": True},
    ):
        answer = requests.post(f"{sandbox.url}/_sandbox/settings", json=wrong, timeout=10)
        assert answer.status_code in (400, 404), wrong

    assert sandbox.control.settings() == before
    assert requests.get(f"{sandbox.url}/_sandbox/settings", timeout=10).json() == before


def test_settings_outlive_a_restart_and_a_reset_brings_the_start_back(tmp_path):
    first = start_sandbox(tmp_path)
    assert first.control.settings()["moves_by_itself"] is False
    first.control.settings(moves_by_itself=True, retry_after_s=[1, 2])
    first.stop()

    second = start_sandbox(tmp_path)

    assert second.control.settings()["moves_by_itself"] is True
    assert second.control.settings()["retry_after_s"] == [1, 2]
    second.control.post("reset", {})
    assert second.control.settings()["moves_by_itself"] is False
    second.stop()


@pytest.mark.slow
@pytest.mark.parametrize("moves", [True, False])
def test_a_served_sandbox_moves_by_itself_unless_told_otherwise(tmp_path, moves):
    running = start_sandbox_process(tmp_path, moves_by_itself=moves)

    assert running.control.settings()["moves_by_itself"] is moves
    running.control.post("reset", {})
    assert running.control.settings()["moves_by_itself"] is moves
    running.stop()


def test_what_became_due_while_the_sandbox_was_away_happens_when_it_is_back(tmp_path):
    desk = Desk(tmp_path)
    desk.do(("fund", "usd", 500, 0), 0)
    made = desk.ask("POST", "/v1/payouts", amount="500", currency="usd")
    conduct.change(desk.store, {"moves_by_itself": True})
    desk.store.close()

    later = Store(tmp_path / "sandbox.sqlite", ManualClock(START.replace(year=2027)))
    while timetable.pass_time(later):
        pass

    [paid] = later.documents("SELECT body FROM payout WHERE id = ?", (made["id"],))
    events = later.documents("SELECT body FROM event ORDER BY seq")
    assert paid["status"] == "paid"
    assert [event["created"] for event in events] == sorted(event["created"] for event in events)
    assert events[-1]["created"] == later.now_s()
    later.close()


def test_a_thousand_payouts_that_are_due_move_in_steps_that_let_others_through(tmp_path):
    desk = Desk(tmp_path)
    desk.do(("fund", "usd", 1_000, 0), 0)
    for number in range(150):
        desk.ask("POST", "/v1/payouts", f"key {number}", amount="1", currency="usd")
    conduct.change(desk.store, {"moves_by_itself": True})
    desk.store.set_offset_s(61)

    assert timetable.pass_time(desk.store)

    rows = desk.store.connection.execute("SELECT status, COUNT(*) AS n FROM payout GROUP BY status").fetchall()
    assert {row["status"]: row["n"] for row in rows} == {"in_transit": timetable.AT_ONCE, "pending": 50}
    told = json.dumps(desk.ask("GET", "/v1/payouts", limit="100"))
    assert "pending" not in told.replace('"trace_id": {"status": "pending"', "")
    desk.store.close()
