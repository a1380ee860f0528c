"""No payment without a standing approval: rejections, cancellations, stops, and plans that changed under a drawer."""

import re

import pytest
from playwright.sync_api import expect

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.operations import State
from tests.e2e.backstage import Backstage
from tests.e2e.screens import WAIT_MS, Screen
from tests.processes import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HARBOUR = "acct_sbx_harbour"
# Long enough for a slow browser to stop the batch meanwhile, and below the time-out of the provider's client.
DELAY_S = 25.0


def paid(backstage: Backstage, execution_id: str) -> list[tuple[str, int]]:
    made = backstage.app.sandbox.payouts(HARBOUR)
    return [(each["currency"], each["amount"]) for each in made if each["metadata"]["fod_exec"] == execution_id]


def drawer_of(screen: Screen, request: str) -> None:
    """The request's drawer, by its own address, ready to be decided."""
    screen.open(f"approvals?request={request}")
    screen.drawer.get_by_role("button", name="Approve").wait_for()
    screen.settle()


def test_a_rejection_needs_a_comment_and_ends_the_execution_unpaid(backstage, enter):
    # Given Ana on her execution's page, and Ben in the drawer of its request
    seen = backstage.submitted("currency,maximum\nSEK,2.01\n")
    ana = enter("ana", f"executions?execution={seen.number}")
    ana.sees("Waits for approval by Ben")
    ben = enter("ben")
    drawer_of(ben, backstage.request_number(seen.id))

    # When he rejects without a word
    ben.press("Reject", ben.drawer)

    # Then he is asked for one, and nothing has happened
    ben.sees(re.compile("comment", re.IGNORECASE), ben.drawer.get_by_role("alert"))
    ben.look("40-comment-needed")
    assert backstage.execution(seen.id).state is State.AWAITING_APPROVAL

    # When he says why
    ben.drawer.get_by_label("Comment").fill("The invoice is missing")
    ben.press("Reject", ben.drawer)
    ben.drawer.wait_for(state="detached")

    # Then the execution has ended, Ana's page says so by itself, with his words, and nothing was paid
    ana.sees("Rejected by Ben Osei.")
    ana.sees("The invoice is missing", ana.main)
    ana.look("41-rejected")
    ana.turn_to("Approvals")
    ana.sees("The invoice is missing", ana.main)
    assert ana.page.get_by_role("button", name="Withdraw").count() == 0
    assert backstage.execution(seen.id).state is State.REJECTED
    assert paid(backstage, seen.id) == []
    ana.press("Resubmit")
    ana.heading("Stripe balance payout")
    assert ana.query()["operation"] == "payouts.stripe_balance"


def test_an_execution_that_waits_for_approval_can_be_withdrawn_and_not_approved_any_more(backstage, enter):
    # Given a request in Ben's open drawer
    seen = backstage.submitted("currency,maximum\nSEK,2.02\n")
    ben = enter("ben")
    drawer_of(ben, backstage.request_number(seen.id))

    # When Ana takes it back
    ana = enter("ana", f"executions?execution={seen.number}")
    cancel(ana, "Withdraw", "Wrong month")

    # Then it has ended, and Ben's Approve tells him why
    ana.sees("Taken back by its requester: Wrong month")
    assert backstage.execution(seen.id).state is State.CANCELLED
    ben.press("Approve", ben.drawer)
    ben.sees(re.compile("took it back|no longer waiting", re.IGNORECASE), ben.drawer.get_by_role("alert"))
    ben.look("42-drawer-of-a-withdrawn-one")
    assert paid(backstage, seen.id) == []


def cancel(screen: Screen, button: str, reason: str) -> None:
    """Cancel, Withdraw or Stop, with its reason, confirmed."""
    screen.main.get_by_role("button", name=button, exact=True).click()
    screen.drawer.get_by_label("Reason").fill(reason)
    screen.press(f"{button} it", screen.drawer)
    screen.drawer.wait_for(state="detached")


def test_a_running_batch_stops_before_its_next_payment_and_a_queued_one_never_starts(app, backstage, enter):
    # Given a provider that takes its time over CHF, and two submitted plans whose pages stand open
    app.sandbox.fault(Fault(FaultKind.DELAY_BEFORE, where={"currency": "chf"}, delay_s=DELAY_S))
    first = backstage.submitted("currency,maximum\nCHF,2.03\nSEK,2.03\n")
    second = backstage.submitted("currency,maximum\nSEK,2.04\n")
    running, queued = (enter("ana", f"executions?execution={each.number}") for each in (first, second))

    # When both are approved, the first one is stopped under way, and the second one cancelled in the queue
    backstage.approve(first)
    running.main.get_by_role("button", name="Stop", exact=True).wait_for()
    running.look("43-running")
    backstage.approve(second)
    cancel(running, "Stop", "Wrong bank account")
    running.sees("Stopping", running.main)
    assert backstage.execution(second.id).state is State.QUEUED
    cancel(queued, "Cancel", "Not today")

    # Then the payment under way is finished, the next one is not begun, and the second plan never runs
    backstage.awaited(first.id, State.CANCELLED, State.COMPLETED, State.FAILED)
    assert paid(backstage, first.id) == [("chf", 203)]
    states = {row["Row"]: row["State"].split(" / ")[0] for row in settled_rows(running)}
    assert states == {"1": "Created", "2": "Cancelled"}
    assert "Canceled" not in running.text()
    assert backstage.execution(first.id).state is State.CANCELLED
    assert backstage.execution(second.id).state is State.CANCELLED
    assert paid(backstage, second.id) == []
    running.look("44-stopped")


def settled_rows(screen: Screen) -> list[dict[str, str]]:
    """The payouts' rows once the page has followed to the end."""
    expect(screen.main.get_by_role("button", name="Stop", exact=True)).to_have_count(0, timeout=WAIT_MS)
    screen.sees(re.compile("^Cancelled$"), screen.page.locator("table"))
    screen.settle()
    return screen.table("Payouts, row by row")


def test_a_new_plan_after_the_submission_needs_a_new_approval_and_the_old_drawer_says_so(backstage, enter):
    # Given a request in Ben's open drawer
    seen = backstage.submitted("currency,maximum\nSEK,2.05\n")
    old = backstage.request_number(seen.id)
    ben = enter("ben")
    drawer_of(ben, old)

    # When Ana makes a new plan and submits that
    ana = enter("ana", f"executions?execution={seen.number}")
    ana.press("New plan")
    ana.sees("takes that request back", ana.drawer)
    ana.press("Take it back and plan anew", ana.drawer)
    ana.page.get_by_role("button", name="Submit for approval").click()
    ana.sees("Waits for approval by Ben")
    until(lambda: backstage.request_number(seen.id) != old, what="there is a new request")
    new = backstage.request_number(seen.id)

    # Then the old drawer's Approve approves nothing, and says why
    ben.drawer.get_by_label("Comment").fill("I never saw the new plan")
    ben.press("Approve", ben.drawer)
    ben.sees(f"{old} does not count any more: a new plan was made.", ben.drawer.get_by_role("alert"))
    ben.look("45-drawer-of-an-old-plan")
    assert backstage.execution(seen.id).state is State.AWAITING_APPROVAL
    assert paid(backstage, seen.id) == []

    # and it leads to the new request, which waits for its own decision
    ben.follow(f"Open {new}", ben.drawer)
    ben.drawer.get_by_role("button", name="Approve").wait_for()
    ben.sees(new, ben.drawer)
    ben.settle()
    ben.press("Approve", ben.drawer)
    ben.drawer.wait_for(state="detached")
    backstage.awaited(seen.id, State.COMPLETED)
    assert paid(backstage, seen.id) == [("sek", 205)]
