"""Everything about one execution in one file that an auditor can take away and check without the desk.

A ZIP: the page to read (self-contained HTML), the same facts for machines, the files, and a program that checks it all.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pydantic_core import to_jsonable_python

from finops_core import approvals, audit, files, operations, payouts, reference, security
from finops_core.approvals import RequestView
from finops_core.audit import AuditFilter, AuditView
from finops_core.files import FileView
from finops_core.insight import verify
from finops_core.insight.record_page import page
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionView, PlanRowView, PlanView
from finops_core.platform.work import Reading, Work

LOG_LINES, AUDIT_RECORDS = 100_000, 20_000
TAKEN = "execution.record_taken"
PAGE = 1_000
ZIP, HTML = "application/zip", "text/html"
# A ZIP's clock starts in 1980, and the same facts must give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Pack:
    """A record ready to be handed out, once ``record_taken`` has noted it.

    Attributes:
        number: the execution's.
        sums: SHA-256 of the list of sums in the ZIP, "" for the page: what stands for the whole unpacked folder.
        files: those whose content is in it.
    """

    name: str
    mime: str
    content: bytes
    execution_id: str
    number: str
    sums: str
    files: tuple[FileView, ...]

    @property
    def sha256(self) -> str:
        """What whoever has the record compares with the log."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class Taken:
    """That somebody took a record, as the log has it."""

    at: datetime
    person_id: str
    file: str
    sha256: str
    sums: str


def take_record(work: Work, execution_id: str) -> Pack:
    """``gather_record`` and ``record_taken`` in one unit, which holds the writer for as long as it takes."""
    pack = gather_record(work, execution_id)
    record_taken(work, pack)
    return pack


def take_record_page(work: Work, execution_id: str) -> Pack:
    """``gather_record_page`` and ``record_taken`` in one unit."""
    pack = gather_record_page(work, execution_id)
    record_taken(work, pack)
    return pack


def gather_record(reading: Reading, execution_id: str) -> Pack:
    """The whole record as a ZIP, to be handed out after ``record_taken`` has committed in a unit of its own.

    Two units, since a ZIP takes its time and whoever writes would wait for it. Needs AUDIT_EXPORT and that the person
    may see the execution. Raises ``EXECUTION_UNKNOWN``; ``FILE_CHANGED`` when a stored file is not what was stored.
    """
    facts, stored = _gather(reading, execution_id)
    contents = {_path(file): files.content(reading, file.id) for file in stored if file.available}
    entries = {
        "record.html": page(facts).encode(),
        "record.json": _json(facts),
        "verify.py": Path(verify.__file__).read_bytes(),
        **contents,
    }
    sums = "".join(f"{verify.sha256(content)}  {name}\n" for name, content in sorted(entries.items())).encode()
    packed = _zip({verify.SUMS: sums, **entries})
    inside = tuple(file for file in stored if file.available)
    return _pack(facts, "zip", ZIP, packed, verify.sha256(sums), inside)


def gather_record_page(reading: Reading, execution_id: str) -> Pack:
    """The record as one HTML file that reads without the desk, on any device; the files are named in it, not there."""
    facts, _ = _gather(reading, execution_id, with_files=False)
    return _pack(facts, "html", HTML, page(facts).encode(), "", ())


def record_taken(work: Work, pack: Pack) -> None:
    """Write that this record is handed out, with its hash, and each file in it as downloaded. Needs AUDIT_EXPORT."""
    work.require(Permission.AUDIT_EXPORT)
    for file in pack.files:
        files.note_download(work, file, within=pack.name)
    detail = {"number": pack.number, "file": pack.name, "bytes": len(pack.content), "sums": pack.sums}
    audit.record(work, TAKEN, f"execution:{pack.execution_id}", after=pack.sha256, detail=detail)


def records_taken(reading: Reading, execution_id: str, limit: int = 5) -> tuple[Taken, ...]:
    """The newest records that were taken of an execution this person may see. Needs AUDIT_EXPORT and AUDIT_VIEW."""
    reading.require(Permission.AUDIT_EXPORT)
    run = operations.execution(reading, execution_id)
    trail = audit.records(reading, AuditFilter(object=f"execution:{run.id}", verb=TAKEN), limit=limit)
    return tuple(
        Taken(row.at, row.actor, row.detail["file"], row.after, row.detail.get("sums", "")) for row in trail.rows
    )


def _pack(  # everything about one pack
    facts: Mapping[str, Any], suffix: str, mime: str, content: bytes, sums: str, inside: tuple[FileView, ...]
) -> Pack:
    run = facts["execution"]
    return Pack(f"{run['number']}-record.{suffix}", mime, content, run["id"], run["number"], sums, inside)


def _gather(
    reading: Reading, execution_id: str, *, with_files: bool = True
) -> tuple[dict[str, Any], tuple[FileView, ...]]:
    reading.require(Permission.AUDIT_EXPORT)
    run = operations.execution(reading, execution_id)
    stored = files.of(reading, "execution", run.id)
    asked = approvals.of_subject(reading, "execution", run.id)
    made, result = operations.plan(reading, run.id), operations.result(reading, run.id)
    trail, total = _trail(reading, f"execution:{run.id}")
    facts = {
        "form": verify.FORM,
        "made_at": reading.now,
        "made_by": reading.actor.id,
        "organisation": reference.organisation(reading),
        "execution": {**asdict(run), "totals": _amounts(run.totals)},
        "plan": None if made is None else _plan(made),
        "earlier_plans": [_plan(each) for each in _earlier(reading, run.id, made, trail)],
        "approvals": [_request(request) for request in asked],
        "payouts": [_payout(each) for each in payouts.rows(reading, run.id)],
        "result": result,
        "log": operations.log(reading, run.id, 0, LOG_LINES),
        "files": [{**asdict(file), "path": _path(file) if with_files and file.available else ""} for file in stored],
        "audit": {**_proven(reading, trail), "left_out": total - len(trail)},
    }
    told: dict[str, Any] = to_jsonable_python(facts)
    return {**told, "people": _people(reading, run, told)}, stored


def _trail(reading: Reading, about: str) -> tuple[list[AuditView], int]:
    """Everything recorded about a thing, oldest first, up to a limit, and how much there is."""
    rows: list[AuditView] = []
    total = 1
    while len(rows) < min(total, AUDIT_RECORDS):
        found = audit.records(reading, AuditFilter(about=about), limit=PAGE, offset=len(rows), newest_first=False)
        if not found.rows:
            break
        rows, total = [*rows, *found.rows], found.total
    return rows, max(total, len(rows)) if rows else 0


def _earlier(reading: Reading, run_id: str, made: PlanView | None, trail: Sequence[AuditView]) -> list[PlanView]:
    """The plans before the last one, as the log names them: what earlier attempts went by."""
    hashes = dict.fromkeys(row.after for row in trail if row.verb == "execution.planned")
    plans = (operations.plan(reading, run_id, each) for each in hashes if made is None or each != made.hash)
    return [each for each in plans if each is not None]


def _plan(made: PlanView) -> dict[str, Any]:
    return {**asdict(made), "totals": _amounts(made.totals), "rows": _rows(made.rows)}


def _proven(reading: Reading, rows: Sequence[AuditView]) -> dict[str, Any]:
    proof = audit.inclusion(reading, [row.position for row in rows if row.position is not None])
    records = [
        {
            "position": row.position if row.position in proof.paths else None,
            "path": list(proof.paths.get(row.position, ())) if row.position is not None else [],
            "body": row.body,
        }
        for row in rows
    ]
    return {"size": proof.size, "root": proof.root, "records": records}


def _people(reading: Reading, run: ExecutionView, told: Mapping[str, Any]) -> dict[str, str]:
    """Names for every person and token that stands in the record by its id; the log itself holds ids only."""
    words = json.dumps(told).replace("\\", '"').split('"')
    people = {run.requested_by, *(word for word in words if word.startswith("person_"))}
    tokens = {word for word in words if word.startswith("token_")}
    return {**security.names(reading, people), **security.token_names(reading, tokens)}


def _payout(row: payouts.PayoutView) -> dict[str, Any]:
    fee = None if row.fee_minor is None else Money(row.fee_minor, row.currency).plain()
    return {**asdict(row), "amount": Money(row.amount_minor, row.currency).plain(), "fee": fee}


def _request(asked: RequestView) -> dict[str, Any]:
    # Whether whoever takes the record could decide it is no fact about it.
    return {
        **asdict(replace(asked, refusal=None)),
        "amounts": [f"{money.plain()} {money.currency}" for money in asked.amounts],
    }


def _rows(rows: Sequence[PlanRowView]) -> list[dict[str, Any]]:
    return [{**asdict(row), "amount": _amount(row)} for row in rows]


def _amount(row: PlanRowView) -> str:
    return Money(row.amount_minor, row.currency).plain() if row.currency else ""


def _amounts(totals: Mapping[str, int]) -> dict[str, str]:
    return {currency: Money(minor, currency).plain() for currency, minor in totals.items()}


def _path(file: FileView) -> str:
    """Where a file lies in the ZIP: its reference's id keeps it apart from another of the same name."""
    plain = "".join(letter if letter.isalnum() or letter in "-_.() " else "_" for letter in file.name).lstrip(".")
    return f"files/{file.id[-6:]}-{plain or 'file'}"


def _json(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True).encode()


def _zip(entries: Mapping[str, bytes]) -> bytes:
    held = BytesIO()
    with ZipFile(held, "w", ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(ZipInfo(name, _NO_TIME), content, ZIP_DEFLATED)
    return held.getvalue()
