"""The ledger on screen: trial balance, entries, an account's statement. Amounts as the books hold them, sides named."""

import re
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from finops_core.kernel.money import Money
from finops_core.ledger import AccountLine, Dated, EntryLine, EntryPosting, Statement, StatementLine, TrialLine
from ui import html
from ui.format import Format, words
from ui.html import Cell, Column, Markup

PAGE, ACCOUNT, ENTRY, SOURCE, LINE, OLDER = "ledger", "account", "entry", "source", "line", "older"
VIEW = "ledger_view"
OWN = "Own books"
DEBIT, CREDIT = "Debit", "Credit"
TRIAL = (
    Column("Line of the chart"),
    Column("Class"),
    Column(DEBIT, number=True),
    Column(CREDIT, number=True),
)
ENTRIES = (
    Column("Entry"),
    Column("Booked", fixed=True),
    Column("Accounts", wide=True),
    Column("Amount", number=True),
    Column("Document"),
)
POSTINGS = (
    Column("Account"),
    Column("Holder"),
    Column(DEBIT, number=True),
    Column(CREDIT, number=True),
)
WORTH = Column("Worth", number=True)
STATEMENT = (
    Column("Day", fixed=True),
    Column("Entry"),
    Column("Document"),
    Column(DEBIT, number=True),
    Column(CREDIT, number=True),
    Column("Balance", number=True),
)
ACCOUNTS = (Column("Account"), Column("Holder"), Column("State"), Column("Balance", number=True))
# Where a document is opened: page and the name of its id in the address.
_OURS = re.compile(r"[a-z]+_[0-9a-f]{32}", re.ASCII)
DOCUMENTS = {
    "payout": ("payouts", "payout"),
    "payout_fee": ("payouts", "payout"),
    "execution": ("executions", "execution"),
}


def trial(lines: Sequence[TrialLine], currency: str, shown: Format) -> Markup:
    """The trial balance in one currency with the sums of both sides, which are the same when the books are right."""
    mine = [line for line in lines if line.total.currency == currency]
    rows: list[tuple[Cell, ...]] = [
        (
            html.link(f"{line.code} {line.name}", PAGE, {LINE: line.code, "currency": currency}),
            words(line.kind),
            *sides(line.total, shown),
        )
        for line in mine
    ]
    sums = [sum(part) for part in zip(*(_parts(line.total.minor) for line in mine), strict=True)]
    total = tuple(html.strong(shown.amount(minor, currency)) for minor in sums)
    rows.append((html.strong(f"{currency} together"), "", *total))
    return html.table(TRIAL, rows, f"Trial balance in {currency}")


def entries(rows: Sequence[EntryLine], shown: Format) -> Markup:
    """Entries, newest first; each opens its own page."""
    return html.table(ENTRIES, [_entry(row, shown) for row in rows], "Entries")


def postings(rows: Sequence[EntryPosting], shown: Format, names: Mapping[str, str]) -> Markup:
    """The sides of one entry; what they are worth, where they are of another currency than the organisation's."""
    foreign = any(row.worth != row.amount for row in rows)
    columns = (*POSTINGS, WORTH) if foreign else POSTINGS
    told: list[tuple[Cell, ...]] = [
        (account_link(row.account), holder(row.account.party_id, names), *sides(row.amount, shown))
        + ((_worth(row, shown),) if foreign else ())
        for row in rows
    ]
    return html.table(columns, told, "Postings")


def accounts(rows: Sequence[AccountLine], shown: Format, names: Mapping[str, str]) -> Markup:
    """The accounts of a line of the chart."""
    told: list[tuple[Cell, ...]] = [
        (account_link(row), holder(row.party_id, names), words(row.state), balance(row.balance, shown)) for row in rows
    ]
    return html.table(ACCOUNTS, told, "Accounts")


def statement(found: Statement, shown: Format, dated: Dated = Dated.EFFECTIVE) -> Markup:
    """An account's postings with what it held after each, newest first by the date that was asked for."""
    return html.table(STATEMENT, [_statement(line, shown, dated) for line in found.lines], "Statement")


def facts(entry: EntryLine, shown: Format, name: Callable[[str], str], numbers: Mapping[str, str]) -> Markup:
    """What an entry is, who booked it and what it comes from; ``numbers``: of the entries that it names."""

    def other(entry_id: str) -> Cell:
        return entry_link(entry_id, numbers.get(entry_id, "")) if entry_id else ""

    return html.facts(
        [
            ("Kind", words(entry.type.lower())),
            ("Id", entry.id if entry.number else ""),
            ("Counts for", entry.effective_on.isoformat()),
            ("Booked", shown.instant(entry.booked_at)),
            ("By", name(entry.created_by)),
            ("Reason", entry.reason),
            ("Document", document(entry.source)),
            ("Its id", entry.source[1] if _OURS.fullmatch(entry.source[1]) else ""),
            ("Undoes", other(entry.reverses)),
            ("Undone by", other(entry.reversed_by)),
        ]
    )


def sides(amount: Money, shown: Format) -> tuple[Cell, Cell]:
    """An amount in the column of its side: what is debited is negative in the books."""
    told = shown.amount(abs(amount.minor), amount.currency)
    return (told, "") if amount.minor < 0 else ("", told)


def balance(amount: Money | None, shown: Format) -> Cell:
    """What an account holds, with its side; "" for none."""
    if amount is None:
        return ""
    side = "" if not amount.minor else html.faint(DEBIT.lower() if amount.minor < 0 else CREDIT.lower())
    return html.join(html.strong(shown.amount(abs(amount.minor), amount.currency)), side)


def holder(party_id: str, names: Mapping[str, str]) -> Cell:
    """Whose account it is: a party by its name, the way to its page; ``names`` of those that are parties."""
    if name := names.get(party_id):
        return html.link(name, "parties", {"party": party_id})
    return party_id or html.faint(OWN, small=False)


def document(source: tuple[str, str]) -> Cell:
    """What an entry comes from, opened where it can be."""
    kind, source_id = source
    if kind in DOCUMENTS:
        page, name = DOCUMENTS[kind]
        return html.link(words(kind), page, {name: source_id})
    # One of ours by its end: in a cell it would stand wider than a phone; the page of the entry says it whole.
    shown = f"…{source_id[-8:]}" if _OURS.fullmatch(source_id) else source_id
    return html.join(words(kind) if kind else "", shown)


def account_link(account: AccountLine) -> Markup:
    """An account by its line of the chart; what it is for where that says more."""
    more = account.purpose if account.purpose != account.name.lower() else ""
    return html.lines(_line_link(account), html.faint(more) if more else "")


def wallet_link(account_id: str) -> Markup:
    """An account that keeps a balance by the end of its id."""
    return html.link(f"…{account_id[-8:]}", PAGE, {ACCOUNT: account_id})


def entry_link(entry_id: str, number: str = "") -> Markup:
    """An entry by its number; until it has one by the end of its id, which tells it from its neighbours."""
    return html.link(number or f"…{entry_id[-8:]}", PAGE, {ENTRY: entry_id})


def older(query: Mapping[str, str], place: str, label: str = "Older →") -> Markup:
    """The way to what comes next in a list; nothing at the end."""
    return html.line(html.link(label, PAGE, {**query, OLDER: place})) if place else Markup()


def fresh() -> None:
    """Another question starts at its first row."""
    st.query_params.pop(OLDER, None)


def _line_link(account: AccountLine) -> Markup:
    return html.link(f"{account.code} {account.name}", PAGE, {ACCOUNT: account.id})


def _worth(row: EntryPosting, shown: Format) -> Cell:
    if row.worth is None:
        return html.faint("no rate stored", small=False)
    return shown.amount(abs(row.worth.minor), row.worth.currency)


def _side(posting: EntryPosting) -> str:
    return (DEBIT if posting.amount.minor < 0 else CREDIT).lower()


def _parts(minor: int) -> tuple[int, int]:
    return (-minor, 0) if minor < 0 else (0, minor)


def _entry(row: EntryLine, shown: Format) -> tuple[Cell, ...]:
    sums: dict[str, int] = {}
    for posting in row.postings:
        if posting.amount.minor > 0:
            sums[posting.amount.currency] = sums.get(posting.amount.currency, 0) + posting.amount.minor
    # As bookkeepers write them: debits first.
    postings_ = sorted(row.postings, key=lambda posting: posting.amount.minor > 0)
    booked = html.lines(*(html.join(html.faint(_side(each)), _line_link(each.account)) for each in postings_))
    return (
        html.lines(entry_link(row.id, row.number), html.faint(words(row.type.lower()))),
        html.lines(shown.instant(row.booked_at), html.faint(_counts_for(row, shown))),
        booked,
        html.lines(*(html.strong(each) for each in shown.each_amount(sums))),
        html.lines(document(row.source), html.faint(row.reason) if row.reason else ""),
    )


def _counts_for(row: EntryLine, shown: Format) -> str:
    """The day it counts for, where that is another than the day it was booked."""
    day = row.effective_on
    return "" if day == shown.day(row.booked_at) else f"for {day.isoformat()}"


def _statement(line: StatementLine, shown: Format, dated: Dated) -> tuple[Cell, ...]:
    day: Cell = line.effective_on.isoformat()
    if dated is Dated.BOOKED:
        counts = f"for {day}" if line.effective_on != shown.day(line.booked_at) else ""
        day = html.lines(shown.instant(line.booked_at), html.faint(counts))
    return (
        day,
        html.lines(entry_link(line.journal_id, line.number), html.faint(words(line.type.lower()))),
        html.lines(document(line.source), html.faint(line.reason) if line.reason else ""),
        *sides(line.amount, shown),
        balance(line.balance, shown),
    )
