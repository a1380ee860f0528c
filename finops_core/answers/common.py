"""What all answers share: how they are made from views, how money and pages are written, what an error looks like."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from finops_core.kernel.errors import FinOpsError
from finops_core.kernel.faults import Fault
from finops_core.kernel.money import Money


class Answer(BaseModel):
    """Base of every answer; read from a view by the names of its fields."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    @classmethod
    def of(cls, view: object) -> Self:
        """The answer that shows a view."""
        return cls.model_validate(view)

    def text(self) -> str:
        """As JSON."""
        return self.model_dump_json()


class Amount(Answer):
    """An amount of money, twice: in whole minor units for sums, as decimals for people."""

    currency: str = Field(description="ISO 4217.", examples=["USD"])
    amount_minor: int = Field(description="In minor units of the currency.", examples=[1842015])
    amount: str = Field(description="The same with the currency's decimals.", examples=["18420.15"])


def amounts(totals: Mapping[str, int]) -> list[Amount]:
    """Minor units per currency, by currency."""
    return [amount(Money(minor, currency)) for currency, minor in sorted(totals.items())]


def amount(money: Money) -> Amount:
    """One amount."""
    return Amount(currency=money.currency, amount_minor=money.minor, amount=money.plain())


class FaultAnswer(Answer):
    """One thing wrong with a file or with parameters."""

    code: str = Field(examples=["CELL_BAD"])
    message: str
    row: int | None = Field(description="The line of the file; the header is line 1.")
    column: str | None = Field(description="The header or parameter it concerns.")
    value: str = Field(description="What stood there, cut to 80 characters.")


class Problem(Answer):
    """An error as RFC 9457 says it (`application/problem+json`); `code` is stable and documented."""

    type: str = Field(examples=["urn:tieout:problem:PLAN_CHANGED"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["The plan of EX-2026-00042 has changed."])
    instance: str = Field(
        default="",
        description="This very occurrence, as the log knows it; empty on the command line.",
        examples=["urn:tieout:request:req_0199"],
    )
    code: str = Field(examples=["PLAN_CHANGED"])
    hint: str = Field(default="", examples=["Look at the new plan, then submit again."])
    faults: list[FaultAnswer] = Field(default=[], description="Every fault of a file or form at once.")

    def during(self, request_id: str) -> Self:
        """The same, of this very request."""
        return self.model_copy(update={"instance": occurrence(request_id)})


STATUS = {"invalid": 400, "not_allowed": 403, "not_found": 404, "conflict": 409, "unavailable": 503}
# Codes that HTTP has a status of its own for.
STATUS_OF_CODE = {
    "TOKEN_NOT_VALID": 401,
    "METHOD_NOT_ALLOWED": 405,
    "UPLOAD_SLOW": 408,
    "FILE_TOO_LARGE": 413,
    "BODY_TOO_LARGE": 413,
    "DRAFT_REFUSED": 422,
    "REQUEST_BAD": 422,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "RATE_LIMITED": 429,
    "UNEXPECTED": 500,
}
_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    422: "Cannot be accepted",
    429: "Too many requests",
    500: "Unexpected error",
    503: "Unavailable",
}


def occurrence(request_id: str) -> str:
    """A request as its problem names it; "" for none, as on the command line."""
    return f"urn:tieout:request:{request_id}" if request_id else ""


def problem(error: FinOpsError, faults: Iterable[Fault] = (), request_id: str = "") -> Problem:
    """The error as programs are told it; its context stays in the log."""
    status = STATUS_OF_CODE.get(error.code) or STATUS.get(error.kind, 500)
    return Problem(
        type=f"urn:tieout:problem:{error.code}",
        title=_TITLES[status],
        status=status,
        detail=error.message,
        instance=occurrence(request_id),
        code=error.code,
        hint=error.hint,
        faults=[FaultAnswer.of(fault) for fault in faults],
    )


class Paged(Answer):
    """Some of many: ask again with `offset` raised by `limit` while `next` is set."""

    total: int = Field(description="How many there are in all.", examples=[120])
    limit: int = Field(examples=[50])
    offset: int = Field(examples=[50])
    next: int | None = Field(description="The offset of the next page; null on the last one.", examples=[100])


def paging(total: int, limit: int, offset: int) -> dict[str, Any]:
    """The fields of ``Paged``."""
    following = offset + limit
    return {"total": total, "limit": limit, "offset": offset, "next": following if following < total else None}
