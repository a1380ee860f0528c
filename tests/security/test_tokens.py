"""Personal API tokens: issued once, narrowed by scopes, ended by owner, by time and by what ends the person."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from finops_core import security
from finops_core.kernel.actor import Via, system_actor, worker_actor
from finops_core.kernel.errors import FinOpsError, NotAllowed
from finops_core.kernel.permissions import Permission
from finops_core.security import Scope, TokenRefused, TokenSession
from finops_core.security.models import membership
from finops_core.security.rules import SCOPES
from finops_core.security.tokens import TOKENS_MOST
from tests.desks import issued_token
from tests.security.town import PASSWORD, Town, bytes_at_rest


def issued(here: Town, who: str = "ana", scopes: str = "read run", days: int = 30) -> security.IssuedToken:
    with here.work(here.actor(who)) as work:
        end = work.now + timedelta(days=days)
        return issued_token(work, who, PASSWORD, scopes.split(), end, "Nightly run")


def at_the_door(here: Town, secret: str) -> TokenSession | TokenRefused:
    with here.read(security.visitor(Via.API)) as reading:
        return security.token_session(reading, secret)


def entered(here: Town, secret: str) -> TokenSession:
    found = at_the_door(here, secret)
    assert isinstance(found, TokenSession), found
    return found


def refused_code(here: Town, secret: str) -> str:
    with pytest.raises(NotAllowed) as refused:
        security.enter(here.units, secret, Via.API)
    return refused.value.code


@pytest.fixture
def ana(here: Town) -> Town:
    here.person("olga", harbour="administrator")
    here.person("ana", harbour="preparer", norrland="preparer")
    return here


def test_a_token_stands_for_its_person_in_its_organisation_within_its_scopes(ana: Town):
    token = issued(ana, scopes="read")

    found = entered(ana, token.secret)

    assert (found.actor.id, found.actor.org_id, found.actor.via) == (ana.people["ana"], ana.orgs["harbour"], Via.API)
    looks = {Permission.HOME_VIEW, Permission.EXECUTIONS_VIEW_OWN, Permission.LEDGER_VIEW, Permission.PARTY_VIEW}
    assert found.permissions == looks
    assert ana.permissions(found.actor) == found.permissions
    assert found.token == token.token


def test_what_a_token_may_do_is_narrowed_in_every_unit_not_only_at_the_door(ana: Town):
    actor = entered(ana, issued(ana, scopes="read").secret).actor

    with ana.work(actor) as work:
        with pytest.raises(NotAllowed) as refused:
            work.require(Permission.OPERATIONS_RUN)
        with pytest.raises(NotAllowed) as elsewhere:
            security.require_orgs(work, [ana.orgs["norrland"]])

    assert refused.value.code == "NOT_ALLOWED"
    assert "token" in refused.value.hint
    assert elsewhere.value.code == "ORGANISATION_NOT_ALLOWED"


def test_scopes_never_give_what_the_role_does_not(ana: Town):
    found = entered(ana, issued(ana, scopes="read run approve files").secret)

    assert Permission.APPROVALS_DECIDE not in found.permissions
    assert found.permissions <= ana.permissions(ana.actor("ana"))
    # Money of the ledger is moved, and parties are kept, by scopes of their own.
    own = {Permission.LEDGER_POST, Permission.PARTY_EDIT}
    assert found.permissions == ana.permissions(ana.actor("ana")) - own


def test_an_administrators_token_administers_nothing_but_schedules(ana: Town):
    found = entered(ana, issued(ana, "olga", scopes=" ".join(Scope)).secret)

    schedules = {Permission.SCHEDULES_ADMINISTER, Permission.HEALTH_VIEW}
    assert found.permissions == {Permission.HOME_VIEW, Permission.AUDIT_VIEW} | schedules
    assert schedules.isdisjoint(frozenset().union(*(SCOPES[each] for each in Scope if each is not Scope.SCHEDULES)))
    kept_back = frozenset(Permission) - frozenset().union(*SCOPES.values())
    assert {Permission.PEOPLE_ADMINISTER, Permission.CONNECTIONS_ADMINISTER, Permission.AUDIT_VERIFY} <= kept_back
    assert {Permission.OPERATIONS_ADMINISTER, Permission.WORKER_ACT, Permission.NEWS_TAKE} <= kept_back


def test_the_scopes_that_decide_give_nothing_of_those_that_settle_or_take_records():
    usual = frozenset().union(
        *(SCOPES[each] for each in Scope if each not in {Scope.SETTLE, Scope.AUDIT, Scope.LEDGER})
    )

    assert usual.isdisjoint({Permission.PAYOUTS_RESOLVE, Permission.AUDIT_VIEW, Permission.AUDIT_EXPORT})
    moving = {Permission.LEDGER_POST, Permission.LEDGER_ADJUST, Permission.LEDGER_STOP, Permission.LEDGER_LOCK}
    assert moving.isdisjoint(frozenset().union(*(SCOPES[each] for each in Scope if each is not Scope.LEDGER)))
    keeping = {Permission.PARTY_EDIT, Permission.PARTY_VERIFY}
    assert keeping.isdisjoint(frozenset().union(*(SCOPES[each] for each in Scope if each is not Scope.PARTIES)))


def test_no_token_shows_a_whole_account():
    assert Permission.PARTY_REVEAL not in frozenset().union(*SCOPES.values())


@pytest.mark.parametrize("scopes", [["run"], ["approve"], ["read", "approve"], ["ledger"], ["parties"], ["schedules"]])
def test_a_token_that_can_move_something_needs_the_password(embedded: Town, scopes: list[str]):
    embedded.person("ana", harbour="preparer")
    embedded.person("eve", harbour="preparer")

    def make(*proven: str) -> object:
        with embedded.work(embedded.actor("ana")) as work:
            proof = security.prove(work, *proven) if proven else None
            return security.issue_token(work, "x", scopes, work.now + timedelta(days=1), proof)

    refused = [make(), make("ana", "not it"), make("eve", PASSWORD)]

    assert [each.code for each in refused] == ["PASSWORD_NEEDED", "PASSWORD_WRONG", "PASSWORD_WRONG"]
    with embedded.read(embedded.actor("ana")) as reading:
        assert security.tokens_of(reading) == ()
    assert isinstance(make("ana", PASSWORD), security.IssuedToken)


@pytest.mark.parametrize("scopes", [["read"], ["files"], ["read", "files"]])
def test_a_token_that_only_reads_and_brings_files_needs_none(embedded: Town, scopes: list[str]):
    embedded.person("ana", harbour="preparer")

    with embedded.work(embedded.actor("ana")) as work:
        issued = security.issue_token(work, "x", scopes, work.now + timedelta(days=1))

    assert isinstance(issued, security.IssuedToken)


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "admin"]])
def test_a_token_without_known_scopes_is_not_made(embedded: Town, scopes: list[str]):
    embedded.person("ana", harbour="preparer")

    with embedded.work(embedded.actor("ana")) as work, pytest.raises(FinOpsError) as refused:
        security.issue_token(work, "x", scopes, work.now + timedelta(days=1))

    assert refused.value.code == "TOKEN_SCOPES_BAD"


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=-1), timedelta(days=366, seconds=1)])
def test_a_token_ends_within_a_year(embedded: Town, ahead: timedelta):
    embedded.person("ana", harbour="preparer")

    with embedded.work(embedded.actor("ana")) as work, pytest.raises(FinOpsError) as refused:
        security.issue_token(work, "x", ["read"], work.now + ahead)
    with embedded.work(embedded.actor("ana")) as work, pytest.raises(FinOpsError) as naive:
        security.issue_token(work, "x", ["read"], datetime(2026, 12, 1, tzinfo=UTC).replace(tzinfo=None))

    assert refused.value.code == naive.value.code == "TOKEN_EXPIRY_BAD"


def test_only_the_hash_of_the_secret_is_kept_and_nothing_shows_it(embedded: Town):
    embedded.person("ana", harbour="preparer")

    token = issued(embedded)
    entered(embedded, token.secret)

    assert token.secret.startswith("tieout_")
    assert len(token.secret) >= len("tieout_") + 43, "256 bits"
    assert token.secret.startswith(token.token.shown)
    assert len(token.token.shown) == len("tieout_") + 4
    assert token.secret not in repr(token)
    rest = token.secret.removeprefix(token.token.shown).encode()
    assert [name for name, content in bytes_at_rest(embedded.settings.data_dir).items() if rest in content] == []


def test_a_revoked_token_opens_nothing_at_the_next_call_and_the_log_says_so(ana: Town):
    token = issued(ana)
    actor = entered(ana, token.secret).actor
    with ana.work(ana.actor("ana")) as work:
        security.revoke_token(work, token.token.id)

    assert ana.permissions(actor) == frozenset()
    assert at_the_door(ana, token.secret) == TokenRefused(
        "revoked", token.token.id, ana.people["ana"], ana.orgs["harbour"]
    )
    assert refused_code(ana, token.secret) == "TOKEN_NOT_VALID"
    (line,) = ana.log("token.refused")
    assert token.token.id in line
    assert '"why":"revoked"' in line
    assert ana.orgs["harbour"] in line
    assert len(ana.log("token.issued")) == len(ana.log("token.revoked")) == 1


def test_a_token_past_its_end_opens_nothing(ana: Town):
    token = issued(ana, days=1)
    actor = entered(ana, token.secret).actor
    ana.wait(days=1)

    assert ana.permissions(actor) == frozenset()
    assert refused_code(ana, token.secret) == "TOKEN_NOT_VALID"
    assert '"why":"expired"' in ana.log("token.refused")[0]


def test_a_deactivated_persons_tokens_end_for_good(ana: Town):
    token = issued(ana)
    actor = entered(ana, token.secret).actor
    with ana.work(system_actor()) as work:
        security.set_active(work, ana.people["ana"], active=False)
    assert ana.permissions(actor) == frozenset()
    assert refused_code(ana, token.secret) == "TOKEN_NOT_VALID"

    with ana.work(system_actor()) as work:
        security.set_active(work, ana.people["ana"], active=True)

    assert ana.permissions(actor) == frozenset()
    assert '"why":"deactivated"' in ana.log("token.revoked")[0]


def test_a_person_switched_off_in_the_database_alone_is_refused_too(ana: Town):
    from sqlalchemy import update

    from finops_core.security.models import person

    token = issued(ana)
    with ana.work(system_actor()) as work:
        work.execute(update(person).where(person.c.id == ana.people["ana"]).values(active=False))

    assert refused_code(ana, token.secret) == "TOKEN_NOT_VALID"
    assert '"why":"person deactivated"' in ana.log("token.refused")[0]


def test_a_role_taken_away_takes_the_tokens_rights_with_it(ana: Town):
    token = issued(ana)
    actor = entered(ana, token.secret).actor
    with ana.work(ana.actor("olga")) as work:
        security.grant_role(work, ana.people["ana"], "executive", ana.orgs["harbour"])
        security.end_role(work, ana.people["ana"], "preparer", ana.orgs["harbour"])

    assert Permission.OPERATIONS_RUN not in ana.permissions(actor)
    assert Permission.EXECUTIONS_VIEW_ALL in entered(ana, token.secret).permissions

    with ana.work(ana.actor("olga")) as work:
        security.end_role(work, ana.people["ana"], "executive", ana.orgs["harbour"])
    assert ana.permissions(actor) == frozenset()
    assert refused_code(ana, token.secret) == "TOKEN_NOT_VALID"
    assert '"why":"revoked"' in ana.log("token.refused")[0]


def test_a_token_ends_with_its_persons_last_role_there_and_no_new_role_wakes_it(ana: Town):
    # Given a token here and one elsewhere, of somebody with two roles here
    person_id, harbour = ana.people["ana"], ana.orgs["harbour"]
    here = issued(ana)
    with ana.work(ana.actor("ana", "norrland")) as work:
        elsewhere = issued_token(work, "ana", PASSWORD, ["read"], work.now + timedelta(days=300))
    with ana.work(system_actor(harbour)) as work:
        security.grant_role(work, person_id, "auditor", harbour)

    # When one of the roles ends, and then the last
    with ana.work(system_actor(harbour)) as work:
        security.end_role(work, person_id, "preparer", harbour)
    assert entered(ana, here.secret).permissions
    with ana.work(system_actor(harbour)) as work:
        security.end_role(work, person_id, "auditor", harbour)
    ana.wait(days=1)
    with ana.work(system_actor(harbour)) as work:
        security.grant_role(work, person_id, "approver", harbour)

    # Then the one here has ended for good, which the log says with the reason, and the one elsewhere has not
    gone = at_the_door(ana, here.secret)
    assert isinstance(gone, TokenRefused)
    assert gone.why == "revoked"
    assert entered(ana, elsewhere.secret).permissions
    (record,) = ana.log("token.revoked")
    assert '"why":"no role left"' in record


def test_a_token_that_outlived_its_role_in_an_earlier_version_is_not_woken_either(ana: Town):
    person_id, harbour = ana.people["ana"], ana.orgs["harbour"]
    here = issued(ana)
    with ana.work(system_actor(harbour)) as work:
        work.execute(
            update(membership)
            .where(membership.c.org_id == harbour, membership.c.person_id == person_id)
            .values(until_at=work.now)
        )
    ana.wait(days=1)

    with ana.work(system_actor(harbour)) as work:
        security.grant_role(work, person_id, "approver", harbour)

    gone = at_the_door(ana, here.secret)
    assert isinstance(gone, TokenRefused)
    assert gone.why == "revoked"


def test_a_scope_that_gives_nothing_now_is_no_token_that_is_not_valid(ana: Town):
    found = entered(ana, issued(ana, scopes="approve").secret)

    assert found.permissions == frozenset()


def test_a_new_password_and_signing_out_everywhere_end_the_tokens_of_all_organisations(ana: Town):
    first = issued(ana)
    with ana.work(ana.actor("ana", "norrland")) as work:
        second = issued_token(work, "ana", PASSWORD, ["read"], work.now + timedelta(days=2))
    with ana.work(ana.actor("ana")) as work:
        security.sign_out_everywhere(work, ana.people["ana"])
    third = issued(ana)
    with ana.work(system_actor()) as work:
        link = security.reset_link(work, ana.people["ana"])
    with ana.work(security.visitor()) as work:
        security.accept_reset(work, link, "an entirely new one 9")

    for token in (first, second, third):
        assert refused_code(ana, token.secret) == "TOKEN_NOT_VALID"
    assert [line.count("signed out everywhere") for line in ana.log("token.revoked")] == [1, 1, 0]


@pytest.mark.parametrize(
    "secret", ["", "tieout_", "tieout_nobodys", "Bearer x", "tieout_" + "a" * 5000, "tieout_\udc80"]
)
def test_a_secret_nobody_was_given_opens_nothing(here: Town, secret: str):
    here.person("ana", harbour="preparer")
    issued(here)

    assert at_the_door(here, secret) == TokenRefused("unknown")
    assert refused_code(here, secret) == "TOKEN_NOT_VALID"
    (line,) = here.log("token.refused")
    assert "token:unknown" in line


def test_use_is_noted_at_most_once_a_minute(ana: Town):
    token = issued(ana)
    seen = []
    for seconds in (0, 30, 30):
        ana.wait(seconds=seconds)
        security.enter(ana.units, token.secret, Via.API)
        with ana.read(ana.actor("ana")) as reading:
            seen.append(security.tokens_of(reading)[0].last_used_at)

    start = seen[0]
    assert seen == [start, start, start + timedelta(minutes=1)]


def test_people_see_and_revoke_their_own_tokens_alone(ana: Town):
    mine, hers = issued(ana), issued(ana, "olga")

    with ana.read(ana.actor("ana")) as reading:
        assert [token.id for token in security.tokens_of(reading)] == [mine.token.id]
    with ana.work(ana.actor("ana")) as work, pytest.raises(FinOpsError) as refused:
        security.revoke_token(work, hers.token.id)
    with ana.work(ana.actor("ana", "norrland")) as work, pytest.raises(FinOpsError) as elsewhere:
        security.revoke_token(work, mine.token.id)

    assert refused.value.code == elsewhere.value.code == "TOKEN_UNKNOWN"
    assert isinstance(at_the_door(ana, hers.secret), TokenSession)


def test_a_token_revokes_itself_and_no_other_and_makes_none(ana: Town):
    one, other = issued(ana), issued(ana)
    actor = entered(ana, one.secret).actor

    with ana.work(actor) as work:
        with pytest.raises(NotAllowed) as another:
            security.revoke_token(work, other.token.id)
        with pytest.raises(NotAllowed) as made:
            security.issue_token(work, "Longer", ["read"], work.now + timedelta(days=300))
        with pytest.raises(NotAllowed) as everywhere:
            security.sign_out_everywhere(work, actor.id)
        security.revoke_token(work, one.token.id)

    assert {each.value.code for each in (another, made, everywhere)} == {"IN_PERSON_ONLY"}
    assert isinstance(at_the_door(ana, one.secret), TokenRefused)
    assert isinstance(at_the_door(ana, other.secret), TokenSession)


@pytest.mark.parametrize("who", [system_actor(), worker_actor(""), security.visitor()])
def test_services_have_no_tokens(embedded: Town, who):
    with embedded.work(who) as work, pytest.raises(NotAllowed) as refused:
        security.issue_token(work, "x", ["read"], work.now + timedelta(days=1))

    assert refused.value.code == "IN_PERSON_ONLY"


def test_somebody_without_a_role_gets_no_token(embedded: Town):
    embedded.person("new")

    with embedded.work(embedded.actor("new")) as work, pytest.raises(NotAllowed) as refused:
        security.issue_token(work, "x", ["read"], work.now + timedelta(days=1))

    assert refused.value.code == "NOT_ALLOWED"


def test_a_person_has_twenty_tokens_at_most(embedded: Town):
    embedded.person("ana", harbour="preparer")
    for _ in range(TOKENS_MOST):
        issued(embedded, days=1)

    with pytest.raises(FinOpsError) as refused:
        issued(embedded)
    embedded.wait(days=1)
    issued(embedded)

    assert refused.value.code == "TOKENS_MANY"


def test_verbs_that_go_by_whose_a_thing_is_ask_for_the_scope(ana: Town):
    reads, runs = (entered(ana, issued(ana, scopes=scope).secret).actor for scope in ("read", "run"))

    with ana.work(reads) as work, pytest.raises(NotAllowed) as refused:
        security.require_scope(work, Scope.RUN)
    for actor in (runs, ana.actor("ana")):
        with ana.work(actor) as work:
            security.require_scope(work, Scope.RUN)

    assert refused.value.code == "TOKEN_SCOPE"
    assert "run" in refused.value.hint
