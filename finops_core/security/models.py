"""Tables of people, roles, memberships, sessions and the attempts to sign in.

Only hashes of secrets are stored: bcrypt for passwords, SHA-256 for random values (cookie, ticket, link, API
token, recovery code). An authenticator's secret must be read again, so the vault seals it.
"""

from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from finops_core.kernel.permissions import Permission
from finops_core.platform.tables import (
    DataClass,
    OrgRow,
    Retention,
    big,
    installation_table,
    instant,
    org_table,
    table_of,
)

_LIVE = text("until_at IS NULL")


class Person(SQLModel, table=True):
    """Somebody who can sign in; one row however many organisations they work for."""

    __tablename__ = "person"
    __table_args__ = installation_table(
        classes={
            "username": DataClass.CONFIDENTIAL,
            "display_name": DataClass.CONFIDENTIAL,
            "email": DataClass.CONFIDENTIAL,
            "password_hash": DataClass.RESTRICTED,
        }
    )

    id: str = Field(primary_key=True)
    username: str = Field(unique=True)
    display_name: str
    email: str
    password_hash: str
    active: bool
    created_at: Any = instant()
    zone: str | None = None
    locale: str | None = None


class Deactivation(SQLModel, table=True):
    """A time in which a person could not sign in; ``until_at`` is None while it lasts."""

    __tablename__ = "deactivation"
    __table_args__ = installation_table()

    id: str = Field(primary_key=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    since_at: Any = instant()
    until_at: Any = instant(nullable=True)
    ended_by: str = ""
    made_by: str


class SecondFactor(SQLModel, table=True):
    """A person's authenticator (TOTP, RFC 6238). It counts once a code has confirmed it; ``last_step`` never falls."""

    __tablename__ = "second_factor"
    __table_args__ = installation_table(classes={"secret": DataClass.RESTRICTED})

    person_id: str = Field(primary_key=True, foreign_key="person.id")
    secret: bytes
    created_at: Any = instant()
    confirmed_at: Any = instant(nullable=True)
    last_step: int = big()


class RecoveryCode(SQLModel, table=True):
    """One of the codes that stand in for the authenticator, each of them once."""

    __tablename__ = "recovery_code"
    __table_args__ = installation_table(classes={"code_hash": DataClass.RESTRICTED})

    id: str = Field(primary_key=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    code_hash: str = Field(unique=True)
    created_at: Any = instant()
    used_at: Any = instant(nullable=True)


class Role(SQLModel, table=True):
    """A named bundle of permissions."""

    __tablename__ = "role"
    __table_args__ = installation_table()

    id: str = Field(primary_key=True)
    title: str
    description: str
    shipped: bool


class RolePermission(SQLModel, table=True):
    """One permission of one role."""

    __tablename__ = "role_permission"
    __table_args__ = installation_table()

    role_id: str = Field(primary_key=True, foreign_key="role.id")
    permission: str = Field(primary_key=True)


class Membership(OrgRow, table=True):
    """A role a person holds, or held, in an organisation; ended rows stay as history."""

    __tablename__ = "membership"
    __table_args__ = org_table(
        Index("ix_membership_org_person", "org_id", "person_id"),
        Index("ix_membership_person", "person_id"),
        Index(
            "uq_membership_live",
            "org_id",
            "person_id",
            "role_id",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        listed=("person_id", "role_id", "since_at", "until_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    person_id: str = Field(foreign_key="person.id")
    role_id: str = Field(foreign_key="role.id")
    since_at: Any = instant()
    until_at: Any = instant(nullable=True)
    granted_by: str
    ended_by: str = ""


class Session(SQLModel, table=True):
    """One sign-in. ``secret_hash`` is None until the browser has fetched its cookie with the ticket.

    ``refused_at``: when somebody last came with it after its end, as far as the log tells.
    """

    __tablename__ = "session"
    __table_args__ = installation_table(
        retention=Retention.TRANSIENT,
        classes={"secret_hash": DataClass.RESTRICTED, "address": DataClass.CONFIDENTIAL},
    )

    id: str = Field(primary_key=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    org_id: str = Field(foreign_key="organisation.id")
    secret_hash: str | None = Field(default=None, unique=True)
    address: str
    opened_at: Any = instant()
    last_seen_at: Any = instant()
    expires_at: Any = instant()
    ended_at: Any = instant(nullable=True)
    ended_why: str = ""
    refused_at: Any = instant(nullable=True)


class SignInTicket(SQLModel, table=True):
    """What the page hands to the browser, once, so that the server can set the cookie."""

    __tablename__ = "sign_in_ticket"
    __table_args__ = installation_table(retention=Retention.TRANSIENT, classes={"ticket_hash": DataClass.RESTRICTED})

    ticket_hash: str = Field(primary_key=True)
    session_id: str = Field(foreign_key="session.id", index=True)
    expires_at: Any = instant()
    used_at: Any = instant(nullable=True)


class SignInAttempt(SQLModel, table=True):
    """One attempt to sign in. The name is kept only as a keyed mark: people type passwords into the wrong box."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = installation_table(
        Index("ix_sign_in_attempt_name", "name_mark", "at"),
        Index("ix_sign_in_attempt_address", "address", "at"),
        retention=Retention.TRANSIENT,
        classes={"name_mark": DataClass.CONFIDENTIAL, "address": DataClass.CONFIDENTIAL},
    )

    id: str = Field(primary_key=True)
    name_mark: str
    person_id: str | None = Field(default=None, foreign_key="person.id")
    address: str
    outcome: str
    at: Any = instant()


class OneTimeLink(SQLModel, table=True):
    """A link that lets somebody set a password once; ``kind`` is one of ``LinkKind``."""

    __tablename__ = "one_time_link"
    __table_args__ = installation_table(retention=Retention.TRANSIENT, classes={"token_hash": DataClass.RESTRICTED})

    id: str = Field(primary_key=True)
    token_hash: str = Field(unique=True)
    kind: str
    org_id: str | None = Field(default=None, foreign_key="organisation.id")
    person_id: str | None = Field(default=None, foreign_key="person.id")
    created_at: Any = instant()
    expires_at: Any = instant()
    used_at: Any = instant(nullable=True)


class ApiToken(OrgRow, table=True):
    """A personal API token: stands for one person in one organisation, for some of what they may do, until it ends."""

    __tablename__ = "api_token"
    __table_args__ = org_table(
        Index("ix_api_token_person", "person_id"),
        classes={"secret_hash": DataClass.RESTRICTED, "name": DataClass.CONFIDENTIAL},
        listed=("name", "person_id", "shown", "created_at", "expires_at", "last_used_at", "revoked_at"),
        seen_by=(Permission.AUDIT_VIEW,),
    )

    person_id: str = Field(foreign_key="person.id")
    name: str
    shown: str
    secret_hash: str = Field(unique=True)
    scopes: str
    created_at: Any = instant()
    expires_at: Any = instant()
    last_used_at: Any = instant(nullable=True)
    revoked_at: Any = instant(nullable=True)
    revoked_why: str = ""


person, role, role_permission = table_of(Person), table_of(Role), table_of(RolePermission)
membership, session, sign_in_ticket = table_of(Membership), table_of(Session), table_of(SignInTicket)
sign_in_attempt, one_time_link = table_of(SignInAttempt), table_of(OneTimeLink)
deactivation, second_factor, recovery_code = table_of(Deactivation), table_of(SecondFactor), table_of(RecoveryCode)
api_token = table_of(ApiToken)
