"""Stored files in a local folder. It knows nothing of what the bytes mean; sealing them is up to ``files``."""

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from finops_core.kernel.errors import Invalid, NotFound, Unavailable

CHUNK_BYTES = 1024 * 1024
# One or two plain path parts: no dot at the start, so neither "..", nor a hidden draft, nor an absolute path fits.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}(?:/[A-Za-z0-9_][A-Za-z0-9_.-]{0,199})?", re.ASCII)
_DRAFT_PREFIX = ".draft-"


class FolderFileStore:
    """A folder that only its owner can read.

    Args:
        folder: made with mode 0700 when absent.

    Names are one or two parts of letters, digits, ``_``, ``-`` and ``.``, joined by ``/``; others are
    ``FILE_NAME_BAD``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(error) from error

    def put(self, name: str, chunks: Iterator[bytes]) -> None:
        """Store whole or not at all (``FILE_STORE_FAILED``); the same name again replaces the same content."""
        path = self._path(name)
        draft = path.with_name(f"{_DRAFT_PREFIX}{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _write_through(draft, chunks)
            draft.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise _failed(error) from error
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def get(self, name: str) -> Iterator[bytes]:
        """The bytes in pieces of at most 1 MiB; ``FILE_MISSING`` when absent, told before the first piece."""
        path = self._path(name)
        try:
            stream = path.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise NotFound(
                "FILE_MISSING",
                "A stored file is not there any more.",
                hint="Restore it from a backup; the record of it still stands.",
                name=name,
            ) from error
        except OSError as error:
            raise _failed(error) from error

        def pieces() -> Iterator[bytes]:
            with stream:
                while piece := stream.read(CHUNK_BYTES):
                    yield piece

        return pieces()

    def exists(self, name: str) -> bool:
        """Whether it is there."""
        return self._path(name).is_file()

    def delete(self, name: str) -> None:
        """Remove it; no error when absent."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(error) from error

    def names(self) -> Sequence[str]:
        """Every stored name, sorted; drafts of interrupted writes are not among them."""
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return sorted(
            path.relative_to(self._folder).as_posix() for path in files if not path.name.startswith(_DRAFT_PREFIX)
        )

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise Invalid("FILE_NAME_BAD", "A stored file cannot have this name.", name=name[:200])
        return self._folder / name


def _write_through(draft: Path, chunks: Iterator[bytes]) -> None:
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    # The rename itself survives a power cut only when the folder reached the disk too.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(error: OSError) -> Unavailable:
    return Unavailable(
        "FILE_STORE_FAILED",
        "The file store did not take or give a file.",
        hint="Check the free space and the rights of the data folder, then try again.",
        reason=type(error).__name__,
        errno=error.errno,
    )
