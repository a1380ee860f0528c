"""The worker's round of what is forwarded, and a test that a person asks for. Calls are made outside any unit.

At least once: who dies between an answer and its record sends the same body again, under the same id.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import insert, select, update

from finops_core import audit, reference, security
from finops_core.kernel.actor import Actor, worker_actor
from finops_core.kernel.errors import Unavailable
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.notifications import addresses, dispatches, endpoints, envelopes
from finops_core.notifications.addresses import DispatchState, EndpointState
from finops_core.notifications.dispatches import DISPATCH_JOB, TEST, Carried, TryView
from finops_core.notifications.envelopes import News
from finops_core.notifications.models import dispatch, endpoint
from finops_core.notifications.rules import Kind, pause_s
from finops_core.notifications.service import notify
from finops_core.platform import queue
from finops_core.platform.ports import PostAnswer, Poster
from finops_core.platform.queue import Claim
from finops_core.platform.work import Units, Work

LATER_KEY = f"{DISPATCH_JOB}:later"
# Endpoints that are called at once; one that dawdles keeps none of the others waiting but these.
AT_ONCE = 4
# A worker that is told to leave lets its rounds come to their end.
ROUND_S, SOON_S = 20.0, 60.0


def forward(units: Units, claim: Claim) -> None:
    """Send what is due, of all organisations, to a few endpoints at once and to each of them one after the other."""
    post = units.ports.post
    if post is None:
        return
    with units.read(worker_actor("")) as reading:
        waiting = dispatches.waiting(reading)
    until = time.monotonic() + ROUND_S
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="forward") as pool:
        rounds = [pool.submit(_send_all, units, claim, post, *each, until) for each in waiting]
    for each in rounds:
        each.result()
    _come_again(units)


def try_endpoint(units: Units, actor: Actor, endpoint_id: str) -> TryView:
    """Send an endpoint a notice that says it is a test, now, and keep what came of it: the try.

    Also while it is paused or given up. Needs CONNECTIONS_ADMINISTER; ``ENDPOINT_UNKNOWN``.
    """
    post = units.ports.post
    if post is None:
        raise Unavailable("FORWARDING_OFF", "Nothing is forwarded from here.", hint="Ask whoever runs the desk.")
    with units.read(actor) as reading:
        to = endpoints.endpoint_row(reading, endpoint_id)
        news = News(TEST, f"A test of {to.name}", "Whoever administers the desk sent it.", "forwarding", {})
        base = reading.ports.settings.public_url
        body = envelopes.body_of(to.channel, news, reference.organisation(reading), base, reading.now)
        dispatch_id = new_id("msg")
        posting = dispatches.posting_of(reading, to, dispatch_id, body)
    answer = post(posting)
    passed = addresses.has_passed(answer.status)
    with units.work(actor) as work:
        endpoints.endpoint_view(work, endpoint_id)
        row = dispatches.row_of(work, endpoint_id, TEST, f"test:{dispatch_id}", body)
        state = DispatchState.SENT if passed else DispatchState.FAILED
        tries = dispatches.tried("[]", work.now, answer, posting.url)
        ended = {"id": dispatch_id, "state": state, "attempts": 1, "tries": tries, "ended_at": work.now}
        work.execute(insert(dispatch).values(**{**row, **ended}))
        if passed:
            _passed(work, endpoint_id)
        audit.record(work, "endpoint.tested", f"endpoint:{endpoint_id}", detail={"status": answer.status})
        return dispatches.dispatch_view(work, dispatch_id).tries[0]


def _send_all(units: Units, claim: Claim, post: Poster, org_id: str, endpoint_id: str, until: float) -> None:
    """What is due for one endpoint, until it fails or the round's time is over."""
    carried: Carried | None = None
    answer = PostAnswer(0, "")
    while True:
        with units.work(worker_actor(org_id)) as work:
            queue.hold(work, claim)
            if carried is not None:
                _keep(work, claim, carried, answer)
            carried = dispatches.take(work, claim, endpoint_id) if time.monotonic() < until else None
        if carried is None:
            return
        answer = post(carried.posting)


def _keep(work: Work, claim: Claim, carried: Carried, answer: PostAnswer) -> None:
    passed = addresses.has_passed(answer.status)
    pause = pause_s(carried.attempts)
    # The endpoint first, as whoever removes one does, and in the way that lets others write notices for it meanwhile.
    mine = endpoint.c.org_id == work.org_id, endpoint.c.id == carried.endpoint_id
    work.first(select(endpoint.c.id).where(*mine).with_for_update(key_share=True))
    dispatches.keep(work, claim, carried, answer, pause, passed=passed)
    if passed:
        _passed(work, carried.endpoint_id)
        return
    if pause is None:
        detail = {"kind": carried.kind, "attempts": carried.attempts, "status": answer.status}
        audit.record(work, "dispatch.failed", f"dispatch:{carried.id}", detail=detail)
    _failed(work, carried.endpoint_id, answer, given_up=pause is None)


def _passed(work: Work, endpoint_id: str) -> None:
    values = {"failures": 0, "failing_since_at": None, "rest_until_at": work.now, "passed_at": work.now}
    mine = endpoint.c.org_id == work.org_id, endpoint.c.id == endpoint_id
    work.execute(update(endpoint).where(*mine).values(**values))


def _failed(work: Work, endpoint_id: str, answer: PostAnswer, *, given_up: bool) -> None:
    """Leave it alone for a while, or for good; its administrators learn of that, and of a notice that was given up."""
    mine = endpoint.c.org_id == work.org_id, endpoint.c.id == endpoint_id
    to = work.first(select(endpoint).where(*mine, endpoint.c.state == EndpointState.ACTIVE))
    if to is None:
        return
    failures, since = to.failures + 1, to.failing_since_at or work.now
    rest = work.now + timedelta(seconds=addresses.rest_s(failures))
    values = {"failures": failures, "failing_since_at": since, "rest_until_at": rest}
    why = addresses.why_given_up(answer.status, since, work.now)
    if why:
        values |= {"state": EndpointState.OFF, "why_off": why}
    work.execute(update(endpoint).where(*mine).values(**values))
    if why:
        dispatches.end_waiting(work, endpoint_id, DispatchState.FAILED)
        audit.record(work, "endpoint.given_up", f"endpoint:{endpoint_id}", detail={"status": answer.status})
        once = f"endpoint_off:{endpoint_id}:{work.now.isoformat()}"
        _tell(work, endpoint_id, f"Nothing is forwarded to {to.name} any more", why, once)
    elif given_up:
        title = f"A notice could not be forwarded to {to.name}"
        _tell(
            work, endpoint_id, title, "It was tried for more than a day.", f"endpoint:{endpoint_id}:{work.now.date()}"
        )


def _tell(work: Work, endpoint_id: str, title: str, body: str, once: str) -> None:
    administrators = [person.id for person in security.people_with(work, Permission.CONNECTIONS_ADMINISTER)]
    query = {"endpoint": endpoint_id}
    kind = Kind.FORWARDING_FAILING
    notify(work, administrators, kind, once=once, title=title, body=body, page="forwarding", query=query)


def _come_again(units: Units) -> None:
    """Have the round begin anew when the next notice may go, if that is before the schedule's own."""
    with units.work(worker_actor("")) as work:
        due_at = dispatches.next_at(work)
        if due_at is None:
            return
        wait_s = max((due_at - work.now).total_seconds(), 0.0)
        if wait_s < SOON_S:
            queue.enqueue(work, DISPATCH_JOB, {}, key=LATER_KEY, delay_s=wait_s, org_id="", again=True)
