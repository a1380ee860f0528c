"""Approvals, files, tokens and the person behind a token, as programs see them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import Field

from finops_core.answers.common import Amount, Answer, Paged, amount, paging
from finops_core.approvals import RequestPage, RequestView
from finops_core.files import FileView
from finops_core.payouts import Meanwhile
from finops_core.security import PersonView, TokenView


class FileAnswer(Answer):
    """A stored file where it is used."""

    id: str = Field(examples=["fr_0199b1c2d3e4"])
    name: str = Field(examples=["payouts.csv"])
    mime: str
    role: str = Field(description="input, output or status.")
    version: int
    size_bytes: int
    sha256: str
    uploaded_by: str
    created_at: datetime
    available: bool = Field(description="False once its content was destroyed after its time.")


class FilesAnswer(Answer):
    """Files."""

    items: list[FileAnswer]


class DecisionAnswer(Answer):
    """What one person said."""

    level: int
    person_id: str
    decision: str
    comment: str
    at: datetime


class ApprovalAnswer(Answer):
    """A request for approval, as the person behind the token sees it."""

    id: str = Field(examples=["apr_0199b1c2d3e4"])
    number: str = Field(examples=["AP-2026-00007"])
    subject_kind: str = Field(examples=["execution"])
    subject_id: str = Field(description="What it is about; the plan is that of the execution with this id.")
    content_hash: str = Field(description="What is agreed to; has to be given to decide.")
    item_type: str
    title: str
    summary: dict[str, Any]
    amounts: list[Amount]
    requested_by: str
    state: str = Field(examples=["pending"])
    closed_why: str
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decisions: list[DecisionAnswer]
    meanwhile: list[str] | None = Field(
        description="Of one request that waits: what other executions did with the same file or payees since its plan. "
        "Null where nobody looked, as in lists: ask for the request itself.",
    )
    others: list[str] | None = Field(
        description="The numbers of those executions. An approval has to name them as `seen`.",
        examples=[["EX-2026-0026"]],
    )
    may_decide: bool = Field(description="Whether this token may decide it now.")
    refusal: str = Field(description="The code of why not; empty when it may.", examples=["APPROVAL_EXCLUDED"])


class ApprovalsAnswer(Paged):
    """A page of requests."""

    items: list[ApprovalAnswer]


class TokenAnswer(Answer):
    """An API token; its secret is never shown again."""

    id: str
    name: str
    shown: str = Field(description="How its secret begins.", examples=["tieout_Ab12"])
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_why: str


class TokensAnswer(Answer):
    """The person's own tokens in this organisation."""

    items: list[TokenAnswer]


class MeAnswer(Answer):
    """Who acts, where, and what they may do through this token now."""

    person_id: str
    username: str
    display_name: str
    organisation: str
    token: TokenAnswer
    permissions: list[str]


def file(view: FileView) -> FileAnswer:
    """One file."""
    return FileAnswer.of(view)


def files(views: Iterable[FileView]) -> FilesAnswer:
    """Files."""
    return FilesAnswer(items=[file(view) for view in views])


def approval(view: RequestView, since: Meanwhile | None = None) -> ApprovalAnswer:
    """One request; ``since``: what happened since its plan was made, None where nobody looked."""
    same = ("id", "number", "subject_kind", "subject_id", "content_hash", "item_type", "title", "requested_by")
    more = ("closed_why", "created_at", "expires_at", "decided_at")
    return ApprovalAnswer(
        **{name: getattr(view, name) for name in (*same, *more)},
        summary=dict(view.summary),
        amounts=[amount(money) for money in view.amounts],
        state=view.state.value,
        decisions=[DecisionAnswer.of(said) for said in view.decisions],
        meanwhile=None if since is None else list(since.told),
        others=None if since is None else sorted(since.numbers),
        may_decide=view.refusal is None,
        refusal="" if view.refusal is None else view.refusal.code,
    )


def approvals(page: RequestPage, limit: int, offset: int) -> ApprovalsAnswer:
    """A page of them."""
    return ApprovalsAnswer(items=[approval(view) for view in page.rows], **paging(page.total, limit, offset))


def token(view: TokenView) -> TokenAnswer:
    """One token."""
    return TokenAnswer.of(view)


def tokens(views: Iterable[TokenView]) -> TokensAnswer:
    """Tokens."""
    return TokensAnswer(items=[token(view) for view in views])


def me(who: PersonView, used: TokenView, organisation: str, permissions: Iterable[str]) -> MeAnswer:
    """Who acts, and what they may do."""
    return MeAnswer(
        person_id=who.id,
        username=who.username,
        display_name=who.display_name,
        organisation=organisation,
        token=token(used),
        permissions=sorted(permissions),
    )
