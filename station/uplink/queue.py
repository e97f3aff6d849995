"""The durable queue: what it has taken is not lost before the cloud's ledger has it.

One SQLite file (WAL, synchronous=FULL: a commit is on the disk when it returns) holds the
sealed batches, the announcement of every epoch that still has batches, the newest time of
every stream and the drivers' resume points. A batch is written in one transaction with the
stream times and resume points that it moves, so after a crash no sample is queued twice and a
buffered source goes on exactly behind what is queued. Only the ledger's answer removes a
batch; one that the cloud refuses for good is kept aside for people to look at.

All methods block; call them from one worker thread.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from station.uplink.errors import QueueError

StreamKey = tuple[str, str]
"""A device tag and a layout name."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    layouts TEXT NOT NULL,
    sample_times TEXT NOT NULL,
    value_count INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL,
    refused TEXT,
    body BLOB NOT NULL,
    UNIQUE (epoch, sequence)
);
CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER PRIMARY KEY, announcement BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS marks (
    device TEXT NOT NULL, layout TEXT NOT NULL, newest_ms INTEGER NOT NULL,
    PRIMARY KEY (device, layout)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resume_points (source TEXT PRIMARY KEY, token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class NewBatch:
    """A sealed batch on its way into the queue.

    Attributes:
        epoch, sequence, stream: as in the envelope.
        body: the sealed envelope.
        layouts: names of the layouts in it.
        sample_times: how many samples it has of each device time (epoch ms).
        value_count: values in it.
    """

    epoch: int
    sequence: int
    stream: int
    body: bytes
    layouts: tuple[str, ...] = ()
    sample_times: Mapping[int, int] = field(default_factory=dict)
    value_count: int = 0


@dataclass(frozen=True)
class QueuedBatch(NewBatch):
    """A batch in the queue, with its place."""

    id: int = 0


class DurableQueue:
    """The queue file of one station."""

    def __init__(self, file: Path) -> None:
        """Open or create the file.

        Raises:
            QueueError: it cannot be opened or is no queue.
        """
        self._file = file
        try:
            self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA busy_timeout=5000")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise QueueError(
                f"queue file {file} cannot be opened: {error}; check disk and permissions, "
                "or move the file away to start an empty queue"
            ) from error

    def next_epoch(self) -> int:
        """Return an epoch number never used before, on the disk before it returns."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO counters VALUES ('epoch', 1) "
                "ON CONFLICT (name) DO UPDATE SET value = value + 1"
            )
            row = self._db.execute("SELECT value FROM counters WHERE name = 'epoch'").fetchone()
        return int(row[0])

    def add_epoch(self, epoch: int, announcement: bytes) -> None:
        """Keep an epoch's announcement; forget those of epochs without batches."""
        with self._transaction():
            self._db.execute("INSERT INTO epochs VALUES (?, ?)", (epoch, announcement))
            self._db.execute(
                "DELETE FROM epochs WHERE epoch < ? "
                "AND epoch NOT IN (SELECT DISTINCT epoch FROM batches)",
                (epoch,),
            )

    def announcement(self, epoch: int) -> bytes | None:
        """Return the announcement of an epoch, None when it is unknown."""
        row = self._db.execute(
            "SELECT announcement FROM epochs WHERE epoch = ?", (epoch,)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def put(
        self,
        batches: Sequence[NewBatch],
        newest: Mapping[StreamKey, int],
        resume_points: Mapping[str, str],
        done: Iterable[int] = (),
    ) -> list[int]:
        """Commit batches with the stream times and resume points they move; return their ids.

        Batches that the ledger has (`done`) are removed in the same transaction: one write to
        the disk for both. Should the removal be lost, the ledger answers "duplicate".

        Raises:
            QueueError: nothing was written.
        """
        with self._transaction():
            ids = [self._insert(batch) for batch in batches]
            self._db.executemany(
                "INSERT INTO marks VALUES (?, ?, ?) ON CONFLICT (device, layout) "
                "DO UPDATE SET newest_ms = max(newest_ms, excluded.newest_ms)",
                [(device, layout, ms) for (device, layout), ms in newest.items()],
            )
            self._db.executemany(
                "INSERT INTO resume_points VALUES (?, ?) "
                "ON CONFLICT (source) DO UPDATE SET token = excluded.token",
                list(resume_points.items()),
            )
            self._db.executemany("DELETE FROM batches WHERE id = ?", [(i,) for i in done])
        return ids

    def _insert(self, batch: NewBatch) -> int:
        cursor = self._db.execute(
            "INSERT INTO batches (epoch, sequence, stream, layouts, sample_times, value_count, "
            "queued_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                batch.epoch,
                batch.sequence,
                batch.stream,
                json.dumps(batch.layouts),
                json.dumps(sorted(batch.sample_times.items())),
                batch.value_count,
                time.time_ns() // 1_000_000,
                batch.body,
            ),
        )
        return int(cursor.lastrowid or 0)

    def newest_times(self) -> dict[StreamKey, int]:
        """Return the newest device time ever queued of each stream."""
        rows = self._db.execute("SELECT device, layout, newest_ms FROM marks")
        return {(device, layout): int(ms) for device, layout, ms in rows}

    def resume_points(self) -> dict[str, str]:
        """Return the resume points that belong to what is queued."""
        return dict(self._db.execute("SELECT source, token FROM resume_points").fetchall())

    def waiting(self) -> list[int]:
        """Return the ids of all batches to be sent, oldest first."""
        rows = self._db.execute("SELECT id FROM batches WHERE refused IS NULL ORDER BY id")
        return [int(row[0]) for row in rows]

    def read(self, batch_id: int) -> QueuedBatch | None:
        """Return a batch, None when it is gone."""
        row = self._db.execute(
            "SELECT epoch, sequence, stream, layouts, sample_times, value_count, body "
            "FROM batches WHERE id = ?",
            (batch_id,),
        ).fetchone()
        if row is None:
            return None
        return QueuedBatch(
            epoch=row[0],
            sequence=row[1],
            stream=row[2],
            layouts=tuple(json.loads(row[3])),
            sample_times={int(ms): int(n) for ms, n in json.loads(row[4])},
            value_count=row[5],
            body=bytes(row[6]),
            id=batch_id,
        )

    def remove(self, batch_ids: Iterable[int]) -> None:
        """Forget batches that the ledger has."""
        with self._transaction():
            self._db.executemany("DELETE FROM batches WHERE id = ?", [(i,) for i in batch_ids])

    def quarantine(self, batch_id: int, reason: str) -> None:
        """Keep a batch aside that the cloud refuses for good."""
        with self._transaction():
            self._db.execute("UPDATE batches SET refused = ? WHERE id = ?", (reason, batch_id))

    def quarantined(self) -> list[tuple[int, str]]:
        """Return (id, reason) of the batches kept aside."""
        rows = self._db.execute("SELECT id, refused FROM batches WHERE refused IS NOT NULL")
        return [(int(i), str(reason)) for i, reason in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db, self._file)


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK; SQLite errors become QueueErrors."""

    def __init__(self, db: sqlite3.Connection, file: Path) -> None:
        self._db = db
        self._file = file

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        try:
            self._db.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.Error as failure:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise self._refusal(failure) from failure
        if isinstance(error, sqlite3.Error):
            raise self._refusal(error) from error

    def _refusal(self, error: sqlite3.Error) -> QueueError:
        return QueueError(
            f"queue file {self._file} cannot be written: {error}; "
            "free disk space or repair the disk"
        )
