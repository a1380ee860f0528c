"""What the database itself holds of the ledger, whatever program writes to it; each guard for both databases.

The order of writing is fixed: an entry's postings first, then the balances they lead to, its journal row last. That
row's guard adds the postings up, sees that the balances have followed, and seals them: no posting enters an entry that
has its row. A posting without one cannot be committed, by its foreign key, which waits until COMMIT.

Guards only refuse; they write nothing. With one gone, what the desk itself writes is as right as before.
"""

from finops_core.ledger.rules import ASIDE, ESSENTIAL, WALLET
from finops_core.platform.tables import Guard, refusing

MONEY_LOCK = 7204812
"""The advisory lock, one an organisation, that whatever moves money holds shared; whoever stops it, or locks a period,
holds it alone."""
NUMBER_LOCK = 7204813
"""The advisory lock, one an organisation, of whoever numbers its entries."""
ADJUST_LOCK = 7204814
"""The advisory lock, one a person in an organisation, of whoever adjusts alone."""


def _refuses(code: str, when: str, condition: str = "TRUE") -> Guard:
    """A guard that refuses a change, with ``code``, wherever the condition on OLD and NEW holds; ``lg_`` its name."""
    return refusing(f"lg_{code.lower()}", code, when, condition)


_POSTING_SQLITE = """
SELECT CASE
WHEN EXISTS (SELECT 1 FROM ledger_journal WHERE org_id = NEW.org_id AND id = NEW.journal_id)
THEN RAISE(ABORT, 'JOURNAL_SEALED')
WHEN a.id IS NULL THEN RAISE(ABORT, 'ACCOUNT_UNKNOWN')
WHEN a.currency <> NEW.currency THEN RAISE(ABORT, 'CURRENCY_MISMATCH')
WHEN a.state <> 'open' THEN RAISE(ABORT, 'ACCOUNT_NOT_OPEN')
WHEN EXISTS (SELECT 1 FROM ledger_period WHERE org_id = NEW.org_id AND locked_at IS NOT NULL
AND unlocked_at IS NULL AND NEW.effective_on BETWEEN from_on AND to_on)
THEN RAISE(ABORT, 'PERIOD_LOCKED')
WHEN NOT a.counted THEN CASE WHEN NEW.account_version IS NOT NULL OR NEW.balance_after_minor IS NOT NULL
THEN RAISE(ABORT, 'BALANCE_NOT_COUNTED') END
WHEN b.id IS NULL OR NEW.account_version IS NULL OR NEW.account_version < 1
OR (NEW.account_version > 1 AND p.line IS NULL)
OR NEW.balance_after_minor IS NOT COALESCE(p.balance_after_minor, 0) + NEW.amount_minor
THEN RAISE(ABORT, 'BALANCE_MOVED')
WHEN NEW.amount_minor < 0 AND NEW.balance_after_minor < a.min_minor THEN RAISE(ABORT, 'INSUFFICIENT_BALANCE')
END
FROM (SELECT 1) LEFT JOIN ledger_account a ON a.org_id = NEW.org_id AND a.id = NEW.account_id
LEFT JOIN ledger_balance b ON b.org_id = NEW.org_id AND b.id = NEW.account_id
LEFT JOIN ledger_posting p ON p.org_id = NEW.org_id AND p.account_id = NEW.account_id
AND p.account_version = NEW.account_version - 1;
"""
_POSTING_POSTGRES = f"""
DECLARE
  account record;
  before bigint := 0;
BEGIN
  -- Whoever locks a period waits for entries on their way, and they for the lock.
  PERFORM pg_advisory_xact_lock_shared({MONEY_LOCK}, hashtext(NEW.org_id));
  IF EXISTS (SELECT 1 FROM ledger_journal WHERE org_id = NEW.org_id AND id = NEW.journal_id) THEN
    RAISE EXCEPTION 'JOURNAL_SEALED';
  END IF;
  SELECT a.*, b.version INTO account FROM ledger_account a
    LEFT JOIN ledger_balance b ON b.org_id = a.org_id AND b.id = a.id
    WHERE a.org_id = NEW.org_id AND a.id = NEW.account_id;
  IF NOT FOUND THEN RAISE EXCEPTION 'ACCOUNT_UNKNOWN'; END IF;
  IF account.currency <> NEW.currency THEN RAISE EXCEPTION 'CURRENCY_MISMATCH'; END IF;
  IF account.state <> 'open' THEN RAISE EXCEPTION 'ACCOUNT_NOT_OPEN'; END IF;
  IF EXISTS (SELECT 1 FROM ledger_period WHERE org_id = NEW.org_id AND locked_at IS NOT NULL
      AND unlocked_at IS NULL AND NEW.effective_on BETWEEN from_on AND to_on) THEN
    RAISE EXCEPTION 'PERIOD_LOCKED';
  END IF;
  IF NOT account.counted THEN
    IF NEW.account_version IS NOT NULL OR NEW.balance_after_minor IS NOT NULL THEN
      RAISE EXCEPTION 'BALANCE_NOT_COUNTED';
    END IF;
    RETURN NEW;
  END IF;
  IF account.version IS NULL OR NEW.account_version IS NULL OR NEW.account_version < 1 THEN
    RAISE EXCEPTION 'BALANCE_MOVED';
  END IF;
  IF NEW.account_version > 1 THEN
    SELECT p.balance_after_minor INTO before FROM ledger_posting p
      WHERE p.org_id = NEW.org_id AND p.account_id = NEW.account_id AND p.account_version = NEW.account_version - 1;
    IF NOT FOUND THEN RAISE EXCEPTION 'BALANCE_MOVED'; END IF;
  END IF;
  IF NEW.balance_after_minor IS DISTINCT FROM before + NEW.amount_minor THEN RAISE EXCEPTION 'BALANCE_MOVED'; END IF;
  IF NEW.amount_minor < 0 AND NEW.balance_after_minor < account.min_minor THEN
    RAISE EXCEPTION 'INSUFFICIENT_BALANCE';
  END IF;
  RETURN NEW;
END
"""
POSTING_ENTERS = Guard("lg_posting_enters", "BEFORE INSERT", _POSTING_SQLITE, _POSTING_POSTGRES)

_ESSENTIAL = ", ".join(f"'{type_.value}'" for type_ in sorted(ESSENTIAL))
_STOPPED = f"""ledger_stop s WHERE s.org_id = NEW.org_id AND s.lifted_at IS NULL AND NEW.type <> 'JOURNAL'
AND (s.width = 'all' OR (s.width = 'non_essential' AND NEW.type NOT IN ({_ESSENTIAL}))
OR (s.width = 'type' AND s.subject = NEW.type)
OR (s.width = 'wallet' AND EXISTS (SELECT 1 FROM ledger_posting q JOIN ledger_account w
ON w.org_id = q.org_id AND w.id = q.account_id
WHERE q.org_id = NEW.org_id AND q.journal_id = NEW.id AND w.party_id = s.party_id AND w.currency = s.currency)))"""
_JOURNAL_SQLITE = f"""
SELECT RAISE(ABORT, 'MONEY_STOPPED') FROM {_STOPPED};
SELECT CASE WHEN COUNT(*) < 2 THEN RAISE(ABORT, 'ENTRY_ONE_LEGGED')
WHEN MIN(effective_on) <> NEW.effective_on OR MAX(effective_on) <> NEW.effective_on
THEN RAISE(ABORT, 'ENTRY_DATED_TWICE') END
FROM ledger_posting WHERE org_id = NEW.org_id AND journal_id = NEW.id;
SELECT RAISE(ABORT, 'ENTRY_UNBALANCED') FROM ledger_posting WHERE org_id = NEW.org_id AND journal_id = NEW.id
GROUP BY currency HAVING SUM(amount_minor) <> 0;
SELECT RAISE(ABORT, 'BALANCE_BEHIND') FROM ledger_posting p
JOIN ledger_balance b ON b.org_id = p.org_id AND b.id = p.account_id
WHERE p.org_id = NEW.org_id AND p.journal_id = NEW.id AND p.account_version > b.version;
"""
_JOURNAL_POSTGRES = f"""
DECLARE
  found record;
BEGIN
  IF EXISTS (SELECT 1 FROM {_STOPPED}) THEN RAISE EXCEPTION 'MONEY_STOPPED'; END IF;
  SELECT COUNT(*) AS many, MIN(effective_on) AS first_on, MAX(effective_on) AS last_on INTO found
    FROM ledger_posting WHERE org_id = NEW.org_id AND journal_id = NEW.id;
  IF found.many < 2 THEN RAISE EXCEPTION 'ENTRY_ONE_LEGGED'; END IF;
  IF found.first_on <> NEW.effective_on OR found.last_on <> NEW.effective_on THEN
    RAISE EXCEPTION 'ENTRY_DATED_TWICE';
  END IF;
  IF EXISTS (SELECT 1 FROM ledger_posting WHERE org_id = NEW.org_id AND journal_id = NEW.id
      GROUP BY currency HAVING SUM(amount_minor) <> 0) THEN
    RAISE EXCEPTION 'ENTRY_UNBALANCED';
  END IF;
  IF EXISTS (SELECT 1 FROM ledger_posting p JOIN ledger_balance b ON b.org_id = p.org_id AND b.id = p.account_id
      WHERE p.org_id = NEW.org_id AND p.journal_id = NEW.id AND p.account_version > b.version) THEN
    RAISE EXCEPTION 'BALANCE_BEHIND';
  END IF;
  RETURN NEW;
END
"""
JOURNAL_SEALS = Guard("lg_journal_seals", "BEFORE INSERT", _JOURNAL_SQLITE, _JOURNAL_POSTGRES)

# A balance may be written only as the newest posting of its account says it is.
_NOT_AS_POSTED = """(NEW.version = 0 AND NEW.posted_minor = 0 AND NOT EXISTS (SELECT 1 FROM ledger_posting p
WHERE p.org_id = NEW.org_id AND p.account_id = NEW.id))
OR (EXISTS (SELECT 1 FROM ledger_posting p WHERE p.org_id = NEW.org_id AND p.account_id = NEW.id
AND p.account_version = NEW.version AND p.balance_after_minor = NEW.posted_minor)
AND NOT EXISTS (SELECT 1 FROM ledger_posting p WHERE p.org_id = NEW.org_id AND p.account_id = NEW.id
AND p.account_version = NEW.version + 1))"""
_BALANCE_SQLITE = f"SELECT RAISE(ABORT, 'BALANCE_FROM_POSTINGS') WHERE NOT ({_NOT_AS_POSTED});"
_BALANCE_POSTGRES = f"""
BEGIN
  IF NOT ({_NOT_AS_POSTED}) THEN RAISE EXCEPTION 'BALANCE_FROM_POSTINGS'; END IF;
  RETURN NEW;
END
"""
_SAME_ACCOUNT = "NEW.org_id <> OLD.org_id OR NEW.id <> OLD.id"
BALANCE_BEGINS = Guard("lg_balance_begins", "BEFORE INSERT", _BALANCE_SQLITE, _BALANCE_POSTGRES)
BALANCE_FOLLOWS = Guard(
    "lg_balance_follows",
    "BEFORE UPDATE",
    f"SELECT RAISE(ABORT, 'BALANCE_STAYS') WHERE {_SAME_ACCOUNT}; {_BALANCE_SQLITE}",
    f"""
BEGIN
  IF {_SAME_ACCOUNT} THEN RAISE EXCEPTION 'BALANCE_STAYS'; END IF;
  IF NOT ({_NOT_AS_POSTED}) THEN RAISE EXCEPTION 'BALANCE_FROM_POSTINGS'; END IF;
  RETURN NEW;
END
""",
)
BALANCE_STAYS = _refuses("BALANCE_STAYS", "BEFORE DELETE")

_ACCOUNT_CHANGED = """NEW.org_id <> OLD.org_id OR NEW.id <> OLD.id OR NEW.chart_id <> OLD.chart_id
OR NEW.currency <> OLD.currency OR NEW.party_id <> OLD.party_id OR NEW.counted <> OLD.counted
OR NEW.purpose <> OLD.purpose OR NEW.min_minor IS DISTINCT FROM OLD.min_minor OR OLD.state = 'closed'"""
# What is a holder's can hold no less than nothing, whoever makes the account.
_OF_HOLDERS = ", ".join(f"'{purpose}'" for purpose in (WALLET, *ASIDE))
_UNLIMITED = f"NEW.purpose IN ({_OF_HOLDERS}) AND NOT (NEW.counted AND COALESCE(NEW.min_minor, -1) >= 0)"
ACCOUNT_BEGINS = _refuses("ACCOUNT_BEGINS", "BEFORE INSERT", _UNLIMITED)
ACCOUNT_KEEPS = _refuses("ACCOUNT_KEEPS", "BEFORE UPDATE", _ACCOUNT_CHANGED)
ACCOUNT_STAYS = _refuses("ACCOUNT_STAYS", "BEFORE DELETE")

_STOP_CHANGED = """OLD.lifted_at IS NOT NULL OR NEW.lifted_at IS NULL OR NEW.org_id <> OLD.org_id OR NEW.id <> OLD.id
OR NEW.width <> OLD.width OR NEW.subject <> OLD.subject OR NEW.party_id <> OLD.party_id OR NEW.reason <> OLD.reason
OR NEW.currency <> OLD.currency OR NEW.set_by <> OLD.set_by OR NEW.set_at <> OLD.set_at"""
STOP_WAITS = Guard(
    "lg_stop_waits",
    "BEFORE INSERT",
    "SELECT RAISE(ABORT, 'STOP_BEGINS') WHERE NEW.lifted_at IS NOT NULL;",
    f"""
BEGIN
  IF NEW.lifted_at IS NOT NULL THEN RAISE EXCEPTION 'STOP_BEGINS'; END IF;
  -- Entries on their way hold this lock shared until they end: none is sealed past a stop that was committed.
  PERFORM pg_advisory_xact_lock({MONEY_LOCK}, hashtext(NEW.org_id));
  RETURN NEW;
END
""",
)
STOP_KEEPS = _refuses("STOP_KEEPS", "BEFORE UPDATE", _STOP_CHANGED)
STOP_STAYS = _refuses("STOP_STAYS", "BEFORE DELETE")

_NO_LOCK = """NEW.locked_at IS NULL OR NEW.unlocked_at IS NOT NULL OR NEW.from_on > NEW.to_on
OR COALESCE(LENGTH(TRIM(NEW.reason)), 0) = 0"""
_OVERLAPPED = """ledger_period p WHERE p.org_id = NEW.org_id AND p.locked_at IS NOT NULL AND p.unlocked_at IS NULL
AND p.from_on <= NEW.to_on AND p.to_on >= NEW.from_on"""
_PERIOD_CHANGED = """OLD.unlocked_at IS NOT NULL OR NEW.unlocked_at IS NULL OR NEW.org_id <> OLD.org_id
OR NEW.id <> OLD.id OR NEW.from_on <> OLD.from_on OR NEW.to_on <> OLD.to_on OR NEW.reason <> OLD.reason
OR NEW.locked_by <> OLD.locked_by OR COALESCE(NEW.locked_at = OLD.locked_at, FALSE) = FALSE
OR COALESCE(LENGTH(TRIM(NEW.unlocked_reason)), 0) = 0"""
PERIOD_WAITS = Guard(
    "lg_period_waits",
    "BEFORE INSERT",
    f"SELECT RAISE(ABORT, 'PERIOD_BEGINS') WHERE {_NO_LOCK}; "
    f"SELECT RAISE(ABORT, 'PERIOD_OVERLAPS') FROM {_OVERLAPPED};",
    f"""
BEGIN
  IF {_NO_LOCK} THEN RAISE EXCEPTION 'PERIOD_BEGINS'; END IF;
  -- Entries on their way hold this lock shared until they end: none enters a period whose lock was committed.
  PERFORM pg_advisory_xact_lock({MONEY_LOCK}, hashtext(NEW.org_id));
  IF EXISTS (SELECT 1 FROM {_OVERLAPPED}) THEN RAISE EXCEPTION 'PERIOD_OVERLAPS'; END IF;
  RETURN NEW;
END
""",
)
PERIOD_KEEPS = _refuses("PERIOD_KEEPS", "BEFORE UPDATE", _PERIOD_CHANGED)
PERIOD_STAYS = _refuses("PERIOD_STAYS", "BEFORE DELETE")

_NUMBER_LEAVES_A_GAP = """NEW.n < 1 OR (NEW.n > 1 AND NOT EXISTS (SELECT 1 FROM ledger_number p
WHERE p.org_id = NEW.org_id AND p.year = NEW.year AND p.n = NEW.n - 1))"""
NUMBER_FOLLOWS = _refuses("NUMBER_FOLLOWS", "BEFORE INSERT", _NUMBER_LEAVES_A_GAP)

_ASKED = "org_id id wallet_id amount_minor currency reason effective_on about_kind about_id key content request_id"
_PROPOSAL_CHANGED = " OR ".join(f"NEW.{name} <> OLD.{name}" for name in (*_ASKED.split(), "proposed_by", "proposed_at"))
PROPOSAL_KEEPS = _refuses("PROPOSAL_KEEPS", "BEFORE UPDATE", f"OLD.state <> 'waiting' OR {_PROPOSAL_CHANGED}")
PROPOSAL_STAYS = _refuses("PROPOSAL_STAYS", "BEFORE DELETE")

_BEGUN = """org_id id type wallet_id to_wallet_id amount_minor currency reason source_kind source_id key content
begun_by begun_at expires_at held_entry"""
_PENDING_CHANGED = " OR ".join(f"NEW.{name} <> OLD.{name}" for name in _BEGUN.split())
PENDING_KEEPS = _refuses("PENDING_KEEPS", "BEFORE UPDATE", f"OLD.state <> 'pending' OR {_PENDING_CHANGED}")
PENDING_STAYS = _refuses("PENDING_STAYS", "BEFORE DELETE")
