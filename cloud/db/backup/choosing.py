"""Chooses what a restore starts from and how far the log carries it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloud.db.backup import wal
from cloud.db.backup.folder import BackupFolder
from cloud.db.backup.planning import chain
from cloud.db.backup.record import BackupRecord
from cloud.db.backup.tools import Say
from cloud.db.backup.verifying import take_inventory, verify_one
from cloud.errors import BackupError


@dataclass(frozen=True)
class UsableLog:
    """The part of the archive that can be replayed on a backup.

    Attributes:
        pieces: whole, and without a gap from the backup's first segment on.
        end: what stopped it, in words; None: nothing is missing.
        beyond: it goes further than the backup itself.
    """

    pieces: Sequence[wal.Piece]
    end: str | None
    beyond: bool

    @property
    def bytes(self) -> int:
        """Size of its files."""
        return sum(one.path.stat().st_size for one in self.pieces)

    @property
    def reach(self) -> str:
        """Until when it is whole, in words."""
        if not self.pieces:
            return "none of the log can be used"
        stored = dt.datetime.fromtimestamp(self.pieces[-1].path.stat().st_mtime, dt.UTC)
        return f"the last usable piece of the log was stored at {stored:%FT%TZ}"


NO_LOG: Final = UsableLog((), None, beyond=False)


def choose_backup(
    folder: BackupFolder, name: str | None, at: dt.datetime | None
) -> list[BackupRecord]:
    """Return the chain to restore: of the backup `name`, or of the newest that ended before `at`.

    Raises:
        BackupError: there is none that fits; the text says what there is.
    """
    inventory = take_inventory(folder)
    damaged = "".join(f"; {one}" for one in inventory.findings)
    there = {one.name: one for one in inventory.records if name in {None, one.name}}
    if not there:
        usable = ", ".join(one.name for one in inventory.records) or "none"
        wanted = "usable backup" if name is None else f"backup {name}"
        raise BackupError(f"{folder.path}: has no {wanted}; usable: {usable}{damaged}")
    fitting = [one for one in there.values() if at is None or one.ended_at <= at]
    if not fitting:
        first = min(one.ended_at for one in there.values())
        raise BackupError(f"the earliest moment that can be restored is {_moment(first)}{damaged}")
    record = fitting[-1]
    if at is not None and not record.wal_archived:
        ends = ", ".join(f"{one.name} {_moment(one.ended_at)}" for one in inventory.records)
        raise BackupError(
            f"{folder.path}: has no archive of the log, so only the ends of its backups can be "
            f"restored, with --backup NAME: {ends}"
        )
    return chain(inventory.records, record.name)


def check_parts(folder: BackupFolder, parts: Sequence[BackupRecord], say: Say) -> None:
    """Check every byte of a chain.

    Raises:
        BackupError: something was altered; the text names it.
    """
    findings = []
    for number, part in enumerate(parts, 1):
        say(f"  checking {part.name} ({number} of {len(parts)})")
        findings += verify_one(folder, part)
    if findings:
        raise BackupError(
            f"the backup is damaged: {'; '.join(findings)}. Nothing was restored; an older one may "
            "be whole: --backup NAME"
        )


def usable_log(folder: BackupFolder, record: BackupRecord) -> UsableLog:
    """Find how far the archive carries on from a backup, checking every byte on the way."""
    segment = record.wal_segment_bytes
    if not record.wal_archived:
        return NO_LOG
    archived = wal.segments(wal.pieces(folder.wal, segment), record.timeline)
    last = max(archived, default=-1)
    usable: list[wal.Piece] = []
    end = None
    number = record.first_segment
    while number <= last and end is None:
        piece = archived.get(number)
        if piece is None:
            name = wal.segment_name(record.timeline, number, segment)
            end = f"wal: segment {name} is missing"
            break
        try:
            piece.content(segment)
        except (OSError, ValueError) as error:
            end = f"wal/{piece.path.name}: was altered: {error}"
        else:
            usable.append(piece)
            number += 1
    return UsableLog(usable, end, beyond=number - 1 > record.last_segment)


def _moment(when: dt.datetime) -> str:
    """A moment as --at takes it, not earlier than `when`."""
    return (when + dt.timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
