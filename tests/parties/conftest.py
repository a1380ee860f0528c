"""A desk with parties on both databases, where approved bank details cool off for a day."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from finops_core import approvals, parties
from finops_core.approvals import Decision
from finops_core.kernel.clock import ManualClock, SystemClock
from finops_core.kernel.errors import FinOpsError
from finops_core.parties import BankDetails, DetailsView, PartyKind, PartyView
from finops_core.platform.db import open_owner_engine
from finops_core.platform.work import Work
from tests.postgres import PostgresServer
from tests.world import World, running_world

HOURS = 24
FIRST = BankDetails("Lumen Ltd", "DE89 3704 0044 0532 0130 00", "", "COBADEFFXXX")
OTHER = BankDetails("Lumen Ltd", "GB29NWBK60161331926819")
WHY = "their letter of 3 November, called back"


@dataclass
class Office:
    """Short words for what people do: Ana proposes, Ben agrees, Carla controls, Eva looks."""

    world: World

    def do(self, who: str, act: Callable[[Work], Any]) -> Any:
        with self.world.desk.work(self.world.actor(who)) as work:
            return act(work)

    def refused(self, who: str, act: Callable[[Work], Any]) -> str:
        with pytest.raises(FinOpsError) as caught:
            self.do(who, act)
        return caught.value.code

    def party(self, name: str = "Lumen", kind: PartyKind = PartyKind.COMPANY) -> str:
        return self.do("ana", lambda work: parties.add_party(work, kind, name))

    def propose(self, party_id: str, given: BankDetails = FIRST, who: str = "ana") -> str:
        return self.do(who, lambda work: parties.propose_details(work, party_id, given, WHY))

    def decide(self, who: str, details_id: str, decision: Decision = Decision.APPROVED) -> None:
        def act(work: Work) -> None:
            request = approvals.of_subject(work, "bank_details", details_id)[0]
            approvals.decide(work, request.id, decision, "as agreed", request.content_hash)

        self.do(who, act)

    def agreed(self, party_id: str, given: BankDetails = FIRST) -> str:
        details_id = self.propose(party_id, given)
        self.decide("ben", details_id)
        return details_id

    def counting(self, party_id: str, given: BankDetails = FIRST) -> str:
        details_id = self.agreed(party_id, given)
        self.world.advance(timedelta(hours=HOURS))
        return details_id

    def seen(self, party_id: str) -> PartyView:
        with self.world.desk.read(self.world.actor("eva")) as reading:
            return parties.party(reading, party_id)

    def version(self, party_id: str, details_id: str) -> DetailsView:
        return next(each for each in self.seen(party_id).details.versions if each.id == details_id)

    def told_by_the_database(self, statement: str, **values: object) -> str:
        """What the database says to its own owner, who may do anything but this."""
        engine = open_owner_engine(self.world.desk.settings)
        with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
            connection.execute(text(statement), values)
        engine.dispose()
        return str(caught.value.orig)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder: Path = tmp_path_factory.mktemp("parties")
    clock = ManualClock(SystemClock().now() + timedelta(seconds=5))
    server: PostgresServer = request.getfixturevalue("postgres")
    name = "" if request.param == "sqlite" else server.new_name()
    url = server.url(name) if name else ""
    with running_world(folder, url, clock=clock, details_cool_off_h=HOURS) as running:
        yield Office(running)
    if name:
        server.drop(name)
