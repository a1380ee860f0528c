"""Personal API tokens: made by a person for a program of theirs, for some of what they may do, until a day they choose.

A token is looked up anew in every unit (``grants``): revoked, past its end, its person deactivated or without the role,
it opens nothing at the next call. Of its secret, 256 random bits, only the SHA-256 is stored. Not for signing in: there
is no session behind a token, and what concerns the account itself is done in person.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, or_, select, update

from finops_core import audit
from finops_core.kernel.actor import Actor, Via
from finops_core.kernel.errors import Conflict, NotAllowed, NotFound
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.work import Reading, Units, Work
from finops_core.security import attempts, rules
from finops_core.security.attempts import Proof, SignInRefused
from finops_core.security.grants import PERSON_PREFIX, permissions_by_token
from finops_core.security.models import api_token, person
from finops_core.security.news import AccountChanged, Change
from finops_core.security.passwords import digest, new_secret
from finops_core.security.rules import Scope
from finops_core.security.sessions import TOUCH_EVERY, visitor

MARK = "tieout_"
SHOWN_CHARS = len(MARK) + 4
SECRET_CHARS_MAX = 128
TOKENS_MOST = 20
MOVING = frozenset({Scope.RUN, Scope.APPROVE, Scope.LEDGER, Scope.PARTIES, Scope.SCHEDULES})
KEPT_IN_LIST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as its owner sees it. ``shown``: how its secret begins, enough to tell it from others."""

    id: str
    name: str
    shown: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_why: str


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token and its secret, which is shown this once and cannot be had again."""

    token: TokenView
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenSession:
    """Who acts through a token, and what they may do now. ``touch_due``: whether its use is to be noted."""

    actor: Actor
    permissions: frozenset[Permission]
    token: TokenView
    touch_due: bool


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """Why a secret opens nothing; ``why`` is for the log alone. Ids are "" for a secret nobody was ever given."""

    why: str
    token_id: str = ""
    person_id: str = ""
    org_id: str = ""

    def error(self) -> NotAllowed:
        """The one answer to a caller, whatever the reason is."""
        return NotAllowed(
            "TOKEN_NOT_VALID",
            "This API token is not valid, or no longer valid.",
            hint="Make a new one on the page Me, and send it as Authorization: Bearer tieout_….",
        )


def issue_token(
    work: Work, name: str, scopes: Iterable[str], expires_at: datetime, proof: Proof | None = None
) -> IssuedToken | SignInRefused:
    """Make a token for the person who asks, in their present organisation; they are told.

    One that can move something (``MOVING``) needs a proof of their password: ``PASSWORD_NEEDED``, ``PASSWORD_WRONG``,
    or locked, as a value, when it is none. Raises ``NAME_BAD``, ``TOKEN_SCOPES_BAD``, ``TOKEN_EXPIRY_BAD``,
    ``TOKENS_MANY`` (20 living ones at most), or ``IN_PERSON_ONLY``: a token cannot make another one, or its end would
    mean nothing.
    """
    require_in_person(work)
    work.require(Permission.HOME_VIEW)  # of every role there is
    values: dict[str, Any] = {
        "id": new_id("token"),
        "name": rules.checked_display_name(name),
        "created_at": work.now,
        "expires_at": rules.checked_token_end(expires_at, work.now),
    }
    allowed = rules.checked_scopes(scopes)
    _require_room(work)
    if MOVING.intersection(allowed) and (refusal := attempts.unproven(work, proof)):
        return refusal
    secret = MARK + new_secret()
    shown = secret[:SHOWN_CHARS]
    stored = {"person_id": work.actor.id, "secret_hash": digest(secret), "scopes": json.dumps(allowed)}
    work.execute(insert(api_token).values(org_id=work.org_id, shown=shown, **values, **stored))
    detail = {"scopes": list(allowed), "expires_at": expires_at.isoformat()}
    audit.record(work, "token.issued", f"token:{values['id']}", detail=detail)
    work.tell(AccountChanged(work.org_id, work.actor.id, Change.TOKEN_ISSUED, work.now, about=values["name"]))
    view = TokenView(**values, shown=shown, scopes=allowed, last_used_at=None, revoked_at=None, revoked_why="")
    return IssuedToken(view, secret)


def tokens_of(reading: Reading) -> tuple[TokenView, ...]:
    """The person's own tokens in their present organisation, newest first; ended ones stay listed for 30 days."""
    since = reading.now - KEPT_IN_LIST
    recent = or_(api_token.c.revoked_at.is_(None), api_token.c.revoked_at > since), api_token.c.expires_at > since
    newest = api_token.c.created_at.desc(), api_token.c.id.desc()
    return tuple(_view(row) for row in reading.rows(select(api_token).where(*_own(reading), *recent).order_by(*newest)))


def token_names(reading: Reading, token_ids: Iterable[str]) -> Mapping[str, str]:
    """What people called these tokens, by id, for readers of the log: none for others, none of other organisations."""
    if not reading.may(Permission.AUDIT_VIEW):
        return {}
    wanted = api_token.c.org_id == reading.org_id, api_token.c.id.in_(sorted(set(token_ids)))
    return {row.id: row.name for row in reading.rows(select(api_token.c.id, api_token.c.name).where(*wanted))}


def revoke_token(work: Work, token_id: str) -> None:
    """End one of the person's own tokens, for good; ``TOKEN_UNKNOWN`` for any other.

    Through a token only that one can be revoked: ``IN_PERSON_ONLY`` for the others.
    """
    if work.actor.token_id not in {None, token_id}:
        require_in_person(work)
    one = *_own(work), api_token.c.id == token_id
    revoked_at = work.first(select(api_token.c.revoked_at).where(*one).with_for_update())
    if revoked_at is None:
        raise NotFound("TOKEN_UNKNOWN", "You have no such token here.", hint="Choose one from the list.")
    if revoked_at[0] is not None:
        return
    work.execute(update(api_token).where(*one).values(revoked_at=work.now, revoked_why="revoked"))
    audit.record(work, "token.revoked", f"token:{token_id}", detail={"why": "revoked"})


def revoke_all_of(work: Work, person_id: str, why: str, org_id: str = "") -> int:
    """End every token of a person, wherever or in one organisation: how many.

    For callers of this area that have checked the right to.
    """
    living = [api_token.c.person_id == person_id, api_token.c.revoked_at.is_(None), api_token.c.expires_at > work.now]
    if org_id:
        living.append(api_token.c.org_id == org_id)
    with work.across_orgs("a person's tokens end in all their organisations at once"):
        ended = work.rows(
            update(api_token)
            .where(*living)
            .values(revoked_at=work.now, revoked_why=why)
            .returning(api_token.c.id, api_token.c.org_id)
        )
    for row in ended:
        audit.record(work, "token.revoked", f"token:{row.id}", detail={"why": why}, org_id=row.org_id)
    return len(ended)


def token_session(reading: Reading, secret: str, via: Via = Via.API) -> TokenSession | TokenRefused:
    """Who acts through a secret and what they may do in its organisation now; a value too when it opens nothing.

    For a reading at the door (``visitor``). Refused: a secret nobody was given, a token revoked or past its end, a
    person deactivated or without any role in the organisation. Changes nothing: ``touch_token`` notes the use.
    """
    if not secret.startswith(MARK) or len(secret) > SECRET_CHARS_MAX:
        return TokenRefused("unknown")
    found = select(api_token, person.c.active).join(person, person.c.id == api_token.c.person_id)
    with reading.across_orgs("whose token it is says which organisation it is for"):
        row = reading.first(found.where(api_token.c.secret_hash == digest(secret)))
    if row is None:
        return TokenRefused("unknown")
    why = _why_not(reading, row)
    held = permissions_by_token(reading, row.person_id, row.id, row.org_id) if not why else None
    if held is None:
        return TokenRefused(why or "no role", row.id, row.person_id, row.org_id)
    actor = Actor(row.person_id, row.org_id, via, token_id=row.id)
    due = row.last_used_at is None or row.last_used_at <= reading.now - TOUCH_EVERY
    return TokenSession(actor, held, _view(row), due)


def enter(units: Units, secret: str, via: Via, *, noted: bool = True) -> TokenSession:
    """``token_session`` at the door, in units of its own: use is noted, and a refusal stands in the log.

    Refuses with ``TOKEN_NOT_VALID``. ``noted=False`` leaves no line, for a door that is being flooded.
    """
    with units.read(visitor(via)) as reading:
        found = token_session(reading, secret, via)
    if isinstance(found, TokenRefused):
        if noted:
            with units.work(visitor(via)) as work:
                _record_refused(work, found)
        raise found.error()
    if found.touch_due:
        with units.work(found.actor) as work:
            touch_token(work)
    return found


def touch_token(work: Work) -> bool:
    """Note that the actor's token is in use, at most once a minute: whether it was written."""
    before = work.now - TOUCH_EVERY
    due = or_(api_token.c.last_used_at.is_(None), api_token.c.last_used_at <= before)
    one = *_own(work), api_token.c.id == work.actor.token_id, api_token.c.revoked_at.is_(None)
    return work.execute(update(api_token).where(*one, due).values(last_used_at=work.now)).rowcount == 1


def require_in_person(reading: Reading) -> None:
    """Refuse with ``IN_PERSON_ONLY`` what an API token, or a service, may never do for a person."""
    if reading.actor.token_id is not None or not reading.actor.id.startswith(PERSON_PREFIX):
        raise NotAllowed(
            "IN_PERSON_ONLY",
            "This is done in person, not through a token.",
            hint="Sign in to the desk and do it there.",
        )


def require_scope(reading: Reading, *scopes: Scope) -> None:
    """Refuse with ``TOKEN_SCOPE`` an actor whose token has none of these scopes; who acts without a token passes.

    For verbs that go by whose a thing is and ask for no permission that a scope could take away.
    """
    if reading.actor.token_id is None:
        return
    living = api_token.c.revoked_at.is_(None), api_token.c.expires_at > reading.now
    one = *_own(reading), api_token.c.id == reading.actor.token_id, *living
    held = set(json.loads(reading.scalar(select(api_token.c.scopes).where(*one)) or "[]"))
    if not held.intersection(scopes):
        raise NotAllowed(
            "TOKEN_SCOPE",
            "This API token may not do this.",
            hint=f"It needs the scope {' or '.join(scopes)}.",
            token=reading.actor.token_id,
        )


def _record_refused(work: Work, refused: TokenRefused) -> None:
    whose = f"token:{refused.token_id}" if refused.token_id else "token:unknown"
    detail = {"why": refused.why, "person": refused.person_id}
    audit.record(work, "token.refused", whose, detail=detail, org_id=refused.org_id)


def _why_not(reading: Reading, row: Row[Any]) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at <= reading.now:
        return "expired"
    return "" if row.active else "person deactivated"


def _require_room(work: Work) -> None:
    living = api_token.c.revoked_at.is_(None), api_token.c.expires_at > work.now
    count = work.scalar(select(func.count()).select_from(api_token).where(*_own(work), *living))
    if count >= TOKENS_MOST:
        raise Conflict(
            "TOKENS_MANY", f"You have {count} tokens already.", hint="Revoke those that are not needed any more."
        )


def _own(reading: Reading) -> tuple[ColumnElement[bool], ...]:
    return (api_token.c.org_id == reading.org_id, api_token.c.person_id == reading.actor.id)


def _view(row: Row[Any]) -> TokenView:
    same = ("id", "name", "shown", "created_at", "expires_at", "last_used_at", "revoked_at", "revoked_why")
    known = tuple(Scope(scope) for scope in json.loads(row.scopes) if scope in set(Scope))
    return TokenView(**{name: getattr(row, name) for name in same}, scopes=known)
