"""What the station must remember across a restart.

One SQLite file (synchronous=FULL): the counter of the last order, every order with what
became of it, the schedules in force, the manual set-point, what protection has latched, and the
signed receipts that the cloud does not have yet. An order and all its effects are written in one
transaction: after a crash it either took effect and has its receipt, or was never seen.

All methods block; call them from one worker thread (or before the loop begins).
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.model_order import ModelOrder
from station.errors import StationError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT NOT NULL, sha256 TEXT NOT NULL, counter INTEGER NOT NULL, kind TEXT NOT NULL,
    outcome TEXT NOT NULL, reason_code TEXT NOT NULL, at_ms INTEGER NOT NULL,
    receipt BLOB NOT NULL,
    PRIMARY KEY (order_id, sha256, outcome)
);
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, receipt BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS schedules (
    start_ms INTEGER PRIMARY KEY, end_ms INTEGER NOT NULL, order_id TEXT NOT NULL,
    payload TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS manual (
    one INTEGER PRIMARY KEY CHECK (one = 1), order_id TEXT NOT NULL, power_kw REAL NOT NULL,
    until_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS latches (
    one INTEGER PRIMARY KEY CHECK (one = 1), content TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS models (
    order_id TEXT PRIMARY KEY, payload TEXT NOT NULL, expires_ms INTEGER NOT NULL
);
"""
_KEEP_MS = 7 * 24 * 3_600_000
MAX_OUTBOX = 10_000
"""More receipts than this waiting means somebody floods the station; older refusals go."""


class JournalError(StationError):
    """The journal cannot be opened or written; nothing took effect."""


@dataclass(frozen=True)
class OrderRecord:
    """An order and its outcome, with the signed receipt."""

    order_id: str
    sha256: str
    counter: int
    kind: str
    outcome: str
    reason_code: str
    at_ms: int
    receipt: bytes


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule in force: the payload of its order."""

    start_ms: int
    end_ms: int
    order_id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class StoredSetpoint:
    """The manual set-point in force."""

    order_id: str
    power_kw: float
    until_ms: int


@dataclass(frozen=True)
class StoredModel:
    """A model that an order brings and that is not here yet: the payload of the order."""

    order_id: str
    payload: Mapping[str, Any]
    expires_ms: int

    @property
    def asked(self) -> ModelOrder:
        """The order's content."""
        return ModelOrder.from_payload(self.payload)


@dataclass(frozen=True)
class Effects:
    """What an accepted order changes.

    Attributes:
        schedule: takes the place of the schedule of the same day.
        setpoint: takes the place of the manual set-point.
        release: the manual set-point ends.
        model: is on its way from now on.
    """

    schedule: StoredSchedule | None = None
    setpoint: StoredSetpoint | None = None
    release: bool = False
    model: StoredModel | None = None


@dataclass(frozen=True)
class Memory:
    """Everything a restarted station goes on with."""

    last_counter: int
    schedules: tuple[StoredSchedule, ...] = ()
    setpoint: StoredSetpoint | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    latches: Sequence[Mapping[str, Any]] = ()
    models: tuple[StoredModel, ...] = ()


class Journal:
    """The journal file of one station."""

    def __init__(self, file: Path) -> None:
        """Open or create the file.

        Raises:
            JournalError: it cannot be opened or is no journal.
        """
        self._file = file
        try:
            self._db = sqlite3.connect(file, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA busy_timeout=5000")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise JournalError(
                f"journal {file} cannot be opened: {error}; check disk and permissions"
            ) from error

    def recall(self) -> Memory:
        """Return what a restarted station goes on with."""
        counter = self._db.execute("SELECT value FROM counters WHERE name = 'order'").fetchone()
        schedules = self._db.execute(
            "SELECT start_ms, end_ms, order_id, payload FROM schedules ORDER BY start_ms"
        )
        manual = self._db.execute("SELECT order_id, power_kw, until_ms FROM manual").fetchone()
        latches = self._db.execute("SELECT content FROM latches").fetchone()
        models = self._db.execute("SELECT order_id, payload, expires_ms FROM models ORDER BY rowid")
        outcomes = self._db.execute("SELECT outcome, count(*) FROM orders GROUP BY outcome")
        return Memory(
            last_counter=-1 if counter is None else int(counter[0]),
            schedules=tuple(StoredSchedule(s, e, o, json.loads(p)) for s, e, o, p in schedules),
            setpoint=None if manual is None else StoredSetpoint(*manual),
            outcomes=dict(outcomes.fetchall()),
            latches=() if latches is None else json.loads(latches[0]),
            models=tuple(StoredModel(o, json.loads(p), e) for o, p, e in models),
        )

    def record(self, records: Sequence[OrderRecord], counter: int | None, effects: Effects) -> None:
        """Write outcomes with their receipts, the counter and all effects, or nothing.

        Raises:
            JournalError: nothing was written.
        """
        try:
            with self._db:
                for record in records:
                    self._keep(record)
                if counter is not None:
                    self._db.execute(
                        "INSERT INTO counters VALUES ('order', ?) ON CONFLICT (name) "
                        "DO UPDATE SET value = max(value, excluded.value)",
                        (counter,),
                    )
                self._apply(effects)
                self._trim()
        except sqlite3.Error as error:
            raise JournalError(
                f"journal {self._file} cannot be written: {error}; free disk space"
            ) from error

    def keep_latches(self, latches: Sequence[Mapping[str, Any]]) -> None:
        """Write what protection has latched, in the place of what was latched before.

        Raises:
            JournalError: nothing was written.
        """
        content = json.dumps(list(latches), ensure_ascii=False)
        try:
            with self._db:
                self._db.execute("INSERT OR REPLACE INTO latches VALUES (1, ?)", (content,))
        except sqlite3.Error as error:
            raise JournalError(
                f"journal {self._file} cannot be written: {error}; free disk space"
            ) from error

    def model_done(self, order_id: str) -> None:
        """Forget a model that was on its way: it is here, or will never be.

        Raises:
            JournalError: nothing was written.
        """
        try:
            with self._db:
                self._db.execute("DELETE FROM models WHERE order_id = ?", (order_id,))
        except sqlite3.Error as error:
            raise JournalError(
                f"journal {self._file} cannot be written: {error}; free disk space"
            ) from error

    def _keep(self, record: OrderRecord) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.order_id,
                record.sha256,
                record.counter,
                record.kind,
                record.outcome,
                record.reason_code,
                record.at_ms,
                record.receipt,
            ),
        )
        self._db.execute("INSERT INTO outbox (receipt) VALUES (?)", (record.receipt,))

    def _apply(self, effects: Effects) -> None:
        if effects.schedule is not None:
            day = effects.schedule
            self._db.execute(
                "INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?)",
                (day.start_ms, day.end_ms, day.order_id, json.dumps(dict(day.payload))),
            )
            self._db.execute("DELETE FROM schedules WHERE end_ms < ?", (day.start_ms - _KEEP_MS,))
        if effects.setpoint is not None:
            manual = effects.setpoint
            self._db.execute(
                "INSERT OR REPLACE INTO manual VALUES (1, ?, ?, ?)",
                (manual.order_id, manual.power_kw, manual.until_ms),
            )
        if effects.release:
            self._db.execute("DELETE FROM manual")
        if effects.model is not None:
            model = effects.model
            self._db.execute(
                "INSERT OR REPLACE INTO models VALUES (?, ?, ?)",
                (model.order_id, json.dumps(dict(model.payload)), model.expires_ms),
            )

    def _trim(self) -> None:
        self._db.execute(
            "DELETE FROM outbox WHERE id <= (SELECT max(id) FROM outbox) - ?", (MAX_OUTBOX,)
        )

    def known(self, order_id: str, sha256: str) -> OrderRecord | None:
        """Return the newest record of an order with exactly this content."""
        row = self._db.execute(
            "SELECT order_id, sha256, counter, kind, outcome, reason_code, at_ms, receipt "
            "FROM orders WHERE order_id = ? AND sha256 = ? ORDER BY at_ms DESC, rowid DESC",
            (order_id, sha256),
        ).fetchone()
        return None if row is None else OrderRecord(*row)

    def accepted(self, order_id: str) -> OrderRecord | None:
        """Return the record by which an order was accepted."""
        row = self._db.execute(
            "SELECT order_id, sha256, counter, kind, outcome, reason_code, at_ms, receipt "
            "FROM orders WHERE order_id = ? AND outcome = 'accepted'",
            (order_id,),
        ).fetchone()
        return None if row is None else OrderRecord(*row)

    def post_again(self, receipt: bytes) -> None:
        """Put a receipt into the outbox once more."""
        with self._db:
            self._db.execute("INSERT INTO outbox (receipt) VALUES (?)", (receipt,))

    def outbox(self, limit: int = 50) -> list[tuple[int, bytes]]:
        """Return (id, receipt) of receipts that the cloud does not have yet, oldest first."""
        rows = self._db.execute("SELECT id, receipt FROM outbox ORDER BY id LIMIT ?", (limit,))
        return [(int(i), bytes(receipt)) for i, receipt in rows]

    def posted(self, outbox_id: int) -> None:
        """Forget a receipt that the cloud has."""
        with self._db:
            self._db.execute("DELETE FROM outbox WHERE id = ?", (outbox_id,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
