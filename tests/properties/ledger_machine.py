"""Random weeks of a ledger against a dictionary: operations, repeats, faults between two statements, and attacks."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from fractions import Fraction
from itertools import count, permutations
from threading import Barrier
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy.exc import DBAPIError

from finops_core import reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import chart, numbering, pending, queries, service, stopping
from finops_core.ledger.checks import CHECKS
from finops_core.ledger.pending import PendingMove
from finops_core.ledger.rules import EntryType, StopWidth
from finops_core.ledger.service import NO_TERMS, Terms
from finops_core.platform.db import open_owner_engine
from tests.desks import AreaDesk, person_actor
from tests.hearing import heard
from tests.properties.ledger_oracle import CURRENCY, WALLETS, Moves, Oracle

names, amounts = st.sampled_from(WALLETS), st.integers(1, 60)
keys = st.sampled_from(("", "k1", "k2", "k3", "k4"))
WHY = "a test"
OPENS_WITH = 150
WAIT_S, BEGUN_S = 20, 0.002
"""How long a unit waits until the other one has surely begun, or stands behind it."""
RATES = ("0.9", "1.0543", "1.25")
"""What a euro has cost in dollars."""
TYPE_OF = {
    "deposit": "DEPOSIT",
    "withdraw": "WITHDRAWAL",
    "pay_out": "PAYOUT",
    "charge_fee": "FEE",
    "refund": "REFUND",
    "transfer": "TRANSFER",
    "exchange": "EXCHANGE",
    "hold": "ESCROW_HOLD",
    "release": "ESCROW_RELEASE",
    "adjust": "ADJUSTMENT",
}
STOPS = (
    (StopWidth.ALL, ""),
    (StopWidth.NON_ESSENTIAL, ""),
    (StopWidth.TYPE, "TRANSFER"),
    (StopWidth.TYPE, "DEPOSIT"),
    (StopWidth.WALLET, "ann"),
)

LATE_LINE = (
    "INSERT INTO ledger_posting SELECT org_id, journal_id, line + 9, account_id, amount_minor, currency, NULL, NULL, "
    "effective_on, booked_at, party_id, department, project, product, cost_centre, base_minor, rate_id "
    "FROM ledger_posting"
)
ATTACKS = (
    "UPDATE ledger_balance SET posted_minor = posted_minor + 1",
    "UPDATE ledger_balance SET posted_minor = 0, version = 0 WHERE version > 0",
    "UPDATE ledger_posting SET amount_minor = amount_minor + 1",
    "DELETE FROM ledger_posting",
    "DELETE FROM ledger_journal",
    "DELETE FROM ledger_balance",
    "UPDATE ledger_journal SET type = 'FEE'",
    "UPDATE ledger_account SET counted = NOT counted",
    LATE_LINE,
    "DELETE FROM ledger_stop",
    "DELETE FROM ledger_number",
    "UPDATE ledger_number SET n = n + 1",
    "UPDATE ledger_stop SET width = 'type', subject = 'FEE'",
    "UPDATE ledger_pending SET amount_minor = amount_minor + 1",
    "DELETE FROM ledger_pending",
    "INSERT INTO ledger_balance SELECT org_id, id, 5, 0, created_at FROM ledger_account WHERE NOT counted",
)


class Cut(Exception):
    """The fault between two statements."""


class LedgerMachine(RuleBasedStateMachine):
    """Each run in an organisation of its own of ``desk``. ``seen`` counts what was met, so that an empty run shows."""

    desk: ClassVar[AreaDesk]
    seen: ClassVar[Counter[str]] = Counter()
    _runs: ClassVar[Iterator[int]] = count()

    @initialize()
    def opens(self) -> None:
        self.clerk = person_actor("person_clerk", self.desk.org(f"harbour{next(self._runs)}"))
        # Nobody exchanges at a rate of their own.
        self.rater = person_actor("person_rater", self.clerk.org_id)
        self.oracle = Oracle()
        with self.desk.work(self.clerk) as work:
            self.ids = {name: service.open_wallet(work, f"party_{name}", CURRENCY[name]) for name in WALLETS}
        for name in WALLETS:
            # Or nearly everything would be refused for want of money.
            self.deposits(name=name, minor=OPENS_WITH, key="")

    @rule(name=names, minor=st.integers(1, 200), key=keys)
    def deposits(self, name: str, minor: int, key: str) -> None:
        self._ask("deposit", (("free", name, minor),), key, (name, minor))

    @rule(name=names, minor=amounts, key=keys, verb=st.sampled_from(("withdraw", "pay_out", "charge_fee", "refund")))
    def takes(self, verb: str, name: str, minor: int, key: str) -> None:
        self._ask(verb, (("free", name, -minor),), key, (name, minor))

    @rule(name=names, other=names, minor=amounts, key=keys)
    def transfers(self, name: str, other: str, minor: int, key: str) -> None:
        if name == other or CURRENCY[name] != CURRENCY[other]:
            self._refused("transfer", name, other, minor)
            return
        self._ask("transfer", (("free", name, -minor), ("free", other, minor)), key, (name, other, minor))

    @rule(name=names, minor=amounts, key=keys)
    def holds(self, name: str, minor: int, key: str) -> None:
        self._ask("hold", (("free", name, -minor), ("held", name, minor)), key, (name, minor))

    @rule(name=names, minor=amounts, key=keys)
    def releases(self, name: str, minor: int, key: str) -> None:
        self._ask("release", (("held", name, -minor), ("free", name, minor)), key, (name, minor))

    @rule(dollar=st.sampled_from(WALLETS[:3]), back=st.booleans(), minor=amounts, key=keys)
    def exchanges(self, dollar: str, back: bool, minor: int, key: str) -> None:
        name, other = ("eva", dollar) if back else (dollar, "eva")
        euro = self.oracle.rate(self.oracle.today)
        becomes = round(minor * (euro if CURRENCY[name] == "EUR" else 1 / euro)) if euro else 0
        early = "RATE_UNKNOWN" if euro is None else "" if becomes else "INVALID_AMOUNT"
        moves = ("free", name, -minor), ("free", other, becomes)
        self._ask("exchange", moves, key, (name, other, minor), early)

    @rule(rate=st.sampled_from(RATES))
    def a_rate_is_noted(self, rate: str) -> None:
        with self.desk.work(self.rater) as work:
            reference.note_rate(work, "EUR", "USD", rate, reference.today(work))
        self.oracle.rates[self.oracle.today] = Fraction(rate)

    @rule(name=names, minor=amounts, up=st.booleans())
    def adjusts(self, name: str, minor: int, up: bool) -> None:
        moves = (("free", name, minor if up else -minor),)
        early = "ADJUSTMENT_OVER_LIMIT" if self.oracle.needs_another(moves) else ""
        self._ask("adjust", moves, "", (name, minor if up else -minor), early)

    @precondition(lambda self: self.oracle.keys)
    @rule(data=st.data())
    def asks_again(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.oracle.keys)))
        verb, *asked = self.oracle.keys[key][0]
        self._ask(str(verb), (), key, tuple(asked))

    @rule(name=names, minor=amounts, days=st.integers(1, 6))
    def sets_aside(self, name: str, minor: int, days: int) -> None:
        moves = ("free", name, -minor), ("pending", name, minor)
        move = PendingMove(EntryType.WITHDRAWAL, self.ids[name], self._money(name, minor), timedelta(days=days))
        code, pending_id = self._try(lambda work: pending.begin_pending(work, move))
        assert code == self.oracle.refuses(moves, "ESCROW_HOLD")
        if not code:
            self.oracle.apply(moves)
            self.oracle.waiting[pending_id] = name, minor, self.oracle.today + days

    @precondition(lambda self: self.oracle.waiting)
    @rule(data=st.data(), part=st.sampled_from((1, 2)), posts=st.booleans())
    def ends_a_pending_move(self, data: st.DataObject, part: int, posts: bool) -> None:
        pending_id = data.draw(st.sampled_from(sorted(self.oracle.waiting)))
        name, minor, until = self.oracle.waiting[pending_id]
        posted = max(minor // part, 1) if posts else 0
        back = ("pending", name, -minor), ("free", name, minor)
        late = posts and until <= self.oracle.today
        wanted = "PENDING_EXPIRED" if late else self.oracle.refuses(back, "ESCROW_RELEASE")
        out = ("free", name, -posted)
        if posts and not wanted:
            # What was given back is there: only a stop can be in the way of what it is given back for.
            wanted = "MONEY_STOPPED" if self.oracle.refuses((out,), "WITHDRAWAL") == "MONEY_STOPPED" else ""
        amount = self._money(name, posted) if posts else None
        if posts:
            code, entry = self._try(lambda work: pending.post_pending(work, pending_id, amount))
        else:
            code, entry = self._try(lambda work: pending.void_pending(work, pending_id, WHY))
        assert code == wanted
        if not code:
            self._ended(pending_id)
            if posts:
                self.oracle.apply((out,))
                self.oracle.entries[entry.id] = (out,)
                self.oracle.booked[entry.id] = "WITHDRAWAL", self.oracle.today
            self.seen["posted in two steps" if posts else "given back"] += 1

    @precondition(lambda self: self.oracle.waiting)
    @rule(days=st.integers(0, 6))
    def late_ones_are_given_back(self, days: int) -> None:
        self.desk.clock.advance(timedelta(days=days))
        self.oracle.today += days
        pending.expire_pending(self.desk.units, None)
        for pending_id, (name, minor, until) in list(self.oracle.waiting.items()):
            back = ("pending", name, -minor), ("free", name, minor)
            if until <= self.oracle.today and not self.oracle.refuses(back, "ESCROW_RELEASE"):
                self._ended(pending_id)
                self.seen["expired"] += 1

    def _ended(self, pending_id: str) -> None:
        name, minor, _ = self.oracle.waiting.pop(pending_id)
        self.oracle.apply((("pending", name, -minor), ("free", name, minor)))

    @precondition(lambda self: self.oracle.entries)
    @rule(data=st.data())
    def reverses(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(sorted(self.oracle.entries)))
        moves = tuple((pot, name, -minor) for pot, name, minor in self.oracle.entries[entry])
        type_, day = self.oracle.booked[entry]
        if entry in self.oracle.undone:
            wanted = "ALREADY_REVERSED"
        elif type_ == "REVERSAL":
            wanted = "REVERSAL_STANDS"
        elif type_ == "ADJUSTMENT" and self.oracle.needs_another(moves, day):
            wanted = "ADJUSTMENT_OVER_LIMIT"
        else:
            wanted = self.oracle.refuses(moves, "REVERSAL")
        code, posted = self._try(lambda work: service.reverse(work, entry, Terms(reason=WHY)))
        assert code == wanted
        self.seen[code or "reversed"] += 1
        if not code:
            self.oracle.apply(moves)
            self.oracle.undone.add(entry)
            self.oracle.entries[posted.id] = moves
            self.oracle.booked[posted.id] = "REVERSAL", self.oracle.today

    @rule(name=names)
    def freezes_or_opens(self, name: str) -> None:
        frozen = name in self.oracle.frozen
        with self.desk.work(self.clerk) as work:
            (service.unfreeze if frozen else service.freeze)(work, self.ids[name], WHY)
        (self.oracle.frozen.discard if frozen else self.oracle.frozen.add)(name)

    @rule(what=st.sampled_from(STOPS))
    def stops_or_lets_go_on(self, what: tuple[StopWidth, str]) -> None:
        width, of = what
        with self.desk.work(self.clerk) as work:
            if what in self.oracle.stops:
                stopping.resume(work, self.oracle.stops.pop(what), WHY)
            else:
                self.oracle.stops[what] = stopping.stop(work, width, WHY, self.ids.get(of, of))

    @rule(days=st.integers(-2, 5))
    def time_passes(self, days: int) -> None:
        self.desk.clock.advance(timedelta(days=days))
        self.oracle.today += days

    @rule(name=names, minor=amounts, place=st.integers(1, 14))
    def a_unit_is_cut(self, name: str, minor: int, place: int) -> None:
        """Two operations in one unit, and a fault before its nth statement: both stand, or neither does."""
        pair = (("free", name, minor), ("free", name, -minor), ("held", name, minor))
        refused = self.oracle.refuses(pair[:1], "DEPOSIT")
        # What was just put in is enough for the hold, so only a stop can be in its way.
        refused, code = refused or self.oracle.refuses((pair[0],), "ESCROW_HOLD"), None
        try:
            with self._cut_before(place), self.desk.work(self.clerk) as work:
                service.deposit(work, self.ids[name], self._money(name, minor))
                service.hold(work, self.ids[name], self._money(name, minor))
        except Cut:
            self.seen["cut"] += 1
        except FinOpsError as error:
            code = error.code
        else:
            code = ""
            self.oracle.apply(pair)
        assert code == refused or code is None

    @rule(name=names, other=names, given=amounts, fee=amounts)
    def two_take_at_once(self, name: str, other: str, given: int, fee: int) -> None:
        """Two sessions take from one wallet at the same moment: it is as if one had come after the other."""
        if name == other or CURRENCY[name] != CURRENCY[other]:
            return
        transfer: Moves = (("free", name, -given), ("free", other, given))
        asked = {"transfer": transfer, "charge_fee": (("free", name, -fee),)}
        met = Barrier(len(asked))

        def take(verb: str):
            met.wait(WAIT_S)
            others = (self.ids[other],) if verb == "transfer" else ()
            amount = self._money(name, -asked[verb][0][2])

            def act(work):
                time.sleep(BEGUN_S)
                return getattr(service, verb)(work, self.ids[name], *others, amount, NO_TERMS)

            return self._try(act)

        with ThreadPoolExecutor(len(asked)) as pool:
            done = dict(zip(asked, pool.map(take, asked), strict=True))
        orders = [
            dict(zip(order, self.oracle.in_turn([(TYPE_OF[verb], asked[verb]) for verb in order]), strict=True))
            for order in permutations(asked)
        ]
        assert {verb: code for verb, (code, _) in done.items()} in orders
        for verb, (code, posted) in done.items():
            if not code:
                self._stands(posted.id, asked[verb], TYPE_OF[verb])
        self.seen["at once" if not any(code for code, _ in done.values()) else "one of two"] += 1

    @rule(attack=st.sampled_from(ATTACKS))
    def somebody_writes_past_the_desk(self, attack: str) -> None:
        engine = open_owner_engine(self.desk.settings)
        try:
            with engine.begin() as connection:
                touched = connection.exec_driver_sql(attack).rowcount
            assert touched == 0, attack
        except DBAPIError:
            self.seen["attack refused"] += 1
        finally:
            engine.dispose()

    @invariant()
    def the_books_are_right(self) -> None:
        with self.desk.work(worker_actor(self.clerk.org_id)) as work:
            numbering.number(work)
        with self.desk.read(self.clerk) as reading:
            free = {name: queries.balance(reading, id_).minor for name, id_ in self.ids.items()}
            trial = queries.trial_balance(reading)
            wrong = {check.id: told for check in CHECKS if (told := check.find(reading))}
        assert free == self.oracle.free
        assert not wrong
        for currency in ("USD", "EUR"):
            in_currency = [line for line in trial if line.total.currency == currency]
            escrow = sum(line.total.minor for line in in_currency if line.code == chart.ESCROW)
            aside = [
                self.oracle.held[name] + self.oracle.pending[name] for name in WALLETS if CURRENCY[name] == currency
            ]
            assert escrow == sum(aside)
            assert sum(line.total.minor for line in in_currency) == 0

    def _ask(self, verb: str, moves: Moves, key: str, asked: tuple[object, ...], early: str = "") -> None:
        """Ask for an operation; ``early``: what it is refused with before the ledger's own rules are asked."""
        name, minor = str(asked[0]), int(str(asked[-1]))
        before = self.oracle.keys.get(key)
        terms = Terms(key=key, reason=WHY)
        others = (self.ids[str(asked[1])],) if verb in ("transfer", "exchange") else ()
        act = getattr(service, verb)
        given = {"terms": terms}
        code, posted = self._try(lambda work: act(work, self.ids[name], *others, self._money(name, minor), **given))
        if before is not None:
            same = before[0] == (verb, *asked)
            assert (code, posted and posted.id) == (("", before[1]) if same else ("DUPLICATE_TRANSACTION", None))
            self.seen["repeated" if same else "key refused"] += 1
            return
        assert code == (early or self.oracle.refuses(moves, TYPE_OF[verb]))
        self.seen[code or verb] += 1
        if code:
            return
        self._stands(posted.id, moves, TYPE_OF[verb])
        if key:
            self.oracle.keys[key] = ((verb, *asked), posted.id)

    def _stands(self, entry_id: str, moves: Moves, type_: str) -> None:
        self.oracle.apply(moves)
        self.oracle.entries[entry_id] = moves
        self.oracle.booked[entry_id] = type_, self.oracle.today

    def _refused(self, verb: str, name: str, other: str, minor: int) -> None:
        code, _ = self._try(lambda work: getattr(service, verb)(work, *self._pair(name, other, minor)))
        moves = ("free", name, 0), ("free", other, 0)
        halted = any(self.oracle.stopped(*what, TYPE_OF[verb], moves) for what in self.oracle.stops)
        assert code == ("INVALID_AMOUNT" if name == other else "MONEY_STOPPED" if halted else "CURRENCY_MISMATCH")

    def _try(self, act):
        try:
            with self.desk.work(self.clerk) as work:
                return "", act(work)
        except FinOpsError as error:
            return error.code, None

    def _pair(self, name: str, other: str, minor: int) -> tuple[str, str, Money]:
        return self.ids[name], self.ids[other], self._money(name, minor)

    def _money(self, name: str, minor: int) -> Money:
        return Money(minor, CURRENCY[name])

    @contextmanager
    def _cut_before(self, place: int):
        engine, left = self.desk.units.database.writer, [place]

        def cut(*_: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Cut

        with heard(cut, engine):
            yield
