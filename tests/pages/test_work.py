"""My work: each entry leads to where it goes on."""

from tests.pages.conftest import shown


def test_with_nothing_to_do_the_page_says_so(at):
    assert "Nothing waits for you" in shown(at("eva", "work"))


def test_a_preparer_sees_drafts_and_until_when_a_request_waits(world, at):
    draft = world.planned("currency,maximum\nEUR,12.00\n")
    asked = world.submitted("currency,maximum\nUSD,13.00\n")

    screen = at("ana", "work")

    assert [each.value for each in screen.header] == ["Not submitted yet", "Waiting"]
    told = shown(screen)
    assert f"{draft.number} · 12.00 EUR · not submitted" in told
    assert f"{asked.number} · 13.00 USD · approval expires in" in told
    assert "Mine, pending" in told


def test_an_approver_sees_what_may_be_decided_with_its_end(world, at):
    world.submitted("currency,maximum\nUSD,14.00\n")

    told = shown(at("ben", "work"))

    assert "For you to decide" in told
    assert "14.00 USD" in told
    assert "expires in" in told
