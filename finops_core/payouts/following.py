"""The jobs that follow payouts to the bank: after news, and now and then without any, since news can get lost.

What an event says is only a reason to look: each payout is read anew from the provider, so events may come twice, out
of order or before the answer to the call that made the payout.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from secrets import SystemRandom
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from finops_core import connections, operations, reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError, NotFound
from finops_core.kernel.provider import ProviderPayout
from finops_core.operations import outcome
from finops_core.payouts import look_up, news, queries, rounds, rules, service, strays
from finops_core.payouts.models import payout
from finops_core.payouts.news import News, NewsState
from finops_core.payouts.queries import Unsettled
from finops_core.payouts.rounds import Round
from finops_core.payouts.rules import IN_FLIGHT, PayoutState
from finops_core.payouts.strays import Stray
from finops_core.platform.ports import PayoutProvider
from finops_core.platform.queue import Claim
from finops_core.platform.work import Reading, Units, Work

LOG = logging.getLogger("tieout.payouts")
WAIT_S = 1.0
# A provider that does not answer is left alone for a while, whatever else is heard meanwhile.
TROUBLE_S = 15.0
# Of each connection, in a round.
REFRESH_MOST = 500
PAID_REFRESH = timedelta(days=1)


@dataclass
class Follower:
    """One organisation's payouts, looked up at their providers."""

    units: Units
    org_id: str
    providers: dict[str, PayoutProvider] = field(default_factory=dict)

    def provider(self, connection_id: str) -> PayoutProvider:
        """The provider behind a connection, retired ones too."""
        if connection_id not in self.providers:
            with self.units.read(worker_actor(self.org_id)) as reading:
                credentials = connections.credentials(reading, connection_id)
            self.providers[connection_id] = self.units.ports.provider(credentials)
        return self.providers[connection_id]

    def hear(self, found: News) -> NewsState:
        """``look_into``; when the provider could not be asked, that is noted, so that other news has its turn first."""
        try:
            return self.look_into(found)
        except FinOpsError:
            with self.units.work(worker_actor(self.org_id)) as work:
                news.note_tried(work, found.ids)
            raise

    def look(self, row: Unsettled) -> None:
        """``follow``; when the provider could not be asked, that is noted, so that other payouts have their turn."""
        try:
            self.follow(row)
        except FinOpsError:
            with self.units.work(worker_actor(self.org_id)) as work:
                service.looked_at(work, row.id, answered=False)
            raise

    def look_into(self, found: News) -> NewsState:
        """Act on everything the inbox holds of one payout."""
        with self.units.read(worker_actor(self.org_id)) as reading:
            row = news.row_of(reading, found)
            waits = row is not None and row.state in rules.UNSETTLED and self._is_running(reading, row)
        if row is None:
            return self._heard(found.ids, NewsState.STRANGER)
        if waits:
            # The run itself will hear the answer, or look it up.
            return self._heard(found.ids, NewsState.WAITING)
        if row.provider_id == found.payout_id:
            self.follow(row, found.ids)
            return NewsState.DONE
        if not row.provider_id and row.state in rules.DOUBTFUL and self._find(row, found):
            return NewsState.DONE
        return self._look_at_stray(found)

    def follow(self, row: Unsettled, heard: Sequence[str] = ()) -> None:
        """Read one payout anew and move it on; ``heard`` are the ids of the news that is done with it."""
        try:
            told = self.provider(row.connection_id).get(row.account, row.provider_id)
        except NotFound:
            LOG.warning("payout %s is not known to its provider", row.id)
            with self.units.work(worker_actor(self.org_id)) as work:
                service.looked_at(work, row.id, answered=True)
                news.mark(work, heard, NewsState.DONE)
            return
        with self.units.work(worker_actor(self.org_id)) as work:
            move_on(work, row, told)
            news.mark(work, heard, NewsState.DONE)

    def _find(self, row: Unsettled, found: News) -> bool:
        """Look up a payout nobody can be sure of; whether the news is done with it: it may be about another payout."""
        provider = self.provider(row.connection_id)
        listed = look_up.ask_where_sent(provider, row, self.units.ports.clock.now(), self.units.ports.settings)
        about_it = listed is None or any(each.id == found.payout_id for each in listed)
        with self.units.work(worker_actor(self.org_id)) as work:
            _, state = look_up.conclude(work, row, listed, provider)
            if state is not row.state:
                outcome.settle(work, row.execution_id)
            if about_it:
                news.mark(work, found.ids, NewsState.DONE)
        return about_it

    def _look_at_stray(self, found: News) -> NewsState:
        """News of a payout that is not the row's whose name it carries: the provider is asked whether that is so."""
        stray = Stray(found.connection_id, found.account, found.payout_id, found.item)
        ours = strays.look_at(self.units, self.org_id, stray)
        if ours is None:
            # Meanwhile it has become a row's own payout, or may once that row is settled; else it is asked about again.
            return self._heard(found.ids, NewsState.DONE)
        return self._heard(found.ids, NewsState.UNEXPECTED if ours else NewsState.STRANGER)

    def _heard(self, ids: Sequence[str], state: NewsState) -> NewsState:
        with self.units.work(worker_actor(self.org_id)) as work:
            news.mark(work, ids, state)
        return state

    @staticmethod
    def _is_running(reading: Reading, row: Unsettled) -> bool:
        return operations.state_of(reading, row.execution_id) not in operations.OVER


def move_on(work: Work, row: Unsettled, told: ProviderPayout) -> PayoutState:
    """Apply what the provider says of a payout that was just looked at."""
    state = service.follow(work, row, told)
    service.looked_at(work, row.id, answered=True)
    return state


def follow_news(units: Units, claim: Claim) -> None:
    """An organisation's inbox. News of a payout whose call has no answer yet waits and is looked at again.

    What cannot be followed now, because the provider does not answer, is left alone for ``TROUBLE_S``.
    """
    follower, asked = Follower(units, claim.org_id), Round(units)
    with units.read(worker_actor(claim.org_id)) as reading:
        inbox = news.open_news(reading)
    states = [asked.ask(found.connection_id, partial(follower.hear, found)) for found in inbox if not asked.over()]
    rounds.tell_refused(units, claim.org_id, asked)
    with units.work(worker_actor(claim.org_id)) as work:
        if news.any_open(work):
            news.ask_to_follow(work, delay_s=_pause_s(states))


def _pause_s(states: Sequence[NewsState | None]) -> float:
    """How long to wait before the next look, after one that had these outcomes; None for one that failed."""
    if None in states:
        return TROUBLE_S
    return WAIT_S if NewsState.WAITING in states else 0


def follow_all(units: Units, claim: Claim) -> None:
    """Every organisation's inbox that nobody was asked to look into: a net under ``take_news``."""
    del claim
    with units.read(worker_actor("")) as reading:
        org_ids = reference.all_ids(reading)
    for org_id in org_ids:
        with units.work(worker_actor(org_id)) as work:
            if news.any_open(work):
                news.ask_to_follow(work)


def refresh(units: Units, claim: Claim) -> None:
    """Every organisation's payouts that may still change and have not been looked at for a while."""
    del claim
    asked = Round(units)
    for org_id in rounds.organisations(units):
        if asked.over():
            return
        follower = Follower(units, org_id)
        for row in due(units, org_id):
            asked.ask(row.connection_id, partial(follower.look, row))
        with units.read(worker_actor(org_id)) as reading:
            others = strays.due(reading, news.LOOKED_INTO)
        # In another order each time: one that cannot be read must not always be the first.
        for other in SystemRandom().sample(others, min(len(others), REFRESH_MOST)):
            asked.ask(other.connection_id, partial(strays.look_at, units, org_id, other))
        rounds.tell_refused(units, org_id, asked)


def due(units: Units, org_id: str) -> tuple[Unsettled, ...]:
    """Payouts in flight past the refresh time, and paid ones a bank could still return, a day after the last answer.

    One that could not be looked at is due again after the refresh time, when others have had their turn.
    """
    with units.read(worker_actor(org_id)) as reading:
        a_while_ago = reading.now - timedelta(seconds=reading.ports.settings.payout_refresh_s)
        return_from = datetime.combine(_watched_from(reading), time.min, UTC)
        paid = payout.c.state == PayoutState.PAID, payout.c.paid_at >= return_from
        in_flight = and_(payout.c.state.in_(sorted(IN_FLIGHT)), _before(payout.c.followed_at, a_while_ago))
        returnable = and_(*paid, _before(payout.c.followed_at, reading.now - PAID_REFRESH))
        wanted = and_(or_(in_flight, returnable), _before(payout.c.tried_at, a_while_ago))
        return queries.in_turn(reading, wanted, REFRESH_MOST)


def _before(column: ColumnElement[Any], at: datetime) -> ColumnElement[bool]:
    return or_(column.is_(None), column < at)


def _watched_from(reading: Reading) -> date:
    return rules.watched_from(reading.now.date(), reference.organisation(reading).country)
