"""My work: each entry leads to where it goes on."""

from finops_core import operations
from finops_core.operations import State
from tests.pages.conftest import press, shown


def test_with_nothing_to_do_the_page_says_so(at):
    assert "Nothing waits for you" in shown(at("eva", "work"))


def test_a_preparer_sees_drafts_and_until_when_a_request_waits(world, at):
    draft = world.planned("currency,maximum\nEUR,12.00\n")
    asked = world.submitted("currency,maximum\nUSD,13.00\n")

    screen = at("ana", "work")

    assert [each.value for each in screen.subheader] == ["Not submitted yet", "Waiting"]
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


def drafts_of(world, *amounts):
    return [world.planned(f"currency,maximum\nCHF,{amount}\n") for amount in amounts]


def tick(screen, *runs):
    for run in runs:
        next(box for box in screen.checkbox if run.number in box.label).check()
    return screen.run()


def test_several_drafts_are_called_off_together_and_the_others_stay(world, at):
    # Given three drafts
    first, second, third = drafts_of(world, "21.00", "22.00", "23.00")
    screen = at("ana", "work")
    assert next(button for button in screen.button if button.label == "Call off 0 drafts").disabled

    # When two are chosen, and called off
    press(tick(screen, first, third), "Call off 2 drafts")

    # Then they are, with the reason, and the other one waits as before
    assert [world.execution(run.id).state for run in (first, second, third)] == [
        State.CANCELLED,
        State.READY,
        State.CANCELLED,
    ]
    assert "2 drafts called off" in [toast.value for toast in screen.toast]
    told = shown(screen)
    assert f"{second.number} · 22.00 CHF · not submitted" in told


def test_when_one_has_moved_on_none_is_called_off_and_it_is_named(world, at):
    first, second = drafts_of(world, "24.00", "25.00")
    screen = tick(at("ana", "work"), first, second)
    with world.desk.work(world.actor("ana")) as work:
        operations.cancel(work, first.id)  # the older one, which comes last

    press(screen, "Call off 2 drafts")

    assert world.execution(second.id).state is State.READY
    assert first.number in shown(screen)
