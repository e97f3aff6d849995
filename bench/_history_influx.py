"""Peer: InfluxDB 1.x, a measurement per layout with a field per value, over its HTTP interface.

Writes are synced to its log before they are acknowledged. Fields are raw integers.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench._history_copy import table_of
from bench._history_record import POWER, Answer, Record, values_in
from bench._history_servers import Http, free_port, server, size_at_rest
from bench._history_store import Peer, maps_of, scales_of
from contract.frame import Frame
from contract.layout import Layout

_LARGE = "large"
_LINES = 10_000
"""Lines in one request of the load: what its manual advises at most."""


class _Influx:
    """A database per table, so that each has a folder of its own."""

    name = "InfluxDB 1"

    def __init__(self, http: Http, folder: Path) -> None:
        self._http = http
        self._folder = folder
        self._layouts: dict[str, dict[str, Layout]] = {}
        self._values: dict[str, int] = {}
        self._newest_ms = 0

    def ingest(self, batches: Sequence[Sequence[Frame]]) -> list[float]:
        self._create(_LARGE, batches[0])
        times = []
        for batch in batches:
            body = "\n".join(line for frame in batch for line in self._lines(_LARGE, frame))
            began = time.perf_counter()
            self._write(_LARGE, body)
            times.append(time.perf_counter() - began)
        self._newest_ms = batches[-1][0].end_ms - 1
        return times

    def load(self, record: Record) -> None:
        for table, frames in record.tables.items():
            self._create(table, frames)
            self._values[table] = values_in(frames)
            for frame in frames:
                lines = self._lines(table, frame)
                for first in range(0, len(lines), _LINES):
                    self._write(table, "\n".join(lines[first : first + _LINES]))
        size_at_rest(self._folder)

    def bytes_per_value(self) -> tuple[float, float]:
        seconds, cells = (
            size_at_rest(self._folder / "data" / table) / self._values[table]
            for table in ("seconds", "cells")
        )
        return seconds, cells

    def last_all(self) -> Answer:
        return (np.concatenate(self._newest(_LARGE, self._newest_ms)),)

    def cells_at(self, at_ms: int) -> Answer:
        return maps_of(np.stack(self._newest("cells", at_ms)))

    def series(self, table: str, device: str, signal: str, span: tuple[int, int]) -> Answer:
        times, values = self._ask(table, (device, signal), "{value}", "", span)
        return times, values

    def buckets(self, device: str, signal: str, span: tuple[int, int]) -> Answer:
        columns = "mean({value}), min({value}), max({value})"
        return self._ask("seconds", (device, signal), columns, "GROUP BY time(15m)", span)

    def daily_energy(self, device: str, span: tuple[int, int]) -> Answer:
        days, sums = self._ask(
            "quarters", (device, POWER), "sum({value})", "GROUP BY time(1d)", span
        )
        return days, sums / 4

    def _ask(
        self, table: str, of: tuple[str, str], columns: str, order: str, span: tuple[int, int]
    ) -> Answer:
        """Times, and what else the columns say of a signal, in its unit."""
        layout = self._layouts[table][of[0]]
        value = f"c{layout.offset(of[1])[0]}"
        (found,) = self._query(
            table,
            f"SELECT {columns.format(value=value)} FROM {table_of(table, layout.name)}"  # noqa: S608
            f" WHERE device = '{of[0]}' AND time >= {span[0]}ms AND time < {span[1]}ms {order}",
        )
        times, *values = np.array(found["values"], dtype=np.float64).T
        scale = layout.signal(of[1]).scale
        return times, *(column * scale for column in values)

    def _newest(self, table: str, at_ms: int) -> list[NDArray[np.float64]]:
        """The newest row of every device, in units, in the order of the frames."""
        layouts, found = self._layouts[table], {}
        names = ", ".join({table_of(table, one.name): None for one in layouts.values()})
        for one in self._query(
            table,
            f"SELECT * FROM {names} WHERE time <= {at_ms}ms AND time > {at_ms}ms - 1m"  # noqa: S608
            " GROUP BY device ORDER BY time DESC LIMIT 1",
        ):
            values = dict(zip(one["columns"], one["values"][0], strict=True))
            found[one["tags"]["device"]] = values
        rows = []
        for device, layout in layouts.items():
            row = [found[device][f"c{number}"] for number in range(layout.width)]
            rows.append(np.array(row, dtype=np.float64) * scales_of(layout))
        return rows

    def _query(self, table: str, query: str) -> list[Any]:
        found = self._http.json("/query", db=table, epoch="ms", q=query)
        return list(found["results"][0]["series"])

    def _create(self, table: str, frames: Sequence[Frame]) -> None:
        self._layouts[table] = {frame.device: frame.layout for frame in frames}
        self._http.post(
            f"/query?q=CREATE%20DATABASE%20{table}%20WITH%20SHARD%20DURATION%2052w", b""
        )

    def _write(self, table: str, body: str) -> None:
        self._http.post(f"/write?db={table}&precision=ms", body.encode())

    def _lines(self, table: str, frame: Frame) -> list[str]:
        fields = ",".join(f"c{number}=%di" for number in range(frame.layout.width))
        line = f"{table_of(table, frame.layout.name)},device={frame.device} {fields} %d"
        rows = np.concatenate([*frame.values, frame.times_ms[:, None]], axis=1)
        return [line % tuple(row) for row in rows.tolist()]


@contextmanager
def open_influx() -> Iterator[Peer]:
    """A server on loopback with a folder of its own."""
    environment = {
        "INFLUXDB_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
        "INFLUXDB_HTTP_BIND_ADDRESS": "127.0.0.1:{port}",
        "INFLUXDB_META_DIR": "{folder}/meta",
        "INFLUXDB_DATA_DIR": "{folder}/data",
        "INFLUXDB_DATA_WAL_DIR": "{folder}/wal",
        "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "1s",
        "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "1s",
        "INFLUXDB_REPORTING_DISABLED": "true",
        "INFLUXDB_MONITOR_STORE_ENABLED": "false",
        "INFLUXDB_HTTP_LOG_ENABLED": "false",
        "INFLUXDB_DATA_QUERY_LOG_ENABLED": "false",
    }
    arguments = ("run", "-config", "/dev/null")
    with server("influxd", "influxdb", arguments, environment, "/ping") as (http, folder):
        yield _Influx(http, folder)
