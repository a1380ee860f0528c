"""Executions: the history and its filters, and one execution in full."""

import pytest

from finops_core import approvals, insight, operations
from finops_core.approvals import Decision
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.operation import LogLevel
from finops_core.operations import State, engine
from finops_core.payouts import PayoutView
from finops_core.payouts.rules import PayoutState
from tests.desks import START
from tests.pages.conftest import press, shown
from ui.execution import LOG_LINES, LONGER
from ui.format import Format
from ui.payout_rows import table


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
    assert "Nothing matches" in shown(at("ana", "executions", run_of="reporting.csv_totals"))
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


def test_an_auditor_finds_the_hash_of_each_record_that_was_taken(world, at):
    seen = world.planned("currency\nUSD\n")
    assert "Taken before" not in shown(at("eva", "executions", execution=seen.number, execution_view="Approvals"))
    with world.desk.read(world.actor("eva")) as reading:
        pack = insight.gather_record(reading, seen.id)
    with world.desk.work(world.actor("eva")) as work:
        insight.record_taken(work, pack)

    screen = at("eva", "executions", execution=seen.number, execution_view="Approvals")

    assert "Taken before" in shown(screen)
    assert pack.sha256 in shown(screen)
    assert {"ZIP with files", "One page"} <= {button.label for button in screen.download_button}


def test_of_a_long_log_the_end_is_shown_and_all_of_it_on_request(world, at):
    # Given a run that logged a lot
    seen = world.approved("currency,maximum\nJPY,300\n")
    world.work_off()
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        lines = [engine.LogEntry(work.now, LogLevel.INFO, f"Line {n} of many.", {}) for n in range(LOG_LINES)]
        engine.append_log(work, world.execution(seen.id), lines)

    # When it is looked at, then asked for all of it
    screen = at("ana", "executions", execution=seen.number)
    first = shown(screen)
    screen.toggle(key=LONGER).set_value(True).run()

    assert f"Line {LOG_LINES - 1} of many." in first
    assert "started, attempt 1" not in first
    assert "started, attempt 1" in shown(screen)
    assert f"Line {LOG_LINES - 1} of many." in shown(screen)


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

    screen = at("ana", "executions", execution=seen.number, execution_view=view)

    assert not screen.exception
    assert told in shown(screen)


def test_the_plan_of_what_ended_is_read_once_and_one_that_waits_each_time(world, at, monkeypatch):
    # Given a batch that has ended and another that waits
    ended = world.approved("currency,maximum\nJPY,777\n")
    world.work_off()
    waits = world.submitted("currency,maximum\nCHF,77\n")
    read = []
    plan = operations.plan

    def counted(reading, execution_id, *more):
        read.append(execution_id)
        return plan(reading, execution_id, *more)

    monkeypatch.setattr(operations, "plan", counted)

    # When each is looked at twice
    shown_twice = [shown(at("ana", "executions", execution=ended.number, execution_view="Plan")) for _ in range(2)]
    for _ in range(2):
        at("ana", "executions", execution=waits.number, execution_view="Plan")

    # Then what can still change is read anew, and somebody of elsewhere sees neither
    assert read.count(ended.id) == 1
    assert read.count(waits.id) == 2
    assert all("JPY" in told for told in shown_twice)
    assert "What will be paid" not in shown(
        at("eva", "executions", org="norrland", execution=ended.number, execution_view="Plan")
    )


def test_a_waiting_execution_can_be_withdrawn_with_a_reason(world, at):
    seen = world.submitted("currency\nCHF\n")
    screen = press(at("ana", "executions", execution=seen.number), "Withdraw")
    assert "it will not run" in shown(screen)

    assert "Withdraw it" in [button.label for button in screen.button]


def test_a_waiting_execution_says_whose_approval_it_waits_for(world, at, monkeypatch):
    # Given one that somebody else may approve, and one that nobody may
    seen = world.submitted("currency\nUSD\n")
    with world.desk.read(world.actor("ana")) as reading:
        asked = approvals.of_subject(reading, "execution", seen.id)[0]
        names = [person.display_name for person in approvals.deciders(reading, asked)]
    assert names

    # Then each says so
    assert f"Waits for approval by {' or '.join(names)}." in shown(at("ana", "executions", execution=seen.number))
    monkeypatch.setattr(approvals, "deciders", lambda *_: ())
    assert "Nobody here may approve it now" in shown(at("ana", "executions", execution=seen.number))


def test_a_new_plan_asks_before_it_takes_back_the_request(world, at):
    seen = world.submitted("currency\nKWD\n")

    screen = press(at("ana", "executions", execution=seen.number), "New plan")

    assert "takes that request back" in shown(screen)
    assert "Take it back and plan anew" in [button.label for button in screen.button]
    assert world.execution(seen.id).state is State.AWAITING_APPROVAL


def test_a_rejection_shows_who_and_why_and_leads_to_another_try(world, at):
    # Given a rejection with words that look like markup
    seen = world.submitted("currency,maximum\nCHF,3.00\n")
    with world.desk.work(world.actor("ben")) as work:
        request = approvals.of_subject(work, "execution", seen.id)[0]
        approvals.decide(work, request.id, Decision.REJECTED, "the <b>amount</b> is wrong", request.content_hash)

    # When Ana opens her execution
    screen = at("ana", "executions", execution=seen.number)

    # Then she reads it at once, as text, and can resubmit
    told = next(element.value for element in screen.html if 'class="to-told' in element.value)
    assert "Rejected by Ben Osei." in told
    assert "the &lt;b&gt;amount&lt;/b&gt; is wrong" in told
    press(screen, "Resubmit")
    assert screen.file_uploader
    assert f"the one of {seen.number} is taken again" in shown(screen)

    # and without another file the same one is planned anew, each leading to the other
    form = at("ana", "run", operation=seen.operation_id, replaces=seen.number)
    form.form_submit_button[0].click().run()
    assert not form.exception
    with world.desk.read(world.actor("ana")) as reading:
        new = operations.kin(reading, seen)[1][0]
    assert new.input_sha256 == seen.input_sha256
    assert f">{new.number}<" in shown(at("ana", "executions", execution=seen.number))
    assert f">{seen.number}<" in shown(at("ana", "executions", execution=new.number))

    # and others see the words without the button
    assert "Rejected by Ben Osei." in shown(at("eva", "executions", execution=seen.number))
    assert "Resubmit" not in [button.label for button in at("eva", "executions", execution=seen.number).button]


def test_what_ended_badly_shows_its_amount_as_planned_only(world, at):
    seen = world.submitted("currency,maximum\nCHF,4.44\n")
    assert "<span>4.44 CHF</span>" in shown(at("ana", "executions", text=seen.number))
    world.decide(seen, "rejected")

    told = shown(at("ana", "executions", text=seen.number))

    assert '<span class="to-faint"><span><span>4.44 CHF</span></span><br><span>planned</span></span>' in told


def payout(state: PayoutState, **changes) -> PayoutView:
    facts = {"id": "pay_1", "row_no": 1, "account": "", "currency": "CHF", "amount_minor": 400, "attempt": 1}
    more = {"bank": "Alpenbank •••• 7719", "provider_id": "", "arrival_on": "2026-11-30", "updated_at": START}
    kept = {"execution_id": "ex_1", "number": "EX-2026-0001", "trace": "", "fee_minor": None, "returned_minor": None}
    flags = {
        "late": False,
        "reconciled": False,
        "cancel_asked": False,
        "newest": True,
        "void": False,
        "sent_at": None,
        "twice": False,
    }
    plain = {"state": state, "error_code": "", "error_message": "", "refusal": ""}
    return PayoutView(**{**facts, **more, **kept, **flags, **plain, **changes})


@pytest.mark.parametrize("state", list(PayoutState))
def test_money_is_expected_only_of_payouts_that_are_on_their_way(state):
    told = table([payout(state)], Format())

    on_its_way = state.value in {"approved", "submitting", "created", "in_transit", "paid"}
    assert ("2026-11-30" in told) == on_its_way


def test_a_cancelled_payout_says_why_and_spells_it_one_way():
    assert "Never sent." in table([payout(PayoutState.CANCELED)], Format())
    assert "Cancelled at the provider." in table([payout(PayoutState.CANCELED, provider_id="po_1")], Format())
    assert "stopped by Ana" in table([payout(PayoutState.CANCELED, error_message="stopped by Ana")], Format())
    assert "Canceled" not in table([payout(PayoutState.CANCELED)], Format())


def test_which_filters_are_set_is_told_and_one_press_clears_them_all(world, at):
    seen = world.planned("currency,maximum\nCHF,5.55\n")
    screen = at("ana", "executions", text="no such", state="Failed", since="2020-01-01", mine="true")
    assert seen.number not in shown(screen)
    told = shown(screen)
    for words in ("Search: no such", "State: Failed", "From: 2020-01-01", "Only mine: yes"):
        assert words in told

    press(screen, "Clear all")

    assert seen.number in shown(screen)
    assert "Filtered by" not in shown(screen)
    assert "Clear all" not in [button.label for button in screen.button]


@pytest.mark.parametrize("page", ["99", "9" * 30, "0", "x"])
def test_a_page_that_is_not_there_shows_the_nearest(world, at, page):
    seen = world.planned(f"currency,maximum\nCHF,6.{len(page):02}\n")

    told = shown(at("ana", "executions", executions_page=page))

    assert seen.number in told
    assert "Nothing has run yet" not in told


def test_somebody_elses_execution_cannot_be_changed_by_an_auditor(world, at):
    seen = world.submitted("currency\nHUF\n")

    screen = at("eva", "executions", execution=seen.number)

    assert "Awaiting approval" in shown(screen)
    assert {"Cancel", "Withdraw", "New plan"}.isdisjoint(button.label for button in screen.button)


def test_an_execution_one_may_not_see_is_as_if_it_were_not_there(world, at):
    seen = world.planned("currency\nSEK\n")

    screen = at("ben", "executions", execution=seen.number)

    assert "There is no such execution among those you may see." in shown(screen)
    assert "← All executions" in shown(screen), "there is a way back"
    assert [title.value for title in screen.title] == ["Not found"]
    assert seen.title not in shown(screen)
