"""Stored files: sealed, once per content and organisation, seen only by their people, and never half there."""

import hashlib
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from threading import Barrier
from zipfile import ZipFile

import pytest
from sqlalchemy import func, select, text

from finops_core import audit, files
from finops_core.files.models import file_reference, stored_file
from finops_core.files.queries import key_place
from finops_core.files.service import Download
from finops_core.kernel.actor import worker_actor
from finops_core.kernel.clock import SystemClock
from finops_core.kernel.errors import FinOpsError, NotAllowed, NotFound, Unavailable
from finops_core.kernel.ids import new_id
from finops_core.kernel.permissions import Permission
from finops_core.platform.crypto import CHUNK_BYTES, seal_chunks
from finops_core.platform.db import open_owner_engine
from tests.desks import AreaDesk, area_desk, person_actor

CSV = b"currency\nUSD\nEUR\n"


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> AreaDesk:
    desk = area_desk(tmp_path, database_url)
    for person in ("person_ada", "person_ben"):
        desk.permissions[person] = frozenset({Permission.FILES_UPLOAD, Permission.FILES_VIEW_OWN})
    return desk


@pytest.fixture
def org(desk: AreaDesk) -> str:
    return desk.org()


def test_a_stored_file_comes_back_byte_for_byte_with_its_hash(desk: AreaDesk, org: str):
    stored = _store(desk, org)

    taken = _download(desk, org, stored.id)

    assert taken == Download("batch.csv", "text/csv", CSV)
    assert stored.sha256 == hashlib.sha256(CSV).hexdigest()
    assert (stored.size_bytes, stored.version, stored.available) == (len(CSV), 1, True)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_content_of_any_size_comes_back(desk: AreaDesk, org: str, size: int):
    content = (b"0123456789abcde\n" * (size // 16 + 1))[:size]

    stored = _store(desk, org, content)

    assert _download(desk, org, stored.id).content == content


def test_neither_content_nor_name_is_readable_on_disk(desk: AreaDesk, org: str):
    _store(desk, org, b"secret account GB29" * 100, name="Payroll Ada.csv")

    (path,) = _on_disk(desk)

    assert b"secret" not in path.read_bytes()
    assert "Payroll" not in str(path)
    assert path.stat().st_mode & 0o077 == 0


def test_the_same_bytes_twice_are_stored_once_and_used_twice(desk: AreaDesk, org: str):
    first = _store(desk, org, owner="ex_1")
    second = _store(desk, org, owner="ex_2", person="person_ben")

    assert first.id != second.id
    assert len(_on_disk(desk)) == 1
    assert _download(desk, org, second.id, "person_ben").content == CSV


def test_the_same_bytes_in_two_organisations_are_two_files_with_two_keys(desk: AreaDesk, org: str):
    other = desk.org("lake")

    _store(desk, org)
    _store(desk, other)

    assert len(_on_disk(desk)) == 2
    assert len({path.read_bytes() for path in _on_disk(desk)}) == 2


def test_other_bytes_under_the_same_name_are_the_next_version_and_the_first_stays(desk: AreaDesk, org: str):
    first = _store(desk, org, b"a")
    second = _store(desk, org, b"b")
    another = _store(desk, org, b"c", person="person_ben")

    assert [first.version, second.version, another.version] == [1, 2, 1]
    assert _download(desk, org, first.id).content == b"a"


def test_several_files_are_taken_as_one_zip_and_each_is_recorded(desk: AreaDesk, org: str):
    # Given three files, two of them of one name and one with a name that leads elsewhere
    first = _store(desk, org, b"a", name="result.csv")
    second = _store(desk, org, b"b", name="Result.csv")
    third = _store(desk, org, b"c", name="..csv:x|y.txt")
    # When all are taken, one of them asked for twice
    with desk.work(person_actor("person_ada", org)) as work:
        taken = files.download_all(work, [first.id, second.id, third.id, first.id])
    # Then each is there once, under a name of its own that leads nowhere
    with ZipFile(BytesIO(taken.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "result.csv": b"a",
            f"{second.id[-6:]}-Result.csv": b"b",
            "csv_x_y.txt": b"c",
        }
    # and each download stands in the log
    with desk.read(person_actor("person_ada", org)) as reading:
        assert dict(files.downloads(reading, [first.id, second.id, third.id])) == dict.fromkeys(
            (first.id, second.id, third.id), 1
        )


def test_of_several_files_all_are_given_or_none_and_never_too_many(desk: AreaDesk, org: str):
    mine, theirs = _store(desk, org), _store(desk, org, b"theirs", person="person_ben")
    desk.permissions["person_ada"] = frozenset({Permission.FILES_VIEW_OWN})

    for wanted, code in (
        ([mine.id, theirs.id], "FILE_UNKNOWN"),
        ([], "FILES_TOO_MANY"),
        ([f"fr_{number}" for number in range(51)], "FILES_TOO_MANY"),
    ):
        with pytest.raises(FinOpsError) as refused, desk.work(person_actor("person_ada", org)) as work:
            files.download_all(work, wanted)
        assert refused.value.code == code

    with desk.read(person_actor("person_ada", org)) as reading:
        assert files.downloads(reading, [mine.id]).get(mine.id, 0) == 0


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("batch.csv", "batch.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Ada\\batch.csv", "batch.csv"),
        ("Übersicht 2026 €.csv", "Übersicht 2026 €.csv"),
        ("a\r\nSet-Cookie: x.csv", "aSet-Cookie: x.csv"),
        ("evil\u202evsc.exe", "evilvsc.exe"),
        ("nul\x00.csv", "nul.csv"),
        ("\u200b", "file"),
        ("", "file"),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_name_is_kept_as_given_but_for_folders_and_what_prints_nothing(given: str, shown: str):
    assert files.rules.shown_name(given) == shown


def test_a_name_never_becomes_a_path(desk: AreaDesk, org: str):
    _store(desk, org, name="../../../outside.csv")

    (path,) = _on_disk(desk)
    assert path.parent.name == org
    assert path.name.startswith(hashlib.sha256(CSV).hexdigest())


def test_a_person_sees_only_what_they_uploaded_or_asked_for(desk: AreaDesk, org: str):
    ada = _store(desk, org, b"ada")
    for_ada = _store(desk, org, b"result", person="service:worker", visible_to="person_ada", role="output")
    by_ada_for_ben = _store(desk, org, b"given", visible_to="person_ben")

    with desk.read(person_actor("person_ben", org)) as reading:
        seen_by_ben = {view.id for view in files.page(reading, files.FileFilter()).rows}
        of_execution = files.of(reading, "execution", "ex_1")
    with desk.read(person_actor("person_ada", org)) as reading:
        seen_by_ada = [view.id for view in files.page(reading, files.FileFilter()).rows]

    assert seen_by_ben == {view.id for view in of_execution} == {by_ada_for_ben.id}
    assert seen_by_ada == [by_ada_for_ben.id, for_ada.id, ada.id]
    assert _refused(lambda: _download(desk, org, ada.id, "person_ben")) == "FILE_UNKNOWN"
    assert _download(desk, org, for_ada.id).content == b"result"


def test_whoever_may_view_all_files_sees_them(desk: AreaDesk, org: str):
    stored = _store(desk, org)
    desk.permissions["person_aud"] = frozenset({Permission.FILES_VIEW_ALL})

    assert _download(desk, org, stored.id, "person_aud").content == CSV


def test_without_any_permission_on_files_nothing_is_seen(desk: AreaDesk, org: str):
    stored = _store(desk, org)
    desk.permissions["person_ada"] = frozenset()

    with desk.read(person_actor("person_ada", org)) as reading:
        assert files.page(reading, files.FileFilter()).rows == ()
        assert files.of(reading, "execution", "ex_1") == ()
    assert _refused(lambda: _download(desk, org, stored.id)) == "FILE_UNKNOWN"


def test_no_door_leads_into_another_organisations_files(desk: AreaDesk, org: str):
    other = desk.org("lake")
    stored = _store(desk, org)
    desk.permissions["person_ada"] = frozenset(Permission)

    with desk.read(person_actor("person_ada", other)) as reading:
        assert files.page(reading, files.FileFilter()).rows == ()
        assert files.of(reading, "execution", "ex_1") == ()
        assert _refused(lambda: files.content(reading, stored.id)) == "FILE_UNKNOWN"
    assert _refused(lambda: _download(desk, other, stored.id)) == "FILE_UNKNOWN"


def test_storing_and_taking_a_file_are_recorded(desk: AreaDesk, org: str):
    stored = _store(desk, org)
    _download(desk, org, stored.id)

    with desk.read(person_actor("person_aud", org)) as reading:
        trail = audit.trail(reading, f"file:{stored.id}")

    assert [(view.verb, view.actor, view.after) for view in trail] == [
        ("file.stored", "person_ada", stored.sha256),
        ("file.downloaded", "person_ada", stored.sha256),
    ]
    assert "batch.csv" not in "".join(view.body for view in trail)


def test_an_edited_byte_on_disk_is_noticed(desk: AreaDesk, org: str):
    stored = _store(desk, org)
    (path,) = _on_disk(desk)

    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)

    assert _refused(lambda: _download(desk, org, stored.id)) == "SEAL_BROKEN"
    assert [verb for verb, _ in _verbs(desk, org)] == ["file.stored"]


@pytest.mark.parametrize("change", ["cut", "empty", "grown", "swapped"])
def test_a_cut_grown_or_swapped_file_on_disk_is_noticed(desk: AreaDesk, org: str, change: str):
    stored = _store(desk, org, b"x" * (2 * CHUNK_BYTES + 5))
    (path,) = _on_disk(desk)
    piece = CHUNK_BYTES + 16
    sealed = path.read_bytes()

    path.write_bytes(
        {
            "cut": sealed[: 2 * piece],
            "empty": b"",
            "grown": sealed + sealed[:piece],
            "swapped": sealed[piece : 2 * piece] + sealed[:piece] + sealed[2 * piece :],
        }[change]
    )

    assert _refused(lambda: _download(desk, org, stored.id)) == "SEAL_BROKEN"


def test_another_files_sealed_bytes_in_its_place_are_noticed(desk: AreaDesk, org: str):
    stored = _store(desk, org, b"first")
    (first,) = _on_disk(desk)
    _store(desk, org, b"second", name="other.csv")
    (second,) = set(_on_disk(desk)) - {first}

    first.write_bytes(second.read_bytes())

    assert _refused(lambda: _download(desk, org, stored.id)) == "SEAL_BROKEN"


def test_content_sealed_anew_with_the_right_key_is_noticed_by_its_hash(desk: AreaDesk, org: str):
    stored = _store(desk, org)
    with desk.read(worker_actor(org)) as reading:
        row = reading.rows(select(stored_file).where(stored_file.c.org_id == org))[0]
        key = reading.ports.vault.open(row.data_key, key_place(row.id))
        reading.ports.file_store.put(row.stored_name, seal_chunks(key, [b"forged"], row.stored_name))

    assert _refused(lambda: _download(desk, org, stored.id)) == "FILE_CHANGED"


def test_a_data_key_copied_to_another_row_does_not_open(desk: AreaDesk, org: str):
    stored = _store(desk, org, b"first")
    _store(desk, org, b"second", name="other.csv")
    engine = open_owner_engine(desk.settings)
    with engine.begin() as connection:
        take = "SELECT data_key FROM stored_file WHERE sha256 = :other"
        change = text(f"UPDATE stored_file SET data_key = ({take}) WHERE sha256 = :sha256")
        connection.execute(change, {"sha256": stored.sha256, "other": hashlib.sha256(b"second").hexdigest()})
    engine.dispose()

    assert _refused(lambda: _download(desk, org, stored.id)) == "SEAL_BROKEN"


def test_a_file_missing_on_disk_is_told_and_stored_again_with_the_next_upload(desk: AreaDesk, org: str):
    stored = _store(desk, org)
    _on_disk(desk)[0].unlink()

    assert _refused(lambda: _download(desk, org, stored.id)) == "FILE_MISSING"
    _store(desk, org)

    assert _download(desk, org, stored.id).content == CSV


def test_a_full_disk_stores_nothing_and_says_so(desk: AreaDesk, org: str):
    with _disk_that_holds(2 * CHUNK_BYTES):
        code = _refused(lambda: _store(desk, org, b"x" * (4 * CHUNK_BYTES)))

    assert code == "FILE_STORE_FAILED"
    assert [path for path in (desk.settings.data_dir / "files").rglob("*") if path.is_file()] == []
    assert _counts(desk, org) == (0, 0)
    assert _verbs(desk, org) == ()


def test_a_unit_that_fails_after_storing_leaves_no_row_and_an_orphan_that_is_swept_after_a_day(
    desk: AreaDesk, org: str
):
    kept = _store(desk, org, b"kept")
    desk.clock.advance(SystemClock().now() - desk.clock.now())  # stored names tell the real time
    with suppress(RuntimeError), desk.work(person_actor("person_ada", org)) as work:
        _store_in(work, b"lost")
        raise RuntimeError

    at_once = _sweep(desk)
    desk.clock.advance(timedelta(days=1, minutes=1))
    after_a_day = _sweep(desk)

    assert _counts(desk, org) == (1, 1)
    assert (at_once, after_a_day) == (0, 1)
    assert _download(desk, org, kept.id).content == b"kept"


def test_content_past_its_time_is_shredded_and_its_row_hash_and_trail_stay(desk: AreaDesk, org: str):
    stored = _store(desk, org, b"old")
    desk.clock.advance(timedelta(days=31))
    young = _store(desk, org, b"young", name="young.csv")

    shredded = _expire(desk, org, 30)

    with desk.read(person_actor("person_ada", org)) as reading:
        views = {view.id: view for view in files.page(reading, files.FileFilter()).rows}
    assert shredded == 1
    assert (views[stored.id].available, views[stored.id].sha256) == (False, stored.sha256)
    assert views[young.id].available
    assert _refused(lambda: _download(desk, org, stored.id)) == "FILE_SHREDDED"
    assert ("file.shredded", "service:worker") in _verbs(desk, org)
    assert _expire(desk, org, 30) == 0


def test_content_stored_again_lately_is_not_shredded(desk: AreaDesk, org: str):
    first = _store(desk, org)
    desk.clock.advance(timedelta(days=31))
    _store(desk, org, owner="ex_2")

    assert _expire(desk, org, 30) == 0
    assert _download(desk, org, first.id).content == CSV


def test_a_shredding_that_is_rolled_back_loses_nothing(desk: AreaDesk, org: str):
    stored = _store(desk, org)
    desk.clock.advance(timedelta(days=31))

    with suppress(RuntimeError), desk.work(worker_actor(org)) as work:
        files.expire(work, 30)
        raise RuntimeError

    assert _download(desk, org, stored.id).content == CSV


def test_shredded_bytes_go_with_the_next_sweep_and_the_same_content_can_come_again(desk: AreaDesk, org: str):
    stored = _store(desk, org)
    desk.clock.advance(timedelta(days=3650))
    _expire(desk, org, 30)

    swept = _sweep(desk)
    again = _store(desk, org)

    assert swept == 1
    assert _download(desk, org, again.id).content == CSV
    assert _download(desk, org, stored.id).content == CSV


def test_expiry_stays_within_its_organisation(desk: AreaDesk, org: str):
    other = desk.org("lake")
    stored = _store(desk, other)
    desk.clock.advance(timedelta(days=31))

    assert _expire(desk, org, 30) == 0
    assert _download(desk, other, stored.id).content == CSV


def test_only_the_worker_shreds_and_sweeps(desk: AreaDesk, org: str):
    ada = person_actor("person_ada", org)

    with pytest.raises(NotAllowed), desk.work(ada) as work:
        files.expire(work, 30)
    with pytest.raises(NotAllowed), desk.work(ada) as work, work.across_orgs("a test"):
        files.sweep(work)


def test_the_check_names_what_cannot_be_opened(desk: AreaDesk, org: str):
    _store(desk, org, b"sound", name="sound.csv")
    before = set(_on_disk(desk))
    _store(desk, org, b"broken")
    (path,) = set(_on_disk(desk)) - before

    with desk.read(worker_actor(org)) as reading:
        sound = files.check(reading)
        path.write_bytes(b"scribble")
        broken = files.check(reading)
        path.unlink()
        missing = files.check(reading)

    assert sound == []
    assert len(broken) == len(missing) == 1
    assert "cannot be opened" in broken[0]
    assert "not there any more" in missing[0]


def test_the_same_bytes_stored_by_many_at_once_are_one_file_and_many_versions(desk: AreaDesk, org: str):
    start = Barrier(6)

    def store() -> files.FileView:
        start.wait(20)
        return _store(desk, org)

    with ThreadPoolExecutor(6) as pool:
        stored = [future.result() for future in [pool.submit(store) for _ in range(6)]]

    assert _counts(desk, org) == (1, 6)
    assert sorted(view.version for view in stored) == [1, 2, 3, 4, 5, 6]
    assert {_download(desk, org, view.id).content for view in stored} == {CSV}


def test_the_master_key_opens_and_no_other(desk: AreaDesk, org: str, tmp_path: Path):
    from finops_core.platform.crypto import Vault

    with desk.read(worker_actor(org)):
        stored = _store(desk, org)
    with desk.read(worker_actor(org)) as reading:
        data_key = reading.scalar(select(stored_file.c.data_key).where(stored_file.c.org_id == org))
        file_id = reading.scalar(select(file_reference.c.file_id).where(file_reference.c.org_id == org))

    with pytest.raises(Unavailable):
        Vault(bytes(32)).open(data_key, key_place(file_id))
    assert stored.available


def test_an_unknown_file_is_not_found(desk: AreaDesk, org: str):
    with pytest.raises(NotFound):
        _download(desk, org, new_id("fr"))


def _store(
    desk: AreaDesk,
    org: str,
    content: bytes = CSV,
    *,
    name: str = "batch.csv",
    owner: str = "ex_1",
    person: str = "person_ada",
    visible_to: str = "",
    role: str = "input",
) -> files.FileView:
    desk.clock.advance(timedelta(seconds=1))
    actor = worker_actor(org) if person.startswith("service:") else person_actor(person, org)
    with desk.work(actor) as work:
        return _store_in(work, content, name=name, owner=owner, visible_to=visible_to or person, role=role)


def _store_in(work, content: bytes, *, name="batch.csv", owner="ex_1", visible_to="person_ada", role="input"):
    return files.store(
        work,
        content,
        filename=name,
        mime="text/csv",
        owner_kind="execution",
        owner_id=owner,
        role=role,
        visible_to=visible_to,
    )


def _download(desk: AreaDesk, org: str, reference_id: str, person: str = "person_ada") -> Download:
    with desk.work(person_actor(person, org)) as work:
        return files.download(work, reference_id)


def _expire(desk: AreaDesk, org: str, days: int) -> int:
    with desk.work(worker_actor(org)) as work:
        return files.expire(work, days)


def _sweep(desk: AreaDesk) -> int:
    with desk.work(worker_actor("")) as work, work.across_orgs("a test sweeps"):
        return files.sweep(work)


def _refused(act) -> str:
    with pytest.raises(FinOpsError) as refused:
        act()
    return refused.value.code


def _on_disk(desk: AreaDesk) -> list[Path]:
    return sorted(path for path in (desk.settings.data_dir / "files").rglob("*") if path.is_file())


def _counts(desk: AreaDesk, org: str) -> tuple[int, int]:
    with desk.read(worker_actor(org)) as reading:
        stored = select(func.count()).select_from(stored_file).where(stored_file.c.org_id == org)
        references = select(func.count()).select_from(file_reference).where(file_reference.c.org_id == org)
        return reading.scalar(stored), reading.scalar(references)


def _verbs(desk: AreaDesk, org: str) -> tuple[tuple[str, str], ...]:
    with desk.read(person_actor("person_aud", org)) as reading:
        rows = audit.records(reading, newest_first=False, limit=1000).rows
    return tuple((view.verb, view.actor) for view in rows)


@contextmanager
def _disk_that_holds(size: int) -> Iterator[None]:
    """Files of this process may not grow past ``size``: a write beyond it fails as on a full disk, after a part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
