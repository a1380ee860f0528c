"""Writing entries: many at once, in the unit of whoever asks. Every posting passes through here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, bindparam, func, insert, literal_column, select, update
from sqlalchemy.exc import DBAPIError

from finops_core import audit, reference
from finops_core.kernel.errors import FinOpsError, Invalid
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.rates import convert
from finops_core.ledger import rules, stopping
from finops_core.ledger.models import ledger_account, ledger_balance, ledger_journal, ledger_posting, ledger_stop
from finops_core.ledger.rules import AccountState, Entry
from finops_core.platform.driver import SQLITE
from finops_core.platform.repeated import Asked, Repeated
from finops_core.platform.work import Work
from finops_core.reference import RateUsed
from finops_core.reference.models import organisation

BOOKED = "ledger.booked"
"""The mark of a unit of work that booked something."""
PARTS = 500
"""How many accounts or keys one statement asks for."""
FEW, ZONES = 4, 16

_POST, _SEAL = Repeated(insert(ledger_posting)), Repeated(insert(ledger_journal))
_FOLLOW = Repeated(
    update(ledger_balance)
    .where(ledger_balance.c.org_id == bindparam("org"), ledger_balance.c.id == bindparam("account"))
    .values(posted_minor=bindparam("posted"), version=bindparam("newest"), moved_at=bindparam("at"))
)


def _among(name: str, many: int) -> Any:
    """What an ``IN`` is given: a few values one by one; many as a list, which takes longer to write out."""
    if many > FEW:
        return bindparam(name, expanding=True)
    return [bindparam(each) for each in _names(name, many)]


def _names(name: str, many: int) -> list[str]:
    return [name] if many > FEW else [f"{name}_{place}" for place in range(many)]


def _given(name: str, values: Sequence[str]) -> dict[str, Any]:
    many = len(values)
    return {name: values} if many > FEW else dict(zip(_names(name, many), values, strict=True))


@lru_cache(2 * FEW + 2)
def _accounts_query(many: int, *, locks: bool) -> Asked:
    balances = select(ledger_balance.c.id, ledger_balance.c.posted_minor, ledger_balance.c.version).where(
        ledger_balance.c.org_id == bindparam("held_org"), ledger_balance.c.id.in_(_among("held", many))
    )
    # Balances are locked in the order of their ids, so that two entries over the same accounts never wait for each
    # other. Where one writes at a time there is nothing to lock, and an order would only take time.
    ordered = balances.order_by(ledger_balance.c.id).with_for_update()
    held = ordered.cte("held") if locks else balances.subquery("held")
    # Stops are rare: that there are any is seen with the accounts, and which they are is asked for only then.
    stops = (
        select(func.count())
        .select_from(ledger_stop)
        .where(ledger_stop.c.org_id == bindparam("stops_org"), ledger_stop.c.lifted_at.is_(None))
        .scalar_subquery()
    )
    return Asked(
        select(
            ledger_account.c.id,
            ledger_account.c.currency,
            ledger_account.c.party_id,
            ledger_account.c.purpose,
            ledger_account.c.counted,
            ledger_account.c.min_minor,
            ledger_account.c.state,
            ledger_account.c.state_reason,
            organisation.c.base_currency,
            organisation.c.zone,
            held.c.posted_minor,
            held.c.version,
            stops.label("stops"),
        )
        .select_from(ledger_account)
        .join(organisation, organisation.c.id == ledger_account.c.org_id)
        .outerjoin(held, held.c.id == ledger_account.c.id)
        .where(ledger_account.c.org_id == bindparam("org"), ledger_account.c.id.in_(_among("ids", many)))
    )


@lru_cache(FEW + 1)
def _keys_query(many: int) -> Asked:
    head = ledger_journal.c
    return Asked(
        select(head.key, head.id, head.content, head.booked_at, head.effective_on).where(
            head.org_id == bindparam("org"),
            head.key.in_(_among("keys", many)),
            # Said although no key asked for is empty: the index is of entries that have one, and serves only who says
            # so. As text: over a value SQLite would think anew each time.
            head.key != literal_column("''"),
        )
    )


@dataclass(frozen=True, slots=True)
class Posted:
    """An entry that stands. ``repeated``: it stood before it was asked for, under the same key."""

    id: str
    booked_at: datetime
    effective_on: date
    repeated: bool = False


@dataclass(slots=True)
class _Account:
    """An account as this unit leaves it."""

    row: Row[Any]
    balance: int
    version: int

    def fits(self, line: rules.Line) -> None:
        """Refuse an amount of another currency."""
        if line.amount.currency != self.row.currency:
            raise rules.currency_mismatch(line.amount, self.row.currency, rules.named(self.row.purpose))

    def take(self, line: rules.Line) -> tuple[int | None, int | None]:
        """Version and balance that a posting brings it to; None for one that keeps no balance."""
        row, amount = self.row, line.amount
        if row.state != AccountState.OPEN:
            raise rules.not_open(AccountState(row.state), rules.named(row.purpose), row.state_reason)
        if not row.counted:
            return None, None
        self.balance = rules.after(self.balance, amount, row.min_minor, row.purpose)
        self.version += 1
        return self.version, self.balance


def post(work: Work, entry: Entry) -> Posted:
    """Write one entry, or give the one that its key stands for."""
    return post_many(work, [entry])[0]


def post_many(work: Work, entries: Sequence[Entry]) -> tuple[Posted, ...]:
    """Write entries in their order, all or none; of those whose key is known the first result is given.

    Who may ask is for the caller to decide. Raises what ``rules.check_entry`` does, ``LEDGER_ACCOUNT_UNKNOWN`` or, of
    a line that asks for a wallet, ``WALLET_NOT_FOUND``, ``ACCOUNT_FROZEN``, ``ACCOUNT_CLOSED``, ``CURRENCY_MISMATCH``,
    ``INSUFFICIENT_BALANCE``, ``PERIOD_LOCKED``, ``MONEY_STOPPED`` and, for a key that stands for something else,
    ``DUPLICATE_TRANSACTION``.
    """
    for entry in entries:
        rules.check_entry(entry)
    accounts = _accounts(work, [line for entry in entries for line in entry.lines])
    known = _known(work, {entry.key for entry in entries if entry.key})
    if any(account.row.stops for account in accounts.values()):
        stopping.check(work, ((entry, _holders(entry, accounts)) for entry in entries if entry.key not in known))
    worth = _Worth(work)
    postings: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    results = []
    for entry in entries:
        stands = known.get(entry.key) if entry.key else None
        if stands is not None:
            results.append(_first_result(stands, entry))
            continue
        head, lines = _written(work, entry, accounts, worth)
        heads.append(head)
        postings += lines
        posted = Posted(head["id"], head["booked_at"], date.fromisoformat(head["effective_on"]))
        results.append(posted)
        if entry.key:
            known[entry.key] = (head["content"], posted)
    if heads:
        _store(work, postings, heads)
        work.marks.add(BOOKED)
    return tuple(results)


def standing(work: Work, entry: Entry) -> Posted | None:
    """What the key of an entry stands for already, None for nothing; ``DUPLICATE_TRANSACTION`` for something else.

    For verbs that ask more before they book: what was booked once is told again, whatever has changed since.
    """
    stands = _known(work, [entry.key]).get(entry.key) if entry.key else None
    return _first_result(stands, entry) if stands else None


def first_result(work: Work, journal_id: str) -> Posted | None:
    """An entry that stands, as it is told to whoever asks for it again; None when there is no such entry."""
    head = ledger_journal
    row = work.first(
        select(head.c.id, head.c.booked_at, head.c.effective_on).where(
            head.c.org_id == work.org_id, head.c.id == journal_id
        )
    )
    return Posted(row.id, row.booked_at, date.fromisoformat(row.effective_on), repeated=True) if row else None


def _accounts(work: Work, lines: Sequence[rules.Line]) -> Mapping[str, _Account]:
    wanted = sorted({line.account_id for line in lines})
    found: dict[str, _Account] = {}
    orgs = dict.fromkeys(("org", "held_org", "stops_org"), work.org_id)
    for start in range(0, len(wanted), PARTS):
        part = wanted[start : start + PARTS]
        query = _accounts_query(min(len(part), FEW + 1), locks=work.dialect != SQLITE)
        for row in work.ask(query, {**orgs, **_given("ids", part), **_given("held", part)}):
            found[row.id] = _Account(row, row.posted_minor or 0, row.version or 0)
    for line in lines:
        account = found.get(line.account_id)
        if account is None or (line.purpose and line.purpose != account.row.purpose):
            raise rules.wallet_unknown() if line.purpose else rules.account_unknown()
    return found


def _holders(entry: Entry, accounts: Mapping[str, _Account]) -> list[tuple[str, str]]:
    """(holder, currency) of each account of an entry."""
    rows = [accounts[line.account_id].row for line in entry.lines]
    return [(row.party_id, row.currency) for row in rows]


def _known(work: Work, keys: Iterable[str]) -> dict[str, tuple[str, Posted]]:
    """Key -> content and result of entries that stand already. Looked up once their accounts are locked."""
    wanted = sorted(keys)
    found = {}
    for start in range(0, len(wanted), PARTS):
        part = wanted[start : start + PARTS]
        for row in work.ask(_keys_query(min(len(part), FEW + 1)), {"org": work.org_id, **_given("keys", part)}):
            posted = Posted(row.id, row.booked_at, date.fromisoformat(row.effective_on), repeated=True)
            found[row.key] = (row.content, posted)
    return found


def _first_result(stands: tuple[str, Posted], entry: Entry) -> Posted:
    content, posted = stands
    if content != entry.content_hash():
        raise rules.duplicate(entry.key)
    return posted if posted.repeated else Posted(posted.id, posted.booked_at, posted.effective_on, repeated=True)


@dataclass(slots=True)
class _Worth:
    """What amounts are worth in the organisation's base currency, at a day's stored rates; each is looked up once."""

    work: Work
    seen: dict[tuple[str, str, date], RateUsed | None] = field(default_factory=dict)

    def of(self, amount: Money, base: str, day: date) -> tuple[int | None, str]:
        """Minor units of the base currency, and the rates used; None while none is stored."""
        if amount.currency == base:
            return amount.minor, ""
        asked = amount.currency, base, day
        if asked not in self.seen:
            self.seen[asked] = reference.rates_to(self.work, base, [amount.currency], day).get(amount.currency)
        used = self.seen[asked]
        try:
            return (convert(amount, used.value, base).minor, used.ids) if used else (None, "")
        except Invalid:
            # A rate that makes of it more than can be counted is wrong; what has happened is booked all the same.
            return None, ""


@lru_cache(ZONES)
def _today(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def _written(
    work: Work, entry: Entry, accounts: Mapping[str, _Account], worth: _Worth
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The rows of an entry: its head, and its postings."""
    for line in entry.lines:
        accounts[line.account_id].fits(line)
    first = accounts[entry.lines[0].account_id].row
    counts_for = entry.effective_on or _today(work.now, first.zone)
    day = counts_for.isoformat()
    journal_id = new_id("je")
    alike = {
        "org_id": work.org_id,
        "journal_id": journal_id,
        "effective_on": day,
        "booked_at": work.now,
        "department": entry.dimensions.department,
        "project": entry.dimensions.project,
        "product": entry.dimensions.product,
        "cost_centre": entry.dimensions.cost_centre,
    }
    lines = []
    for number, line in enumerate(entry.lines, 1):
        account = accounts[line.account_id]
        version, balance = account.take(line)
        amount = line.amount
        base_minor, rate_id = line.worth or worth.of(amount, account.row.base_currency, counts_for)
        lines.append(
            {
                **alike,
                "line": number,
                "account_id": line.account_id,
                "amount_minor": amount.minor,
                "currency": amount.currency,
                "account_version": version,
                "balance_after_minor": balance,
                "party_id": account.row.party_id,
                "base_minor": base_minor,
                "rate_id": rate_id,
            }
        )
    head = {
        "org_id": work.org_id,
        "id": journal_id,
        "type": entry.type.value,
        "key": entry.key,
        "content": entry.content_hash() if entry.key else "",
        "created_by": work.actor.id,
        "booked_at": work.now,
        "effective_on": day,
        "reason": entry.reason,
        "source_kind": entry.source[0],
        "source_id": entry.source[1],
        "reverses": entry.reverses,
    }
    return head, lines


def _store(work: Work, postings: Sequence[Mapping[str, Any]], heads: Sequence[Mapping[str, Any]]) -> None:
    try:
        work.write(_POST, postings)
        if moved := _moved(work, postings):
            work.write(_FOLLOW, moved)
        work.write(_SEAL, heads)
    except DBAPIError as error:
        refused = _refusal(error, heads)
        if refused is None:
            raise
        raise refused from error
    by_entry: dict[str, list[str]] = {head["id"]: [] for head in heads}
    for posting in postings:
        by_entry[posting["journal_id"]].append(
            f"{posting['account_id']} {posting['amount_minor']} {posting['currency']}"
            + (f" worth {posting['base_minor']} by {posting['rate_id']}" if posting["rate_id"] else "")
        )
    audit.record_many(
        work,
        "ledger.posted",
        [
            (
                f"journal:{head['id']}",
                {
                    "type": head["type"],
                    "effective_on": head["effective_on"],
                    "postings": by_entry[head["id"]],
                    **{name: head[name] for name in ("key", "source_id", "reverses") if head[name]},
                },
            )
            for head in heads
        ],
    )


def _moved(work: Work, postings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The balances that the postings lead to, each account once, by its last posting."""
    last = {posting["account_id"]: posting for posting in postings if posting["account_version"] is not None}
    return [
        {
            "org": work.org_id,
            "account": account_id,
            "posted": posting["balance_after_minor"],
            "newest": posting["account_version"],
            "at": work.now,
        }
        for account_id, posting in last.items()
    ]


def _refusal(error: DBAPIError, heads: Sequence[Mapping[str, Any]]) -> FinOpsError | None:
    """What a guard of the database said, in the words of the rules; None for anything else."""
    said = str(error.orig)
    if "PERIOD_LOCKED" in said:
        return rules.period_locked(date.fromisoformat(heads[0]["effective_on"]))
    if "MONEY_STOPPED" in said:
        return rules.money_stopped("")
    if "ACCOUNT_NOT_OPEN" in said:
        return rules.not_open(AccountState.FROZEN, "An account of this entry", "")
    if "uq_ledger_journal_key" in said or "ledger_journal.key" in said:
        return rules.duplicate(str(heads[0]["key"]))
    if "uq_ledger_journal_reverses" in said or "ledger_journal.reverses" in said:
        return rules.reversed_before()
    return None
