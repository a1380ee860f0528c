"""What people change about themselves, through their own living session alone."""

import pytest
from sqlalchemy import select

from finops_core import security
from finops_core.kernel.actor import system_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.security.models import person
from tests.security.factors import inside
from tests.security.town import PASSWORD, Town

NEW = "a quite different sentence"


def code_of(call, *args: object, **named: object) -> str:
    with pytest.raises(FinOpsError) as refused:
        call(*args, **named)
    return refused.value.code


def change(here: Town, actor, present: str, new: str = NEW) -> security.SignInRefused | None:
    with here.read(actor) as reading:
        prepared = security.prepare_password(reading, present, new)
    with here.work(actor) as work:
        return security.change_password(work, prepared)


def test_a_profile_is_changed_and_the_log_says_what_and_not_to_what(here: Town):
    here.person("ana", harbour="preparer")
    actor = inside(here, "ana")

    with here.read(actor) as reading:
        proof = security.prove_oneself(reading, PASSWORD)
    with here.work(actor) as work:
        security.change_profile(work, "Ana Brito", "ana@example.org", "Europe/Berlin", "de_DE", proof=proof)
        security.change_profile(work, "Ana Brito", "ana@example.org", "Europe/Berlin", "de_DE")

    with here.read(actor) as reading:
        assert security.profile(reading) == security.ProfileView(
            "ana", "Ana Brito", "ana@example.org", "Europe/Berlin", "de_DE"
        )
    seen = here.session(actor.session_id or "")
    assert seen is not None
    assert (seen.zone, seen.locale, seen.display_name) == ("Europe/Berlin", "de_DE", "Ana Brito")
    (record,) = here.log("person.changed")
    assert '"changed":["display_name","email","zone","locale"]' in record
    assert "Brito" not in record


def test_another_mail_address_needs_the_password_and_the_rest_does_not(here: Town):
    here.person("ana", harbour="preparer")
    actor = inside(here, "ana")

    def change_to(email: str, *passwords: str) -> str:
        with here.read(actor) as reading:
            proof = security.prove_oneself(reading, *passwords) if passwords else None
        with here.work(actor) as work:
            refused = security.change_profile(work, "Ana B.", email, proof=proof)
        return refused.code if refused else ""

    assert change_to("eve@example.org") == "PASSWORD_NEEDED"
    assert change_to("eve@example.org", "not it") == "PASSWORD_WRONG"
    with here.read(actor) as reading:
        assert security.profile(reading).display_name == "Ana", "nothing of it was saved"
    assert change_to("ana@example.com") == ""
    assert change_to("ana@example.org", PASSWORD) == ""
    with here.read(actor) as reading:
        assert security.profile(reading).email == "ana@example.org"
    assert len(here.log("sign_in.refused")) == 1, "what was not typed was not guessed"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (("", ""), "NAME_BAD"),
        (("Ana", "nobody"), "EMAIL_BAD"),
        (("Ana", "", "Mars/Olympus"), "ZONE_UNKNOWN"),
        (("Ana", "", "../../etc/passwd"), "ZONE_UNKNOWN"),
        (("Ana", "", "", "<script>"), "LOCALE_BAD"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(embedded: Town, values: tuple[str, ...], code: str):
    embedded.person("ana", harbour="preparer")
    with embedded.work(inside(embedded, "ana")) as work:
        assert code_of(security.change_profile, work, *values) == code


def test_a_zone_can_be_given_back_to_the_organisation(embedded: Town):
    embedded.person("ana", harbour="preparer")
    actor = inside(embedded, "ana")
    with embedded.work(actor) as work:
        security.change_profile(work, "Ana", "ana@example.com", "Asia/Tokyo", "ja_JP")
        security.change_profile(work, "Ana", "ana@example.com")

    with embedded.read(system_actor()) as reading:
        row = reading.first(select(person.c.zone, person.c.locale))
    assert row is not None
    assert tuple(row) == (None, None)


def test_a_new_password_ends_what_the_old_one_opened_but_this_session(here: Town):
    ana = here.person("ana", harbour="preparer")
    other, actor = here.signed_in("ana").session_id, inside(here, "ana")
    with here.work(here.system("harbour")) as work:
        link = security.reset_link(work, ana)

    assert change(here, actor, PASSWORD) is None

    assert here.session(other) is None
    assert here.session(actor.session_id or "") is not None
    assert here.refused("ana", PASSWORD).code == "SIGN_IN_WRONG"
    assert isinstance(here.sign_in("ana", NEW), security.SignedIn)
    with here.work(security.visitor()) as work:
        assert code_of(security.accept_reset, work, link, "yet another sentence") == "LINK_NOT_VALID"
    assert len(here.log("password.changed")) == 1


def test_wrong_present_passwords_count_as_those_at_the_door(here: Town):
    here.person("ana", harbour="preparer")
    actor = inside(here, "ana")
    here.wait(seconds=1)

    refused = [change(here, actor, "not it") for _ in range(5)]

    assert {each.code for each in refused if each} == {"PASSWORD_WRONG"}
    locked = change(here, actor, PASSWORD)
    assert locked is not None
    assert locked.code == "SIGN_IN_LOCKED"
    assert here.refused("ana", address="198.51.100.1").code == "SIGN_IN_LOCKED"


def test_a_weak_new_password_is_refused_before_anything_is_counted(embedded: Town):
    embedded.person("ana", harbour="preparer")
    with embedded.read(inside(embedded, "ana")) as reading:
        assert code_of(security.prepare_password, reading, PASSWORD, "short") == "PASSWORD_WEAK"
        assert "sentence" not in repr(security.prepare_password(reading, PASSWORD, NEW))


def test_signing_out_elsewhere_leaves_this_session_and_other_people_alone(here: Town):
    here.person("ana", harbour="preparer")
    here.person("ben", harbour="preparer")
    others, bens = [here.signed_in("ana").session_id for _ in range(2)], here.signed_in("ben").session_id
    actor = inside(here, "ana")

    with here.work(actor) as work:
        assert security.sign_out_others(work) == 2

    assert [here.session(each) for each in others] == [None, None]
    assert here.session(bens) is not None
    assert here.session(actor.session_id or "") is not None
    (told,) = here.log("session.ended_others")
    assert '"sessions":2' in told


@pytest.mark.parametrize("ended", ["signed out", "deactivated", "expired"])
def test_once_the_session_is_over_nothing_of_ones_own_can_be_changed_from_a_page_still_open(here: Town, ended: str):
    ana = here.person("ana", harbour="preparer")
    actor = inside(here, "ana")
    with here.read(actor) as reading:
        prepared = security.prepare_password(reading, PASSWORD, NEW)
    if ended == "signed out":
        with here.work(actor) as work:
            security.sign_out(work, actor.session_id or "")
    elif ended == "deactivated":
        with here.work(here.system("harbour")) as work:
            security.set_active(work, ana, active=False)
    else:
        here.wait(seconds=here.settings.session_idle_s)

    with here.work(actor) as work:
        codes = {
            code_of(security.change_password, work, prepared),
            code_of(security.change_profile, work, "Eve", ""),
            code_of(security.begin_second_factor, work),
            code_of(security.sign_out_others, work),
        }

    assert codes == {"SESSION_ENDED"}
