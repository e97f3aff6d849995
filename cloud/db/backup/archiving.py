"""Makes the embedded server hand its log over to a backup folder while it runs.

The server's own command does it: a short shell script that needs nothing but gzip and
coreutils, because the server's account may not reach our Python. It writes beside the target,
puts the bytes on the disk, then renames; it never replaces a file by a different one; and it
refuses a folder that is not ours, such as the bare mount point of a disk that is not there:
the server then keeps its log and tries again.
"""

import logging
import shlex
import shutil
from pathlib import Path
from typing import Final

from cloud.config import BackupSection
from cloud.db.account import choose_account, own, server_home
from cloud.db.backup.folder import OWNER_FILE, WAL_FOLDER, BackupFolder, identity
from cloud.errors import BackupError

_log = logging.getLogger(__name__)

_SCRIPT_FILE: Final = "archive-log"
_REMEMBERED_FILE: Final = "backup-folder"
_PATH: Final = "/usr/bin:/bin"
_NEEDED: Final = ("gzip", "sha256sum", "cmp", "sync")
_SUMMARIES_KEPT: Final = "30d"
"""What incremental backups are made from; the interval between two of them may be as long."""

_SCRIPT: Final = """\
#!/bin/sh
# Stores one finished piece of PostgreSQL's log in the backup folder, whole or not at all.
set -eu
source=$(pwd)/$1
name=$2
folder={folder}
owner=''
if [ -r "$folder/{owner_file}" ]; then read -r owner < "$folder/{owner_file}"; fi
if [ "$owner" != {identity} ]; then
    echo "backup folder $folder is not there or not ours; $name waits" >&2
    exit 1
fi
cd "$folder/{wal}"
for present in "$name"-*.gz; do
    [ -e "$present" ] || continue
    if gzip -dc "$present" | cmp -s - "$source"; then
        sync "$present" .
        exit 0
    fi
    echo "$folder/{wal}/$present differs from $name of the server; it is not replaced" >&2
    exit 1
done
gzip -1 -n -c "$source" > ".$name.part"
sum=$(sha256sum < ".$name.part")
sync ".$name.part"
mv ".$name.part" "$name-$(printf '%.16s' "$sum").gz"
sync .
"""


def archive_settings(home: Path, backup: BackupSection) -> dict[str, str]:
    """Prepare the backup folder and return the server settings that use it.

    Args:
        home: the server's home, `data_dir/postgres`.
        backup: section of the cloud's configuration; without `dir` nothing is archived.

    Raises:
        BackupError: the folder is another cloud's or cannot be reached by the server, or this
            machine lacks a tool. A folder that was there before and is gone (a disk that is
            not mounted) is only logged: the log waits for it.
    """
    if backup.dir is None:
        return {}
    absent = [tool for tool in _NEEDED if shutil.which(tool, path=_PATH) is None]
    if absent:
        raise BackupError(
            f"[backup] dir needs {', '.join(absent)} in {_PATH}: install gzip, diffutils, coreutils"
        )
    folder = backup.dir.resolve()
    account = choose_account()
    place = server_home(home, account)
    who = identity(home)
    if archive_folder(home) == folder and BackupFolder(folder).owner is None:
        _log.error("backup folder is not there: the log waits folder=%s", folder)
    else:
        BackupFolder(folder).claim(who, account)
        (home / _REMEMBERED_FILE).write_text(str(folder), encoding="utf-8")
    script = place / _SCRIPT_FILE
    script.write_text(
        _SCRIPT.format(
            folder=shlex.quote(str(folder)),
            identity=shlex.quote(who),
            owner_file=OWNER_FILE,
            wal=WAL_FOLDER,
        ),
        encoding="utf-8",
    )
    own(script, account)
    return {
        "archive_mode": "on",
        "archive_command": f'{shlex.quote(str(script)).replace("%", "%%")} "%p" "%f"',
        "archive_timeout": f"{backup.wal_timeout_s}s",
        "summarize_wal": "on",
        "wal_summary_keep_time": _SUMMARIES_KEPT,
    }


def archive_folder(home: Path) -> Path | None:
    """Return the folder that the server's log went to at its last start."""
    remembered = home / _REMEMBERED_FILE
    return Path(remembered.read_text(encoding="utf-8")) if remembered.exists() else None
