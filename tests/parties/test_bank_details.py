"""Bank details: nobody changes them alone, nothing counts before its time, and no program passes either."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from functools import partial

import pytest
from sqlalchemy import select, text

from finops_core import approvals, audit, notifications, parties
from finops_core.approvals import Decision
from finops_core.audit import AuditFilter
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.parties import BankDetails, DetailsState, IdentityCheck, IdentityStatus, PartyKind, PartyState
from finops_core.parties.checks import CHECKS
from finops_core.parties.models import party_bank_detail
from finops_core.platform.db import open_owner_engine
from finops_core.platform.work import Work
from tests.parties.conftest import FIRST, HOURS, OTHER, WHY, Office
from tests.tampering import tamper

# Time for another thread to come as far as it can while a unit is open.
BEGUN_S = 0.7

pytestmark = pytest.mark.slow


def found(office: Office) -> list[str]:
    with office.world.desk.read(worker_actor(office.world.orgs["harbour"])) as reading:
        return [told for check in CHECKS for told in check.find(reading)]


def stored_text(office: Office) -> str:
    """Every row of bank details, of requests and of the log, as the database holds it."""
    with office.world.desk.read(worker_actor(office.world.orgs["harbour"])) as reading:
        rows = reading.rows(select(party_bank_detail).where(party_bank_detail.c.org_id == reading.org_id))
    told = [repr(tuple(row)) for row in rows]
    with office.world.desk.read(office.world.actor("eva")) as reading:
        told += [repr(each) for each in audit.records(reading, AuditFilter(), limit=1000).rows]
        told += [repr(each) for each in (*approvals.decided(reading, 500).rows, *approvals.waiting(reading))]
    return "\n".join(told)


def test_the_first_details_take_two_people_and_a_day(office: Office):
    lumen = office.party()
    first = office.propose(lumen)
    assert office.seen(lumen).details.current is None
    # The one who asked cannot agree, nor can somebody without the authority.
    for who in ("ana", "carla", "dan"):
        with pytest.raises(FinOpsError):
            office.decide(who, first)
    office.decide("ben", first)

    cooling = office.version(lumen, first)
    assert (cooling.state, cooling.last4, cooling.country) == (DetailsState.COOLING_OFF, "3000", "DE")
    assert cooling.counts_from == cooling.approved_at + timedelta(hours=HOURS)
    assert office.seen(lumen).details.current is None
    office.world.advance(timedelta(hours=HOURS) - timedelta(microseconds=1))
    assert office.version(lumen, first).state is DetailsState.COOLING_OFF
    office.world.advance(timedelta(microseconds=1))
    assert office.seen(lumen).details.current == office.version(lumen, first)
    assert found(office) == []


def test_what_counted_counts_on_until_the_change_has_cooled_off(office: Office):
    lumen = office.party()
    first = office.counting(lumen)
    second = office.agreed(lumen, OTHER)

    seen = office.seen(lumen).details
    assert (seen.current.id, seen.coming.id, seen.coming.replaces) == (first, second, first)
    office.world.advance(timedelta(hours=HOURS))
    states = {each.id: each.state for each in office.seen(lumen).details.versions}
    assert states == {first: DetailsState.REPLACED, second: DetailsState.CURRENT}


def test_anybody_who_may_change_details_stops_them_while_they_cool_off_and_who_asked_is_told(office: Office):
    lumen = office.party("Stopped in time")
    first = office.counting(lumen)
    second = office.agreed(lumen, OTHER)
    assert office.refused("ben", lambda work: parties.withdraw_details(work, second, WHY)) == "NOT_ALLOWED"
    assert office.refused("carla", lambda work: parties.withdraw_details(work, second, " ")) == "REASON_MISSING"
    office.do("carla", lambda work: parties.withdraw_details(work, second, "they never wrote that"))

    ended = office.version(lumen, second)
    assert (ended.state, ended.ended_reason) == (DetailsState.WITHDRAWN, "they never wrote that")
    office.world.advance(timedelta(days=3))
    assert office.seen(lumen).details.current.id == first
    assert office.refused("carla", lambda work: parties.withdraw_details(work, second, WHY)) == "DETAILS_SETTLED"
    assert office.refused("carla", lambda work: parties.withdraw_details(work, first, WHY)) == "DETAILS_SETTLED"
    with office.world.desk.read(office.world.actor("ana")) as reading:
        titles = [each.title for each in notifications.notices(reading).rows]
        assert approvals.standing_approval(reading, "bank_details", second, _content(office, second)) is None
    assert "Withdrawn: bank details of Stopped in time" in titles
    assert "Approved, cooling off: bank details of Stopped in time" in titles
    assert found(office) == []


def _content(office: Office, details_id: str) -> str:
    with office.world.desk.read(office.world.actor("eva")) as reading:
        return approvals.of_subject(reading, "bank_details", details_id)[0].content_hash


def test_nothing_counts_of_what_is_rejected_withdrawn_or_left_alone(office: Office):
    lumen = office.party()
    ids = [office.propose(lumen)]
    office.decide("ben", ids[0], Decision.REJECTED)
    ids.append(office.propose(lumen))
    with office.world.desk.work(office.world.actor("ana")) as work:
        approvals.withdraw(work, office_request(office, ids[1]))
    ids.append(office.propose(lumen))
    office.do("carla", lambda work: parties.withdraw_details(work, ids[2], WHY))
    ids.append(office.propose(lumen))
    office.world.advance(timedelta(days=2))
    with office.world.desk.work(worker_actor(office.world.orgs["harbour"])) as work:
        approvals.expire_due(work)

    states = [office.version(lumen, each).state.value for each in ids]
    assert states == ["rejected", "withdrawn", "withdrawn", "expired"]
    assert [office.version(lumen, each).ended_reason for each in ids] == ["as agreed", "", WHY, ""]
    assert office.seen(lumen).details.current is None
    assert [each.version for each in office.seen(lumen).details.versions] == [4, 3, 2, 1]


def office_request(office: Office, details_id: str) -> str:
    with office.world.desk.read(office.world.actor("ana")) as reading:
        return approvals.of_subject(reading, "bank_details", details_id)[0].id


def test_one_change_at_a_time_however_many_ask_at_once(office: Office):
    lumen = office.party()

    def ask(_: int) -> str:
        try:
            return office.propose(lumen)
        except FinOpsError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(ask, range(4)))

    assert told[:3] == ["DETAILS_PENDING"] * 3
    office.decide("ben", told[3])
    assert office.refused("ana", lambda work: parties.propose_details(work, lumen, OTHER, WHY)) == "DETAILS_PENDING"
    office.world.advance(timedelta(hours=HOURS))
    assert office.refused("ana", lambda work: parties.propose_details(work, lumen, FIRST, WHY)) == "DETAILS_SAME"


def test_who_may_do_what(office: Office):
    lumen = office.party()
    first = office.propose(lumen)

    def codes(act, people: str = "ana ben carla dan eva adam") -> dict[str, str]:
        told = {}
        for who in people.split():
            try:
                office.do(who, act)
            except FinOpsError as error:
                told[who] = error.code
        return told

    no = "NOT_ALLOWED"
    assert codes(lambda work: parties.party(work, lumen)) == {"adam": no}
    assert codes(lambda work: parties.add_party(work, PartyKind.OWN, "Us")) == dict.fromkeys(
        ("ben", "dan", "eva", "adam"), no
    )
    assert codes(lambda work: parties.reveal(work, first)) == dict.fromkeys(("ana", "dan", "eva", "adam"), no)
    other = office.party("Somebody else")
    proposing = codes(lambda work: parties.propose_details(work, other, FIRST, WHY), "ben dan eva adam")
    assert proposing == dict.fromkeys(("ben", "dan", "eva", "adam"), no)


def test_bad_details_are_told_all_at_once_and_no_number_is_repeated(office: Office):
    lumen = office.party()
    bad = BankDetails("", "DE89370400440532013001", "", "NONE", "x" * 21)
    with pytest.raises(FinOpsError) as caught:
        office.propose(lumen, bad)

    told = str(caught.value)
    assert caught.value.code == "BANK_DETAILS_BAD"
    parts = ("holder's name is missing", "check digits do not fit", "The BIC is not one", "bank code takes at most")
    assert [part for part in parts if part not in told] == []
    assert "370400440532" not in told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (BankDetails("L", "DE8937040044053201300"), "22 characters"),
        (BankDetails("L", "DE89370400440532013000", "GB"), "not one of GB"),
        (BankDetails("L", "DE89370400440532013000", "US", "", "021000021"), "is an IBAN of DE"),
        (BankDetails("L", "12345678", "US"), "Say which bank it is"),
        (BankDetails("L", "12345678"), "in which country"),
        (BankDetails("L", "12", "US", "", "021000021"), "4 to 34"),
        (BankDetails("L", "12345678", "ZZ", "", "021000021"), "no code such as"),
        (BankDetails("L", ""), "The account is missing"),
        (BankDetails("x" * 71, "12345678", "US", "", "021000021"), "at most 70"),
    ],
)
def test_what_is_no_account_is_refused(office: Office, given: BankDetails, said: str):
    lumen = office.party()
    with pytest.raises(FinOpsError) as caught:
        office.propose(lumen, given)

    assert caught.value.code == "BANK_DETAILS_BAD"
    assert said in caught.value.message


def test_an_account_without_an_iban_is_kept_with_its_bank(office: Office):
    lumen = office.party()
    details_id = office.propose(lumen, BankDetails("Lumen Inc", "0123-456 789012", "us", "", "021-000021"))

    opened = office.do("ben", lambda work: parties.reveal(work, details_id))
    assert opened == BankDetails("Lumen Inc", "0123456789012", "US", "", "021000021")
    assert office.version(lumen, details_id).last4 == "9012"


def test_the_account_is_sealed_and_who_looked_at_it_stands_in_the_log(office: Office):
    lumen = office.party("Only in its own row")
    details_id = office.counting(lumen)

    assert office.do("ben", lambda work: parties.reveal(work, details_id)).account == "DE89370400440532013000"
    told = stored_text(office)
    assert [secret for secret in ("370400440532", "COBADEFF") if secret in told] == []
    with office.world.desk.read(office.world.actor("eva")) as reading:
        log = audit.records(reading, AuditFilter(object=f"bank_details:{details_id}"), limit=9).rows
        every = repr(audit.records(reading, AuditFilter(), limit=1000).rows)
    assert sorted(each.verb for each in log) == [
        "bank_details.approved",
        "bank_details.proposed",
        "bank_details.revealed",
    ]
    assert "Only in its own row" not in every
    assert "Lumen Ltd" not in every


def test_the_approver_sees_what_changes_and_who_else_has_the_account(office: Office):
    lumen, twin = office.party(), office.party("Twin")
    account = BankDetails("Lumen", "FR1420041010050500013M02606")
    office.counting(lumen, account)
    details_id = office.propose(twin, OTHER)
    office.decide("ben", details_id)
    office.world.advance(timedelta(hours=HOURS))
    second = office.propose(twin, BankDetails("Twin", "FR14 2004 1010 0505 0001 3M02 606"))

    with office.world.desk.read(office.world.actor("ben")) as reading:
        request = approvals.of_subject(reading, "bank_details", second)[0]
        assert parties.same_account(reading, second) == (lumen,)
    shown = {name: request.summary[name] for name in ("name", "before", "last4", "also_at")}
    assert shown == {"name": "Twin", "before": "6819", "last4": "2606", "also_at": 1}
    assert parties.binds(request.summary, request.content_hash)


def test_no_program_changes_a_version_or_lets_one_count(office: Office):
    lumen = office.party()
    first, second = office.counting(lumen), office.agreed(lumen, OTHER)
    engine = "UPDATE party_bank_detail SET {} WHERE id = :id"
    for change in (
        "last4 = '0000'",
        "reason = 'x'",
        "content = 'x'",
        "version = 9",
        "country = 'FR'",
        "replaces = 'x'",
    ):
        assert "DETAILS_KEEP" in office.told_by_the_database(engine.format(change), id=first), change
    # Approved ones count when they do; one that counts is not withdrawn.
    early = "counts_from = approved_at"
    gone = "state = 'withdrawn', ended_at = counts_from"
    moved = "state = 'withdrawn', ended_at = proposed_at, counts_from = approved_at"
    waits = "state = 'waiting', approved_at = NULL"
    for details_id, change in ((second, early), (first, gone), (second, waits), (second, moved)):
        assert "DETAILS_KEEP" in office.told_by_the_database(engine.format(change), id=details_id), change
    assert "DETAILS_STAY" in office.told_by_the_database("DELETE FROM party_bank_detail WHERE id = :id", id=first)
    alone = office.propose(office.party("Alone"))
    approve = "state = 'approved', approved_at = proposed_at, counts_from = proposed_at"
    assert "DETAILS_AGREED" in office.told_by_the_database(engine.format(approve), id=alone)
    columns = ", ".join(column.name for column in party_bank_detail.c)
    given = columns.replace("id,", "'bank_x',", 2).replace("org_'bank_x'", "org_id", 1).replace("version", "9", 1)
    copied = f"INSERT INTO party_bank_detail ({columns}) SELECT {given} FROM party_bank_detail WHERE id = :id"
    assert "DETAILS_BEGIN" in office.told_by_the_database(copied, id=first)


def test_no_program_changes_what_a_party_is_or_removes_one(office: Office):
    lumen = office.party()
    office.do("ana", lambda work: parties.close_party(work, lumen, "gone"))
    for change in ("kind = 'own'", "state = 'open'", "created_by = 'x'"):
        said = office.told_by_the_database(f"UPDATE party SET {change} WHERE id = :id", id=lumen)
        assert "PARTY_KEEPS" in said, change
    assert "PARTY_STAYS" in office.told_by_the_database("DELETE FROM party WHERE id = :id", id=lumen)


def test_what_is_approved_is_what_was_proposed_or_nothing_counts(office: Office):
    settings = office.world.desk.settings
    changes = (
        "UPDATE party_bank_detail SET last4 = '0000' WHERE id = :id",
        (
            "UPDATE party_bank_detail SET sealed = (SELECT o.sealed FROM party_bank_detail o WHERE o.id = :other) "
            "WHERE id = :id"
        ),
    )
    other = office.propose(office.party("Other"), OTHER)
    for change in changes:
        party_id = office.party("Changed past the desk")
        details_id = office.propose(party_id)
        tamper(settings, change, id=details_id, **({"other": other} if ":other" in change else {}))
        office.world.desk.migrate()
        with pytest.raises(FinOpsError) as caught:
            office.decide("ben", details_id)
        assert caught.value.code in {"PROPOSAL_CHANGED", "SEAL_BROKEN"}
        assert office.seen(party_id).details.current is None


def test_what_the_approver_is_shown_is_what_is_bound(office: Office):
    details_id = office.propose(office.party("Shown otherwise"))
    with office.world.desk.read(office.world.actor("eva")) as reading:
        request = approvals.of_subject(reading, "bank_details", details_id)[0]
    shown = json.dumps({**request.summary, "last4": "0000"})
    tamper(
        office.world.desk.settings, "UPDATE approval_request SET summary = :to WHERE id = :id", to=shown, id=request.id
    )
    office.world.desk.migrate()
    with pytest.raises(FinOpsError) as caught:
        office.decide("ben", details_id)

    assert caught.value.code == "PROPOSAL_CHANGED"


def test_nothing_counts_of_somebody_who_may_not_change_details_any_more(office: Office):
    details_id = office.propose(office.party("Left"))
    to = {"to": office.world.people["dan"], "id": details_id}  # as if Dan had been a preparer then
    tamper(office.world.desk.settings, "UPDATE party_bank_detail SET proposed_by = :to WHERE id = :id", **to)
    office.world.desk.migrate()
    with pytest.raises(FinOpsError) as caught:
        office.decide("ben", details_id)

    assert caught.value.code == "PROPOSER_LEFT"


DAMAGE = (
    "UPDATE party_bank_detail SET last4 = '0000' WHERE id = :id",
    "UPDATE party_bank_detail SET request_id = 'ap_none' WHERE id = :id",
    (
        "UPDATE approval_decision SET content_hash = 'x' "
        "WHERE request_id = (SELECT request_id FROM party_bank_detail WHERE id = :id)"
    ),
    "DELETE FROM approval_decision WHERE request_id = (SELECT request_id FROM party_bank_detail WHERE id = :id)",
    (
        "UPDATE approval_request SET state = 'rejected' "
        "WHERE id = (SELECT request_id FROM party_bank_detail WHERE id = :id)"
    ),
    (
        "UPDATE party_bank_detail SET proposed_by = (SELECT person_id FROM approval_decision d "
        "WHERE d.request_id = party_bank_detail.request_id) WHERE id = :id"
    ),
)


@pytest.mark.parametrize("damage", DAMAGE)
def test_details_that_came_past_the_desk_are_found(office: Office, damage: str):
    details_id = office.counting(office.party("Damaged"))
    before = [told for told in found(office) if details_id in told]

    assert tamper(office.world.desk.settings, damage, foreign_keys=False, id=details_id)
    office.world.desk.migrate()

    assert before == []
    assert [told for told in found(office) if details_id in told]


def test_an_account_that_was_sealed_anew_past_the_desk_is_found(office: Office):
    """Whoever holds the database and the key can seal another account, but not have it agreed to."""
    details_id = office.counting(office.party("Sealed anew"))
    other = office.world.desk.ports.vault.seal(b"{}", f"party_bank_detail|sealed|{details_id}")
    assert [told for told in found(office) if details_id in told] == []

    tamper(
        office.world.desk.settings,
        "UPDATE party_bank_detail SET sealed = :other WHERE id = :id",
        other=other,
        id=details_id,
    )
    office.world.desk.migrate()

    assert [told for told in found(office) if details_id in told] == [
        f"Bank details {details_id} of {office.do('eva', lambda w: party_of(w, details_id))} are not what was agreed to"
    ]


def party_of(work: Work, details_id: str) -> str:
    return next(each.id for each in parties.parties(work) if details_id in {row.id for row in each.details.versions})


def test_nobody_proposes_for_a_party_that_was_closed_and_closing_stops_what_was_to_count(office: Office):
    lumen = office.party()
    first = office.counting(lumen)
    second = office.agreed(lumen, OTHER)
    office.do("ana", lambda work: parties.close_party(work, lumen, "merged with another"))

    assert office.version(lumen, second).state is DetailsState.WITHDRAWN
    assert office.seen(lumen).details.current.id == first
    for act in (
        lambda work: parties.propose_details(work, lumen, OTHER, WHY),
        lambda work: parties.rename_party(work, lumen, "Lumen again"),
        lambda work: parties.close_party(work, lumen, WHY),
    ):
        assert office.refused("ana", act) == "PARTY_CLOSED"


def test_closing_waits_for_what_is_being_proposed_and_leaves_nothing_that_waits_for_ever(office: Office):
    lumen = office.party()

    def close() -> str:
        """The code of its refusal, "" when it is closed."""
        try:
            office.do("carla", lambda work: parties.close_party(work, lumen, WHY))
        except FinOpsError as error:
            return error.code
        return ""

    with ThreadPoolExecutor(1) as pool, office.world.desk.work(office.world.actor("ana")) as work:
        parties.propose_details(work, lumen, FIRST, WHY)
        closing = pool.submit(close)
        time.sleep(BEGUN_S)
    # SQLite lets it begin only now; PostgreSQL had it look while nothing was to be seen yet.
    early = closing.result()
    assert early in {"", "DETAILS_PENDING"}
    assert not early or close() == ""
    assert office.seen(lumen).state is PartyState.CLOSED
    assert office.seen(lumen).details.coming is None


def test_what_waits_of_a_closed_party_ends_all_the_same(office: Office):
    lumen = office.party()
    waiting = office.propose(lumen)
    # As an earlier version of the desk could leave it.
    assert tamper(office.world.desk.settings, "UPDATE party SET state = 'closed' WHERE id = :id", id=lumen) == 1

    with pytest.raises(FinOpsError) as caught:
        office.decide("ben", waiting)
    assert caught.value.code == "PARTY_CLOSED"
    office.do("ana", lambda work: approvals.withdraw(work, approvals.of_subject(work, "bank_details", waiting)[0].id))
    assert office.version(lumen, waiting).state is DetailsState.WITHDRAWN


def test_who_stops_details_waits_for_who_decides_and_holds_nothing_that_they_need(office: Office):
    lumen = office.party()
    waiting = office.propose(lumen)
    only_postgres = office.world.desk.database.dialect == "postgresql"  # SQLite has one writer, who waits for nothing
    asked, held = ("approval_request WHERE subject_id = :id FOR UPDATE", "party WHERE id = :id FOR UPDATE NOWAIT")
    engine = open_owner_engine(office.world.desk.settings)

    with ThreadPoolExecutor(1) as pool, ExitStack() as deciding:
        if only_postgres:
            connection = deciding.enter_context(engine.begin())
            assert connection.execute(text(f"SELECT id FROM {asked}"), {"id": waiting}).scalar()
        stop = partial(office.do, "carla", lambda work: parties.withdraw_details(work, waiting, "a forged letter"))
        stopping = pool.submit(stop)
        if only_postgres:
            time.sleep(BEGUN_S)
            assert connection.execute(text(f"SELECT id FROM {held}"), {"id": lumen}).scalar() == lumen
            deciding.close()
        stopping.result()
    engine.dispose()

    assert office.version(lumen, waiting).state is DetailsState.WITHDRAWN


def test_evidence_that_cannot_be_opened_hides_no_party_and_stops_no_verb(office: Office):
    lumen = office.party()
    check = IdentityCheck(IdentityStatus.VERIFIED, evidence="passport", expires_on=date(2030, 1, 1))
    office.do("carla", lambda work: parties.note_identity(work, lumen, check))
    waiting = office.propose(lumen)
    broken = "UPDATE party_identity SET evidence = :broken WHERE party_id = :id"
    assert tamper(office.world.desk.settings, broken, broken=b"\x00", id=lumen) == 1

    assert office.seen(lumen).identity.status is IdentityStatus.VERIFIED
    assert office.seen(lumen).identity.evidence == "", "nobody asked for it"
    office.do("ana", lambda work: parties.withdraw_details(work, waiting, WHY))
    failed = IdentityCheck(IdentityStatus.FAILED, evidence="passport", reason="a copy")
    office.do("carla", lambda work: parties.note_identity(work, lumen, failed))

    assert office.seen(lumen).identity.status is IdentityStatus.FAILED
