"""The command line acts as a person by their token; it tells in words or in JSON, and by its exit code."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from finops_core import security
from tests.api.v1.programs import ALL, STRIPE, Office, open_office
from tests.commands.terminal import Told, command
from tests.processes import ROOT, environment, running_worker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with open_office(tmp_path_factory.mktemp("office")) as made:
        yield made


def say(office: Office, who: str, *words: str, scopes: str = ALL) -> Told:
    return command(office.world.desk.settings, office.program(who, scopes).secret, *words)


def csv(folder: Path, content: str = "currency,maximum\nEUR,1.25\n") -> str:
    path = folder / "currencies.csv"
    path.write_text(content)
    return str(path)


def test_a_walk_from_file_to_result_in_words(office: Office, tmp_path: Path):
    world = office.world
    drafted = say(office, "ana", "run", STRIPE, "--file", csv(tmp_path))
    number = drafted.out.split()[0]
    world.work_off()
    plan = say(office, "ana", "plan", number)
    plan_hash = plan.out.split()[-1]
    submitted = say(office, "ana", "submit", number, "--plan", plan_hash)
    waiting = say(office, "ben", "approvals")
    request = next(line.split()[0] for line in waiting.out.splitlines() if number in line)
    shown = say(office, "ben", "approvals", request)
    decided = say(office, "ben", "decide", request, "approved", "--content", shown.out.split()[-1])
    world.work_off()
    status, log, result = (say(office, "ana", word, number) for word in ("status", "log", "result"))
    files = say(office, "ana", "files", number)
    output = next(line.split()[0] for line in files.out.splitlines() if "result.csv" in line)
    taken = say(office, "ana", "download", output, "--to", str(tmp_path / "result.csv"))

    done = (drafted, plan, submitted, waiting, shown, decided, status, log, result, files, taken)
    assert [each for each in done if each.code != 0 or each.err] == []
    assert "Pays 1.25 EUR" in plan.out
    row = plan.out.splitlines()[1]
    assert "1.25 EUR" in row
    assert "NEW DESTINATION" in row or "against EX-" in row  # another test may have paid there before
    assert "awaiting approval" in submitted.out
    assert "you may decide it" in shown.out
    assert plan.out.splitlines()[:-1] == shown.out.splitlines()[1:-2], "the rows, where they go, and what is new"
    assert "APPROVAL_" not in decided.out
    assert "approved 20" in decided.out
    assert "completed" in status.out
    assert "1 of 1 payouts made." in log.out
    assert "po_sbx_" in result.out
    assert "1.25" in (tmp_path / "result.csv").read_text()
    assert number in say(office, "eva", "history", "--state", "completed").out


def test_payouts_are_told_rehearsed_taken_back_and_recorded_in_words(office: Office, tmp_path: Path):
    # Given a plan that is rehearsed, and then paid
    world = office.world
    seen = world.submitted("currency,maximum\nCHF,2.50\n")
    asked = say(office, "ana", "rehearse", seen.number, "--trouble", "answer_lost")
    world.work_off()
    rehearsed = say(office, "ana", "rehearsals", seen.number)
    world.decide(seen)
    world.work_off()
    # When its payout is listed, found, taken back, and the record of it all is taken
    listed = say(office, "ana", "payouts", seen.number)
    payout = listed.out.splitlines()[1].split()[-1]
    flying = say(office, "ana", "payouts", "--standing", "in_flight")
    back = say(office, "ana", "take-back", seen.number, "--payout", payout, "--reason", "wrong")
    world.work_off()
    one = say(office, "ana", "payout", payout)
    found = say(office, "eva", "search", seen.number)
    pack, page = tmp_path / "record.zip", tmp_path / "record.html"
    taken = [say(office, "eva", "record", seen.id, "--to", str(pack))]
    taken.append(say(office, "eva", "record", seen.id, "--to", str(page), "--form", "html"))
    # Then each says so in words
    done = (asked, rehearsed, listed, flying, back, one, found, *taken)
    assert [each for each in done if each.code != 0 or each.err] == []
    assert "running" in asked.out
    assert "passed  answer_lost" in rehearsed.out
    assert "2.50 CHF" in listed.out
    assert "1 in all, 2.50 CHF" in listed.out
    assert payout in flying.out
    assert "asked to take back 1" in back.out
    assert "canceled" in one.out
    assert f"{seen.number}  Stripe balance payout" in found.out
    assert "execution.submitted" in found.out
    assert pack.read_bytes().startswith(b"PK")
    assert seen.number in page.read_text()


def test_what_is_withdrawn_is_replaced_and_each_names_the_other(office: Office):
    seen = office.world.submitted("currency,maximum\nSEK,2.50\n", reason="once more")

    withdrawn = say(office, "ana", "withdraw", seen.number, "--reason", "wrong month")
    replacing = say(office, "ana", "run", STRIPE, "--replaces", seen.number, "--reason", "right month", "--json").answer

    assert (withdrawn.code, "Taken back by its requester: wrong month" in withdrawn.out) == (0, True)
    assert replacing["replaces"] == seen.id
    assert replacing["file_sha256"] == seen.input_sha256


def test_json_is_what_the_api_answers(office: Office):
    for words, path in (
        (["me"], "/me"),
        (["catalogue"], "/operations"),
        (["catalogue", STRIPE], f"/operations/{STRIPE}"),
        (["history", "--limit", "3"], "/executions?limit=3"),
        (["payouts", "--limit", "3"], "/payouts?limit=3"),
        (["search", "1.25"], "/search?text=1.25"),
        (["approvals", "--decided"], "/approvals?which=decided"),
    ):
        told = say(office, "dan", *words, "--json").answer
        answer = office.program("dan").get(path).json()
        for each in (told, answer):
            each.get("token", {}).pop("last_used_at", None)
        assert told == answer, words


def test_a_refusal_is_told_on_the_error_stream_with_exit_code_1(office: Office):
    plain, as_json = (say(office, "ana", "status", "EX-1999-0001", *more) for more in ([], ["--json"]))

    assert (plain.code, plain.out) == (1, "")
    assert plain.err.startswith("EXECUTION_UNKNOWN: There is no such execution")
    assert (as_json.code, as_json.out) == (1, "")
    assert as_json.problem["code"] == "EXECUTION_UNKNOWN"
    answer = office.program("ana").get("/executions/EX-1999-0001").json()
    assert as_json.problem == {**answer, "instance": ""}, "a command is no request"


def test_every_fault_of_a_file_is_told_by_row_and_column(office: Office, tmp_path: Path):
    told = say(office, "ana", "run", STRIPE, "--file", csv(tmp_path, "currency,maximum\nXXX,1\nEUR,none\n"))

    assert told.code == 1
    assert told.err.startswith("DRAFT_REFUSED: The file or the parameters have 2 faults")
    assert "row 2, currency:" in told.err
    assert "row 3, maximum:" in told.err


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["nothing"],
        ["run", STRIPE, "--file", "/no/such/file"],
        ["run", STRIPE, "--param", "no pair"],
        ["run", STRIPE, "--params", "{"],
        ["run", STRIPE, "--params", "[]"],
        ["history", "--state", "no state"],
        ["history", "--limit", "0"],
        ["decide", "AP-2026-0001", "perhaps", "--content", "0"],
        ["decide", "AP-2026-0001", "approved"],
        ["rehearse", "EX-2026-0001", "--trouble", "an answer is lost"],
        ["payouts", "--standing", "lost"],
        ["payouts", "EX-2026-0001", "--standing", "late"],
        ["settle", "pay_x", "perhaps", "--comment", "looked"],
        ["settle", "pay_x", "exists"],
        ["withdraw", "EX-2026-0001"],
        ["record", "EX-2026-0001", "--to", "/no/such/folder/record.zip"],
        ["record", "EX-2026-0001", "--to", "record.zip", "--form", "pdf"],
    ],
)
def test_wrong_use_has_exit_code_2(office: Office, words: list[str]):
    assert say(office, "ana", *words).code == 2


def test_without_a_token_nothing_is_opened(office: Office, tmp_path: Path):
    nowhere = office.world.desk.settings.model_copy(update={"data_dir": tmp_path / "never"})

    told = command(nowhere, "", "me")

    assert told.code == 2
    assert "TIEOUT_TOKEN" in told.err
    assert not (tmp_path / "never").exists()


def test_a_token_that_has_ended_is_refused_and_the_log_says_through_which_door(office: Office):
    token = office.token("carla")
    before = command(office.world.desk.settings, token.secret, "me")
    with office.world.desk.work(office.world.actor("carla")) as work:
        security.revoke_token(work, token.token.id)

    after = command(office.world.desk.settings, token.secret, "me", "--json")

    assert before.code == 0
    assert (after.code, after.problem["code"]) == (1, "TOKEN_NOT_VALID")
    assert token.secret not in after.out + after.err
    (line,) = [line for line in office.log("token.refused") if token.token.id in line]
    assert '"via":"cli"' in line


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["cancel", "{number}"], "TOKEN_SCOPE"),
        (["run", STRIPE], "TOKEN_SCOPE"),
        (["retry", "{number}"], "TOKEN_SCOPE"),
        (["tokens", "--revoke", "token_x"], "IN_PERSON_ONLY"),
        (["approvals"], "NOT_ALLOWED"),
    ],
)
def test_a_scope_narrows_commands_too(office: Office, words: list[str], code: str):
    drafted = office.world.draft("currency\nSEK\n", reason="once more")

    told = say(office, "ana", *(word.format(number=drafted.number) for word in words), "--json", scopes="read")

    assert (told.code, told.problem["code"]) == (1, code)


def test_parameters_are_given_as_pairs_or_as_json(office: Office, tmp_path: Path):
    base = ["run", STRIPE, "--file", csv(tmp_path), "--reason", "again", "--json"]

    pairs = say(office, "ana", *base, "--param", "descriptor=RENT")
    whole = say(office, "ana", *base, "--params", '{"descriptor": "RENT"}')
    wrong = say(office, "ana", *base, "--param", f"descriptor={'x' * 99}")

    assert pairs.answer["parameters"] == whole.answer["parameters"]
    assert pairs.answer["parameters"]["descriptor"] == "RENT"
    assert wrong.problem["faults"][0]["column"] == "descriptor"


def test_an_upload_is_a_file_that_a_run_can_take(office: Office, tmp_path: Path):
    told = say(office, "ana", "upload", csv(tmp_path), "--json").answer

    drafted = say(office, "ana", "run", STRIPE, "--file-id", told["id"], "--reason", "again", "--json").answer

    assert drafted["file_sha256"] == told["sha256"]
    assert told["mime"] == "text/csv"


def test_an_upload_of_a_kind_that_nothing_takes_is_refused(office: Office, tmp_path: Path):
    (tmp_path / "b.exe").write_bytes(b"MZ" + bytes(200))

    told = say(office, "ana", "upload", str(tmp_path / "b.exe"), "--json")

    assert (told.code, told.problem["code"]) == (1, "FILE_TYPE")


def test_a_page_of_requests_says_where_the_next_one_begins(office: Office):
    for maximum in ("1.00", "2.00"):
        office.world.submitted(f"currency,maximum\nUSD,{maximum}\n")

    first = say(office, "ben", "approvals", "--limit", "1")
    last = say(office, "ben", "approvals", "--limit", "1", "--offset", "1")

    assert "More: --offset 1" in first.out
    assert "More" not in last.out


def test_a_place_that_takes_no_file_is_told_in_a_sentence_with_exit_code_3(office: Office, tmp_path: Path):
    kept = say(office, "ana", "upload", csv(tmp_path), "--json").answer["id"]

    told = say(office, "ana", "download", kept, "--to", "/proc/nothing-can-be-written-here.csv", "--json")

    assert (told.code, told.problem["code"]) == (3, "TARGET_FAILED")
    assert "/proc/nothing-can-be-written-here.csv" in told.problem["detail"]


def test_run_submit_and_wait_end_with_the_run_and_say_how_it_went(office: Office, tmp_path: Path):
    settings = office.world.desk.settings
    path = tmp_path / "amounts.csv"
    path.write_text("currency,amount\nUSD,1.50\nUSD,2.25\n")
    words = ["run", "reporting.csv_totals", "--file", str(path), "--submit", "--wait", "--json"]

    with running_worker(settings):
        done = subprocess.run(
            [sys.executable, "-m", "finops_core", *words],
            cwd=ROOT,
            env={**environment(settings), "TIEOUT_TOKEN": office.program("ana").secret},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "completed"


def test_waiting_for_what_was_called_off_has_exit_code_1(office: Office):
    drafted = office.world.draft("currency\nSEK\n", reason="once more")
    say(office, "ana", "cancel", drafted.number)

    told = say(office, "ana", "status", drafted.number, "--wait", "--json")

    assert (told.code, told.answer["state"]) == (1, "cancelled")


def test_a_download_overwrites_nothing(office: Office, tmp_path: Path):
    there = tmp_path / "there.csv"
    there.write_text("mine")

    assert say(office, "ana", "download", "fr_x", "--to", str(there)).code == 2
    assert there.read_text() == "mine"


def test_a_token_is_listed_and_revokes_itself(office: Office):
    token = office.token("adam", "read")
    settings = office.world.desk.settings

    listed = command(settings, token.secret, "tokens")
    revoked = command(settings, token.secret, "tokens", "--revoke", token.token.id)

    assert token.token.id in listed.out
    assert "revoked" in revoked.out
    assert command(settings, token.secret, "me").code == 1


def test_a_schedule_is_told_and_changed_in_words(office: Office):
    listed = say(office, "adam", "schedules")
    changed = say(
        office, "adam", "change-schedule", "ledger.weekly", "--calendar", "15 4 * * SAT", "--reason", "the close"
    )
    off = say(office, "adam", "change-schedule", "ledger.weekly", "--off", "--reason", "a drill")
    without = say(office, "adam", "change-schedule", "ledger.weekly", "--on", "--reason", "x", scopes="read")

    assert "0 2 * * sun" in listed.out
    assert changed.out.startswith("ledger.weekly: 15 4 * * sat, on; next ")
    assert off.out.strip() == "ledger.weekly: 15 4 * * sat, off; next never"
    assert (without.code, without.out) == (1, "")


def test_a_period_and_an_entry_are_told_in_words(office: Office):
    locked = say(office, "carla", "lock-period", "2019-01-01", "2019-01-31", "--reason", "reported")
    period = locked.out.split(":")[0]
    opened = say(office, "carla", "unlock-period", period, "--reason", "late")
    none, every = say(office, "carla", "periods"), say(office, "carla", "periods", "--all")
    wrong = say(office, "carla", "lock-period", "january", "2019-01-31", "--reason", "reported")

    assert locked.out.strip() == f"{period}: 2019-01-01 to 2019-01-31 is locked: reported"
    assert opened.out.strip() == f"{period}: 2019-01-01 to 2019-01-31 is open: reported; opened again: late"
    assert none.out.strip() == "No period is locked"
    assert period in every.out
    assert (wrong.code, wrong.out) == (2, "")
