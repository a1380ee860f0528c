"""A batch that did not go as planned: what its page offers to whom, and what the plan and its rehearsal say before."""

from dataclasses import replace

import pytest

from finops_core import audit, files, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.desk import open_desk
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import FinOpsError
from finops_core.operations import ExecutionView, State
from finops_core.payouts import queries, service
from tests.pages.conftest import press, shown
from tests.payouts.test_bank_transfers import TRANSFERS, TWO, break_off, end_to_end_ids, orders_without_a_file, report
from tests.payouts.test_counting import one_blocked, paid_after_all, paid_again, settled
from tests.payouts.test_following import event, hear
from tests.payouts.walks import HARBOUR, change_bank, made, rows_of, states
from tests.tampering import tamper
from tests.world import World

HELD_S = 300


@pytest.fixture(scope="module")
def batch(world: World) -> ExecutionView:
    """Of its payouts the first was made, the second refused, the third is in doubt, the fourth waits for a person."""
    seen = world.approved("currency,maximum\nUSD,100.00\nEUR,50.00\nGBP,25.00\nCAD,10.00\n")
    world.sandbox.control.fault(
        Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": "eur"}),
        *(Fault(FaultKind.RESET_BEFORE, where={"currency": each}, times=50) for each in ("gbp", "cad")),
    )
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        row = next(each for each in queries.newest_of(work, seen.id) if each.currency == "CAD")
        service.review(work, row, "Its key is older than a day.")
    assert states(world, seen.id) == ["created", "rejected", "in_doubt", "needs_review"]
    return world.execution(seen.id)


def labels(screen) -> list[str]:
    return [button.label for button in (*screen.main.button, *screen.form_submit_button)]


def opener(screen, label: str):
    """The button that opens a dialog; it is the first of its name."""
    return next(each for each in screen.button if each.label == label)


def held(screen, label: str):
    """The button that opens a dialog, pressed."""
    return opener(screen, label).click()


def confirm(screen, opened_by: str, label: str):
    """The question behind a button, answered. Without a browser a dialog stands only while its opener is pressed."""
    held(screen, opened_by)
    [each for each in screen.button if each.label == label][-1].click().run()
    assert not screen.exception
    return screen


# --- what the page of an execution offers


@pytest.mark.parametrize(
    ("who", "offered"),
    [
        ("ana", {"Send on", "Take back"}),
        ("ben", {"Take back", "Settle"}),
        ("carla", {"Take back", "Settle"}),
        ("eva", set()),
    ],
)
def test_each_remedy_is_a_button_for_those_who_may_and_absent_for_others(batch, at, who, offered):
    screen = at(who, "executions", execution=batch.number)

    assert {"Retry failed", "Send on", "Take back", "Settle"} & set(labels(screen)) == offered


def test_what_is_in_doubt_is_told_with_what_happens_next_and_never_as_failed(batch, at):
    told = shown(at("ana", "executions", execution=batch.number))

    assert "2 payouts are in doubt: 25.00 GBP and 10.00 CAD." in told
    assert "looks 1 of them up at the provider again and again" in told
    assert "1 of them has to be looked up at the provider by a person" in told
    assert ">Failed<" not in told


def test_nothing_is_retried_while_a_row_is_in_doubt_and_the_page_says_so_as_the_verb_would(batch, world, at):
    screen = at("ana", "executions", execution=batch.number)
    with world.desk.work(world.actor("ana")) as work, pytest.raises(FinOpsError) as refused:
        payouts.retry(work, batch.id)

    assert f"{refused.value.message} {refused.value.hint}" in shown(screen)
    assert "Retry failed" not in labels(screen)


def test_the_settle_drawer_says_what_is_known_and_refuses_in_the_cores_words(batch, world, at):
    # Given the drawer, opened by its address
    row = rows_of(world, batch.id)[3]
    screen = at("ben", "executions", execution=batch.number, settle=row.id)
    told = shown(screen)
    assert "Where to look" in told
    assert f"{batch.id}:4" in told
    assert "Sent to the provider: no clear answer" in told

    # When it is sent without an answer, and then without words
    screen.form_submit_button[0].click().run()
    assert "Say whether it was made." in screen.error[0].value
    screen.radio[0].set_value(payouts.Verdict.EXISTS)
    screen.form_submit_button[0].click().run()

    # Then it says what is missing, and nothing is settled
    assert "Say where you looked" in screen.error[0].value
    with world.desk.read(world.actor("ben")) as reading:
        assert payouts.resolutions(reading, [row.id]) == {}

    # and its preparer cannot open it at all
    assert "Where to look" not in shown(at("ana", "executions", execution=batch.number, settle=row.id))


@pytest.mark.parametrize(("wanted", "rows"), [("not_made", ["50.00 EUR"]), ("in_doubt", ["10.00 CAD", "25.00 GBP"])])
def test_the_rows_can_be_narrowed_by_the_address(batch, at, wanted, rows):
    screen = at("eva", "executions", execution=batch.number, batch=wanted)

    (table,) = [element.value for element in screen.html if "Payouts, row by row" in element.value]
    assert [each for each in ("100.00 USD", "50.00 EUR", "10.00 CAD", "25.00 GBP") if each in table] == rows


def test_a_person_settles_sends_on_and_takes_back_and_the_rest_is_retried(batch, world, at):
    # Given a batch with a bit of everything; Ben says that the last one was never made
    row = rows_of(world, batch.id)[3]
    screen = at("ben", "executions", execution=batch.number, settle=row.id)
    screen.radio[0].set_value(payouts.Verdict.NEVER_MADE)
    screen.text_area[0].set_value("Not in the dashboard.")
    screen.form_submit_button[0].click().run()
    assert not screen.exception
    assert "Ben Osei said: it was never made. Not in the dashboard." in shown(screen)
    world.work_off()

    # When Ana sends on what is in doubt
    confirm(press(at("ana", "executions", execution=batch.number), "Send on"), "Send on", "Look up and send on")
    world.work_off()
    assert states(world, batch.id) == ["created", "rejected", "created", "rejected"]

    # and takes one back that has not left
    screen = press(at("ana", "executions", execution=batch.number), "Take back")
    screen.radio[0].set_value("One of them")
    held(screen, "Take back").run()
    assert labels(screen).count("Take back") == 1, "none is chosen yet"
    next(each for each in screen.selectbox if each.label == "Payout").select_index(0)
    next(each for each in screen.text_input if each.label == "Reason").set_value(" wrong month ")
    held(screen, "Take back").run()
    confirm(screen, "Take back", "Take back")
    assert asked_back(world, batch.id) == [(world.people["ana"], 1, "wrong month")]
    world.work_off()
    assert states(world, batch.id)[0] == "canceled"
    assert "Taken back at the provider." in shown(at("ana", "executions", execution=batch.number))

    # and retries what is left
    screen = press(at("ana", "executions", execution=batch.number), "Retry failed")
    assert opener(screen, "Retry failed").proto.type == "primary"
    confirm(screen, "Retry failed", "Plan the retry")
    assert "← All operations" in shown(screen)
    world.work_off()
    told = shown(at("ana", "run", execution=batch.number))

    # Then the plan has those rows alone
    assert "Attempt 2 pays only what failed before: 3 rows." in told
    assert "Left out: 1 row that was made before." in told
    assert world.execution(batch.id).state is State.READY
    assert "in attempt 2" in shown(at("ana", "executions")), "a part of the batch is not shown as all of it"
    assert len(made(world)) == 2


def asked_back(world: World, execution_id: str) -> list[tuple[str, int, str]]:
    """Who asked for which rows to be taken back, and why, by the log."""
    with world.desk.read(world.actor("eva")) as reading:
        wanted = audit.AuditFilter(verb="payout.cancel_asked", about=f"execution:{execution_id}")
        found = audit.records(reading, wanted).rows
    return [(each.actor, int(each.detail["row"]), str(each.detail["reason"])) for each in found]


def test_one_that_is_being_taken_back_is_not_offered_to_be_taken_back_again(world, at):
    seen = world.approved("currency,maximum\nSEK,3.00\nHUF,300.00\nUSD,3.00\n")
    world.work_off()
    with world.desk.work(world.actor("ana")) as work:
        payouts.ask_cancel(work, seen.id, rows_of(world, seen.id)[0].id)

    screen = press(at("ana", "executions", execution=seen.number), "Take back")
    assert "2 payouts" in shown(screen)
    screen.radio[0].set_value("One of them")
    held(screen, "Take back").run()

    (offered,) = [each.options for each in screen.selectbox if each.label == "Payout"]
    assert [each.split(":")[0] for each in offered] == ["Row 2", "Row 3"]


def test_a_retry_that_would_be_refused_is_not_offered_and_the_page_says_why(world, at):
    # Given a payout that was refused, and news of another one that may pay its row
    seen = world.approved("currency,maximum\nSEK,6.00\n")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
    world.work_off()
    hear(world, event(world, "po_sbx_other", "payout.paid", 71, f"{seen.id}:1"))

    screen = at("ana", "executions", execution=seen.number)

    assert "Retry failed" not in labels(screen)
    assert "Row 1 may be paid by po_sbx_other." in shown(screen)


def for_a_person(world: World, csv: str) -> ExecutionView:
    """A batch of one payout that arrived nowhere, and that is left to a person."""
    seen = world.approved(csv)
    world.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        (row,) = queries.newest_of(work, seen.id)
        service.review(work, row, "Its key is older than a day.")
    return world.execution(seen.id)


def test_what_a_person_said_is_checked_and_what_was_not_confirmed_is_told_beside_why_it_waits(world, at):
    # Given one payout that only a person can settle
    seen = for_a_person(world, "currency,maximum\nSEK,4.00\n")
    (row,) = rows_of(world, seen.id)
    told = shown(at("ana", "executions", execution=seen.number))
    assert "It has to be looked up at the provider by a person" in told
    assert "again and again" not in told
    # When Ben names one that is not there
    screen = at("ben", "executions", execution=seen.number, settle=row.id)
    screen.radio[0].set_value(payouts.Verdict.EXISTS)
    next(each for each in screen.text_input if "id at the provider" in each.label).set_value("po_sbx_wrong")
    screen.text_area[0].set_value("Seen in the dashboard.")
    screen.form_submit_button[0].click().run()
    # Then the desk checks it, and nobody settles it meanwhile
    screen = at("ben", "executions", execution=seen.number)
    assert "The desk checks it" in shown(screen)
    assert "Settle" not in labels(screen)
    # and it says why that was not confirmed, beside why it waits, on the page and in the drawer
    world.work_off()
    why = "po_sbx_wrong is not this payout: the provider does not know it."
    screen = at("ben", "executions", execution=seen.number)
    told = shown(screen)
    assert "Ben Osei said: it was made. Seen in the dashboard." in told
    assert "Not confirmed" in told
    assert (why in told, "Its key is older than a day." in told) == (True, True)
    assert "Settle" in labels(screen)
    drawer = shown(at("ben", "executions", execution=seen.number, settle=row.id))
    assert f"Its key is older than a day. {why}" in drawer


def test_a_payout_that_was_settled_meanwhile_says_so_in_its_drawer(batch, at, world):
    settled = rows_of(world, batch.id)[0]
    waits = for_a_person(world, "currency,maximum\nSEK,5.00\n")

    screen = at("ben", "executions", execution=waits.number, settle=settled.id)

    assert "It does not wait for a person any more." in shown(screen)
    assert not screen.radio


# --- several attempts of one row


def test_money_that_left_twice_is_loud_on_page_and_report_until_somebody_says_how_it_was_dealt_with(world, at):
    # Given a row that two attempts have paid
    execution_id = paid_again(world)
    changed = paid_after_all(world, execution_id)
    settled(changed, execution_id)
    number = world.execution(execution_id).number

    # Then its page, the list of all payouts and its report say so, and who did not prepare it may settle it
    told = shown(at("ana", "executions", execution=number))
    assert "1 row was paid twice: 100.00 USD more than was planned." in told
    assert ">Paid twice<" in told
    assert ">Paid twice<" in shown(at("ana", "payouts", standing="for_a_person"))
    report = shown(at("ana", "executions", execution=number, execution_view="Report"))
    assert "Money left twice: USD." in report
    assert "Of it beside an earlier attempt" in report
    assert "Settle" not in labels(at("ana", "executions", execution=number))
    assert "Settle" in labels(at("ben", "executions", execution=number))

    # When Ben says how it was dealt with
    second = next(row for row in rows_of(world, execution_id) if row.twice)
    screen = at("ben", "executions", execution=number, settle=second.id)
    assert not [each for each in screen.radio if each.label == "What did you find?"]
    screen.text_area[0].set_value("The bank sent it back.")
    screen.form_submit_button[0].click().run()
    assert not screen.exception

    # Then nothing is loud any more
    assert world.execution(execution_id).state is State.COMPLETED
    assert "paid twice: 100.00 USD" not in shown(at("ana", "executions", execution=number))
    assert ">Paid twice<" not in shown(at("ana", "payouts"))


def test_a_row_that_something_else_may_pay_is_named_and_the_retry_leaves_it_out(world, at):
    execution_id, there = one_blocked(world)
    number = world.execution(execution_id).number

    told = shown(at("ana", "executions", execution=number))
    assert "1 row not paid, and left out of every retry." in told
    assert f"Row 2 may be paid by {there}." in told

    with world.desk.work(world.actor("ana")) as work:
        payouts.retry(work, execution_id)
    world.work_off()
    told = shown(at("ana", "run", execution=number))
    assert "Left out: 1 row that was made before, and 1 row not paid, which something else may pay" in told


# --- held back


def test_what_is_held_back_counts_down_for_all_and_can_be_stopped_by_those_who_may(world, at):
    # Given an approved batch that waits five minutes
    seen = world.submitted("currency,maximum\nCHF,1.11\n")
    with open_desk(world.desk.settings.model_copy(update={"hold_back_s": HELD_S})) as slow:
        replace(world, desk=slow).decide(seen)

    # Then everybody sees how long there is, and how much is about to be sent
    told = shown(at("eva", "executions", execution=seen.number))
    assert "Sending begins in" in told
    assert "1.11 CHF" in told
    assert "Stop" not in labels(at("eva", "executions", execution=seen.number))

    # When Ben stops it
    screen = press(at("ben", "executions", execution=seen.number), "Stop")

    # Then it is cancelled, nothing was sent, and Ana reads who stopped it
    assert "Sending begins in" not in shown(screen)
    told = shown(at("ana", "executions", execution=seen.number))
    assert "Stopped by Ben Osei before it ran: nothing was sent" in told
    assert "Nothing was logged: it never ran." in told
    told = shown(at("ana", "executions", execution=seen.number, execution_view="Approvals"))
    assert ": stopped by Ben Osei before it ran: nothing was sent" in told
    assert world.execution(seen.id).state is State.CANCELLED
    assert "chf" not in dict(made(world))


# --- the report


def test_before_anything_was_sent_the_report_says_when_it_begins(world, at):
    seen = world.submitted("currency,maximum\nCHF,1.12\n")

    assert "Nothing was sent yet" in shown(at("ana", "executions", execution=seen.number, execution_view="Report"))


def test_the_report_adds_up_to_the_plan_and_offers_its_files(world, at):
    # Given a batch of which one payout came back
    seen = world.approved("currency,maximum\nSEK,100.00\nHUF,200.00\n")
    world.work_off()
    sent = rows_of(world, seen.id)[0]
    world.sandbox.control.transition(sent.provider_id, "in_transit", "paid", "failed", account=HARBOUR)
    world.follow()

    # When its report is opened
    screen = at("eva", "executions", execution=seen.number, execution_view="Report")

    # Then it says organisation, moment and verdict, and each sum ends in the plan
    told = shown(screen)
    assert "Harbour Labs" in told
    assert "as of" in told
    assert "the provider&#x27;s statement does not show all of them yet" in told
    assert '<th scope="row">Came back</th><td>100.00 SEK</td>' in told
    assert '<th scope="row">Planned</th><td><strong>200.00 HUF</strong></td>' in told
    assert [button.label for button in screen.download_button] == ["Payouts (CSV)", "Tie-out (CSV)", "Both (XLSX)"]


# --- the bank's file


def test_the_bank_file_is_handed_out_and_the_banks_answer_moves_its_payments(world, at):
    # Given a bank file
    seen = world.approved(TWO, operation=TRANSFERS)
    world.work_off()
    screen = at("ana", "executions", execution=seen.number)
    assert "not downloaded yet" in shown(screen)
    assert "Download for the bank" in [button.label for button in screen.download_button]
    with world.desk.work(world.actor("ana")) as work:
        stored = files.of(work, "execution", seen.id)
        content = files.download(work, next(each.id for each in stored if each.name.endswith(".xml"))).content
    ids = end_to_end_ids(content)
    assert not screen.file_uploader
    assert "Ben Osei, Carla Weiss" in next(text.value for text in screen.caption if "pain.002" in text.value)

    # When somebody who did not prepare it brings something else, and then the bank's answer
    screen = at("ben", "executions", execution=seen.number)
    assert "Ana Brito gives it to the bank, once." in shown(screen)
    assert "1 download" in shown(screen)
    press_form(screen, "Read it")
    assert "Choose the bank's status file first." in screen.error[0].value
    answer(screen, b"<html/>")
    assert "nothing was changed" in screen.error[0].value
    assert states(world, seen.id) == ["in_transit", "in_transit"]
    told = report(content, (ids["Nordlicht GmbH"], "ACSC", ""), (ids["Atelier Lumen"], "RJCT", "AC04"))
    answer(screen, told)

    # Then each payment has moved on, and the page says so
    assert states(world, seen.id) == ["paid", "failed"]
    assert "2 payments named, 2 payments moved on." in screen.success[-1].value
    answer(screen, told)
    assert "2 payments named, nothing new." in screen.success[-1].value
    told = shown(press(at("ana", "executions", execution=seen.number), "Retry failed"))
    assert "A bank file looks at no balance" in told
    assert "The balance and the bank accounts are looked at now" not in told
    assert "1 download" in shown(at("ana", "executions", execution=seen.number))

    # and somebody who settles nothing can only look
    screen = at("eva", "executions", execution=seen.number)
    assert not screen.file_uploader
    assert "pain.002" not in shown(screen)
    assert "Download for the bank" not in [button.label for button in screen.download_button]

    # and to Ana the file is one that must not go in again
    screen = at("ana", "executions", execution=seen.number)
    assert "it must not go in again" in shown(screen)
    assert [button.label for button in screen.download_button] == ["Download again"]

    # nor can one who settles, of what they prepared themselves
    by_ben = {"id": seen.id, "ben": world.people["ben"]}
    tamper(world.desk.settings, "UPDATE execution SET requested_by = :ben WHERE id = :id", **by_ben)
    assert not at("ben", "executions", execution=seen.number).file_uploader
    assert at("carla", "executions", execution=seen.number).file_uploader


def answer(screen, content: bytes) -> None:
    screen.file_uploader[0].upload("answer.xml", content)
    press_form(screen, "Read it")


def press_form(screen, label: str) -> None:
    next(each for each in screen.form_submit_button if each.label == label).click().run()
    assert not screen.exception


def test_a_bank_file_that_was_not_written_is_said_so_until_its_orders_are_taken_back(world, at):
    seen, begun = orders_without_a_file(world, reason="for a test")
    assert "The bank file was not written." not in shown(at("eva", "executions", execution=seen.number))
    break_off(world, begun)
    told = shown(at("eva", "executions", execution=seen.number))
    assert "The bank file was not written." in told
    assert "Bank file</strong>" not in told
    assert not at("ben", "executions", execution=seen.number).file_uploader

    confirm(press(at("ana", "executions", execution=seen.number), "Take back"), "Take back", "Take back")
    world.work_off()

    assert states(world, seen.id) == ["canceled", "canceled"]
    assert "The bank file was not written." not in shown(at("eva", "executions", execution=seen.number))


# --- what is new in a plan


def test_a_plan_says_what_is_new_against_the_last_one_and_the_drawer_says_the_same(world, at):
    # Given a first plan of its kind
    csv = "currency,maximum\nJPY,1000\n"
    first = world.planned(csv)
    assert "1 new destination." in shown(at("ana", "run", execution=first.number))
    world.approved(csv, reason="for a test")
    world.work_off()

    # When the same file comes again
    again = world.planned(csv, reason="for a test")

    # Then nothing is new, and a warning tells that it ran
    told = shown(at("ana", "run", execution=again.number))
    assert "Nothing is new: the same bank accounts and amounts as last time." in told
    assert "This file ran before" in told

    # When the bank account behind it has been exchanged
    change_bank(world, "JPY")
    moved = world.submitted("currency,maximum\nJPY,1500\n")

    # Then preparer and approver see it in red, with the difference
    for screen in (
        at("ana", "executions", execution=moved.number, execution_view="Plan"),
        at("ben", "approvals", request=moved.approval_request_id),
    ):
        told = shown(screen)
        assert "1 changed bank account, 1 amount changed." in told
        assert "the same name and last four digits, but other details behind them" in told
        assert "+500 JPY" in told


# --- rehearsals


def test_a_rehearsal_is_asked_for_beside_the_plan_and_its_outcome_stands_in_the_drawer(world, at):
    # Given a plan, and the form below it
    seen = world.planned("currency,maximum\nKWD,1.000\nSEK,2.00\n")
    screen = at("ana", "run", execution=seen.number)
    screen.checkbox(key="t_NO_MONEY").check()
    for usual in ("ANSWER_LOST", "TOO_FAST", "WORKER_DIES"):
        screen.checkbox(key=f"t_{usual}").uncheck()

    # When it is rehearsed
    next(each for each in screen.form_submit_button if each.label == "Rehearse").click().run()
    assert "Being rehearsed" in shown(screen)
    world.work_off()

    # Then it stands below the plan and in the approver's drawer, and no row was made
    screen.run()
    assert "Paid twice: 0, in doubt: 0. 2 rows, 1 trouble met." in shown(screen)
    press(screen, "Submit for approval")
    told = shown(at("ben", "approvals", request=world.execution(seen.id).approval_request_id))
    assert "Rehearsed" in told
    assert "The balance falls short on the way" in told
    assert not rows_of(world, seen.id)
