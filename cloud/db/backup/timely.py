"""When the cloud makes a backup by itself."""

import datetime as dt

from cloud.config import CloudConfig
from cloud.db.backup.folder import BackupFolder


def backup_due(config: CloudConfig, now: dt.datetime) -> bool:
    """Whether the newest backup in the configured folder is older than the configured time.

    Raises:
        BackupError: the record of the newest backup is missing or altered.
    """
    section = config.backup
    if not config.database.embedded or section.dir is None or not section.every_h:
        return False
    folder = BackupFolder(section.dir)
    if folder.owner is None or not folder.names():
        return True
    newest = folder.record(folder.names()[-1])
    return now - newest.ended_at >= dt.timedelta(hours=section.every_h)
