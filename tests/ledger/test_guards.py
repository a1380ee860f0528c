"""What the databases hold of the ledger by themselves: each way past them, tried as the owner of the tables."""

import sqlite3

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from finops_core.catalog.tables import TABLES
from finops_core.ledger import chart, service
from finops_core.platform.db import open_owner_engine
from finops_core.platform.tables import facts_of
from tests.ledger.conftest import Books

HEAD = (
    "INSERT INTO ledger_journal (org_id, id, type, key, content, created_by, booked_at, effective_on, reason, "
    "source_kind, source_id, reverses) VALUES ('{org}', '{id}', '{type}', '', '', 'x', '2026-11-20 09:00:00', "
    "'2026-11-20', {reason}, '', '', '')"
)
LINE = (
    "INSERT INTO ledger_posting (org_id, journal_id, line, account_id, amount_minor, currency, account_version, "
    "balance_after_minor, effective_on, booked_at, party_id, department, project, product, cost_centre, rate_id) "
    "VALUES ('{org}', '{id}', {line}, '{account}', {minor}, '{currency}', {version}, {after}, '2026-11-20', "
    "'2026-11-20 09:00:00', '', '', '', '', '', '')"
)


STOP = (
    "INSERT INTO ledger_stop (org_id, id, width, subject, party_id, currency, reason, set_by, set_at, lifted_by, "
    "lifted_at, lifted_reason) VALUES ('{org}', 'stop_x', 'all', '', '', '', 'x', 'x', '2026-11-20 09:00:00', '', "
    "{lifted}, '')"
)
PERIOD = (
    "INSERT INTO ledger_period (org_id, id, from_on, to_on, locked_at, locked_by, reason, unlocked_by, unlocked_at, "
    "unlocked_reason) VALUES ('{org}', 'period_x', '2026-10-01', '2026-10-31', '2026-11-20 09:00:00', 'x', '{reason}', "
    "'', NULL, '')"
)
NUMBER = (
    "INSERT INTO ledger_number (org_id, journal_id, year, n, numbered_at) "
    "VALUES ('{org}', '{id}', 2026, {n}, '2026-11-20 09:00:00')"
)
NOW = "'2026-11-20 09:00:00'"
PROPOSAL = (
    "INSERT INTO ledger_proposal (org_id, id, wallet_id, amount_minor, currency, reason, effective_on, about_kind, "
    "about_id, key, content, request_id, proposed_by, proposed_at, state, journal_id) VALUES ('{org}', 'adj_x', "
    f"'{{wallet}}', 1, 'USD', 'x', '', '', '', '', '', 'ap_x', 'person_me', {NOW}, 'waiting', '')"
)
PENDING = (
    "INSERT INTO ledger_pending (org_id, id, type, wallet_id, to_wallet_id, amount_minor, currency, reason, "
    "source_kind, source_id, key, content, begun_by, begun_at, expires_at, held_entry, state, posted_minor, entry_id, "
    "ended_by, ended_at, ended_reason) VALUES ('{org}', 'pend_x', 'FEE', '{wallet}', '', 5, 'USD', '', '', '', '', '', "
    f"'person_me', {NOW}, {NOW}, 'je_x', '{{state}}', {{posted}}, '{{entry}}', '', {{ended}}, '')"
)
PARTY = (
    "INSERT INTO party (org_id, id, kind, name, sought, state, closed_reason, created_by, created_at) "
    f"VALUES ('{{org}}', 'party_x', 'company', 'x', 'x', 'open', '', 'person_me', {NOW})"
)
DETAILS = (
    "INSERT INTO party_bank_detail (org_id, id, party_id, version, sealed, account_print, holder_print, country, "
    "last4, replaces, reason, content, request_id, proposed_by, proposed_at, state, approved_at, counts_from, "
    "ended_by, ended_at, ended_reason) VALUES ('{org}', 'bank_x', 'party_x', 1, {sealed}, '', '', 'DE', '3000', '', "
    f"'x', 'c', 'ap_x', 'person_me', {NOW}, '{{state}}', {{at}}, {{at}}, '', NULL, '')"
)
FREE = (
    "INSERT INTO ledger_account SELECT org_id, 'acc_free', chart_id, currency, 'party_me', purpose, {counted}, "
    "{least}, state, state_reason, created_at FROM ledger_account WHERE id = '{wallet}'"
)
GIFT = (
    "INSERT INTO ledger_balance (org_id, id, posted_minor, version, moved_at) "
    "VALUES ('{org}', '{id}', {minor}, {version}, '2026-11-20 09:00:00')"
)


class Forger:
    """Writes rows of the ledger by hand: Ann's wallet holds 1.00 USD at version 1."""

    def __init__(self, books: Books, entry: str) -> None:
        self.books, self.entry = books, entry
        self.ann, self.bob = books.wallets["ann"], books.wallets["bob"]
        self.outside = books.account(chart.EXTERNAL)

    def head(self, id_: str = "je_x", type_: str = "TRANSFER", reason: str = "''") -> str:
        return HEAD.format(org=self.books.org_id, id=id_, type=type_, reason=reason)

    def line(self, line: int, account: str, minor: object, **other: object) -> str:
        given = {"version": "NULL", "after": "NULL", "currency": "USD", "id": "je_x", **other}
        return LINE.format(org=self.books.org_id, line=line, account=account, minor=minor, **given)

    def follow(self, minor: int, version: int = 2) -> str:
        return f"UPDATE ledger_balance SET posted_minor = {minor}, version = {version} WHERE id = '{self.ann}'"

    def give_ann(self, minor: object, **other: object) -> str:
        return self.line(1, self.ann, minor, **{"version": 2, "after": f"100 + {minor}", **other})


@pytest.fixture
def forger(books: Books) -> Forger:
    return Forger(books, books.fund("ann", 100))


def refused(books: Books, *statements: str) -> str:
    before = books.trial(), books.balance("ann"), books.balance("bob")
    with pytest.raises(DBAPIError) as caught:
        books.attack(*statements)
    assert (books.trial(), books.balance("ann"), books.balance("bob")) == before
    return str(caught.value.orig)


def test_an_honest_entry_written_by_hand_passes(books: Books, forger: Forger):
    books.attack(forger.give_ann(5), forger.line(2, forger.outside, -5), forger.follow(105), forger.head())

    assert books.balance("ann") == 105
    assert sum(books.trial().values()) == 0


def test_an_entry_is_balanced_in_each_currency_and_has_two_legs(books: Books, forger: Forger):
    euros = books.account(chart.EXTERNAL, "EUR")

    unbalanced = forger.give_ann(5), forger.line(2, forger.outside, -4), forger.follow(105), forger.head()
    assert "ENTRY_UNBALANCED" in refused(books, *unbalanced)
    mixed = forger.give_ann(5), forger.line(2, euros, -5, currency="EUR"), forger.follow(105), forger.head()
    assert "ENTRY_UNBALANCED" in refused(books, *mixed)
    assert "ENTRY_ONE_LEGGED" in refused(books, forger.head())
    assert "ENTRY_ONE_LEGGED" in refused(books, forger.give_ann(5), forger.follow(105), forger.head())


def test_postings_without_the_row_that_seals_them_cannot_be_committed(books: Books, forger: Forger):
    told = refused(books, forger.give_ann(5), forger.line(2, forger.outside, -5))

    assert "foreign key" in told.lower()


def test_nothing_enters_an_entry_that_is_sealed(books: Books, forger: Forger):
    books.attack(forger.give_ann(5), forger.line(2, forger.outside, -5), forger.follow(105), forger.head())

    late = (
        forger.line(3, forger.ann, 7, version=3, after=112),
        forger.line(4, forger.outside, -7),
    )
    assert "JOURNAL_SEALED" in refused(books, *late)


def test_a_posting_brings_its_account_to_where_it_says(books: Books, forger: Forger):
    for wrong in ({"version": 3}, {"version": 1}, {"after": 106}, {"version": "NULL", "after": "NULL"}):
        told = refused(books, forger.give_ann(5, **wrong), forger.line(2, forger.outside, -5), forger.head())
        assert "BALANCE_MOVED" in told or "unique" in told.lower()
    counted = forger.line(2, forger.outside, -5, version=1, after=-5)
    assert "BALANCE_NOT_COUNTED" in refused(books, forger.give_ann(5), counted, forger.head())


def test_an_entry_is_sealed_only_once_the_balances_have_followed(books: Books, forger: Forger):
    lines = forger.give_ann(5), forger.line(2, forger.outside, -5)

    assert "BALANCE_BEHIND" in refused(books, *lines, forger.head())
    assert "BALANCE_FROM_POSTINGS" in refused(books, *lines, forger.follow(106), forger.head())


def test_limits_states_and_currencies_are_held(books: Books, forger: Forger):
    overdraft = forger.give_ann(-101), forger.line(2, forger.outside, 101), forger.head()
    assert "INSUFFICIENT_BALANCE" in refused(books, *overdraft)
    foreign = forger.give_ann(5, currency="EUR"), forger.line(2, forger.outside, -5), forger.head()
    assert "CURRENCY_MISMATCH" in refused(books, *foreign)
    unknown = forger.give_ann(5), forger.line(2, "acc_none", -5), forger.head()
    assert "ACCOUNT_UNKNOWN" in refused(books, *unknown)
    with books.work() as work:
        service.freeze(work, forger.ann, "asked")
    frozen = forger.give_ann(5), forger.line(2, forger.outside, -5), forger.head()
    assert "ACCOUNT_NOT_OPEN" in refused(books, *frozen)


@pytest.mark.parametrize(("counted", "least"), [("FALSE", "NULL"), ("TRUE", "NULL"), ("TRUE", "-1")])
def test_nobody_makes_a_wallet_that_may_hold_less_than_nothing(books: Books, forger: Forger, counted: str, least: str):
    told = refused(books, FREE.format(wallet=forger.ann, counted=counted, least=least))

    assert "ACCOUNT_BEGINS" in told


@pytest.mark.parametrize("minor", ["1.5", "0", "9007199254740992", "'7x'"])
def test_only_whole_amounts_that_move_something_are_stored(books: Books, forger: Forger, minor: str):
    assert refused(books, forger.line(1, forger.outside, minor), forger.line(2, forger.outside, -5), forger.head())


@pytest.mark.parametrize("reason", ["''", "'  '"])
def test_an_adjustment_without_a_reason_is_refused(books: Books, forger: Forger, reason: str):
    lines = forger.give_ann(5), forger.line(2, forger.outside, -5), forger.follow(105)

    assert "adjustment_reason" in refused(books, *lines, forger.head(type_="ADJUSTMENT", reason=reason))
    assert refused(books, *lines, forger.head(type_="ADJUSTMENT", reason="NULL"))


CHANGES = (
    "UPDATE ledger_posting SET amount_minor = 999 WHERE amount_minor > 0",
    "UPDATE ledger_posting SET currency = currency",
    "DELETE FROM ledger_posting",
    "DELETE FROM ledger_journal",
    "UPDATE ledger_journal SET effective_on = '2020-01-01'",
    "UPDATE ledger_balance SET posted_minor = 999",
    "UPDATE ledger_balance SET posted_minor = 0, version = 0",
    "UPDATE ledger_balance SET version = version + 1",
    "UPDATE ledger_balance SET id = 'acc_other'",
    "DELETE FROM ledger_balance",
    "UPDATE ledger_account SET currency = 'EUR'",
    "UPDATE ledger_account SET counted = NOT counted",
    "UPDATE ledger_account SET party_id = 'party_me'",
    "UPDATE ledger_account SET min_minor = min_minor - 1",
    "UPDATE ledger_account SET min_minor = NULL",
    "DELETE FROM ledger_account",
)
ONLY_SQLITE = (
    "INSERT OR REPLACE INTO ledger_balance SELECT org_id, id, 999, version, moved_at FROM ledger_balance",
    "REPLACE INTO ledger_balance SELECT org_id, id, 0, 0, moved_at FROM ledger_balance",
    "UPDATE OR REPLACE ledger_posting SET line = 1",
    "INSERT OR REPLACE INTO ledger_journal SELECT * FROM ledger_journal",
)
ONLY_POSTGRES = (
    "TRUNCATE ledger_posting CASCADE",
    "TRUNCATE ledger_journal CASCADE",
)


def test_no_change_of_what_stands_passes(books: Books, forger: Forger):
    del forger
    sqlite = not books.desk.settings.url.startswith("postgresql")
    for statement in (*CHANGES, *(ONLY_SQLITE if sqlite else ONLY_POSTGRES)):
        assert refused(books, statement), statement


REPLACED = {
    "a posting by its place in an account": (
        "REPLACE INTO ledger_posting SELECT org_id, 'je_x', line, account_id, 999, currency, account_version, 999, "
        "effective_on, booked_at, party_id, department, project, product, cost_centre, base_minor, rate_id "
        "FROM ledger_posting WHERE account_version = 1"
    ),
    "an account": "REPLACE INTO ledger_account SELECT org_id, id, chart_id, currency, 'party_me', purpose, counted, "
    "min_minor, state, state_reason, created_at FROM ledger_account",
    "a period": "REPLACE INTO ledger_period SELECT org_id, id, '2001-01-01', '2001-01-01', locked_at, locked_by, "
    "reason, unlocked_by, unlocked_at, unlocked_reason FROM ledger_period",
    "a stop": "REPLACE INTO ledger_stop SELECT org_id, id, 'type', 'FEE', party_id, currency, reason, set_by, set_at, "
    "lifted_by, lifted_at, lifted_reason FROM ledger_stop",
}


def test_a_program_with_sqlites_own_settings_replaces_nothing(books: Books, forger: Forger):
    if books.desk.settings.url.startswith("postgresql"):
        assert refused(books, *REPLACED.values())  # no such statement there
        return
    books.attack(PERIOD.format(org=forger.books.org_id, reason="x"), STOP.format(org=books.org_id, lifted="NULL"))
    stranger = sqlite3.connect(str(make_url(books.desk.settings.url).database))
    for what, statement in REPLACED.items():
        with pytest.raises(sqlite3.IntegrityError) as caught:
            stranger.execute(statement)
        assert "append-only" in str(caught.value) or "a unique row" in str(caught.value), what
    stranger.close()


ENDS = {
    "ck_ledger_pending_entry": {"state": "voided", "posted": 0, "entry": "je_x", "ended": NOW},
    "ck_ledger_pending_ended": {"state": "voided", "posted": 0, "entry": "", "ended": "NULL"},
    "ck_ledger_pending_posted": {"state": "posted", "posted": 0, "entry": "je_x", "ended": NOW},
    "ck_ledger_pending_part": {"state": "posted", "posted": 6, "entry": "je_x", "ended": NOW},
    "ck_ledger_pending_state": {"state": "gone", "posted": 0, "entry": "", "ended": NOW},
}


@pytest.mark.parametrize("rule", ENDS)
def test_what_became_of_a_pending_move_is_one_thing_and_whole(books: Books, forger: Forger, rule: str):
    assert rule in refused(books, PENDING.format(org=books.org_id, wallet=forger.ann, **ENDS[rule]))


def test_a_balance_row_cannot_be_invented(books: Books, forger: Forger):
    for version in (0, 1):
        gift = GIFT.format(org=books.org_id, id=forger.outside, minor=999, version=version)
        assert "BALANCE_FROM_POSTINGS" in refused(books, gift)


def test_a_role_cannot_lay_a_table_of_its_own_over_the_ledgers(books: Books, forger: Forger):
    """PostgreSQL looks into temporary tables first, unless a function says otherwise."""
    engine = open_owner_engine(books.desk.settings)
    try:
        mine = "temp" if engine.dialect.name == "sqlite" else "pg_temp"
        with engine.connect() as connection:
            connection.execute(text("CREATE TEMPORARY TABLE ledger_account AS SELECT * FROM ledger_account"))
            connection.execute(text(f"UPDATE {mine}.ledger_account SET min_minor = -1000000"))
            with pytest.raises(DBAPIError, match="INSUFFICIENT_BALANCE"):
                connection.exec_driver_sql(forger.give_ann(-200))
    finally:
        engine.dispose()


def attacks(forger: Forger) -> dict[str, tuple[str, ...]]:
    """Guard -> what it alone stops."""
    org, ann = forger.books.org_id, forger.ann
    begun = PENDING.format(org=org, wallet=ann, state="pending", posted=0, entry="", ended="NULL")
    postgres = forger.books.desk.settings.url.startswith("postgresql")
    sealed = "'x'::bytea" if postgres else "CAST('x' AS BLOB)"
    party = PARTY.format(org=org)
    waiting = party, DETAILS.format(org=org, sealed=sealed, state="waiting", at="NULL")
    approved = party, DETAILS.format(org=org, sealed=sealed, state="approved", at=NOW)
    approve = f"UPDATE party_bank_detail SET state = 'approved', approved_at = {NOW}, counts_from = {NOW}"
    return {
        "lg_posting_enters": (
            forger.give_ann(-101),
            forger.line(2, forger.outside, 101),
            forger.follow(-1),
            forger.head(),
        ),
        "lg_journal_seals": (forger.give_ann(5), forger.line(2, forger.outside, -4), forger.head()),
        "lg_balance_begins": (GIFT.format(org=org, id=forger.outside, minor=999, version=0),),
        "lg_balance_follows": (f"UPDATE ledger_balance SET posted_minor = 999 WHERE id = '{ann}'",),
        "lg_balance_stays": (f"DELETE FROM ledger_balance WHERE id = '{ann}'",),
        "lg_account_begins": (FREE.format(wallet=ann, counted="FALSE", least="NULL"),),
        "lg_account_keeps": (f"UPDATE ledger_account SET party_id = 'party_me' WHERE id = '{ann}'",),
        "lg_account_stays": (f"DELETE FROM ledger_account WHERE id = '{forger.books.account(chart.FEES)}'",),
        "lg_stop_waits": (STOP.format(org=org, lifted=NOW),),
        "lg_stop_keeps": (STOP.format(org=org, lifted="NULL"), "UPDATE ledger_stop SET reason = 'y'"),
        "lg_stop_stays": (STOP.format(org=org, lifted="NULL"), "DELETE FROM ledger_stop"),
        "lg_period_waits": (PERIOD.format(org=org, reason=""),),
        "lg_period_keeps": (PERIOD.format(org=org, reason="x"), "UPDATE ledger_period SET to_on = '2026-10-01'"),
        "lg_period_stays": (PERIOD.format(org=org, reason="x"), "DELETE FROM ledger_period"),
        "lg_number_follows": (NUMBER.format(org=org, id=forger.entry, n=2),),
        "lg_proposal_keeps": (PROPOSAL.format(org=org, wallet=ann), "UPDATE ledger_proposal SET amount_minor = 2"),
        "lg_proposal_stays": (PROPOSAL.format(org=org, wallet=ann), "DELETE FROM ledger_proposal"),
        "lg_pending_keeps": (begun, "UPDATE ledger_pending SET amount_minor = 4"),
        "lg_pending_stays": (begun, "DELETE FROM ledger_pending"),
        "pt_party_keeps": (party, "UPDATE party SET kind = 'own'"),
        "pt_party_stays": (party, "DELETE FROM party"),
        "pt_details_begin": approved,
        "pt_details_keep": (*waiting, "UPDATE party_bank_detail SET last4 = '0000'"),
        "pt_details_agreed": (*waiting, approve),
        "pt_details_stay": (*waiting, "DELETE FROM party_bank_detail"),
    }


def test_each_guard_is_the_one_that_stops_its_attack(books: Books, forger: Forger):
    """With any one of them gone its attack goes through, or leaves the books wrong: none is there for show."""
    declared = {guard.name: table.name for table in TABLES.tables.values() for guard in facts_of(table).guards}
    by_guard = attacks(forger)
    assert set(by_guard) == set(declared)
    engine = open_owner_engine(books.desk.settings)
    try:
        for name, statements in by_guard.items():
            where = f" ON {declared[name]}" if engine.dialect.name == "postgresql" else ""
            with engine.connect() as connection:
                connection.exec_driver_sql(f"DROP TRIGGER {name}{where}")
                for statement in statements:
                    assert connection.exec_driver_sql(statement).rowcount == 1, name
                connection.rollback()
    finally:
        engine.dispose()
