"""Rules of backups that need no server: records, plans, the archive's names, keys, counts."""

import datetime as dt
import gzip
import hashlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.db.backup import wal
from cloud.db.backup.checks import compare_counts
from cloud.db.backup.folder import identity
from cloud.db.backup.keyring import compare
from cloud.db.backup.planning import chain, plan, spent
from cloud.db.backup.record import BackupRecord, StationCounts, lsn_bytes, parse, render
from cloud.db.backup.server import ServerFacts
from cloud.errors import BackupError
from launcher.backups import moment
from launcher.errors import LauncherError

SEGMENT = 16 << 20
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
WEEK = dt.timedelta(days=7)


def counts(**changes: object) -> StationCounts:
    given = {
        "batches": 10,
        "samples": 100,
        "ledger": "00000000000000aa",
        "epochs": 1,
        "blocks": 4,
        "rollup_blocks": 2,
        "waiting": 1,
    }
    return StationCounts(**given | changes)


def record(name: str = "000001-full", **changes: object) -> BackupRecord:
    given = {
        "name": name,
        "kind": name.split("-")[1],
        "parent": None,
        "began_at": NOON,
        "ended_at": NOON + dt.timedelta(minutes=1),
        "system_identifier": "7",
        "timeline": 1,
        "start_lsn": "0/3000028",
        "end_lsn": "0/3000120",
        "postgresql": "18.6",
        "migration": 2,
        "wal_segment_bytes": SEGMENT,
        "wal_archived": True,
        "bytes": 1,
        "store_bytes": 1,
        "before": {"alpha": counts()},
        "after": {"alpha": counts()},
        "keys": {"telemetry.pem": "ab"},
        "keys_in_token": False,
        "files": {"backup_manifest": "cd"},
    }
    return BackupRecord(**given | changes)


def server(**changes: object) -> ServerFacts:
    given = {
        "now": NOON + dt.timedelta(days=1),
        "version": "18.7",
        "migration": 2,
        "segment_bytes": SEGMENT,
        "store_bytes": 1,
        "archives": True,
        "summarizes": True,
        "system_identifier": "7",
        "timeline": 1,
    }
    return ServerFacts(**given | changes)


def test_a_record_is_read_as_it_was_written():
    written = record()

    assert parse(render(written), Path("backup.json")) == written


@given(st.data())
def test_any_altered_byte_of_a_record_is_found(data):
    text = bytearray(render(record()).encode())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= data.draw(st.integers(1, 127))

    with pytest.raises(BackupError):
        parse(text.decode(), Path("backup.json"))


def test_a_position_in_the_log_names_its_segment():
    one = record(start_lsn="1/FF000028", end_lsn="2/0")

    assert lsn_bytes("1/0") == 1 << 32
    assert one.first_segment == one.last_segment == 511


FULL = record()
NEXT = record("000002-incremental", parent="000001-full")


@pytest.mark.parametrize(
    ("records", "facts", "full", "kind"),
    [
        ([], server(), False, "full"),
        ([FULL, NEXT], server(), False, "incremental"),
        ([FULL, NEXT], server(), True, "full"),
        ([FULL, NEXT], server(timeline=2), False, "full"),
        ([FULL, NEXT], server(system_identifier="8"), False, "full"),
        ([FULL, NEXT], server(version="19.1"), False, "full"),
        ([FULL, NEXT], server(summarizes=False), False, "full"),
        ([FULL, NEXT], server(now=NOON + dt.timedelta(days=8)), False, "full"),
        ([NEXT], server(), False, "full"),
    ],
)
def test_the_next_backup_builds_on_the_last_one_where_it_can(records, facts, full, kind):
    chosen = plan(records, facts, WEEK, full=full)

    assert chosen.kind == kind
    assert chosen.parent == (records[-1] if kind == "incremental" else None)
    assert chosen.why


def test_a_chain_goes_from_the_full_backup_to_the_wanted_one():
    last = record("000003-incremental", parent="000002-incremental")
    other = record("000004-full")

    assert chain([FULL, NEXT, last, other], last.name) == [FULL, NEXT, last]


def test_a_chain_with_a_missing_link_is_refused_by_name():
    with pytest.raises(BackupError, match="builds on 000001-full, which is missing"):
        chain([NEXT], NEXT.name)


def test_old_chains_go_whole_and_newest_first():
    records = [FULL, NEXT, record("000003-full"), record("000004-full")]

    assert spent(records, 2) == ["000002-incremental", "000001-full"]
    assert spent(records, 3) == []


def test_names_of_segments_are_those_of_postgresql():
    name = wal.segment_name(1, 256 + 3, SEGMENT)

    assert name == "000000010000000100000003"
    assert wal.position(name, SEGMENT) == (1, 259)
    assert wal.position("00000002.history", SEGMENT) is None


@given(st.sets(st.integers(0, 40)))
def test_missing_segments_and_present_ones_make_the_whole(present):
    runs = wal.missing(present, 0, 40)

    absent = [number for first, last in runs for number in range(first, last + 1)]
    assert sorted(absent + list(present)) == list(range(41))
    assert all(after[0] > before[1] + 1 for before, after in pairwise(runs))


def stored(folder: Path, content: bytes) -> wal.Piece:
    packed = gzip.compress(content, 1)
    digits = hashlib.sha256(packed).hexdigest()[:16]
    (folder / f"000000010000000000000003-{digits}.gz").write_bytes(packed)
    (piece,) = wal.pieces(folder, len(content))
    return piece


def test_any_altered_byte_of_a_piece_of_the_log_is_found(tmp_path):
    content = bytes(range(256)) * 64
    piece = stored(tmp_path, content)
    packed = piece.path.read_bytes()

    assert piece.content(len(content)) == content
    for place in range(len(packed)):
        piece.path.write_bytes(packed[:place] + bytes([packed[place] ^ 1]) + packed[place + 1 :])
        with pytest.raises(ValueError, match="SHA-256"):
            piece.content(len(content))


def test_a_segment_of_the_wrong_length_is_found(tmp_path):
    piece = stored(tmp_path, b"short")

    with pytest.raises(ValueError, match="holds 5 bytes"):
        piece.content(SEGMENT)


def keys_of(folder: Path, **content: str) -> dict[str, str]:
    """Write key files (an underscore in a name stands for a dot) and return their fingerprints."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    prints = {}
    for name, text in content.items():
        file = name.replace("__", "-").replace("_", ".")
        (folder / file).write_text(text)
        prints[file] = hashlib.sha256(text.encode()).hexdigest()
    return prints


def test_the_keys_of_the_backup_fit(tmp_path):
    prints = keys_of(tmp_path / "keys", key__encryption_key="a", telemetry_pem="b")

    assert compare(prints, tmp_path / "keys") == []


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ({"key__encryption_key": "x", "telemetry_pem": "b"}, "key-encryption.key is another"),
        ({"key__encryption_key": "a", "telemetry_pem": "x"}, "telemetry.pem is another one"),
        ({"key__encryption_key": "a"}, "telemetry.pem is missing"),
        ({"telemetry_pem": "b"}, "key-encryption.key is missing"),
    ],
)
def test_wrong_keys_are_refused_by_name(tmp_path, found, named):
    prints = keys_of(tmp_path / "keys", key__encryption_key="a", telemetry_pem="b")
    keys_of(tmp_path / "keys", **found)

    with pytest.raises(BackupError, match=named):
        compare(prints, tmp_path / "keys")


def test_a_rotated_key_may_have_replaced_the_old_one(tmp_path):
    prints = keys_of(tmp_path / "keys", key__encryption_key="a", telemetry_pem="b")
    keys_of(tmp_path / "keys", key__encryption_2_key="c", telemetry_pem="b")

    (warning,) = compare(prints, tmp_path / "keys")

    assert "key-encryption.key: is gone" in warning


def test_a_renewed_certificate_is_only_a_warning(tmp_path):
    prints = keys_of(tmp_path / "keys", authority_pem="a", telemetry_pem="b")
    keys_of(tmp_path / "keys", authority_pem="c", telemetry_pem="b")

    (warning,) = compare(prints, tmp_path / "keys")

    assert "authority.pem: is not the one in use" in warning


BUSY = {
    "before": {"alpha": counts()},
    "after": {"alpha": counts(batches=12, samples=120, ledger="00000000000000bb", blocks=3)},
}


@pytest.mark.parametrize(
    ("backup", "found", "beyond", "named"),
    [
        ({}, counts(), False, None),
        ({}, counts(blocks=3), False, "3 blocks, the backup had 4"),
        ({}, counts(blocks=3), True, None),
        ({}, counts(batches=9), True, "9 batches, the backup had 10"),
        ({}, counts(batches=11, samples=110), True, None),
        ({}, counts(batches=11), False, "11 batches, the backup had 10"),
        ({}, counts(ledger="00000000000000ab"), True, "hashes of its 10 messages"),
        (BUSY, counts(batches=11, samples=110, blocks=9), False, None),
        (BUSY, counts(batches=13, samples=110), False, "13 batches, the backup had 10 to 12"),
        (BUSY, counts(batches=12, samples=120), False, "hashes of its 12 messages"),
    ],
)
def test_a_restored_store_is_compared_with_its_backup(backup, found, beyond, named):
    findings = compare_counts(record(**backup), {"alpha": found}, beyond=beyond)

    assert [named in one for one in findings] == ([True] if named else [])


def test_a_missing_station_is_found():
    assert compare_counts(record(), {}, beyond=True) == ["station alpha: is missing"]


def test_a_moment_needs_its_time_zone():
    assert moment("2026-10-03T18:15:00+08:00") == moment("2026-10-03T10:15:00Z")
    with pytest.raises(LauncherError, match="add the time zone"):
        moment("2026-10-03T10:15:00")
    with pytest.raises(LauncherError, match="is no time"):
        moment("yesterday")


def test_an_identity_is_made_once_and_one_that_a_kill_left_empty_is_made_again(tmp_path):
    (tmp_path / "identity").touch()

    made = identity(tmp_path)

    assert len(bytes.fromhex(made)) == 16
    assert identity(tmp_path) == made
    assert [path.name for path in tmp_path.iterdir()] == ["identity"]
