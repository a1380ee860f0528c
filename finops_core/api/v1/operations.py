"""The catalogue, and who asks."""

from fastapi import APIRouter
from starlette.responses import Response

from finops_core.answers import verbs
from finops_core.answers.operations import OperationAnswer, OperationsAnswer
from finops_core.answers.others import MeAnswer, TokensAnswer
from finops_core.api.v1.asking import Asking, Name, problems, told
from finops_core.security import Scope

router = APIRouter()
_ALL = tuple(Scope)


@router.get("/me", tags=["account"], summary="Who acts", response_model=MeAnswer, responses=problems(403))
def me(caller: Asking) -> Response:
    """The person behind the token, their organisation, and what they may do through it now."""
    with caller.read() as reading:
        return told(verbs.me(reading))


@router.get("/tokens", tags=["account"], summary="Own tokens", response_model=TokensAnswer, responses=problems(403))
def tokens(caller: Asking) -> Response:
    """The person's own API tokens in this organisation; new ones are made on the page Me, in person."""
    with caller.read() as reading:
        return told(verbs.tokens(reading))


@router.post(
    "/tokens/{name}/revoke",
    tags=["account"],
    summary="Revoke this token",
    response_model=TokensAnswer,
    responses=problems(400, 403, 404),
)
def revoke(caller: Asking, name: Name) -> Response:
    """End the very token that is used, for good: the last call of a program that is done with it."""
    with caller.work(*_ALL) as work:
        return told(verbs.revoke(work, name))


@router.get(
    "/operations", tags=["catalogue"], summary="Catalogue", response_model=OperationsAnswer, responses=problems(403)
)
def catalogue(caller: Asking) -> Response:
    """Every operation, with the JSON Schema of its parameters and the columns of the file it takes."""
    with caller.read() as reading:
        return told(verbs.catalogue(reading))


@router.get(
    "/operations/{name}",
    tags=["catalogue"],
    summary="One operation",
    response_model=OperationAnswer,
    responses=problems(403, 404),
)
def operation(caller: Asking, name: Name) -> Response:
    """One operation of the catalogue."""
    with caller.read() as reading:
        return told(verbs.operation(reading, name))
