"""The cloud backs itself up when the newest backup is old enough, and not before."""

import datetime as dt

from cloud.config import BackupSection, CloudConfig
from cloud.db.backup import back_up, backup_due
from tests.cloud.db.living_store import living_store

NOW = dt.datetime.now(dt.UTC)


def config(folder, **backup: object) -> CloudConfig:
    return CloudConfig(data_dir=folder / "data", backup=BackupSection(**backup))


def test_without_a_folder_or_a_period_nothing_is_due(tmp_path):
    assert not backup_due(config(tmp_path), NOW)
    assert not backup_due(config(tmp_path, dir=tmp_path / "backups", every_h=0), NOW)


def test_a_first_backup_is_due_at_once(tmp_path):
    assert backup_due(config(tmp_path, dir=tmp_path / "backups"), NOW)


def test_the_next_backup_is_due_when_the_newest_is_as_old_as_the_period():
    with living_store(every_h=6) as store:
        made = back_up(store.config, None, print)

        assert not backup_due(store.config, made.ended_at + dt.timedelta(hours=5.9))
        assert backup_due(store.config, made.ended_at + dt.timedelta(hours=6))
