"""Every currency with a rule of its own, every kind of balance: planned, approved, paid, and held against the
provider's balance to its last unit. What is expected is worked out here, in the provider's units, by a table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from finops_core import operations, payouts
from finops_core.adapters.stripe_sandbox.accounts import Bank, NewAccount
from finops_core.kernel.actor import worker_actor
from finops_core.payouts import PayoutState
from tests.clocks import HurriedClock
from tests.payouts.walks import HARBOUR, rows_of, violations
from tests.world import World, running_world


@dataclass(frozen=True)
class Currency:
    """How a currency is written and paid.

    ``decimals`` by ISO 4217, ``per_whole``: the provider's units of one yen, dinar, ariary; ``step``: payouts are
    multiples of this many of the provider's units. The least payout is one whole.
    """

    decimals: int
    per_whole: int
    step: int

    def text(self, units: int) -> str:
        """The provider's units as a file has them."""
        minor = self.minor(units)
        if not self.decimals:
            return str(minor)
        whole, rest = divmod(minor, 10**self.decimals)
        return f"{whole}.{rest:0{self.decimals}d}"

    def written(self, units: int) -> int:
        """What of it can be written in a file at all: half a króna cannot."""
        finest = max(self.per_whole // 10**self.decimals, 1)
        return units - units % finest

    def minor(self, units: int) -> int:
        return units * 10**self.decimals // self.per_whole


# https://docs.stripe.com/currencies: zero- and three-decimal currencies, and the special cases.
CURRENCIES = {
    "USD": Currency(2, 100, 1),
    "JPY": Currency(0, 1, 1),
    "KWD": Currency(3, 1000, 10),
    "HUF": Currency(2, 100, 100),
    "TWD": Currency(2, 100, 100),
    "ISK": Currency(0, 100, 100),
    "UGX": Currency(0, 100, 100),
    "MGA": Currency(2, 1, 1),
}


@dataclass(frozen=True)
class Case:
    """A balance, by source, and what the file asks for; all in the provider's units (None: the column is empty)."""

    name: str
    balance: Mapping[str, int] = field(default_factory=dict)
    maximum: int | None = None
    leave: int | None = None

    def parts(self, currency: Currency) -> list[tuple[str, int]]:
        """What is paid, from which source: the largest first, each a multiple of the step."""
        wanted = sum(self.balance.values()) - currency.written(self.leave or 0)
        if self.maximum is not None:
            wanted = min(wanted, currency.written(self.maximum))
        wanted -= wanted % currency.step
        if wanted < currency.per_whole:
            return []
        found = []
        for source, units in sorted(self.balance.items(), key=lambda item: -item[1]):
            part = min(units, wanted) if units > 0 else 0
            part -= part % currency.step
            wanted -= part
            found += [(source, part)] if part else []
        return found


def cases(one: int) -> list[Case]:
    """``one``: a whole of the currency, in the provider's units."""
    odd = 7 if one > 1 else 0  # what no step divides
    return [
        Case("all of it", {"card": 845_237 * one + odd}),
        Case("at most so much", {"card": 900 * one}, maximum=100 * one + odd),
        Case("more than there is", {"card": 300 * one + odd}, maximum=1_000_000 * one),
        Case("something stays", {"card": 500 * one}, leave=120 * one + odd),
        Case("at most, and something stays", {"card": 500 * one + odd}, maximum=450 * one, leave=120 * one),
        Case("all stays", {"card": 500 * one}, leave=500 * one),
        Case("more stays than there is", {"card": 500 * one}, leave=501 * one),
        Case("two sources", {"card": 700 * one + odd, "bank_account": 55 * one + odd}),
        Case("two sources, at most so much", {"card": 700 * one, "bank_account": 800 * one}, maximum=900 * one),
        Case("a source below zero", {"card": 700 * one + odd, "bank_account": -30 * one}),
        Case("a balance below zero", {"card": -700 * one}),
        Case("nothing"),
        Case("less than one", {"card": max(one - 1, 0)}),
        Case("exactly one", {"card": one}),
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("money")
    with running_world(folder, "", HurriedClock()) as made:
        yield made


def open_account(world: World, code: str, number: int, case: Case) -> str:
    """A connected account with this balance; its id."""
    account = f"acct_sbx_{code.lower()}_{number}"
    bank = Bank(code.lower(), f"Bank of {code}", number=f"0001234567{number:02d}")
    world.sandbox.control.open(NewAccount("", account, platform=HARBOUR, banks=(bank,)))
    for source, units in case.balance.items():
        kind = "charge" if units > 0 else "refund"
        world.sandbox.control.fund(units, code.lower(), account, source_type=source, kind=kind)
    return account


def file_of(code: str, currency: Currency, given: Mapping[str, Case]) -> str:
    lines = ["currency,account,maximum,minimum_to_leave"]
    for account, case in given.items():
        maximum = "" if case.maximum is None else currency.text(case.maximum)
        leave = "" if case.leave is None else currency.text(case.leave)
        lines.append(f"{code},{account},{maximum},{leave}")
    return "\n".join(lines) + "\n"


def made(world: World, account: str) -> list[tuple[str, int]]:
    return [(each["source_type"], each["amount"]) for each in reversed(world.sandbox.control.payouts(account))]


def available(world: World, code: str, account: str) -> int:
    state = next(known for known in world.sandbox.control.state()["accounts"] if known["account"] == account)
    return sum(line["amount"] for line in state["balance"]["available"] if line["currency"] == code.lower())


def tie_out(world: World, execution_id: str) -> payouts.TieOut:
    world.run_job("payouts.refresh")
    world.work_off()
    world.run_job("payouts.reconcile")
    with world.desk.read(worker_actor(world.orgs["harbour"])) as reading:
        (told,) = payouts.tie_out(reading, execution_id)
    return told


@pytest.mark.parametrize("code", CURRENCIES)
def test_every_kind_of_balance_is_paid_and_held_against_the_provider_to_its_last_unit(world: World, code: str):
    # Given accounts with every kind of balance in this currency
    currency = CURRENCIES[code]
    given = {open_account(world, code, n, case): case for n, case in enumerate(cases(currency.per_whole), start=1)}
    wanted = {account: case.parts(currency) for account, case in given.items()}
    total = sum(currency.minor(units) for parts in wanted.values() for _, units in parts)
    # When they are planned
    seen = world.submitted(file_of(code, currency, given))
    # Then the plan pays what can be paid of each, and says so in the currency's own units
    with world.desk.read(world.actor("ana")) as reading:
        plan = operations.plan(reading, seen.id)
    assert plan is not None
    for account, case in given.items():
        rows = [row.amount_minor for row in plan.rows if row.account == account and row.amount_minor]
        assert rows == [currency.minor(units) for _, units in wanted[account]], case.name
    assert dict(plan.totals) == {code: total}
    # and approved it is paid, source by source, and the balance is what is left
    world.decide(seen)
    world.work_off()
    assert world.execution(seen.id).state is operations.State.COMPLETED
    for account, case in given.items():
        paid = sum(units for _, units in wanted[account])
        assert made(world, account) == wanted[account], case.name
        assert available(world, code, account) == sum(case.balance.values()) - paid, case.name
    # and the provider's statement says the same
    told = tie_out(world, seen.id)
    assert (told.planned, told.in_flight, told.difference, told.complete) == (total, total, 0, True)
    assert violations(world) == {}


@pytest.mark.parametrize("code", CURRENCIES)
def test_what_a_bank_gives_back_is_back_to_its_last_unit(world: World, code: str):
    # Given a payout that arrived
    currency = CURRENCIES[code]
    case = Case("all of it", {"card": 4_321 * currency.per_whole + (7 if currency.per_whole > 1 else 0)})
    account = open_account(world, code, 99, case)
    seen = world.approved(file_of(code, currency, {account: case}))
    world.work_off()
    (row,) = rows_of(world, seen.id)
    world.sandbox.control.transition(row.provider_id, "in_transit", "paid", account=account)
    world.follow()
    assert tie_out(world, seen.id).arrived == row.amount_minor == currency.minor(case.parts(currency)[0][1])
    # When the bank gives it back
    world.sandbox.control.transition(row.provider_id, "failed", account=account, code="account_closed")
    world.follow()
    # Then all of it is there again
    (now,) = rows_of(world, seen.id)
    told = tie_out(world, seen.id)
    assert (now.state, told.returned, told.difference) == (PayoutState.FAILED, row.amount_minor, 0)
    assert available(world, code, account) == sum(case.balance.values())
    assert violations(world) == {}
