"""The first walk without any screen: draft a Stripe balance payout, approve it as somebody else, follow it to its end.

Run it in the checkout's folder: ``python -m examples.first_payout``. It uses the demo company and the local sandbox,
in a folder of its own.
"""

import os
import sys
import tempfile
import time

os.environ.setdefault("TIEOUT_DATA_DIR", tempfile.mkdtemp(prefix="tieout-example-"))

from finops_core import approvals, operations, payouts, reference, security, start
from finops_core.desk import Desk
from finops_core.kernel.actor import Actor, Via, system_actor
from finops_core.kernel.money import Money
from finops_core.platform.settings import Settings

FILE = b"currency,maximum,minimum_to_leave\nUSD,,500.00\nEUR,1000.00,\nJPY,,\n"


def main() -> None:
    """From a file to money on its way."""
    settings = Settings()
    with start.prepare(settings) as desk, start.children(settings):
        ana, ben = person(desk, "ana"), person(desk, "ben")

        upload = operations.Upload("week-47.csv", FILE)
        with desk.work(ana) as work:
            drafted = operations.draft(work, "payouts.stripe_balance", {}, upload)
        if isinstance(drafted, operations.Refused):
            sys.exit("\n".join(f"row {fault.row}: {fault.message}" for fault in drafted.faults))

        planned = wait(desk, ana, drafted.execution_id, {operations.State.READY, operations.State.FAILED})
        for currency, minor in planned.totals.items():
            print(f"{planned.number} would pay {Money(minor, currency)}")

        with desk.work(ana) as work:
            operations.submit(work, planned.id, planned.plan_hash)
        with desk.work(ben) as work:
            request = approvals.of_subject(work, "execution", planned.id)[0]
            approvals.decide(work, request.id, approvals.Decision.APPROVED, "As agreed.", request.content_hash)

        done = wait(desk, ana, planned.id, operations.FINAL)
        print(f"{done.number} is {done.state}: {done.message}")
        with desk.read(ana) as reading:
            for row in payouts.rows(reading, done.id):
                print(f"  {Money(row.amount_minor, row.currency)} to {row.bank}: {row.state} {row.provider_id}")


def person(desk: Desk, username: str) -> Actor:
    """A person of the demo company, acting for its first organisation."""
    with desk.read(system_actor()) as reading:
        org_id = reference.ids_by_slug(reading)["harbour"]
    with desk.read(system_actor(org_id)) as reading:
        found = next(member for member in security.people(reading) if member.username == username)
    return Actor(id=found.id, org_id=org_id, via=Via.CLI)


def wait(
    desk: Desk, actor: Actor, execution_id: str, states: frozenset[operations.State] | set[operations.State]
) -> operations.ExecutionView:
    """Look four times a second until the execution is in one of the states, for a minute at most."""
    for _ in range(240):
        with desk.read(actor) as reading:
            seen = operations.execution(reading, execution_id)
        if seen.state in states:
            return seen
        time.sleep(0.25)
    sys.exit(f"{seen.number} is still {seen.state}: is a worker running?")


if __name__ == "__main__":
    main()
