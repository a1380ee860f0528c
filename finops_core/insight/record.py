"""Everything about one execution in one file that an auditor can take away and check without the desk.

A ZIP: the page to read (self-contained HTML), the same facts for machines, the files, and a program that checks it all.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pydantic_core import to_jsonable_python

from finops_core import approvals, audit, files, operations, payouts, reference, security
from finops_core.approvals import RequestView
from finops_core.audit import AuditFilter, AuditView
from finops_core.files import FileView
from finops_core.insight.record_page import page
from finops_core.kernel.money import Money
from finops_core.kernel.permissions import Permission
from finops_core.operations import ExecutionView, PlanRowView
from finops_core.platform.work import Reading, Work

FORM = 1
LOG_LINES, AUDIT_RECORDS = 100_000, 1_000
ZIP, HTML = "application/zip", "text/html"
# A ZIP's clock starts in 1980, and the same facts must give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Pack:
    """A record ready to be handed out."""

    name: str
    mime: str
    content: bytes


def take_record(work: Work, execution_id: str) -> Pack:
    """The whole record as a ZIP. Needs AUDIT_EXPORT and that the person may see the execution; taking it is recorded.

    Raises ``EXECUTION_UNKNOWN``; ``FILE_CHANGED`` when a stored file is not what was stored.
    """
    facts, contents = _gather(work, execution_id)
    entries = {
        "record.html": page(facts).encode(),
        "record.json": _json(facts),
        "verify.py": Path(__file__).with_name("verify.py").read_bytes(),
        **contents,
    }
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(entries.items()))
    packed = _zip({"SHA256SUMS": sums.encode(), **entries})
    return _taken(work, facts, Pack(f"{facts['execution']['number']}-record.zip", ZIP, packed))


def take_record_page(work: Work, execution_id: str) -> Pack:
    """The record as one HTML file that reads without the desk, on any device; the files are named in it, not there."""
    facts, _ = _gather(work, execution_id, with_files=False)
    return _taken(work, facts, Pack(f"{facts['execution']['number']}-record.html", HTML, page(facts).encode()))


def _taken(work: Work, facts: Mapping[str, Any], pack: Pack) -> Pack:
    detail = {"number": facts["execution"]["number"], "file": pack.name, "bytes": len(pack.content)}
    after = hashlib.sha256(pack.content).hexdigest()
    audit.record(work, "execution.record_taken", f"execution:{facts['execution']['id']}", after=after, detail=detail)
    return pack


def _gather(
    reading: Reading, execution_id: str, *, with_files: bool = True
) -> tuple[dict[str, Any], Mapping[str, bytes]]:
    reading.require(Permission.AUDIT_EXPORT)
    run = operations.execution(reading, execution_id)
    stored = files.of(reading, "execution", run.id)
    contents = {_path(file): files.content(reading, file.id) for file in stored if with_files and file.available}
    asked = approvals.of_subject(reading, "execution", run.id)
    made, result = operations.plan(reading, run.id), operations.result(reading, run.id)
    trail = audit.records(reading, AuditFilter(about=f"execution:{run.id}"), limit=AUDIT_RECORDS, newest_first=False)
    facts = {
        "form": FORM,
        "made_at": reading.now,
        "made_by": reading.actor.id,
        "organisation": reference.organisation(reading),
        "execution": {**asdict(run), "totals": _amounts(run.totals)},
        "plan": None if made is None else {**asdict(made), "totals": _amounts(made.totals), "rows": _rows(made.rows)},
        "approvals": [_request(request) for request in asked],
        "payouts": [_payout(each) for each in payouts.rows(reading, run.id)],
        "result": result,
        "log": operations.log(reading, run.id, 0, LOG_LINES),
        "files": [{**asdict(file), "path": _path(file) if _path(file) in contents else ""} for file in stored],
        "audit": {**_proven(reading, trail.rows), "left_out": max(0, trail.total - len(trail.rows))},
    }
    told: dict[str, Any] = to_jsonable_python(facts)
    return {**told, "people": _people(reading, run, told)}, contents


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
