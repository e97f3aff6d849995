"""Backup and restore of a running store: what comes back is what was there."""

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from cloud.config import parse
from cloud.db.account import choose_account
from cloud.db.backup import Wish, back_up, restore, verify_backups
from cloud.db.backup.folder import BackupFolder
from cloud.errors import BackupError, ConfigError
from tests.cloud.db.living_store import LivingStore, counts, living_store
from tests.waiting import wait_until


@dataclass
class Copied:
    """A store with two backups and log beyond them."""

    store: LivingStore
    between: str

    def wish(self, name: str, **options: object) -> Wish:
        """Restore into a new folder of that name."""
        return Wish(self.store.backups, self.store.restored(name), **options)


@pytest.fixture(scope="module")
def copied() -> Iterator[Copied]:
    with living_store() as store:
        back_up(store.config, None, print)
        store.write()
        back_up(store.config, None, print)
        store.write()
        between = store.now()
        store.write(waiting=2)
        store.archive()
        yield Copied(store, between)


def history(*words: object) -> subprocess.CompletedProcess[str]:
    """Run `./stationmaster history ...`."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "launcher", "history", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_deleted_store_comes_back_with_the_same_counts_and_hashes(copied):
    said: list[str] = []

    findings = restore(copied.wish("whole"), said.append)

    assert findings == []
    assert counts(copied.store.root / "whole") == counts_of_living(copied.store)
    assert any(re.search(r"restored into .* in \d+\.\d s", line) for line in said)
    assert any("opened 12 blocks and 5 waiting batches" in line for line in said)


def counts_of_living(store: LivingStore) -> tuple[int, ...]:
    with psycopg.connect(store.server.dsn) as conn:
        return conn.execute(
            "SELECT (SELECT count(*) FROM batches), (SELECT sum(samples) FROM batches),"
            " (SELECT count(*) FROM blocks), (SELECT count(*) FROM hot_batches)"
        ).fetchone()


def test_a_store_goes_back_to_any_moment_between_backups(copied):
    wish = copied.wish("moment", at=dt.datetime.fromisoformat(copied.between))

    assert restore(wish, print) == []

    assert counts(copied.store.root / "moment") == (12, 5_430, 9, 3)


def test_a_full_backup_alone_with_the_log_gives_the_newest_moment_too(copied):
    assert restore(copied.wish("old", backup="000001-full"), print) == []

    assert counts(copied.store.root / "old") == counts_of_living(copied.store)


def test_an_incremental_backup_holds_only_what_changed(copied):
    folder = BackupFolder(copied.store.backups)
    full, incremental = (folder.record(name) for name in folder.names())

    assert (full.kind, incremental.kind) == ("full", "incremental")
    assert incremental.parent == full.name
    assert incremental.bytes - incremental.wal_segment_bytes < full.bytes / 4


def test_every_byte_of_a_fresh_folder_is_good(copied):
    said: list[str] = []

    assert verify_backups(copied.store.backups, said.append) == []
    assert [line.split()[1] for line in said] == ["000001-full", "000002-incremental", "wal"]


def test_neither_keys_nor_password_are_in_a_backup(copied):
    secrets = [path.read_bytes() for path in copied.store.keys_dir.glob("*.key")]
    secrets += [path.read_bytes() for path in copied.store.keys_dir.glob("*.pem")]
    secrets.append((copied.store.data_dir / "postgres" / "password").read_bytes())

    for path in copied.store.backups.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def test_a_restore_without_the_right_keys_changes_nothing(copied):
    target = copied.store.root / "keyless"
    with pytest.raises(BackupError, match="the folder of keys cannot be read"):
        restore(Wish(copied.store.backups, target), print)
    other = copied.store.restored("other-keys") / "keys"
    (other / "key-encryption.key").write_bytes(os.urandom(32))
    with pytest.raises(BackupError, match=r"key-encryption.key is another one"):
        restore(Wish(copied.store.backups, target, keys=other), print)

    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("at", "named"),
    [
        ("2000-01-01T00:00:00Z", "the earliest moment that can be restored is 20"),
        ("2100-01-01T00:00:00Z", "recovery ended before configured recovery target was reached"),
    ],
)
def test_a_moment_out_of_reach_is_refused_and_leaves_nothing(copied, at, named):
    wish = copied.wish(f"reach-{at[:4]}", at=dt.datetime.fromisoformat(at))

    with pytest.raises(BackupError, match=named):
        restore(wish, print)

    assert [path.name for path in wish.data_dir.iterdir()] == ["keys"]


def test_a_folder_that_holds_something_is_not_touched(copied):
    wish = copied.wish("taken")
    (wish.data_dir / "postgres").mkdir()

    with pytest.raises(BackupError, match=r"is not empty \(postgres\)"):
        restore(wish, print)

    assert list((wish.data_dir / "postgres").iterdir()) == []


def test_a_killed_restore_is_cleared_away_by_the_next(copied):
    wish = copied.wish("again", quick=True)
    words = ["restore", wish.backups, wish.data_dir]
    first = subprocess.Popen([sys.executable, "-P", "-m", "launcher", "history", *map(str, words)])
    wait_until(lambda: any(wish.data_dir.glob(".restoring-*/postgres/data/base")), "copied files")
    first.kill()
    first.wait()

    assert not (wish.data_dir / "postgres").exists()
    assert restore(wish, print) == []
    assert sorted(path.name for path in wish.data_dir.iterdir()) == ["keys", "postgres"]


def test_a_restored_store_backs_up_into_a_folder_of_its_own(copied):
    wish = copied.wish("second-life", quick=True)
    restore(wish, print)
    root = copied.store.root / "second-root"
    second = LivingStore(root_with(root, wish.data_dir))
    shutil.copytree(copied.store.backups, second.backups)

    with pytest.raises(BackupError, match="keeps the backups of another data folder"):
        second.start()

    shutil.rmtree(second.backups)
    second.start()
    try:
        assert back_up(second.config, None, print).kind == "full"
    finally:
        second.server.stop()


def root_with(root: Path, data_dir: Path) -> Path:
    root.mkdir(mode=0o711)
    data_dir.rename(LivingStore(root).data_dir)
    return root


def test_a_store_that_takes_data_during_its_backup_is_restored_in_between(copied):
    with living_store(max_mb_s=40) as store:
        busy = threading.Event()

        def write() -> None:
            while not busy.is_set():
                store.write(blocks=1, rows=20, waiting=0)

        writer = threading.Thread(target=write)
        writer.start()
        record = back_up(store.config, None, print)
        busy.set()
        writer.join()
        target = store.restored()
        shutil.rmtree(BackupFolder(store.backups).wal)

        findings = restore(Wish(store.backups, target), print)

        assert findings == []
        before, after = record.before["alpha"], record.after["alpha"]
        assert before.batches < after.batches
        assert before.batches <= counts(target)[0] <= after.batches


def test_only_the_newest_chains_and_their_log_are_kept():
    with living_store(keep_chains=1) as store:
        back_up(store.config, None, print)
        store.write()
        back_up(store.config, None, print)

        last = back_up(store.config, None, print, full=True)

        folder = BackupFolder(store.backups)
        assert folder.names() == ["000003-full"] == [last.name]
        first = min(path.name for path in folder.wal.iterdir())
        assert int(first[:24], 16) & 0xFFFF == last.first_segment
        assert verify_backups(store.backups, print) == []


def test_without_an_archive_a_backup_restores_to_its_own_end():
    with living_store(archived=False) as store:
        target = store.root / "usb"
        assert back_up(store.config, target, print).kind == "full"
        store.write()
        second = back_up(store.config, target, print)
        store.write()

        assert second.kind == "full"
        assert verify_backups(target, print) == []
        with pytest.raises(BackupError, match="has no archive of the log"):
            restore(Wish(target, store.restored("a"), at=dt.datetime.now(dt.UTC)), print)
        assert restore(Wish(target, store.restored("b")), print) == []
        assert counts(store.root / "b") == (8, 3_620, 6, 2)


def test_the_commands_of_the_guide_do_what_it_says(copied):
    store = copied.store
    guide = (Path(__file__).parents[3] / "docs" / "backup.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\./stationmaster history (.*)$", guide, re.MULTILINE)
    said = []
    for number, line in enumerate(dict.fromkeys(lines)):
        given = {
            "CONFIG": store.config_file,
            "OTHER_FOLDER": store.root / "carried-away",
            "BACKUPS": store.backups,
            "NEW_DATA_DIR": store.root / f"guide-{number}",
            "KEYS": store.keys_dir,
            "TIME": copied.between,
        }
        if line == "verify CONFIG":
            continue  # of a whole cloud: tests/cloud/history has it
        done = history(*(given.get(word, word) for word in line.split()))
        said.append((line.split()[0], done.stdout))
        assert done.returncode == 0, (line, done.stdout, done.stderr)

    assert [what for what, _ in said] == ["backup"] * 3 + ["verify"] + ["restore"] * 2
    assert "The keys are NOT in this backup. Copy" in said[0][1]
    assert "nothing is wrong" in said[3][1]
    assert "history verify CONFIG" in said[4][1]


def test_a_backup_needs_a_running_embedded_server_and_a_folder(copied):
    store = copied.store
    stopped = LivingStore(root_with(store.root / "stopped", copied.wish("idle").data_dir))
    lacking = history("backup", stopped.config_file)
    stopped.config_file.write_text('data_dir = "."\ndatabase.dsn = "postgresql://db/store"')
    managed = history("backup", stopped.config_file)
    stopped.config_file.write_text(f'data_dir = "{store.data_dir}"')
    nowhere = history("backup", stopped.config_file)

    assert (lacking.returncode, managed.returncode, nowhere.returncode) == (1, 1, 2)
    assert "there is no embedded database that we may open" in lacking.stderr
    assert "docs/backup.md" in managed.stderr
    assert "give --to FOLDER, or set dir in [backup]" in nowhere.stderr


def test_a_stopped_server_is_named_with_the_remedy():
    with living_store() as store:
        store.server.stop()

        with pytest.raises(BackupError, match=r"does not run .* start it with ./stationmaster"):
            back_up(store.config, None, print)


def test_an_archive_for_a_server_of_your_own_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"backup: .* or backup = .*embedded|embedded database"):
        parse(
            {
                "data_dir": "d",
                "database": {"dsn": "postgresql://db/store"},
                "backup": {"dir": "b"},
            },
            tmp_path / "cloud.toml",
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_said_in_words_and_leaves_no_backup():
    with living_store() as store:
        target = store.root / "small"
        target.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=160m,mode=711", "tmpfs", target], check=False
        )
        if mounted.returncode:
            pytest.skip("this machine lets nobody mount")
        try:
            back_up(store.config, target, print)
            free = shutil.disk_usage(target).free
            (target / "filler").write_bytes(bytes(free - (8 << 20)))
            store.write()

            with pytest.raises(BackupError, match=r"disk of .* is full: make room"):
                back_up(store.config, target, print)
            with pytest.raises(BackupError, match=r"are free, a full backup needs about"):
                back_up(store.config, target, print, full=True)

            assert BackupFolder(target).names() == ["000001-full"]
            assert not list(target.glob("*.unfinished"))
        finally:
            subprocess.run(["umount", target], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change accounts")
def test_a_folder_out_of_the_server_s_reach_is_named_and_not_opened_up(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    tmp_path.chmod(0o700)

    with pytest.raises(BackupError, match=r"cannot pass /.*: choose another folder"):
        BackupFolder(hidden / "backups").claim("someone", choose_account())

    assert hidden.stat().st_mode & 0o777 == 0o700
