"""The crossing test: each table and each door, tried by people of another organisation.

Harbour Labs holds a row in every business table. Nils holds every role at Norrland Trading, and Ana, who prepared
Harbour's payouts, works there too; neither may see or touch anything of Harbour's while acting for Norrland. Hana, who
holds every role at Harbour, shows that each door does open for whom it should.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Alias, Column, Table, and_, delete, exists, func, insert, or_, select, text, update

from finops_core import (
    approvals,
    audit,
    connections,
    files,
    insight,
    ledger,
    notifications,
    operations,
    parties,
    payouts,
    reference,
    security,
)
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.audit import AuditFilter
from finops_core.catalog.jobs import JOBS
from finops_core.catalog.tables import TABLES
from finops_core.kernel import sought
from finops_core.kernel.actor import Actor, Via, system_actor, webhook_actor, worker_actor
from finops_core.kernel.errors import Conflict, FinOpsError, NotAllowed, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.kernel.provider import Mode, ProviderEvent
from finops_core.ledger.records import ledger_drift
from finops_core.notifications import outbox
from finops_core.notifications.models import dispatch
from finops_core.operations import ExecutionFilter
from finops_core.payouts import PayoutFilter, Verdict, service
from finops_core.payouts.models import statement_read, stray_payout
from finops_core.platform import repeats
from finops_core.platform.db import open_owner_engine
from finops_core.platform.scope_guard import ScopeBreach
from finops_core.platform.tables import Scope, facts_of
from finops_core.platform.work import Work
from finops_core.security.models import second_factor, session
from finops_core.security.roles import SHIPPED_ROLES
from tests.payouts.walks import begin, prepared, resume, row_as_stored, run_of
from tests.postgres import PostgresServer
from tests.world import World, running_world

AREAS: tuple[ModuleType, ...] = (
    approvals,
    audit,
    connections,
    files,
    insight,
    ledger,
    notifications,
    operations,
    parties,
    payouts,
    reference,
    security,
)
pytestmark = pytest.mark.slow

BUSINESS = sorted(name for name, table in TABLES.tables.items() if facts_of(table).scope is Scope.ORGANISATION)
SHARED = sorted(set(TABLES.tables) - set(BUSINESS))
MARK = "only-harbour-knows"
FILE = f"currency,descriptor\nUSD,{MARK[:22]}\n"
TRANSFERS = (
    f"name,iban,bic,currency,amount,town,country\n{MARK},DE02120300000000202051,BYLADEM1001,EUR,12.50,Hamburg,DE\n"
)
ACCOUNT = parties.BankDetails(MARK, "DE02120300000000202051")
CHECKED = parties.IdentityCheck(parties.IdentityStatus.VERIFIED, evidence=MARK, expires_on=date(2035, 1, 1))
PASSWORD = "a-long-password-9"

# What the installation's own tables hold of Harbour: its sessions, its links, and the people who work nowhere else.
HARBOURS_PEOPLE = {
    "session": "SELECT * FROM session WHERE org_id = :org ORDER BY id",
    "one_time_link": "SELECT * FROM one_time_link WHERE org_id = :org ORDER BY id",
    "second_factor": (
        "SELECT * FROM second_factor WHERE person_id IN (SELECT person_id FROM membership WHERE org_id = :org) "
        "AND person_id NOT IN (SELECT person_id FROM membership WHERE org_id <> :org) ORDER BY person_id"
    ),
    "person": (
        "SELECT * FROM person WHERE id IN (SELECT person_id FROM membership WHERE org_id = :org) "
        "AND id NOT IN (SELECT person_id FROM membership WHERE org_id <> :org) ORDER BY id"
    ),
}


def key_of(table: Table | Alias) -> Column[Any]:
    """What tells a row from the others of its organisation; of a posting, which is a line of an entry, the entry."""
    return next(column for column in table.primary_key if column.name != "org_id")


@dataclass
class Towns:
    """The world after both organisations have worked, and what Harbour holds."""

    world: World
    harbour: str
    norrland: str
    ids: dict[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    def actor(self, who: str, org_id: str) -> Actor:
        return Actor(self.world.people[who], org_id, Via.PAGE)

    def harbour_rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every business row of Harbour's, past all guards."""
        engine = open_owner_engine(self.world.desk.settings)
        of_harbour = {"org": self.harbour}
        with engine.connect() as connection:
            found = {
                name: [
                    tuple(row)
                    for row in connection.execute(
                        text(f'SELECT * FROM "{name}" WHERE org_id = :org ORDER BY 2'), of_harbour
                    )
                ]
                for name in BUSINESS
            }
            for name, statement in HARBOURS_PEOPLE.items():
                found[name] = [tuple(row) for row in connection.execute(text(statement), of_harbour)]
        engine.dispose()
        return found

    def first_id(self, table: Table) -> str:
        """The id of one of Harbour's rows."""
        with self.world.desk.read(system_actor(self.harbour)) as reading:
            key = key_of(table)
            return str(reading.scalar(select(key).where(table.c.org_id == self.harbour).order_by(key)))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def towns(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Towns]:
    with ExitStack() as stack:
        url = ""
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            url = stack.enter_context(server.database())
        yield stack.enter_context(both_at_work(tmp_path_factory.mktemp("towns"), url))


@contextmanager
def both_at_work(folder: Path, url: str) -> Iterator[Towns]:
    with running_world(folder, url) as world:
        towns = Towns(world, world.orgs["harbour"], world.orgs["norrland"])
        everywhere(towns, "hana", towns.harbour)
        everywhere(towns, "nils", towns.norrland)
        in_doubt(towns)
        done, transfers = world.approved(FILE), world.approved(TRANSFERS, operation="payouts.bank_transfers")
        world.approved("currency\nEUR\n", org="norrland")
        world.work_off()
        failed = world.approved("currency\nCHF\n")
        world.sandbox.control.fault(Fault(FaultKind.BALANCE_INSUFFICIENT))
        world.work_off()
        asked, planned = world.submitted("currency\nEUR\n"), world.planned("currency\nGBP\n")
        world.submitted("currency\nSEK\n", org="norrland")
        towns.ids |= {"transfers": transfers.id, "failed": failed.id}
        rehearsed_and_told(towns, planned.id)
        booked(towns)
        refuse(towns)
        JOBS["ledger.number"].run(world.desk, None)
        deal_with(towns)
        gather(towns, done.id, asked.id, planned.id)
        with world.desk.work(worker_actor("")) as work:
            work.execute(update(session).values(last_seen_at=work.now - timedelta(minutes=5)))
            audit.seal(work, world.desk.settings.heads_dir)
        yield towns


def in_doubt(towns: Towns) -> None:
    """A run of Harbour's with two payouts nobody can be sure of, one of which waits for a person."""
    world = towns.world
    seen = world.approved("currency\nCAD\nSEK\n")
    begun = begin(world)
    first, second = prepared(world, begun)
    run = run_of(world, begun)
    for row in (first, second):
        with run.unit() as work:
            assert service.intend(work, row)
    with run.unit() as work:
        service.review(work, row_as_stored(world, seen.id, 1), MARK)
    world.sandbox.control.fault(Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=50))
    resume(world)
    world.sandbox.control.post("reset", {"only": ["fault"]})
    assert world.execution(seen.id).state is operations.State.UNSETTLED
    towns.ids |= {"doubtful": seen.id, "in_review": first.id}


def rehearsed_and_told(towns: Towns, planned: str) -> None:
    """A rehearsal, what a person found, news and what signs it, a notice, a round of the checks: all of Harbour's."""
    desk = towns.world.desk
    with desk.work(towns.actor("ben", towns.harbour)) as work:
        payouts.resolve(work, towns.ids["in_review"], Verdict.NEVER_MADE, "", MARK)
    with desk.work(towns.actor("ana", towns.harbour)) as work:
        payouts.rehearse(work, planned, ())
    with desk.work(towns.actor("hana", towns.harbour)) as work:
        issued = security.issue_token(work, MARK, ["read"], work.now + timedelta(days=1))
        assert isinstance(issued, security.IssuedToken)
        repeats.once(work, "a-key", repeats.asked_hash([MARK]), lambda: repeats.Kept(200, MARK))
    towns.ids["token"] = issued.token.id
    with desk.work(system_actor(towns.harbour)) as work:
        stripe = connections.active(work, "stripe").id
        connections.set_webhook_secret(work, stripe, f"whsec_{MARK}")
        people = [towns.world.people["hana"]]
        towns.ids["endpoint"] = notifications.add_endpoint(
            work, channel="webhook", name=MARK, url=f"https://hooks.example.com/{MARK}", kinds=["payout.returned"]
        ).endpoint_id
        notifications.notify(work, people, "payout.returned", once=MARK, title=MARK)
        said = {"kind": "payout.returned", "once": MARK, "notice_id": "", "title": MARK, "body": MARK}
        outbox.put(work, [{"person_id": people[0], "page": "", "query": "{}", **said}])
        notifications.put_digest(work, people[0], "2026-11-20", MARK, [MARK])
    with desk.work(webhook_actor(towns.harbour)) as work:
        assert payouts.take_news(work, stripe, [(news_of(work.now), MARK.encode())])
    with desk.work(towns.actor("hana", towns.harbour)) as work:
        notifications.choose(work, {"execution.completed": "mail"}, 23)
    with desk.work(worker_actor(towns.harbour)) as work:
        found = {"id": new_id("stray"), "connection_id": stripe, "account": "", "provider_id": MARK, "item": MARK}
        at = {"found_at": work.now, "looked_at": work.now}
        work.execute(insert(stray_payout).values(org_id=work.org_id, attempt=1, status="paid", **found, **at))
        read = {"id": new_id("str"), "connection_id": stripe, "account": MARK, "read_at": work.now}
        work.execute(insert(statement_read).values(org_id=work.org_id, **read))
        work.execute(update(dispatch).where(dispatch.c.org_id == work.org_id).values(state="failed"))
    JOBS["upkeep.check"].run(desk, None)
    towns.ids["connection"] = stripe


def news_of(now: datetime) -> ProviderEvent:
    return ProviderEvent("evt_sbx_harbour", "payout.paid", "", "po_sbx_harbour", {}, Mode.TEST, now)


def everywhere(towns: Towns, username: str, org_id: str) -> None:
    """Somebody with every role in one organisation, and the authority to approve there."""
    with towns.world.desk.work(system_actor(org_id)) as work:
        person_id = security.add_person(work, username, username.title(), f"{username}@example.org", PASSWORD)
        for role in SHIPPED_ROLES:
            security.grant_role(work, person_id, role.id, org_id)
        approvals.grant_authority(work, person_id=person_id, item_type="payout", currency="*", limit_minor=None)
    towns.world.people[username] = person_id


def protect(towns: Towns, who: str) -> None:
    """Give somebody a second factor, as if a code had confirmed it."""
    with towns.world.desk.work(system_actor()) as work:
        values = {"person_id": towns.world.people[who], "secret": b"sealed", "created_at": work.now}
        work.execute(insert(second_factor).values(**values, confirmed_at=work.now, last_step=0))


def booked(towns: Towns) -> None:
    """Wallets of Harbour's with money in them, one of them frozen, and a locked period."""
    with towns.world.desk.work(towns.actor("hana", towns.harbour)) as work:
        wallets = [ledger.open_wallet(work, f"party_{MARK}_{number}", "USD") for number in range(3)]
        towns.ids |= dict(zip(("wallet", "wallet_two", "frozen"), wallets, strict=True))
        ledger.deposit(work, wallets[0], Money(18422015, "USD"), ledger.Terms(key=MARK))
        towns.ids["entry"] = ledger.hold(work, wallets[0], Money(100, "USD")).id
        ledger.freeze(work, wallets[2], MARK)
        proposal = ledger.Proposal(wallets[0], Money(18422015, "USD"), MARK)
        towns.ids["proposal"] = ledger.propose_adjustment(work, proposal)
        asked = approvals.of_subject(work, "adjustment", towns.ids["proposal"])[0]
        towns.ids["proposal_hash"] = asked.content_hash
        wait = ledger.PendingMove(ledger.EntryType.FEE, wallets[0], Money(100, "USD"), timedelta(hours=1), key=MARK)
        towns.ids["pending"] = ledger.begin_pending(work, wait)
        towns.ids["euro"] = ledger.open_wallet(work, f"party_{MARK}_euro", "EUR")
        reference.take_in_rates(work, f"Date,USD\n{reference.today(work).isoformat()},1.05\n".encode())
        towns.ids["reconciliation"] = ledger.ask_to_reconcile(work, MARK)
        towns.ids["stop"] = ledger.stop(work, ledger.StopWidth.WALLET, MARK, wallets[2])
        towns.ids["period"] = ledger.lock_period(work, date(2020, 1, 1), date(2020, 1, 31), MARK)
        found = {"reconciliation_id": towns.ids["reconciliation"], "account_id": wallets[0], "currency": "USD"}
        amounts = {"shown_minor": 18422016, "should_minor": 18422015, "repaired": True, "broken": False}
        drift = {"org_id": work.org_id, "id": f"drift_{MARK}", "found_at": work.now, **found, **amounts}
        work.execute(insert(ledger_drift), drift)


def refuse(towns: Towns) -> None:
    """An operation of Harbour's that was refused."""
    with suppress(FinOpsError), towns.world.desk.work(towns.actor("hana", towns.harbour)) as work:
        ledger.operate(work, ledger.EntryType.WITHDRAWAL, towns.ids["wallet"], Money(2**50, "USD"))


def deal_with(towns: Towns) -> None:
    """A party of Harbour's whose bank details wait, and whose identity is known."""
    with towns.world.desk.work(towns.actor("ana", towns.harbour)) as work:
        towns.ids["party"] = parties.add_party(work, parties.PartyKind.COMPANY, MARK)
        towns.ids["details"] = parties.propose_details(work, towns.ids["party"], ACCOUNT, MARK)
    with towns.world.desk.work(towns.actor("hana", towns.harbour)) as work:
        towns.ids["other_party"] = parties.add_party(work, parties.PartyKind.PERSON, MARK)
        towns.ids["checked"] = parties.note_identity(work, towns.ids["party"], CHECKED)
        towns.ids["details_hash"] = approvals.of_subject(work, "bank_details", towns.ids["details"])[0].content_hash


def gather(towns: Towns, done: str, asked: str, planned: str) -> None:
    """What Harbour has, by name, and everything of it that must show nowhere else."""
    desk = towns.world.desk
    with desk.work(security.visitor()) as work:
        signed_in = security.sign_in(work, "hana", PASSWORD, "192.0.2.7")
    assert isinstance(signed_in, security.SignedIn)
    hana = towns.world.people["hana"]
    with desk.read(towns.actor("hana", towns.harbour)) as reading:
        request = approvals.of_subject(reading, "execution", asked)[0]
        towns.ids |= {
            "done": done,
            "asked": asked,
            "planned": planned,
            "request": request.id,
            "hash": request.content_hash,
            "done_hash": operations.execution(reading, done).plan_hash,
            "planned_hash": operations.execution(reading, planned).plan_hash,
            "file": next(each.id for each in files.of(reading, "execution", done) if each.role == "input"),
            "payout": payouts.rows(reading, done)[0].id,
            "notice": notifications.unread(reading)[0].id,
            "mail": notifications.mails(reading).rows[0].id,
            "dispatch": notifications.dispatch_log(reading).rows[0].id,
            "authority": approvals.authorities(reading, hana)[0].id,
            "session": signed_in.session_id,
            "hana": hana,
        }
    with desk.work(towns.actor("hana", towns.harbour)) as work:
        towns.ids["invited"] = security.invite(work, "invited", MARK, "", ["preparer"]).person_id
    protect(towns, "ben")
    with desk.work(towns.actor("hana", towns.harbour)) as work:
        files.download(work, towns.ids["file"])
    with desk.work(towns.actor("ana", towns.harbour)) as work:
        towns.ids["comment"] = files.add_comment(work, "execution", done, MARK).id
        towns.ids["attached"] = files.attach(work, "execution", done, "note.txt", MARK.encode()).id
    rows = towns.harbour_rows()
    row_ids = {str(row[1]) for name in set(BUSINESS) - {"number_series"} for row in rows[name]}
    # What Harbour paid, in minor units, and the end of what signs its news: views show them without any id.
    shown = {MARK[:22], f"…{MARK[-4:]}", "18422015", "192.0.2.7"}
    towns.secrets = frozenset({towns.harbour, hana, signed_in.session_id, "Hana"} | shown | row_ids)


# --- each table ---------------------------------------------------------------------------------------------------


def test_harbour_holds_a_row_in_every_business_table(towns: Towns):
    rows = towns.harbour_rows()

    assert [name for name in BUSINESS if not rows[name]] == []
    assert (len(rows["session"]), len(rows["person"]), len(rows["second_factor"])) == (1, 3, 1)


def test_every_table_says_whether_it_belongs_to_one_organisation():
    assert set(BUSINESS) == {name for name, table in TABLES.tables.items() if "org_id" in table.primary_key.columns}
    assert {name for name in SHARED if "org_id" in TABLES.tables[name].c} == {"job", "one_time_link", "session"}


def unguarded(table: Table, harbour: str) -> dict[str, object]:
    """Statements that reach for another organisation's rows, or for everybody's."""
    other = table.alias("other")
    key, its = key_of(table), key_of(other)
    first = next(column for column in table.c if column.name not in {"org_id", key.name})
    row = {column.name: "x" for column in table.c} | {"org_id": harbour}
    return {
        "read everybody's": select(table),
        "read another's": select(table).where(table.c.org_id == harbour),
        "read some of another's": select(key).where(table.c.org_id.in_([harbour])),
        "count everybody's": select(func.count()).select_from(table),
        "read by not being another's": select(table).where(table.c.org_id != "nobody"),
        "read either": select(table).where(or_(table.c.org_id == harbour, key == "x")),
        "read by id": select(table).where(key == "x"),
        "ask whether there is": select(exists().where(table.c.org_id == harbour)),
        "join another's": select(key).join(other, its == key).where(table.c.org_id == "mine"),
        "change everybody's": update(table).values({first.name: None}),
        "change another's": update(table).where(table.c.org_id == harbour).values({first.name: None}),
        "move to another": update(table).where(table.c.org_id == "mine").values(org_id=harbour),
        "delete everybody's": delete(table),
        "delete another's": delete(table).where(table.c.org_id == harbour),
        "insert for another": insert(table).values(row),
    }


@pytest.mark.parametrize("name", BUSINESS)
def test_no_statement_of_one_organisation_reaches_rows_of_another(towns: Towns, name: str):
    # Given a unit of Norrland's with every permission there is
    table = TABLES.tables[name]
    before = towns.harbour_rows()
    passed = []
    # When it tries each kind of statement
    for what, statement in unguarded(table, towns.harbour).items():
        with towns.world.desk.work(system_actor(towns.norrland)) as work:
            try:
                work.execute(statement)  # type: ignore[arg-type]
            except ScopeBreach:
                continue
            passed.append(what)
    # Then each is refused before it reaches the database
    assert passed == []
    assert towns.harbour_rows() == before


@pytest.mark.parametrize("name", BUSINESS)
def test_an_id_of_another_organisation_finds_changes_and_deletes_nothing(towns: Towns, name: str):
    # Given the id of one of Harbour's rows (a series of numbers has the same id everywhere)
    table = TABLES.tables[name]
    row_id = towns.first_id(table)
    before = towns.harbour_rows()
    key = key_of(table)
    here = and_(table.c.org_id == towns.norrland, key == row_id)
    there = and_(table.c.org_id == towns.harbour, key == row_id)
    column = next(each for each in table.c if each.name not in {"org_id", key.name})
    # When Norrland names it in its own organisation
    with towns.world.desk.work(system_actor(towns.norrland)) as work:
        found = work.rows(select(table).where(here))
        changed = 0 if found else work.execute(update(table).where(here).values({column.name: column})).rowcount
        deleted = 0 if found else work.execute(delete(table).where(here)).rowcount
    # Then there is no such row, while Harbour has it
    assert (len(found), changed, deleted) == (int(name == "number_series"), 0, 0)
    assert towns.harbour_rows() == before
    with towns.world.desk.read(system_actor(towns.harbour)) as reading:
        assert len({tuple(row)[:2] for row in reading.rows(select(table).where(there))}) == 1


# --- each door ----------------------------------------------------------------------------------------------------

Call = Callable[[Work, dict[str, str]], object]


@dataclass(frozen=True)
class Door:
    """How to call a public function about something of Harbour's, and who of Harbour's may."""

    call: Call
    who: str = "hana"


def _event(kind: type, ids: dict[str, str], org_id: str) -> object:
    return kind(org_id, ids["request"], "execution", ids["asked"], ids["hash"])


def _proposed(kind: Any, ids: dict[str, str], org_id: str) -> Any:
    return kind(org_id, ids["request"], "adjustment", ids["proposal"], ids["proposal_hash"])


def _upload(content: str) -> operations.Upload:
    return operations.Upload("currencies.csv", content.encode())


def _details(kind: Any, ids: dict[str, str], org_id: str) -> Any:
    return kind(org_id, ids["request"], "bank_details", ids["details"], ids["details_hash"])


def _agreed(work: Work, ids: dict[str, str]) -> None:
    """Details are agreed to only beside a decision."""
    request = approvals.of_subject(work, "bank_details", ids["details"])
    for each in request:
        approvals.decide(work, each.id, approvals.Decision.APPROVED, "", ids["details_hash"])
    parties.on_approved(work, _details(approvals.Approved, ids, work.org_id))


def _verified(work: Work, party_id: str) -> tuple[str, str]:
    """Whether a holder is held to be verified; of nobody one knows it is said like of nobody there is."""
    try:
        parties.require_verified(work, party_id)
    except Conflict as error:
        return "refused", error.code
    return "verified", ""


STRIPE = "payouts.stripe_balance"
ONE = Money(1, "USD")
DOORS: dict[str, Door] = {
    "approvals.asked_about": Door(
        lambda w, _: ("asked", [row.subject_id for row in w.rows(approvals.asked_about(w, "execution"))])
    ),
    "approvals.authorities": Door(lambda w, i: approvals.authorities(w, i["hana"])),
    "approvals.decide": Door(lambda w, i: approvals.decide(w, i["request"], "rejected", "no", i["hash"])),
    "approvals.decided": Door(lambda w, _: approvals.decided(w)),
    "approvals.deciders": Door(lambda w, i: approvals.deciders(w, approvals.request_view(w, i["request"]))),
    "approvals.eligible": Door(lambda w, _: approvals.eligible(w, "payout", {"USD": 1}, ())),
    "approvals.end_authority": Door(lambda w, i: approvals.end_authority(w, i["authority"])),
    "approvals.grant_authority": Door(
        lambda w, i: approvals.grant_authority(w, person_id=i["ben"], item_type="payout", currency="USD", limit_minor=1)
    ),
    "approvals.nobody_else_approves": Door(lambda w, i: approvals.nobody_else_approves(w, i["ben"])),
    "approvals.find": Door(lambda w, i: approvals.find(w, sought.read(MARK), "execution", [i["asked"]])),
    "approvals.of_subject": Door(lambda w, i: approvals.of_subject(w, "execution", i["asked"])),
    "approvals.request_view": Door(lambda w, i: approvals.request_view(w, i["request"])),
    "approvals.standing_approval": Door(
        lambda w, i: approvals.standing_approval(w, "execution", i["done"], i["done_hash"])
    ),
    "approvals.stuck_without": Door(lambda w, i: ("stuck", approvals.stuck_without(w, i["ben"]))),
    "approvals.supersede": Door(lambda w, i: approvals.supersede(w, "execution", i["asked"], "by chance")),
    "approvals.waiting": Door(lambda w, _: approvals.waiting(w)),
    "approvals.waiting_page": Door(lambda w, _: approvals.waiting_page(w).rows),
    "approvals.withdraw": Door(lambda w, i: approvals.withdraw(w, i["request"]), who="ana"),
    "audit.export_rows": Door(lambda w, _: audit.export_rows(w, AuditFilter())),
    "audit.facets": Door(lambda w, _: audit.facets(w)),
    "audit.records": Door(lambda w, _: audit.records(w, AuditFilter(), limit=1000)),
    "audit.thing": Door(lambda w, i: audit.thing(w, f"execution:{i['done']}")),
    "audit.trail": Door(lambda w, i: audit.trail(w, f"execution:{i['done']}")),
    "audit.counts": Door(lambda w, i: audit.counts(w, "file.downloaded", [f"file:{i['file']}"])),
    "audit.find": Door(lambda w, i: audit.find(w, objects=[f"execution:{i['done']}"], actors=[i["hana"]])),
    "audit.of_installation": Door(lambda w, i: audit.of_installation(w, f"execution:{i['done']}")),
    "audit.of_object": Door(lambda w, i: audit.of_object(w, f"execution:{i['done']}")),
    "connections.active": Door(lambda w, _: connections.active(w, "stripe")),
    "connections.credentials": Door(lambda w, i: connections.credentials(w, i["connection"])),
    "connections.listed": Door(lambda w, _: connections.listed(w)),
    "connections.provider_of": Door(lambda w, i: connections.provider_of(w, i["connection"])),
    "connections.one": Door(lambda w, i: connections.one(w, i["connection"])),
    "connections.replace_secret": Door(
        lambda w, i: connections.replace_secret(w, i["connection"], "rk_test_sbx_other_demo_0009")
    ),
    "connections.retire": Door(lambda w, i: connections.retire(w, i["connection"])),
    "connections.set_webhook_secret": Door(
        lambda w, i: connections.set_webhook_secret(w, i["connection"], "whsec_SomebodyElsesSecret")
    ),
    "connections.webhook_secrets": Door(lambda w, i: connections.webhook_secrets(w, i["connection"])),
    "files.content": Door(lambda w, i: files.content(w, i["file"])),
    "files.download_all": Door(lambda w, i: files.download_all(w, [i["file"]])),
    "files.download": Door(lambda w, i: files.download(w, i["file"])),
    "files.downloads": Door(lambda w, i: files.downloads(w, [i["file"]])),
    "files.payable": Door(lambda w, i: files.payable(w, "execution", i["transfers"])),
    "files.may_take": Door(lambda w, i: ("may", files.may_take(w, files.one(w, i["file"])))),
    "files.check": Door(lambda w, _: ("checked", files.check(w))),
    "files.add_comment": Door(lambda w, i: files.add_comment(w, "execution", i["done"], "Is it right?")),
    "files.attach": Door(lambda w, i: files.attach(w, "payout", i["payout"], "note.txt", b"a note")),
    "files.attachments": Door(lambda w, i: files.attachments(w, "execution", i["done"])),
    "files.comments": Door(lambda w, i: files.comments(w, "execution", i["done"])),
    "files.earlier_comments": Door(lambda w, i: ("counted", files.earlier_comments(w, "execution", i["done"]))),
    "files.find": Door(lambda w, _: files.find(w, sought.read("currencies.csv"))),
    "files.one": Door(lambda w, i: files.one(w, i["file"])),
    "files.page": Door(lambda w, _: files.page(w, files.FileFilter())),
    "files.take_attachment": Door(lambda w, i: files.take_attachment(w, i["attached"])),
    "files.uses": Door(lambda w, i: files.uses(w, files.one(w, i["file"]))),
    "files.versions": Door(lambda w, i: files.versions(w, files.one(w, i["file"]))),
    "files.withdraw_comment": Door(lambda w, i: files.withdraw_comment(w, i["comment"]), who="ana"),
    "files.of": Door(lambda w, i: files.of(w, "execution", i["done"])),
    "audit.inclusion": Door(lambda w, _: audit.inclusion(w, [])),
    "insight.gather_record": Door(lambda w, i: insight.gather_record(w, i["done"]).name),
    "insight.gather_record_page": Door(lambda w, i: insight.gather_record_page(w, i["done"]).name),
    "insight.records_taken": Door(lambda w, i: ("read", insight.records_taken(w, i["done"]))),
    "insight.take_record": Door(lambda w, i: insight.take_record(w, i["done"]).name),
    "insight.take_record_page": Door(lambda w, i: insight.take_record_page(w, i["done"]).name),
    "insight.departure": Door(lambda w, i: insight.departure(w, i["ben"])),
    "insight.my_work": Door(lambda w, _: insight.my_work(w)),
    "insight.procedure": Door(lambda w, _: insight.procedure(w, STRIPE)),
    "insight.search": Door(lambda w, _: insight.search(w, "currencies.csv")),
    "insight.tables": Door(lambda w, _: insight.tables(w, TABLES, counted=True)),
    "insight.table_rows": Door(
        lambda w, _: [insight.table_rows(w, TABLES, each.name).rows for each in insight.tables(w, TABLES)]
    ),
    "insight.home": Door(lambda w, _: insight.home(w)),
    "insight.money": Door(lambda w, _: insight.money(w)),
    "ledger.adjust": Door(lambda w, i: ledger.adjust(w, i["wallet"], ONE, ledger.Terms(reason=MARK))),
    "ledger.balance": Door(lambda w, i: ledger.balance(w, i["wallet"])),
    "ledger.balance_on": Door(lambda w, i: ledger.balance_on(w, i["wallet"], w.now.date())),
    "ledger.charge_fee": Door(lambda w, i: ledger.charge_fee(w, i["wallet"], ONE)),
    "ledger.deposit": Door(lambda w, i: ledger.deposit(w, i["wallet"], ONE)),
    "ledger.entries": Door(lambda w, _: ledger.entries(w)),
    "ledger.accounts": Door(lambda w, _: ledger.accounts(w, "2010", "USD")),
    "ledger.statement": Door(lambda w, i: ledger.statement(w, i["wallet"])),
    "ledger.entry": Door(lambda w, i: ledger.entry(w, i["entry"])),
    "ledger.freeze": Door(lambda w, i: ledger.freeze(w, i["wallet"], MARK)),
    "ledger.hold": Door(lambda w, i: ledger.hold(w, i["wallet"], ONE)),
    "ledger.operate": Door(lambda w, i: ledger.operate(w, ledger.EntryType.FEE, i["wallet"], ONE)),
    "ledger.pay_out": Door(lambda w, i: ledger.pay_out(w, i["wallet"], ONE)),
    "ledger.on_approved": Door(lambda w, i: ledger.on_approved(w, _proposed(approvals.Approved, i, w.org_id))),
    "ledger.on_ended": Door(lambda w, i: ledger.on_ended(w, _proposed(approvals.Rejected, i, w.org_id))),
    "ledger.begin_pending": Door(
        lambda w, i: ledger.begin_pending(
            w, ledger.PendingMove(ledger.EntryType.FEE, i["wallet"], ONE, timedelta(hours=1))
        )
    ),
    "ledger.pending_move": Door(lambda w, i: ledger.pending_move(w, i["pending"])),
    "ledger.pending_moves": Door(lambda w, i: [ledger.pending_moves(w), ledger.pending_moves(w, i["wallet"])]),
    "ledger.post_pending": Door(lambda w, i: ledger.post_pending(w, i["pending"])),
    "ledger.void_pending": Door(lambda w, i: ledger.void_pending(w, i["pending"], MARK)),
    "ledger.proposal": Door(lambda w, i: ledger.proposal(w, i["proposal"])),
    "ledger.proposals": Door(lambda w, i: [ledger.proposals(w), ledger.proposals(w, i["wallet"])]),
    "ledger.propose_adjustment": Door(
        lambda w, i: ledger.propose_adjustment(w, ledger.Proposal(i["wallet"], ONE, MARK))
    ),
    "ledger.withdraw_proposal": Door(lambda w, i: ledger.withdraw_proposal(w, i["proposal"])),
    "ledger.adjust_or_propose": Door(
        lambda w, i: ledger.adjust_or_propose(w, i["wallet"], ONE, ledger.Terms(reason=MARK))
    ),
    "ledger.refusals": Door(lambda w, _: ledger.refusals(w)),
    "ledger.drift_trend": Door(lambda w, i: ledger.drift_trend(w, i["wallet"])),
    "ledger.health": Door(lambda w, _: ledger.health(w)),
    "ledger.statistics": Door(lambda w, _: ledger.statistics(w, timedelta(hours=1))),
    "ledger.exchange": Door(lambda w, i: ledger.exchange(w, i["wallet"], i["euro"], ONE)),
    "ledger.drifts": Door(lambda w, _: ledger.drifts(w)),
    "ledger.reconcile_wallet": Door(lambda w, i: ledger.reconcile_wallet(w, i["wallet"], MARK)),
    "ledger.reconciliation": Door(lambda w, i: ledger.reconciliation(w, i["reconciliation"])),
    "ledger.reconciliations": Door(lambda w, _: ledger.reconciliations(w)),
    "ledger.refund": Door(lambda w, i: ledger.refund(w, i["wallet"], ONE)),
    "ledger.release": Door(lambda w, i: ledger.release(w, i["wallet"], ONE)),
    "ledger.resume": Door(lambda w, i: ledger.resume(w, i["stop"], MARK)),
    "ledger.reverse": Door(lambda w, i: ledger.reverse(w, i["entry"], ledger.Terms(reason=MARK))),
    "ledger.stop": Door(lambda w, i: ledger.stop(w, ledger.StopWidth.WALLET, MARK, i["wallet"])),
    "ledger.money_stop": Door(lambda w, i: ledger.money_stop(w, i["stop"])),
    "ledger.stops": Door(lambda w, _: ledger.stops(w)),
    "ledger.find": Door(lambda w, _: ledger.find(w, sought.read("JE-2026-"))),
    "ledger.numbers": Door(lambda w, i: ledger.numbers(w, [i["entry"]])),
    "ledger.period": Door(lambda w, i: ledger.period(w, i["period"])),
    "ledger.periods": Door(lambda w, _: ledger.periods(w, locked=False)),
    "ledger.unlock_period": Door(lambda w, i: ledger.unlock_period(w, i["period"], MARK)),
    "ledger.transfer": Door(lambda w, i: ledger.transfer(w, i["wallet"], i["wallet_two"], ONE)),
    "ledger.trial_balance": Door(lambda w, _: ledger.trial_balance(w)),
    "ledger.wallet": Door(lambda w, i: ledger.wallet(w, i["wallet"])),
    "ledger.wallets": Door(lambda w, _: ledger.wallets(w)),
    "ledger.unfreeze": Door(lambda w, i: ledger.unfreeze(w, i["frozen"], MARK)),
    "ledger.withdraw": Door(lambda w, i: ledger.withdraw(w, i["wallet"], ONE)),
    "notifications.add_endpoint": Door(
        lambda w, _: notifications.add_endpoint(
            w, channel="webhook", name="x", url="https://hooks.example.org/x", kinds=["payout.returned"]
        )
    ),
    "notifications.change_endpoint": Door(
        lambda w, i: notifications.change_endpoint(w, i["endpoint"], name="x", kinds=["worker.dead"])
    ),
    "notifications.dispatch_again": Door(lambda w, i: notifications.dispatch_again(w, i["dispatch"])),
    "notifications.dispatch_log": Door(lambda w, _: notifications.dispatch_log(w)),
    "notifications.dispatch_view": Door(lambda w, i: notifications.dispatch_view(w, i["dispatch"])),
    "notifications.endpoint_list": Door(lambda w, _: ("all", notifications.endpoint_list(w))),
    "notifications.endpoint_names": Door(lambda w, _: ("all", notifications.endpoint_names(w))),
    "notifications.endpoint_view": Door(lambda w, i: notifications.endpoint_view(w, i["endpoint"])),
    "notifications.pause_endpoint": Door(lambda w, i: notifications.pause_endpoint(w, i["endpoint"])),
    "notifications.remove_endpoint": Door(lambda w, i: notifications.remove_endpoint(w, i["endpoint"])),
    "notifications.resume_endpoint": Door(
        lambda w, i: (
            notifications.pause_endpoint(w, i["endpoint"]),
            notifications.resume_endpoint(w, i["endpoint"]),
        )
    ),
    "notifications.roll_secret": Door(lambda w, i: notifications.roll_secret(w, i["endpoint"])),
    "notifications.choices": Door(lambda w, _: ("standing by default", notifications.choices(w))),
    "notifications.choose": Door(lambda w, _: notifications.choose(w, {"execution.completed": "off"}, 5)),
    "notifications.digest_due": Door(lambda w, i: notifications.digest_due(w, i["hana"]).hour),
    "notifications.for_digest": Door(lambda w, _: notifications.for_digest(w, timedelta(days=7))),
    "notifications.mail_view": Door(lambda w, i: notifications.mail_view(w, i["mail"])),
    "notifications.mails": Door(lambda w, _: notifications.mails(w, everybody=True)),
    "notifications.notices": Door(lambda w, _: notifications.notices(w)),
    "notifications.read_all": Door(lambda w, _: notifications.read_all(w)),
    "notifications.read_one": Door(lambda w, i: notifications.read_one(w, i["notice"])),
    "notifications.unread": Door(lambda w, _: notifications.unread(w)),
    "notifications.unread_count": Door(lambda w, _: notifications.unread_count(w)),
    "notifications.unread_since": Door(lambda w, _: notifications.unread_since(w, "")),
    "notifications.newest_id": Door(lambda w, _: notifications.newest_id(w)),
    "operations.cancel": Door(lambda w, i: operations.cancel(w, i["asked"])),
    "operations.draft": Door(lambda w, _: operations.draft(w, STRIPE, {}, _upload(FILE)), who="ana"),
    "operations.execution": Door(lambda w, i: operations.execution(w, i["done"])),
    "operations.executions": Door(lambda w, _: operations.executions(w, ExecutionFilter())),
    "operations.find": Door(lambda w, i: operations.find(w, sought.read("currencies.csv"), [i["ana"]])),
    "operations.go_on": Door(lambda w, i: operations.go_on(w, i["doubtful"]), who="ana"),
    "operations.held_without": Door(lambda w, i: ("held", operations.held_without(w, i["ben"]))),
    "operations.kin": Door(lambda w, i: operations.kin(w, operations.execution(w, i["done"]))),
    "operations.state_of": Door(lambda w, i: operations.state_of(w, i["done"])),
    "operations.log": Door(lambda w, i: operations.log(w, i["done"])),
    "operations.on_approved": Door(lambda w, i: operations.on_approved(w, _event(approvals.Approved, i, w.org_id))),
    "operations.on_expired": Door(lambda w, i: operations.on_expired(w, _event(approvals.Expired, i, w.org_id))),
    "operations.on_rejected": Door(lambda w, i: operations.on_rejected(w, _event(approvals.Rejected, i, w.org_id))),
    "operations.plan": Door(lambda w, i: operations.plan(w, i["done"])),
    "operations.planned_rows": Door(lambda w, i: operations.planned_rows(w, i["done"])),
    "operations.reopen": Door(lambda w, i: operations.reopen(w, i["failed"], [1]), who="ana"),
    "operations.replan": Door(lambda w, i: operations.replan(w, i["planned"]), who="ana"),
    "operations.result": Door(lambda w, i: operations.result(w, i["done"])),
    "operations.submit": Door(lambda w, i: operations.submit(w, i["planned"], i["planned_hash"]), who="ana"),
    "operations.withdraw": Door(lambda w, i: operations.withdraw(w, i["asked"], "A wrong file."), who="ana"),
    "parties.add_party": Door(lambda w, _: parties.add_party(w, parties.PartyKind.OWN, "Us")),
    "parties.close_party": Door(lambda w, i: parties.close_party(w, i["party"], MARK)),
    "parties.details": Door(lambda w, i: parties.details(w, i["party"])),
    "parties.find": Door(lambda w, i: ("found", parties.find(w, sought.read(i["party"])))),
    "parties.identities_of": Door(lambda w, i: parties.identities_of(w, i["party"])),
    "parties.identity": Door(lambda w, i: parties.identity(w, i["party"])),
    "parties.is_verified": Door(lambda w, i: ("known", parties.is_verified(w, i["party"]))),
    "parties.names": Door(lambda w, i: ("names", parties.names(w, [i["party"]]))),
    "parties.note_identity": Door(lambda w, i: parties.note_identity(w, i["party"], CHECKED)),
    "parties.on_approved": Door(_agreed, who="ben"),
    "parties.on_ended": Door(lambda w, i: parties.on_ended(w, _details(approvals.Rejected, i, w.org_id))),
    "parties.parties": Door(lambda w, _: ("all", parties.parties(w))),
    "parties.party": Door(lambda w, i: parties.party(w, i["party"])),
    "parties.propose_details": Door(lambda w, i: parties.propose_details(w, i["other_party"], ACCOUNT, MARK)),
    "parties.rename_party": Door(lambda w, i: parties.rename_party(w, i["party"], "Kestrel")),
    "parties.require_verified": Door(lambda w, i: _verified(w, i["party"])),
    "parties.reveal": Door(lambda w, i: parties.reveal(w, i["details"])),
    "parties.same_account": Door(lambda w, i: ("others", parties.same_account(w, i["details"]))),
    "parties.withdraw_details": Door(lambda w, i: parties.withdraw_details(w, i["details"], MARK)),
    "payouts.ask_cancel": Door(lambda w, i: payouts.ask_cancel(w, i["done"])),
    "payouts.export": Door(lambda w, i: payouts.export(w, i["done"], payouts.CSV)),
    "payouts.find": Door(lambda w, _: payouts.find(w, sought.read("184,220.15 USD"))),
    "payouts.history": Door(lambda w, i: payouts.history(w, i["payout"])),
    "payouts.inbox": Door(lambda w, i: payouts.inbox(w, i["connection"])),
    "payouts.one": Door(lambda w, i: payouts.one(w, i["payout"])),
    "payouts.page": Door(lambda w, _: payouts.page(w, PayoutFilter(newest=False), limit=1000)),
    "payouts.rehearsals": Door(lambda w, i: payouts.rehearsals(w, i["planned"])),
    "payouts.rehearse": Door(lambda w, i: payouts.rehearse(w, i["asked"], ())),
    "payouts.meanwhile": Door(
        lambda w, i: payouts.meanwhile(w, operations.execution(w, i["done"]), operations.plan(w, i["done"]))
    ),
    "payouts.remedies": Door(lambda w, i: payouts.remedies(w, operations.execution(w, i["done"]))),
    "payouts.resolutions": Door(lambda w, i: payouts.resolutions(w, [i["in_review"]])),
    "payouts.resolve": Door(
        lambda w, i: payouts.resolve(w, i["in_review"], Verdict.NEVER_MADE, "", "Looked at the provider.")
    ),
    "payouts.retry": Door(lambda w, i: payouts.retry(w, i["failed"]), who="ana"),
    "payouts.rows": Door(lambda w, i: payouts.rows(w, i["done"])),
    "payouts.send_on": Door(lambda w, i: payouts.send_on(w, i["doubtful"]), who="ana"),
    "payouts.sums": Door(lambda w, _: payouts.sums(w, PayoutFilter(newest=False))),
    "payouts.tie_out": Door(lambda w, i: payouts.tie_out(w, i["done"])),
    "reference.note_rate": Door(lambda w, _: reference.note_rate(w, "USD", "EUR", "0.95", reference.today(w))),
    "reference.rate": Door(lambda w, _: reference.rate(w, "USD", "EUR", reference.today(w))),
    "reference.rates": Door(lambda w, _: reference.rates(w)),
    "reference.take_in_rates": Door(lambda w, _: reference.take_in_rates(w, b"Date,USD\n2026-01-02,1.0543\n")),
    "reference.today": Door(lambda w, _: reference.today(w)),
    "reference.zone": Door(lambda w, _: reference.zone(w)),
    "reference.organisation": Door(lambda w, i: reference.organisation(w, i["harbour"])),
    "reference.organisations": Door(lambda w, _: reference.organisations(w)),
    "security.access_between": Door(lambda w, _: security.access_between(w, w.now - timedelta(days=1), w.now)),
    "security.directory": Door(lambda w, _: security.directory(w, security.PeopleFilter())),
    "security.end_role": Door(lambda w, i: security.end_role(w, i["ben"], "approver", i["harbour"])),
    "security.grant_role": Door(lambda w, i: security.grant_role(w, i["ben"], "auditor", i["harbour"])),
    "security.invitation_link": Door(lambda w, i: security.invitation_link(w, i["invited"])),
    "security.is_active": Door(lambda w, i: security.is_active(w, i["hana"])),
    "security.member": Door(lambda w, i: security.member(w, i["hana"])),
    "security.mail_address": Door(lambda w, i: security.mail_address(w, i["hana"])),
    "security.members": Door(lambda w, _: security.members(w)),
    "security.names": Door(lambda w, i: security.names(w, [i["hana"]])),
    "security.people": Door(lambda w, _: security.people(w)),
    "security.people_with": Door(lambda w, _: security.people_with(w, Permission.APPROVALS_DECIDE)),
    "security.permissions_of": Door(lambda w, _: (w.org_id, security.permissions_of(w))),
    "security.person": Door(lambda w, i: security.person(w, i["hana"])),
    "security.require_orgs": Door(lambda w, i: security.require_orgs(w, [i["harbour"]])),
    "security.reset_second_factor": Door(lambda w, i: security.reset_second_factor(w, i["ben"])),
    "security.reset_link": Door(lambda w, i: security.reset_link(w, i["ben"])),
    "security.sessions_of": Door(lambda w, i: security.sessions_of(w, i["hana"])),
    "security.set_active": Door(lambda w, i: security.set_active(w, i["ben"], active=False)),
    "security.sign_out": Door(lambda w, i: security.sign_out(w, i["session"])),
    "security.sign_out_everywhere": Door(lambda w, i: security.sign_out_everywhere(w, i["hana"])),
    "security.sign_out_several": Door(
        lambda w, i: [(each.sessions, each.refusal) for each in security.sign_out_several(w, [i["hana"]])]
    ),
    "security.switch_organisation": Door(lambda w, i: security.switch_organisation(w, i["session"], i["harbour"])),
    "security.revoke_token": Door(lambda w, i: security.revoke_token(w, i["token"])),
    "security.token_names": Door(lambda w, i: security.token_names(w, [i["token"]])),
    "security.tokens_of": Door(lambda w, _: security.tokens_of(w)),
    "security.touch": Door(lambda w, i: security.touch(w, i["session"])),
}
# Functions that hold nothing of an organisation's, or that people cannot reach; each with the reason.
NO_DOORS = {
    "operations.of_the_same_file": "of an execution that was opened, which has its door; asked by payouts.meanwhile",
    "ledger.ask_to_reconcile": "asks for a look at its own organisation's accounts",
    "ledger.keep_timings": "writes how long its own organisation's bookings took",
    "ledger.open_wallet": "makes a wallet of its own organisation",
    "ledger.lock_period": "locks days of its own organisation",
    "approvals.expire_due": "the worker's round; needs WORKER_ACT (below)",
    "approvals.request": "writes a question of its own organisation about an id its caller has checked",
    "approvals.warn_of_expiry": "the worker's round; needs WORKER_ACT (below)",
    "audit.note_verified": "writes a line of its own organisation into the log",
    "audit.record": "writes into the log; every verb's own line",
    "audit.record_many": "likewise, many at once",
    "audit.steps": "the worker's; needs WORKER_ACT (below)",
    "audit.seal": "the worker's; needs WORKER_ACT (below)",
    "audit.verify": "one log for the installation; tells ids of records that were tampered with (below)",
    "audit.standing": "the installation's own log: its size and when it was sealed; needs HEALTH_VIEW",
    "connections.add": "writes a connection of its own organisation",
    "connections.check_mode": "compares two values it is given",
    "connections.note_account": "the worker's; needs WORKER_ACT (below)",
    "connections.receiver": "whoever knows a webhook's address; its signature is the proof (tests/api)",
    "connections.replace_key": "opens units of its own (below)",
    "connections.try_connection": "opens units of its own (below)",
    "connections.unknown_connection": "the one answer for what is not there",
    "files.expire": "the worker's; needs WORKER_ACT (below)",
    "files.content_hash_of": "a hash of what is given",
    "connections.names": "the worker's; needs WORKER_ACT, names of its own organisation's connections",
    "payouts.look_at_all": "opens units of its own, for an execution its caller was shown (tests/payouts)",
    "files.note_download": "a line in its own log about a file it was shown; another one is FILE_UNKNOWN",
    "insight.record_taken": "a line in its own log about a record that insight.gather_record gave",
    "files.keep": "writes a file of its own organisation, as files.store does",
    "files.take_in": "opens units of its own; seals what it is given for its own organisation",
    "files.store": "writes a file of its own organisation (below)",
    "operations.counts": "for those who watch the machine; counts by state across organisations, refused without",
    "payouts.counts": "likewise",
    "files.sweep": "the worker's; compares names across organisations and gives a number",
    "notifications.on_account_changed": "a listener: tells the one person whom it is about, wherever their verb acted",
    "notifications.tell_old_address": "opens units of its own, in the organisation of its job, and gives nothing back",
    "notifications.on_second_factor_reset": "a listener: tells the person of its own organisation whom it is about",
    "notifications.deliver": "opens units of its own, each of one organisation, and gives nothing back",
    "notifications.forward": "opens units of its own, each of one organisation, and gives nothing back",
    "notifications.forwarded_titles": "what the code calls kinds",
    "notifications.try_endpoint": "opens units of its own (below)",
    "notifications.digest_day": "a date of what is given",
    "notifications.expires_soon": "a time of what is given",
    "notifications.facts_of": "what the code says of a kind",
    "notifications.put_digest": "the worker's; needs WORKER_ACT (below)",
    "notifications.send_again": "of a mail that mail_view shows; it refuses without a mail server (its own tests)",
    "notifications.settle": "puts away, in its own organisation, what its caller has told there",
    "notifications.tidy": "the worker's; needs WORKER_ACT (below)",
    "notifications.notify": "tells people of its own organisation; its caller has decided whom",
    "operations.catalogue": "the registry, one for the installation",
    "operations.offered": "the registry, one for the installation",
    "operations.register": "the registry, at start",
    "operations.sees_all": "a permission of the reader's own",
    "operations.set_active": "the registry, one for the installation",
    "operations.may_stop": "whether a button is drawn for an execution that its caller was shown",
    "payouts.differences": "compares rows it is given",
    "payouts.may_take_status": "of an execution the caller has been shown",
    "payouts.words": "the words of a state it is given",
    "payouts.take_bank_status": "opens units of its own (below)",
    "payouts.take_news": "a provider's; needs NEWS_TAKE (below)",
    "reference.add_organisation": "set-up, by the installation itself",
    "reference.all_ids": "the worker's rounds",
    "reference.ids_by_slug": "set-up, by the installation itself",
    "parties.binds": "holds two values against each other",
    "ledger.binds": "holds two values against each other",
    "ledger.note_refused": "the desk, in its own unit (below: refusals)",
    "ledger.over_limit": "says of an amount alone whether it is large here",
    "reference.rates_to": "asked through reference.rate, which is a door",
    "reference.next_number": "counts in its own organisation (below)",
    "security.accept_invitation": "whoever holds the secret of a link",
    "security.accept_link": "whoever holds the secret of a link",
    "security.accept_reset": "whoever holds the secret of a link",
    "security.add_person": "makes somebody nobody knows yet",
    "security.admit": "at the door, before anybody is known",
    "security.enter": "whoever holds the secret of a token",
    "security.admit_code": "at the door: whoever holds the proof of a password in the server's memory",
    "security.begin_second_factor": "about oneself, through one's own session (tests/security)",
    "security.change_password": "about oneself, through one's own session (tests/security)",
    "security.change_profile": "about oneself, through one's own session (tests/security)",
    "security.confirm_second_factor": "about oneself, through one's own session (tests/security)",
    "security.enrolment": "about oneself, through one's own session (tests/security)",
    "security.own_second_factor": "about oneself, through one's own session (tests/security)",
    "security.prepare_password": "about oneself, through one's own session (tests/security)",
    "security.profile": "about oneself, through one's own session (tests/security)",
    "security.prove_oneself": "about oneself, through one's own session (tests/security)",
    "security.renew_recovery_codes": "about oneself, through one's own session (tests/security)",
    "security.sign_out_others": "about oneself, through one's own session (tests/security)",
    "security.turn_off_second_factor": "about oneself, through one's own session (tests/security)",
    "security.invite": "makes somebody nobody knows yet, in its own organisation",
    "security.why_refused": "whoever holds the cookie's secret, or the server's own memory",
    "security.note_refused": "whoever holds the cookie's secret, or the server's own memory",
    "security.ensure_roles": "the shipped roles, one set for the installation",
    "security.first_administrator_link": "the installation itself (below)",
    "security.issue_token": "for oneself, in one's present organisation",
    "security.link_of": "whoever holds the secret of a link",
    "security.prove": "at the door, before anybody is known",
    "security.redeem": "whoever holds the secret of a ticket",
    "security.require_in_person": "compares two values it is given",
    "security.require_scope": "refuses the actor's own token, by its scopes",
    "security.require_still": "gives nothing: refuses whoever holds less than their page was drawn for",
    "security.require_present": "gives nothing: refuses the session's own person, by names of their organisations",
    "security.roles": "the roles of the installation",
    "security.scopes_of_use": "compares values it is given",
    "security.session_of": "whoever holds the cookie's secret, or the server's own memory",
    "security.sign_in": "at the door, before anybody is known",
    "security.tidy": "the worker's; needs WORKER_ACT (below)",
    "security.token_session": "whoever holds the secret of a token",
    "security.touch_token": "the actor's own token",
    "security.visitor": "somebody nobody knows",
}


def test_every_public_function_of_every_area_is_tried_or_its_absence_explained():
    public = {
        f"{area.__name__.rpartition('.')[2]}.{name}"
        for area in AREAS
        for name in area.__all__
        if inspect.isfunction(getattr(area, name))
    }

    assert public - set(DOORS) - set(NO_DOORS) == set()
    assert (set(DOORS) | set(NO_DOORS)) - public == set()
    assert set(DOORS) & set(NO_DOORS) == set()


class Undone(Exception):
    """Ends a unit without a commit, so that each door finds things as they were."""


def answer_of(towns: Towns, actor: Actor, door: Door, *, keep: bool) -> object:
    """What the door gives, or the refusal it raises; only what is kept is committed."""
    people = towns.world.people
    ids = {**towns.ids, "harbour": towns.harbour, "ben": people["ben"], "ana": people["ana"]}
    given: list[object] = []
    try:
        with suppress(Undone), towns.world.desk.work(actor) as work, undone(unless=keep):
            given.append(door.call(work, ids))
    except FinOpsError as refusal:
        return refusal
    return given[0]


@contextmanager
def undone(*, unless: bool) -> Iterator[None]:
    yield
    if not unless:
        raise Undone


@pytest.mark.parametrize("intruder", ["nils", "ana"])
@pytest.mark.parametrize("name", list(DOORS))
def test_a_door_shows_and_does_nothing_of_another_organisation(towns: Towns, name: str, intruder: str):
    before = towns.harbour_rows()

    answer = answer_of(towns, towns.actor(intruder, towns.norrland), DOORS[name], keep=True)

    if isinstance(answer, FinOpsError):
        assert isinstance(answer, NotFound | NotAllowed), answer.code
        told = f"{answer} {answer.context}" if answer.code != "ORGANISATION_NOT_ALLOWED" else ""
    else:
        told = repr(answer)
    assert [secret for secret in towns.secrets if secret in told and not _known(towns, intruder, secret)] == []
    assert towns.harbour_rows() == before


def _known(towns: Towns, intruder: str, secret: str) -> bool:
    """What somebody knows of themselves, wherever they are."""
    return secret == towns.world.people[intruder]


@pytest.mark.parametrize("name", list(DOORS))
def test_the_same_door_opens_for_the_organisation_itself(towns: Towns, name: str):
    door = DOORS[name]

    answer = answer_of(towns, towns.actor(door.who, towns.harbour), door, keep=False)

    assert not isinstance(answer, FinOpsError) or name == "security.switch_organisation", answer
    if answer is not None:
        assert answer


def test_what_only_the_worker_or_the_installation_does_is_refused_to_people(towns: Towns):
    heads = towns.world.desk.settings.heads_dir
    refused = {
        "approvals.expire_due": approvals.expire_due,
        "approvals.warn_of_expiry": approvals.warn_of_expiry,
        "notifications.put_digest": lambda work: notifications.put_digest(work, "person_x", "2026-11-20", "x", ["x"]),
        "notifications.tidy": notifications.tidy,
        "audit.seal": lambda work: audit.seal(work, heads),
        "audit.steps": lambda work: audit.steps(work, "payout.", work.now - timedelta(days=1)),
        "connections.note_account": lambda work: connections.note_account(work, towns.ids["connection"], "acct_x"),
        "files.expire": lambda work: files.expire(work, -1),
        "files.sweep": files.sweep,
        "payouts.take_news": lambda work: payouts.take_news(work, "cn_x", [(news_of(work.now), b"{}")]),
        "security.tidy": security.tidy,
        "security.first_administrator_link": security.first_administrator_link,
    }

    for call in refused.values():
        with pytest.raises(NotAllowed), towns.world.desk.work(towns.actor("nils", towns.norrland)) as work:
            call(work)


def test_a_reading_over_two_organisations_needs_a_role_in_both(towns: Towns):
    both = [towns.harbour, towns.norrland]

    with (
        pytest.raises(NotAllowed) as refused,
        towns.world.desk.read(towns.actor("nils", towns.norrland), both),
    ):
        pass
    with towns.world.desk.read(towns.actor("eva", towns.norrland), both) as reading:
        seen = {row.org_id for row in audit.records(reading, limit=1000).rows}

    assert refused.value.code == "ORGANISATION_NOT_ALLOWED"
    assert seen == set(both)


def test_an_actor_who_says_to_act_for_an_organisation_without_a_role_there_may_do_nothing(towns: Towns):
    before = towns.harbour_rows()

    for name, door in DOORS.items():
        answer = answer_of(towns, towns.actor("nils", towns.harbour), door, keep=False)
        told = "" if isinstance(answer, FinOpsError) else repr(answer)
        if name not in CHECKED_BY_CALLER:
            assert [secret for secret in towns.secrets if secret in told] == [], name
    assert towns.harbour_rows() == before


def test_a_provider_at_the_door_of_an_organisation_sees_and_does_nothing_there_but_leave_news(towns: Towns):
    before = towns.harbour_rows()

    for name, door in DOORS.items():
        answer = answer_of(towns, webhook_actor(towns.harbour), door, keep=False)
        told = "" if isinstance(answer, FinOpsError) else repr(answer)
        if name not in CHECKED_BY_CALLER:
            assert [secret for secret in towns.secrets if secret in told] == [], name
    assert towns.harbour_rows() == before


@pytest.mark.parametrize("intruder", ["nils", "ana"])
def test_what_opens_units_of_its_own_shows_and_does_nothing_of_another_organisation(towns: Towns, intruder: str):
    desk, actor = towns.world.desk, towns.actor(intruder, towns.norrland)
    before, calls = towns.harbour_rows(), len(towns.world.sandbox.control.calls())

    with pytest.raises(NotFound if intruder == "nils" else NotAllowed) as untried:
        connections.try_connection(desk, actor, towns.ids["connection"])
    with pytest.raises(NotFound if intruder == "nils" else NotAllowed) as unchanged:
        connections.replace_key(desk, actor, towns.ids["connection"], "rk_test_sbx_other_demo_0009")
    with pytest.raises(NotFound if intruder == "nils" else NotAllowed) as untaken:
        payouts.take_bank_status(desk, actor, towns.ids["transfers"], "answer.xml", b"<x/>")

    with pytest.raises(NotFound if intruder == "nils" else NotAllowed) as unsent:
        notifications.try_endpoint(desk, actor, towns.ids["endpoint"])

    told = "".join(f"{each.value} {each.value.context}" for each in (untried, unchanged, untaken, unsent))
    assert [secret for secret in towns.secrets if secret in told] == []
    assert towns.harbour_rows() == before
    assert len(towns.world.sandbox.control.calls()) == calls


def test_the_same_opens_for_the_organisation_itself(towns: Towns):
    desk = towns.world.desk

    trial = connections.try_connection(desk, towns.actor("hana", towns.harbour), towns.ids["connection"])
    taken = payouts.take_bank_status(
        desk, towns.actor("ben", towns.harbour), towns.ids["transfers"], "answer.xml", b"<x/>"
    )

    assert trial.passed, trial.problem
    assert taken.faults


# Inner verbs and reads whose callers have checked the actor; no screen and no route calls them for a person as such.
CHECKED_BY_CALLER = {
    "audit.counts",
    "audit.of_installation",
    "audit.of_object",
    "approvals.find",
    "payouts.resolutions",
    "files.downloads",
    "approvals.eligible",
    "approvals.asked_about",
    "approvals.standing_approval",
    "approvals.of_subject",
    "approvals.supersede",
    "reference.organisation",
    "reference.organisations",
    "security.is_active",
    "security.names",
    "security.people",
    "security.people_with",
    "security.permissions_of",
    "security.person",
}


def test_the_same_bytes_in_two_organisations_are_two_files(towns: Towns):
    # Given the very file that Harbour uploaded
    with towns.world.desk.work(towns.actor("nils", towns.norrland)) as work:
        stored = files.store(
            work,
            FILE.encode(),
            filename="currencies.csv",
            mime="text/csv",
            owner_kind="execution",
            owner_id="ex_of_nils",
            role="input",
            visible_to=work.actor.id,
        )
    # When Norrland's content is destroyed, then Harbour's still opens
    table = TABLES.tables["stored_file"]
    with towns.world.desk.work(worker_actor(towns.norrland)) as work:
        same = table.c.org_id == work.org_id, table.c.sha256 == stored.sha256
        assert len(work.rows(select(table.c.id).where(*same))) == 1
        assert files.expire(work, -1) >= 1
    with towns.world.desk.read(towns.actor("hana", towns.harbour)) as reading:
        assert files.content(reading, towns.ids["file"]) == FILE.encode()


def test_numbers_are_counted_for_each_organisation_alone(towns: Towns):
    def next_of(org_id: str) -> str:
        with towns.world.desk.work(system_actor(org_id)) as work:
            return reference.next_number(work, "XX")

    assert [next_of(org)[-4:] for org in (towns.harbour, towns.harbour, towns.norrland)] == ["0001", "0002", "0001"]


def test_verifying_the_log_tells_nobody_what_another_organisation_did(towns: Towns):
    with towns.world.desk.read(towns.actor("nils", towns.norrland)) as reading:
        found = audit.verify(reading, towns.world.desk.settings.heads_dir)

    assert found.ok
    assert [secret for secret in towns.secrets if secret in repr(found)] == []


# Tables that belong to no single organisation, and through what their rows are read.
READ_THROUGH = {
    "audit_head": "audit.verify",
    "audit_leaf": "audit.verify",
    "audit_record": "audit.records, thing, trail, facets, export_rows",
    "deactivation": "security.member, access_between",
    "job": "nothing but the worker's claim",
    "lease": "the health check: an age, no organisation",
    "one_time_link": "security.link_of, by its secret",
    "operation": "operations.catalogue",
    "organisation": "reference.organisation, organisations",
    "person": "security.people, person, names, members, people_with, directory, member, access_between, profile",
    "recovery_code": "security.own_second_factor: how many are left; admit_code, by the code",
    "role": "security.roles",
    "role_permission": "security.roles",
    "second_factor": "security.own_second_factor, enrolment; directory: whether there is one",
    "session": "security.sessions_of, session_of",
    "sign_in_attempt": "nothing but the lockout",
    "sign_in_ticket": "security.redeem, by its secret",
}


def test_every_table_of_the_whole_installation_is_known_with_the_doors_that_read_it():
    assert sorted(READ_THROUGH) == SHARED
