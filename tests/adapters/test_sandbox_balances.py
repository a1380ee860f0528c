"""The ledger rule: what is available is the sum of the balance transactions, whatever happens in whatever order."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core.adapters.stripe_sandbox import payout_steps, payouts, seeding
from finops_core.adapters.stripe_sandbox.calls import Incoming
from finops_core.adapters.stripe_sandbox.faults import NO_FAULT, Fault, FaultKind
from finops_core.adapters.stripe_sandbox.gate import Gate
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.seeding import Funding, seed
from finops_core.adapters.stripe_sandbox.store import Store
from finops_core.kernel.clock import ManualClock
from tests.sandbox import ACCOUNT, KEY, faults_of, usual_account

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday

currencies = st.sampled_from(["usd", "eur"])
amounts = st.integers(min_value=1, max_value=1_000)
steps = st.one_of(
    st.tuples(st.just("fund"), currencies, st.integers(-500, 1_000), st.integers(0, 200)),
    st.tuples(st.just("pay"), currencies, amounts, st.sampled_from([FaultKind.NONE, FaultKind.ERROR_AFTER])),
    st.tuples(st.just("again"), currencies, amounts, st.just(FaultKind.NONE)),
    st.tuples(st.just("move"), st.sampled_from(["in_transit", "paid", "failed", "canceled"]), st.integers(0, 9)),
    st.tuples(st.sampled_from(["cancel", "reverse"]), st.integers(0, 9)),
    st.tuples(st.just("there and back"), amounts),
    st.tuples(st.just("wait"), st.sampled_from([1, 50, 200, 3 * 24 * 3_600])),
)


class Desk:
    """The sandbox without HTTP."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "sandbox.sqlite", ManualClock(START))
        # Thousands of small commits: this test is not about power cuts.
        self.store.connection.execute("PRAGMA synchronous=OFF")
        self.gate = Gate(self.store)
        with self.store.transaction():
            # Connected to a platform, since only such accounts' payouts can be reversed.
            seeding.accounts.open_account(self.store, usual_account(platform="acct_sbx_platform"))

    def ask(self, method: str, path: str, key: str = "", fault: Fault = NO_FAULT, **params: object) -> dict:
        incoming = Incoming(method, path, params, KEY, "", key, "req_sbx_1")
        try:
            admitted = self.gate.admit(incoming, fault)
            try:
                answer = self.gate.execute(admitted, incoming, fault)
            finally:
                self.gate.leave(admitted)
        except Refusal as refusal:
            return refusal.body
        return answer.body

    def do(self, step: tuple, number: int) -> None:
        name, *rest = step
        if name == "fund":
            with self.store.transaction():
                seeding.fund(self.store, Funding(ACCOUNT, rest[0], rest[1], pending_s=rest[2]))
        elif name in ("pay", "again"):
            key = "same" if name == "again" else f"key {number}"
            self.ask("POST", "/v1/payouts", key, Fault(rest[2]), currency=rest[0], amount=str(rest[1]))
        elif name == "wait":
            self.store.set_offset_s(self.store.offset_s() + rest[0])
        elif name == "there and back":
            # Rarely put together by chance: a payout must be covered and on its way before it can be reversed.
            for part in (("fund", "usd", 1_000, 0), ("pay", "usd", rest[0], FaultKind.NONE), ("move", "in_transit", 0)):
                self.do(part, number)
            self.do(("reverse", 0), number + 1_000)
        elif name in ("cancel", "reverse"):
            made = self.ask("GET", "/v1/payouts", limit="100")["data"]
            if made:
                self.ask("POST", f"/v1/payouts/{made[rest[0] % len(made)]['id']}/{name}", f"key {number}")
        else:
            self.move(*rest)

    def move(self, to: str, which: int) -> None:
        made = self.ask("GET", "/v1/payouts", limit="100")["data"]
        if not made:
            return
        call = seeding.control_call(self.store, ACCOUNT, (made[which % len(made)]["id"],))
        try:
            with self.store.transaction():
                payout_steps.transition(call, to)
        except Refusal:
            return


def balance_by_transactions(desk: Desk) -> tuple[Counter, Counter]:
    sums: dict[str, Counter] = {"available": Counter(), "pending": Counter()}
    cursor: dict[str, str] = {}
    while True:
        page = desk.ask("GET", "/v1/balance_transactions", limit="100", **cursor)
        for entry in page["data"]:
            assert entry["net"] == entry["amount"] - entry["fee"]
            sums[entry["status"]][entry["currency"]] += entry["net"]
        if not page["has_more"]:
            return sums["available"], sums["pending"]
        cursor = {"starting_after": page["data"][-1]["id"]}


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=25))
def test_a_balance_is_always_the_sum_of_its_transactions(plan):
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        for number, step in enumerate(plan):
            desk.do(step, number)

            balance = desk.ask("GET", "/v1/balance")
            available, pending = balance_by_transactions(desk)
            assert {line["currency"]: line["amount"] for line in balance["available"] if line["amount"]} == {
                currency: amount for currency, amount in available.items() if amount
            }
            assert {line["currency"]: line["amount"] for line in balance["pending"] if line["amount"]} == {
                currency: amount for currency, amount in pending.items() if amount
            }
        live = Counter()
        for payout in desk.ask("GET", "/v1/payouts", limit="100")["data"]:
            assert faults_of(payout) == []
            live[payout["currency"]] += payout["amount"] * (payout["status"] not in ("failed", "canceled"))
        funded = Counter()
        for row in desk.store.connection.execute("SELECT currency, net FROM balance_transaction WHERE type = 'charge'"):
            funded[row["currency"]] += row["net"]
        for currency in ("usd", "eur"):
            now = available[currency] + pending[currency] if plan else 0
            assert now == funded[currency] - live[currency]
        desk.store.close()


def test_money_that_is_pending_cannot_be_paid_out_until_it_arrives(tmp_path):
    desk = Desk(tmp_path)
    desk.do(("fund", "usd", 500, 100), 0)

    early = desk.ask("POST", "/v1/payouts", amount="500", currency="usd")
    desk.do(("wait", 100), 1)
    later = desk.ask("POST", "/v1/payouts", amount="500", currency="usd")

    assert early["error"]["code"] == "balance_insufficient"
    assert later["status"] == "pending"


def test_a_returned_payout_gives_its_money_back_once(tmp_path):
    desk = Desk(tmp_path)
    desk.do(("fund", "usd", 500, 0), 0)
    desk.ask("POST", "/v1/payouts", amount="500", currency="usd")

    for to in ("in_transit", "paid", "failed", "failed", "canceled"):
        desk.move(to, 0)

    [payout] = desk.ask("GET", "/v1/payouts")["data"]
    assert (payout["status"], payout["failure_code"]) == ("failed", "could_not_process")
    assert desk.ask("GET", "/v1/balance")["available"][0]["amount"] == 500
    kinds = [event["type"] for event in desk.ask("GET", "/v1/events", limit="100")["data"]]
    assert Counter(kinds) == {"payout.created": 1, "payout.updated": 3, "payout.paid": 1, "payout.failed": 1}


def test_a_payout_can_be_cancelled_while_it_is_pending_only(tmp_path):
    desk = Desk(tmp_path)
    desk.do(("fund", "usd", 500, 0), 0)
    desk.ask("POST", "/v1/payouts", amount="200", currency="usd")
    desk.ask("POST", "/v1/payouts", amount="300", currency="usd")
    desk.move("in_transit", 0)

    desk.move("canceled", 0)
    desk.move("canceled", 1)

    assert [payout["status"] for payout in desk.ask("GET", "/v1/payouts")["data"]] == ["in_transit", "canceled"]


@pytest.mark.parametrize(
    ("created", "country", "arrives"),
    [
        ("2026-11-16T09:00:00+00:00", "US", "2026-11-18"),
        ("2026-11-20T09:00:00+00:00", "DE", "2026-11-24"),
        ("2026-11-21T23:59:00+00:00", "DE", "2026-11-24"),
        ("2026-11-25T09:00:00+00:00", "US", "2026-11-30"),
    ],
)
def test_a_payout_arrives_two_business_days_later(created, country, arrives):
    seconds = payouts.arrival_date(int(datetime.fromisoformat(created).timestamp()), country)

    assert datetime.fromtimestamp(seconds, UTC).isoformat() == f"{arrives}T00:00:00+00:00"


def test_seeding_twice_leaves_the_same_accounts_and_the_same_money(tmp_path):
    path = tmp_path / "new" / "sandbox.sqlite"
    funds = [Funding(ACCOUNT, "usd", 1_000, reference="opening"), Funding(ACCOUNT, "eur", 2_000)]

    for _ in range(2):
        seed(path, [usual_account()], funds)

    store = Store(path)
    lines = seeding.ledger.balance(seeding.control_call(store, ACCOUNT))["available"]
    assert {line["currency"]: line["amount"] for line in lines} == {"usd": 1_000, "eur": 2_000}
    rows = store.connection.execute("SELECT id FROM bank_account").fetchall()
    assert sorted(row["id"] for row in rows) == ["ba_sbx_eur", "ba_sbx_usd"]
    store.close()


def test_seeding_that_fails_half_way_leaves_nothing(tmp_path):
    path = tmp_path / "sandbox.sqlite"

    with pytest.raises(Refusal):
        seed(path, [usual_account()], [Funding("acct_sbx_other", "usd", 1)])

    store = Store(path)
    assert json.dumps([tuple(row) for row in store.connection.execute("SELECT id FROM account")]) == "[]"
    store.close()
