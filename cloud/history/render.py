"""A query answer as JSON, Arrow, Parquet or CSV; a missing value is null or an empty field.

Arrow, Parquet and CSV are one long table: signal, time (UTC), value, and what the resolution
has besides. They are written piece by piece, so an answer may be larger than memory.
"""

import io
import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cloud.errors import DamagedHistory
from cloud.history.model import QueryResult, Resolution, Series

_FIELDS = ("values", "minimum", "maximum", "last", "discharged_kwh", "charged_kwh")
_CSV_DIGITS = 6
_SIGNIFICANT = 10
"""Digits kept in JSON: enough for any scaled 32-bit integer, without float noise."""


def to_json(result: QueryResult) -> bytes:
    """Render as {"station", "from", "to", "resolution", "tiers", "series": [...], ...}.

    Each of the series is {"signal", "unit", "times_ms", "values", ...}.
    """
    document = {
        "station": result.station,
        "from": result.start_ms,
        "to": result.end_ms,
        "resolution": result.resolution.value,
        "tiers": [tier.value for tier in result.tiers],
        "timezone": result.timezone,
        "damaged": list(result.damaged),
        "notes": [asdict(note) for note in result.notes],
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
    """Render one answer as an Arrow IPC stream."""
    sink = io.BytesIO()
    schema = schema_of(result)
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(to_table(result, schema))
    return sink.getvalue()


def schema_of(result: QueryResult) -> pa.Schema:
    """The columns of an answer of this resolution."""
    fields = [
        pa.field("signal", pa.dictionary(pa.int32(), pa.string())),
        pa.field("time", pa.timestamp("ms", tz="UTC")),
        pa.field("value", pa.float64()),
    ]
    if result.resolution is Resolution.RAW:
        fields.append(pa.field("quality", pa.uint8()))
    else:
        fields += [pa.field(name, pa.float64()) for name in _FIELDS[1:]]
        fields.append(pa.field("count", pa.int64()))
    metadata = {
        "station": result.station,
        "resolution": result.resolution.value,
        "timezone": result.timezone,
        "tiers": ",".join(tier.value for tier in result.tiers),
    }
    return pa.schema(fields, metadata=metadata)


def to_table(result: QueryResult, schema: pa.Schema) -> pa.Table:
    """The answer as one table of `schema`, signal after signal."""
    batches = [
        _arrow_batch(result, number, series, schema) for number, series in enumerate(result.series)
    ]
    return pa.Table.from_batches(batches, schema)


def _arrow_batch(
    result: QueryResult, number: int, series: Series, schema: pa.Schema
) -> pa.RecordBatch:
    n = len(series.times_ms)
    names = pa.array([str(one.ref) for one in result.series])
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(np.full(n, number, dtype=np.int32)), names),
        pa.array(series.times_ms).cast(pa.timestamp("ms", tz="UTC")),
        _nullable(series.values),
    ]
    if result.resolution is Resolution.RAW:
        columns.append(pa.array(series.quality))
    else:
        columns += [_optional(getattr(series, name), n) for name in _FIELDS[1:]]
        count = series.count
        columns.append(pa.nulls(n, pa.int64()) if count is None else pa.array(count))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _optional(column: NDArray[np.float64] | None, n: int) -> pa.Array:
    return pa.nulls(n, pa.float64()) if column is None else _nullable(column)


def _nullable(column: NDArray[np.float64]) -> pa.Array:
    return pa.array(column, mask=~np.isfinite(column))


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


Opener = Callable[[io.BytesIO, pa.Schema], _Writer]


def arrow_writer(sink: io.BytesIO, schema: pa.Schema) -> _Writer:
    """Write an Arrow IPC stream."""
    writer: _Writer = pa.ipc.new_stream(sink, schema)
    return writer


def parquet_writer(sink: io.BytesIO, schema: pa.Schema) -> _Writer:
    """Write a Parquet file with a row group a piece, compressed by zstd."""
    writer: _Writer = pq.ParquetWriter(sink, schema, compression="zstd")
    return writer


def csv_writer(sink: io.BytesIO, schema: pa.Schema) -> _Writer:
    """Write CSV (RFC 4180) with a head line; times are UTC."""
    plain = pa.schema([pa.field("signal", pa.string()), *list(schema)[1:]])
    return _Csv(pyarrow.csv.CSVWriter(sink, plain), plain)


class _Csv:
    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(_without_noise(table).cast(self._schema))

    def close(self) -> None:
        self._writer.close()


def _without_noise(table: pa.Table) -> pa.Table:
    """Round to what any signal resolves, so that no text shows the noise of binary fractions."""
    for number, column in enumerate(table.schema):
        if pa.types.is_floating(column.type):
            rounded = pa.compute.round(table.column(number), ndigits=_CSV_DIGITS)
            table = table.set_column(number, column, rounded)
    return table


async def rendered(pieces: AsyncIterator[QueryResult], opened: Opener) -> AsyncIterator[bytes]:
    """Yield the bytes of a file made of the pieces of a streamed answer.

    A damaged part of the store ends the file before its proper end, so that nobody takes it
    for whole: the reader of the file reports it as broken.

    Raises:
        DamagedHistory: a piece has damaged parts.
    """
    sink = _Sink()
    writer: _Writer | None = None
    schema: pa.Schema | None = None
    async for piece in pieces:
        if piece.damaged:
            raise DamagedHistory(piece.damaged)
        if writer is None or schema is None:
            schema = schema_of(piece)
            writer = opened(sink, schema)
        writer.write_table(to_table(piece, schema))
        yield sink.taken()
    if writer is not None:
        writer.close()
        yield sink.taken()


class _Sink(io.BytesIO):
    """Collects what a writer writes until it is taken; positions count from the file's start."""

    def __init__(self) -> None:
        super().__init__()
        self._before = 0

    def tell(self) -> int:
        return self._before + super().tell()

    def taken(self) -> bytes:
        found = self.getvalue()
        self._before += len(found)
        self.seek(0)
        self.truncate()
        return found
