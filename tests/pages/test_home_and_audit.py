"""Home and its figures; the audit log, its trail and its proof."""

from finops_core import audit
from finops_core.kernel.actor import worker_actor
from tests.pages.conftest import shown


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


def test_the_trail_of_one_thing_holds_nothing_else(world, at):
    seen = world.submitted("currency\nJPY\n")

    screen = at("eva", "audit", object=f"execution:{seen.id}")

    told = shown(screen)
    assert f"Everything about execution:{seen.id}" in told
    assert "Execution: drafted" in told
    assert "Session: opened" not in told


def test_one_button_verifies_the_log(world, at):
    seal(world)
    screen = at("eva", "audit")

    next(button for button in screen.button if button.label == "Verify the log").click().run()

    assert not screen.exception
    assert "The log is whole." in screen.success[0].value
    assert "Root, to note elsewhere" in shown(screen)


def test_only_those_who_may_are_offered_proof_and_export(at):
    screen = at("dan", "audit")

    assert "Verify the log" not in [button.label for button in screen.button]
    assert not screen.download_button


def test_an_auditor_can_take_the_rows_along(at):
    assert [button.label for button in at("eva", "audit").download_button] == ["Export CSV", "Export XLSX"]


def test_nothing_matches_is_said(at):
    assert "Nothing matches" in shown(at("eva", "audit", find="no such thing anywhere"))
