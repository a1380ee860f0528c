"""Operations: the list, one in full, and its switch."""

from finops_core import operations
from tests.pages.conftest import shown

STRIPE = "payouts.stripe_balance"


def test_the_list_leads_to_each_operation(at):
    told = shown(at("eva", "operations"))

    assert "Stripe balance payout" in told
    assert f"operation={STRIPE}" in told


def test_one_in_full_has_its_columns_its_people_and_its_executions(world, at):
    seen = world.planned("currency,maximum\nUSD,6.00\n")

    told = shown(at("ana", "operations", operation=STRIPE))

    assert "May run it" in told
    assert "Ana Brito" in told
    assert "minimum_to_leave" in told
    assert f"execution={seen.number}" in told
    assert "since 20" in told


def test_the_switch_needs_a_reason_and_is_the_administrators(world, at):
    screen = at("adam", "operations", operation=STRIPE)
    next(each for each in screen.form_submit_button if each.label == "Switch it off").click().run()
    assert "Say why it is switched." in screen.error[0].value

    screen.text_input[0].set_value("The provider is down.")
    next(each for each in screen.form_submit_button if each.label == "Switch it off").click().run()

    assert "Switched off" in shown(screen)
    assert "The provider is down." in shown(screen)
    assert [each.label for each in at("ana", "operations", operation=STRIPE).form_submit_button] == []
    with world.desk.work(world.actor("adam")) as work:
        operations.set_active(work, STRIPE, active=True, reason="It is back.")


def test_an_unknown_operation_says_so(at):
    assert "There is no such operation." in shown(at("ana", "operations", operation="no.such"))
