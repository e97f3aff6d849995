"""Peer: VictoriaMetrics, a time series per point, over its HTTP interface.

Samples are acknowledged from memory and written within seconds: there is no commit to wait for.
Samples are the raw integers, which its decimal compression likes best.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench._history_record import DAY_MS, POWER, QUARTER_MS, Answer, Record, values_in
from bench._history_servers import Http, server, size_at_rest
from bench._history_store import Peer, maps_of, scales_of
from contract.frame import Frame
from contract.layout import Layout

_LARGE, _SMALL = "large", "small"
_PIECE = 400_000
"""Values in one request of the load."""
_MINUTE_S = 60


class _Victoria:
    """Labels: signal (the name), station, device, and of cells their number."""

    name = "VictoriaMetrics"

    def __init__(self, http: Http, folder: Path) -> None:
        self._http = http
        self._folder = folder
        self._layouts: dict[str, dict[str, Layout]] = {}
        self._bytes: dict[str, float] = {}
        self._newest_ms = 0

    def ingest(self, batches: Sequence[Sequence[Frame]]) -> list[float]:
        self._layouts[_LARGE] = {frame.device: frame.layout for frame in batches[0]}
        times = []
        for batch in batches:
            body = b"".join(_lines(_LARGE, frame) for frame in batch)
            began = time.perf_counter()
            self._http.post("/api/v1/import", body)
            times.append(time.perf_counter() - began)
        self._newest_ms = batches[-1][0].end_ms - 1
        return times

    def load(self, record: Record) -> None:
        before = self._rest()
        for table, frames in record.tables.items():
            self._layouts[table] = {frame.device: frame.layout for frame in frames}
            for frame in frames:
                for piece in _pieces(frame):
                    self._http.post("/api/v1/import", _lines(_SMALL, piece))
            after = self._rest()
            self._bytes[table] = (after - before) / values_in(frames)
            before = after

    def bytes_per_value(self) -> tuple[float, float]:
        return self._bytes["seconds"], self._bytes["cells"]

    def last_all(self) -> Answer:
        rows = self._newest(_LARGE, f'{{station="{_LARGE}"}}', self._newest_ms)
        return (np.concatenate(rows),)

    def cells_at(self, at_ms: int) -> Answer:
        wanted = f'{{__name__=~"cell_(voltage_v|temperature_c)",station="{_SMALL}"}}'
        return maps_of(np.stack(self._newest("cells", wanted, at_ms)))

    def series(self, table: str, device: str, signal: str, span: tuple[int, int]) -> Answer:
        found = self._http.json(
            "/api/v1/export",
            **{"match[]": _selector(device, signal)},
            start=span[0] / 1_000,
            end=(span[1] - 1) / 1_000,
        )
        times = np.array(found["timestamps"], dtype=np.float64)
        return times, np.array(found["values"]) * self._scale(table, device, signal)

    def buckets(self, device: str, signal: str, span: tuple[int, int]) -> Answer:
        functions = '"avg_over_time", "min_over_time", "max_over_time"'
        query = f"aggr_over_time(({functions}), {_selector(device, signal)}[15m])"
        found = self._range(query, span, QUARTER_MS)
        by_name = {one["metric"]["rollup"]: _samples(one) for one in found}
        starts = by_name["avg_over_time"][0]
        scale = self._scale("seconds", device, signal)
        names = ("avg_over_time", "min_over_time", "max_over_time")
        mean, lowest, highest = (by_name[name][1] * scale for name in names)
        return starts - QUARTER_MS + 1, mean, lowest, highest

    def daily_energy(self, device: str, span: tuple[int, int]) -> Answer:
        query = f"sum_over_time({_selector(device, POWER)}[1d]) / 4"
        days, sums = _samples(self._range(query, span, DAY_MS)[0])
        return days - DAY_MS + 1, sums * self._scale("quarters", device, POWER)

    def _range(self, query: str, span: tuple[int, int], step_ms: int) -> Any:
        """Evaluate at the last millisecond of every step: a window is open at its start."""
        found = self._http.json(
            "/api/v1/query_range",
            query=query,
            start=(span[0] + step_ms - 1) / 1_000,
            end=(span[1] - 1) / 1_000,
            step=step_ms / 1_000,
            nocache=1,
        )
        return found["data"]["result"]

    def _newest(self, table: str, wanted: str, at_ms: int) -> list[NDArray[np.float64]]:
        """The newest row of every device, in units, in the order of the frames."""
        layouts = self._layouts[table]
        rows = {device: np.full(layout.width, np.nan) for device, layout in layouts.items()}
        found = self._http.json("/api/v1/query", query=wanted, time=at_ms / 1_000, nocache=1)
        for one in found["data"]["result"]:
            labels = one["metric"]
            first, _ = layouts[labels["device"]].offset(labels["__name__"])
            rows[labels["device"]][first + int(labels.get("cell", 0))] = float(one["value"][1])
        return [row * scales_of(layouts[device]) for device, row in rows.items()]

    def _scale(self, table: str, device: str, signal: str) -> float:
        return self._layouts[table][device].signal(signal).scale

    def _rest(self) -> int:
        self._http.get("/internal/force_flush")
        self._http.get("/internal/force_merge")
        return size_at_rest(self._folder)


def _selector(device: str, signal: str) -> str:
    return f'{signal}{{station="{_SMALL}",device="{device}"}}'


def _samples(result: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times in ms and values of one series of an answer."""
    times, values = zip(*result["values"], strict=True)
    return np.rint(np.array(times) * 1_000), np.array(values, dtype=np.float64)


def _pieces(frame: Frame) -> Iterator[Frame]:
    step_ms = max(1, _PIECE // frame.layout.width) * frame.step_ms
    for start_ms in range(frame.t0_ms, frame.end_ms, step_ms):
        piece = frame.between(start_ms, start_ms + step_ms)
        if piece is not None:
            yield piece


def _lines(station: str, frame: Frame) -> bytes:
    """A line of JSON per point: its labels, values and timestamps."""
    times, lines = json.dumps(frame.times_ms.tolist()), []
    for column, values in zip(frame.layout.columns, frame.values, strict=True):
        labels = {"__name__": column.signal.name, "station": station, "device": frame.device}
        for cell, numbers in enumerate(values.T.tolist()):
            metric = json.dumps(labels | ({"cell": str(cell)} if column.repeat > 1 else {}))
            lines.append(f'{{"metric":{metric},"values":{numbers},"timestamps":{times}}}\n')
    return "".join(lines).encode()


@contextmanager
def open_victoria() -> Iterator[Peer]:
    """A server on loopback with a folder of its own."""
    arguments = (
        "-httpListenAddr=127.0.0.1:{port}",
        "-storageDataPath={folder}",
        "-retentionPeriod=100y",
        "-search.disableCache",
    )
    with server("victoria-metrics", "victoria-metrics", arguments, {}, "/health") as (http, folder):
        yield _Victoria(http, folder)
