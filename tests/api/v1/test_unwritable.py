"""A database that may only be read: calls that write are told so in the desk's words, and work when it is writable."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event, text

from finops_core import ledger
from finops_core.kernel.money import Money
from finops_core.platform.db import open_owner_engine
from tests.api.v1.programs import Office, code_of
from tests.world import World

DEPOSIT = {"type": "DEPOSIT", "amount": "5.00", "currency": "USD"}


@contextmanager
def read_only(world: World) -> Iterator[None]:
    """As on a replica, or on a disk that takes nothing more; whoever was connected connects anew."""
    writer = world.desk.database.writer
    if world.desk.database.dialect == "postgresql":
        name = writer.url.database
        _run(world, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        world.desk.database.close()
        yield
        _run(world, "SET transaction_read_only = off", f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    else:

        def bound(connection: object, *_: object) -> None:
            connection.execute("PRAGMA query_only=ON")  # type: ignore[attr-defined]

        event.listen(writer, "connect", bound)
        world.desk.database.close()
        yield
        event.remove(writer, "connect", bound)
    world.desk.database.close()


def _run(world: World, *statements: str) -> None:
    engine = open_owner_engine(world.desk.settings)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_deposit_is_refused_in_the_desks_words_and_made_once_when_it_can_be(both_offices: Office):
    world, program = both_offices.world, both_offices.program("ana")
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_ann", "USD")
        ledger.deposit(work, wallet, Money(1_000, "USD"))
    path = f"/ledger/wallets/{wallet}"
    balance = program.get(path).json()["balance"]

    # When the database may only be read
    with read_only(world):
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
