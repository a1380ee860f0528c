"""The three ways of asking: as a page calls the verb, over HTTP, on the command line; and when answers are alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from finops_core import approvals, files, operations, payouts
from finops_core.answers import operations as told
from finops_core.answers import others
from finops_core.answers import payouts as paid
from finops_core.kernel.errors import FinOpsError, NotFound
from finops_core.kernel.ids import new_id
from finops_core.platform.work import Reading, Work
from tests.commands.terminal import command
from tests.surfaces.places import Ids, Place

# What differs between two executions of the same content; of one that all three look at, nothing may differ.
OWN = frozenset(
    {
        *("id", "number", "file", "approval", "subject_id", "content_hash", "hash", "plan_hash", "title", "summary"),
        *("created_at", "submitted_at", "started_at", "ended_at", "duration_ms", "version", "expires_at", "decided_at"),
        *("at", "name", "size_bytes", "sha256", "file_name", "file_sha256", "message", "connection_id"),
        *("replaces", "execution", "provider_id", "sent_at", "updated_at", "noted_at"),
        *("proposed_at", "counts_from", "checked_at"),
    }
)


def of_screen(view: object) -> Any:
    """What a screen has in its hands, as programs are told it."""
    makers: tuple[tuple[type, Callable[[Any], Any]], ...] = (
        (operations.ExecutionView, told.execution),
        (operations.PlanView, told.plan),
        (operations.ResultView, told.result),
        (approvals.RequestView, others.approval),
        (files.FileView, others.file),
        (payouts.PayoutView, paid.payout),
        (payouts.RehearsalView, paid.rehearsal),
    )
    made = next(make(view) for kind, make in makers if isinstance(view, kind))
    return made.model_dump(mode="json")


def listed(views: Any) -> dict[str, Any]:
    return {"items": [of_screen(view) for view in views]}


@dataclass(frozen=True)
class Case:
    """One verb in one situation: who asks, what there is, and the three ways.

    Attributes:
        screen: the verb as a page calls it.
        api: method, path and body; ids stand in braces.
        cli: the words; ids stand in braces.
        code: the refusal, "" for none.
    """

    who: str
    given: Callable[[Place], Ids]
    screen: Callable[[Any, Ids], Any]
    api: tuple[str, str, Mapping[str, Any] | None]
    cli: str
    code: str = ""
    file: str = ""
    writes: bool = True
    keys: tuple[str, ...] = field(default=())


def there(found: Any, code: str) -> Any:
    """A page draws "nothing yet" where a program is told that there is nothing."""
    if found is None:
        raise NotFound(code, "")
    return of_screen(found)


def exe(verb: str = "") -> str:
    return f"/executions/{{execution}}{verb}"


def by_screen(place: Place, case: Case, ids: Ids) -> Any:
    world = place.office.world
    opened = world.desk.work if case.writes else world.desk.read
    try:
        with opened(world.actor(case.who)) as unit:
            assert isinstance(unit, Work if case.writes else Reading)
            return case.screen(unit, ids)
    except FinOpsError as refusal:
        return {"code": refusal.code, "detail": refusal.message}


def by_api(place: Place, case: Case, ids: Ids) -> Any:
    program = place.office.program(case.who)
    if case.file:
        ids["file"] = program.upload(case.file).json()["id"]
    method, path, body = case.api
    filled = None if body is None else {name: _filled(value, ids) for name, value in body.items()}
    answer = program.call(method, path.format(**ids), json=filled)
    assert answer.ok == (not case.code), answer.text
    return packed(answer.content) if answer.headers["content-type"] == "application/zip" else answer.json()


def by_command(place: Place, case: Case, ids: Ids) -> Any:
    office = place.office
    if case.file:
        ids["path"] = place.file(case.file)
    to = place.folder / f"{new_id('out')}.zip"
    words = [word.format(**ids, to=to) for word in case.cli.split()]
    said = command(office.world.desk.settings, office.program(case.who).secret, *words, "--json")
    assert said.code == (1 if case.code else 0), said
    if case.code:
        return said.problem
    return packed(to.read_bytes()) if to.exists() else said.answer


def refusal_of(answer: Any) -> tuple[str, str]:
    """What a program is told, and what it may do about it; "" for no refusal."""
    return answer.get("detail", ""), answer.get("hint", "")


def packed(content: bytes) -> Any:
    """What lies in a ZIP, without ids and numbers; its bytes are of the moment it was made."""
    with ZipFile(BytesIO(content)) as archive:
        return {"entries": sorted(each.rpartition("-")[2] for each in archive.namelist())}


def comparable(answer: Any, case: Case) -> Any:
    if "code" in answer:
        faults = [fault if isinstance(fault, str) else fault["code"] for fault in answer.get("faults", [])]
        return {"code": answer["code"], "faults": faults}
    if "last" in answer:
        return {"levels": [line["level"] for line in answer["items"]]}
    wanted = {key: answer[key] for key in case.keys or answer}
    return without_own(wanted) if case.writes else wanted


def without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_own(each) for key, each in value.items() if key not in OWN}
    return [without_own(each) for each in value] if isinstance(value, list) else value


def _filled(value: Any, ids: Ids) -> Any:
    return value.format(**ids) if isinstance(value, str) else value
