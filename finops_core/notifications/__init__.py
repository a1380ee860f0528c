"""Notices to people: written in the unit that makes the news, read on their next page, mailed to who wants that."""

from finops_core.notifications.about_people import on_second_factor_reset
from finops_core.notifications.delivery import deliver
from finops_core.notifications.outbox import DELIVER_JOB, tidy
from finops_core.notifications.queries import (
    Choices,
    DigestDue,
    MailPage,
    MailView,
    NoticePage,
    NoticeView,
    choices,
    digest_due,
    for_digest,
    mail_view,
    mails,
    notices,
    unread,
    unread_count,
)
from finops_core.notifications.rules import (
    KINDS,
    Kind,
    KindFacts,
    MailState,
    Way,
    digest_day,
    expires_soon,
    facts_of,
)
from finops_core.notifications.service import choose, notify, put_digest, read_all, read_one, send_again, settle

__all__ = [
    "DELIVER_JOB",
    "KINDS",
    "Choices",
    "DigestDue",
    "Kind",
    "KindFacts",
    "MailPage",
    "MailState",
    "MailView",
    "NoticePage",
    "NoticeView",
    "Way",
    "choices",
    "choose",
    "deliver",
    "digest_day",
    "digest_due",
    "expires_soon",
    "facts_of",
    "for_digest",
    "mail_view",
    "mails",
    "notices",
    "notify",
    "on_second_factor_reset",
    "put_digest",
    "read_all",
    "read_one",
    "send_again",
    "settle",
    "tidy",
    "unread",
    "unread_count",
]
