"""Backups of the embedded server: made while it runs, checked byte by byte, restored whole."""

from cloud.db.backup.archiving import archive_settings
from cloud.db.backup.making import back_up
from cloud.db.backup.restoring import Wish, restore
from cloud.db.backup.timely import backup_due
from cloud.db.backup.verifying import verify_backups

__all__ = ["Wish", "archive_settings", "back_up", "backup_due", "restore", "verify_backups"]
