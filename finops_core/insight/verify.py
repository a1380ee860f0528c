"""Checks a record of an execution, offline: `python verify.py` in the folder it was unpacked to. Needs Python alone.

It says whether each file is the one the record tells of, and whether each line of the audit log is in the log whose
size and root stand in the record. Compare that size and root with ones you were given elsewhere, at another time.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def faults(folder: Path) -> Iterator[str]:
    """What is not as the record says; nothing when all is well."""
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        wanted, _, name = line.partition("  ")
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            yield f"{name} is not what was packed"
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    for file in record["files"]:
        path = folder / str(file["path"] or "there is none")
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
            yield f"{file['path']} is not the file that was stored"
    audit = record["audit"]
    for line in audit["records"]:
        if line["position"] is not None and not is_in(line, audit["size"], audit["root"]):
            yield f"the audit record at position {line['position']} is not in the log"


def is_in(line: dict[str, object], size: int, root: str) -> bool:
    """RFC 6962, section 2.1.1: whether the path from this record's leaf ends at the root."""
    position, path = int(str(line["position"])), line["path"]
    if not isinstance(path, list) or position >= size:
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


def main(words: Sequence[str]) -> int:
    """0 when all is as the record says, else 1."""
    folder = Path(words[0]) if words else Path(__file__).parent
    found = list(faults(folder))
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    audit = record["audit"]
    proven = sum(line["position"] is not None for line in audit["records"])
    for fault in found:
        print(f"NOT AS IT SHOULD BE: {fault}")  # noqa: T201
    print(f"{record['execution']['number']}: {len(record['files'])} files, {proven} audit records")  # noqa: T201
    print(f"log of {audit['size']} records, root {audit['root']}")  # noqa: T201
    print("Something was changed." if found else "All is as the record says.")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
