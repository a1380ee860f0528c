"""The second factor: no session before the code, each code once, and what ends it."""

import json
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from finops_core import security
from finops_core.kernel.actor import Actor, Via, system_actor, worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.security import totp
from finops_core.security.models import recovery_code, second_factor, session
from tests.desks import issued_token
from tests.security.factors import App, Protected, at_the_door, begin, enter, inside, protected, set_up
from tests.security.town import PASSWORD, Town, bytes_at_rest, town

WRONG = "SIGN_IN_CODE_WRONG"


@pytest.fixture
def ben(here: Town) -> Protected:
    here.person("ben", harbour="approver")
    return protected(here, "ben")


def code_of(call, *args: object, **named: object) -> str:
    with pytest.raises(FinOpsError) as refused:
        call(*args, **named)
    return refused.value.code


def refusal(outcome: object) -> str:
    assert isinstance(outcome, security.SignInRefused), outcome
    return outcome.code


def sessions(here: Town) -> int:
    with here.read(system_actor()) as reading:
        return int(reading.scalar(select(func.count()).select_from(session)) or 0)


def whys(here: Town) -> list[str]:
    """Why sign-ins were refused, oldest first."""
    return [json.loads(body)["detail"].get("why", "") for body in here.log("sign_in.refused")]


@pytest.mark.parametrize(("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_codes_are_those_of_the_standard(seconds: int, code: str):
    # RFC 6238, appendix B, the last six of its eight digits
    assert totp.code_at(b"12345678901234567890", seconds // totp.STEP_S) == code


def test_the_right_password_opens_nothing_until_the_code_is_right(here: Town, ben: Protected):
    before = sessions(here)

    wanted = at_the_door(here, "ben")

    assert sessions(here) == before
    assert repr(wanted).count("Proof") == 0
    assert here.refused("ben", "not the password").code == "SIGN_IN_WRONG", "a wrong one never hears of a code"
    entered = enter(here, wanted, ben.app.code())
    assert isinstance(entered, security.SignedIn)
    assert here.session(entered.session_id) is not None
    assert '"second_factor":"totp"' in here.log("session.opened")[-1]


@pytest.mark.parametrize(("steps", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_differ_by_one_step(here: Town, ben: Protected, steps: int, counts: bool):
    outcome = enter(here, at_the_door(here, "ben"), ben.app.code(steps))

    assert isinstance(outcome, security.SignedIn) is counts


def test_a_code_counts_once_and_no_earlier_one_after_it(here: Town, ben: Protected):
    code, earlier = ben.app.code(), ben.app.code(-1)
    assert isinstance(enter(here, at_the_door(here, "ben"), code), security.SignedIn)

    assert refusal(enter(here, at_the_door(here, "ben"), code)) == WRONG
    assert refusal(enter(here, at_the_door(here, "ben"), earlier)) == WRONG
    assert isinstance(enter(here, at_the_door(here, "ben"), ben.app.code(1)), security.SignedIn)
    assert whys(here) == ["used", "used"]


def test_the_code_that_confirmed_the_set_up_is_used_up(here: Town):
    here.person("ben", harbour="approver")
    app, _codes = set_up(here, inside(here, "ben"))

    assert refusal(enter(here, at_the_door(here, "ben"), app.code())) == WRONG


def test_the_same_code_sent_twice_at_once_opens_one_session(here: Town, ben: Protected):
    doors, code = [at_the_door(here, "ben") for _ in range(4)], ben.app.code()
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def try_it(wanted: security.CodeWanted) -> None:
        start.wait(10)
        outcomes.append(type(enter(here, wanted, code)).__name__)

    threads = [threading.Thread(target=try_it, args=(door,)) for door in doors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(outcomes) == ["SignInRefused"] * 3 + ["SignedIn"]


def test_the_database_alone_decides_between_two_who_do_not_wait_for_each_other(here: Town, ben: Protected):
    # The lock on the name would hide it: two units go straight to the code.
    from finops_core.security.second_factor import Spent, spend

    code, person_id = ben.app.code(), here.people["ben"]
    start = threading.Barrier(2)
    spent: list[str] = []

    def use() -> None:
        start.wait(10)
        with here.work(system_actor()) as work:
            spent.append(spend(work, person_id, code))

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(spent) == [Spent.TOTP, Spent.USED]


def test_wrong_codes_and_wrong_passwords_lock_together(here: Town, ben: Protected):
    wanted = at_the_door(here, "ben")
    for _ in range(3):
        assert refusal(enter(here, wanted, "000000")) == WRONG
    here.refused("ben", "not the password")
    at_the_door(here, "ben")  # the right password in between clears nothing
    assert refusal(enter(here, wanted, "abc")) == WRONG

    assert refusal(enter(here, wanted, ben.app.code())) == "SIGN_IN_LOCKED"
    assert here.refused("ben", PASSWORD).code == "SIGN_IN_LOCKED"


@pytest.mark.parametrize(
    "code", ["", "12345", "\uff11\uff12\uff13\uff14\uff15\uff16", "\ud800" * 6, "x" * 100_000, "0000 0000 0000 0000"]
)
def test_what_is_no_code_is_refused_like_a_wrong_one(here: Town, ben: Protected, code: str):
    assert refusal(enter(here, at_the_door(here, "ben"), code)) == WRONG


def test_a_code_may_be_typed_with_blanks(here: Town, ben: Protected):
    code = ben.app.code()

    assert isinstance(enter(here, at_the_door(here, "ben"), f" {code[:3]} {code[3:]} "), security.SignedIn)


def test_the_second_step_waits_five_minutes_and_not_for_somebody_who_has_changed(here: Town, ben: Protected):
    late, changed, gone = (at_the_door(here, "ben") for _ in range(3))
    here.wait(minutes=4)
    with here.work(here.system("harbour")) as work:
        security.set_active(work, here.people["ben"], active=False)
    assert refusal(enter(here, gone, ben.app.code())) == "SIGN_IN_TOO_LATE"
    with here.work(here.system("harbour")) as work:
        security.set_active(work, here.people["ben"], active=True)
        link = security.reset_link(work, here.people["ben"])
    here.wait(minutes=2)
    assert refusal(enter(here, late, ben.app.code())) == "SIGN_IN_TOO_LATE"
    with here.work(security.visitor()) as work:
        security.accept_reset(work, link, "a quite different sentence")
    assert refusal(enter(here, changed, ben.app.code())) == "SIGN_IN_TOO_LATE"


def test_each_recovery_code_opens_once(here: Town, ben: Protected):
    first, second = ben.codes[:2]
    assert len(set(ben.codes)) == 10

    assert isinstance(enter(here, at_the_door(here, "ben"), first.lower()), security.SignedIn)
    assert refusal(enter(here, at_the_door(here, "ben"), first)) == WRONG
    assert isinstance(enter(here, at_the_door(here, "ben"), second.replace("-", " ")), security.SignedIn)
    with here.read(inside_by(here, ben, ben.codes[2])) as reading:
        assert security.own_second_factor(reading).recovery_left == 7
    assert len(here.log("second_factor.recovery_used")) == 3
    assert whys(here) == ["used"]


def inside_by(here: Town, who: Protected, code: str) -> Actor:
    """The person in a session that a code has opened."""
    opened = enter(here, at_the_door(here, "ben"), code)
    assert isinstance(opened, security.SignedIn)
    found = here.session(opened.session_id)
    assert found is not None
    assert found.person_id == who.actor.id
    return found.actor()


def test_a_recovery_code_of_somebody_else_is_worth_nothing(here: Town, ben: Protected):
    here.person("cy", harbour="approver")
    protected(here, "cy")

    assert refusal(enter(here, at_the_door(here, "cy"), ben.codes[0])) == WRONG


def test_codes_made_anew_put_the_old_ones_out_of_use(here: Town, ben: Protected):
    with here.work(ben.actor) as work:
        fresh = security.renew_recovery_codes(work, ben.app.code())
    assert isinstance(fresh, tuple)

    assert refusal(enter(here, at_the_door(here, "ben"), ben.codes[0])) == WRONG
    assert isinstance(enter(here, at_the_door(here, "ben"), fresh[0]), security.SignedIn)
    with here.work(ben.actor) as work:
        assert refusal(security.renew_recovery_codes(work, "000000")) == WRONG


def test_secrets_lie_sealed_or_hashed_and_in_no_log(tmp_path):
    made = town(tmp_path, "")
    made.person("ben", harbour="approver")
    ben = protected(made, "ben")
    at_rest = b"".join(bytes_at_rest(tmp_path).values())
    made.units.database.close()

    plain = [ben.app.key.replace(" ", ""), *ben.codes, *(code.replace("-", "") for code in ben.codes)]
    assert [secret for secret in plain if secret.encode() in at_rest] == []
    assert [secret for secret in plain if secret in "".join(made.log())] == []


def test_a_secret_is_bound_to_its_person(here: Town, ben: Protected):
    here.person("eve", harbour="approver")
    set_up(here, inside(here, "eve"))
    with here.work(system_actor()) as work:
        stolen = work.scalar(select(second_factor.c.secret).where(second_factor.c.person_id == here.people["eve"]))
        mine = second_factor.c.person_id == here.people["ben"]
        work.execute(second_factor.update().where(mine).values(secret=stolen))

    wanted = at_the_door(here, "ben")
    assert code_of(enter, here, wanted, ben.app.code()) == "SEAL_BROKEN"


def test_a_set_up_counts_only_once_a_code_has_confirmed_it_and_not_for_ever(here: Town):
    here.person("ben", harbour="approver")
    actor = inside(here, "ben")
    begin(here, actor)
    assert isinstance(here.sign_in("ben"), security.SignedIn)
    with here.work(actor) as work:
        assert code_of(security.confirm_second_factor, work, "000000") == "CODE_WRONG"
    here.wait(minutes=15)
    with here.work(actor) as work:
        assert code_of(security.confirm_second_factor, work, "000000") == "SECOND_FACTOR_LATE"
        assert security.enrolment(work) is None


def test_setting_one_up_needs_the_password_so_that_nobody_who_finds_a_page_open_does(here: Town):
    here.person("ben", harbour="approver")
    actor = inside(here, "ben")

    with here.work(actor) as work:
        without = security.begin_second_factor(work)
    wrong = begin(here, actor, "not it at all")

    assert without is not None
    assert wrong is not None
    assert (without.code, wrong.code) == ("PASSWORD_NEEDED", "PASSWORD_WRONG")
    with here.read(actor) as reading:
        assert security.enrolment(reading) is None
    assert begin(here, actor) is None


def test_setting_it_up_ends_the_sessions_that_never_gave_a_code_and_not_this_one(here: Town):
    here.person("ben", harbour="approver")
    other, actor = here.signed_in("ben").session_id, inside(here, "ben")

    set_up(here, actor)

    assert here.session(other) is None
    assert here.session(actor.session_id or "") is not None
    with here.work(actor) as work:
        assert code_of(security.begin_second_factor, work) == "SECOND_FACTOR_ON"
    for step in ("begun", "turned_on", "codes_made"):
        assert len(here.log(f"second_factor.{step}")) == 1


def test_turning_it_off_needs_the_password_and_a_code(here: Town, ben: Protected):
    def turn_off(password: str, code: str) -> object:
        with here.read(ben.actor) as reading:
            proof = security.prove_oneself(reading, password)
        with here.work(ben.actor) as work:
            return security.turn_off_second_factor(work, proof, code)

    assert refusal(turn_off("not the password", ben.app.code())) == "PASSWORD_WRONG"
    assert refusal(turn_off(PASSWORD, "000000")) == WRONG
    assert turn_off(PASSWORD, ben.app.code()) is None

    assert isinstance(here.sign_in("ben"), security.SignedIn)
    with here.read(system_actor()) as reading:
        assert reading.rows(select(recovery_code)) == []
    assert len(here.log("second_factor.turned_off")) == 1


def test_somebody_elses_proof_turns_nothing_off(here: Town, ben: Protected):
    here.person("eve", harbour="approver")
    with here.read(inside(here, "eve")) as reading:
        proof = security.prove_oneself(reading, PASSWORD)
    with here.work(ben.actor) as work:
        assert refusal(security.turn_off_second_factor(work, proof, ben.app.code())) == "PASSWORD_WRONG"


def test_an_administrator_resets_a_colleagues_and_never_their_own(here: Town, ben: Protected):
    here.person("olga", harbour="administrator")
    olga = protected(here, "olga")
    with here.work(olga.actor) as work:
        assert code_of(security.reset_second_factor, work, here.people["olga"]) == "RESET_OWN"
        security.reset_second_factor(work, here.people["ben"])
        assert code_of(security.reset_second_factor, work, here.people["ben"]) == "SECOND_FACTOR_OFF"

    assert here.session(ben.actor.session_id or "") is None
    assert isinstance(here.sign_in("ben"), security.SignedIn)
    assert here.people["olga"] in here.log("second_factor.reset")[0]


def test_nobody_sets_up_anything_for_somebody_or_through_anything_but_their_own_session(here: Town, ben: Protected):
    strangers = [
        system_actor(),
        here.actor("ben"),
        Actor(here.people["ben"], here.orgs["harbour"], Via.API, session_id=ben.actor.session_id),
        Actor(here.people["ben"], here.orgs["harbour"], Via.PAGE, session_id="session_of_somebody"),
    ]
    for stranger in strangers:
        with here.work(stranger) as work:
            codes = {
                code_of(security.begin_second_factor, work),
                code_of(security.enrolment, work),
                code_of(security.own_second_factor, work),
                code_of(security.confirm_second_factor, work, "000000"),
                code_of(security.renew_recovery_codes, work, "000000"),
                code_of(security.profile, work),
                code_of(security.change_profile, work, "Ben", ""),
                code_of(security.sign_out_others, work),
            }
        assert codes <= {"NOT_ALLOWED", "SESSION_ENDED"}


class TestADemandedSecondFactor:
    """``TIEOUT_SECOND_FACTOR_ROLES``."""

    @pytest.fixture
    def strict(self, here: Town) -> Town:
        settings = here.settings.model_copy(update={"second_factor_roles": "approver, executive"})
        object.__setattr__(here.units.ports, "settings", settings)
        return here

    def test_who_holds_the_role_may_do_nothing_without_one(self, strict: Town):
        strict.person("ben", harbour="approver preparer", norrland="auditor")
        strict.person("ana", harbour="preparer")
        actor = inside(strict, "ben")

        seen = strict.session(actor.session_id or "")
        assert seen is not None
        assert (seen.second_factor_due, seen.permissions) == (True, frozenset())
        assert strict.permissions(actor) == strict.permissions(strict.actor("ben", "norrland")) == frozenset()
        assert strict.permissions(strict.actor("ana"))

    def test_a_token_is_no_way_around_it_and_what_the_worker_does_for_them_goes_on(self, strict: Town):
        demanding = strict.units.ports.settings
        object.__setattr__(strict.units.ports, "settings", strict.settings)
        ben = strict.person("ben", harbour="approver")
        with strict.work(inside(strict, "ben")) as work:
            issued = issued_token(work, "ben", PASSWORD, ["approve"], work.now + timedelta(days=1))
        object.__setattr__(strict.units.ports, "settings", demanding)

        with strict.read(security.visitor(Via.API)) as reading:
            assert isinstance(security.token_session(reading, issued.secret), security.TokenRefused)
        through = Actor(ben, strict.orgs["harbour"], Via.API, token_id=issued.token.id)
        assert strict.permissions(through) == frozenset()
        assert "approvals.decide" in strict.permissions(worker_actor(strict.orgs["harbour"], ben))

    def test_setting_one_up_opens_everything(self, strict: Town):
        strict.person("ben", harbour="approver")
        actor = inside(strict, "ben")

        set_up(strict, actor)

        seen = strict.session(actor.session_id or "")
        assert seen is not None
        assert not seen.second_factor_due
        assert "approvals.decide" in strict.permissions(actor)

    def test_a_role_that_does_not_exist_is_told_at_the_start(self, here: Town):
        settings = here.settings.model_copy(update={"second_factor_roles": "aprover"})
        object.__setattr__(here.units.ports, "settings", settings)

        with here.work(system_actor()) as work:
            assert code_of(security.ensure_roles, work) == "ROLE_UNKNOWN"


def test_app_of_a_factor_never_shows_in_a_repr(here: Town):
    here.person("ben", harbour="approver")
    actor = inside(here, "ben")
    begin(here, actor)
    with here.read(actor) as reading:
        given = security.enrolment(reading)

    assert given is not None
    assert repr(given) == "Enrolment()"
    assert given.address.startswith("otpauth://totp/Tieout:ben?")
    assert App(here, given.key).code().isdigit()
