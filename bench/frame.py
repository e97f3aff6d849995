"""The frame codec on the default plant's telemetry: bytes a value and values a second.

Batches are what a station sends (46 devices, a few rows each); hour blocks are what the archive
keeps (one device, 3600 rows). Peers encode the same numbers in the same run: Parquet with
delta encoding and zstd, and zstd over the plain integer arrays.
"""

import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from bench._plant import plant, values_of
from contract.frame import Frame, decode_batch, encode_batch

_HOUR_S = 3600
_REPEATS = 5
_PARQUET_ROWS = 60
"""Parquet is no format for a batch of two rows: its footer would be most of it."""
_SAMPLE = {"C1-PCS", "C1-R01", "C1-CHL", "METER"}

Row = dict[str, Any]


def run() -> list[Row]:
    """Measure and return the rows; takes about twenty seconds."""
    rows = []
    for seconds, target in ((2, 0.5), (60, 0.33)):
        rows += _measure(f"batch of {seconds} s, whole plant", plant(seconds), target)
    hour = {f.layout.name: f for f in plant(_HOUR_S) if f.device in _SAMPLE}
    for layout, frame in hour.items():
        bound = 0.33 if layout in {"rack", "rack.cells/416"} else None
        rows += _measure(f"hour block, {layout}", [frame], bound)
    rows += _measure("hour blocks, one device of each kind", list(hour.values()), 0.33)
    return rows


def _measure(name: str, frames: list[Frame], target: float | None) -> list[Row]:
    count = values_of(frames)
    blob = encode_batch(frames)
    peers: dict[str, Callable[[], bytes]] = {"zstd of int arrays": lambda: _plain_zstd(frames)}
    if frames[0].n >= _PARQUET_ROWS:
        peers["Parquet, delta + zstd"] = lambda: _parquet(frames)
    size = {peer: round(len(encode()) / count, 4) for peer, encode in peers.items()}
    speed = {peer: round(count / _best(encode) / 1e6, 1) for peer, encode in peers.items()}
    encoding = count / _best(lambda: encode_batch(frames)) / 1e6
    decoding = count / _best(lambda: decode_batch(blob)) / 1e6
    # A batch of some rows is bounded by calls, not by values: speed has a target for blocks only.
    fast = 20.0 if "block" in name else None
    return [
        _row(f"{name}: size", len(blob) / count, "B/value", "less", target, size),
        _row(f"{name}: encode", encoding, "M values/s", "more", fast, speed),
        _row(f"{name}: decode", decoding, "M values/s", "more", fast, {}),
    ]


def _row(  # noqa: PLR0917 - the columns of the table
    name: str, value: float, unit: str, better: str, target: float | None, peers: dict[str, float]
) -> Row:
    return {
        "name": name,
        "value": round(value, 4 if unit == "B/value" else 1),
        "unit": unit,
        "better": better,
        "target": target,
        "peers": peers,
    }


def _best(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some runs."""
    found = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return min(found)


def _plain_zstd(frames: Sequence[Frame]) -> bytes:
    arrays = b"".join(v.T.tobytes() for f in frames for v in f.values)
    return zstandard.ZstdCompressor(level=3).compress(arrays)


def _parquet(frames: Sequence[Frame]) -> bytes:
    """One file with a table a layout: device, time and one column a signal and cell."""
    tables: dict[str, list[pa.Table]] = {}
    for frame in frames:
        columns = {"device": pa.array([frame.device] * frame.n).dictionary_encode()}
        columns["time_ms"] = pa.array(frame.times_ms)
        for column, values in zip(frame.layout.columns, frame.values, strict=True):
            for cell in range(column.repeat):
                numbers = pa.array(values[:, cell].astype("i4"))
                columns[f"{column.signal.name}:{cell}"] = numbers
        tables.setdefault(frame.layout.name, []).append(pa.table(columns))
    sink = io.BytesIO()
    for parts in tables.values():
        table = pa.concat_tables(parts)
        numbers = [n for n in table.column_names if n != "device"]
        pq.write_table(
            table,
            sink,
            compression="zstd",
            use_dictionary=["device"],
            column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
            write_statistics=False,
            store_schema=False,
        )
    return sink.getvalue()
