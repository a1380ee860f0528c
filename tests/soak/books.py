"""What must be true at the end: payouts, money's way to the bank, mail, the log, the standing checks, the queue."""

import time
from collections import Counter
from collections.abc import Callable

from sqlalchemy import func, select

from finops_core import audit, reference
from finops_core.catalog.checks import CHECKS
from finops_core.desk import Desk
from finops_core.kernel.actor import system_actor, worker_actor
from finops_core.notifications.models import mail, notice
from finops_core.notifications.rules import MailState, Way, facts_of
from finops_core.payouts import PayoutState
from finops_core.payouts.models import payout, provider_news
from finops_core.payouts.news import OPEN
from finops_core.platform import queue
from tests.soak.house import House
from tests.soak.programs import HARBOUR, Trade
from tests.soak.verdict import Verdict, same_payouts

PATIENCE_S = 180.0


def closed(house: House, trade: Trade) -> list[Verdict]:
    """Every truth, once what was under way has come to rest."""
    with house.desk.read(system_actor()) as reading:
        org_id = reference.ids_by_slug(reading)["harbour"]
    rest = _at_rest(house, org_id)
    return [
        Verdict("what was under way came to rest", not rest, rest or "no news, mail or record of the log is left over"),
        Verdict("programs and batches went on", not trade.broken, "; ".join(trade.broken) or "none gave up"),
        _payouts(house, trade),
        _bank(house, trade, org_id),
        *_mail(house, org_id),
        _checks(house.desk, org_id),
        _log(house),
        _queue(house.desk),
        _logs(house),
    ]


def _at_rest(house: House, org_id: str) -> str:
    """What is left over in the end; "" for nothing."""
    looks: dict[str, Callable[[], int]] = {
        "deliveries of news": lambda: sum(each["state"] == "waiting" for each in house.sandbox.deliveries()),
        "news": lambda: _news_open(house.desk, org_id),
        "mails": lambda: _mails(house.desk, org_id)[MailState.QUEUED],
        "records not sealed": lambda: _unsealed(house),
    }
    until = time.monotonic() + PATIENCE_S
    while True:
        left = {name: count for name, look in looks.items() if (count := look())}
        if not left or time.monotonic() > until:
            return ", ".join(f"{count} {name}" for name, count in left.items())
        house.sandbox.deliver()
        time.sleep(1)


def _payouts(house: House, trade: Trade) -> Verdict:
    approved = [(execution, *row) for execution, rows in trade.approved.items() for row in rows]
    made = [
        (each["metadata"].get("fod_exec", ""), each["currency"], each["amount"])
        for each in house.sandbox.payouts(HARBOUR)
    ]
    found = same_payouts(approved, made)
    asked_for = {execution for execution, _, _ in made}
    if asked_for & trade.rejected:
        return Verdict(found.what, holds=False, told="a rejected batch was paid")
    return found


def _bank(house: House, trade: Trade, org_id: str) -> Verdict:
    """The desk knows of each payout what the bank made of it."""
    with house.desk.read(worker_actor(org_id)) as reading:
        rows = select(payout.c.state, func.count()).where(payout.c.org_id == org_id).group_by(payout.c.state)
        states = Counter(dict(tuple(row) for row in reading.rows(rows)))
    all_of_them = sum(len(rows) for rows in trade.approved.values())
    wanted = {PayoutState.PAID: all_of_them - trade.returned, PayoutState.FAILED: trade.returned}
    holds = dict(states) == {state.value: count for state, count in wanted.items() if count}
    return Verdict(
        "the bank's word reached every payout", holds, ", ".join(f"{n} {state}" for state, n in states.items())
    )


def _mail(house: House, org_id: str) -> list[Verdict]:
    with house.desk.read(worker_actor(org_id)) as reading:
        mine = mail.c.org_id == org_id, mail.c.state == MailState.SENT
        sent = [row.id for row in reading.rows(select(mail.c.id).where(*mine))]
        kinds = reading.rows(
            select(notice.c.kind, func.count(mail.c.id), func.count())
            .select_from(notice.outerjoin(mail, (mail.c.notice_id == notice.c.id) & (mail.c.org_id == notice.c.org_id)))
            .where(notice.c.org_id == org_id)
            .group_by(notice.c.kind)
        )
    arrived = Counter(each.strip("<>").partition("@")[0] for each in house.mail.ids())
    lost = [each for each in sent if not arrived[each]]
    twice = sum(count - 1 for each, count in arrived.items() if each in set(sent))
    unwritten = {kind: all_ - mails for kind, mails, all_ in kinds if facts_of(kind).way is Way.MAIL and all_ != mails}
    states = _mails(house.desk, org_id)
    whole = not lost and not unwritten and set(states) <= {MailState.SENT, MailState.DROPPED}
    told = f"{sum(all_ for _, _, all_ in kinds)} notices; mails: {', '.join(f'{n} {s}' for s, n in states.items())}"
    told += f"; {twice} arrived a second time under the same id"
    return [Verdict("every notice that is mailed arrived", whole, told + (f"; lost {lost}" if lost else ""))]


def _mails(desk: Desk, org_id: str) -> Counter[str]:
    with desk.read(worker_actor(org_id)) as reading:
        rows = reading.rows(select(mail.c.state, func.count()).where(mail.c.org_id == org_id).group_by(mail.c.state))
    return Counter(dict(tuple(row) for row in rows))


def _news_open(desk: Desk, org_id: str) -> int:
    with desk.read(worker_actor(org_id)) as reading:
        mine = provider_news.c.org_id == org_id, provider_news.c.state.in_(OPEN)
        return int(reading.scalar(select(func.count()).select_from(provider_news).where(*mine)) or 0)


def _unsealed(house: House) -> int:
    with house.desk.read(system_actor()) as reading:
        return int(audit.standing(reading).unsealed)


def _checks(desk: Desk, org_id: str) -> Verdict:
    found: list[str] = []
    for check in CHECKS.values():
        with desk.read(worker_actor(org_id)) as reading:
            found += [f"{check.id}: {told}" for told in check.find(reading)]
    return Verdict("the standing checks find nothing", not found, "; ".join(found[:5]) or f"{len(CHECKS)} checks")


def _log(house: House) -> Verdict:
    with house.desk.read(system_actor()) as reading:
        found = audit.verify(reading, house.desk.settings.heads_dir)
    told = f"{found.size} records sealed, {found.unsealed} not yet"
    return Verdict("the audit log verifies", found.ok, told + "".join(f"; {each.what}" for each in found.findings[:5]))


def _queue(desk: Desk) -> Verdict:
    with desk.read(system_actor()) as reading:
        broken = [job for job in queue.broken_jobs(reading) if not job.again]
    told = "; ".join(f"{job.kind}: {job.message}" for job in broken[:5])
    return Verdict("no job was given up", not broken, told or "none")


def _logs(house: House) -> Verdict:
    """Errors nobody expected have a number in the log; those of an outage have none."""
    found = {name: part.log.read_text(errors="replace").count("unexpected error") for name, part in house.parts.items()}
    broke = house.worker.log.read_text(errors="replace").count(" broke")
    told = ", ".join(f"{count} in the log of the {name}" for name, count in found.items())
    return Verdict(
        "no error that nobody expected", not any(found.values()), f"{told}; {broke} jobs broke off and were tried again"
    )
