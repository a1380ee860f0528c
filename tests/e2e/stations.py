"""Every screen there is: what has to be there for it to show something, who sees it, and its address."""

from finops_core import approvals, connections, files, ledger, notifications, parties, payouts
from finops_core.adapters.stripe_sandbox.faults import Fault, FaultKind
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.money import Money
from finops_core.operations import ExecutionView, State
from finops_core.payouts import queries, service
from tests.e2e.backstage import Backstage

WHO = ("ana", "ben", "carla", "eva", "adam")
Stations = dict[str, tuple[str, str]]

# Addresses are filled in with what ``arrange`` gives; nobody sees the sign-in page.
FULL: Stations = {
    "sign-in": ("", ""),
    "home": ("ana", ""),
    "home-of-the-approver": ("ben", ""),
    "catalogue": ("ana", "run"),
    "form": ("ana", "run?operation=payouts.stripe_balance"),
    "plan": ("ana", "run?execution={ready}"),
    "history": ("carla", "executions"),
    "completed": ("carla", "executions?execution={done}"),
    "completed-plan": ("carla", "executions?execution={done}&execution_view=Plan"),
    "completed-result": ("carla", "executions?execution={totals}&execution_view=Result+%26+files"),
    "completed-approvals": ("carla", "executions?execution={done}&execution_view=Approvals"),
    "in-doubt": ("carla", "payouts?standing=in_doubt"),
    "money-in-flight": ("carla", "payouts"),
    "payout": ("carla", "payouts?payout={payout_id}"),
    "my-work": ("ana", "work"),
    "my-work-of-the-approver": ("ben", "work"),
    "operations": ("eva", "operations"),
    "operation": ("adam", "operations?operation=payouts.stripe_balance"),
    "files": ("carla", "files"),
    "file": ("ana", "files?file={file}"),
    "comments": ("ana", "executions?execution={waiting}&execution_view=Comments"),
    "search": ("carla", "search"),
    "search-found": ("carla", "search?q={done}"),
    "search-an-amount": ("eva", "search?q=3.03"),
    "approvals": ("ben", "approvals"),
    "approvals-decided": ("ben", "approvals?show=Decided"),
    "drawer": ("ben", "approvals?request={request}"),
    "drawer-of-the-auditor": ("eva", "approvals?request={request}"),
    "ledger": ("carla", "ledger"),
    "ledger-entries": ("eva", "ledger?ledger_view=Entries"),
    "wallets": ("ana", "ledger?ledger_view=Wallets"),
    "open-a-wallet": ("ana", "ledger?ledger_view=Wallets&do=open"),
    "wallet": ("carla", "ledger?account={wallet}"),
    "move-money": ("ana", "ledger?account={wallet}&do=move"),
    "adjust": ("carla", "ledger?account={wallet}&do=adjust"),
    "reverse": ("carla", "ledger?entry={journal_id}&do=reverse"),
    "money-stops": ("carla", "ledger?ledger_view=Money+stops"),
    "stop-money": ("carla", "ledger?ledger_view=Money+stops&do=stop"),
    "ledger-entry": ("carla", "ledger?entry={journal_id}"),
    "ledger-line": ("carla", "ledger?line=1030&currency=CAD"),
    "ledger-account": ("dan", "ledger?account={ledger_account}"),
    "parties": ("carla", "parties"),
    "party": ("ben", "parties?party={party}"),
    "change-bank-details": ("ana", "parties?party={party_two}&do=propose"),
    "note-identity": ("carla", "parties?party={party}&do=verify"),
    "drawer-of-bank-details": ("ben", "approvals?request={details_request}"),
    "audit": ("eva", "audit"),
    "audit-of-one": ("eva", "audit?object=execution:{done_id}"),
    "records": ("adam", "records"),
    "records-of-payouts": ("eva", "records?records_of=Payout"),
    "connections": ("adam", "connections"),
    "replace-the-key": ("adam", "connections?do=replace&connection={connection_id}"),
    "roll-the-secret": ("adam", "connections?do=sign&connection={connection_id}"),
    "replace-the-account": ("adam", "connections?do=replace&connection={account_id}"),
    "forwarding": ("adam", "forwarding"),
    "add-an-endpoint": ("adam", "forwarding?do=add"),
    "change-an-endpoint": ("adam", "forwarding?do=change&forward_to={endpoint_id}"),
    "forwarding-log": ("adam", "forwarding?forwarding_view=Log"),
    "forwarded": ("adam", "forwarding?forwarding_view=Log&dispatch={forwarded}"),
    "people": ("adam", "people"),
    "person": ("adam", "people?person={person_id}"),
    "invite": ("adam", "people?do=invite"),
    "deactivate": ("adam", "people?person={person_id}&do=off"),
    "reset-by-link": ("adam", "people?person={person_id}&do=reset"),
    "who-had-access": ("adam", "people?people_view=Who+had+access"),
    "me": ("eva", "me"),
    "health": ("adam", "health"),
    "home-with-news": ("adam", ""),
    "notices": ("ana", "notices"),
    "notices-of-it": ("adam", "notices?view=All"),
    "notices-preferences": ("ana", "notices?view=Preferences"),
    "notices-mail": ("adam", "notices?view=Mail&everybody=true"),
}

FAILING: Stations = {
    "in-doubt-and-refused": ("ana", "executions?execution={doubtful}"),
    "in-doubt-report": ("carla", "executions?execution={doubtful}&execution_view=Report"),
    "settle": ("ben", "executions?execution={doubtful}&settle={doubtful_payout}"),
    "payout-in-doubt": ("ana", "payouts?payout={doubtful_payout}"),
    "no-such-execution": ("ana", "executions?execution=EX-2020-0001"),
    "no-such-entry": ("carla", "ledger?entry=je_nothing"),
    "no-such-request": ("ben", "approvals?request=AP-2020-0001"),
    "nothing-matches": ("ana", "executions?text=no+such+thing&state=Failed"),
    "not-your-role": ("ana", "audit"),
    "dead-link": ("", "?reset=nothing"),
}

EMPTY: Stations = {
    "no-news-at-home": ("ana", ""),
    "no-endpoints": ("adam", "forwarding"),
    "no-notices": ("ana", "notices"),
    "no-work": ("ana", "work"),
    "no-executions": ("ana", "executions"),
    "no-payouts": ("ana", "payouts"),
    "no-files": ("ana", "files"),
    "nothing-booked": ("carla", "ledger"),
    "no-entries": ("carla", "ledger?ledger_view=Entries"),
    "no-wallets": ("ana", "ledger?ledger_view=Wallets"),
    "no-operation-ran": ("eva", "operations?operation=payouts.stripe_balance"),
    "no-parties": ("ana", "parties"),
    "no-requests": ("ben", "approvals"),
    "no-decisions": ("ben", "approvals?show=Decided"),
    "no-records": ("eva", "audit?find=no+such+thing"),
    "no-rows": ("eva", "records?records_of=Payout"),
    "nobody": ("adam", "people?find_person=no+such+person"),
    "no-worker": ("adam", "health"),
}


def arrange(backstage: Backstage) -> dict[str, str]:
    """Something to see on every page: a completed run, a waiting request, a draft, totals, and money in doubt."""
    done = backstage.approved("currency,maximum\nCAD,3.02\nSEK,3.02\n", name="done.csv")
    waiting = backstage.submitted("currency,maximum\nCAD,3.03\nHUF,\nKWD,3.030\n", name="waiting.csv")
    ready = backstage.planned("currency,maximum,minimum_to_leave\nCAD,3.04,\nHUF,,100.00\nKWD,,\n", name="ready.csv")
    totals = backstage.added_up("currency,amount\nEUR,3.05\nUSD,-1.00\n")
    backstage.awaited(done.id, State.COMPLETED)
    with backstage.app.desk.read(backstage.actor("adam")) as reading:
        connected = {view.provider: view.id for view in connections.listed(reading) if view.active}
        payout_id = payouts.rows(reading, done.id)[0].id
    with backstage.app.desk.read(backstage.actor("carla")) as reading:
        (booked,) = ledger.entries(reading, ledger.EntryFilter(source_id=payout_id))
    with backstage.app.desk.work(backstage.actor("ana")) as work:
        files.add_comment(work, "execution", waiting.id, "They asked for it a week early.\nSee the attached mail.")
        files.attach(work, "execution", waiting.id, "mail.txt", b"Dear Ana")
        wallet = ledger.open_wallet(work, "party_lumen", "CAD")
        ledger.deposit(work, wallet, Money(1_234_50, "CAD"), ledger.Terms(reason="Invoice 77"))
        ledger.hold(work, wallet, Money(200_00, "CAD"), ledger.Terms(reason="Order 4711"))
        ledger.charge_fee(work, wallet, Money(2_50, "CAD"))
        party, party_two = (parties.add_party(work, parties.PartyKind.COMPANY, name) for name in ("Lumen", "Kestrel"))
        given = parties.BankDetails("Lumen Ltd", "DE89370400440532013000")
        details = parties.propose_details(work, party, given, "Their letter of 3 November, called back")
        details_request = approvals.of_subject(work, "bank_details", details)[0].number
    with backstage.app.desk.work(backstage.actor("adam")) as work:
        told = {"title": "Check failed: Approvals age out", "body": "", "page": "health"}
        made = notifications.add_endpoint(
            work,
            channel="webhook",
            name="Ledger system",
            url="https://hooks.example.com/tieout/aPartThatMayBeASecret",
            kinds=["check.violated"],
        )
        notifications.pause_endpoint(work, made.endpoint_id)
        notifications.notify(work, [backstage.person_id("adam")], "check.violated", once="a-phone", **told)
        forwarded = notifications.dispatch_log(work).rows[0].id
    in_doubt, row_in_doubt = doubtful(backstage)
    return {
        "doubtful": in_doubt.number,
        "doubtful_payout": row_in_doubt,
        "connection_id": connected["stripe"],
        "account_id": connected["bank_file"],
        "payout_id": payout_id,
        "wallet": wallet,
        "party": party,
        "party_two": party_two,
        "details_request": details_request,
        "endpoint_id": made.endpoint_id,
        "forwarded": forwarded,
        "person_id": backstage.person_id("ben"),
        "done": done.number,
        "waiting": waiting.number,
        "request": backstage.request_number(waiting.id),
        "ready": ready.number,
        "totals": totals.number,
        "done_id": done.id,
        "file": done.input_reference,
        "journal_id": booked.id,
        "ledger_account": booked.postings[0].account.id,
    }


def doubtful(backstage: Backstage) -> tuple[ExecutionView, str]:
    """One payout made, one refused, and one that waits for a person: the execution, and that payout's id."""
    sandbox = backstage.app.sandbox
    seen = backstage.submitted("currency,maximum\nCAD,3.21\nCHF,3.21\nSEK,3.21\n", name="doubtful.csv")
    own = {"metadata[fod_exec]": seen.id}
    sandbox.fault(
        Fault(FaultKind.BALANCE_INSUFFICIENT, where={"currency": "chf", **own}),
        Fault(FaultKind.RESET_BEFORE, where={"currency": "sek", **own}, times=20),
        Fault(FaultKind.ERROR_BEFORE, method="GET", path="/v1/payouts", times=50),
    )
    backstage.approve(seen)
    backstage.awaited(seen.id, State.UNSETTLED)
    with backstage.app.desk.work(worker_actor(backstage.orgs["harbour"])) as work:
        row = next(each for each in queries.newest_of(work, seen.id) if each.currency == "SEK")
        service.review(work, row, "Its key is older than a day, so it is not sent again.")
    sandbox.post("reset", {"only": ["fault"]})
    return seen, row.id
