"""When money goes wrong: failed and paid again, in doubt and settled, stopped in time, rehearsed before."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.desk import Desk, open_desk
from finops_core.kernel.actor import worker_actor
from finops_core.operations import ExecutionView, State
from finops_core.payouts import Trouble, queries, service
from tests.e2e.backstage import Backstage
from tests.e2e.screens import Screen
from ui.rehearsals import USUAL

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.deep]

HARBOUR = "acct_sbx_harbour"
HELD_S = 300
PAYOUTS = "Payouts, row by row"
CHOSEN = Trouble.NO_MONEY


def made(backstage: Backstage, seen: ExecutionView) -> list[tuple[str, int]]:
    """What the provider has of an execution, whatever became of it."""
    found = backstage.app.sandbox.payouts(HARBOUR)
    return sorted((each["currency"], each["amount"]) for each in found if each["metadata"]["fod_exec"] == seen.id)


def rows(screen: Screen) -> dict[str, tuple[str, str]]:
    """By currency: the row's number with its attempt, and its state with what was said of it."""
    told = screen.table(PAYOUTS)
    return {row["Amount"].split(" ")[1]: (row["Row"], row["State"]) for row in told}


def test_a_row_that_failed_for_want_of_money_is_funded_retried_approved_and_paid_and_no_other_row_again(
    app, backstage: Backstage, enter
):
    # Given a batch of which the second row found no money, because the account has been emptied meanwhile
    seen = backstage.submitted("currency,maximum\nCAD,1.21\nCHF,3.10\n")
    app.sandbox.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": "chf", "metadata[fod_exec]": seen.id}))
    backstage.approve(seen)
    backstage.awaited(seen.id, State.FAILED)
    emptied = app.sandbox.available("chf", HARBOUR)
    app.sandbox.fund(-emptied, "chf", HARBOUR, kind="refund")
    ana = enter("ana", f"executions?execution={seen.number}")
    assert (rows(ana)["CAD"][1], rows(ana)["CHF"][1].split(" / ")[0]) == ("Created", "Rejected")
    ana.look("90-failed")

    # When Ana retries what failed too early
    ana.press("Retry failed")
    ana.look("91-retry-question")
    ana.press("Plan the retry", ana.drawer)

    # Then she reads how much is missing, and nothing can be submitted
    ana.sees("3.10 CHF more is needed", ana.main)
    assert ana.main.get_by_role("button", name="Submit for approval").count() == 0
    ana.look("92-retry-needs-money")

    # When the account has been funded, and she retries again
    app.sandbox.fund(emptied, "chf", HARBOUR)
    ana.follow(f"Open {seen.number} to retry again")
    ana.press("Retry failed")
    ana.press("Plan the retry", ana.drawer)
    ana.page.get_by_role("button", name="Submit for approval").wait_for()

    # Then only that row is planned, and it waits for another person
    ana.settle()
    (planned,) = ana.table("What will be paid")
    assert (planned["To pay"], planned["Against last time"].split(" / ")[0]) == ("3.10 CHF", "Tried again")
    ana.sees("Left out: 1 row that was made before.", ana.main)
    ana.look("93-retry-plan")
    ana.press("Submit for approval")
    ana.sees("Waits for approval by Ben")
    assert made(backstage, seen) == [("cad", 121)]

    # When Ben approves it
    ben = enter("ben", f"approvals?request={backstage.request_number(seen.id)}")
    ben.sees("Attempt 3 pays only what failed before: 1 row.", ben.drawer)
    ben.look("94-retry-drawer")
    ben.press("Approve", ben.drawer)

    # Then it is paid, and what was paid before is not paid again
    ana.sees("Completed", ana.main)
    ana.sees("Row 2: created.", ana.page.get_by_role("log"))
    assert rows(ana) == {"CAD": ("1", "Created"), "CHF": ("2 / attempt 3", "Created")}
    ana.look("95-retried")
    assert made(backstage, seen) == [("cad", 121), ("chf", 310)]


@pytest.fixture
def doubtful(app, backstage: Backstage) -> Iterator[ExecutionView]:
    """A batch of which one payout was made; the call for the other broke off, and it waits for a person."""
    seen = backstage.submitted("currency,maximum\nCAD,3.21\nSEK,3.21\n")
    app.sandbox.fault(
        Fault(FaultKind.RESET_BEFORE, where={"currency": "sek", "metadata[fod_exec]": seen.id}, times=20),
        Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=50),
    )
    backstage.approve(seen)
    backstage.awaited(seen.id, State.UNSETTLED)
    with app.desk.work(worker_actor(backstage.orgs["harbour"])) as work:
        row = next(each for each in queries.newest_of(work, seen.id) if each.currency == "SEK")
        service.review(work, row, "Its key is older than a day, so it is not sent again.")
    app.sandbox.post("reset", {"only": ["fault"]})
    yield seen
    app.sandbox.post("reset", {"only": ["fault"]})


def test_a_payout_in_doubt_is_settled_by_another_person_and_the_desk_looks_for_itself(
    app, doubtful: ExecutionView, backstage: Backstage, enter
):
    # Given a payout nobody knows about, which only somebody else than its preparer may settle
    seen = doubtful
    address = f"executions?execution={seen.number}"
    ana = enter("ana", address)
    ana.sees("1 payout is in doubt: 3.21 SEK.", ana.main)
    assert ana.main.get_by_role("button", name="Settle").count() == 0
    assert "Failed" not in ana.main.inner_text()

    # When Ben takes another row's payout for it
    ben = enter("ben", address)
    ben.look("96-waits-for-a-person")
    (another,) = [each["id"] for each in app.sandbox.payouts(HARBOUR) if each["metadata"]["fod_exec"] == seen.id]
    settle(ben, "It was made", another)

    # Then the desk looks at the provider for itself, and does not believe him
    ben.sees("Not confirmed", ben.main)
    ben.sees("it is of 3.21 CAD, not 3.21 SEK", ben.main)
    ben.look("97-not-confirmed")
    assert rows(ben)["SEK"][1].split(" / ")[0] == "Needs review"

    # When he says what is so
    settle(ben, "It was never made")

    # Then the desk finds it so; it counts as refused, and Ana may retry it
    ben.sees("1 of 2 payouts made, 1 refused.", ben.main)
    assert rows(ben)["SEK"][1].split(" / ")[0] == "Rejected"
    ben.look("98-settled")
    ana.main.get_by_role("button", name="Retry failed").wait_for()
    assert made(backstage, seen) == [("cad", 321)]


def settle(ben: Screen, verdict: str, provider_id: str = "") -> None:
    """The settle drawer, filled in and sent."""
    ben.press("Settle", ben.main)
    ben.sees("Where to look", ben.drawer)
    ben.drawer.get_by_text(verdict, exact=True).click()
    ben.drawer.get_by_label("Its id at the provider").fill(provider_id)
    ben.drawer.get_by_label("Where you looked").fill("Dashboard, payouts of today.")
    ben.look("96-settle")
    ben.press("Settle it", ben.drawer)
    ben.drawer.wait_for(state="detached")


@pytest.fixture
def slow(app) -> Iterator[Desk]:
    """The same desk, where what is approved is held back for five minutes."""
    with open_desk(app.desk.settings.model_copy(update={"hold_back_s": HELD_S})) as desk:
        yield desk


def test_what_is_stopped_within_its_window_never_reaches_the_provider(app, backstage: Backstage, slow: Desk, enter):
    # Given two approved batches that are held back
    seen, other = (backstage.submitted(f"currency,maximum\nCAD,{amount}\n") for amount in ("1.31", "1.32"))
    for each in (seen, other):
        Backstage(replace(app, desk=slow)).approve(each)
    ana = enter("ana", f"executions?execution={seen.number}")
    ana.sees(re.compile(r"Sending begins in \d:\d\d"), ana.main)
    ana.look("99-held-back")

    # When Ana stops one of them, and the time of both is over
    ana.press("Stop", ana.main)
    ana.sees("Cancelled", ana.main)
    assert ana.main.get_by_text("Sending begins in").count() == 0
    for each in (seen, other):
        backstage.tamper("UPDATE job SET run_at_ms = 0 WHERE state = 'queued' AND payload LIKE :id", id=f"%{each.id}%")
    backstage.awaited(other.id, State.COMPLETED)

    # Then only the other one was sent
    assert (made(backstage, seen), made(backstage, other)) == ([], [("cad", 132)])
    assert backstage.execution(seen.id).state is State.CANCELLED
    asked = [call for call in app.sandbox.calls("POST", "/v1/payouts") if seen.id in str(call)]
    assert asked == []
    ana.look("99-stopped")


def test_a_rehearsal_with_a_chosen_trouble_stands_in_the_approvers_drawer(backstage: Backstage, enter):
    # Given a plan that Ana has not submitted
    seen = backstage.planned("currency,maximum\nCAD,1.41\nSEK,1.41\n")
    ana = enter("ana", f"run?execution={seen.number}")

    # When she rehearses it on a day on which the balance falls short
    ana.main.get_by_text("Rehearse it first").click()
    for trouble in (*(each.value for each in USUAL), CHOSEN):
        ana.main.get_by_text(trouble[0].upper() + trouble[1:], exact=True).click()
    ana.look("100-rehearse")
    ana.press("Rehearse", ana.main)

    # Then she reads what came of it, and nothing of it has happened
    ana.sees("Passed", ana.main)
    ana.sees("Paid twice: 0, in doubt: 0. 2 rows, 1 trouble met.", ana.main)
    ana.look("101-rehearsed")
    assert made(backstage, seen) == []
    assert backstage.execution(seen.id).state is State.READY

    # When she submits it, and Ben opens the request
    ana.press("Submit for approval")
    ana.sees("Waits for approval by Ben")
    ben = enter("ben", f"approvals?request={backstage.request_number(seen.id)}")

    # Then the outcome stands beside the plan, row by row
    ben.sees("Paid twice: 0, in doubt: 0. 2 rows, 1 trouble met.", ben.drawer)
    ben.drawer.locator("details summary", has_text="Nothing was paid twice").click()
    (met, other) = ben.table("The rehearsal, row by row", ben.drawer)
    assert (met["Trouble"], met["State"]) == ("The balance falls short on the way", "Rejected")
    assert (other["Trouble"], other["State"]) == ("", "Created")
    ben.look("102-rehearsed-drawer")
