"""Checks a record of an execution, offline: `python verify.py` in the folder it was unpacked to.

Or `python verify.py EX-2026-0001-record.zip`. Needs Python alone. Whoever was handed the record by somebody they do not
trust takes this program from elsewhere: it lies in Tieout's source, at `finops_core/insight/verify.py`.

What it rests on is the log's size and root, which it prints: a forger can make a log of their own, so compare them
with ones you have from elsewhere. Against that root it proves the lines of the audit log, and by them what they hold:
the content of the files, the plan and its amounts, who asked, who decided, and how the payouts went.
`record.html` is a rendering of the facts: nothing proves it but the SHA-256 that the desk noted when it was taken.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

FORM, SUMS = 2, "SHA256SUMS"
ALWAYS = frozenset({"record.html", "record.json", "verify.py"})
WHOLE, CHANGED, UNPROVEN = 0, 1, 2
BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, InvalidOperation)
Record = Mapping[str, Any]
# What a claim says, and whether the proven lines say so too; None when no proven line speaks of it.
Claim = tuple[str, bool | None]


def main(words: Sequence[str]) -> int:
    """0 when all that can be proven is, 1 when something was changed, 2 when something that could be proven is not."""
    place = Path(words[0]) if words else Path(__file__).parent
    try:
        contents = held(place)
    except (OSError, BadZipFile, ValueError) as error:
        say(f"NOT AS IT SHOULD BE: {place} cannot be read: {error}")
        return CHANGED
    faults, unproven = checked(contents)
    for fault in faults:
        say(f"NOT AS IT SHOULD BE: {fault}")
    for gap in unproven:
        say(f"NOT PROVEN: {gap}")
    if place.is_file():
        say(f"SHA-256 of the ZIP: {sha256(place.read_bytes())}")
    say(f"SHA-256 of {SUMS}: {sha256(contents.get(SUMS, b''))}")
    say("The desk noted both in its log when the record was taken: compare them there (execution.record_taken).")
    if faults:
        say("Something was changed.")
        return CHANGED
    if unproven:
        say("Nothing contradicts the log, but not everything is proven.")
        return UNPROVEN
    say("What the log can prove is proven, if its size and root are the ones you were given elsewhere. It cannot prove")
    say("record.html, the log of the run, what people wrote, their names, or that no line of the trail was left out.")
    return WHOLE


def say(line: str) -> None:
    """A line for the reader."""
    print(line)  # noqa: T201


def checked(contents: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
    """What is wrong, and what is not proven."""
    faults = list(sum_faults(contents))
    try:
        record: Record = json.loads(contents.get("record.json", b"{}"))
        if record["form"] != FORM:
            return [*faults, f"this program reads records of form {FORM}, not {record['form']}"], []
        faults += file_faults(contents, record)
        bodies, foreign, unproven = proven_lines(record)
        claims = list(every_claim(record, bodies))
        audit, lines = record["audit"], len(record["audit"]["records"])
        number, files = record["execution"]["number"], len(record["files"])
        say(f"{number}: {files} files, {len(bodies)} of {lines} audit records proven")
        say(f"log of {audit['size']} records, root {audit['root']}")
    except BROKEN as error:
        return [*faults, f"record.json is not a record ({type(error).__name__}: {error})"], []
    faults += [*foreign, *(f"{said}: the log says otherwise" for said, holds in claims if holds is False)]
    return faults, [*unproven, *(said for said, holds in claims if holds is None)]


def held(place: Path) -> dict[str, bytes]:
    """Everything in the folder or ZIP, by its name there."""
    if place.is_dir():
        found = (path for path in sorted(place.rglob("*")) if path.is_file() or path.is_symlink())
        return {path.relative_to(place).as_posix(): path.read_bytes() for path in found}
    with ZipFile(place) as archive:
        names = archive.namelist()
        if len(names) != len(set(names)):
            raise ValueError("a name stands in it twice")
        return {name: archive.read(name) for name in names if not name.endswith("/")}


def sum_faults(contents: Mapping[str, bytes]) -> Iterator[str]:
    """The sums must be right, and name exactly what is there."""
    sums: dict[str, str] = {}
    for line in contents.get(SUMS, b"").decode("utf-8", "replace").splitlines():
        wanted, _, name = line.partition("  ")
        if name in sums:
            yield f"{name} stands twice in {SUMS}"
        sums[name] = wanted
    for name in sorted(ALWAYS | set(sums)):
        if name not in contents:
            yield f"{name} is missing"
        elif name in sums and sha256(contents[name]) != sums[name]:
            yield f"{name} is not what was packed"
    for name in sorted(set(contents) - set(sums) - {SUMS}):
        yield f"{name} is no part of the record: it does not stand in {SUMS}"


def file_faults(contents: Mapping[str, bytes], record: Record) -> Iterator[str]:
    """Each file of the record must be there, be what was stored, and be all there is."""
    named = {str(file["path"]) for file in record["files"] if file["path"]}
    for file in record["files"]:
        content = contents.get(str(file["path"]))
        if content is None and (file["path"] or file["available"]):
            yield f"{file['path'] or file['name']} should be there and is not"
        elif content is not None and sha256(content) != file["sha256"]:
            yield f"{file['path']} is not the file that was stored"
    for name in sorted(set(contents) - named - ALWAYS - {SUMS}):
        yield f"{name} is no file of the execution"


def proven_lines(record: Record) -> tuple[list[Record], list[str], list[str]]:
    """The lines of the audit log that are in it, as they were written; what is wrong; what is not proven."""
    audit, org = record["audit"], record["organisation"]["id"]
    bodies: dict[int, Record] = {}
    faults, unproven = [], []
    for number, line in enumerate(audit["records"], 1):
        place = line["position"]
        if place is None:
            which = f"audit record {number} of {len(audit['records'])}"
            unproven.append(f"{which} was not sealed, so it may be forged: take the record again a minute later")
        elif not is_in(line, audit["size"], audit["root"]):
            faults.append(f"the audit record at position {place} is not in the log")
        elif place in bodies:
            faults.append(f"the audit record at position {place} stands there twice")
        else:
            bodies[place] = json.loads(line["body"])
            if bodies[place]["org"] != org:
                faults.append(f"the audit record at position {place} is another organisation's")
    if audit["left_out"]:
        unproven.append(f"{audit['left_out']} more audit records are not in here")
    return [body for _, body in sorted(bodies.items())], faults, unproven


def every_claim(record: Record, bodies: Sequence[Record]) -> Iterator[Claim]:
    """The facts that can be held against the lines."""
    yield from execution_claims(record, bodies)
    yield from plan_claims(record, bodies)
    for request in record["approvals"]:
        yield from request_claims(record, request, bodies)
    yield from file_claims(record, bodies)
    yield from payout_claims(record, bodies)


def execution_claims(record: Record, bodies: Sequence[Record]) -> Iterator[Claim]:
    """Its number, its input and who prepared it."""
    run = record["execution"]
    told = {"number": run["number"], "operation": run["operation_id"], "version": run["operation_version"]}
    lines = about(bodies, f"execution:{run['id']}", "execution.drafted")
    wanted = (run["input_sha256"], run["requested_by"], told)
    said = [(line["after"], line["actor"], {key: line["detail"].get(key) for key in told}) for line in lines]
    yield (
        f"{run['number']} was prepared by {run['requested_by']} from the file {run['input_sha256']}",
        one(said, wanted),
    )


def plan_claims(record: Record, bodies: Sequence[Record]) -> Iterator[Claim]:
    """Each plan is one whose hash stands in the log, and its amounts add up; the last one counts."""
    run, plan = record["execution"], record["plan"]
    lines = [line["after"] for line in about(bodies, f"execution:{run['id']}", "execution.planned")]
    for each in plans(record):
        yield f"a plan has the hash {each['hash']}", one(lines, each["hash"])
        yield f"the plan {each['hash']} is what its hash was made of", plan_hash(run, each) == each["hash"]
        yield f"the amounts of the plan {each['hash']} add up to its totals", adds_up(each)
    if plan is None:
        yield from ((f"there is no plan {hash_}", False) for hash_ in lines)
        return
    yield "the plan is the last one", lines[-1] == plan["hash"] if lines else None
    yield "the execution's plan is this one", run["plan_hash"] in {"", plan["hash"]}
    if run["plan_hash"]:
        yield "the execution's totals are the plan's", run["totals"] == plan["totals"]
    asked = [request for request in record["approvals"] if request["id"] == run["approval_request_id"]]
    if run["approval_request_id"]:
        about_it = [(request["content_hash"], amounts(request)) for request in asked]
        yield "what was asked for is this plan and its amounts", about_it == [(plan["hash"], plan["totals"])]


def request_claims(record: Record, request: Record, bodies: Sequence[Record]) -> Iterator[Claim]:
    """What was asked, and who said what to it."""
    number, name = request["number"], f"approval:{request['id']}"
    subject = f"execution:{record['execution']['id']}"
    wanted = (number, subject, request["content_hash"], request["requested_by"], amounts(request))
    said = [
        (line["detail"]["number"], line["detail"]["subject"], line["after"], who(line), line["detail"]["amounts"])
        for line in about(bodies, name, "approval.requested")
    ]
    yield f"{number} asks for {', '.join(request['amounts'])} on behalf of {request['requested_by']}", one(said, wanted)
    decided = [
        (line["verb"].partition(".")[2], line["actor"], line["detail"]["level"], line["detail"]["content_hash"])
        for verb in ("approval.approved", "approval.rejected")
        for line in about(bodies, name, verb)
    ]
    for said_so in request["decisions"]:
        key = (said_so["decision"], said_so["person_id"], said_so["level"], said_so["content_hash"])
        yield f"{number} was {key[0]} by {key[1]}", one(decided, key) and key[3] == request["content_hash"]
    told = {(each["decision"], each["person_id"]) for each in request["decisions"]}
    for decision, person, *_ in decided:
        if (decision, person) not in told:
            yield f"{number} was not {decision} by {person}", False


def file_claims(record: Record, bodies: Sequence[Record]) -> Iterator[Claim]:
    """The files are those that were stored, and none of them is left out."""
    subject, known = f"execution:{record['execution']['id']}", set()
    for file in record["files"]:
        known.add(f"file:{file['id']}")
        wanted = (file["sha256"], file["size_bytes"], file["role"], subject, file["uploaded_by"])
        said = [
            (line["after"], line["detail"]["bytes"], line["detail"]["role"], line["detail"]["owner"], line["actor"])
            for line in about(bodies, f"file:{file['id']}", "file.stored")
        ]
        yield f"{file['name']} has the SHA-256 {file['sha256']}", one(said, wanted)
        if not file["available"]:
            yield f"{file['name']} is not in here, it is said to have been removed after its time", None
    for line in bodies:
        is_its = line["verb"] == "file.stored" and line["detail"]["owner"] == subject
        if is_its and line["detail"]["role"] != "attachment" and line["object"] not in known:
            yield f"there is no {line['object']}", False


def payout_claims(record: Record, bodies: Sequence[Record]) -> Iterator[Claim]:
    """Where each payout stands, under which id at the provider, and that it pays its row of the plan."""
    run = record["execution"]
    for paid in record["payouts"]:
        name = f"the payout of row {paid['row_no']}, attempt {paid['attempt']},"
        steps = [line["detail"] for line in about(bodies, f"payout:{paid['id']}") if "to" in line["detail"]]
        if steps or paid["state"] != "approved":
            said = [(step["execution"], step["row"], step["to"]) for step in steps[-1:]]
            yield f"{name} is {paid['state']}", one(said, (run["id"], paid["row_no"], paid["state"]))
        if paid["provider_id"]:
            ids = [step["provider_id"] for step in steps if step.get("provider_id")]
            yield f"{name} has the id {paid['provider_id']}", one(ids[-1:], paid["provider_id"])
        yield f"{name} is of {paid['amount']} {paid['currency']}", is_planned(record, paid)
    known = {f"payout:{paid['id']}" for paid in record["payouts"]}
    for line in bodies:
        is_its = line["object"].startswith("payout:") and line["detail"].get("execution") == run["id"]
        if is_its and line["object"] not in known:
            yield f"there is no {line['object']}", False


def is_planned(record: Record, paid: Record) -> bool | None:
    """Whether a plan, that of its attempt if it is there, has a row with this payout's number, amount and account."""
    same = [plan for plan in plans(record) if plan["attempt"] == paid["attempt"]] or plans(record)
    rows = [row for plan in same for row in plan["rows"] if row["body"].get("no") == paid["row_no"]]
    keys = ("account", "currency", "amount_minor", "amount")
    return one([[row[key] for key in keys] for row in rows], [paid[key] for key in keys])


def plans(record: Record) -> list[Record]:
    """Every plan in the record, the last one last."""
    return [*record["earlier_plans"], *([record["plan"]] if record["plan"] else [])]


def about(bodies: Sequence[Record], object_: str, verb: str = "") -> list[Record]:
    """The proven lines of a thing, in their order."""
    return [line for line in bodies if line["object"] == object_ and (not verb or line["verb"] == verb)]


def one(said: Sequence[object], wanted: object) -> bool | None:
    """Whether the lines say it; None when there are none."""
    return wanted in said if said else None


def who(line: Record) -> str:
    """The person behind an act, else the program."""
    return str(line["on_behalf_of"] or line["actor"])


def amounts(request: Record) -> dict[str, str]:
    """``10.00 USD`` by currency."""
    return {currency: amount for amount, currency in (told.split(" ") for told in request["amounts"])}


def adds_up(plan: Record) -> bool:
    """Whether the amounts to read are those that are hashed, and the totals their sums."""
    sums: dict[str, Decimal] = {}
    for row in plan["rows"]:
        if not row["amount"]:
            if row["amount_minor"] or row["currency"]:
                return False
            continue
        if row["amount_minor"]:
            sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + Decimal(row["amount"])
        if int(row["amount"].replace(".", "")) != row["amount_minor"]:
            return False
    return bool({currency: str(total) for currency, total in sums.items()} == plan["totals"])


def plan_hash(run: Record, plan: Record) -> str:
    """The hash an approver agrees to: SHA-256 over the plan's facts as RFC 8785 writes them."""
    rows = [
        {**{key: row[key] for key in ("account", "currency", "body")}, "amount_minor": str(row["amount_minor"])}
        for row in plan["rows"]
    ]
    facts = {
        "v": 2,
        "operation": run["operation_id"],
        "version": run["operation_version"],
        "params": run["params"],
        "file": run["input_sha256"],
        "mode": plan["mode"],
        "key": plan["key_fingerprint"],
        "connection": plan["connection_id"],
        "warnings": plan["warnings"],
        "rows": rows,
    }
    return sha256(canonical(facts).encode())


def canonical(value: Any) -> str:
    """RFC 8785, for what a plan holds: texts, whole numbers, yes and no, lists, and names with values."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: str(key).encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def sha256(content: bytes) -> str:
    """As hex."""
    return hashlib.sha256(content).hexdigest()


def is_in(line: Record, size: int, root: str) -> bool:
    """RFC 6962, section 2.1.1: whether the path from this record's leaf ends at the root."""
    position, path = int(str(line["position"])), line["path"]
    if not isinstance(path, list) or not 0 <= position < size:
        return False
    node, here, last = hashlib.sha256(b"\x00" + str(line["body"]).encode()).digest(), position, size - 1
    for beside in map(bytes.fromhex, path):
        if last == 0:
            return False
        if here & 1 or here == last:
            node = hashlib.sha256(b"\x01" + beside + node).digest()
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + beside).digest()
        here, last = here >> 1, last >> 1
    return last == 0 and node.hex() == root


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
