"""Upload & run: the catalogue, the form, what is to be mended, the plan, and sending it on."""

import pytest

from finops_core.kernel.faults import Fault
from finops_core.operations import State
from tests.pages.conftest import shown
from ui.catalogue import faults_csv
from ui.runs import turn_words

PAYOUT = "payouts.stripe_balance"
TOTALS = "reporting.csv_totals"


def send(screen, name, content, label):
    screen.file_uploader[0].upload(name, content)
    next(button for button in screen.form_submit_button if button.label == label).click().run()
    assert not screen.exception
    return screen


def test_the_catalogue_shows_every_operation_with_its_risk(at):
    told = shown(at("ana", "run"))

    assert "Stripe balance payout" in told
    assert "High risk" in told
    assert "Needs approval" in told
    assert "CSV totals" in told
    assert "No approval" in told


def test_choosing_one_survives_a_reload_because_it_stands_in_the_address(at):
    screen = at("ana", "run", operation=PAYOUT)

    assert screen.title[0].value == "Stripe balance payout"
    assert screen.file_uploader[0].label == "Currencies to pay out (CSV)"
    assert [button.label for button in screen.download_button] == ["Download a sample"]


def test_an_operation_nobody_knows_is_no_form(at):
    screen = at("ana", "run", operation="no.such")

    assert "You cannot run this operation" in shown(screen)
    assert not screen.file_uploader


def test_every_fault_of_a_file_is_shown_by_row_and_column_and_nothing_is_stored(world, at):
    screen = at("ana", "run", operation=PAYOUT)

    send(screen, "wrong.csv", b"currency,maximum\nUSD,12.345\nXXX,5\n,1\n<b>x</b>,1\n", "Make the plan")

    told = shown(screen)
    assert "4 things to mend in wrong.csv; nothing was stored." in told
    assert "12.345 has 3 decimals" in told
    assert "&lt;b&gt;x&lt;/b&gt;" in told
    assert "wrong.csv" not in shown(at("ana", "executions"))


def test_one_bad_cell_hides_nothing_of_its_row(at):
    screen = at("ana", "run", operation=PAYOUT)
    content = b"currency,maximum,descriptor\nSEK,1.234,this is far too long to stand there\nJPY,1.5,\nSEK,,\n"

    send(screen, "both.csv", content, "Make the plan")

    told = shown(screen)
    assert "4 things to mend in both.csv" in told
    assert "1.234 has 3 decimals; SEK has 2 decimals." in told
    assert "1.5 has one decimal; JPY has no decimals." in told
    assert "The same account and currency as in row 2" in told


def test_a_missing_file_is_told_like_any_other_fault(at):
    screen = at("ana", "run", operation=PAYOUT)

    screen.form_submit_button[0].click().run()

    assert "1 thing to mend" in shown(screen)


def test_many_faults_are_cut_and_offered_as_a_file(at):
    screen = at("ana", "run", operation=PAYOUT)

    send(screen, "many.csv", b"currency\n" + b"XX1\n" * 80, "Make the plan")

    assert "Download all of them (CSV)" in [button.label for button in screen.download_button]


def test_the_file_of_faults_holds_no_formula():
    given = faults_csv([Fault("X", "is wrong", 2, "maximum", "=cmd()")]).decode()

    assert "'=cmd()" in given


def test_a_good_file_leads_to_its_plan_and_on_to_approval(world, at):
    screen = at("ana", "run", operation=PAYOUT)
    send(screen, "good.csv", b"currency,minimum_to_leave\nUSD,500.00\nJPY,\n", "Make the plan")
    assert "Waits for its turn" in shown(screen)
    world.work_off()

    screen.run()

    told = shown(screen)
    assert "183,720.15 USD" in told
    assert "The file asks to leave this much" in told
    assert "Harbour Bank" in told
    assert "6789" in told
    assert "May approve it: Ben Osei." in told

    next(button for button in screen.button if button.label == "Submit for approval").click().run()
    assert not screen.exception
    assert "Awaiting approval" in shown(screen)


def test_starting_over_cancels_the_draft(world, at):
    seen = world.planned("currency\nEUR\n")
    screen = at("ana", "run", execution=seen.number)

    next(button for button in screen.button if button.label == "Start over").click().run()

    assert not screen.exception
    assert world.execution(seen.id).state is State.CANCELLED
    assert screen.title[0].value == "Stripe balance payout"


def test_a_plan_that_pays_nothing_cannot_be_submitted(world, at):
    seen = world.planned("currency,minimum_to_leave\nAUD,9999.00\n")
    screen = at("ana", "run", execution=seen.number)

    button = next(button for button in screen.button if button.label == "Submit for approval")

    assert button.disabled
    assert "Nothing to pay" in shown(screen)
    assert "Ready to submit" not in shown(screen)
    assert "May approve it" not in shown(screen)


def test_the_same_file_again_asks_for_a_reason(world, at):
    seen = world.submitted("currency\nCHF\n")
    screen = at("ana", "run", operation=PAYOUT)

    send(screen, "again.csv", b"currency\nCHF\n", "Make the plan")

    assert seen.number in screen.warning[0].value
    next(field for field in screen.text_input if field.label == "Reason to run it again").set_value(
        "the first was lost"
    )
    screen.form_submit_button[0].click().run()
    assert not screen.exception
    assert not screen.warning
    assert screen.title[0].value == "Stripe balance payout"


def test_an_operation_without_approval_runs_at_once(world, at):
    screen = at("ana", "run", operation=TOTALS)

    send(screen, "amounts.csv", b"currency,amount\nUSD,10.00\nUSD,5.50\nEUR,1.00\n", "Run")

    assert "Queued" in shown(screen)
    world.work_off()
    screen.run()
    assert "Completed" in shown(screen)


@pytest.mark.parametrize("who", ["ben", "eva"])
def test_somebody_elses_draft_is_no_business_of_others(world, at, who):
    seen = world.planned("currency\nSEK\n")

    screen = at(who, "run", execution=seen.number)

    assert screen.title[0].value == "Not part of your role"


def test_a_long_wait_says_that_a_worker_may_be_missing():
    assert "worker" not in turn_words(1)
    assert "no worker has taken it up yet" in turn_words(6)
