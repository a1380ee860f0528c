"""What must be true of payouts, said once more in plain words: no rule, query or state of the product is used here.

The oracle hears what people decided, and looks at two ledgers with its own eyes: the provider's payouts, and our rows
by plain SQL.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

APPROVAL_LASTS = timedelta(hours=24)
# A run that began in time may still be paying a little later.
GRACE = timedelta(hours=1)
HEARD_WITHIN = timedelta(days=7)
DOUBTFUL = {"submitting", "in_doubt", "needs_review"}
# What a row may say, by what the provider says: never more than is true, never "over" when it is not.
TRUE_OF = {
    "created": {"pending", "in_transit", "paid", "failed", "canceled"},
    "in_transit": {"in_transit", "paid", "failed"},
    "paid": {"paid", "failed"},
    "failed": {"failed"},
    "canceled": {"canceled"},
}
ALIVE, FINE = {"created", "in_transit", "paid"}, {"tied", "unstated"}
OVER = {
    "completed",
    "failed",
    "cancelled",
    "rejected",
    "timed_out",
    "interrupted",
    "superseded",
    "expired",
}
Attempt = tuple[str, int]


@dataclass(frozen=True)
class Made:
    """A payout at the provider that belongs to a row: it carries its name, or (made by hand) the row names it."""

    id: str
    execution: str
    row_no: int
    attempt: int
    currency: str
    amount: int
    status: str
    at: datetime
    by_hand: bool = False

    @property
    def alive(self) -> bool:
        return self.status not in {"failed", "canceled"}


def made_by(payouts: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]] = ()) -> list[Made]:
    """The provider's payouts that belong to a row of ours."""
    named = {row["provider_id"]: row for row in rows if row["provider_id"]}
    found = []
    for each in payouts:
        execution, _, row_no = each["metadata"].get("fod_item", "").rpartition(":")
        attempt = each["metadata"].get("fod_attempt", "0")
        by_hand = not execution and each["id"] in named
        if by_hand:
            row = named[each["id"]]
            execution, row_no, attempt = row["execution_id"], row["row_no"], row["attempt"]
        if execution:
            at = datetime.fromtimestamp(each["created"], UTC)
            facts = each["currency"].upper(), each["amount"], each["status"], at, by_hand
            found.append(Made(each["id"], execution, int(row_no), int(attempt), *facts))
    return found


@dataclass
class Oracle:
    """What people have allowed, and what may therefore exist.

    Attributes:
        allowed: by attempt: row -> currency and amount, as the approver saw them.
        since: by attempt: when it was approved.
        stopped: by attempt: the rows that existed when it was stopped, or were being sent; nothing more may come.
        balance: by currency: what the provider's account would hold if nothing had been paid out.
        contradicted: by execution and currency: the provider took its word back that the money had come back; how many
            payouts were alive once that was heard. No more may come.
        returned: by the provider's id: when its bank gave a payout back that had been paid, news of it or not.
    """

    balance: Counter[str] = field(default_factory=Counter)
    allowed: dict[Attempt, Mapping[int, tuple[str, int]]] = field(default_factory=dict)
    since: dict[Attempt, datetime] = field(default_factory=dict)
    stopped: dict[Attempt, frozenset[int]] = field(default_factory=dict)
    contradicted: dict[tuple[str, str], int] = field(default_factory=dict)
    returned: dict[str, datetime] = field(default_factory=dict)

    def approved(self, attempt: Attempt, rows: Mapping[int, tuple[str, int]], at: datetime) -> None:
        self.allowed[attempt], self.since[attempt] = rows, at

    def was_stopped(self, attempt: Attempt, payouts: Sequence[Mapping[str, Any]], sending: frozenset[int]) -> None:
        """``sending``: the rows whose intent a living process had stored by then; their call may still come."""
        there = {each.row_no for each in made_by(payouts) if _attempt(each) == attempt}
        self.stopped[attempt] = frozenset(there | sending)

    def was_contradicted(self, execution: str, currency: str, payouts: Sequence[Mapping[str, Any]]) -> None:
        """The provider has said that a payout was paid which it had said came back, and everybody has heard so."""
        mine = [each for each in made_by(payouts) if (each.execution, each.currency) == (execution, currency)]
        self.contradicted[execution, currency] = sum(each.alive for each in mine)

    def wrong(
        self,
        payouts: Sequence[Mapping[str, Any]],
        available: Mapping[str, int],
        engine: Engine,
        ties: Mapping[tuple[str, str], str],
    ) -> list[str]:
        """One sentence for everything that is not as it must be.

        ``ties``: by execution and currency, how the report says that it ties out.
        """
        with engine.connect() as connection:
            rows = connection.execute(text(_ROWS)).mappings().all()
            states = {row["id"]: row for row in connection.execute(text(_EXECUTIONS)).mappings()}
        made = made_by(payouts, rows)
        return [
            *self._twice(made),
            *self._not_allowed(made),
            *self._money_lost(payouts, available),
            *_untrue(rows, made),
            *_hidden_doubt(rows, states),
            *_false_ties(rows, _settled(engine), ties),
        ]

    def _twice(self, made: Sequence[Made]) -> list[str]:
        per_attempt = Counter((each.execution, each.row_no, each.attempt) for each in made)
        # Not by its number, which a new plan gives to another row: in these files each row has a currency of its own.
        per_row = Counter((each.execution, each.currency) for each in made if each.alive)
        return [
            *(f"{key} was made {count} times" for key, count in per_attempt.items() if count > 1),
            *(
                f"{row} was made {count} times"
                for row, count in per_row.items()
                if count > max(self.contradicted.get(row, 1), 1)
            ),
        ]

    def unheard_returns(self, now: datetime, engine: Engine) -> list[str]:
        """Rows said to be paid although their money came back lately, and the desk has been at work since.

        Nobody watches a payout for ever, and here nothing works between two steps.
        """
        with engine.connect() as connection:
            rows = connection.execute(text(_PAID)).mappings().all()
        lately = {each for each, at in self.returned.items() if at > now - HEARD_WITHIN}
        return [f"{dict(row)} came back" for row in rows if row["provider_id"] in lately]

    def _not_allowed(self, made: Sequence[Made]) -> list[str]:
        found = []
        for each in made:
            attempt = _attempt(each)
            if self.allowed.get(attempt, {}).get(each.row_no) != (each.currency, each.amount):
                found.append(f"{each} was never approved")
            elif each.by_hand:
                continue  # whoever made it asked nobody
            elif not self.since[attempt] - GRACE <= each.at <= self.since[attempt] + APPROVAL_LASTS + GRACE:
                found.append(f"{each} was made on an approval of {self.since[attempt]}")
            elif attempt in self.stopped and each.row_no not in self.stopped[attempt]:
                found.append(f"{each} was made after a stop")
        return found

    def _money_lost(self, payouts: Sequence[Mapping[str, Any]], available: Mapping[str, int]) -> list[str]:
        out: Counter[str] = Counter()
        for each in payouts:
            if each["status"] not in {"failed", "canceled"}:
                out[each["currency"].upper()] += each["amount"]
        return [
            f"{currency}: {held} is available, {self.balance[currency] - out[currency]} was expected"
            for currency, held in available.items()
            if held != self.balance[currency] - out[currency]
        ]


_ROWS = "SELECT id, execution_id, row_no, attempt, state, provider_id, currency, amount_minor FROM payout"
_PAID = "SELECT execution_id, row_no, attempt, provider_id FROM payout WHERE state = 'paid'"
_EXECUTIONS = "SELECT id, state FROM execution"
_DEALT_WITH = "SELECT payout_id FROM payout_resolution WHERE verdict = 'paid_twice'"


def _attempt(each: Made) -> Attempt:
    return each.execution, each.attempt


def _untrue(rows: Sequence[Mapping[str, Any]], made: Sequence[Made]) -> list[str]:
    """Rows that say something else than the provider."""
    by_name = {(each.execution, each.row_no, each.attempt): each for each in made}
    found = []
    for row in rows:
        there = by_name.get((row["execution_id"], row["row_no"], row["attempt"]))
        if row["state"] in DOUBTFUL:
            continue
        if row["provider_id"]:
            same = there is not None and (there.id, there.currency) == (row["provider_id"], row["currency"])
            if not same or there is None or there.amount != row["amount_minor"]:
                found.append(f"{dict(row)} names a payout that is not its own: {there}")
            elif there.status not in TRUE_OF[row["state"]]:
                found.append(f"{dict(row)} is not what the provider says: {there}")
        elif there is not None:
            found.append(f"{dict(row)} was made after all: {there}")
    return found


def _hidden_doubt(rows: Sequence[Mapping[str, Any]], executions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{dict(row)} is in doubt, and its execution is said to be over"
        for row in rows
        if row["state"] in DOUBTFUL and executions[row["execution_id"]]["state"] in OVER
    ]


def _settled(engine: Engine) -> frozenset[str]:
    """The payouts that paid a row again, and of which a person has said how that was dealt with."""
    with engine.connect() as connection:
        return frozenset(connection.execute(text(_DEALT_WITH)).scalars())


def _false_ties(
    rows: Sequence[Mapping[str, Any]], settled: frozenset[str], ties: Mapping[tuple[str, str], str]
) -> list[str]:
    """Reports that say all is well while an attempt of any number is doubtful, or a row was paid twice."""
    found = []
    for (execution, currency), tie in ties.items():
        mine = [row for row in rows if (row["execution_id"], row["currency"]) == (execution, currency)]
        alive = sorted((row for row in mine if row["state"] in ALIVE), key=lambda row: row["attempt"])
        twice = any(row["id"] not in settled for row in alive[1:])
        if tie in FINE and any(row["state"] in DOUBTFUL for row in mine):
            found.append(f"{currency} of {execution} is in doubt, and its report says {tie}")
        if (tie == "twice") is not twice:
            found.append(f"{currency} of {execution} was paid {len(alive)} times, and its report says {tie}")
    return found
