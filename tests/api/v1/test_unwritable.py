"""A database that may only be read: calls that write are told so in the desk's words, and work when it is writable."""

from finops_core import ledger
from finops_core.kernel.money import Money
from tests.api.v1.programs import Office, code_of
from tests.unwritable import read_only

DEPOSIT = {"type": "DEPOSIT", "amount": "5.00", "currency": "USD"}


def test_a_deposit_is_refused_in_the_desks_words_and_made_once_when_it_can_be(both_offices: Office):
    world, program = both_offices.world, both_offices.program("ana")
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_ann", "USD")
        ledger.deposit(work, wallet, Money(1_000, "USD"))
    path = f"/ledger/wallets/{wallet}"
    balance = program.get(path).json()["balance"]

    # When the database may only be read
    with read_only(world.desk):
        answers = [program.post(f"{path}/operations", DEPOSIT, "deposit-1") for _ in range(2)]
        # Then who writes is told to come again, and who looks is answered
        assert [code_of(answer) for answer in answers] == [(503, "DATABASE_BUSY")] * 2
        assert program.get(path).json()["balance"] == balance

    # and once it is writable the same call is made, once
    made = [program.post(f"{path}/operations", DEPOSIT, "deposit-1") for _ in range(2)]
    assert [answer.status_code for answer in made] == [200, 200]
    assert len({answer.json()["id"] for answer in made}) == 1
    with world.desk.read(world.actor("eva")) as reading:
        assert ledger.wallet(reading, wallet).balance == Money(1_500, "USD")
