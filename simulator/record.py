"""The plant's own record of what it served, what was true and what it was told (SQLite, WAL).

It is the witness against which others count losses, so it is written by its own thread, once a
second and at the end, and can be read meanwhile.
"""

import fcntl
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from simulator.errors import SimulatorError

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS served (
    device TEXT NOT NULL, layout TEXT NOT NULL, tick INTEGER NOT NULL,
    PRIMARY KEY (device, layout, tick)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS truth (
    tick INTEGER PRIMARY KEY, power_kw REAL, soc REAL, stored_kwh REAL,
    discharged_kwh REAL, charged_kwh REAL
);
CREATE TABLE IF NOT EXISTS commands (
    tick INTEGER NOT NULL, device TEXT NOT NULL, point TEXT NOT NULL,
    value REAL NOT NULL, result TEXT NOT NULL, at_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS bms_trips (
    tick INTEGER NOT NULL, at_ms INTEGER NOT NULL, device TEXT NOT NULL, alarms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS moments (
    at_ms INTEGER NOT NULL, what TEXT NOT NULL, target TEXT NOT NULL, value REAL NOT NULL
);
"""
_SERVED = "INSERT OR IGNORE INTO served VALUES (?, ?, ?)"
_TRUTH = (
    "INSERT OR REPLACE INTO truth VALUES "
    "(:tick, :power_kw, :soc, :stored_kwh, :discharged_kwh, :charged_kwh)"
)
_COMMAND = "INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?)"
_BMS_TRIP = "INSERT INTO bms_trips VALUES (?, ?, ?, ?)"
_MOMENT = "INSERT INTO moments VALUES (?, ?, ?, ?)"
_PERIOD_S = 1.0

_Row = tuple[str, object]


class Record:
    """Rows may be given from any thread; without a path they are dropped."""

    def __init__(self, path: Path | None) -> None:
        """Open the record.

        Raises:
            SimulatorError: the file cannot be written.
        """
        self._rows: queue.SimpleQueue[_Row] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _hold(path)
            self._database = sqlite3.connect(path, check_same_thread=False)
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SimulatorError(
                f"record {path}: {error}; name a file that can be written"
            ) from error
        self._thread = threading.Thread(target=self._write_on, name="record", daemon=True)
        self._thread.start()

    @property
    def kept(self) -> bool:
        """Whether there is a file that rows go to."""
        return self._thread is not None

    def served(self, device: str, layout: str, tick: int) -> None:
        """A layout of a device was read out in full at a tick."""
        self._put(_SERVED, (device, layout, tick))

    def truth(self, tick: int, values: Mapping[str, float]) -> None:
        """The plant's true sums at a tick."""
        self._put(_TRUTH, {"tick": tick, **values})

    def command(self, tick: int, device: str, point: str, value: float, result: str) -> None:
        """A command came and was accepted or refused."""
        self._put(_COMMAND, (tick, device, point, value, result, _now_ms()))

    def bms_trip(self, tick: int, device: str, alarms: int) -> None:
        """A plain battery management opened its rack: `alarms` are the bits that made it."""
        self._put(_BMS_TRIP, (tick, _now_ms(), device, alarms))

    def moment(self, what: str, target: str, value: float) -> None:
        """Something happened in the plant now: a scenario's event, a cell that vents, a trip."""
        self._put(_MOMENT, (_now_ms(), what, target, value))

    def close(self) -> None:
        """Write what is left and close."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            self._write()
            self._database.close()
            os.close(self._lock)

    def _put(self, statement: str, row: object) -> None:
        if self.kept:
            self._rows.put((statement, row))

    def _write_on(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            self._write()

    def _write(self) -> None:
        by_statement: dict[str, list[object]] = {}
        while not self._rows.empty():
            statement, row = self._rows.get()
            by_statement.setdefault(statement, []).append(row)
        if not by_statement:
            return
        try:
            with self._database:
                for statement, rows in by_statement.items():
                    self._database.executemany(statement, rows)  # type: ignore[arg-type]
        except sqlite3.Error:
            _log.exception("event=record_lost rows=%d", sum(map(len, by_statement.values())))


def _hold(record: Path) -> int:
    """Take the lock beside a record, which the kernel gives back with this process.

    Raises:
        SimulatorError: another plant that lives writes this record.
    """
    handle = os.open(record.with_name(record.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(handle, 20).decode(errors="replace").strip()
        os.close(handle)
        raise SimulatorError(
            f"record {record} is in use by process {holder or '(starting)'}: stop that plant, or "
            "name another record"
        ) from error
    os.truncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def _now_ms() -> int:
    """The clock that the devices' own time follows, epoch milliseconds."""
    return time.time_ns() // 1_000_000
