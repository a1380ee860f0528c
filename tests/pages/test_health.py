"""Health: how the desk stands in one sentence, what each part says, the checks run on demand, and what they found."""

import re
from html import escape
from time import sleep

from finops_core import connections
from finops_core.api.health import KEPT_S
from finops_core.catalog.checks import CHECKS
from finops_core.kernel.actor import worker_actor
from finops_core.platform import queue
from tests.pages.conftest import press, shown
from tests.tampering import tamper


def row(told: str, title: str) -> str:
    return re.sub(r"<[^>]+>", " ", told[told.index(f"<div>{title}</div>") :].partition("</tr>")[0])


def test_before_anything_ran_the_page_says_what_is_not_there_and_what_to_do(at):
    told = shown(at("adam", "health"))

    assert "Needs somebody: worker." in told
    assert "Nothing runs until one is there" in told
    assert "Database" in told
    assert "Never verified" in told
    assert "Never ran" in row(told, "At most one live payout a row")
    assert [check.title for check in CHECKS.values() if f"<div>{escape(check.title)}</div>" not in told] == []


def test_the_checks_run_when_they_are_asked_for_and_whoever_asked_is_told(world, at):
    # Given a worker that is there
    with world.desk.work(worker_actor("")) as work:
        queue.acquire_lease(work, "worker", "a-worker", 600)
    sleep(KEPT_S + 0.1)  # the page looks no oftener than that

    # When Adam presses
    screen = press(at("adam", "health"), "Run the checks now")

    # Then he waits for it, and cannot press again
    assert "Waits for its turn" in shown(screen)
    assert next(button for button in screen.button if button.label == "Run the checks now").disabled

    # When they have run
    world.work_off()
    screen.run()

    # Then he is told, once
    assert "The desk is well." in shown(screen)
    assert screen.toast[0].value == "The checks have run: all hold"
    assert "Yes" in row(shown(screen), "Approvals age out")
    assert not screen.run().toast


def test_a_violation_stands_first_with_what_to_do_and_leads_to_its_execution(world, at):
    # Given a payout that was changed past the desk
    seen = world.approved("currency,maximum\nUSD,100.00\n")
    world.work_off()
    tamper(world.desk.settings, "UPDATE payout SET state = 'paid' WHERE state = 'created'")

    # When the checks run
    press(at("adam", "health"), "Run the checks now")
    world.work_off()
    told = shown(at("adam", "health"))

    # Then the page says so, by the execution's number and its row, and never by an id
    assert "2 checks" in told
    assert "The ledger tells the same of every payout: 1 violation." in told
    assert "row 1, is paid; its entries differ" in told
    assert "Every change is in the log once: 1 violation." in told
    assert "Verify the audit log" in told
    assert f"/executions?execution={seen.number}" in told
    assert "row 1, is paid; the log says" in told
    assert seen.id not in told
    assert "1 violation" in row(told, "Every change is in the log once")


def test_a_job_that_was_given_up_is_told_in_words(world, at):
    with world.desk.work(worker_actor("")) as work:
        queue.enqueue(work, "payouts.refresh", {})
        claim = queue.claim(work, "somebody", 60, ("payouts.refresh",))
        assert claim is not None
        queue.give_up(work, claim, "PROVIDER_UNAVAILABLE: The provider does not answer.")

    told = shown(at("adam", "health"))

    assert "1 job failed" in told
    assert "The provider does not answer." in told
    assert "Given up" in told
    assert "PROVIDER_UNAVAILABLE" not in told
    assert "payouts.refresh" not in told


def test_the_page_opens_no_door_for_others(world, at):
    with world.desk.read(world.actor("adam")) as reading:
        shown_key = connections.active(reading, "stripe").shown

    told = shown(at("carla", "health"))

    assert "Not part of your role" in told
    assert shown_key not in told
