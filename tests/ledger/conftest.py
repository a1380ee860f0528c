"""A ledger for each test, on both databases: two holders with a wallet each, and somebody who may do everything."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from finops_core.kernel.actor import Actor
from finops_core.kernel.money import Money
from finops_core.ledger import chart, queries, service
from finops_core.ledger.service import Terms
from finops_core.platform.db import open_owner_engine
from tests.desks import AreaDesk, area_desk, person_actor


def usd(minor: int) -> Money:
    return Money(minor, "USD")


@dataclass
class Books:
    """A desk with an organisation and its wallets."""

    desk: AreaDesk
    org_id: str
    clerk: Actor
    wallets: dict[str, str] = field(default_factory=dict)

    def work(self):
        return self.desk.work(self.clerk)

    def read(self):
        return self.desk.read(self.clerk)

    def wallet(self, name: str, currency: str = "USD") -> str:
        with self.work() as work:
            self.wallets[name] = service.open_wallet(work, f"party_{name}", currency)
        return self.wallets[name]

    def fund(self, name: str, minor: int) -> str:
        with self.work() as work:
            return service.deposit(work, self.wallets[name], usd(minor)).id

    def balance(self, account_id: str) -> int:
        with self.read() as reading:
            return queries.balance(reading, self.wallets.get(account_id, account_id)).minor

    def account(self, code: str, currency: str = "USD", party: str = "", purpose: str = "") -> str:
        with self.work() as work:
            return chart.account(work, code, currency, party, purpose)

    def trial(self) -> dict[str, int]:
        with self.read() as reading:
            return {f"{line.code} {line.total.currency}": line.total.minor for line in queries.trial_balance(reading)}

    def attack(self, *statements: str) -> None:
        """Run statements as the owner of the database, whom no code of ours stands in the way of."""
        engine = open_owner_engine(self.desk.settings)
        try:
            with engine.begin() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement.replace("%", "%%"))
        finally:
            engine.dispose()


@pytest.fixture
def books(tmp_path: Path, database_url: str) -> Iterator[Books]:
    desk = area_desk(tmp_path, database_url)
    org_id = desk.org()
    made = Books(desk, org_id, person_actor("person_clerk", org_id))
    made.wallet("ann")
    made.wallet("bob")
    yield made
    desk.units.database.close()


__all__ = ["Books", "Terms", "books", "usd"]
