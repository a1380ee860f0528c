"""The demo company: made once, left alone afterwards."""

from pathlib import Path

import pytest
from sqlalchemy import text

from finops_core import approvals, connections, security
from finops_core.catalog.tables import TABLES
from finops_core.kernel.errors import Unavailable
from finops_core.platform.db import open_owner_engine
from finops_core.start import prepare
from finops_core.upkeep import demo
from tests.desks import settings_for
from tests.world import World, company


def everything(world: World) -> dict[str, set[tuple[object, ...]]]:
    """Every row of every table."""
    engine = open_owner_engine(world.desk.settings)
    with engine.connect() as connection:
        found = {
            name: {tuple(row) for row in connection.execute(text(f'SELECT * FROM "{name}"'))} for name in TABLES.tables
        }
    engine.dispose()
    return found


def money(world: World) -> list[object]:
    return [(known["account"], known["balance"]) for known in world.sandbox.control.state()["accounts"]]


def test_starting_again_changes_nothing(both: World):
    before, balances = everything(both), money(both)

    prepare(both.desk.settings).close()
    demo.seed(both.desk)

    assert everything(both) == before
    assert money(both) == balances


def test_starting_again_after_work_brings_no_money_back_and_undoes_nothing(world: World):
    # Given a payout, a role that was ended and a key that was replaced
    world.approved("currency\nUSD\n")
    world.work_off()
    with world.desk.work(world.actor("adam")) as work:
        security.end_role(work, world.people["dan"], "executive", world.orgs["harbour"])
        connections.replace_secret(work, connections.active(work, "stripe").id, "rk_test_sbx_harbour_other_0002")
    before, balances = everything(world), money(world)
    # When the desk starts again
    prepare(world.desk.settings).close()
    # Then all of it is as it was left
    assert everything(world) == before
    assert money(world) == balances


def test_a_start_that_broke_off_half_way_is_made_good(tmp_path: Path):
    # Given organisations and people, but no connection and no authority yet
    settings = settings_for(tmp_path, demo=True)
    with prepare(settings) as desk:
        engine = open_owner_engine(settings)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM connection"))
            connection.execute(text("DELETE FROM approval_authority"))
        engine.dispose()
        # When it starts again
        demo.seed(desk)
        # Then nothing is missing, and nothing is there twice
        with desk.read(demo.system_actor()) as reading, reading.across_orgs("a test counts"):
            counts = [reading.scalar(text_count(name)) for name in ("connection", "approval_authority", "organisation")]
    assert counts == [4, 7, 2]


def text_count(name: str):
    from sqlalchemy import func, select

    return select(func.count()).select_from(TABLES.tables[name])


def test_the_people_of_the_sign_in_page_are_those_of_the_company_and_only_in_the_demo(tmp_path: Path):
    shown = demo.people(settings_for(tmp_path, demo=True))

    assert [person.username for person in shown] == [person["username"] for person in company()["people"]]
    assert demo.people(settings_for(tmp_path, demo=False)) == ()


def test_every_demo_person_can_sign_in_and_no_approver_is_a_preparer(world: World):
    with world.desk.work(security.visitor()) as work:
        answers = [security.sign_in(work, p.username, p.password) for p in demo.people(world.desk.settings)]
    with world.desk.read(world.actor("adam")) as reading:
        able = approvals.eligible(reading, "payout", {"USD": 1}, ())

    assert [type(answer) for answer in answers] == [security.SignedIn] * 6
    assert [person.username for person in able] == ["ben"]


def test_a_company_that_is_not_there_is_told_with_its_path(tmp_path: Path):
    with pytest.raises(Unavailable) as refused:
        demo.people(settings_for(tmp_path, demo=True, demo_file=tmp_path / "nowhere.json"))

    assert refused.value.code == "DEMO_DATA_MISSING"
    assert "nowhere.json" in refused.value.message
