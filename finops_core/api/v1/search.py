"""Search: one question to every area."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import StringConstraints
from starlette.responses import Response

from finops_core.answers import verbs
from finops_core.answers.finding import FoundAnswer
from finops_core.api.v1.asking import Asking, problems, told

router = APIRouter(tags=["search"])
Sought = Annotated[str, StringConstraints(max_length=500)]


@router.get("/search", summary="Search", response_model=FoundAnswer, responses=problems(403))
def search(
    caller: Asking,
    text: Annotated[Sought, Query(description="Two characters at least.", examples=["1,250.00 EUR"])] = "",
) -> Response:
    """Numbers, ids, amounts, payees, the end of an account, files and their hashes, people: the newest of each area.

    Nothing is found that the person may not see. Needs the scope `read`; records of the audit log need `audit` too.
    """
    with caller.read() as reading:
        return told(verbs.search(reading, text))
