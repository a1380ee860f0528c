"""Stored files in a local folder. It knows nothing of what the bytes mean; sealing them is up to whoever stores them.

Beside the port's verbs it can do two things that only a folder on one machine gives so cheaply: store a name that
nobody has taken yet (``put_new``), and hold a name alone for a moment (``alone``), both across processes.
"""

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from finops_core.kernel.errors import Invalid, NotFound, Unavailable

CHUNK_BYTES = 1024 * 1024
# One or two plain path parts: no dot at the start, so neither "..", nor a hidden draft, nor an absolute path fits.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}(?:/[A-Za-z0-9_][A-Za-z0-9_.-]{0,199})?", re.ASCII)
_DRAFT_PREFIX, _LOCK_PREFIX = ".draft-", ".lock-"
ALONE_WAIT_S, _ALONE_PAUSE_S = 30.0, 0.02


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
            self._make(path.parent)
            _write_through(draft, chunks)
            draft.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise _failed(error) from error
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def put_new(self, name: str, chunks: Iterator[bytes]) -> bool:
        """Store whole, unless the name is taken: whether it was stored by this call.

        Of two processes at once exactly one is told True. Either answer means that what stands under the name will
        survive a power cut. After ``FILE_STORE_FAILED`` the caller asks ``exists``: when it is there, it may have
        been stored by this call, and may not have reached the disk.
        """
        path = self._path(name)
        draft = path.with_name(f"{_DRAFT_PREFIX}{secrets.token_hex(8)}")
        try:
            self._make(path.parent)
            taken = path.exists()
            if not taken:
                _write_through(draft, chunks)
                try:
                    os.link(draft, path)
                except FileExistsError:
                    taken = True
            _sync_folder(path.parent)
        except OSError as error:
            raise _failed(error) from error
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        return not taken

    @contextmanager
    def alone(self, name: str, wait_s: float = ALONE_WAIT_S) -> Iterator[None]:
        """Hold a name for the block: whoever else asks for it, in any thread or process, waits for the end of it.

        The operating system frees it when the holder dies. ``FILE_STORE_BUSY`` after waiting in vain.
        """
        path = self._path(name)
        try:
            self._make(path.parent)
            handle = os.open(path.with_name(f"{_LOCK_PREFIX}{path.name}"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _failed(error) from error
        try:
            _lock(handle, time.monotonic() + wait_s)
            yield
        finally:
            os.close(handle)

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

    def names(self, under: str = "") -> Sequence[str]:
        """Every stored name, or those whose first part is ``under``, sorted; drafts and locks are not among them."""
        start = self._path(under) if under else self._folder
        files = (path for path in start.rglob("*") if path.is_file())
        return sorted(path.relative_to(self._folder).as_posix() for path in files if not path.name.startswith("."))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise Invalid("FILE_NAME_BAD", "A stored file cannot have this name.", name=name[:200])
        return self._folder / name

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(self._folder)


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


def _lock(handle: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise Unavailable(
                    "FILE_STORE_BUSY",
                    "Somebody else holds this part of the file store for too long.",
                    hint="Try again in a moment; when it stays, look for a process of the desk that hangs.",
                ) from None
            time.sleep(_ALONE_PAUSE_S)
        else:
            return


def _failed(error: OSError) -> Unavailable:
    return Unavailable(
        "FILE_STORE_FAILED",
        "The file store did not take or give a file.",
        hint="Check the free space and the rights of the data folder, then try again.",
        reason=type(error).__name__,
        errno=error.errno,
    )
