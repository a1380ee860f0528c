"""Search from anywhere: what somebody typed, looked for in every area, each with one bounded question.

What a person may not see is not found: each area answers only for what its own pages would show them.
"""

from dataclasses import dataclass
from typing import Any

from finops_core import approvals, audit, files, ledger, operations, parties, payouts, security
from finops_core.approvals import RequestView
from finops_core.audit import AuditView
from finops_core.files import FileView
from finops_core.kernel import sought as words
from finops_core.kernel.permissions import Permission
from finops_core.kernel.sought import Sought
from finops_core.ledger import EntryLine
from finops_core.operations import ExecutionView
from finops_core.parties import PartyView
from finops_core.payouts import PayoutView
from finops_core.platform.work import Reading

EACH, PEOPLE_MOST, THINGS_MOST = 6, 5, 8
# The kind of thing behind the beginning of one of our ids, as the log names it.
KINDS = {
    "ex": "execution",
    "ap": "approval",
    "pay": "payout",
    "je": "journal",
    "party": "party",
    "bank": "bank_details",
    "fr": "file",
    "file": "stored_file",
    "person": "person",
    "cn": "connection",
    "session": "session",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, area by area, newest first.

    Attributes:
        sought: what the words were taken for.
        more: names of the areas that have more than is shown.
        people: those whose names match; their executions and records are among what was found.
    """

    sought: Sought
    executions: tuple[ExecutionView, ...] = ()
    payouts: tuple[PayoutView, ...] = ()
    requests: tuple[RequestView, ...] = ()
    files: tuple[FileView, ...] = ()
    entries: tuple[EntryLine, ...] = ()
    parties: tuple[PartyView, ...] = ()
    records: tuple[AuditView, ...] = ()
    people: tuple[str, ...] = ()
    more: frozenset[str] = frozenset()

    @property
    def total(self) -> int:
        """How many things are shown."""
        money = self.executions, self.payouts, self.requests, self.entries
        return sum(map(len, (*money, self.files, self.parties, self.records)))


def search(reading: Reading, typed: str) -> Found:
    """Everything this person may see that matches: numbers, ids, amounts, payees, parties, accounts, files, people.

    Needs ``HOME_VIEW``. Nothing is looked for by a single character.
    """
    reading.require(Permission.HOME_VIEW)
    sought = words.read(typed)
    if not sought:
        return Found(sought)
    people = _people(reading, sought)
    most = EACH + 1
    runs = operations.find(reading, sought, people, most)
    paid = payouts.find(reading, sought, most)
    requests = approvals.find(reading, sought, "execution", [run.id for run in runs], most)
    kept = files.find(reading, sought, most)
    booked = ledger.find(reading, sought, most)
    dealt_with = parties.find(reading, sought, most)
    things = [
        *(f"execution:{run.id}" for run in runs),
        *(f"payout:{row.id}" for row in paid),
        *(f"approval:{request.id}" for request in requests),
        *(f"file:{file.id}" for file in kept),
        *(f"journal:{entry.id}" for entry in booked),
        *(f"party:{party.id}" for party in dealt_with),
    ]
    records = _records(reading, sought, things, people, most)
    groups = {
        "executions": runs,
        "payouts": paid,
        "requests": requests,
        "files": kept,
        "entries": booked,
        "parties": dealt_with,
        "records": records,
    }
    more = frozenset(name for name, rows in groups.items() if len(rows) > EACH)
    shown: dict[str, Any] = {name: rows[:EACH] for name, rows in groups.items()}
    return Found(sought, people=people, more=more, **shown)


def _people(reading: Reading, sought: Sought) -> tuple[str, ...]:
    """Ids of people whose names hold the words; nobody is sought by digits."""
    if not sought.text.replace(" ", "").isalpha():
        return ()
    known = security.people(reading)
    named = [each.id for each in known if sought.text in each.display_name.lower() or sought.text == each.username]
    return tuple(named[:PEOPLE_MOST])


def _records(
    reading: Reading, sought: Sought, things: list[str], people: tuple[str, ...], limit: int
) -> tuple[AuditView, ...]:
    if not reading.may(Permission.AUDIT_VIEW):
        return ()
    kind = KINDS.get(sought.id.partition("_")[0], "")
    typed = [sought.object] if sought.object else [f"{kind}:{sought.id}"] if kind else []
    exact = sought.text if "." in sought.text or sought.id else ""
    objects = list(dict.fromkeys([*typed, *things]))[:THINGS_MOST]
    return audit.find(reading, objects=objects, actors=people, exact=exact, limit=limit)
