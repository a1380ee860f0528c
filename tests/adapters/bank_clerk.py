"""A process that submits orders by bank file: `python -m tests.adapters.bank_clerk FOLDER MANNER AMOUNT FIRST LAST`.

It writes one line per order, "new", "again" or the name of another answer, after waiting for the file FOLDER/go.
Manners: ``plain``; ``stall`` stops for ever once an order is stored, before its answer; ``full`` finds the disk full
for every write to a file, as RLIMIT_FSIZE 0 makes it.
"""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from finops_core.adapters.file_store import FolderFileStore
from finops_core.kernel.provider import Created
from tests.adapters.bank import Office, order


class StallingStore(FolderFileStore):
    """Tells that an order is stored, and never comes back."""

    def put_new(self, name: str, chunks: Iterator[bytes]) -> bool:
        """Store, then hang."""
        super().put_new(name, chunks)
        print("stored", flush=True)
        while True:
            time.sleep(60)


def main() -> None:
    """Do what the arguments say."""
    folder, manner, amount, first, last = sys.argv[1:]
    kind = StallingStore if manner == "stall" else FolderFileStore
    office = Office(Path(folder), kind(Path(folder) / "files"))
    if manner == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    print("ready", flush=True)
    while not (Path(folder) / "go").exists():
        time.sleep(0.001)
    for number in range(int(first), int(last) + 1):
        answer = office.submit(order(number, amount_minor=int(amount)), number)
        told = ("again" if answer.replayed else "new") if isinstance(answer, Created) else type(answer).__name__
        print(told, flush=True)


if __name__ == "__main__":
    main()
