"""What an actor may do is read anew in every unit."""

import pytest

from finops_core import security
from finops_core.kernel.actor import Actor, Via, system_actor, worker_actor
from finops_core.kernel.errors import NotAllowed
from finops_core.kernel.permissions import Permission
from finops_core.security.models import role_permission
from finops_core.security.roles import SHIPPED_ROLES
from tests.security.town import Town

BUNDLES = {role.id: role.permissions for role in SHIPPED_ROLES}
ACTS = {
    Permission.OPERATIONS_RUN,
    Permission.PAYOUTS_PREPARE,
    Permission.APPROVALS_DECIDE,
    Permission.EXECUTIONS_CANCEL_ANY,
    Permission.FILES_UPLOAD,
    Permission.OPERATIONS_ADMINISTER,
    Permission.PEOPLE_ADMINISTER,
    Permission.CONNECTIONS_ADMINISTER,
    Permission.WORKER_ACT,
}


def test_roles_add_up_and_only_in_their_organisation(here: Town):
    here.person("ana", harbour="preparer approver", norrland="auditor")

    assert here.permissions(here.actor("ana", "harbour")) == BUNDLES["preparer"] | BUNDLES["approver"]
    assert here.permissions(here.actor("ana", "norrland")) == BUNDLES["auditor"]


def test_somebody_unknown_may_do_nothing(here: Town):
    strangers = ("person_nobody", "visitor", "", "service:other", "person_" + "x" * 5000, "person_\N{SNOWMAN}'; --")

    found = [here.permissions(Actor(name, here.orgs["harbour"], Via.PAGE)) for name in strangers]

    assert found == [frozenset()] * len(strangers)


def test_an_organisation_that_does_not_exist_gives_nothing(here: Town):
    ana = here.person("ana", harbour="preparer")

    assert here.permissions(Actor(ana, "org_none", Via.PAGE)) == frozenset()
    assert here.permissions(Actor(ana, "", Via.PAGE)) == frozenset()


def test_a_role_taken_away_is_gone_in_the_next_unit(here: Town):
    ana = here.person("ana", harbour="preparer approver")

    with here.work(here.system("harbour")) as work:
        security.end_role(work, ana, "approver", here.orgs["harbour"])

    assert here.permissions(here.actor("ana")) == BUNDLES["preparer"]


def test_a_deactivated_person_may_do_nothing(here: Town):
    ana = here.person("ana", harbour="preparer")

    with here.work(here.system("harbour")) as work:
        security.set_active(work, ana, active=False)

    assert here.permissions(here.actor("ana")) == frozenset()


def test_an_act_through_a_session_needs_that_session_to_live(here: Town):
    here.person("ana", harbour="preparer")
    here.person("eve", harbour="preparer")
    session_id = here.signed_in("ana").session_id
    assert here.permissions(here.actor("ana", session_id=session_id)) == BUNDLES["preparer"]

    assert here.permissions(here.actor("ana", session_id="session_none")) == frozenset()
    assert here.permissions(here.actor("ana", session_id="")) == frozenset()
    assert here.permissions(here.actor("eve", session_id=session_id)) == frozenset()

    with here.work(here.actor("ana", session_id=session_id)) as work:
        security.sign_out_everywhere(work, here.people["ana"])
    assert here.permissions(here.actor("ana", session_id=session_id)) == frozenset()


def test_an_idle_session_and_one_past_its_end_give_nothing(here: Town):
    here.person("ana", harbour="preparer")
    session_id = here.signed_in("ana").session_id
    actor = here.actor("ana", session_id=session_id)

    here.wait(seconds=here.settings.session_idle_s - 1)
    assert here.permissions(actor) == BUNDLES["preparer"]
    here.wait(seconds=1)
    assert here.permissions(actor) == frozenset()

    session_id = here.signed_in("ana").session_id
    actor = here.actor("ana", session_id=session_id)
    for _ in range(here.settings.session_absolute_s // 1200):
        here.wait(seconds=1199)
        with here.work(actor) as work:
            assert security.touch(work, session_id)
    here.wait(seconds=1200)
    assert here.permissions(actor) == frozenset()


def test_the_worker_holds_what_its_person_holds_and_loses_it_with_them(here: Town):
    ana = here.person("ana", harbour="preparer")
    org = here.orgs["harbour"]
    worker = {Permission.WORKER_ACT}
    assert here.permissions(worker_actor(org, ana)) == BUNDLES["preparer"] | worker
    assert here.permissions(worker_actor(org)) == worker
    assert here.permissions(worker_actor(org, "person_nobody")) == worker

    with here.work(here.system("harbour")) as work:
        security.set_active(work, ana, active=False)

    assert here.permissions(worker_actor(org, ana)) == worker


def test_the_installation_itself_may_do_everything(here: Town):
    assert here.permissions(system_actor()) == frozenset(Permission)


def test_a_permission_this_version_does_not_know_grants_nothing(here: Town):
    here.person("ana", harbour="preparer")

    with here.work(here.system()) as work:
        work.execute(role_permission.insert().values(role_id="preparer", permission="time.travel"))

    assert here.permissions(here.actor("ana")) == BUNDLES["preparer"]


def test_grants_cost_one_query(here: Town):
    here.person("ana", harbour="preparer approver", norrland="auditor")
    session_id = here.signed_in("ana").session_id
    from sqlalchemy import event

    asked: list[str] = []
    event.listen(here.units.database.reader, "before_cursor_execute", lambda *args: asked.append(args[2]))
    here.permissions(here.actor("ana", session_id=session_id))

    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 1


def test_a_look_over_several_organisations_needs_a_role_in_each(here: Town):
    here.person("ana", harbour="preparer")
    harbour, norrland = here.orgs["harbour"], here.orgs["norrland"]

    with here.read(here.actor("ana"), "harbour", "norrland") as reading:
        with pytest.raises(NotAllowed) as refused:
            security.require_orgs(reading, {harbour, norrland})
        assert reading.permissions == frozenset()

    assert refused.value.code == "ORGANISATION_NOT_ALLOWED"
    assert refused.value.context["missing"] == [norrland]


def test_a_look_over_several_organisations_may_do_only_what_is_held_in_all(here: Town):
    here.person("ana", harbour="auditor", norrland="preparer")

    with here.read(here.actor("ana"), "harbour", "norrland") as reading:
        security.require_orgs(reading, here.orgs.values())
        assert reading.permissions == BUNDLES["auditor"] & BUNDLES["preparer"]

    with here.read(here.actor("ana", "norrland"), "harbour") as reading:
        security.require_orgs(reading, [here.orgs["harbour"]])
        assert reading.permissions == BUNDLES["auditor"]


def test_a_dead_session_may_not_look_over_organisations_either(here: Town):
    here.person("ana", harbour="auditor", norrland="auditor")
    session_id = here.signed_in("ana").session_id
    here.wait(hours=1)

    with (
        here.read(here.actor("ana", session_id=session_id), "harbour", "norrland") as reading,
        pytest.raises(NotAllowed),
    ):
        security.require_orgs(reading, here.orgs.values())


def test_the_auditor_acts_on_nothing_and_the_administrator_neither_prepares_nor_approves():
    assert not BUNDLES["auditor"] & ACTS
    assert not BUNDLES["administrator"] & {
        Permission.APPROVALS_DECIDE,
        Permission.PAYOUTS_PREPARE,
        Permission.OPERATIONS_RUN,
    }
    assert not BUNDLES["preparer"] & {Permission.APPROVALS_DECIDE, Permission.EXECUTIONS_VIEW_ALL}


def test_no_role_of_people_holds_the_workers_right_and_each_sees_its_home():
    assert [role for role, bundle in BUNDLES.items() if Permission.WORKER_ACT in bundle] == []
    assert [role for role, bundle in BUNDLES.items() if Permission.HOME_VIEW not in bundle] == []


def test_shipped_roles_follow_the_version_and_roles_of_people_stay(here: Town):
    with here.work(here.system()) as work:
        work.execute(role_permission.delete().where(role_permission.c.permission == "audit.view"))
        work.execute(role_permission.insert().values(role_id="preparer", permission="approvals.decide"))

    with here.work(here.system()) as work:
        security.ensure_roles(work)
        found = {role.id: role.permissions for role in security.roles(work)}

    assert found == {role: frozenset(bundle) for role, bundle in BUNDLES.items()}
