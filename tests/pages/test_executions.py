"""Executions: the history and its filters, and one execution in full."""

import pytest

from finops_core.operations import State
from tests.pages.conftest import shown


def press(screen, label):
    next(button for button in screen.button if button.label == label).click().run()
    assert not screen.exception
    return screen


def test_without_executions_a_preparer_is_shown_the_next_step(at):
    told = shown(at("ana", "executions"))

    assert "Nothing has run yet" in told
    assert "Upload your first file" in told


def test_the_history_lists_what_ran_and_each_filter_narrows_it(world, at):
    first = world.planned("currency\nUSD\n")
    second = world.approved("currency\nEUR\n")

    assert first.number in shown(at("ana", "executions"))
    assert second.number in shown(at("ana", "executions"))
    assert first.number not in shown(at("ana", "executions", text=second.number))
    assert first.number not in shown(at("ana", "executions", state="completed"))
    assert "Nothing matches" in shown(at("ana", "executions", operation="reporting.csv_totals"))
    assert "Nothing matches" in shown(at("ana", "executions", until="2020-01-01"))
    assert "Nothing matches" in shown(at("carla", "executions", mine="true"))


def test_a_finished_payout_shows_a_row_each_with_its_state_and_the_log(world, at):
    seen = world.approved("currency\nGBP\n")
    world.work_off()

    told = shown(at("ana", "executions", execution=seen.number))

    assert "Completed" in told
    assert "9,042.10 GBP" in told
    assert "Created" in told
    assert "po_" in told
    assert 'role="log"' in told


@pytest.mark.parametrize(
    ("view", "told"),
    [
        ("Plan", "Plan's fingerprint".replace("'", "&#x27;")),
        ("Result & files", "SHA-256"),
        ("Approvals", "Ben Osei"),
    ],
)
def test_each_view_of_an_execution_shows_its_part(world, at, view, told):
    seen = world.approved(f"currency,maximum\nJPY,{len(view)}000\n")
    world.work_off()

    screen = at("ana", "executions", execution=seen.number, view=view)

    assert not screen.exception
    assert told in shown(screen)


def test_a_waiting_execution_can_be_cancelled_with_a_reason(world, at):
    seen = world.submitted("currency\nCHF\n")
    screen = press(at("ana", "executions", execution=seen.number), "Cancel")
    assert "It will not run" in shown(screen)

    assert "Cancel it" in [button.label for button in screen.button]


def test_a_new_plan_takes_back_the_request(world, at):
    seen = world.submitted("currency\nKWD\n")

    press(at("ana", "executions", execution=seen.number), "New plan")

    assert world.execution(seen.id).state is State.PLANNING


def test_somebody_elses_execution_cannot_be_changed_by_an_auditor(world, at):
    seen = world.submitted("currency\nHUF\n")

    screen = at("eva", "executions", execution=seen.number)

    assert "Awaiting approval" in shown(screen)
    assert {"Cancel", "New plan"}.isdisjoint(button.label for button in screen.button)


def test_an_execution_one_may_not_see_is_as_if_it_were_not_there(world, at):
    seen = world.planned("currency\nSEK\n")

    screen = at("ben", "executions", execution=seen.number)

    assert "There is no such execution among those you may see." in shown(screen)
    assert seen.title not in shown(screen)


def test_payouts_in_doubt_have_a_list_of_their_own(at):
    assert "0 executions with payouts without a clear answer" in shown(at("carla", "executions", payouts="in_doubt"))
