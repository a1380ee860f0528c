"""Several files taken at once, as one ZIP. Each is a download of its own in the log; all of them, or none."""

from collections.abc import Sequence
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from finops_core.files.queries import one
from finops_core.files.service import Download, download
from finops_core.kernel.errors import Invalid
from finops_core.platform.work import Work

MANY, BYTES_MAX = 50, 100 * 1024 * 1024
NAME, MIME = "files.zip", "application/zip"
# A ZIP's clock starts in 1980, and the same files must give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def download_all(work: Work, reference_ids: Sequence[str]) -> Download:
    """These files as one ZIP; who took each stands in the audit.

    ``FILES_TOO_MANY`` for none, more than 50, or more than 100 MiB: they are held in memory at once.
    Raises what ``download`` raises, and then gives none.
    """
    wanted = list(dict.fromkeys(reference_ids))
    whole = sum(one(work, each).size_bytes for each in wanted) if len(wanted) <= MANY else 0
    if not 0 < len(wanted) <= MANY or whole > BYTES_MAX:
        raise Invalid(
            "FILES_TOO_MANY",
            "So many files cannot be taken at once.",
            hint=f"Choose up to {MANY}, of {BYTES_MAX // 1024**2} MiB together.",
        )
    held = BytesIO()
    names: set[str] = set()
    with ZipFile(held, "w", ZIP_DEFLATED) as archive:
        for each in wanted:
            taken = download(work, each)
            archive.writestr(ZipInfo(_free(_plain(taken.name), each, names), _NO_TIME), taken.content, ZIP_DEFLATED)
    return Download(NAME, MIME, held.getvalue())


def _plain(name: str) -> str:
    """A name that leads nowhere, whoever unpacks it."""
    plain = "".join(letter if letter.isalnum() or letter in "-_.() " else "_" for letter in name).lstrip(".")
    return plain or "file"


def _free(name: str, reference_id: str, taken: set[str]) -> str:
    """The name, with the end of its id in front when another file has it."""
    free = name if name.lower() not in taken else f"{reference_id[-6:]}-{name}"
    taken.add(free.lower())
    return free
