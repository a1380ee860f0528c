"""The office that is asked, and what there is in it before a verb is asked."""

from dataclasses import dataclass
from pathlib import Path

from finops_core import approvals, operations, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.ids import new_id
from finops_core.payouts import service
from tests.api.v1.programs import Office
from tests.payouts.walks import begin, prepared, provider, resume, rows_of, run_of, sent_and_died

FILE = "currency,maximum\nEUR,1.25\n"
Ids = dict[str, str]


@dataclass
class Place:
    """An office and a folder for the files of the command line."""

    office: Office
    folder: Path

    def file(self, content: str) -> str:
        path = self.folder / "currencies.csv"
        path.write_text(content)
        return str(path)


def nothing(place: Place) -> Ids:
    del place
    return {}


def drafted(place: Place) -> Ids:
    done = place.office.world.draft(FILE, reason="once more")
    return {"execution": done.execution_id, "plan": "0"}


def planned(place: Place) -> Ids:
    seen = place.office.world.planned(FILE, reason="once more")
    return {"execution": seen.id, "plan": seen.plan_hash}


def asked(place: Place) -> Ids:
    world = place.office.world
    # A file of its own: what others did with the same one meanwhile has to be named to approve it.
    seen = world.submitted(f"currency,maximum,descriptor\nEUR,1.25,{new_id('d')[-12:].upper()}\n")
    with world.desk.read(world.actor("ben")) as reading:
        request = approvals.of_subject(reading, "execution", seen.id)[0]
    return {"execution": seen.id, "plan": seen.plan_hash, "request": request.id, "content": request.content_hash}


def done(place: Place) -> Ids:
    seen = place.office.world.approved("currency,maximum\nUSD,2.50\n", reason="once more")
    place.office.world.work_off()
    return {"execution": seen.id, "plan": seen.plan_hash}


def cancelled(place: Place) -> Ids:
    ids = planned(place)
    with place.office.world.desk.work(place.office.world.actor("ana")) as work:
        operations.cancel(work, ids["execution"])
    return ids


def one_refused(place: Place) -> Ids:
    """Two payouts, of which the second was refused for want of money."""
    world = place.office.world
    seen = world.approved("currency,maximum\nUSD,1.00\nEUR,1.00\n", reason="once more")
    world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT, nth=2))
    world.work_off()
    return {"execution": seen.id}


def paid_out(place: Place) -> Ids:
    """One payout that is on its way, and can still be taken back."""
    ids = done(place)
    return {**ids, "payout": rows_of(place.office.world, ids["execution"])[0].id}


def with_rehearsal(place: Place) -> Ids:
    ids = planned(place)
    with place.office.world.desk.work(place.office.world.actor("ana")) as work:
        payouts.rehearse(work, ids["execution"], [payouts.Trouble.TOO_FAST])
    return ids


def withdrawn(place: Place) -> Ids:
    ids = asked(place)
    with place.office.world.desk.work(place.office.world.actor("ana")) as work:
        operations.withdraw(work, ids["execution"], "wrong month")
    return ids


def in_doubt(place: Place) -> Ids:
    """A run whose one payout got no clear answer."""
    world = place.office.world
    seen = world.approved("currency,maximum\nUSD,1.75\n", reason="once more")
    world.sandbox.control.fault(Fault(FaultKind.RESET_BEFORE, times=50))
    world.work_off()
    world.sandbox.control.post("reset", {"only": ["fault"]})
    (row,) = rows_of(world, seen.id)
    assert row.state is payouts.PayoutState.IN_DOUBT
    return {"execution": seen.id, "payout": row.id}


def for_a_person(place: Place) -> Ids:
    """A payout that waits for a person: of another amount than its row is the one that is there."""
    world = place.office.world
    seen = world.approved("currency,maximum\nUSD,100.00\n", reason="once more")
    begun = begin(world)
    (row,) = prepared(world, begun)
    sent_and_died(world, begun, row, arrived=False)
    body = service.body_of(run_of(world, begun), row).replace(b"amount=10000", b"amount=9900")
    provider(world).submit(row.account, body, f"another for {row.id}")
    resume(world)
    (row,) = rows_of(world, seen.id)
    assert row.state is payouts.PayoutState.NEEDS_REVIEW
    return {"execution": seen.id, "payout": row.id}
