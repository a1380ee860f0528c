"""Tables of notices, of what is mailed and forwarded of them, and of how each person wants to be told."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint, text

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import DataClass, OrgRow, Retention, big, instant, link, org_table, table_of

_UNREAD = text("read_at IS NULL")
_QUEUED = text("state = 'queued'")


class NoticeRow(OrgRow, table=True):
    """Something one person should know. ``once`` makes the same news reach them once; ``query`` is JSON."""

    __tablename__ = "notice"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "person_id", "once"),
        Index("ix_notice_unread", "org_id", "person_id", sqlite_where=_UNREAD, postgresql_where=_UNREAD),
        Index("ix_notice_once", "org_id", "once"),
        Index("ix_notice_person", "org_id", "person_id", "id"),
        retention=Retention.WORKING,
        classes={"title": DataClass.CONFIDENTIAL, "body": DataClass.CONFIDENTIAL},
        listed=("kind", "title", "created_at", "read_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    person_id: str
    kind: str
    once: str
    title: str
    body: str
    page: str
    query: str
    created_at: Any = instant()
    read_at: Any = instant(nullable=True)


class MailRow(OrgRow, table=True):
    """One mail of the outbox, about a notice or a digest; its id is its Message-ID.

    ``query`` is JSON. ``held_by`` and ``held_fence`` name the claim of the job that is sending it: while that claim
    lives, no other one takes the mail. The address is not here: it is looked up when the mail is sent.
    """

    __tablename__ = "mail"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "person_id", "once"),
        Index("ix_mail_due", "org_id", "next_at", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
        Index("ix_mail_person", "org_id", "person_id", "id"),
        Index("ix_mail_once", "org_id", "once"),
        retention=Retention.WORKING,
        classes={"title": DataClass.CONFIDENTIAL, "body": DataClass.CONFIDENTIAL},
        listed=("kind", "title", "state", "attempts", "created_at", "ended_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    person_id: str
    kind: str
    once: str
    notice_id: str
    title: str
    body: str
    page: str
    query: str
    state: str
    attempts: int = 0
    next_at: Any = instant()
    held_by: str = ""
    held_fence: int = big()
    last_answer: str = ""
    created_at: Any = instant()
    ended_at: Any = instant(nullable=True)


class PreferenceRow(OrgRow, table=True):
    """How one person wants to be told of one kind; what has no row is told as ``rules.KINDS`` says."""

    __tablename__ = "notice_preference"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "person_id", "kind"),
        listed=("person_id", "kind", "way", "changed_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    person_id: str
    kind: str
    way: str
    changed_at: Any = instant()


class DigestRow(OrgRow, table=True):
    """When one person gets the daily mail. ``hour`` -1: never. ``done_on``: the last day it was looked after."""

    __tablename__ = "notice_digest"
    __table_args__ = org_table(
        UniqueConstraint("org_id", "person_id"),
        listed=("person_id", "hour", "done_on"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    person_id: str
    hour: int
    done_on: str = ""


class EndpointRow(OrgRow, table=True):
    """An address outside that notices of chosen kinds are forwarded to.

    ``kinds`` is JSON. ``url`` is sealed like the secrets: some addresses are secrets in themselves; ``shown`` is what
    may be seen of it. ``secret`` is empty for a channel that is not signed; ``old_secret`` signs too until
    ``old_until_at``. Nothing is sent before ``rest_until_at``, so that one that is down is not called for each notice
    that waits; ``failing_since_at``: the first failure since the last success.
    """

    __tablename__ = "notice_endpoint"
    __table_args__ = org_table(
        classes={
            "url": DataClass.RESTRICTED,
            "secret": DataClass.RESTRICTED,
            "old_secret": DataClass.RESTRICTED,
            "shown": DataClass.CONFIDENTIAL,
            "secret_shown": DataClass.CONFIDENTIAL,
        },
        listed=("name", "channel", "state", "created_at", "passed_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    name: str
    channel: str
    kinds: str
    state: str
    url: bytes
    shown: str
    secret: bytes
    secret_shown: str
    old_secret: bytes
    old_until_at: Any = instant(nullable=True)
    failures: int = 0
    failing_since_at: Any = instant(nullable=True)
    rest_until_at: Any = instant()
    passed_at: Any = instant(nullable=True)
    why_off: str = ""
    created_by: str
    created_at: Any = instant()


class DispatchRow(OrgRow, table=True):
    """One notice on its way to one endpoint; its id is the webhook-id of every try, its body the same to the last byte.

    ``tries`` is JSON: when, the answer's code, its words. ``held_by`` and ``held_fence`` as for mail.
    """

    __tablename__ = "notice_dispatch"
    __table_args__ = org_table(
        link("endpoint_id", "notice_endpoint"),
        UniqueConstraint("org_id", "endpoint_id", "once"),
        Index("ix_dispatch_due", "org_id", "endpoint_id", "next_at", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
        retention=Retention.WORKING,
        classes={"body": DataClass.CONFIDENTIAL},
        listed=("endpoint_id", "kind", "state", "attempts", "created_at", "ended_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    endpoint_id: str
    kind: str
    once: str
    body: str
    state: str
    attempts: int = 0
    next_at: Any = instant()
    held_by: str = ""
    held_fence: int = big()
    tries: str = "[]"
    created_at: Any = instant()
    ended_at: Any = instant(nullable=True)


notice, mail = table_of(NoticeRow), table_of(MailRow)
endpoint, dispatch = table_of(EndpointRow), table_of(DispatchRow)
preference, digest = table_of(PreferenceRow), table_of(DigestRow)
