"""Every way of changing the log is named: on both databases, the guards really off, the rows really changed."""

import json
from pathlib import Path

import pytest

from finops_core.audit.heads import HeadLine, parse
from finops_core.audit.rules import Frontier, leaf_hash
from tests.audit.logs import Log, log_with, plain_root

SHIFT_UP = (
    "UPDATE audit_leaf SET position = -position - 1 WHERE position >= :at",
    "UPDATE audit_leaf SET position = -position WHERE position < 0",
)
SHIFT_DOWN = (
    "UPDATE audit_leaf SET position = -position WHERE position > :at",
    "UPDATE audit_leaf SET position = -position - 1 WHERE position < 0",
)
FORGED = (
    '{"actor":"person_eve","after":"","at":"2026-11-20T09:00:03.500000Z","before":"","detail":{},"id":"au_forged",'
    '"object":"payout:po_x","on_behalf_of":null,"org":"o","v":1,"verb":"approval.approved","via":"page"}'
)


@pytest.fixture
def log_and_ids(tmp_path: Path, database_url: str) -> tuple[Log, list[str]]:
    return log_with(tmp_path, database_url)


def test_a_sound_log_verifies_and_tells_its_head(log_and_ids):
    log, ids = log_and_ids
    log.write(2)

    result = log.verify()

    leaves = [bytes.fromhex(leaf) for line in _lines(log) for leaf in line.leaves]
    assert result.ok
    assert (result.size, result.records, result.unsealed) == (10, 12, 2)
    assert result.root == plain_root(leaves).hex()
    assert len(ids) == 10


def test_an_empty_log_verifies(tmp_path: Path, database_url: str):
    log, _ = log_with(tmp_path, database_url, batches=())

    result = log.verify()

    assert (result.ok, result.size, result.records) == (True, 0, 0)


def test_an_edited_record_is_named(log_and_ids):
    log, ids = log_and_ids

    log.tamper("UPDATE audit_record SET body = replace(body, 'payout.sent', 'payout.held') WHERE id = :id", id=ids[5])

    assert log.found() == [(5, ids[5])]


def test_a_record_edited_together_with_its_leaf_row_is_named(log_and_ids):
    log, ids = log_and_ids

    _edit_with_leaf(log, 5, ids[5])

    assert log.found() == [(5, ids[5])]


def test_a_record_rewritten_with_leaf_and_every_head_in_the_database_is_named_by_the_outside_record(log_and_ids):
    log, ids = log_and_ids

    leaves = _edit_with_leaf(log, 2, ids[2])
    _rewrite_heads(log, leaves)

    assert (2, ids[2]) in log.found()


def test_an_edited_id_column_is_named(log_and_ids):
    log, ids = log_and_ids

    log.tamper(
        "UPDATE audit_record SET id = 'au_other' WHERE id = :id",
        "UPDATE audit_leaf SET record_id = 'au_other' WHERE record_id = :id",
        id=ids[5],
    )

    assert log.found() == [(5, "au_other")]


def test_a_deleted_record_is_named(log_and_ids):
    log, ids = log_and_ids

    log.tamper("DELETE FROM audit_record WHERE id = :id", id=ids[5])

    assert log.found() == [(5, ids[5])]


def test_a_record_deleted_with_its_leaf_row_is_named_by_position(log_and_ids):
    log, ids = log_and_ids

    log.tamper("DELETE FROM audit_record WHERE id = :id", "DELETE FROM audit_leaf WHERE record_id = :id", id=ids[5])

    assert log.found() == [(5, "")]


def test_a_deleted_leaf_row_is_named_with_the_record_that_has_lost_it(log_and_ids):
    log, ids = log_and_ids

    log.tamper("DELETE FROM audit_leaf WHERE record_id = :id", id=ids[5])

    assert log.found() == [(5, ids[5])]


def test_a_record_deleted_with_the_following_ones_moved_up_is_named(log_and_ids):
    log, ids = log_and_ids

    log.tamper("DELETE FROM audit_record WHERE id = :id", "DELETE FROM audit_leaf WHERE record_id = :id", id=ids[5])
    log.tamper(*SHIFT_DOWN, at=5)

    assert log.found() == [(5, ""), (5, ids[6])]
    assert log.verify().findings[1].what == "The records at positions 5 to 8 were moved; sealed from 6 on."


def test_an_inserted_record_that_moves_the_following_ones_is_named(log_and_ids):
    log, ids = log_and_ids

    log.tamper(*SHIFT_UP, at=5)
    _insert(log, position=5)

    found = log.verify().findings
    assert [(finding.position, finding.record_id) for finding in found] == [(5, "au_forged"), (6, ids[5]), (10, ids[9])]
    assert "inserted" in found[0].what
    assert "moved" in found[1].what


def test_an_inserted_record_with_a_leaf_row_past_the_head_is_named(log_and_ids):
    log, _ = log_and_ids

    _insert(log, position=10)

    assert log.found() == [(10, "au_forged")]


def test_an_inserted_record_with_a_leaf_row_before_the_first_is_named(log_and_ids):
    log, _ = log_and_ids

    _insert(log, position=-7)

    assert log.found() == [(-7, "au_forged")]


def test_an_inserted_record_with_leaf_and_head_is_named_by_the_outside_record(log_and_ids):
    log, _ = log_and_ids

    leaves = [bytes.fromhex(leaf) for line in _lines(log) for leaf in line.leaves]
    _insert(log, position=10)
    _rewrite_heads(log, [*leaves, leaf_hash(FORGED.encode())], sizes=[11])

    result = log.verify()
    assert not result.ok
    assert result.findings[0].position == 10
    assert "heads.jsonl has no line for positions 10 to 10" in result.findings[0].what


def test_a_back_dated_record_without_a_leaf_row_is_named_and_never_sealed(log_and_ids):
    log, _ = log_and_ids
    log.desk.clock.advance(_minutes(30))
    log.write(1)
    log.seal()

    log.tamper("INSERT INTO audit_record (id, body) VALUES ('au_forged', :body)", body=FORGED)
    log.seal()

    assert log.found() == [(None, "au_forged")]


def test_two_records_that_changed_places_are_named(log_and_ids):
    log, ids = log_and_ids

    log.tamper(
        "UPDATE audit_leaf SET position = 100 WHERE position = 3",
        "UPDATE audit_leaf SET position = 3 WHERE position = 7",
        "UPDATE audit_leaf SET position = 7 WHERE position = 100",
    )

    found = log.verify().findings
    assert [(finding.position, finding.record_id) for finding in found] == [(3, ids[7]), (7, ids[3])]
    assert "sealed at position 7 and moved here" in found[0].what


def test_the_last_record_cut_with_leaf_and_head_is_named_by_position(log_and_ids):
    log, _ = log_and_ids
    last = log.write(1)[0]
    log.seal()

    log.tamper(
        "DELETE FROM audit_record WHERE id = :id",
        "DELETE FROM audit_leaf WHERE record_id = :id",
        "DELETE FROM audit_head WHERE size = 11",
        id=last,
    )

    assert log.found() == [(10, "")]
    assert "cut" in log.verify().findings[0].what


def test_the_last_record_cut_with_its_leaf_row_but_not_the_head_is_named(log_and_ids):
    log, ids = log_and_ids

    log.tamper("DELETE FROM audit_record WHERE id = :id", "DELETE FROM audit_leaf WHERE record_id = :id", id=ids[9])

    assert log.found() == [(9, "")]


def test_a_log_emptied_altogether_is_named(log_and_ids):
    log, _ = log_and_ids

    log.tamper("DELETE FROM audit_record", "DELETE FROM audit_leaf", "DELETE FROM audit_head")

    assert log.found() == [(0, "")]


def test_a_cut_is_not_hidden_by_dating_its_line_in_the_future(log_and_ids):
    log, _ = log_and_ids
    last = log.write(1)[0]
    log.seal()

    log.tamper(
        "DELETE FROM audit_record WHERE id = :id",
        "DELETE FROM audit_leaf WHERE record_id = :id",
        "DELETE FROM audit_head WHERE size = 11",
        id=last,
    )
    lines = _lines(log)
    lines[-1] = HeadLine("2099-01-01T00:00:00.000000Z", 11, lines[-1].root, lines[-1].leaves)
    log.heads.write_bytes(b"".join(line.to_bytes() for line in lines))

    assert log.found() == [(10, "")]


def test_an_edited_leaf_row_is_named(log_and_ids):
    log, ids = log_and_ids

    log.tamper("UPDATE audit_leaf SET leaf_hash = 'nonsense' WHERE position = 4")

    assert log.found() == [(4, ids[4])]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE audit_head SET root = replace(root, substr(root, 1, 1), 'x') WHERE size = 5", "its root is wrong"),
        ("UPDATE audit_head SET root = 'x' WHERE size = 10", "its root is wrong"),
        ("DELETE FROM audit_head WHERE size = 5", "is gone from the database"),
        ("UPDATE audit_head SET frontier = '[]' WHERE size = 10", "frontier"),
        ("UPDATE audit_head SET at = '2026-11-20 08:00:00.000000' WHERE size = 5", "another instant"),
        ("UPDATE audit_head SET size = 1000000000000 WHERE size = 5", "A head of 1000000000000 records was put in"),
    ],
)
def test_an_edited_head_is_named(log_and_ids, change: str, says: str):
    log, _ = log_and_ids

    log.tamper(change)

    assert any(says in finding.what for finding in log.verify().findings)


def test_a_missing_outside_record_is_named(log_and_ids):
    log, _ = log_and_ids

    log.heads.unlink()

    assert [finding.what for finding in log.verify().findings] == ["The outside record, heads.jsonl, is missing."]


@pytest.mark.parametrize(("kept", "position"), [(slice(0, 2), 5), (slice(0, 0), 0), (slice(1, 3), 0)])
def test_a_cut_outside_record_is_named(log_and_ids, kept: slice, position: int):
    log, _ = log_and_ids

    log.heads.write_bytes(b"".join(line.to_bytes() for line in _lines(log)[kept]))

    found = log.verify().findings
    assert [finding.position for finding in found][:1] == [position]
    assert "cut" in found[0].what


def test_a_line_cut_out_of_the_middle_is_named(log_and_ids):
    log, _ = log_and_ids
    lines = _lines(log)

    log.heads.write_bytes(lines[0].to_bytes() + lines[2].to_bytes())

    found = log.verify().findings
    assert "heads.jsonl has no line for positions 4 to 4" in found[0].what


def test_a_last_line_cut_short_is_named(log_and_ids):
    log, _ = log_and_ids

    log.heads.write_bytes(log.heads.read_bytes()[:-10])

    assert log.found()[0] == (5, "")


@pytest.mark.parametrize(
    ("field", "value"),
    [("root", "ab" * 32), ("leaves", ["ab" * 32]), ("at", "2026-11-20T08:00:00.000000Z"), ("size", 7), ("size", "5")],
)
def test_an_edited_line_of_the_outside_record_is_named_and_no_record_is_blamed(log_and_ids, field: str, value: object):
    log, _ = log_and_ids
    lines = [json.loads(raw) for raw in log.heads.read_text(encoding="utf-8").splitlines()]

    lines[1][field] = value
    log.heads.write_text("".join(_text(line) for line in lines), encoding="utf-8")

    result = log.verify()
    assert not result.ok
    assert all("heads.jsonl" in finding.what for finding in result.findings)
    assert all(finding.record_id == "" for finding in result.findings)


@pytest.mark.parametrize(
    "scribble", ["garbage\n", '{"at": "2026-11-20T09:00:00.000000Z", "leaves": [], "root": "", "size": 10}\n']
)
def test_anything_scribbled_into_the_outside_record_is_named(log_and_ids, scribble: str):
    log, _ = log_and_ids

    log.heads.write_bytes(log.heads.read_bytes() + scribble.encode())

    assert [finding.what for finding in log.verify().findings] == [
        "Line 4 of heads.jsonl was edited: it cannot be read."
    ]


def test_one_space_more_in_a_line_is_named(log_and_ids):
    log, _ = log_and_ids

    log.heads.write_bytes(log.heads.read_bytes().replace(b'"size":5', b'"size": 5'))

    assert any("Line 2 of heads.jsonl was edited" in finding.what for finding in log.verify().findings)


def test_a_head_put_in_between_two_others_is_named(log_and_ids):
    log, _ = log_and_ids
    leaves = [bytes.fromhex(leaf) for line in _lines(log) for leaf in line.leaves]

    _rewrite_heads(log, leaves, sizes=[7])

    assert [finding.what for finding in log.verify().findings] == [
        "The database has a head of 7 records that heads.jsonl does not know."
    ]


def test_a_line_written_twice_is_named(log_and_ids):
    log, _ = log_and_ids

    log.heads.write_bytes(log.heads.read_bytes() + _lines(log)[2].to_bytes())

    assert "does not follow" in log.verify().findings[0].what


def test_record_leaf_and_outside_leaf_changed_alike_cannot_be_proven(log_and_ids):
    log, ids = log_and_ids

    leaves = _edit_with_leaf(log, 4, ids[4])
    lines = _lines(log)
    lines[1] = HeadLine(lines[1].at, lines[1].size, lines[1].root, (leaves[4].hex(),))
    log.heads.write_bytes(b"".join(line.to_bytes() for line in lines))

    assert log.found() == [(4, "")]
    assert "nothing can be proven" in log.verify().findings[0].what


def test_a_log_rewritten_with_its_outside_record_is_shown_by_a_head_noted_elsewhere(log_and_ids):
    log, ids = log_and_ids
    noted = log.verify()

    leaves = _edit_with_leaf(log, 4, ids[4])
    roots = _rewrite_heads(log, leaves)
    lines = [
        HeadLine(line.at, line.size, roots[line.size], tuple(leaf.hex() for leaf in leaves[line.first : line.size]))
        for line in _lines(log)
    ]
    log.heads.write_bytes(b"".join(line.to_bytes() for line in lines))

    assert log.verify().ok
    assert not log.verify(noted=(noted.size, noted.root)).ok


def test_a_head_noted_earlier_still_verifies_when_the_log_has_grown(log_and_ids):
    log, _ = log_and_ids
    noted = log.verify()

    log.write(3)
    log.seal()

    assert log.verify(noted=(noted.size, noted.root)).ok
    assert not log.verify(noted=(noted.size, "ab" * 32)).ok


def _lines(log: Log) -> list[HeadLine]:
    lines = [parse(raw) for raw in log.heads.read_bytes().splitlines(keepends=True)]
    return [line for line in lines if line]


def _text(fields: dict[str, object]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n"


def _minutes(count: int):
    from datetime import timedelta

    return timedelta(minutes=count)


def _insert(log: Log, position: int) -> None:
    log.tamper(
        "INSERT INTO audit_record (id, body) VALUES ('au_forged', :body)",
        "INSERT INTO audit_leaf (position, record_id, leaf_hash) VALUES (:position, 'au_forged', :leaf)",
        body=FORGED,
        position=position,
        leaf=leaf_hash(FORGED.encode()).hex(),
    )


def _edit_with_leaf(log: Log, position: int, record_id: str) -> list[bytes]:
    """Edit a record and its leaf row alike; all leaves as they are then."""
    leaves = [bytes.fromhex(leaf) for line in _lines(log) for leaf in line.leaves]
    with log.desk.read(_system(log)) as reading:
        from finops_core import audit

        (view,) = [view for view in audit.records(reading).rows if view.id == record_id]
    body = view.body.replace("payout.sent", "payout.held")
    leaves[position] = leaf_hash(body.encode())
    log.tamper(
        "UPDATE audit_record SET body = :body WHERE id = :id",
        "UPDATE audit_leaf SET leaf_hash = :leaf WHERE position = :position",
        body=body,
        id=record_id,
        leaf=leaves[position].hex(),
        position=position,
    )
    return leaves


def _system(log: Log):
    from finops_core.kernel.actor import system_actor

    return system_actor(log.org_id)


def _rewrite_heads(log: Log, leaves: list[bytes], sizes: list[int] | None = None) -> dict[int, str]:
    """Give the database's heads the roots of these leaves (or add heads of these sizes); size -> root."""
    tree, roots = Frontier(), {}
    for leaf in leaves:
        tree.push(leaf)
        roots[tree.size] = tree.root().hex()
        frontier = json.dumps([peak.hex() for peak in tree.peaks])
        values = {"root": roots[tree.size], "frontier": frontier, "size": tree.size}
        if sizes is None:
            log.tamper("UPDATE audit_head SET root = :root, frontier = :frontier WHERE size = :size", **values)
        elif tree.size in sizes:
            log.tamper(
                "INSERT INTO audit_head (size, root, frontier, at) VALUES (:size, :root, :frontier, :at)",
                at="2026-11-20 09:30:00.000000",
                **values,
            )
    return roots
