"""Which kind of backup comes next, and which old ones are no longer kept."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cloud.db.backup.record import BackupRecord, Kind
from cloud.db.backup.server import ServerFacts
from cloud.errors import BackupError


@dataclass(frozen=True)
class Plan:
    """What kind of backup, on which one it builds, and why."""

    parent: BackupRecord | None
    why: str

    @property
    def kind(self) -> Kind:
        """Full where it builds on nothing."""
        return "full" if self.parent is None else "incremental"


def plan(
    records: Sequence[BackupRecord], now: ServerFacts, full_after: dt.timedelta, *, full: bool
) -> Plan:
    """Build on the last backup where that is possible and wanted.

    Args:
        records: backups in the folder, oldest first.
        now: the server as it is.
        full_after: age of the last full backup at which the next is full.
        full: a full one was asked for.
    """
    last = records[-1] if records else None
    if full:
        why = "asked for"
    elif last is None:
        why = "the first one here"
    else:
        why = _why_not(records, last, now, full_after)
    if why or last is None:
        return Plan(None, why)
    return Plan(last, f"what changed since {last.name}")


def _why_not(
    records: Sequence[BackupRecord],
    last: BackupRecord,
    now: ServerFacts,
    full_after: dt.timedelta,
) -> str:
    """Say why the next backup cannot build on the last one; empty: it can."""
    if (last.system_identifier, last.timeline) != (now.system_identifier, now.timeline):
        return "the last backup is of another history of the store"
    if last.postgresql.split(".")[0] != now.version.split(".")[0]:
        return "PostgreSQL was upgraded since the last backup"
    if not now.summarizes:
        return "incremental ones need [backup] dir and a restart of the cloud"
    try:
        first = chain(records, last.name)[0]
    except BackupError as error:
        return str(error)
    if now.now - first.began_at > full_after:
        return f"the last full one is older than {full_after / dt.timedelta(days=1):g} days"
    return ""


def chain(records: Sequence[BackupRecord], name: str) -> list[BackupRecord]:
    """Return what a backup is restored from: a full one, then incrementals up to `name`.

    Raises:
        BackupError: one of them is missing, or belongs to another cluster.
    """
    known = {one.name: one for one in records}
    found = [known[name]]
    while (parent := found[0].parent) is not None:
        if parent not in known:
            raise BackupError(
                f"{found[0].name}: builds on {parent}, which is missing or damaged; "
                "restore an older backup"
            )
        found.insert(0, known[parent])
    if len({(one.system_identifier, one.timeline) for one in found}) > 1:
        raise BackupError(f"{name}: its chain mixes backups of different clusters")
    return found


def spent(records: Sequence[BackupRecord], keep: int) -> list[str]:
    """Backups older than the newest `keep` full ones and what builds on them, newest first."""
    full = [one.name for one in records if one.kind == "full"]
    if len(full) <= keep:
        return []
    oldest_kept = full[-keep]
    return [one.name for one in reversed(records) if one.name < oldest_kept]
