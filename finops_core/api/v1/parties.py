"""Parties: whom one deals with, their bank details and identity. Changes of details are decided at `/approvals`.

No route gives a whole account: that is for people, on the page, and stands in the log.
"""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from finops_core.answers import parties as verbs
from finops_core.answers.parties import DetailsListAnswer, IdentitiesAnswer, PartiesAnswer, PartyAnswer
from finops_core.api.v1.asking import Ask, Asking, Changing, Name, Text, problems, told
from finops_core.api.v1.ledger import Given, Here
from finops_core.parties import BankDetails, IdentityCheck, IdentityLevel, IdentityStatus, PartyFilter, PartyKind
from finops_core.security import Scope

router = APIRouter(prefix="/parties", tags=["parties"])
_PARTIES = (Scope.PARTIES,)
_CHANGES, _LOOKS = problems(400, 403, 404, 409, 413), problems(403, 404)
Sought = Annotated[str, Query(max_length=140, description="Part of a name, an id, or the last four of an account.")]
Closed = Annotated[bool, Query(description="Closed ones too.")]


class AddAsk(Ask):
    """Somebody new."""

    kind: PartyKind = Field(examples=["company"])
    name: str = Field(max_length=140, examples=["Lumen Ltd"])


class RenameAsk(Ask):
    """What a party is called from now on."""

    name: str = Field(max_length=140, examples=["Lumen Group Ltd"])


class WhyAsk(Ask):
    """Why."""

    reason: Text = Field(examples=["their letter of 2 October"])


class DetailsAsk(WhyAsk):
    """Where a party is to be paid."""

    holder: str = Field(max_length=140, description="As their bank writes it.", examples=["Lumen Ltd"])
    account: str = Field(
        max_length=60,
        description="An IBAN, or an account number where there are none.",
        examples=["DE89370400440532013000"],
    )
    country: str = Field(default="", max_length=2, description="Of the bank; from the IBAN without.", examples=["DE"])
    bic: str = Field(default="", max_length=20, examples=["COBADEFFXXX"])
    bank_code: str = Field(default="", max_length=40, description="Routing number, sort code or the like.")


class IdentityAsk(Ask):
    """What a check of an identity came to."""

    status: IdentityStatus = Field(examples=["verified"])
    level: IdentityLevel = Field(default=IdentityLevel.STANDARD, examples=["standard"])
    evidence: str = Field(
        max_length=300,
        description="What was looked at, and where it is kept.",
        examples=["Extract of the register, folder K-12"],
    )
    expires_on: date | None = Field(
        default=None, description="The last day it counts; none for a failed one.", examples=["2027-10-14"]
    )
    file_id: Given = Field(default="", description="A stored file that shows it.")
    reason: Text = ""


@router.get("", summary="Parties", response_model=PartiesAnswer, responses=problems(403))
def parties(
    caller: Asking,
    part: Here,
    text: Sought = "",
    kind: PartyKind | None = None,
    closed: Closed = False,  # noqa: FBT002 - a query parameter
) -> Response:
    """Oldest first."""
    wanted = PartyFilter(text, kind.value if kind else "", closed)
    with caller.read() as reading:
        return told(verbs.parties(reading, wanted, part))


@router.post("", summary="Add a party", response_model=PartyAnswer, responses=_CHANGES)
def add(change: Changing, asked: AddAsk) -> Response:
    """Somebody new to deal with, or an account of one's own. Needs the scope `parties`."""
    return change.done(_PARTIES, lambda work: verbs.add(work, asked.kind, asked.name), asked)


@router.get("/{name}", summary="One party", response_model=PartyAnswer, responses=_LOOKS)
def party(caller: Asking, name: Name) -> Response:
    """With the bank details that count, those that are to, and the newest check of its identity."""
    with caller.read() as reading:
        return told(verbs.party(reading, name))


@router.post("/{name}/rename", summary="Rename", response_model=PartyAnswer, responses=_CHANGES)
def rename(change: Changing, name: Name, asked: RenameAsk) -> Response:
    """What it was called before is not kept."""
    return change.done(_PARTIES, lambda work: verbs.rename(work, name, asked.name), asked)


@router.post("/{name}/close", summary="Close", response_model=PartyAnswer, responses=_CHANGES)
def close(change: Changing, name: Name, asked: WhyAsk) -> Response:
    """Nothing new is proposed for it; bank details that do not count yet are withdrawn. It stays closed."""
    return change.done(_PARTIES, lambda work: verbs.close(work, name, asked.reason), asked)


@router.get("/{name}/details", summary="Bank details", response_model=DetailsListAnswer, responses=_LOOKS)
def versions(caller: Asking, name: Name) -> Response:
    """Every version, newest first."""
    with caller.read() as reading:
        return told(verbs.versions(reading, name))


@router.post("/{name}/details", summary="Propose bank details", response_model=PartyAnswer, responses=_CHANGES)
def propose(change: Changing, name: Name, asked: DetailsAsk) -> Response:
    """They count once somebody with the authority approves the request, and their cooling-off is over."""
    given = BankDetails(asked.holder, asked.account, asked.country, asked.bic, asked.bank_code)
    return change.done(_PARTIES, lambda work: verbs.propose(work, name, given, asked.reason), asked)


@router.post("/details/{name}/withdraw", summary="Stop a change", response_model=PartyAnswer, responses=_CHANGES)
def withdraw(change: Changing, name: Name, asked: WhyAsk) -> Response:
    """Bank details that do not count yet, whoever proposed them; what counted before counts on."""
    return change.done(_PARTIES, lambda work: verbs.withdraw(work, name, asked.reason), asked)


@router.get("/{name}/identity", summary="Checks of an identity", response_model=IdentitiesAnswer, responses=_LOOKS)
def identities(caller: Asking, name: Name) -> Response:
    """Newest first; the newest counts."""
    with caller.read() as reading:
        return told(verbs.identities(reading, name))


@router.post("/{name}/identity", summary="Note a check", response_model=PartyAnswer, responses=_CHANGES)
def note(change: Changing, name: Name, asked: IdentityAsk) -> Response:
    """It counts at once, in the place of any earlier one."""
    check = IdentityCheck(asked.status, asked.level, asked.evidence, asked.expires_on, asked.file_id, asked.reason)
    return change.done(_PARTIES, lambda work: verbs.note(work, name, check), asked)
