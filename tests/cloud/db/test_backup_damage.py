"""One altered byte in a folder of backups is found and named, and never restored."""

import datetime as dt
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from cloud.db.backup import Wish, back_up, restore, verify_backups
from cloud.db.backup.folder import BackupFolder
from cloud.errors import BackupError
from tests.cloud.db.living_store import LivingStore, counts, living_store


@pytest.fixture(scope="module")
def store() -> Iterator[LivingStore]:
    """A store with a full and an incremental backup and a piece of log beyond them."""
    with living_store() as made:
        back_up(made.config, None, print)
        made.write()
        back_up(made.config, None, print)
        made.write()
        made.archive()
        made.write()
        made.archive()
        yield made


@contextmanager
def flipped(path: Path, place: int) -> Iterator[None]:
    """One bit of one byte of a file is wrong for a while."""
    mode, times = path.stat().st_mode, path.stat()
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        yield
    finally:
        path.write_bytes(good)
        path.chmod(mode)


def file_with(folder: Path, content: bytes) -> tuple[Path, int]:
    """The file below `folder` that holds these bytes, and where."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (place := path.read_bytes().find(content)) >= 0:
            return path, place
    raise AssertionError(content)


def a_block(store: LivingStore) -> bytes:
    """Some bytes from within a sealed block (less than a piece of TOAST)."""
    with psycopg.connect(store.server.dsn) as conn:
        (body,) = conn.execute("SELECT body FROM blocks ORDER BY hour_ms LIMIT 1").fetchone()
    return body[100:400]


def test_a_flipped_byte_of_a_block_is_found_and_not_restored(store):
    path, place = file_with(store.backups / "000001-full" / "data" / "base", a_block(store))
    name = path.relative_to(store.backups / "000001-full" / "data").as_posix()

    with flipped(path, place):
        findings = verify_backups(store.backups, print)
        with pytest.raises(BackupError, match="the backup is damaged") as refused:
            restore(Wish(store.backups, store.restored("damaged")), print)

    assert findings == [f'000001-full: checksum mismatch for file "{name}"']
    assert name in str(refused.value)
    assert [path.name for path in (store.root / "damaged").iterdir()] == ["keys"]


def test_a_flipped_byte_of_the_log_is_found_and_not_replayed(store):
    pieces = sorted(BackupFolder(store.backups).wal.glob("*.gz"))
    last = pieces[-2]

    with flipped(last, 3_000):
        findings = verify_backups(store.backups, print)
        with pytest.raises(BackupError, match="newest moment cannot be restored") as refused:
            restore(Wish(store.backups, store.restored("bad-log")), print)
        reached = restore(Wish(store.backups, store.restored("end"), no_log=True), print)

    assert findings == [f"wal/{last.name}: was altered: its SHA-256 does not fit its name"]
    assert last.name in str(refused.value)
    assert reached == []
    assert counts(store.root / "end") == (8, 3_620, 6, 2)


def test_a_missing_piece_of_the_log_is_named(store):
    pieces = sorted(BackupFolder(store.backups).wal.glob("*.gz"))
    gone = pieces[-2].rename(store.root / pieces[-2].name)
    try:
        findings = verify_backups(store.backups, print)
        with pytest.raises(BackupError, match=f"segment {gone.name[:24]} is missing"):
            restore(Wish(store.backups, store.restored("gap")), print)
    finally:
        shutil.move(gone, pieces[-2])

    assert findings == [f"wal: segment {gone.name[:24]} is missing"]


def test_a_flipped_byte_of_a_record_is_found(store):
    with flipped(store.backups / "000001-full" / "backup.json", 500):
        findings = verify_backups(store.backups, print)

    assert "000001-full/backup.json: " in findings[0]
    assert findings[1].startswith("000002-incremental: builds on 000001-full, which is missing")


def test_a_flipped_byte_of_any_file_is_found_and_its_file_named(store):
    files = [
        path
        for path in sorted(store.backups.rglob("*"))
        if path.is_file() and path.stat().st_size and path.name != "owner"
    ]
    chance = random.Random(3)
    special = ("backup_manifest", "postgresql.auto.conf", "backup_label", "pg_control")
    chosen = [path for path in files if path.name in special or path.parent.name == "pg_wal"]
    chosen += chance.sample(files, 12)

    for path in chosen:
        place = chance.randrange(path.stat().st_size)
        with flipped(path, place):
            findings = verify_backups(store.backups, lambda _: None)

        assert any(path.name in finding for finding in findings), (path, place, findings)


def test_a_missing_link_of_a_chain_is_named(store):
    full = store.backups / "000001-full"
    full.rename(store.root / "elsewhere")
    try:
        findings = verify_backups(store.backups, print)
        with pytest.raises(BackupError, match="builds on 000001-full, which is missing"):
            restore(Wish(store.backups, store.restored("linkless")), print)
    finally:
        (store.root / "elsewhere").rename(full)

    assert findings[0].startswith("000002-incremental: builds on 000001-full, which is missing")


def test_a_restored_store_with_a_damaged_block_is_not_put_in_place():
    with living_store() as made:
        with psycopg.connect(made.server.dsn) as conn:
            conn.execute(
                "UPDATE blocks SET body = set_byte(body, 60, get_byte(body, 60) # 1)"
                " WHERE hour_ms = (SELECT min(hour_ms) FROM blocks)"
            )
        back_up(made.config, None, print)

        findings = restore(Wish(made.backups, made.restored("a")), print)
        kept = restore(Wish(made.backups, made.restored("b"), despite_findings=True), print)

        assert len(findings) == 1
        assert "the body was altered" in findings[0]
        assert "alpha" in findings[0]
        assert kept == findings
        assert not (made.root / "a" / "postgres").exists()
        assert counts(made.root / "b") == (4, 1_810, 3, 1)


class Archive:
    """Runs the script that the server hands its log to."""

    def __init__(self, store: LivingStore) -> None:
        self.store = store
        self.wal = store.backups / "wal"
        self.script = store.data_dir / "postgres" / "archive-log"

    def hand_over(self, name: str, content: bytes) -> subprocess.CompletedProcess[bytes]:
        """Offer one piece of log as the server does."""
        (self.store.root / "piece").write_bytes(content)
        return subprocess.run(
            [self.script, "piece", name], cwd=self.store.root, capture_output=True, check=False
        )

    def files(self, name: str) -> list[Path]:
        """What the archive has of it."""
        return sorted(self.wal.glob(f"*{name}*"))


def test_the_archive_takes_a_piece_once_and_never_replaces_it(store):
    archive = Archive(store)
    name = "0000000100000000000000FE"
    first = archive.hand_over(name, b"one" * 1_000)
    (file,) = archive.files(name)
    content = file.read_bytes()

    again = archive.hand_over(name, b"one" * 1_000)
    other = archive.hand_over(name, b"two" * 1_000)

    assert (first.returncode, again.returncode, other.returncode) == (0, 0, 1)
    assert b"it is not replaced" in other.stderr
    assert archive.files(name) == [file]
    assert file.read_bytes() == content
    file.unlink()


def test_a_piece_waits_while_the_backup_disk_is_not_mounted(store):
    archive = Archive(store)
    away = store.backups.rename(store.root / "away")
    store.backups.mkdir()
    try:
        refused = archive.hand_over("0000000100000000000000FD", b"one")
        assert refused.returncode == 1
        assert b"is not there or not ours" in refused.stderr
        assert list(store.backups.iterdir()) == []
    finally:
        store.backups.rmdir()
        away.rename(store.backups)


def test_a_server_starts_while_the_backup_disk_is_not_mounted(caplog):
    with living_store() as made:
        made.server.stop()
        away = made.backups.rename(made.root / "away")

        made.start()

        assert "backup folder is not there" in caplog.text
        assert not made.backups.exists()
        away.rename(made.backups)
        made.archive()
        assert back_up(made.config, None, print).ended_at < dt.datetime.now(dt.UTC)
