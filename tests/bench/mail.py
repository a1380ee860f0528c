"""2,000 mails by a real worker to a real mail server: from the commit that wrote them to the last one's arrival."""

import smtplib
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

from finops_core import notifications
from finops_core.kernel.actor import worker_actor
from finops_core.notifications import Kind
from tests.bench.report import Figure
from tests.mail_host import MailHost, mail_settings, running_mail_host
from tests.processes import running_worker, until
from tests.world import World, running_world

MAILS = 2000
PATIENCE_S = 300


def measure() -> list[Figure]:
    """Mail through the outbox, beside the same letters handed over by smtplib alone."""
    with running_mail_host() as host, tempfile.TemporaryDirectory() as name:
        floor = _alone(host)
        host.taken.clear()
        with running_world(Path(name), **mail_settings(host)) as world, running_worker(world.desk.settings):
            _tell(world, 1)
            until(lambda: len(host.taken) == 1, PATIENCE_S, "the worker is awake")
            written = _tell(world, MAILS)
            started = time.perf_counter()
            until(lambda: len(host.taken) == MAILS + 1, PATIENCE_S, "all have arrived")
            seconds = time.perf_counter() - started
        assert len(set(host.ids())) == MAILS + 1
    what = f"{MAILS:,} mails, from the commit to the last arrival (SQLite)"
    return [
        Figure(what, seconds, "s", "< 60 s", floor, "smtplib alone, one connection"),
        Figure(f"… written with their {MAILS:,} notices, in one unit", written, "s"),
    ]


def _tell(world: World, count: int) -> float:
    started = time.perf_counter()
    with world.desk.work(worker_actor(world.orgs["harbour"])) as work:
        for number in range(count):
            notifications.notify(
                work,
                [world.people["ana"]],
                Kind.PAYOUT_RETURNED,
                once=f"{count}:{number}",
                title=f"100.00 USD of EX-2026-{number:04d} came back",
                body="The bank account has been closed, or does not exist.",
                page="executions",
                query={"execution": f"EX-2026-{number:04d}"},
            )
    return time.perf_counter() - started


def _alone(host: MailHost) -> float:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "desk@tieout.example", "ana@example.org", "100.00 USD came back"
    letter.set_content("The bank account has been closed, or does not exist.\n" * 5)
    started = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", host.port) as line:
        for _ in range(MAILS):
            line.send_message(letter)
    return time.perf_counter() - started
