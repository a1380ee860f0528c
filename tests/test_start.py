"""The command line, as somebody at a terminal uses it: what it prints, with which exit code, and what it leaves."""

import io
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
from sqlalchemy import select

from finops_core import approvals, audit, operations, reference, security
from finops_core.__main__ import main
from finops_core.audit.models import audit_leaf
from finops_core.catalog.operations import OPERATIONS
from finops_core.desk import open_desk
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.kernel.permissions import Permission
from finops_core.platform import queue
from finops_core.platform.settings import Settings
from finops_core.start import children, prepare
from tests import templates
from tests.desks import person_actor, settings_for
from tests.processes import ROOT, environment, kill, until
from tests.sandbox import SandboxControl
from tests.tampering import tamper
from tests.world import World

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


def here(settings: Settings, *words: str) -> Told:
    """The same without a process of its own, which takes seconds to begin."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as terminal, redirect_stdout(out), redirect_stderr(err):
        for name, value in environment(settings).items():
            terminal.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(words)
    return Told(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def command(settings: Settings, *words: str, **more: str) -> Told:
    done = subprocess.run(
        [sys.executable, "-m", "finops_core", *words],
        cwd=ROOT,
        env={**environment(settings), **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Told(done.returncode, done.stdout, done.stderr)


# --- migrate and set-up -------------------------------------------------------------------------------------------


def test_migrate_makes_the_tables_and_the_demo_and_can_be_repeated(tmp_path: Path, empty_database_url: str):
    settings = settings_for(tmp_path, empty_database_url, demo=True)

    told = [command(settings, "migrate") for _ in range(2)]

    assert [(each.code, each.out) for each in told] == [(0, "The database is up to date.\n")] * 2
    with open_desk(settings) as desk, desk.read(system_actor()) as reading:
        assert {each.id for each in operations.catalogue(reading)} == set(OPERATIONS)
        assert security.session_of(reading, session_id="session_none") is None


def test_set_up_prints_a_link_once_and_refuses_when_there_is_an_administrator(tmp_path: Path):
    # Given an installation outside the demo, without a key of its own yet
    settings = settings_for(tmp_path, demo=False, master_key="")
    # When it is set up twice
    first, second = command(settings, "setup", "--organisation", "Mill & Co"), command(settings, "setup")
    # Then each run gives a fresh link, and the older one is void
    links = [each.out.strip().splitlines()[-1].strip() for each in (first, second)]
    assert (first.code, second.code) == (0, 0)
    assert all(link.startswith("http://localhost:8501/?setup=") for link in links)
    tokens = [link.partition("setup=")[2] for link in links]
    with open_desk(settings) as desk:
        with desk.read(security.visitor()) as reading:
            assert security.link_of(reading, tokens[0]) is None
            assert security.link_of(reading, tokens[1]) is not None
        # and once it was used, its holder administers the one organisation there is
        with desk.work(security.visitor()) as work:
            greta = security.accept_link(work, tokens[1], "greta", "Greta Holm", "a-long-password-9")
        with desk.read(system_actor()) as reading:
            (org_id,) = reference.all_ids(reading)
        with desk.read(person_actor(greta, org_id)) as reading:
            assert reference.organisation(reading).name == "Mill & Co"
            assert reading.may(Permission.PEOPLE_ADMINISTER)
    third = command(settings, "setup")
    assert (third.code, third.out) == (1, "")
    assert third.err.startswith("ADMINISTRATOR_EXISTS: There is an administrator already.")
    assert "Traceback" not in third.err


def test_set_up_leaves_no_token_in_the_database(tmp_path: Path):
    settings = settings_for(tmp_path, demo=False)

    token = here(settings, "setup").out.strip().rpartition("setup=")[2]

    assert len(token) > 30
    assert not any(token.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_set_up_is_refused_in_the_demo_which_has_its_administrator(tmp_path: Path):
    told = here(settings_for(tmp_path, demo=True), "setup")

    assert told.code == 1
    assert told.err.startswith("ADMINISTRATOR_EXISTS")


def test_without_a_key_nothing_starts_outside_the_demo_and_it_says_what_to_do(tmp_path: Path):
    told = here(settings_for(tmp_path, demo=False, master_key=""), "migrate")

    assert told.code == 3
    assert told.err.startswith("MASTER_KEY_MISSING")
    assert "python -m finops_core setup" in told.err
    assert "Traceback" not in told.err


SECRETS = {
    "TIEOUT_MASTER_KEY": "ab" * 32,
    "TIEOUT_MAIL_PASSWORD": "hunter2-of-the-mail-host",
    "DATABASE_URL": "postgresql+psycopg://desk:hunter3@db/tieout",
}


@pytest.mark.parametrize("words", [("-m", "finops_core", "migrate"), ("-c", "import app")], ids=["command", "app"])
def test_a_wrong_setting_is_named_in_a_sentence_and_none_is_shown(tmp_path: Path, words: tuple[str, ...]):
    # Given a mail server without a sender, a port that is none, and secrets beside them
    wrong = {"TIEOUT_MAIL_HOST": "smtp.example.com", **SECRETS}
    for more, names in (({}, "TIEOUT_MAIL_SENDER"), ({"TIEOUT_MAIL_PORT": "99999"}, "TIEOUT_MAIL_PORT")):
        # When the program is started
        given = {**environment(settings_for(tmp_path)), **wrong, **more}
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False
        )
        # Then it ends with a sentence that names the setting, and shows nothing of what was set
        assert done.returncode == 2
        assert names in done.stderr
        for unwanted in ("Traceback", "input_value", *SECRETS.values(), "hunter3", "99999"):
            assert unwanted not in done.stdout + done.stderr


def test_half_a_noted_head_is_wrong_use(tmp_path: Path):
    told = here(settings_for(tmp_path, demo=True), "verify-audit", "--size", "7")

    assert told.code == 2
    assert "--root" in told.err


def test_the_set_up_link_leads_to_the_address_people_use(tmp_path: Path):
    told = here(settings_for(tmp_path, demo=False, public_url="https://tieout.example.com"), "setup")

    assert "https://tieout.example.com/?setup=" in told.out, told.err


def test_a_word_that_is_no_command_is_refused(tmp_path: Path):
    assert here(settings_for(tmp_path), "pay-everything").code == 2


# --- verifying the log --------------------------------------------------------------------------------------------


def sealed(folder: Path, url: str) -> None:
    """The template of a small log."""
    settings = settings_for(folder, url, demo=True)
    with prepare(settings) as desk, desk.work(worker_actor("")) as work:
        audit.seal(work, settings.heads_dir)


def sealed_log(folder: Path, settings: Settings) -> list[str]:
    """The ids of the records of a small log, by position."""
    templates.fill(folder, settings.database_url, "sealed", sealed)
    with open_desk(settings) as desk, desk.read(system_actor()) as reading, reading.across_orgs("a test looks at it"):
        return [row.record_id for row in reading.rows(select(audit_leaf).order_by(audit_leaf.c.position))]


def test_a_whole_log_verifies_with_exit_code_0_and_tells_what_to_note(tmp_path: Path, database_url: str):
    settings = settings_for(tmp_path, database_url, demo=True)
    ids = sealed_log(tmp_path, settings)

    told = command(settings, "verify-audit")

    assert (told.code, told.err) == (0, "")
    first, last = told.out.splitlines()
    assert first.startswith(f"{len(ids)} sealed records, 0 not sealed yet, root ")
    assert len(first.rpartition(" ")[2]) == 64
    assert last == "The log is whole."


def test_a_log_that_is_not_there_yet_is_no_log_that_was_tampered_with(tmp_path: Path):
    told = here(settings_for(tmp_path, demo=True), "verify-audit")

    assert told.code == 3
    assert told.err.startswith("DATABASE_NOT_READY")
    assert "python -m finops_core migrate" in told.err
    assert "Traceback" not in told.err


def forged(record_id: str) -> str:
    return (
        '{"actor":"person_eve","after":"","at":"2020-01-01T00:00:00.000000Z","before":"","detail":{},'
        f'"id":"{record_id}","object":"payout:po_x","on_behalf_of":null,"org":"o","v":1,'
        '"verb":"approval.approved","via":"page"}'
    )


Tampering = Callable[[Settings, list[str]], str]


def _edit(settings: Settings, ids: list[str]) -> str:
    tamper(
        settings,
        "UPDATE audit_record SET body = replace(body, 'service:system', 'person_eve') WHERE id = :id",
        id=ids[7],
    )
    return f"position 7: {ids[7]}"


def _delete(settings: Settings, ids: list[str]) -> str:
    tamper(settings, "DELETE FROM audit_record WHERE id = :id", id=ids[7])
    return f"position 7: {ids[7]}"


def _insert(settings: Settings, ids: list[str]) -> str:
    tamper(settings, "INSERT INTO audit_record (id, body) VALUES ('au_forged', :body)", body=forged("au_forged"))
    return "au_forged"


def _cut_record(settings: Settings, ids: list[str]) -> str:
    tamper(settings, "DELETE FROM audit_record WHERE id = :id", id=ids[-1])
    return f"position {len(ids) - 1}: {ids[-1]}"


def _cut_with_leaf(settings: Settings, ids: list[str]) -> str:
    tamper(settings, "DELETE FROM audit_record WHERE id = :id", id=ids[-1])
    tamper(settings, "DELETE FROM audit_leaf WHERE record_id = :id", id=ids[-1])
    return f"position {len(ids) - 1}: "


TAMPERED: dict[str, Tampering] = {
    "edited": _edit,
    "deleted": _delete,
    "inserted": _insert,
    "the last one cut": _cut_record,
    "the last one cut with its place": _cut_with_leaf,
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=list(TAMPERED))
def test_a_row_that_was_tampered_with_is_named_with_exit_code_1(tmp_path: Path, database_url: str, change: Tampering):
    settings = settings_for(tmp_path, database_url, demo=True)
    ids = sealed_log(tmp_path, settings)

    named = change(settings, ids)
    told = here(settings, "verify-audit")

    assert told.code == 1
    assert named in told.out
    assert told.out.splitlines()[-1] == "THE LOG WAS TAMPERED WITH."


def test_a_log_emptied_with_everything_beside_it_in_the_database_is_not_whole(tmp_path: Path):
    settings = settings_for(tmp_path, demo=True)
    sealed_log(tmp_path, settings)
    for table in ("audit_record", "audit_leaf", "audit_head"):
        tamper(settings, f"DELETE FROM {table}")

    told = here(settings, "verify-audit")

    assert told.code == 1
    assert "THE LOG WAS TAMPERED WITH." in told.out


# --- the processes beside the app ---------------------------------------------------------------------------------


PARENT = """
    import os, sys, time
    from finops_core.platform.settings import Settings
    from finops_core.start import children, prepare
    settings = Settings(_env_file=None)
    prepare(settings).close()
    with children(settings):
        print("started", flush=True)
        time.sleep(600)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/_sandbox/state", timeout=1).status_code == 200
    except requests.ConnectionError:
        return False


def worker_is_there(settings: Settings) -> bool:
    with open_desk(settings) as desk, desk.read(worker_actor("")) as reading:
        age = queue.lease_age_s(reading, "worker")
    return age is not None and age < 0


LIFE = """
    import asyncio, sys, time
    import app
    async def life():
        async with app.lifespan(app.app):
            print("stripe" in sys.modules, flush=True)
            end = time.monotonic() + 60
            while "stripe" not in sys.modules and time.monotonic() < end:
                await asyncio.sleep(0.05)
            print("stripe" in sys.modules, flush=True)
    asyncio.run(life())
"""


def test_the_app_imports_the_providers_sdk_by_itself_once_it_is_up(tmp_path: Path):
    settings = settings_for(tmp_path, demo=False, worker="off")

    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIFE)],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    # Not before it is up: whoever starts it must not wait. And not at the first request, which must not either.
    assert [line for line in told.stdout.splitlines() if line in {"True", "False"}] == ["False", "True"]


@pytest.fixture
def alone(tmp_path: Path) -> Settings:
    url = f"http://127.0.0.1:{free_port()}"
    return settings_for(tmp_path, demo=True, stripe_sandbox_url=url, job_lease_s=5, scheduler_lease_s=5)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.deep
def test_worker_and_sandbox_leave_when_the_app_is_killed(alone: Settings):
    # Given an app with both of them beside it
    app = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT)], cwd=ROOT, env=environment(alone), stdout=subprocess.PIPE
    )
    try:
        assert app.stdout is not None
        assert app.stdout.readline() == b"started\n"
        until(lambda: answers(alone.stripe_sandbox_url) and worker_is_there(alone), what="both are there")
        beside = psutil.Process(app.pid).children(recursive=True)
        assert len(beside) >= 2
        # When it is killed
        kill(app)
        app.stdout.close()
        # Then they leave
        until(lambda: alive(beside) == [], 60, "they left")
    finally:
        if app.poll() is None:
            kill(app)
    assert not answers(alone.stripe_sandbox_url)


@pytest.mark.deep
def test_worker_and_sandbox_leave_with_the_block_that_started_them(alone: Settings, monkeypatch: pytest.MonkeyPatch):
    for name, value in environment(alone).items():
        monkeypatch.setenv(name, value)
    prepare(alone).close()
    before = set(psutil.Process(os.getpid()).children(recursive=True))

    with children(alone):
        until(lambda: answers(alone.stripe_sandbox_url) and worker_is_there(alone), what="both are there")
        beside = [each for each in psutil.Process(os.getpid()).children(recursive=True) if each not in before]

    assert len(beside) >= 2
    until(lambda: alive(beside) == [], 60, "they left")


def test_a_first_payout_is_made_by_the_processes_alone(alone: Settings, monkeypatch: pytest.MonkeyPatch):
    for name, value in environment(alone).items():
        monkeypatch.setenv(name, value)
    with prepare(alone) as desk, children(alone):
        # Given the demo as it starts
        until(lambda: answers(alone.stripe_sandbox_url), what="the sandbox is there")
        people, orgs = names_of(desk)
        world = World(desk, None, orgs, people)  # type: ignore[arg-type]
        # When Ana drafts and submits, and Ben approves
        drafted = world.draft("currency\nUSD\nEUR\n")
        assert isinstance(drafted, operations.Drafted)
        until(lambda: world.execution(drafted.execution_id).state is operations.State.READY, what="the plan")
        with desk.work(world.actor("ana")) as work:
            seen = operations.submit(work, drafted.execution_id, world.execution(drafted.execution_id).plan_hash)
        world.decide(seen)
        until(lambda: world.execution(seen.id).state in operations.FINAL, what="the end")
        # Then it is paid
        made = SandboxControl(alone.stripe_sandbox_url).payouts("acct_sbx_harbour")
        assert world.execution(seen.id).state is operations.State.COMPLETED
        assert sorted((payout["currency"], payout["amount"]) for payout in made) == [
            ("eur", 6_120_050),
            ("usd", 18_422_015),
        ]
        with desk.read(world.actor("ben")) as reading:
            assert approvals.of_subject(reading, "execution", seen.id)[0].state is approvals.State.APPROVED


def names_of(desk) -> tuple[dict[str, str], dict[str, str]]:
    with desk.read(system_actor()) as reading:
        orgs = reference.ids_by_slug(reading)
    with desk.read(system_actor(orgs["harbour"])) as reading:
        return {person.username: person.id for person in security.people(reading)}, orgs
