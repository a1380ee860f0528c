"""The standing truths of the ledger, each looked for in what is stored. A violation is for people."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, and_, case, func, or_, select

from finops_core.kernel.job import Check
from finops_core.kernel.money import Money
from finops_core.ledger import adjusting, numbering
from finops_core.ledger.models import (
    ledger_account,
    ledger_balance,
    ledger_chart,
    ledger_journal,
    ledger_number,
    ledger_posting,
)
from finops_core.ledger.records import ledger_pending
from finops_core.ledger.rules import PENDING
from finops_core.platform.work import Reading

MOST = 1_000
NUMBERED_WITHIN = timedelta(minutes=5)
posting, kept, account = ledger_posting, ledger_balance, ledger_account


def every_entry_adds_up_to_zero(reading: Reading) -> list[str]:
    """Each entry has two postings or more, and they add up to zero in each currency."""
    rows = reading.rows(
        select(
            posting.c.journal_id,
            posting.c.currency,
            func.sum(posting.c.amount_minor).label("minor"),
        )
        .where(posting.c.org_id == reading.org_id)
        .group_by(posting.c.journal_id, posting.c.currency)
        .having(func.sum(posting.c.amount_minor) != 0)
        .limit(MOST)
    )
    return [f"Entry {row.journal_id} is out of balance by {Money(int(row.minor), row.currency)}" for row in rows]


def every_posting_is_sealed(reading: Reading) -> list[str]:
    """Each posting belongs to an entry, and each entry has postings."""
    head = ledger_journal
    same = and_(head.c.org_id == posting.c.org_id, head.c.id == posting.c.journal_id)
    loose = reading.rows(
        select(posting.c.journal_id)
        .where(
            posting.c.org_id == reading.org_id,
            ~select(head.c.id).where(head.c.org_id == reading.org_id, same).exists(),
        )
        .distinct()
        .limit(MOST)
    )
    empty = reading.rows(
        select(head.c.id)
        .where(
            head.c.org_id == reading.org_id,
            ~select(posting.c.line).where(posting.c.org_id == reading.org_id, same).exists(),
        )
        .limit(MOST)
    )
    return [f"Postings of {row.journal_id} have no entry" for row in loose] + [
        f"Entry {row.id} has no postings" for row in empty
    ]


def balances_are_their_postings(reading: Reading) -> list[str]:
    """What is kept with each account is the sum of its postings, and counts each of them."""
    sums = (
        select(
            posting.c.account_id,
            func.sum(posting.c.amount_minor).label("minor"),
            func.count().label("many"),
        )
        .where(posting.c.org_id == reading.org_id)
        .group_by(posting.c.account_id)
        .subquery()
    )
    minor, many = func.coalesce(sums.c.minor, 0), func.coalesce(sums.c.many, 0)
    rows = reading.rows(
        select(account.c.id, account.c.currency, kept.c.posted_minor, minor.label("minor"))
        .select_from(account)
        .outerjoin(kept, and_(kept.c.org_id == account.c.org_id, kept.c.id == account.c.id))
        .outerjoin(sums, sums.c.account_id == account.c.id)
        .where(account.c.org_id == reading.org_id, account.c.counted.is_(True))
        .where(or_(kept.c.id.is_(None), kept.c.posted_minor != minor, kept.c.version != many))
        .limit(MOST)
    )
    return [
        f"Account {row.id} shows {_shown(row)}; its postings add up to {Money(int(row.minor), row.currency)}"
        for row in rows
    ]


def _shown(row: Row[Any]) -> str:
    return "no balance" if row.posted_minor is None else str(Money(row.posted_minor, row.currency))


def holders_add_up_to_their_line(reading: Reading) -> list[str]:
    """What was posted to a line of the chart that is kept for holders is what is kept with them, holder by holder."""
    line, own = ledger_chart, account.c.party_id == ""
    sums = (
        select(posting.c.account_id, func.sum(posting.c.amount_minor).label("minor"))
        .where(posting.c.org_id == reading.org_id)
        .group_by(posting.c.account_id)
        .subquery()
    )
    posted = func.coalesce(func.sum(sums.c.minor), 0).label("posted")
    held = func.coalesce(func.sum(case((own, 0), else_=kept.c.posted_minor)), 0).label("held")
    rows = reading.rows(
        select(line.c.code, account.c.currency, posted, held)
        .select_from(account)
        .join(line, and_(line.c.org_id == account.c.org_id, line.c.id == account.c.chart_id))
        .outerjoin(kept, and_(kept.c.org_id == account.c.org_id, kept.c.id == account.c.id))
        .outerjoin(sums, sums.c.account_id == account.c.id)
        .where(account.c.org_id == reading.org_id, line.c.org_id == reading.org_id, line.c.control.is_(True))
        .group_by(line.c.code, account.c.currency)
        .having(posted != held)
        .order_by(line.c.code, account.c.currency)
    )
    return [
        f"Line {row.code} has {Money(int(row.posted), row.currency)}, its holders {Money(int(row.held), row.currency)}"
        for row in rows
    ]


def running_balances_go_on(reading: Reading) -> list[str]:
    """Each posting of a counted account takes up where the one before it left off, with no version missing."""
    whose, order = posting.c.account_id, posting.c.account_version
    before = func.coalesce(func.lag(posting.c.balance_after_minor).over(partition_by=whose, order_by=order), 0)
    earlier = func.coalesce(func.lag(order).over(partition_by=whose, order_by=order), 0)
    each = (
        select(
            posting.c.account_id,
            posting.c.account_version,
            (posting.c.balance_after_minor - before - posting.c.amount_minor).label("off"),
            (posting.c.account_version - earlier).label("step"),
        )
        .where(posting.c.org_id == reading.org_id, posting.c.account_version.is_not(None))
        .subquery()
    )
    rows = reading.rows(select(each).where((each.c.off != 0) | (each.c.step != 1)).limit(MOST))
    return [f"Account {row.account_id} breaks off at its posting {row.account_version}" for row in rows]


def nothing_is_below_its_limit(reading: Reading) -> list[str]:
    """No account holds less than it may."""
    rows = reading.rows(
        select(kept.c.id, account.c.currency, kept.c.posted_minor)
        .select_from(kept)
        .join(account, and_(account.c.org_id == kept.c.org_id, account.c.id == kept.c.id))
        .where(kept.c.org_id == reading.org_id, kept.c.posted_minor < account.c.min_minor)
        .limit(MOST)
    )
    return [f"Account {row.id} is at {Money(row.posted_minor, row.currency)}, below its limit" for row in rows]


def pending_money_is_what_waits(reading: Reading) -> list[str]:
    """What each holder's pending account keeps is what their pending moves set aside."""
    wallet, waits = ledger_account.alias("wallet"), ledger_pending
    sums = (
        select(wallet.c.party_id, wallet.c.currency, func.sum(waits.c.amount_minor).label("minor"))
        .select_from(waits)
        .join(wallet, and_(wallet.c.org_id == waits.c.org_id, wallet.c.id == waits.c.wallet_id))
        .where(waits.c.org_id == reading.org_id, waits.c.state == "pending")
        .group_by(wallet.c.party_id, wallet.c.currency)
        .subquery()
    )
    minor = func.coalesce(sums.c.minor, 0)
    theirs = and_(sums.c.party_id == account.c.party_id, sums.c.currency == account.c.currency)
    rows = reading.rows(
        select(account.c.id, account.c.currency, kept.c.posted_minor, minor.label("minor"))
        .select_from(account)
        .join(kept, and_(kept.c.org_id == account.c.org_id, kept.c.id == account.c.id))
        .outerjoin(sums, theirs)
        .where(account.c.org_id == reading.org_id, account.c.purpose == PENDING, kept.c.posted_minor != minor)
        .limit(MOST)
    )
    return [
        f"Account {row.id} keeps {_shown(row)} for pending moves; {Money(int(row.minor), row.currency)} is pending"
        for row in rows
    ]


def numbers_have_no_gaps(reading: Reading) -> list[str]:
    """The numbers of each year go on from 1 without a gap, none is there twice, and no entry waits long for its own."""
    table = ledger_number
    rows = reading.rows(
        select(table.c.year, func.min(table.c.n).label("first"), func.max(table.c.n).label("last"))
        .add_columns(func.count().label("many"), func.count(table.c.n.distinct()).label("different"))
        .where(table.c.org_id == reading.org_id)
        .group_by(table.c.year)
        .order_by(table.c.year)
    )
    found = []
    for row in rows:
        last = numbering.written(row.year, row.last)
        if row.different != row.many:
            found.append(f"{row.many - row.different} numbers of {row.year} were given twice, up to {last}")
        if (row.first, row.different) != (1, row.last):
            found.append(f"{row.last - row.different} numbers of {row.year} are missing, up to {last}")
    late = reading.first(numbering.unnumbered_before(reading, reading.now - NUMBERED_WITHIN))
    if late is not None and late.many:
        found.append(f"{late.many} entries wait for a number, the first of them {late.first}")
    return found


CHECKS = (
    Check(
        "ledger.zero",
        "Every entry adds up to zero",
        every_entry_adds_up_to_zero,
        "Somebody wrote past the desk. Stop money operations and compare with the last backup.",
    ),
    Check(
        "ledger.sealed",
        "Every posting has its entry",
        every_posting_is_sealed,
        "Somebody wrote past the desk. Stop money operations and compare with the last backup.",
    ),
    Check(
        "ledger.balances",
        "Balances are their postings",
        balances_are_their_postings,
        "A balance was changed by other means, or a posting is gone. Compare with the audit log: where postings are "
        "gone nothing is put back by itself.",
    ),
    Check(
        "ledger.control",
        "Holders add up to their line of the chart",
        holders_add_up_to_their_line,
        "What is owed to holders is not what the books say is owed. Look which of the checks above tells whose account "
        "it is; where none does, an account of a holder was made the organisation's own.",
    ),
    Check(
        "ledger.continuity",
        "Running balances go on",
        running_balances_go_on,
        "A posting was changed or is gone. Compare with the audit log.",
    ),
    Check(
        "ledger.limits",
        "No account is below its limit",
        nothing_is_below_its_limit,
        "More was taken than was there. Freeze the wallet and find out which entry it was.",
    ),
    Check(
        "ledger.adjustments",
        "Large adjustments were agreed to",
        adjusting.large_ones_without_another,
        "A balance was changed by more than one person may change alone. Ask who booked it for its evidence, or "
        "reverse it; one from before the limit was lowered stands here for a month.",
    ),
    Check(
        "ledger.pending",
        "Pending money is what waits",
        pending_money_is_what_waits,
        "Money was set aside without a pending move, or one was ended past the desk. Compare with the audit log.",
    ),
    Check(
        "ledger.numbers",
        "Entries are numbered without gaps",
        numbers_have_no_gaps,
        "Where a number is missing or was given twice, somebody wrote past the desk: verify the log, which holds which "
        "entry has which number. Where entries wait, look whether a worker runs.",
    ),
)
