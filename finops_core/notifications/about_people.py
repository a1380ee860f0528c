"""News of people's accounts, told to the person whom it is about. Heard through ``catalog.LISTENERS``.

What is told here cannot be put out, and is forwarded nowhere: it is for this one person.
"""

import base64
from collections.abc import Mapping

from finops_core import reference
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.ids import new_id
from finops_core.notifications import outbox
from finops_core.notifications.models import notice
from finops_core.notifications.rules import Kind, for_mail, one_line
from finops_core.notifications.service import notify
from finops_core.platform import queue
from finops_core.platform.inserts import insert_unless_there
from finops_core.platform.ports import Delivery, Letter
from finops_core.platform.queue import Claim
from finops_core.platform.work import Units, Work
from finops_core.security import AccountChanged, Change, SecondFactorReset

OLD_ADDRESS_JOB = "notifications.old_address"
ALARM = "If it was not you, tell an administrator now, and have your sessions ended."
TOLD: Mapping[Change, tuple[str, str]] = {
    Change.PASSWORD_BY_LINK: ("Your password was set by a one-time link", ALARM),
    Change.TOKEN_ISSUED: ("An API token was made in your name", "If it was not you, revoke it on your page now."),
    Change.ADDRESS: ("Your mail address was changed", ALARM),
    Change.SECOND_FACTOR_OFF: ("Your second factor was turned off", ALARM),
    Change.ROLE_GRANTED: ("You were given a role", "If you did not expect it, ask an administrator."),
}


def on_second_factor_reset(work: Work, event: SecondFactorReset) -> None:
    """Whoever did not ask for it must learn of it: from now on a password alone opens their account."""
    notify(
        work,
        [event.person_id],
        Kind.SECOND_FACTOR_RESET,
        once=f"second_factor.reset:{event.person_id}:{event.at.isoformat()}",
        title="Your second factor was reset by an administrator",
        body="Set up a new one. If you did not ask for it, tell another administrator now.",
        page="me",
    )


def on_account_changed(work: Work, event: AccountChanged) -> None:
    """A notice and a mail to the person, and one to the address they had until now.

    Written for the organisation the event names: whoever comes by a link acts in none.
    """
    title, body = TOLD[event.what]
    notice_id = new_id("nt")
    told = {
        "org_id": event.org_id,
        "person_id": event.person_id,
        "kind": Kind.ACCOUNT_CHANGED,
        "once": f"account.{event.what}:{event.person_id}:{event.at.isoformat()}:{event.about}",
        "title": one_line(f"{title}: {event.about}" if event.about else title),
        "body": body,
        "page": "me",
        "query": "{}",
    }
    with work.across_orgs("whoever sets a password by a link acts in no organisation"):
        if not insert_unless_there(work, notice, {**told, "id": notice_id, "created_at": work.now}):
            return
        if work.ports.mail is not None:
            outbox.put(work, [{**told, "notice_id": notice_id}])
    if event.former and work.ports.mail is not None:
        # The outbox looks addresses up when it sends, and this one stands nowhere any more.
        sealed = work.ports.vault.seal(event.former.encode(), _place(notice_id))
        payload = {"id": notice_id, "person_id": event.person_id, "to": base64.b64encode(sealed).decode()}
        queue.enqueue(work, OLD_ADDRESS_JOB, payload, org_id=event.org_id)


def tell_old_address(units: Units, claim: Claim) -> None:
    """Mail the address somebody had that it is theirs no more; raises while the server does not take it."""
    server, notice_id = units.ports.mail, str(claim.payload["id"])
    if server is None:
        return
    address = units.ports.vault.open(base64.b64decode(str(claim.payload["to"])), _place(notice_id)).decode()
    with units.read(worker_actor(claim.org_id)) as reading:
        own, at = reference.organisation(reading), reading.now
    title, body = TOLD[Change.ADDRESS]
    lines = ("Hello,", "", f"{title} at the desk. Mail for you no longer comes here.", body, "", "-- ", own.name)
    text = "\n".join([*(for_mail(line) for line in lines), ""])
    letter = Letter(id=notice_id, name="", address=address, subject=for_mail(f"[{own.name}] {title}"), text=text, at=at)
    with server.connection() as line:
        answer = line.send(letter)
    if answer.delivery in {Delivery.LATER, Delivery.NO_SERVER}:
        raise Unavailable("MAIL_WAITS", "The mail server does not take this mail now.", hint="It is tried again.")


def _place(notice_id: str) -> str:
    return f"notice|former_address|{notice_id}"
