"""Search: each thing is found by what people remember of it, and nobody finds what they may not see."""

import pytest

from finops_core import approvals, files, insight, ledger, operations, parties, payouts, security
from finops_core.insight import Found
from finops_core.kernel.actor import system_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.kernel.money import Money
from finops_core.parties import BankDetails, PartyKind
from tests.payouts.test_bank_transfers import TWO
from tests.world import World


@pytest.fixture
def world(both: World) -> World:
    """Every case on SQLite and on PostgreSQL, which compare text, numbers and case each in their own way."""
    return both


GROUPS = ("executions", "payouts", "requests", "files", "entries", "parties", "records")


def found(world: World, who: str, typed: str, org: str = "harbour") -> Found:
    with world.desk.read(world.actor(who, org)) as reading:
        return insight.search(reading, typed)


def numbers(found_: Found) -> list[str]:
    return [run.number for run in found_.executions]


def paid(world: World):
    """A batch that was sent, and its payout in dollars."""
    seen = world.approved("currency,maximum\nUSD,1234.56\nJPY,7000\n")
    world.work_off()
    with world.desk.read(world.actor("ana")) as reading:
        return seen, payouts.rows(reading, seen.id)[0]


def test_a_batch_is_found_by_its_number_its_id_its_amounts_its_account_and_its_file(world: World):
    # Given a batch that was paid, and another one
    seen, row = paid(world)
    other = world.planned("currency,maximum\nEUR,1.00\n")

    # When it is looked for by each thing somebody may remember
    by_file = found(world, "ana", "CURRENCIES.csv")
    asked = {
        typed: found(world, "ana", typed)
        for typed in (
            seen.number,
            seen.number.lower().replace("-", ""),
            seen.number.replace("-", " "),
            seen.id,
            "1,234.56",
            "USD 1234.56",
            "1 234.56",
            "1234,56",
            "1\u202f234,56 USD",
            "7000",
            seen.input_sha256[:12],
        )
    }

    # Then it is found, alone, and with its payouts where an amount or an id was given
    assert {typed: numbers(answer) for typed, answer in asked.items()} == {typed: [seen.number] for typed in asked}
    assert numbers(by_file) == [other.number, seen.number]
    assert [each.id for each in asked["1,234.56"].payouts] == [row.id]
    assert [each.id for each in found(world, "ana", row.id).payouts] == [row.id]
    assert [each.id for each in found(world, "ana", row.provider_id).payouts] == [row.id]
    assert row.id in [each.id for each in found(world, "ana", row.bank[-4:]).payouts]
    assert row.id in [each.id for each in found(world, "ana", row.bank.split()[0].upper()).payouts]
    assert [file.name for file in asked[seen.input_sha256[:12]].files] == ["currencies.csv"]


def test_an_amount_counts_in_the_decimals_of_its_currency(world: World):
    seen, _ = paid(world)

    assert numbers(found(world, "ana", "7,000 JPY")) == [seen.number]
    assert numbers(found(world, "ana", "70.00")) == []
    assert numbers(found(world, "ana", "bank")) == []
    assert numbers(found(world, "ana", "1234.56 EUR")) == []


def test_the_sum_of_a_plan_is_found_and_so_is_its_payee_before_anything_was_sent(world: World):
    # Given transfers to two payees that wait for approval
    seen = world.submitted(TWO, operation="payouts.bank_transfers")
    total = next(iter(seen.totals.items()))

    # Then their sum, one payee, the end of the account and a payment's reference lead there
    for typed in (f"{total[1] / 100:.2f} {total[0]}", "nordlicht", "2051", "INVOICE 77"):
        answer = found(world, "ben", typed)
        assert numbers(answer) == [seen.number], typed
        assert [request.subject_id for request in answer.requests] == [seen.id]


def test_a_request_is_found_by_its_number_and_a_person_by_name(world: World):
    # Given a request of Ana's
    seen = world.submitted("currency\nCHF\n")
    with world.desk.read(world.actor("ben")) as reading:
        request = approvals.of_subject(reading, "execution", seen.id)[0]

    # Then its number finds it, and her name finds what she asked for
    assert [each.number for each in found(world, "ben", request.number).requests] == [request.number]
    assert numbers(found(world, "carla", "ana brito")) == [seen.number]
    assert {record.actor for record in found(world, "carla", "brito").records} >= {world.people["ana"]}


def test_what_was_recorded_is_found_for_those_who_may_read_the_log(world: World):
    seen, _ = paid(world)

    verbs = {record.verb for record in found(world, "eva", seen.number).records}
    typed = found(world, "eva", f"execution:{seen.id}").records
    by_verb = found(world, "eva", "execution.drafted").records

    assert verbs
    assert {record.object for record in typed} == {f"execution:{seen.id}"}
    assert [record.object for record in by_verb] == [f"execution:{seen.id}"]
    assert found(world, "ana", seen.number).records == ()


def test_a_person_who_sees_only_their_own_finds_only_their_own(world: World):
    # Given a run of Ana's that was never put up for approval
    seen = world.planned("currency,maximum\nUSD,77.77\n")

    # Then Ana finds it; the approver, who was not asked, finds nothing of it however they ask
    for typed in (seen.number, seen.id, "77.77", "currencies.csv", seen.input_sha256, "ana"):
        assert seen.number in numbers(found(world, "ana", typed)), typed
        answer = found(world, "ben", typed)
        assert {group: getattr(answer, group) for group in GROUPS} == dict.fromkeys(GROUPS, ()), typed


def test_another_preparer_finds_nothing_of_a_batch_that_was_asked_for_and_paid(world: World):
    seen, row = paid(world)
    with world.desk.work(system_actor(world.orgs["harbour"])) as work:
        world.people["cem"] = security.add_person(work, "cem", "Cem Aydin", "", "a-long-password-9")
        security.grant_role(work, world.people["cem"], "preparer", work.org_id)
        (request,) = approvals.of_subject(work, "execution", seen.id)

    for typed in (seen.number, seen.id, "1234.56", row.id, row.provider_id, row.bank[-4:], request.number, request.id):
        assert found(world, "ana", typed).total, typed
        answer = found(world, "cem", typed)
        assert {group: getattr(answer, group) for group in GROUPS} == dict.fromkeys(GROUPS, ()), typed


def test_nothing_of_another_organisation_is_found(world: World):
    # Given the same person at work in both organisations
    seen, row = paid(world)
    norrland = world.submitted("currency\nSEK\n", org="norrland")

    # When they look from the other one
    for typed in (seen.id, "1234.56", row.id, row.provider_id, "7000", row.bank[-4:], seen.input_sha256):
        answer = found(world, "eva", typed, "norrland")
        assert {group: getattr(answer, group) for group in GROUPS} == dict.fromkeys(GROUPS, ()), typed

    # Then only what is that organisation's own is there, under the same number too
    assert [run.id for run in found(world, "eva", norrland.number, "norrland").executions] == [norrland.id]
    assert {run.id for run in found(world, "eva", "currencies", "norrland").executions} == {norrland.id}


def test_more_than_is_shown_is_told_and_the_newest_come_first(world: World):
    made = [world.planned(f"currency,maximum\nUSD,5{index}.00\n") for index in range(7)]

    answer = found(world, "ana", "currencies.csv")

    assert numbers(answer) == [run.number for run in reversed(made)][:6]
    assert answer.more == {"executions", "files"}
    assert answer.total == 12


@pytest.mark.parametrize("typed", ["", " ", "x", "%", "_", "100%_", "'; --", "\\", "\x00", "⛄⛄", "x" * 500])
def test_strange_words_find_nothing_and_break_nothing(world: World, typed: str):
    world.planned("currency,maximum\nUSD,1.00\n")

    assert found(world, "carla", typed).total == 0


def test_search_needs_a_role(world: World):
    with pytest.raises(NotAllowed), world.desk.read(world.actor("ben", "norrland")) as reading:
        insight.search(reading, "EX-2026-0001")


def test_every_group_is_what_its_own_page_would_show(world: World):
    paid(world)
    with world.desk.read(world.actor("eva")) as reading:
        answer = insight.search(reading, "currencies")
        run, file = answer.executions[0], answer.files[0]

        assert run == operations.execution(reading, run.id)
        assert file in files.of(reading, "execution", run.id)


def test_an_entry_is_found_by_its_number_by_those_who_see_the_ledger(world: World):
    # Given an entry with a number
    with world.desk.work(world.actor("ana")) as work:
        wallet = ledger.open_wallet(work, "party_lumen", "USD")
        entry = ledger.deposit(work, wallet, Money(1_000, "USD"))
    world.run_job("ledger.number")

    # When people look for it
    asked = {typed: found(world, "carla", typed) for typed in ("JE-2026-0001", "je-2026-1", "2026-0001", entry.id)}

    # Then those who see the ledger find it with what the log has of it, and nobody else does
    assert {typed: [each.id for each in answer.entries] for typed, answer in asked.items()} == {
        typed: [entry.id] for typed in asked
    }
    assert [record.verb for record in asked["JE-2026-0001"].records] == ["ledger.posted"]
    assert found(world, "ben", "JE-2026-0001").total == 0
    assert found(world, "carla", "JE-2026-0001", "norrland").entries == ()


def test_a_party_is_found_by_its_name_its_id_and_the_end_of_its_account_by_those_who_see_parties(world: World):
    # Given a company with bank details, and one that is closed
    with world.desk.work(world.actor("ana")) as work:
        lumen = parties.add_party(work, PartyKind.COMPANY, "Straße & Lumen GmbH")
        details = BankDetails("Lumen GmbH", "DE89370400440532013000")
        parties.propose_details(work, lumen, details, "their letter, called back")
        other = parties.add_party(work, PartyKind.PERSON, "Lumen Solberg")
        parties.close_party(work, other, "moved away")

    # When people look for them
    names = {typed: found(world, "ana", typed) for typed in ("lumen", "STRASSE &", lumen, "•••• 3000", "%")}

    # Then they are found, the newest first, with what the log has of them; by nobody who may not see parties
    assert {typed: [party.id for party in answer.parties] for typed, answer in names.items()} == {
        "lumen": [other, lumen],
        "STRASSE &": [lumen],
        lumen: [lumen],
        "•••• 3000": [lumen],
        "%": [],
    }
    assert {record.verb for record in found(world, "eva", lumen).records} == {"party.added"}
    for typed in names:
        assert found(world, "adam", typed).parties == ()
        assert found(world, "eva", typed, "norrland").parties == ()
