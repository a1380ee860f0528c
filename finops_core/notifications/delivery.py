"""The worker's round through the outbox: a handful of letters at a time, their ends kept before more are taken."""

from collections.abc import Sequence

from finops_core import audit, security
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.permissions import Permission
from finops_core.notifications import outbox
from finops_core.notifications.outbox import DELIVER_JOB, LATER_KEY, Held
from finops_core.notifications.rules import TELL_AFTER, Kind, MailState, for_mail
from finops_core.notifications.service import notify
from finops_core.platform import queue
from finops_core.platform.ports import Delivery, MailAnswer, MailConnection
from finops_core.platform.queue import Claim
from finops_core.platform.work import Units, Work

# A worker that is told to leave lets its rounds come to their end.
LETTERS_A_ROUND = 200
# As many may come twice after a crash; a commit for each letter would be most of its time.
HANDFUL = 5
AFTER_TROUBLE_S, SOON_S = 5.0, 60.0


def deliver(units: Units, claim: Claim) -> None:
    """Send what is due, of all organisations, over one connection; what a server does not take now waits.

    At least once: who dies between a server's answer and its record sends the same letter again, under the same id.
    """
    server = units.ports.mail
    if server is None:
        return
    with units.read(worker_actor("")) as reading:
        org_ids = outbox.organisations_with_mail(reading)
    left, trouble = LETTERS_A_ROUND, False
    with server.connection() as line:
        for org_id in org_ids:
            sent, trouble = _send_all(units, claim, line, org_id, left)
            left -= sent
            if trouble or left <= 0:
                break
    _come_again(units, trouble=trouble)


def _send_all(units: Units, claim: Claim, line: MailConnection, org_id: str, most: int) -> tuple[int, bool]:
    """How many letters of one organisation were tried, and whether the server itself is in trouble."""
    hand: list[Held] = []
    answers: list[MailAnswer] = []
    tried = 0
    while True:
        trouble = bool(answers) and answers[-1].delivery is Delivery.NO_SERVER
        with units.work(worker_actor(org_id)) as work:
            queue.hold(work, claim)
            for held, answer in zip(hand, answers, strict=False):
                _keep(work, claim, held, answer)
            outbox.give_back(work, claim, hand[len(answers) :])
            hand = [] if trouble or tried >= most else outbox.take(work, claim, min(HANDFUL, most - tried))
        if not hand:
            return tried, trouble
        answers = _send(line, hand)
        tried += len(answers)


def _send(line: MailConnection, hand: Sequence[Held]) -> list[MailAnswer]:
    """The answers to some letters, up to the first that says that there is no server."""
    answers: list[MailAnswer] = []
    for held in hand:
        answers.append(line.send(held.letter))
        if answers[-1].delivery is Delivery.NO_SERVER:
            break
    return answers


def _keep(work: Work, claim: Claim, held: Held, answer: MailAnswer) -> None:
    state = outbox.keep(work, claim, held, answer)
    if state is MailState.FAILED:
        audit.record(work, "mail.failed", f"mail:{held.id}", detail={"kind": held.kind, "attempts": held.attempts})
        name = security.names(work, [held.person_id]).get(held.person_id, "somebody")
        _tell(work, held, f"Mail to {name} was not delivered", answer.words, once=f"mail:{held.person_id}")
    elif answer.delivery is Delivery.NO_SERVER and held.attempts >= TELL_AFTER:
        _tell(work, held, "Mail waits: the mail server does not take it", answer.words, once="mail-server")


def _tell(work: Work, held: Held, title: str, body: str, *, once: str) -> None:
    """Whoever watches the desk learns of it, once a day."""
    watchers = [person.id for person in security.people_with(work, Permission.HEALTH_VIEW)]
    notify(
        work,
        watchers,
        Kind.MAIL_FAILING,
        once=f"{once}:{work.now.date().isoformat()}",
        title=title,
        body=for_mail(body),
        page="notices",
        query={"view": "Mail", "mail": held.id},
    )


def _come_again(units: Units, *, trouble: bool) -> None:
    """Have the round begin anew when the next mail is due, if that is before the schedule's own."""
    with units.work(worker_actor("")) as work:
        due_at = outbox.next_at(work)
        if due_at is None:
            return
        wait_s = max((due_at - work.now).total_seconds(), AFTER_TROUBLE_S if trouble else 0.0)
        if wait_s < SOON_S:
            queue.enqueue(work, DELIVER_JOB, {}, key=LATER_KEY, delay_s=wait_s, org_id="", again=True)
