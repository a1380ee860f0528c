"""Signing in: one answer to all wrong attempts, the same work for all, and a lock-out that ends by itself."""

import json
import threading
from datetime import datetime, timedelta
from itertools import pairwise

import bcrypt
import pytest
from sqlalchemy import func, select

from finops_core import security
from finops_core.kernel.actor import system_actor
from finops_core.security import passwords, rules
from finops_core.security.attempts import Proof
from finops_core.security.models import person, sign_in_attempt
from tests.security.town import ADDRESS, PASSWORD, Town

WRONG = "not the password at all"


def proof_of(here: Town, username: str, password: str, address: str = ADDRESS) -> Proof:
    with here.read(security.visitor()) as reading:
        return security.prove(reading, username, password, address)


def attempts(here: Town) -> list[str]:
    with here.read(system_actor()) as reading:
        return list(reading.execute(select(sign_in_attempt.c.outcome).order_by(sign_in_attempt.c.id)).scalars())


def test_the_right_password_opens_a_session(here: Town):
    here.person("ana", harbour="preparer", norrland="auditor")

    outcome = here.sign_in(" ANA ", PASSWORD)

    assert isinstance(outcome, security.SignedIn)
    assert outcome.person_id == here.people["ana"]
    assert outcome.org_id == here.orgs["harbour"]
    assert attempts(here) == ["succeeded"]
    assert len(here.log("session.opened")) == 1


def test_proving_and_admitting_in_one_unit_does_the_same(here: Town):
    here.person("ana", harbour="preparer")

    with here.work(security.visitor()) as work:
        right = security.sign_in(work, "ana", PASSWORD, ADDRESS)
        wrong = security.sign_in(work, "ana", WRONG)

    assert isinstance(right, security.SignedIn)
    assert isinstance(wrong, security.SignInRefused)


def test_every_wrong_attempt_gets_the_same_answer_and_is_kept(here: Town):
    here.person("ana", harbour="preparer")
    gone = here.person("gone", harbour="preparer")
    with here.work(here.system("harbour")) as work:
        security.set_active(work, gone, active=False)

    answers = [
        here.refused("ana", WRONG),
        here.refused("nobody", WRONG),
        here.refused("gone", PASSWORD),
        here.refused("ana", ""),
        here.refused("ana", PASSWORD + "x" * 80),
        here.refused("", ""),
        here.refused("ana\0", "\0"),
        here.refused("\ud800", "\ud800" * 20),
        here.refused("x" * 100_000, "y" * 100_000, "z" * 100_000),
    ]

    assert set(answers) == {answers[0]}
    assert answers[0].code == "SIGN_IN_WRONG"
    assert answers[0].retry_at is None
    assert attempts(here) == ["failed"] * len(answers)
    assert len(here.log("sign_in.refused")) == len(answers)


@pytest.mark.parametrize("rounds", [4, 5])
def test_names_that_do_not_exist_and_impossible_passwords_cost_the_same_work(embedded: Town, rounds: int):
    # Not by the clock: by the bcrypt cost that was really spent.
    settings = embedded.settings.model_copy(update={"bcrypt_rounds": rounds})
    object.__setattr__(embedded.units.ports, "settings", settings)
    embedded.person("ana", harbour="preparer")

    spent = [
        proof_of(embedded, "ana", PASSWORD).rounds,
        proof_of(embedded, "ana", WRONG).rounds,
        proof_of(embedded, "ana", "x" * 500).rounds,
        proof_of(embedded, "nobody", WRONG).rounds,
        proof_of(embedded, "not a name", WRONG).rounds,
        proof_of(embedded, "nobody", "x" * 500).rounds,
    ]

    assert spent == [rounds] * len(spent)


def test_the_dummy_is_a_hash_bcrypt_really_works_on():
    for rounds in (4, 6):
        dummy = passwords.dummy(rounds)
        assert bcrypt.hashpw(b"anything", dummy.encode()).decode()[:29] == dummy[:29]
        assert not bcrypt.checkpw(b"anything", dummy.encode())


def test_a_password_cut_to_what_bcrypt_reads_is_not_the_password(embedded: Town):
    # The stored hash is of 72 bytes; 73 with the same beginning must not open it.
    long = "correct horse battery staple " * 2 + "fourteen bytes"
    stored = passwords.hashed(long.encode(), 4)

    assert passwords.compare(long, stored, 4).right
    assert not passwords.compare(long + "!", stored, 4).right
    assert not passwords.compare("x" * 73, passwords.hashed(b"too long", 4), 4).right


def test_a_password_typed_in_another_unicode_form_is_the_same(embedded: Town):
    composed, decomposed = "crème brûlée forever", "cre\u0300me bru\u0302le\u0301e forever"

    assert passwords.compare(decomposed, passwords.hashed(rules.checked_password(composed, ""), 4), 4).right


def test_five_failures_lock_the_name_even_for_the_right_password(here: Town):
    here.person("ana", harbour="preparer")
    for _ in range(5):
        assert here.refused("ana", WRONG).code == "SIGN_IN_WRONG"

    wrong, right = here.refused("ana", WRONG), here.refused("ana", PASSWORD)

    assert wrong == right
    assert right.code == "SIGN_IN_LOCKED"
    assert right.hint == "Try again in 15 minutes."
    assert right.retry_at is not None
    assert (right.retry_at - here.clock.now()).total_seconds() == 900


def test_names_that_do_not_exist_are_locked_in_the_same_way(here: Town):
    here.person("ana", harbour="preparer")
    answers = {name: [here.refused(name, WRONG, "") for _ in range(7)] for name in ("ana", "nobody", "no such name")}

    assert answers["ana"] == answers["nobody"] == answers["no such name"]
    assert answers["ana"][-1].code == "SIGN_IN_LOCKED"


def test_the_lock_ends_by_itself_although_somebody_keeps_trying(here: Town):
    here.person("ana", harbour="preparer")
    for _ in range(5):
        here.refused("ana", WRONG)
    for _ in range(14):
        here.wait(minutes=1)
        assert here.refused("ana", WRONG).code == "SIGN_IN_LOCKED"

    here.wait(minutes=1)

    assert isinstance(here.sign_in("ana"), security.SignedIn)


def test_only_failures_inside_the_window_count(here: Town):
    here.person("ana", harbour="preparer")
    for _ in range(4):
        here.refused("ana", WRONG)
    here.wait(minutes=15)
    for _ in range(4):
        assert here.refused("ana", WRONG).code == "SIGN_IN_WRONG"

    assert isinstance(here.sign_in("ana"), security.SignedIn)


def test_a_success_clears_the_name_but_not_the_address(here: Town):
    here.person("ana", harbour="preparer")
    for _ in range(12):
        for _ in range(4):
            here.refused("ana", WRONG)
        here.signed_in("ana")
        here.wait(seconds=1)
    here.refused("ana", WRONG)
    here.refused("ana", WRONG)

    assert here.refused("ana").code == "SIGN_IN_LOCKED"
    assert isinstance(here.sign_in("ana", address="198.51.100.1"), security.SignedIn)


def test_an_address_that_guesses_many_names_is_locked_for_all_of_them(here: Town):
    here.person("ana", harbour="preparer")
    for number in range(here.settings.lockout_address_attempts):
        here.refused(f"name{number}", WRONG)

    assert here.refused("ana").code == "SIGN_IN_LOCKED"
    assert isinstance(here.sign_in("ana", address="198.51.100.1"), security.SignedIn)


@pytest.mark.parametrize("proxy", ["10.0.0.5", "172.18.0.1", "fd00::7", "::ffff:192.168.1.1"])
def test_the_address_of_an_unnamed_proxy_is_never_locked(embedded: Town, proxy: str):
    embedded.person("ana", harbour="preparer")
    for number in range(embedded.settings.lockout_address_attempts + 1):
        embedded.refused(f"name{number}", WRONG, proxy)

    assert isinstance(embedded.sign_in("ana", address=proxy), security.SignedIn)


def test_once_proxies_are_named_theirs_alone_are_never_locked(embedded: Town):
    embedded.person("ana", harbour="preparer")
    settings = embedded.settings.model_copy(update={"trusted_proxies": "203.0.113.0/24"})
    object.__setattr__(embedded.units.ports, "settings", settings)
    for address in ("203.0.113.9", "10.0.0.5"):
        for number in range(settings.lockout_address_attempts):
            embedded.refused(f"name{number}{address}", WRONG, address)

    assert isinstance(embedded.sign_in("ana", address="203.0.113.9"), security.SignedIn)
    assert embedded.refused("ana", address="10.0.0.5").code == "SIGN_IN_LOCKED"


def test_somebody_who_keeps_guessing_does_not_keep_the_person_out_where_they_have_been_before(here: Town):
    # Given Ana, who has signed in from her address, and somebody elsewhere who locks her name
    here.person("ana", harbour="preparer")
    here.signed_in("ana")
    here.wait(hours=1)
    elsewhere = "198.51.100.1"
    for _ in range(5):
        here.refused("ana", WRONG, elsewhere)

    # Then the lock is for others, the right password or not, and not for her
    assert here.refused("ana", PASSWORD, elsewhere).code == "SIGN_IN_LOCKED"
    assert here.refused("ana", PASSWORD, "198.51.100.2").code == "SIGN_IN_LOCKED"
    here.signed_in("ana")
    # and at her address no more guesses are free than anywhere
    here.wait(hours=1)
    answers = [here.refused("ana", WRONG).code for _ in range(6)]
    assert answers == ["SIGN_IN_WRONG"] * 5 + ["SIGN_IN_LOCKED"]


def test_without_an_address_only_the_name_counts(embedded: Town):
    embedded.person("ana", harbour="preparer")
    for number in range(embedded.settings.lockout_address_attempts + 1):
        embedded.refused(f"name{number}", WRONG, "")

    assert isinstance(embedded.sign_in("ana", address=""), security.SignedIn)


def test_a_lock_spends_no_bcrypt_and_a_proof_of_a_locked_name_opens_nothing_later(here: Town):
    here.person("ana", harbour="preparer")
    for _ in range(5):
        here.refused("ana", WRONG)
    proof = proof_of(here, "ana", PASSWORD)
    here.wait(minutes=15)

    with here.work(security.visitor()) as work:
        outcome = security.admit(work, proof)

    assert proof.rounds == 0
    assert isinstance(outcome, security.SignInRefused)
    assert outcome.code == "SIGN_IN_LOCKED"


@pytest.mark.parametrize("locked", ["name", "address"])
def test_attempts_while_locked_are_counted_and_fill_neither_the_log_nor_the_table(here: Town, locked: str):
    # Given a lock
    here.person("ana", harbour="preparer")
    for number in range(5 if locked == "name" else here.settings.lockout_address_attempts):
        here.refused("ana" if locked == "name" else f"name{number}", WRONG)
    with here.read(security.visitor()) as reading:
        before = reading.scalar(select(func.count()).select_from(sign_in_attempt))
    logged = len(here.log("sign_in.refused"))

    # When somebody goes on, under any name where the address is locked
    for number in range(105):
        assert here.refused("ana" if locked == "name" else f"other{number}", WRONG).code == "SIGN_IN_LOCKED"

    # Then one row counts them, and the log tells of the first, the tenth and the hundredth
    with here.read(security.visitor()) as reading:
        assert reading.scalar(select(func.count()).select_from(sign_in_attempt)) == before + 1
    told = [json.loads(body)["detail"] for body in here.log("sign_in.refused")[logged:]]
    assert [(each["count"], each["lock"]) for each in told] == [(1, locked), (10, locked), (100, locked)]

    # and the next lock is counted anew
    here.wait(minutes=16)
    for _ in range(6):
        here.refused("ana", WRONG)
    assert json.loads(here.log("sign_in.refused")[-1])["detail"]["count"] == 1


def test_guesses_sent_all_at_once_get_no_more_tries(here: Town):
    here.person("ana", harbour="preparer")
    proofs = [proof_of(here, "ana", WRONG) for _ in range(9)] + [proof_of(here, "ana", PASSWORD)]
    start = threading.Barrier(9)
    answers: list[str] = []

    def admit(proof: Proof) -> None:
        start.wait(10)
        with here.work(security.visitor()) as work:
            outcome = security.admit(work, proof)
            assert isinstance(outcome, security.SignInRefused)
            answers.append(outcome.code)

    threads = [threading.Thread(target=admit, args=(proof,)) for proof in proofs[:9]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with here.work(security.visitor()) as work:
        last = security.admit(work, proofs[9])

    assert sorted(answers) == ["SIGN_IN_LOCKED"] * 4 + ["SIGN_IN_WRONG"] * 5
    assert isinstance(last, security.SignInRefused)
    assert last.code == "SIGN_IN_LOCKED"


def test_a_proof_does_not_outlive_a_new_password_a_deactivation_or_a_minute(here: Town):
    ana, ben = here.person("ana", harbour="preparer"), here.person("ben", harbour="preparer")
    here.person("cy", harbour="preparer")
    proofs = [proof_of(here, name, PASSWORD) for name in ("ana", "ben")]
    with here.work(here.system("harbour")) as work:
        work.execute(person.update().where(person.c.id == ana).values(password_hash=passwords.hashed(b"x" * 12, 4)))
        security.set_active(work, ben, active=False)
    proofs.append(proof_of(here, "cy", PASSWORD))
    with here.work(security.visitor()) as work:
        outcomes = [security.admit(work, proof) for proof in proofs[:2]]
    here.wait(seconds=61)
    with here.work(security.visitor()) as work:
        outcomes.append(security.admit(work, proofs[2]))

    assert [outcome.code for outcome in outcomes if isinstance(outcome, security.SignInRefused)] == [
        "SIGN_IN_WRONG"
    ] * 3


def test_somebody_without_any_role_is_told_so_and_gets_no_session(here: Town):
    here.person("ana")

    assert here.refused("ana").code == "SIGN_IN_NO_ROLE"
    assert here.refused("ana", WRONG).code == "SIGN_IN_WRONG"
    assert here.log("session.opened") == []


def test_names_typed_are_kept_as_marks_only(here: Town):
    # People type their password into the box of the name.
    here.refused("my-secret-password-42", WRONG)

    with here.read(system_actor()) as reading:
        row = reading.first(select(sign_in_attempt))

    assert row is not None
    assert "my-secret" not in str(tuple(row))
    assert len(row.name_mark) == 16


def test_neither_proof_nor_ticket_shows_in_a_repr(here: Town):
    here.person("ana", harbour="preparer")
    proof, signed = proof_of(here, "ana", PASSWORD), here.signed_in("ana")

    assert repr(proof) == "Proof()"
    assert signed.ticket not in repr(signed)


def test_in_any_stretch_of_the_window_there_are_no_more_tries_than_allowed(embedded: Town):
    embedded.person("ana", harbour="preparer")
    tries: list[datetime] = []
    for _ in range(40):
        embedded.wait(minutes=2)
        answer = embedded.refused("ana", WRONG)
        if answer.code == "SIGN_IN_WRONG":
            tries.append(embedded.clock.now())
        else:
            assert answer.retry_at == tries[-5] + timedelta(minutes=15)

    assert len(tries) > 5
    assert all(later - earlier >= timedelta(minutes=15) for earlier, later in zip(tries, tries[5:], strict=False))


def test_waiting_is_told_in_whole_minutes(embedded: Town):
    embedded.person("ana", harbour="preparer")
    for _ in range(5):
        embedded.refused("ana", WRONG)
    told = []
    for _ in range(4):
        told.append(embedded.refused("ana").hint)
        embedded.wait(seconds=290)

    assert told == [f"Try again in {wait}." for wait in ("15 minutes", "11 minutes", "6 minutes", "1 minute")]
    assert all(one != other for one, other in pairwise(told))
