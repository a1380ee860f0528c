"""Nobody takes money out before it is known who they are: what is noted of an identity, and what it opens."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from finops_core import audit, ledger, parties
from finops_core.audit import AuditFilter
from finops_core.kernel.actor import Actor
from finops_core.kernel.clock import ManualClock
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.ledger import EntryType, PendingMove, Terms
from finops_core.parties import IdentityCheck, IdentityLevel, IdentityStatus, PartyFilter, PartyKind
from tests.desks import START, AreaDesk, area_desk, person_actor
from tests.parties.conftest import Office
from tests.tampering import tamper

TODAY = START.date()
SEEN = "passport, copy in folder 12"
LEAVES = pytest.mark.parametrize("type_", [EntryType.WITHDRAWAL, EntryType.PAYOUT, EntryType.REFUND])


@dataclass
class Counter:
    """One clerk, one party and its wallet with 10.00 USD in it."""

    desk: AreaDesk
    clerk: Actor
    party: str
    wallet: str

    def note(self, status: IdentityStatus = IdentityStatus.VERIFIED, days: int = 30, **more: object) -> str:
        failed = status is IdentityStatus.FAILED
        last_day = None if failed else self.now().date() + timedelta(days=days)
        check = IdentityCheck(status, evidence=SEEN, expires_on=last_day, reason="a copy" if failed else "", **more)
        with self.desk.work(self.clerk) as work:
            return parties.note_identity(work, self.party, check)

    def withdraw(self, terms: Terms | None = None, wallet: str = "") -> str:
        """The entry's id, or the code of the refusal."""
        try:
            with self.desk.work(self.clerk) as work:
                return ledger.withdraw(work, wallet or self.wallet, Money(100, "USD"), terms or Terms()).id
        except FinOpsError as error:
            return error.code

    def now(self) -> datetime:
        return self.desk.clock.now()


@pytest.fixture
def counter(tmp_path: Path, database_url: str) -> Iterator[Counter]:
    desk = area_desk(tmp_path, database_url, ledger_withdraw_needs_kyc=True)
    clerk = person_actor("person_clerk", desk.org())
    with desk.work(clerk) as work:
        party_id = parties.add_party(work, PartyKind.PERSON, "Ann Ström")
        wallet = ledger.open_wallet(work, party_id, "USD")
        ledger.deposit(work, wallet, Money(1_000, "USD"))
    yield Counter(desk, clerk, party_id, wallet)
    desk.units.database.close()


def test_money_goes_back_only_to_somebody_who_is_verified(counter: Counter):
    assert counter.withdraw() == "IDENTITY_UNVERIFIED"
    counter.note(IdentityStatus.FAILED)
    assert counter.withdraw() == "IDENTITY_UNVERIFIED"
    counter.note()
    assert counter.withdraw().startswith("je_")
    # The newest check counts, whatever an earlier one would have lasted.
    counter.note(IdentityStatus.FAILED)
    assert counter.withdraw() == "IDENTITY_UNVERIFIED"


def test_a_check_holds_until_its_last_day_has_passed(counter: Counter):
    counter.note(days=2)
    counter.desk.clock.advance(timedelta(days=2))
    assert counter.withdraw().startswith("je_")
    counter.desk.clock.advance(timedelta(days=1))

    assert counter.withdraw() == "IDENTITY_EXPIRED"
    # A day that has passed makes no check last longer; one that is ahead needs one that lasts until then.
    assert counter.withdraw(Terms(effective_on=TODAY)) == "IDENTITY_EXPIRED"
    counter.note(days=2)
    assert counter.withdraw(Terms(effective_on=counter.now().date() + timedelta(days=3))) == "IDENTITY_EXPIRED"
    assert counter.withdraw(Terms(effective_on=counter.now().date() + timedelta(days=2))).startswith("je_")


def test_the_last_day_is_one_of_the_organisation(counter: Counter):
    settings = counter.desk.settings
    assert tamper(settings, "UPDATE organisation SET zone = 'America/New_York'") == 1
    counter.note(days=0)
    counter.desk.clock.advance(datetime(2026, 11, 21, 4, 59, tzinfo=UTC) - counter.now())
    assert counter.withdraw().startswith("je_")
    counter.desk.clock.advance(timedelta(minutes=1))

    assert counter.withdraw() == "IDENTITY_EXPIRED"


def test_what_was_booked_under_a_key_is_told_again_whatever_is_known_since(counter: Counter):
    counter.note()
    terms = Terms(key="once")
    first = counter.withdraw(terms)
    counter.note(IdentityStatus.FAILED)

    assert counter.withdraw(terms) == first
    assert counter.withdraw(Terms(key="twice")) == "IDENTITY_UNVERIFIED"
    assert counter.withdraw(Terms(key="once", reason="another")) == "DUPLICATE_TRANSACTION"


def test_a_holder_who_is_no_party_is_not_verified(counter: Counter):
    with counter.desk.work(counter.clerk) as work:
        stranger = ledger.open_wallet(work, "party_somebody", "USD")
        ledger.deposit(work, stranger, Money(1_000, "USD"))

    assert counter.withdraw(wallet=stranger) == "IDENTITY_UNVERIFIED"


def test_what_stays_in_the_desk_asks_for_nobody(counter: Counter):
    with counter.desk.work(counter.clerk) as work:
        other = ledger.open_wallet(work, "party_other", "USD")
        for type_ in (EntryType.ESCROW_HOLD, EntryType.FEE, EntryType.TRANSFER, EntryType.REFUND):
            to = other if type_ in (EntryType.TRANSFER, EntryType.REFUND) else ""
            assert ledger.operate(work, type_, counter.wallet, Money(1, "USD"), to_wallet_id=to).id


@LEAVES
def test_whatever_leaves_the_desk_asks_and_a_refusal_books_nothing(counter: Counter, type_: EntryType):
    with pytest.raises(FinOpsError) as caught, counter.desk.work(counter.clerk) as work:
        ledger.operate(work, type_, counter.wallet, Money(1, "USD"))
    counter.note()
    with counter.desk.work(counter.clerk) as work:
        assert ledger.balance(work, counter.wallet) == Money(1_000, "USD")
        assert ledger.operate(work, type_, counter.wallet, Money(1, "USD")).id

    assert caught.value.code == "IDENTITY_UNVERIFIED"


@LEAVES
def test_what_leaves_in_two_steps_asks_when_it_begins_and_when_it_is_posted(counter: Counter, type_: EntryType):
    hour = timedelta(hours=1)
    move = PendingMove(type_, counter.wallet, Money(1, "USD"), hour)
    with pytest.raises(FinOpsError) as early, counter.desk.work(counter.clerk) as work:
        ledger.begin_pending(work, move)
    counter.note()
    with counter.desk.work(counter.clerk) as work:
        pending_id = ledger.begin_pending(work, move)
    counter.note(IdentityStatus.FAILED)
    with pytest.raises(FinOpsError) as late, counter.desk.work(counter.clerk) as work:
        ledger.post_pending(work, pending_id)

    assert [early.value.code, late.value.code] == ["IDENTITY_UNVERIFIED"] * 2
    with counter.desk.read(counter.clerk) as reading:
        assert ledger.pending_move(reading, pending_id).state == "pending"


def test_an_installation_may_do_without(tmp_path: Path):
    desk = area_desk(tmp_path, ledger_withdraw_needs_kyc=False)
    clerk = person_actor("person_clerk", desk.org())
    with desk.work(clerk) as work:
        wallet = ledger.open_wallet(work, "party_somebody", "USD")
        ledger.deposit(work, wallet, Money(100, "USD"))
        entry = ledger.withdraw(work, wallet, Money(100, "USD"))
    desk.units.database.close()

    assert entry.id
    assert type(desk.settings).model_fields["ledger_withdraw_needs_kyc"].default is True


def test_what_is_known_is_read_with_its_evidence_which_stands_nowhere_in_clear(counter: Counter):
    first, second = counter.note(IdentityStatus.FAILED), counter.note(level=IdentityLevel.ENHANCED)
    with counter.desk.read(counter.clerk) as reading:
        newest = parties.identity(reading, counter.party)
        every = parties.identities_of(reading, counter.party)
        verified = [parties.is_verified(reading, counter.party, TODAY + timedelta(days=ahead)) for ahead in (0, 30, 31)]
        log = repr(audit.records(reading, AuditFilter(), limit=100).rows)

    assert [each.id for each in every] == [second, first]
    assert newest == every[0]
    assert (newest.evidence, newest.level, newest.status) == (SEEN, "enhanced", "verified")
    assert verified == [True, True, False]
    assert "identity.verified" in log
    assert [word for word in (SEEN, "Ström", "a copy") if word in log] == []


def test_who_may_note_and_of_whom(counter: Counter):
    def code(act) -> str:
        with pytest.raises(FinOpsError) as caught, counter.desk.work(counter.clerk) as work:
            act(work)
        return caught.value.code

    good = IdentityCheck(IdentityStatus.VERIFIED, evidence=SEEN, expires_on=date(2027, 1, 1))
    assert code(lambda w: parties.note_identity(w, "party_none", good)) == "PARTY_UNKNOWN"
    assert code(lambda w: parties.note_identity(w, counter.party, IdentityCheck("verified"))) == "IDENTITY_BAD"
    named = IdentityCheck(IdentityStatus.VERIFIED, evidence=SEEN, expires_on=date(2027, 1, 1), file_id="file_none")
    assert code(lambda w: parties.note_identity(w, counter.party, named)) == "FILE_UNKNOWN"
    counter.desk.permissions[counter.clerk.id] = frozenset(Permission) - {Permission.PARTY_VERIFY}
    assert code(lambda w: parties.note_identity(w, counter.party, good)) == "NOT_ALLOWED"
    counter.desk.permissions[counter.clerk.id] = frozenset(Permission) - {Permission.PARTY_VIEW}
    for look in (parties.party, parties.details, parties.identity, parties.identities_of, parties.is_verified):
        assert code(lambda w, look=look: look(w, counter.party)) == "NOT_ALLOWED"
    assert code(parties.parties) == "NOT_ALLOWED"


def test_parties_are_found_by_their_names_and_pages_go_on(counter: Counter):
    with counter.desk.work(counter.clerk) as work:
        others = [parties.add_party(work, PartyKind.COMPANY, name) for name in ("Lumen & Co", "100% Wool", "Ströme AG")]
        own = parties.add_party(work, PartyKind.OWN, "Harbour Labs")
        parties.close_party(work, others[0], "merged")

    def found(**wanted: object) -> list[str]:
        with counter.desk.read(counter.clerk) as reading:
            return [each.name for each in parties.parties(reading, PartyFilter(**wanted))]

    assert found() == ["Ann Ström", "100% Wool", "Ströme AG", "Harbour Labs"]
    assert found(closed=True)[1] == "Lumen & Co"
    assert found(text="STRÖM") == ["Ann Ström", "Ströme AG"]
    assert found(text="%") == ["100% Wool"]
    assert found(kind="own") == ["Harbour Labs"]
    assert found(text=own) == ["Harbour Labs"]
    with counter.desk.read(counter.clerk) as reading:
        first = parties.parties(reading, limit=2)
        rest = parties.parties(reading, limit=2, after=first[-1].id)
        names = parties.names(reading, [own, "party_none"])
    assert [each.name for each in (*first, *rest)] == ["Ann Ström", "100% Wool", "Ströme AG", "Harbour Labs"]
    assert names == {own: "Harbour Labs"}


def test_a_new_name_is_found_and_the_old_one_stands_nowhere(counter: Counter):
    with counter.desk.work(counter.clerk) as work:
        parties.rename_party(work, counter.party, "Erased")
    with counter.desk.read(counter.clerk) as reading:
        seen = parties.party(reading, counter.party)
        old = parties.parties(reading, PartyFilter(text="Ström"))

    assert (seen.name, old) == ("Erased", ())


@pytest.mark.slow
def test_no_program_changes_or_removes_what_was_noted(office: Office):
    party_id = office.party("Checked")
    later = office.world.desk.ports.clock.now().date() + timedelta(days=9)
    check = IdentityCheck(IdentityStatus.VERIFIED, evidence=SEEN, expires_on=later)
    check_id = office.do("carla", lambda work: parties.note_identity(work, party_id, check))
    assert isinstance(office.world.desk.ports.clock, ManualClock)

    for statement in (
        "UPDATE party_identity SET expires_on = '2099-01-01' WHERE id = :id",
        "DELETE FROM party_identity WHERE id = :id",
    ):
        said = office.told_by_the_database(statement, id=check_id)
        assert "append-only" in said or "permission denied" in said
