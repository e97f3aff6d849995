"""Frames as Parquet rows that anyone can read, and back again without losing a bit.

One row is one sample of one device; where a layout has cells, one row is one cell of one sample
(column `index`, from 1, as the BMS counts). Values stand in their unit: scaled integers as
DECIMAL, which DuckDB shows as they are meant and which holds them exactly. A value that is invalid
or missing is NULL, as in every answer of history. What a reader does not need stands at the end:

- `quality`: NULL when all values of the row are good, else `contract.frame.Quality` of each value;
- `withheld`: raw numbers of the invalid values, in the order of the columns;
- `step_ms`, `jitter_ms`: the grid that the sample belongs to; `time` = grid time + jitter.

Chosen by size on a day of 500 cells at 10 s: a row per cell takes 0.32 bytes a value, a column per
cell 0.35, lists of cells 0.44.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cloud.errors import ArchiveError
from cloud.history.blocks.reading import HOUR_MS, merged
from contract.errors import ContractError
from contract.frame import Frame, Quality
from contract.layouts import Layout
from contract.signals import Signal

LAYOUT_KEY: Final = "stationmaster.layout"
"""Key of the file's metadata that holds the layout as JSON."""
_TIME: Final = pa.timestamp("ms", tz="UTC")
_OWN: Final = frozenset({"device", "time", "index", "quality", "withheld", "step_ms", "jitter_ms"})
_DIGITS: Final = {"i1": 3, "i2": 5, "i4": 10}
_DIGITS_OF_32: Final = 9
_MOST_PLACES: Final = 9
_ABSENT: Final = 255


def canonical(frames: Sequence[Frame], start_ms: int, end_ms: int) -> list[Frame]:
    """Return what is stored of one stream in [start, end), full hours, in one form.

    One frame for each hour and grid, from its first sample to its last, in the order of time.
    """
    found = []
    for frame in merged(frames):
        rows = np.flatnonzero(frame.present)
        if not len(rows) or not start_ms <= frame.t0_ms < end_ms:
            continue
        first, last = (frame.t0_ms + int(row) * frame.step_ms for row in (rows[0], rows[-1]))
        piece = frame.between(first, last + 1)
        assert piece is not None  # noqa: S101 - it has at least one row
        found.append(piece)
    return found


def schema_of(layout: Layout) -> pa.Schema:
    """Columns of the table of a layout, with what is known of each signal."""
    fields = [pa.field("device", pa.string(), nullable=False), pa.field("time", _TIME, False)]
    if depth(layout) > 1:
        fields.append(pa.field("index", pa.int16(), nullable=False))
    fields += [
        pa.field(_name(c.signal), _type(c.signal), metadata=_facts(c.signal, c.repeat))
        for c in layout.columns
    ]
    fields += [
        pa.field("quality", pa.list_(pa.uint8())),
        pa.field("withheld", pa.list_(pa.int32())),
        pa.field("step_ms", pa.int32(), nullable=False),
        pa.field("jitter_ms", pa.int16()),
    ]
    return pa.schema(fields, metadata={LAYOUT_KEY: layout.to_json()})


def depth(layout: Layout) -> int:
    """Rows of one sample: the number of cells, or 1."""
    return max(column.repeat for column in layout.columns)


def encodings(layout: Layout) -> dict[str, str]:
    """The Parquet encoding of each column: differences of integers, byte planes of floats."""
    own = {"time", "step_ms", "jitter_ms", *(["index"] if depth(layout) > 1 else [])}
    floats = {_name(c.signal) for c in layout.columns if pa.types.is_floating(_type(c.signal))}
    whole = {_name(c.signal) for c in layout.columns} - floats
    return dict.fromkeys(own | whole, "DELTA_BINARY_PACKED") | dict.fromkeys(
        floats, "BYTE_STREAM_SPLIT"
    )


def table_of(frames: Sequence[Frame], layout: Layout) -> pa.Table:
    """Return the rows of canonical frames of one device: index by index, each in time order."""
    rows = _rows_of(frames, layout)
    deep, n = depth(layout), len(rows.times_ms)
    columns: list[pa.Array] = [
        pa.repeat(pa.scalar(frames[0].device), deep * n),
        pa.array(np.tile(rows.times_ms, deep)).cast(_TIME),
    ]
    if deep > 1:
        columns.append(pa.array(np.repeat(np.arange(1, deep + 1, dtype=np.int16), n)))
    for number, column in enumerate(layout.columns):
        shown = (rows.quality[number] < Quality.INVALID).reshape(-1)
        columns.append(_values(column.signal, rows.values[number].reshape(-1), shown))
    columns += [
        *_exceptions(rows),
        pa.array(np.tile(rows.steps_ms, deep)),
        pa.array(np.tile(rows.jitter_ms, deep), mask=np.tile(~rows.jittered, deep)),
    ]
    return pa.Table.from_arrays(columns, schema=schema_of(layout))


def frames_of(table: pa.Table, layout: Layout) -> list[Frame]:
    """Return the frames that `table_of` was given.

    Raises:
        ArchiveError: these are no rows of one device that `table_of` has written.
    """
    try:
        return list(_frames(_read(table.combine_chunks(), layout), layout))
    except (ContractError, KeyError, ValueError, IndexError, pa.ArrowException) as error:
        raise ArchiveError(f"rows of layout {layout.name} do not make frames: {error}") from error


@dataclass(frozen=True)
class _Rows:
    """Samples of one device, n in all, of a layout with c columns and depth d.

    Attributes:
        device: whose.
        times_ms, steps_ms, jitter_ms, jittered: shape (n,).
        values: raw numbers of each column, shape (d, n); 0 below the column's own repeat.
        quality: shape (c, d, n); `_ABSENT` where a column has no such index.
    """

    device: str
    times_ms: NDArray[np.int64]
    steps_ms: NDArray[np.int32]
    jitter_ms: NDArray[np.int16]
    jittered: NDArray[np.bool_]
    values: list[NDArray[Any]]
    quality: NDArray[np.uint8]


def _rows_of(frames: Sequence[Frame], layout: Layout) -> _Rows:
    present = [frame.present for frame in frames]
    counts = [int(one.sum()) for one in present]
    n, deep = sum(counts), depth(layout)
    values: list[NDArray[Any]] = [np.zeros((deep, n), dtype) for dtype in layout.dtypes]
    quality = np.full((len(values), deep, n), _ABSENT, dtype=np.uint8)
    at = 0
    for frame, rows, count in zip(frames, present, counts, strict=True):
        part = slice(at, at + count)
        for number, column in enumerate(layout.columns):
            own = slice(0, column.repeat)
            values[number][own, part] = frame.values[number][rows].T
            quality[number, own, part] = frame.quality_of(column.signal.name)[rows].T
        at += count
    none = np.zeros(0, dtype=np.int16)
    jitters = [none if f.jitter_ms is None else f.jitter_ms for f in frames]
    return _Rows(
        frames[0].device,
        np.concatenate([f.times_ms[rows] for f, rows in zip(frames, present, strict=True)]),
        np.repeat(np.array([f.step_ms for f in frames], dtype=np.int32), counts),
        np.concatenate(
            [
                j[rows] if len(j) else np.zeros(count, dtype=np.int16)
                for j, rows, count in zip(jitters, present, counts, strict=True)
            ]
        ),
        np.repeat([len(j) > 0 for j in jitters], counts),
        values,
        quality,
    )


def _exceptions(rows: _Rows) -> tuple[pa.Array, pa.Array]:
    """Return the columns `quality` and `withheld`."""
    columns = len(rows.quality)
    each = rows.quality.reshape(columns, -1)
    odd = np.flatnonzero(((each != Quality.GOOD) & (each != _ABSENT)).any(axis=0))
    total = each.shape[1]
    if not len(odd):
        return pa.nulls(total, pa.list_(pa.uint8())), pa.nulls(total, pa.list_(pa.int32()))
    told = each[:, odd].T
    raw = np.stack([_as_int32(v.reshape(-1)[odd]) for v in rows.values], axis=1)
    invalid = told == Quality.INVALID
    return (
        _lists(total, odd, told, told != _ABSENT, pa.uint8()),
        _lists(total, odd, raw, invalid, pa.int32()),
    )


def _lists(
    total: int, odd: NDArray[np.int64], items: NDArray[Any], kept: NDArray[np.bool_], of: Any
) -> pa.Array:
    """A list column, NULL where no item is kept; `items` and `kept` have shape (odd, columns)."""
    lengths = np.zeros(total, dtype=np.int32)
    lengths[odd] = kept.sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(items[kept], of), mask=pa.array(lengths == 0)
    )


def _read(table: pa.Table, layout: Layout) -> _Rows:
    deep = depth(layout)
    n, rest = divmod(table.num_rows, deep)
    if rest or not n:
        raise ValueError(f"{table.num_rows} rows are no multiple of {deep}")
    devices = table.column("device").unique()
    times = _plain(table, "time", np.int64)
    jitter = table.column("jitter_ms")
    if deep > 1:
        index = _plain(table, "index", np.int16).reshape(deep, n)
        if (index != np.arange(1, deep + 1)[:, None]).any():
            raise ValueError("the indices are not in order")
    if len(devices) != 1 or (times.reshape(deep, n) != times[:n]).any():
        raise ValueError("the samples are not those of one device")
    values = [_raw(table.column(_name(c.signal)), c.signal) for c in layout.columns]
    quality = np.full((len(values), deep, n), _ABSENT, dtype=np.uint8)
    for number, column in enumerate(layout.columns):
        quality[number, : column.repeat] = Quality.GOOD
    each = quality.reshape(len(values), -1)
    _put_back(each, values, table)
    return _Rows(
        devices[0].as_py(),
        times[:n],
        _plain(table, "step_ms", np.int32)[:n],
        jitter.fill_null(0).to_numpy()[:n],
        jitter.is_valid().to_numpy()[:n],
        [value.reshape(deep, n) for value in values],
        quality,
    )


def _put_back(quality: NDArray[np.uint8], values: list[NDArray[Any]], table: pa.Table) -> None:
    """Write what `_exceptions` has told into quality (c, rows) and raw values, in place."""
    told = table.column("quality").combine_chunks()
    odd = np.flatnonzero(told.is_valid().to_numpy(zero_copy_only=False))
    if not len(odd):
        return
    part = quality[:, odd].T
    part[part != _ABSENT] = told.flatten().to_numpy()
    quality[:, odd] = part.T
    raw = np.zeros(part.shape, dtype=np.int32)
    raw[part == Quality.INVALID] = table.column("withheld").combine_chunks().flatten().to_numpy()
    for number, value in enumerate(values):
        hidden = odd[part[:, number] == Quality.INVALID]
        value[hidden] = _from_int32(raw[part[:, number] == Quality.INVALID, number], value.dtype)


def _frames(rows: _Rows, layout: Layout) -> Iterator[Frame]:
    grid = rows.times_ms - rows.jitter_ms
    key = np.stack([grid - grid % HOUR_MS, rows.steps_ms, grid % rows.steps_ms])
    starts = np.flatnonzero(np.r_[True, (key[:, 1:] != key[:, :-1]).any(axis=0)])
    for first, last in zip(starts, [*starts[1:], len(grid)], strict=True):
        part = slice(first, last)
        step = int(rows.steps_ms[first])
        at = (grid[part] - grid[first]) // step
        n = int(at[-1]) + 1
        if (np.diff(at) <= 0).any():
            raise ValueError("the samples are not in order of time")
        quality = np.full((n, layout.width), Quality.MISSING, dtype=np.uint8)
        values = []
        for number, column in enumerate(layout.columns):
            start, stop = layout.offset(column.signal.name)
            own = slice(0, column.repeat)
            quality[at, start:stop] = rows.quality[number, own, part].T
            whole = np.zeros((n, column.repeat), dtype=layout.dtypes[number])
            whole[at] = rows.values[number][own, part].T
            values.append(whole)
        jitter = None
        if rows.jittered[first]:
            jitter = np.zeros(n, dtype=np.int16)
            jitter[at] = rows.jitter_ms[part]
        yield Frame(rows.device, layout, int(grid[first]), step, tuple(values), quality, jitter)


def _name(signal: Signal) -> str:
    return f"{signal.name}_" if signal.name in _OWN else signal.name


def _facts(signal: Signal, repeat: int) -> dict[str, str]:
    return {
        "signal": signal.name,
        "unit": signal.unit,
        "scale": repr(signal.scale),
        "raw_type": signal.dtype,
        "repeat": str(repeat),
        "kind": signal.kind.value,
        "grade": str(int(signal.grade)),
        "label_en": signal.label_en,
        "label_zh": signal.label_zh,
        "states": json.dumps([list(state) for state in signal.states], ensure_ascii=False),
    }


def _places(signal: Signal) -> int | None:
    """Decimal places of an integer signal whose scale is 1, 0.1, 0.01, ..."""
    if signal.dtype not in _DIGITS or not 0 < signal.scale <= 1:
        return None
    places = round(-math.log10(signal.scale))
    return places if places <= _MOST_PLACES and signal.scale == float(f"1e-{places}") else None


def _type(signal: Signal) -> Any:
    if signal.dtype not in _DIGITS:
        return pa.float32()
    places = _places(signal)
    if places is None:
        return pa.float64()
    if places == 0:
        return pa.from_numpy_dtype(np.dtype(signal.dtype))
    digits = max(_DIGITS[signal.dtype], places)
    if digits <= _DIGITS_OF_32:
        return pa.decimal32(digits, places)
    return pa.decimal64(digits, places)


def _values(signal: Signal, raw: NDArray[Any], shown: NDArray[np.bool_]) -> pa.Array:
    of = _type(signal)
    if pa.types.is_decimal(of):
        bits = np.packbits(shown, bitorder="little").tobytes()
        wide = raw.astype(np.int32 if pa.types.is_decimal32(of) else np.int64).tobytes()
        return pa.Array.from_buffers(of, len(raw), [pa.py_buffer(bits), pa.py_buffer(wide)])
    if pa.types.is_float64(of):
        return pa.array(raw * signal.scale, mask=~shown)
    return pa.array(raw, of, mask=~shown)


def _raw(column: pa.ChunkedArray, signal: Signal) -> NDArray[Any]:
    """Return the raw numbers of a signal, 0 where NULL; a copy."""
    of, array = _type(signal), column.combine_chunks()
    if not array.type.equals(of):
        raise ValueError(f"{signal.name} is {array.type}, not {of}")
    shown = array.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_decimal(of):
        width = np.dtype(np.int32 if pa.types.is_decimal32(of) else np.int64)
        found = np.frombuffer(array.buffers()[1], width)[array.offset : array.offset + len(array)]
    else:
        found = array.fill_null(0).to_numpy()
    if pa.types.is_float64(of):
        found = np.rint(found / signal.scale)
    found = found.astype(signal.dtype)
    found[~shown] = 0
    return found


def _plain(table: pa.Table, name: str, dtype: Any) -> NDArray[Any]:
    column = table.column(name).combine_chunks()
    if column.null_count:
        raise ValueError(f"{name} has gaps")
    found: NDArray[Any] = column.to_numpy().astype(dtype)
    return found


def _as_int32(raw: NDArray[Any]) -> NDArray[np.int32]:
    return raw.view(np.int32) if raw.dtype.kind == "f" else raw.astype(np.int32)


def _from_int32(raw: NDArray[np.int32], dtype: np.dtype[Any]) -> NDArray[Any]:
    return raw.view(dtype) if dtype.kind == "f" else raw.astype(dtype)
