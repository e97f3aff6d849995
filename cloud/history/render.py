"""A query answer as JSON (missing = null) or as an Arrow IPC stream (missing = null)."""

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cloud.history.model import QueryResult, Series

_FIELDS = ("values", "minimum", "maximum", "last")
_SIGNIFICANT = 10
"""Digits kept in JSON: enough for any scaled 32-bit integer, without float noise."""


def to_json(result: QueryResult) -> bytes:
    """Render as {"station", "from", "to", "resolution", "series": [{"signal", "unit", ...}]}."""
    document = {
        "station": result.station,
        "from": result.start_ms,
        "to": result.end_ms,
        "resolution": result.resolution.value,
        "series": [_series_json(one) for one in result.series],
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _series_json(series: Series) -> dict[str, Any]:
    document: dict[str, Any] = {
        "signal": str(series.ref),
        "unit": series.unit,
        "times_ms": series.times_ms.tolist(),
    }
    for name in _FIELDS:
        column: NDArray[np.float64] | None = getattr(series, name)
        if column is not None:
            document[name] = [_number(value) for value in column.tolist()]
    if series.quality is not None:
        document["quality"] = series.quality.tolist()
    if series.count is not None:
        document["count"] = series.count.tolist()
    return document


def _number(value: float) -> float | None:
    return float(f"{value:.{_SIGNIFICANT}g}") if math.isfinite(value) else None


def to_arrow(result: QueryResult) -> bytes:
    """Render as one long table: signal (dictionary), time (ms, UTC), value, ...

    Raw answers have the column `quality`; rollups have `minimum`, `maximum`, `last`, `count`.
    """
    schema, raw = _arrow_schema(result)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for number, series in enumerate(result.series):
            writer.write_batch(_arrow_batch(result, number, series, schema, raw=raw))
    return bytes(sink.getvalue())


def _arrow_schema(result: QueryResult) -> tuple[pa.Schema, bool]:
    raw = all(one.count is None for one in result.series)
    fields = [
        ("signal", pa.dictionary(pa.int32(), pa.string())),
        ("time", pa.timestamp("ms", tz="UTC")),
        ("value", pa.float64()),
    ]
    if raw:
        fields.append(("quality", pa.uint8()))
    else:
        fields += [(name, pa.float64()) for name in _FIELDS[1:]]
        fields.append(("count", pa.int64()))
    metadata = {"station": result.station, "resolution": result.resolution.value}
    return pa.schema(fields, metadata=metadata), raw


def _arrow_batch(
    result: QueryResult, number: int, series: Series, schema: pa.Schema, *, raw: bool
) -> pa.RecordBatch:
    n = len(series.times_ms)
    names = pa.array([str(one.ref) for one in result.series])
    indices = pa.array(np.full(n, number, dtype=np.int32))
    columns = [
        pa.DictionaryArray.from_arrays(indices, names),
        pa.array(series.times_ms).cast(pa.timestamp("ms", tz="UTC")),
        _nullable(series.values),
    ]
    if raw:
        columns.append(pa.array(series.quality))
    else:
        columns += [_nullable(getattr(series, name)) for name in _FIELDS[1:]]
        columns.append(pa.array(series.count))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _nullable(column: NDArray[np.float64]) -> pa.Array:
    return pa.array(column, mask=~np.isfinite(column))
