"""What a ledger should hold, as plain as can be: the dictionary that its machine is held against."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from finops_core.ledger.rules import ESSENTIAL, EntryType, StopWidth
from finops_core.reference.exchanges import VALID

WALLETS = ("ann", "bob", "cid", "eva")
CURRENCY = {"ann": "USD", "bob": "USD", "cid": "USD", "eva": "EUR"}
Moves = tuple[tuple[str, str, int], ...]
"""(free or held, wallet, minor units) of each side."""


@dataclass
class Oracle:
    """What the ledger should hold, as plain as can be.

    Attributes:
        free, held: of each wallet, in minor units.
        keys: key -> what was asked with it, and the entry it gave.
        stops: what is stopped -> its id.
        waiting: what is set aside for moves -> wallet, minor units and the day its time is over.
        undone: entries that were reversed; ``entries``: each entry with what it did to whom.
        today: days since the beginning; ``rates``: by day, what a euro cost in dollars; ``booked``: entry -> its type
            and its day.
    """

    free: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WALLETS, 0))
    held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WALLETS, 0))
    frozen: set[str] = field(default_factory=set)
    keys: dict[str, tuple[tuple[object, ...], str]] = field(default_factory=dict)
    entries: dict[str, Moves] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WALLETS, 0))
    waiting: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    stops: dict[tuple[StopWidth, str], str] = field(default_factory=dict)
    today: int = 0
    rates: dict[int, Fraction] = field(default_factory=dict)
    booked: dict[str, tuple[str, int]] = field(default_factory=dict)

    def refuses(self, moves: Moves, type_: str) -> str:
        """The code of the first refusal, "" for none; moves are (free or held, wallet, minor units)."""
        if any(self.stopped(width, of, type_, moves) for width, of in self.stops):
            return "MONEY_STOPPED"
        for pot, name, minor in moves:
            if name in self.frozen:
                return "ACCOUNT_FROZEN"
            if minor < 0 and getattr(self, pot)[name] + minor < 0:
                return "INSUFFICIENT_BALANCE"
        return ""

    @staticmethod
    def stopped(width: StopWidth, of: str, type_: str, moves: Moves) -> bool:
        return (
            width is StopWidth.ALL
            or (width is StopWidth.NON_ESSENTIAL and EntryType(type_) not in ESSENTIAL)
            or (width is StopWidth.TYPE and of == type_)
            or (width is StopWidth.WALLET and of in {name for _, name, _ in moves})
        )

    def rate(self, day: int) -> Fraction | None:
        """What a euro costs on a day: the newest of the days before, unless that is too long ago."""
        newest = max((noted for noted in self.rates if noted <= day), default=None)
        return None if newest is None or day - newest > VALID.days else self.rates[newest]

    def needs_another(self, moves: Moves, *days: int) -> bool:
        """Whether an adjustment is of unknown worth on one of the days: all are far below the limit else."""
        foreign = any(CURRENCY[name] != "USD" for _, name, _ in moves)
        return foreign and any(self.rate(day) is None for day in {self.today, *days})

    def apply(self, moves: Moves) -> None:
        for pot, name, minor in moves:
            getattr(self, pot)[name] += minor

    def in_turn(self, asked: Sequence[tuple[str, Moves]]) -> list[str]:
        """The refusals of operations, (type, moves) each, that come one after the other, "" for none."""
        later, codes = replace(self, free=dict(self.free), held=dict(self.held)), []
        for type_, moves in asked:
            codes.append(later.refuses(moves, type_))
            if not codes[-1]:
                later.apply(moves)
        return codes
