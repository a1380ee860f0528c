"""What was sealed opens only unchanged, in its place, with its key."""

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_core.kernel.errors import Invalid, Unavailable
from finops_core.platform.crypto import (
    CHUNK_BYTES,
    KEY_BYTES,
    TAG_BYTES,
    Vault,
    load_master_key,
    open_chunks,
    seal_chunks,
)

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
VAULT = Vault(KEY)
PLACE = "connection|secret|cn_1"
SMALL = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def broken(sealed: bytes, place: str = PLACE, vault: Vault = VAULT) -> bool:
    with pytest.raises(Unavailable) as refusal:
        vault.open(sealed, place)
    return refusal.value.code == "SEAL_BROKEN"


@SMALL
@given(plain=st.binary(max_size=300), place=st.text(max_size=40))
def test_what_was_sealed_opens_in_its_place(plain: bytes, place: str):
    sealed = VAULT.seal(plain, place)

    assert VAULT.open(sealed, place) == plain
    assert len(sealed) == 1 + 4 + 12 + len(plain) + TAG_BYTES


def test_the_same_value_never_looks_the_same_twice_and_never_shows():
    sealed = {VAULT.seal(b"sk_test_abc", PLACE) for _ in range(50)}

    assert len(sealed) == 50
    assert not any(b"sk_test" in one for one in sealed)
    assert "00" * 4 not in repr(VAULT)
    assert KEY.hex() not in repr(VAULT)


def test_each_changed_byte_is_noticed():
    sealed = VAULT.seal(b"twelve bytes", PLACE)

    for at in range(len(sealed)):  # version, key id, nonce, content, tag
        assert broken(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]), at


def test_each_cut_and_each_addition_is_noticed():
    sealed = VAULT.seal(b"twelve bytes", PLACE)

    assert all(broken(sealed[:length]) for length in range(len(sealed)))
    assert broken(sealed + b"\0")
    assert broken(b"\0" + sealed)


def test_a_value_copied_to_another_place_does_not_open():
    sealed = VAULT.seal(b"secret", PLACE)

    assert broken(sealed, "connection|secret|cn_2")
    assert broken(sealed, "")
    assert broken(sealed, PLACE + "|")


def test_another_master_key_does_not_open_it():
    assert broken(VAULT.seal(b"secret", PLACE), vault=Vault(OTHER_KEY))


@pytest.mark.parametrize("key", [b"", b"short", bytes(31), bytes(33)])
def test_a_master_key_has_32_bytes(key: bytes):
    with pytest.raises(Invalid) as refusal:
        Vault(key)

    assert refusal.value.code == "MASTER_KEY_BAD"


def test_a_fingerprint_tells_secrets_apart_and_belongs_to_its_key():
    one, again, other = (VAULT.fingerprint(secret) for secret in ("a", "a", "b"))

    assert one == again
    assert len({one, other, Vault(OTHER_KEY).fingerprint("a")}) == 3
    assert len(one) == 16


def test_a_data_key_comes_with_its_sealed_form():
    key, sealed = VAULT.new_data_key("file|key|fi_1")
    another, _ = VAULT.new_data_key("file|key|fi_1")

    assert len(key) == KEY_BYTES
    assert VAULT.open(sealed, "file|key|fi_1") == key
    assert key != another


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def sealed_file(content: bytes, key: bytes = KEY, name: str = "file") -> bytes:
    return b"".join(seal_chunks(key, [content], name))


def opened(sealed: bytes, key: bytes = KEY, name: str = "file") -> bytes:
    return b"".join(open_chunks(key, [sealed], name))


def file_broken(sealed: bytes, key: bytes = KEY, name: str = "file") -> bool:
    with pytest.raises(Unavailable) as refusal:
        opened(sealed, key, name)
    return refusal.value.code == "SEAL_BROKEN"


@SMALL
@given(content=st.binary(max_size=2000), given_in=st.integers(1, 700), read_in=st.integers(1, 700))
def test_a_small_stream_comes_back_however_it_was_cut(content: bytes, given_in: int, read_in: int):
    sealed = b"".join(seal_chunks(KEY, pieces(content, given_in), "file"))

    assert b"".join(open_chunks(KEY, pieces(sealed, read_in), "file")) == content


@pytest.mark.parametrize("over", [-1, 0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_a_long_stream_comes_back_whatever_its_length(over: int):
    content = (b"0123456789abcdef" * (CHUNK_BYTES // 8 + 2))[: CHUNK_BYTES + over]

    sealed = b"".join(seal_chunks(KEY, pieces(content, 300_001), "file"))

    assert b"".join(open_chunks(KEY, pieces(sealed, 77_777), "file")) == content
    assert len(sealed) == len(content) + TAG_BYTES * max(1, -(-len(content) // CHUNK_BYTES))


def test_an_empty_stream_is_sealed_too():
    sealed = b"".join(seal_chunks(KEY, [], "file"))

    assert opened(sealed) == b""
    assert file_broken(b"")


def three_pieces() -> tuple[bytes, list[bytes]]:
    content = bytes(2 * CHUNK_BYTES + 1000)
    sealed = sealed_file(content)
    return sealed, pieces(sealed, CHUNK_BYTES + TAG_BYTES)


def test_a_changed_byte_anywhere_in_a_stream_is_noticed():
    sealed, parts = three_pieces()
    step = len(parts[0])
    places = [0, step - TAG_BYTES - 1, step - 1, step, 2 * step - 1, 2 * step, len(sealed) - TAG_BYTES, len(sealed) - 1]

    for at in places:
        assert file_broken(sealed[:at] + bytes([sealed[at] ^ 128]) + sealed[at + 1 :]), at


def test_pieces_left_out_added_or_in_another_order_are_noticed():
    _, (first, second, last) = three_pieces()

    assert opened(first + second + last)
    for wrong in (
        first + second,
        first,
        second + last,
        first + last,
        second + first + last,
        first + first + second + last,
        first + second + last + last,
        first + second + last[:-1],
        last,
    ):
        assert file_broken(wrong)


def test_a_stream_under_another_name_or_key_does_not_open():
    sealed = sealed_file(b"content")

    assert file_broken(sealed, name="another")
    assert file_broken(sealed, key=OTHER_KEY)


def test_a_key_from_the_settings_is_used_as_it_is(tmp_path: Path):
    assert load_master_key(KEY.hex(), tmp_path, may_create=True) == KEY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["zz" * 32, "not a key", "ab" * 31 + "a"])
def test_a_key_that_is_not_hexadecimal_is_refused_without_showing_it(tmp_path: Path, text: str):
    with pytest.raises(Invalid) as refusal:
        load_master_key(text, tmp_path, may_create=False)

    assert refusal.value.code == "MASTER_KEY_BAD"
    assert text not in str(refusal.value)


def test_a_spoiled_key_file_is_refused_and_never_replaced(tmp_path: Path):
    file = tmp_path / "master.key"
    file.write_bytes(b"\xff\xfe spoiled")

    with pytest.raises(Invalid):
        load_master_key("", tmp_path, may_create=True)

    assert file.read_bytes() == b"\xff\xfe spoiled"


def test_outside_the_demo_no_key_is_made_up(tmp_path: Path):
    with pytest.raises(Unavailable) as refusal:
        load_master_key("", tmp_path / "data", may_create=False)

    assert refusal.value.code == "MASTER_KEY_MISSING"
    assert not (tmp_path / "data").exists()


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path):
    first = load_master_key("", tmp_path / "data", may_create=True)
    second = load_master_key("", tmp_path / "data", may_create=True)

    files = list((tmp_path / "data").iterdir())
    assert first == second
    assert [file.name for file in files] == ["master.key"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_threads_that_start_at_once_get_the_same_key(tmp_path: Path):
    got: list[bytes] = []
    ready = threading.Barrier(8)

    def start() -> None:
        ready.wait(30)
        got.append(load_master_key("", tmp_path, may_create=True))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(got) == 8
    assert len(set(got)) == 1


STARTER = """
import sys
from pathlib import Path
from finops_core.platform.crypto import load_master_key

print("ready", flush=True)
sys.stdin.readline()
print(load_master_key("", Path(sys.argv[1]), may_create=True).hex(), flush=True)
"""


@pytest.mark.slow
def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": Path(__file__).parents[2]}
    processes = [subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0].strip() for process in processes}

    assert len(keys) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["master.key"]
    assert (tmp_path / "master.key").read_text() == keys.pop()
