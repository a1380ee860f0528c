"""What somebody may approve is given and ended on their page, and only what is given can be approved."""

import pytest

from finops_core import approvals, ledger
from finops_core.approvals import Decision
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from finops_core.ledger import Proposal
from tests.pages.conftest import press, shown
from tests.pages.test_me import newcomer
from tests.pages.test_people import person, records
from tests.world import World


def give(screen, kind: str, **texts: str):
    screen.selectbox(key="authority_kind").select(kind)
    for key, text in texts.items():
        next(field for field in screen.text_input if field.key == f"authority_{key}").input(text)
    return press(screen, "Give the authority")


def propose(world: World) -> approvals.RequestView:
    with world.desk.work(world.actor("ana")) as work:
        wallet_id = ledger.open_wallet(work, "party_lumen", "USD")
    with world.desk.work(world.actor("carla")) as work:
        asked = Proposal(wallet_id, Money(200_000, "USD"), "a fee was charged twice")
        proposal = ledger.proposal(work, ledger.propose_adjustment(work, asked))
        return approvals.request_view(work, proposal.request_id)


def approve(world: World, who: str, request: approvals.RequestView) -> str:
    try:
        with world.desk.work(world.actor(who)) as work:
            return approvals.decide(work, request.id, Decision.APPROVED, "", request.content_hash).state.value
    except FinOpsError as error:
        return error.code


@pytest.fixture
def una(world: World) -> str:
    if "una" not in world.people:
        newcomer(world, "una", "approver")
    return "una"


def test_an_approver_approves_what_was_given_up_to_its_limit_until_it_is_ended(world, una, at):
    request = propose(world)
    assert approve(world, una, request) == "APPROVAL_NO_AUTHORITY"
    assert "Nothing. Besides a role that decides" in shown(person(at, world, una))

    give(person(at, world, una), "adjustment", currency="usd", limit="1999.99")
    told = shown(person(at, world, una))
    assert "Adjustment, up to 1,999.99 USD" in told
    assert approve(world, una, request) == "APPROVAL_OVER_LIMIT"

    give(person(at, world, una), "adjustment")
    assert "Adjustment, any amount" in shown(person(at, world, una))
    assert approve(world, una, request) == "approved"
    given = records(world, "authority.granted")[-2:]
    assert [record.detail["limit"] for record in given] == ["1999.99", "any"]

    for _ in range(2):
        screen = person(at, world, una)
        next(button for button in screen.button if str(button.key).startswith("act_end_apa_")).click().run()
    assert "Nothing. Besides a role that decides" in shown(person(at, world, una))
    with world.desk.read(world.actor("adam")) as reading:
        ended = [each.authority.until_at for each in approvals.authorities(reading, world.people[una])]
    assert len(ended) == 2
    assert all(ended)


def test_what_cannot_be_given_is_said_in_its_place(world, una, at):
    screen = person(at, world, una)
    assert "Say which kind of item it is for" in shown(press(screen, "Give the authority"))
    assert "A limit needs a currency" in shown(give(person(at, world, una), "payout", limit="100"))
    assert "is not a currency" in shown(give(person(at, world, una), "payout", currency="usx", limit="100"))
    assert "is not an amount" in shown(give(person(at, world, una), "payout", currency="usd", limit="lots"))
    with world.desk.read(world.actor("adam")) as reading:
        assert not [each for each in approvals.authorities(reading, world.people[una]) if not each.authority.until_at]


def test_nobody_gives_themselves_an_authority(world, at):
    screen = person(at, world, "adam")

    assert "Another administrator gives you an authority" in shown(screen)
    assert "Give the authority" not in [button.label for button in screen.button]
