"""Sealing: AES-256-GCM with a key id and additional data, one wrapped data key per object, keyed fingerprints.

Envelope: a sealed value is ``version(1) | key id(4) | nonce(12) | ciphertext+tag``. The master key never leaves
this module's ``Vault``; what it seals is bound to a place (``table|column|row id``) so that a value copied to
another row does not open. Not for passwords: those are bcrypt in ``security``.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from finops_core.kernel.errors import Invalid, Unavailable

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_ID_BYTES = 4
CHUNK_BYTES = 1024 * 1024


class Vault:
    """Holds the master key and seals with it.

    Args:
        master_key: 32 bytes.
    """

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise Invalid("MASTER_KEY_BAD", "The master key must be 32 bytes, written as 64 hex digits.")
        self._key = master_key
        self._key_id = hashlib.sha256(b"tieout key id" + master_key).digest()[:KEY_ID_BYTES]
        self._fingerprint_key = hmac.digest(master_key, b"tieout fingerprint", "sha256")

    def __repr__(self) -> str:
        return f"Vault(key_id={self._key_id.hex()})"

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt; ``place`` must be given again to open."""
        nonce = os.urandom(NONCE_BYTES)
        head = bytes([VERSION]) + self._key_id
        return head + nonce + AESGCM(self._key).encrypt(nonce, plain, head + place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt; ``SEAL_BROKEN`` when the value was changed, moved or sealed with another key."""
        head, rest = sealed[: 1 + KEY_ID_BYTES], sealed[1 + KEY_ID_BYTES :]
        try:
            return AESGCM(self._key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head + place.encode())
        except (InvalidTag, ValueError) as error:
            raise Unavailable(
                "SEAL_BROKEN",
                "A protected value cannot be opened.",
                hint="It was changed or belongs to another master key; an administrator must look.",
                place=place,
            ) from error

    def fingerprint(self, secret: str) -> str:
        """A keyed fingerprint (16 hex digits) that tells two secrets apart without showing either."""
        return hmac.digest(self._fingerprint_key, secret.encode(), "sha256").hex()[:16]

    def new_data_key(self, place: str) -> tuple[bytes, bytes]:
        """A fresh key for one object, and the same key sealed for storing."""
        key = secrets.token_bytes(KEY_BYTES)
        return key, self.seal(key, place)


def seal_chunks(key: bytes, chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Encrypt a stream in pieces of 1 MiB; each piece is bound to its place and to whether it is the last."""
    cipher = AESGCM(key)
    pending: bytes | None = None
    index = 0
    for chunk in _resize(chunks):
        if pending is not None:
            yield cipher.encrypt(_nonce(index), pending, _piece(name, last=False))
            index += 1
        pending = chunk
    yield cipher.encrypt(_nonce(index), pending or b"", _piece(name, last=True))


def open_chunks(key: bytes, sealed: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Decrypt what ``seal_chunks`` made; ``SEAL_BROKEN`` on any change, reorder or cut."""
    cipher = AESGCM(key)
    pending: bytes | None = None
    index = 0
    try:
        for chunk in _resize(sealed, CHUNK_BYTES + TAG_BYTES):
            if pending is not None:
                yield cipher.decrypt(_nonce(index), pending, _piece(name, last=False))
                index += 1
            pending = chunk
        yield cipher.decrypt(_nonce(index), pending or b"", _piece(name, last=True))
    except (InvalidTag, ValueError) as error:
        raise Unavailable(
            "SEAL_BROKEN",
            "A stored file cannot be opened.",
            hint="Its content was changed on disk; restore it from a backup.",
            name=name,
        ) from error


def load_master_key(text: str, data_dir: Path, *, may_create: bool) -> bytes:
    """The master key from the setting, else from ``data_dir/master.key`` (made there when ``may_create``)."""
    if text:
        return _from_hex(text)
    path = data_dir / "master.key"
    if not path.exists():
        if not may_create:
            raise Unavailable(
                "MASTER_KEY_MISSING",
                "No master key is set.",
                hint="Set TIEOUT_MASTER_KEY to 64 hex digits, or run `python -m finops_core setup` first.",
            )
        data_dir.mkdir(parents=True, exist_ok=True)
        _write_once(path, secrets.token_bytes(KEY_BYTES).hex())
    return _from_hex(path.read_text(encoding="ascii", errors="replace").strip())


def _write_once(path: Path, text: str) -> None:
    # Two may start at once: the first link wins and both read the same file afterwards. On the disk before its first
    # use, since a key lost in a power cut takes everything sealed with it along.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise Invalid("MASTER_KEY_BAD", "The master key must be 64 hex digits.") from error


def _nonce(index: int) -> bytes:
    # Safe as a counter: every object has a data key of its own, used for one stream only.
    return index.to_bytes(NONCE_BYTES, "big")


def _piece(name: str, *, last: bool) -> bytes:
    return f"{name}|{'last' if last else 'more'}".encode()


def _resize(chunks: Iterable[bytes], size: int = CHUNK_BYTES) -> Iterator[bytes]:
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)
