"""The whole walk of the first job, as a newcomer makes it: from sign-in and upload to payouts, trail and proof."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest

from finops_core.adapters.stripe_currencies import to_api
from finops_core.kernel.money import Money
from finops_core.operations import State
from tests.e2e.backstage import Backstage
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HARBOUR = "acct_sbx_harbour"
THREE = b"currency,maximum,minimum_to_leave\nGBP,5000.00,\nHUF,,1000.00\nKWD,,\n"
FORINT = "Stripe pays out HUF in whole forint only."
DINAR = "Stripe takes KWD with a last digit of 0 only."
EVERY_UNIT = "Every minor unit can be paid."
OWN = "Own account"
# The demo company has 9,042.10 GBP, 912,345.50 HUF and 845.230 KWD; no other test of this folder pays those.
THREE_PLANNED = [
    ("GBP", "9,042.10", "5,000.00", "4,042.10", f"The file sets a maximum / {EVERY_UNIT}", "Thames Bank •••• 8841"),
    (
        "HUF",
        "912,345.50",
        "911,345.00",
        "1,000.50",
        f"The file asks to leave this much; {FORINT} / {FORINT}",
        "Duna Bank •••• 9034",
    ),
    (
        "KWD",
        "845.230",
        "845.230",
        "0.000",
        DINAR,
        "Gulf Pearl Bank •••• 4456",
    ),
]


@dataclass(frozen=True)
class Submitted:
    """What the preparer saw and sent."""

    number: str
    plan: list[dict[str, str]]


def chosen(ana: Screen) -> None:
    """From the menu to the catalogue, and on to the form of the payout."""
    ana.go("Upload & run")
    ana.look("02-catalogue")
    ana.follow("Stripe balance payout")
    ana.heading("Stripe balance payout")


def prepared(ana: Screen, name: str, content: bytes, station: str) -> Submitted:
    """The preparer's part at the form: upload, plan, submission."""
    ana.choose(name, content)
    ana.look("03-form")
    ana.press("Make the plan")
    ana.page.get_by_role("button", name="Submit for approval").wait_for()
    ana.settle()
    ana.sees("May approve it: Ben Osei.")
    plan = ana.table("What will be paid")
    ana.look(station)
    number = ana.query()["execution"]
    ana.press("Submit for approval")
    ana.sees("Waits for approval by Ben")
    ana.sees(number, ana.main)
    return Submitted(number, plan)


def approve(ben: Screen, request: str, submitted: Submitted, comment: str) -> None:
    """The approver's part: the card, the drawer with the same plan, a comment, the decision."""
    ben.go("Approvals")
    ben.look("06-approvals")
    ben.review(request).click()
    ben.drawer.get_by_role("button", name="Approve").wait_for()
    assert ben.table("What will be paid", ben.drawer) == submitted.plan
    assert ben.drawer.get_by_text("(not met)").count() == 0
    ben.look("07-drawer")
    ben.drawer.get_by_label("Comment").fill(comment)
    ben.press("Approve", ben.drawer)
    ben.drawer.wait_for(state="detached")


def figures(row: dict[str, str]) -> tuple[str, ...]:
    """A row of the plan without what the calendar decides; every amount names the row's currency."""
    currency = row["Currency"].split(" / ")[0]
    amounts = [row[title] for title in ("Available", "To pay", "Left")]
    assert all(amount.endswith(f" {currency}") for amount in amounts)
    plain = [amount.removesuffix(f" {currency}") for amount in amounts]
    return (currency, *plain, row["Why, and the rule"], row["To bank account"])


def to_pay(plan: list[dict[str, str]]) -> dict[str, int]:
    """Currency -> what the plan on the screen pays, in the provider's units."""
    amounts = [row["To pay"].replace(",", "").split(" ") for row in plan]
    return {currency.lower(): to_api(currency, Money.parse(plain, currency).minor) for plain, currency in amounts}


def paid(backstage: Backstage, execution_id: str) -> dict[str, int]:
    """Currency -> what the provider has of an execution; a currency paid twice would not go unseen."""
    made = [each for each in backstage.app.sandbox.payouts(HARBOUR) if each["metadata"]["fod_exec"] == execution_id]
    assert len({each["currency"] for each in made}) == len(made)
    return {each["currency"]: each["amount"] for each in made}


def test_a_sample_walks_from_the_uploader_to_its_payouts_its_files_and_its_proof(app, backstage, visit, tmp_path: Path):
    # Given Ana, signed in through the form, who takes the sample that lies beside the uploader
    ana = visit(app, None)
    app.sign_in(ana.page, "ana")
    ana.sees("TEST")
    ana.look("01-home-ana")
    chosen(ana)
    sample = ana.download(ana.main.get_by_role("button", name="Download a sample"), tmp_path)

    # When she uploads it as it is, sees the plan and submits it
    submitted = prepared(ana, sample.name, sample.read_bytes(), "04-plan")
    seen = backstage.execution(submitted.number)
    request = backstage.request_number(seen.id)
    ana.look("05-submitted")

    # Then she cannot decide: no menu entry, and nothing to press at the request's own address
    assert "Approvals" not in ana.menu()
    other = visit(app, f"approvals?request={request}", cookie=str(ana.cookies()["tieout_session"]["value"]))
    other.heading("Not part of your role")
    assert other.page.get_by_role("button", name="Approve").count() == 0

    # When Ben approves it in the drawer, with a comment
    ben = visit(app, None)
    app.sign_in(ben.page, "ben")
    approve(ben, request, submitted, "Checked against the bank")

    # Then Ana's page follows by itself to the end, with a row per payout
    ana.sees("3 of 3 payouts made")
    assert backstage.execution(seen.id).state is State.COMPLETED
    ana.sees("Completed", ana.main)
    rows = ana.table("Payouts, row by row")
    assert [row["State"] for row in rows] == ["Created"] * 3
    assert all(re.fullmatch(r"po_\w+", row["Provider id"]) for row in rows)
    assert [row["Amount"] for row in rows] == [row["To pay"] for row in submitted.plan]
    for line in ("started, attempt 1", "Row 1: created.", "Row 3: created."):
        ana.sees(line, ana.page.get_by_role("log"))
    ana.look("08-completed")

    # and the provider has exactly what was planned, once
    assert paid(backstage, seen.id) == to_pay(submitted.plan)

    # When she downloads the result
    ana.turn_to("Result & files")
    ana.look("09-result")
    files = ana.main.get_by_role("button", name="Download", exact=True)
    given, as_csv, as_xlsx = (ana.download(files.nth(place), tmp_path) for place in range(3))

    # Then the input is what she gave, and both results say what the screen says
    assert given.read_bytes() == sample.read_bytes()
    assert as_csv.name == f"{submitted.number}-result.csv"
    ids = [row["Provider id"] for row in rows]
    lines = list(csv.DictReader(io.StringIO(as_csv.read_text(encoding="utf-8-sig"))))
    assert [line["Provider id"] for line in lines] == ids
    assert {line["Currency"].lower(): amount_in(line) for line in lines} == to_pay(submitted.plan)
    sheet = openpyxl.load_workbook(as_xlsx).active
    assert sheet is not None
    header, *cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert [row[header.index("Provider id")] for row in cells] == ids
    assert [row[header.index("Currency")] for row in cells] == [line["Currency"] for line in lines]

    # and the request with Ben's words stands beside it
    ana.turn_to("Approvals")
    for words in (request, "Ben Osei", "Checked against the bank"):
        ana.sees(words, ana.main)
    ana.look("10-trail")


def amount_in(line: dict[str, str]) -> int:
    return to_api(line["Currency"], Money.parse(line["Amount"], line["Currency"]).minor)


def test_the_plan_names_rule_rest_reason_bank_and_arrival_and_the_provider_gets_just_that(app, backstage, enter):
    # Given a file of three currencies with a maximum and something to leave
    ana = enter("ana")
    chosen(ana)

    # When its plan is made
    submitted = prepared(ana, "three.csv", THREE, "04-plan-three")

    # Then each row says what is there, what is paid, what stays and why, and where it goes
    assert [figures(row) for row in submitted.plan] == THREE_PLANNED
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["Expected"]) for row in submitted.plan)
    assert {row["Currency"].split(" / ")[1] for row in submitted.plan} == {OWN}

    # When it is approved
    seen = backstage.execution(submitted.number)
    approve(enter("ben"), backstage.request_number(seen.id), submitted, "")
    backstage.awaited(seen.id, State.COMPLETED)

    # Then the sandbox's payouts equal the plan
    assert paid(backstage, seen.id) == to_pay(submitted.plan) == {"gbp": 500_000, "huf": 91_134_500, "kwd": 845_230}


def test_filters_of_the_history_survive_a_reload_and_a_sent_link(enter, backstage):
    # Given two executions that only the search can tell apart, and one of another operation
    wanted = backstage.submitted("currency,maximum\nSEK,1.01\n", name="find-me.csv")
    backstage.submitted("currency,maximum\nSEK,1.02\n", name="not-me.csv")
    backstage.added_up("currency,amount\nEUR,1.00\n", name="find-me-not.csv")
    ana = enter("ana", "executions")

    # When the list is narrowed
    ana.type("Search", "find-me")
    ana.pick("Operation", "Stripe balance payout")
    ana.pick("State", "Pending")
    ana.sees("1 execution,")
    assert [row["Number"] for row in ana.table("Executions")] == [wanted.number]
    ana.look("11-history")

    # Then a reload shows the same rows, and the address says why
    ana.reload()
    ana.sees("1 execution,")
    assert [row["Number"] for row in ana.table("Executions")] == [wanted.number]
    assert set(ana.query()) == {"text", "run_of", "state"}
    sent = enter("carla", ana.page.url.split("/", 3)[3])
    assert [row["Number"] for row in sent.table("Executions")] == [wanted.number]


def test_the_auditor_reads_the_trail_in_order_exports_it_and_verifies_the_log(enter, backstage, tmp_path: Path):
    # Given a payout that was prepared, approved and carried out
    seen = backstage.approved("currency,maximum\nCAD,1.01\n")
    backstage.awaited(seen.id, State.COMPLETED)
    request = backstage.request_number(seen.id)

    # When Eva looks for it in the log
    eva = enter("eva")
    eva.go("Audit")
    eva.type("About", seen.number)
    eva.sees(f"Everything about {seen.number}")
    trail = eva.table("Audit records")
    eva.look("12-trail-of-one")

    # Then everything stands there in order, newest first, with who did it
    acts = [(row["Act"], row["Who"].split(" / ")[0]) for row in reversed(trail)]
    assert {act for act, who in acts if who == "Ana Brito"} == {
        "File: stored",
        "Execution: drafted",
        "Execution: submitted",
        "Approval: requested",
    }
    assert ("Approval: approved", "Ben Osei") in acts
    verbs = [act for act, _ in acts]
    order = [
        "Execution: drafted",
        "Execution: submitted",
        "Approval: approved",
        "Execution: started",
        "Payout: created",
    ]
    assert sorted(order, key=verbs.index) == order
    assert {row["Object"] for row in trail} >= {seen.number, request}

    # and a record opens to what is stored
    eva.main.locator("details summary").first.click()
    eva.sees('"id":"', eva.main.locator("details[open]"))
    eva.open("audit")
    eva.type("Search", request)
    decided = [(row["Act"], row["Who"]) for row in eva.table("Audit records")]
    assert decided == [("Approval: approved", "Ben Osei"), ("Approval: requested", "Ana Brito")]

    # When she exports what she sees
    exported = eva.download(eva.main.get_by_role("button", name="Export CSV"), tmp_path)
    workbook = eva.download(eva.main.get_by_role("button", name="Export XLSX"), tmp_path)

    # Then the files hold those records, as they are stored
    lines = list(csv.DictReader(io.StringIO(exported.read_text(encoding="utf-8-sig"))))
    assert [(line["Act"], line["Who"]) for line in lines] == [
        ("approval.requested", "Ana Brito"),
        ("approval.approved", "Ben Osei"),
    ]
    assert all(request in line["Record"] for line in lines)
    sheet = openpyxl.load_workbook(workbook).active
    assert sheet is not None
    header, *cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    # The first export has itself left a record, which names the request it was narrowed to.
    assert [row[header.index("Record")] for row in cells][:2] == [line["Record"] for line in lines]

    # When she presses Verify
    eva.press("Verify the log")

    # Then the log is whole, and her own acts stand in it under her name
    eva.sees("The log is whole.")
    assert [row["Who"] for row in eva.table("Audit records")][:2] == ["Eva Novak", "Eva Novak"]
    eva.look("13-verified")


@pytest.mark.parametrize(
    ("who", "label", "state"),
    [("ana", "Mine, pending", "Pending"), ("carla", "Failed in 7 days", "Failed"), ("carla", "Running", "Running")],
)
def test_a_figure_on_the_home_page_leads_to_its_rows(enter, backstage, who: str, label: str, state: str):
    # Given something in several states
    backstage.submitted("currency,maximum\nSEK,1.04\n")
    backstage.added_up("currency,amount\nEUR,2.00\n")
    screen = enter(who)
    figure = screen.main.locator("a.to-figure").filter(has_text=label)
    count = int(figure.locator(".v").inner_text())

    # When the figure is pressed
    figure.click()
    screen.heading("Executions")

    # Then the list has exactly that many rows, all of them of that kind
    screen.sees(re.compile(rf"· {count} executions?,"))
    shown = screen.table("Executions") if count else []
    assert len(shown) == min(count, 25)
    assert {backstage.execution(row["Number"]).public.value for row in shown} <= {state.lower()}
    if who == "ana":
        assert {row["By"] for row in shown} == {"Ana Brito"}


def test_what_waits_for_the_approver_and_what_was_paid_lead_to_their_rows(enter, backstage):
    # Given a request that waits for Ben, and payouts of this week
    backstage.submitted("currency,maximum\nSEK,1.05\n")
    done = backstage.approved("currency,maximum\nCAD,1.02\n")
    backstage.awaited(done.id, State.COMPLETED)
    ben = enter("ben")

    # When he follows the first figure, and then the request that needs him
    figure = ben.main.locator("a.to-figure").filter(has_text="Waiting for me")
    count = int(figure.locator(".v").inner_text())
    figure.click()
    ben.heading("Approvals")

    # Then as many cards wait as the figure said
    ben.sees(f"{count} for you")
    assert ben.main.get_by_role("button", name="Review").count() == count
    ben.go("Home")
    need = ben.main.locator(".to-needs a").first
    title = need.locator("strong").inner_text()
    need.click()
    ben.drawer.get_by_role("button", name="Approve").wait_for()
    ben.sees(title, ben.drawer)

    # and the paid ones lead to as many payouts, last of them the one just made
    carla = enter("carla")
    paid = carla.main.locator("a.to-figure").filter(has_text="Sent in 7 days")
    many = int(paid.locator(".v").inner_text())
    paid.click()
    carla.heading("Money in flight")
    carla.sees(re.compile(rf"· {many} payouts? ·"))
    carla.pick("Order", "Last sent first")
    rows = carla.table("Payouts")
    assert rows[0]["Execution"] == f"{done.number} / row 1"
    assert len(rows) == min(many, 25)


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_the_menu_entry_of_the_page_one_is_on_leads_back_to_its_start(enter, size: str):
    # Given Ana in the form of an operation
    ana = enter("ana", "run?operation=payouts.stripe_balance", size=size)
    ana.heading("Stripe balance payout")

    # When she presses the menu entry she came by
    ana.go("Upload & run")

    # Then she is at the catalogue again
    assert ana.query() == {}
    assert ana.main.get_by_role("link", name="CSV totals").count() == 1


def test_the_menu_entry_leads_back_though_streamlit_still_knows_the_old_address(enter):
    # Given Ana in the form of an operation
    ana = enter("ana", "run?operation=payouts.stripe_balance")
    ana.heading("Stripe balance payout")

    # When the entry is pressed by a script: no pause between one listener and the next, as on a busy machine
    ana.listening()
    ana.page.get_by_test_id("stSidebarNavLink").filter(has_text="Upload & run").evaluate("entry => entry.click()")

    # Then she is at the catalogue again
    ana.heading("Upload & run")
    assert ana.query() == {}
