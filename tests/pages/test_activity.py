"""What happened in the ledger lately, on its page: figures of a period, and each operation that was refused."""

from contextlib import suppress

from finops_core import ledger
from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.money import Money
from tests.pages.conftest import press, shown


def test_a_refused_operation_stands_there_with_its_reason_and_counts(world, at):
    assert "Nothing was booked in this time" in shown(at("eva", "ledger", ledger_view="Activity"))
    with world.desk.work(world.actor("ana")) as work:
        wallet_id = ledger.open_wallet(work, "party_lumen", "USD")
        for _ in range(3):
            ledger.deposit(work, wallet_id, Money(1_000, "USD"))

    screen = at("ana", "ledger", account=wallet_id, do="move")
    screen = next(each for each in screen.selectbox if each.key == "act_kind").select(ledger.EntryType.FEE).run()
    next(field for field in screen.text_input if field.key == "act_amount").input("30.01")
    press(screen, "Book it")

    told = shown(at("eva", "ledger", ledger_view="Activity"))
    assert "25.0%" in told
    assert "Insufficient balance" in told
    assert "30.01 USD" in told
    assert "30.00 USD" in told, "the volume of the deposits"
    assert "Ana" in told
    assert "19 of 20 within" in told


def test_many_refusals_come_in_pages(world, at):
    with world.desk.work(world.actor("ana")) as work:
        wallet_id = ledger.open_wallet(work, "party_many", "USD")
    for number in range(ledger.PAGE + 1):
        with suppress(FinOpsError), world.desk.work(world.actor("ana")) as work:
            ledger.operate(work, ledger.EntryType.FEE, wallet_id, Money(100_000 + number, "USD"))

    first = at("eva", "ledger", ledger_view="Activity")
    with world.desk.read(world.actor("eva")) as reading:
        last = ledger.refusals(reading, ledger.PAGE)[-1]
    assert f"older={last.id}" in shown(first)
    assert "1,000.00 USD" in shown(at("eva", "ledger", ledger_view="Activity", older=last.id))
