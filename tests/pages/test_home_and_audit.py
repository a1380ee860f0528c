"""Home and its figures; the audit log, its trail and its proof."""

import re
from dataclasses import replace
from datetime import timedelta

from finops_core import approvals, audit, operations
from finops_core.kernel.actor import Via, worker_actor
from tests.desks import issued_token
from tests.pages.conftest import PASSWORD, press, shown
from ui import log


def seal(world):
    with world.desk.work(worker_actor("")) as work:
        audit.seal(work, world.desk.settings.heads_dir)


def test_an_empty_home_shows_five_figures_and_the_next_step(at):
    told = shown(at("ana"))

    assert told.count('class="to-figure') == 5
    assert "as of" in told
    assert "Upload your first file" in told


def test_what_waits_for_somebody_is_a_link_to_it(world, at):
    seen = world.submitted("currency\nUSD\n")

    told = shown(at("ben"))

    assert f"Stripe balance payout {seen.number}" in told
    assert "/approvals?request=AP-" in told
    assert "to-amber" in told


def test_a_draft_of_ones_own_waits_to_be_submitted(world, at):
    seen = world.planned("currency\nEUR\n")

    assert f"/run?execution={seen.number}" in shown(at("ana"))


def test_the_log_tells_who_did_what(world, at):
    seen = world.submitted("currency\nGBP\n")

    told = shown(at("eva", "audit"))

    assert "Execution: submitted" in told
    assert seen.number in told
    assert "Ana Brito" in told


def test_the_log_tells_what_a_program_did_by_its_token_as_a_table_and_as_days(world, at):
    # Given a draft of Ana's own, and one by a program of hers
    with world.desk.work(world.actor("ana")) as work:
        issued = issued_token(work, "ana", PASSWORD, ["read", "run"], work.now + timedelta(days=1), "ci <b>nightly</b>")
    by_hand, program = world.planned("currency\nSEK\n"), replace(world.actor("ana"), token_id=issued.token.id)
    with world.desk.work(replace(program, via=Via.API)) as work:
        upload = operations.Upload("currencies.csv", b"currency\nDKK\n")
        drafted = operations.draft(work, "payouts.stripe_balance", {}, upload)

    # When the auditor looks at each
    tables = [shown(at("eva", "audit", object=each)) for each in (by_hand.number, drafted.number)]
    days = shown(at("eva", "audit", object=drafted.number, audit_view="Timeline"))
    about = shown(at("eva", "audit", object=f"token:{issued.token.id}"))

    # Then the token's name stands beside the person's, where it was the program
    assert "with token" not in tables[0]
    for told in (tables[1], days, about):
        assert "Ana Brito" in told
        assert "with token “ci &lt;b&gt;nightly&lt;/b&gt;”" in told
    assert issued.secret not in tables[1] + days + about
    assert drafted.number in about


def test_a_plan_that_pays_nothing_needs_nobody(world, at):
    seen = world.planned("currency,minimum_to_leave\nAUD,9999.00\n")

    told = shown(at("ana"))

    assert f"/run?execution={seen.number}" not in told
    assert "Nothing to pay" in told


def test_the_trail_of_an_execution_holds_all_that_belongs_to_it_and_nothing_else(world, at):
    # Given one that was paid, and another one
    seen = world.approved("currency\nJPY\n")
    world.work_off()
    other = world.submitted("currency\nCAD\n")

    # When its number is typed, or an old link with its id opened
    told = shown(at("eva", "audit", object=seen.number))
    by_id = shown(at("eva", "audit", object=f"execution:{seen.id}"))

    # Then request, decision, files and payouts stand there
    assert f"Everything about {seen.number}" in told
    assert f"Everything about {seen.number}" in by_id
    for act in ("Execution: drafted", "Approval: requested", "Approval: approved", "File: stored", "Payout: created"):
        assert act in told
        assert act in by_id
    assert "Session: opened" not in told
    assert other.id not in told


def test_a_request_has_its_trail_by_number_too_and_a_search_for_a_number_points_there(world, at):
    seen = world.submitted("currency\nCHF\n")
    with world.desk.read(world.actor("carla")) as reading:
        number = approvals.of_subject(reading, "execution", seen.id)[0].number

    told = shown(at("eva", "audit", object=number.lower()))

    assert f"Everything about {number}" in told
    assert "Approval: requested" in told
    assert "Execution: drafted" not in told
    assert f"object={seen.number}" in shown(at("eva", "audit", find=seen.number))
    assert "Nothing matches" in shown(at("eva", "audit", object="EX-1999-0001"))


def test_records_speak_peoples_language_and_open_to_what_is_stored(world, at):
    # Given a payout on its way, a check of the log, a refused upload, and a decision
    world.approved("currency,maximum\nKWD,1.000\n")
    world.work_off()
    seal(world)
    press(at("eva", "audit"), "Verify the log")
    world.draft("currency\nXX\n")
    world.approved("currency,maximum\nKWD,2.000\n")

    # When they are read
    told = shown(at("eva", "audit"))

    # Then no code, hash or truth value stands in a summary, and each opens to the record itself
    summaries = "\n".join(re.findall(r"<summary>.*?</summary>", told))
    assert "whole: yes" in summaries
    assert re.search(r"po sbx …[0-9a-f]{6}", summaries) or re.search(r"po_sbx …[0-9a-f]{6}", summaries)
    assert "why: cell bad" in summaries
    assert not re.search(r"[0-9a-f]{32}|True|False|[A-Z]+_[A-Z]+", summaries)
    assert "The log</a>" in told
    assert "Stripe balance payout</a>" in told
    assert "&quot;verb&quot;:&quot;approval.approved&quot;" in told


def test_one_button_verifies_the_log_of_the_whole_installation_and_says_so(world, at):
    seal(world)

    screen = press(at("eva", "audit"), "Verify the log")

    assert "The log is whole." in screen.success[0].value
    assert "other organisations' included" in screen.success[0].value
    assert "Root, to note elsewhere" in shown(screen)


def test_only_those_who_may_are_offered_proof_and_export(at):
    screen = at("dan", "audit")

    assert "Verify the log" not in [button.label for button in screen.button]
    assert not screen.download_button


def test_an_auditor_can_take_the_rows_along(at):
    assert [button.label for button in at("eva", "audit").download_button] == ["Export CSV", "Export XLSX"]


def test_nothing_matches_is_said(at):
    assert "Nothing matches" in shown(at("eva", "audit", find="no such thing anywhere"))


def test_the_log_is_told_by_days_with_a_picture_for_each_area(world, at):
    world.draft("currency,maximum\nUSD,0.11\n")

    told = shown(at("eva", "audit", audit_view="Timeline"))

    assert told.count('class="to-day"') == 1
    assert "<strong>Ana Brito</strong> · Execution: drafted ·" in told
    assert 'class="to-table"' not in told
    assert 'class="to-day"' not in shown(at("eva", "audit"))


def test_each_area_says_how_much_it_holds_and_shows_only_that(world, at):
    world.submitted("currency,maximum\nUSD,112\n")
    log.facets.clear()

    whole = shown(at("eva", "audit"))
    area = shown(at("eva", "audit", verb="Approval: anything", audit_view="Timeline"))

    assert "verb=Approval%3A+anything" in whole
    assert "verb=Execution%3A+anything&amp;audit_view=Timeline" in area, "whoever reads the days stays with them"
    assert "Approval: requested" in area
    assert "Execution: drafted" not in area
    assert 'aria-current="true"' in area
    assert 'class="to-facets"' not in shown(at("eva", "audit", object="EX-1999-0001")), "its counts are the whole log's"


def test_an_auditor_can_take_the_whole_record_of_an_execution_along_and_a_preparer_is_not_offered_it(world, at):
    drafted = world.draft("currency,maximum\nUSD,0.13\n")
    seen = world.execution(drafted.execution_id)

    trail = {"execution": seen.number, "execution_view": "Approvals"}
    offered = [each.label for each in at("eva", "executions", **trail).download_button]
    to_ana = [each.label for each in at("ana", "executions", **trail).download_button]

    assert offered == ["ZIP with files", "One page"]
    assert to_ana == []
