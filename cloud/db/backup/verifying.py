"""Checks a folder of backups byte by byte, without a server.

Every byte is vouched for by something: data files by PostgreSQL's manifest, everything else in
a backup by its record, the record by its own hash, the archive's files by their names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.db.backup import wal
from cloud.db.backup.folder import BackupFolder
from cloud.db.backup.manifest import file_sha256
from cloud.db.backup.planning import chain
from cloud.db.backup.record import BackupRecord
from cloud.db.backup.tools import Say, ToolFailed, megabytes, run_tool
from cloud.errors import BackupError

_ERROR = "error: "


@dataclass(frozen=True)
class Inventory:
    """What a folder of backups holds.

    Attributes:
        records: of the backups whose record is whole, oldest first.
        findings: damaged records.
    """

    records: list[BackupRecord]
    findings: list[str]


def take_inventory(folder: BackupFolder) -> Inventory:
    """Read the records of all finished backups."""
    records, findings = [], []
    for name in folder.names():
        try:
            records.append(folder.record(name))
        except BackupError as error:
            findings.append(str(error))
    return Inventory(records, findings)


def verify_backups(path: Path, say: Say) -> list[str]:
    """Check every backup in a folder and its archive of the log.

    Returns:
        What is wrong, one line each; empty: every backup can be restored.

    Raises:
        BackupError: it is no folder of backups, or holds none.
    """
    folder = BackupFolder(path.resolve())
    with folder.locked(shared=True):
        inventory = take_inventory(folder)
        findings = list(inventory.findings)
        if not inventory.records and not findings:
            raise BackupError(f"{path}: holds no finished backup")
        for record in inventory.records:
            wrong = verify_one(folder, record)
            findings += wrong
            say(f"{'DAMAGED' if wrong else 'good'}  {describe(record)}")
            try:
                chain(inventory.records, record.name)
            except BackupError as error:
                findings.append(str(error))
        return findings + verify_log(folder, inventory.records, say)


def describe(record: BackupRecord) -> str:
    """One line about a backup."""
    samples = sum(one.samples for one in record.after.values())
    blocks = sum(one.blocks for one in record.after.values())
    return (
        f"{record.name}  until {record.ended_at:%Y-%m-%d %H:%M:%S}Z  {megabytes(record.bytes)}  "
        f"{len(record.after)} stations, {samples:,} samples, {blocks:,} blocks"
    )


def verify_one(folder: BackupFolder, record: BackupRecord) -> list[str]:
    """Check the files of one backup; return what is wrong."""
    data = folder.data(record.name)
    findings = []
    for name, digest in record.files.items():
        path = data / name
        if not path.is_file():
            findings.append(f"{record.name}/{name}: is missing")
        elif file_sha256(path) != digest:
            findings.append(f"{record.name}/{name}: was altered: its SHA-256 does not fit")
    try:
        run_tool("pg_verifybackup", ["--quiet", data], data)
    except ToolFailed as error:
        told = [line.split(_ERROR, 1)[1] for line in error.lines if _ERROR in line]
        findings += [f"{record.name}: {line}" for line in told or [str(error)]]
    return findings


def verify_log(folder: BackupFolder, records: Sequence[BackupRecord], say: Say) -> list[str]:
    """Check the archive of the log from the oldest backup that counts on it; say its reach."""
    archived = [one for one in records if one.wal_archived]
    if not archived:
        return []
    newest = archived[-1]
    segment, timeline = newest.wal_segment_bytes, newest.timeline
    findings = [f"wal/{name}: does not belong here" for name in wal.strangers(folder.wal)]
    pieces = wal.pieces(folder.wal, segment)
    for piece in pieces:
        try:
            piece.content(segment)
        except (OSError, ValueError) as error:
            findings.append(f"wal/{piece.path.name}: was altered: {error}")
    present = wal.segments(pieces, timeline)
    first = min(one.first_segment for one in archived)
    last = max([*present, newest.last_segment])
    gaps = wal.missing(present, first, last)
    findings += [f"wal: {line}" for line in wal.run_names(gaps, timeline, segment)]
    say(f"{'DAMAGED' if findings else 'good'}  wal  {len(present)} segments of the log")
    return findings
