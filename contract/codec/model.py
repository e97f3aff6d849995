"""The frame in memory: one device, one layout, a regular time grid, columns of raw numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from contract.errors import FrameError, FrameShapeError, FrameTooLargeError
from contract.layouts import Layout

MAX_ROWS = 1 << 20
MAX_VALUES = 1 << 23
"""Most values in one frame or batch: an hour of one second samples of 2,300 signals."""
MAX_STEP_MS = 1 << 31
MAX_TIME_MS = 253_402_300_799_999
"""The last millisecond of the year 9999, the last that Python's datetime can say."""
MAX_DEVICE_BYTES = 64

Array = NDArray[Any]
_T = TypeVar("_T", bound=np.generic)


class Quality(IntEnum):
    """How far a value may be trusted. MISSING carries no value: its raw number is 0."""

    GOOD = 0
    QUESTIONABLE = 1
    INVALID = 2
    MISSING = 3


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What can be said of an encoded frame without decoding it; `size` is the blob's bytes."""

    device: str
    layout_hash: bytes
    t0_ms: int
    step_ms: int
    n: int
    size: int


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """`n` rows of one device in one layout.

    `values[c]` has the raw dtype of layout column c and shape (n, repeat); `quality` is uint8
    of shape (n, width); row i was sampled at t0_ms + i * step_ms (+ jitter_ms[i], int16).
    Arrays become read-only views. Frames are equal when all their content is, bit by bit.
    `sampled`, bool of shape (n,), says which rows are samples where these columns are only a
    part of what was sampled; None: the rows that have a value.
    """

    device: str
    layout: Layout
    t0_ms: int
    step_ms: int
    values: tuple[Array, ...]
    quality: NDArray[np.uint8]
    jitter_ms: NDArray[np.int16] | None = None
    sampled: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit; set values under MISSING and jitter of no sample to 0."""
        require_identity(self.device, self.t0_ms, self.step_ms, len(self.quality))
        object.__setattr__(self, "quality", _read_only(_checked_quality(self)))
        object.__setattr__(self, "values", tuple(_read_only(v) for v in _checked_values(self)))
        if self.jitter_ms is not None:
            object.__setattr__(self, "jitter_ms", _read_only(_checked_jitter(self, self.jitter_ms)))

    @classmethod
    def trusted(
        cls,
        device: str,
        grid: tuple[Layout, int, int],
        values: Sequence[Array],
        quality: NDArray[np.uint8],
        jitter_ms: NDArray[np.int16] | None = None,
    ) -> "Frame":
        """Make a frame of a decoder's arrays, which fit and of which nothing is MISSING.

        The checks of the constructor cost more than decoding a narrow column.

        Args:
            device: its name.
            grid: layout, t0_ms and step_ms.
            values: one array of shape (n, repeat) a column.
            quality: shape (n, width).
            jitter_ms: shape (n,).
        """
        frame = object.__new__(cls)
        layout, t0_ms, step_ms = grid
        fields = {
            "device": device,
            "layout": layout,
            "t0_ms": t0_ms,
            "step_ms": step_ms,
            "values": tuple(_read_only(column) for column in values),
            "quality": _read_only(quality),
            "jitter_ms": jitter_ms,
            "sampled": None,
        }
        for name, value in fields.items():
            object.__setattr__(frame, name, value)
        return frame

    def __repr__(self) -> str:
        """Name the frame without its values."""
        shape = f"{self.n}x{self.layout.width}"
        return f"<Frame {self.device}/{self.layout.name} {shape} from {self.t0_ms} ms>"

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.quality)

    @property
    def all_good(self) -> bool:
        """Whether the quality is known to be good throughout without looking at each value."""
        quality = self.quality
        return not (quality.strides[0] or quality.strides[1]) and not quality[0, 0]

    @property
    def memory_bytes(self) -> int:
        """Memory that its values and quality take."""
        marks = 0 if self.all_good else self.quality.nbytes
        return sum(column.nbytes for column in self.values) + marks

    @property
    def samples(self) -> int:
        """Number of rows that are samples."""
        return self.n if self.all_good else int(self.present.sum())

    @property
    def end_ms(self) -> int:
        """The grid time one step after the last row."""
        return self.t0_ms + self.n * self.step_ms

    @property
    def present(self) -> NDArray[np.bool_]:
        """Rows that are samples, not gaps of the grid, shape (n,)."""
        if self.sampled is not None:
            return self.sampled
        return np.asarray((self.quality != Quality.MISSING).any(axis=1))

    @property
    def times_ms(self) -> NDArray[np.int64]:
        """Sample times in epoch milliseconds, shape (n,)."""
        times = self.t0_ms + self.step_ms * np.arange(self.n, dtype=np.int64)
        return times if self.jitter_ms is None else times + self.jitter_ms

    def raw(self, signal_name: str) -> Array:
        """Return a signal's raw numbers, shape (n, repeat)."""
        return self.values[self.layout.column(signal_name)]

    def quality_of(self, signal_name: str) -> NDArray[np.uint8]:
        """Return a signal's quality, shape (n, repeat)."""
        start, stop = self.layout.offset(signal_name)
        return self.quality[:, start:stop]

    def physical(self, signal_name: str) -> NDArray[np.float64]:
        """Return a signal in its unit, shape (n, repeat), NaN where INVALID or MISSING."""
        scale = self.layout.signal(signal_name).scale
        found = self.raw(signal_name).astype(np.float64) * scale
        bad = self.quality_of(signal_name) >= Quality.INVALID
        if bad.any():
            found[bad] = np.nan
        return found

    def between(self, start_ms: int, end_ms: int) -> "Frame | None":
        """Return the rows whose grid time is in [start_ms, end_ms), or None if there are none."""
        first, last = rows_between((self.t0_ms, self.step_ms, self.n), start_ms, end_ms)
        if first >= last:
            return None
        if last - first == self.n:
            return self
        return Frame(
            self.device,
            self.layout,
            self.t0_ms + first * self.step_ms,
            self.step_ms,
            tuple(v[first:last] for v in self.values),
            self.quality[first:last],
            None if self.jitter_ms is None else self.jitter_ms[first:last],
            None if self.sampled is None else self.sampled[first:last],
        )

    def __eq__(self, other: object) -> bool:
        """Equal in every field, floats compared bit by bit."""
        if not isinstance(other, Frame):
            return NotImplemented
        return (
            self._identity() == other._identity()
            and np.array_equal(self.quality, other.quality)
            and all(
                np.array_equal(_bits(a), _bits(b))
                for a, b in zip(self.values, other.values, strict=True)
            )
            and (self.jitter_ms is None) == (other.jitter_ms is None)
            and (
                self.jitter_ms is None
                or other.jitter_ms is None
                or np.array_equal(self.jitter_ms, other.jitter_ms)
            )
        )

    def __hash__(self) -> int:
        """Hash of the identity, without the values."""
        return hash(self._identity())

    def _identity(self) -> tuple[str, bytes, int, int, int]:
        return (self.device, self.layout.hash8, self.t0_ms, self.step_ms, self.n)


def merge(frames: Sequence[Frame]) -> Frame:
    """Return one frame over the union of the grids of several frames of one device.

    Where frames overlap, the later argument wins, except that a MISSING value never replaces a
    value. Times without any row are MISSING. FrameError when device, layout, step or grid
    differ; FrameTooLargeError when the union is over the limits.
    """
    if not frames:
        msg = "there is nothing to merge"
        raise FrameError(msg)
    head = frames[0]
    for frame in frames:
        _require_mergeable(head, frame)
    t0 = min(f.t0_ms for f in frames)
    n = (max(f.end_ms for f in frames) - t0) // head.step_ms
    require_size(n, head.layout.width)
    quality = np.full((n, head.layout.width), Quality.MISSING, dtype=np.uint8)
    values = tuple(np.zeros((n, v.shape[1]), dtype=v.dtype) for v in head.values)
    with_jitter = any(f.jitter_ms is not None for f in frames)
    jitter = np.zeros(n, dtype=np.int16) if with_jitter else None
    sampled = np.zeros(n, dtype=np.bool_) if any(f.sampled is not None for f in frames) else None
    for frame in frames:
        row = (frame.t0_ms - t0) // head.step_ms
        _lay(frame, quality[row : row + frame.n], [v[row : row + frame.n] for v in values])
        if jitter is not None:
            present = frame.present
            jitter[row : row + frame.n][present] = (
                0 if frame.jitter_ms is None else frame.jitter_ms[present]
            )
        if sampled is not None:
            sampled[row : row + frame.n] |= frame.present
    return Frame(head.device, head.layout, t0, head.step_ms, values, quality, jitter, sampled)


def rows_between(grid: tuple[int, int, int], start_ms: int, end_ms: int) -> tuple[int, int]:
    """Return the rows [first, last) of a grid (t0_ms, step_ms, n) with times in [start, end)."""
    t0_ms, step_ms, n = grid
    return max(0, -((t0_ms - start_ms) // step_ms)), min(n, -((t0_ms - end_ms) // step_ms))


def require_identity(device: str, t0_ms: int, step_ms: int, n: int) -> None:
    """Refuse a device name, time or number of rows that no frame may have."""
    name_bytes = len(device.encode(errors="replace"))
    if not 1 <= name_bytes <= MAX_DEVICE_BYTES or not device.isprintable():
        msg = f"device {device!r:.80} must be 1..{MAX_DEVICE_BYTES} printable UTF-8 bytes"
        raise FrameShapeError(msg)
    if not 1 <= n <= MAX_ROWS:
        msg = f"frame of {device!r} has {n} rows; allowed are 1..{MAX_ROWS}"
        raise FrameTooLargeError(msg)
    if not 1 <= step_ms <= MAX_STEP_MS:
        msg = f"step_ms {step_ms} of {device!r} must be 1..{MAX_STEP_MS}"
        raise FrameShapeError(msg)
    if not 0 <= t0_ms <= MAX_TIME_MS - n * step_ms:
        msg = f"t0_ms {t0_ms} of {device!r} lies outside the years 1970..9999"
        raise FrameShapeError(msg)


def require_size(n: int, width: int) -> None:
    """Refuse more rows or values than one frame may hold."""
    if n > MAX_ROWS or n * width > MAX_VALUES:
        msg = (
            f"{n} rows of {width} values are over the limits ({MAX_ROWS} rows, {MAX_VALUES} values)"
        )
        raise FrameTooLargeError(msg)


def _require_mergeable(head: Frame, frame: Frame) -> None:
    same = (head.device, head.layout.hash8, head.step_ms)
    if (frame.device, frame.layout.hash8, frame.step_ms) != same:
        msg = (
            f"{frame.device}/{frame.layout.name} step {frame.step_ms} ms cannot be merged with "
            f"{head.device}/{head.layout.name} step {head.step_ms} ms"
        )
        raise FrameError(msg)
    if (frame.t0_ms - head.t0_ms) % head.step_ms:
        msg = (
            f"frames of {head.device} lie on different grids: {head.t0_ms} and {frame.t0_ms} "
            f"are not a multiple of {head.step_ms} ms apart"
        )
        raise FrameError(msg)


def _lay(frame: Frame, quality: NDArray[np.uint8], values: Sequence[Array]) -> None:
    present = frame.quality != Quality.MISSING
    if present.all():
        quality[:] = frame.quality
        for target, source in zip(values, frame.values, strict=True):
            target[:] = source
        return
    np.copyto(quality, frame.quality, where=present)
    start = 0
    for target, source in zip(values, frame.values, strict=True):
        stop = start + source.shape[1]
        np.copyto(target, source, where=present[:, start:stop])
        start = stop


def _checked_jitter(frame: Frame, jitter: NDArray[np.int16]) -> NDArray[np.int16]:
    if jitter.dtype != np.int16 or jitter.shape != (frame.n,):
        msg = f"jitter_ms of {frame!r} must be int16 of shape ({frame.n},)"
        raise FrameShapeError(msg)
    unsampled = ~frame.present
    return np.where(unsampled, np.int16(0), jitter) if jitter[unsampled].any() else jitter


def _checked_quality(frame: Frame) -> NDArray[np.uint8]:
    quality = frame.quality
    require_size(len(quality), frame.layout.width)
    if quality.dtype != np.uint8 or quality.shape != (frame.n, frame.layout.width):
        msg = (
            f"quality of {frame!r} must be uint8 of shape ({frame.n}, {frame.layout.width}), "
            f"not {quality.dtype} {quality.shape}"
        )
        raise FrameShapeError(msg)
    if quality.max() > Quality.MISSING:
        msg = f"quality of {frame!r} holds {quality.max()}; allowed are 0..3"
        raise FrameShapeError(msg)
    return quality


def _checked_values(frame: Frame) -> list[Array]:
    columns, found = frame.layout.columns, list(frame.values)
    if len(found) != len(columns):
        msg = f"{frame!r} has {len(found)} columns, its layout {len(columns)}"
        raise FrameShapeError(msg)
    n = frame.n
    for column, dtype, array in zip(columns, frame.layout.dtypes, found, strict=True):
        if array.dtype != dtype or array.shape != (n, column.repeat):
            msg = (
                f"column {column.signal.name} of {frame!r} must be {dtype} "
                f"({n}, {column.repeat}), not {array.dtype} {array.shape}"
            )
            raise FrameShapeError(msg)
    missing = frame.quality == Quality.MISSING
    if not missing.any():
        return found
    start = 0
    for index, column in enumerate(columns):
        stop = start + column.repeat
        gone = missing[:, start:stop]
        if _bits(found[index])[gone].any():
            found[index] = np.where(gone, np.zeros((), dtype=found[index].dtype), found[index])
        start = stop
    return found


def _read_only(array: NDArray[_T]) -> NDArray[_T]:
    view = array.view()
    view.flags.writeable = False
    return view


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array).view(np.uint32) if array.dtype == np.float32 else array
