"""Kill -9 of a backup or of the server in its middle leaves nothing that looks like a backup."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from cloud.db.backup import Wish, back_up, restore, verify_backups
from cloud.errors import BackupError
from tests.cloud.db.living_store import LivingStore, counts, living_store
from tests.waiting import wait_until


@pytest.fixture
def store() -> Iterator[LivingStore]:
    """A store whose backup takes some seconds."""
    with living_store(max_mb_s=6) as made:
        yield made


def copied_files(store: LivingStore) -> int:
    """Files of the tables in unfinished backups, one of which may be cleared away meanwhile."""
    return sum(
        len(names)
        for folder in store.backups.glob("*.unfinished")
        for _, _, names in os.walk(folder / "data" / "base")
    )


def begin(store: LivingStore, files: int = 100) -> subprocess.Popen[str]:
    """Start a backup; return when it has ended or copied so many files."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "launcher", "history", "backup", str(store.config_file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(
        lambda: process.poll() is not None or copied_files(store) >= files,
        "copied files",
    )
    return process


def copies(store: LivingStore) -> list[psutil.Process]:
    """Processes of pg_basebackup that write into the folder."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if str(store.backups) in " ".join(one.info["cmdline"] or [])
    ]


def test_a_killed_backup_is_none_and_the_next_clears_it_away(store):
    process = begin(store)

    process.kill()
    process.communicate()

    wait_until(lambda: not copies(store), "the end of pg_basebackup")
    assert [path.suffix for path in store.backups.glob("0*")] == [".unfinished"]
    with pytest.raises(BackupError, match="holds no finished backup"):
        verify_backups(store.backups, print)
    with pytest.raises(BackupError, match="has no usable backup"):
        restore(Wish(store.backups, store.restored()), print)
    said: list[str] = []
    back_up(store.config, None, said.append)
    assert said[0] == "cleared away 000001-full.unfinished, which was never finished"
    assert verify_backups(store.backups, print) == []
    assert [path.name for path in store.backups.glob("0*")] == ["000001-full"]


def test_a_killed_server_ends_the_backup_with_a_clear_word(store):
    process = begin(store)

    os.kill(store.server.pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "pg_basebackup failed" in said
    assert list(store.backups.glob("0*")) == []
    wait_until(lambda: store.server.pid is None, "the end of the server")
    assert store.server.ensure_running()
    back_up(store.config, None, print)
    assert verify_backups(store.backups, print) == []


def test_two_backups_at_once_are_refused(store):
    process = begin(store)

    with pytest.raises(BackupError, match="another backup, check or restore is at work"):
        back_up(store.config, None, print)

    process.kill()
    process.communicate()


def test_after_kills_at_random_points_every_backup_there_is_can_be_restored(store):
    store.config_file.write_text(store.config_file.read_text() + "keep_chains = 1\n")
    back_up(store.config, None, print)
    chance = random.Random(7)
    for _ in range(6):
        store.write(blocks=1, rows=60)
        process = begin(store, chance.randrange(1, 1_200))
        process.kill()
        process.communicate()
        wait_until(lambda: not copies(store), "the end of pg_basebackup")

        assert verify_backups(store.backups, lambda _: None) == []

    store.archive()
    written = (store.sequence, 1_810 + 6 * 70, 9, 7)
    assert restore(Wish(store.backups, store.restored()), print) == []
    assert counts(store.root / "restored") == written
