"""What can become of a payout, and what each step does to the balance: on its way, paid, failed, canceled, reversed.

States and their order follow https://docs.stripe.com/api/payouts/object#payout_object-status: a paid payout can still
be returned by the bank. Reversals follow https://docs.stripe.com/connect/payout-reversals; the words of their
refusals are the sandbox's own, since Stripe publishes none.
"""

from dataclasses import replace

from finops_core.adapters.stripe_sandbox import accounts, events, ledger, objects, payouts
from finops_core.adapters.stripe_sandbox.calls import Call
from finops_core.adapters.stripe_sandbox.refusals import Refusal
from finops_core.adapters.stripe_sandbox.wire import JsonObject
from finops_core.kernel.ids import new_id

TRANSITIONS = {
    "pending": ("in_transit", "canceled", "failed"),
    "in_transit": ("paid", "failed"),
    "paid": ("failed",),
    "failed": (),
    "canceled": (),
}
REVERSIBLE_FOR_S = 90 * 24 * 3600
# What gives the money back, and under which name.
_RETURNS = {"failed": "payout_failure", "canceled": "payout_cancel"}


def transition(call: Call, to: str, failure_code: str = "", failure_message: str = "") -> JsonObject:
    """Move a payout to its next state; ``Refusal`` when that is not a step its state allows."""
    before = payouts.existing(call)
    if to not in TRANSITIONS.get(str(before["status"]), ()):
        raise Refusal(400, f"A payout that is {before['status']} cannot become {to}.", param="status")
    changed: JsonObject = {"status": to}
    if to in _RETURNS:
        changed["failure_balance_transaction"] = _give_back(call, before, _RETURNS[to])
    if to == "failed":
        bank_says = bank_failure(call, str(before["destination"]))
        changed["failure_code"] = failure_code or bank_says or "could_not_process"
        changed["failure_message"] = failure_message or "The bank returned this payout."
    if to == "paid":
        changed["trace_id"] = {"status": "supported", "value": f"SBX{str(before['id'])[-12:].upper()}"}
    after = payouts.save(call, before, changed)
    if to in ("paid", "failed", "canceled"):
        events.record(call, f"payout.{to}", after)
    if to == "failed":
        _take_reversal_back(call, before)
    return after


def cancel(call: Call) -> JsonObject:
    """POST /v1/payouts/{id}/cancel: while it is pending, and not one that Stripe's schedule made."""
    before = payouts.existing(call)
    if before["automatic"]:
        raise Refusal(400, "Automatic payouts cannot be canceled.")
    if before["status"] != "pending":
        raise Refusal(400, "Payouts can only be canceled while they are pending.")
    return transition(call, "canceled")


def reverse(call: Call) -> JsonObject:
    """POST /v1/payouts/{id}/reverse: a payout the other way, which debits the bank account of a connected account."""
    original = payouts.existing(call)
    _check_reversible(call, original)
    identity, amount = new_id("po_sbx"), int(str(original["amount"]))
    arrives = payouts.arrival_date(call.now_s, accounts.facts(call).country)
    movement = ledger.Movement(
        currency=str(original["currency"]),
        amount=amount,
        kind="payout",
        source=identity,
        source_type=str(original["source_type"]),
        available_on=max(arrives, call.now_s),
        description="STRIPE PAYOUT REVERSAL",
    )
    facts = objects.PayoutFacts(
        id=identity,
        amount=-amount,
        currency=movement.currency,
        created=call.now_s,
        arrival_date=arrives,
        destination=str(original["destination"]),
        source_type=movement.source_type,
        balance_transaction=ledger.move(call, movement),
        description=None,
        statement_descriptor=None,
        metadata={name: str(value) for name, value in call.mapping("metadata").items() if value},
        original_payout=str(original["id"]),
    )
    payouts.save(call, original, {"reversed_by": identity})
    return payouts.keep(call, facts)


def _check_reversible(call: Call, original: JsonObject) -> None:
    if not accounts.facts(call).platform:
        raise Refusal(400, "Only payouts of connected accounts can be reversed.")
    bank = call.store.documents("SELECT body FROM bank_account WHERE id = ?", (original["destination"],))
    if not bank or bank[0]["country"] != "US":
        raise Refusal(400, "Only payouts to bank accounts in the US can be reversed.")
    if original["status"] == "pending":
        raise Refusal(400, "This payout is pending; cancel it instead of reversing it.")
    if original["status"] not in ("in_transit", "paid"):
        raise Refusal(400, f"A payout that is {original['status']} cannot be reversed.")
    if original["original_payout"] is not None or original["reversed_by"] is not None:
        raise Refusal(400, "This payout is a reversal or has been reversed.")
    if call.now_s - int(str(original["arrival_date"])) >= REVERSIBLE_FOR_S:
        raise Refusal(400, "Payouts can be reversed for 90 days after their expected arrival.")


def bank_failure(call: Call, destination: str) -> str:
    """Why the bank behind a bank account returns every payout, "" when it does not."""
    row = call.store.connection.execute("SELECT failure_code FROM bank_account WHERE id = ?", (destination,)).fetchone()
    return str(row["failure_code"]) if row else ""


def _give_back(call: Call, payout: JsonObject, kind: str) -> str:
    amount = int(str(payout["amount"]))
    # What a reversal was to bring is not there before it arrives, so it is not taken away before either.
    arrives = int(str(payout["arrival_date"])) if amount < 0 else 0
    return ledger.move(
        call,
        ledger.Movement(
            currency=str(payout["currency"]),
            amount=amount,
            kind=kind,
            source=str(payout["id"]),
            source_type=str(payout["source_type"]),
            available_on=max(arrives, call.now_s),
            description=kind.replace("_", " ").upper(),
        ),
    )


def _take_reversal_back(call: Call, failed: JsonObject) -> None:
    """Stripe cancels a reversal that is still pending when the payout itself turns out to have failed."""
    if failed["reversed_by"] is None:
        return
    reversal = replace(call, ids=(str(failed["reversed_by"]),))
    if payouts.existing(reversal)["status"] == "pending":
        transition(reversal, "canceled")
