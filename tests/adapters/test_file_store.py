"""Stored files in a folder: whole or not at all, private, and never outside."""

import stat
import threading

import pytest

from finops_core.adapters.file_store import CHUNK_BYTES, FolderFileStore
from finops_core.kernel.errors import Invalid, NotFound, Unavailable


@pytest.fixture
def store(tmp_path):
    return FolderFileStore(tmp_path / "files")


def test_what_is_put_is_got_again_in_pieces(store):
    content = b"x" * (CHUNK_BYTES + 1)

    store.put("fi_1", iter([content[:10], content[10:]]))

    assert [len(piece) for piece in store.get("fi_1")] == [CHUNK_BYTES, 1]
    assert b"".join(store.get("fi_1")) == content


def test_an_empty_file_and_the_same_name_again_are_no_errors(store):
    store.put("ab/fi_1.csv", iter([]))
    store.put("ab/fi_1.csv", iter([]))

    assert list(store.get("ab/fi_1.csv")) == []
    assert store.names() == ["ab/fi_1.csv"]


def test_only_the_owner_can_read_files_and_folders(store, tmp_path):
    store.put("ab/fi_1", iter([b"secret"]))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "files", *tmp_path.rglob("*")]}

    assert modes == {"files": 0o700, "ab": 0o700, "fi_1": 0o600}


def test_a_write_that_breaks_off_leaves_nothing_and_keeps_what_was_there(store, tmp_path):
    def broken():
        yield b"new"
        raise RuntimeError("source ended")

    store.put("fi_1", iter([b"old"]))

    with pytest.raises(RuntimeError):
        store.put("fi_1", broken())

    assert b"".join(store.get("fi_1")) == b"old"
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["fi_1"]


def test_deleting_is_done_once_and_asked_as_often_as_one_likes(store):
    store.put("fi_1", iter([b"x"]))

    store.delete("fi_1")
    store.delete("fi_1")

    assert not store.exists("fi_1")
    assert store.names() == []


def test_a_file_that_is_not_there_is_told_at_once(store):
    with pytest.raises(NotFound) as caught:
        store.get("fi_nope")

    assert caught.value.code == "FILE_MISSING"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a/b/c",
        ".hidden",
        "a/.hidden",
        "a\\b",
        "a\0b",
        "ä",
        "x\n",
        "a" * 201,
        "C:x",
    ],
)
def test_a_name_that_could_lead_outside_is_refused(store, name):
    uses = (
        store.exists,
        store.delete,
        store.get,
        lambda given: store.put(given, iter([b""])),
        lambda given: store.put_new(given, iter([b""])),
        lambda given: store.alone(given).__enter__(),
    )
    for use in uses:
        with pytest.raises(Invalid) as caught:
            use(name)
        assert caught.value.code == "FILE_NAME_BAD"


def test_a_store_that_cannot_write_says_so(store, tmp_path):
    (tmp_path / "files" / "ab").write_bytes(b"a file where a folder should be")

    with pytest.raises(Unavailable) as caught:
        store.put("ab/fi_1", iter([b"x"]))

    assert caught.value.code == "FILE_STORE_FAILED"


def test_a_name_is_taken_once(store):
    assert store.put_new("ab/fi_1", iter([b"first"]))
    assert not store.put_new("ab/fi_1", iter([b"second"]))

    assert b"".join(store.get("ab/fi_1")) == b"first"
    assert store.names() == ["ab/fi_1"]


def test_of_many_at_once_exactly_one_takes_the_name(store, tmp_path):
    won = []
    gate = threading.Barrier(8)

    def take(number):
        gate.wait()
        if store.put_new("ab/fi_1", iter([bytes([number]) * 100_000])):
            won.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert b"".join(store.get("ab/fi_1")) == bytes(won) * 100_000
    assert [path.name for path in (tmp_path / "files" / "ab").iterdir()] == ["fi_1"]


def test_taking_a_name_breaks_off_without_a_trace(store, tmp_path):
    def broken():
        yield b"new"
        raise RuntimeError("source ended")

    with pytest.raises(RuntimeError):
        store.put_new("fi_1", broken())

    assert list((tmp_path / "files").iterdir()) == []
    assert store.put_new("fi_1", iter([b"whole"]))


def test_a_name_is_held_by_one_at_a_time(store):
    with store.alone("ab/x"), store.alone("ab/y"):
        with pytest.raises(Unavailable) as caught, store.alone("ab/x", wait_s=0.05):
            pass
        assert caught.value.code == "FILE_STORE_BUSY"
        assert store.names() == []

    with store.alone("ab/x", wait_s=0):
        store.put("ab/x", iter([b"the name itself stays free"]))
    assert store.names() == ["ab/x"]


def test_an_error_inside_frees_the_name(store):
    with pytest.raises(RuntimeError), store.alone("x"):
        raise RuntimeError

    with store.alone("x", wait_s=0):
        assert not store.exists("x")


def test_the_names_of_one_folder_are_told_apart(store):
    for name in ("ab/1", "abc/1", "ab.x", "c"):
        store.put(name, iter([b""]))

    assert store.names("ab") == ["ab/1"]
    assert store.names("none") == []
    assert store.names() == ["ab.x", "ab/1", "abc/1", "c"]
