"""What a history answer looks like: series of physical values on their sample times.

A value that was not measured, not delivered or marked invalid is NaN here and null in JSON;
nothing is interpolated, held or invented between samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cloud.errors import BadQuery


class Resolution(StrEnum):
    """Time resolution of an answer. AUTO takes the finest that fits the asked range.

    Hours, days and months are those of the asked time zone.
    """

    AUTO = "auto"
    RAW = "raw"
    MINUTE = "1min"
    QUARTER = "15min"
    HOUR = "1h"
    DAY = "1d"
    MONTH = "1mo"


class Tier(StrEnum):
    """What an answer was read from."""

    RAW = "raw"
    MINUTE = "1min"
    QUARTER = "15min"


@dataclass(frozen=True)
class SignalRef:
    """One signal of one device; `index` is the cell number from 1, as the BMS counts."""

    device: str
    signal: str
    index: int | None = None

    @classmethod
    def parse(cls, text: str) -> "SignalRef":
        """Read "DEVICE:signal" or "DEVICE:signal:index".

        Raises:
            BadQuery: another form, or an index below 1.
        """
        parts = text.split(":")
        if len(parts) not in (2, 3) or not all(parts):
            raise BadQuery(f"signal {text!r}: write DEVICE:signal or DEVICE:signal:index")
        if len(parts) == 2:  # noqa: PLR2004 - device and signal
            return cls(parts[0], parts[1])
        if not parts[2].isdecimal() or int(parts[2]) < 1:
            raise BadQuery(f"signal {text!r}: the index counts from 1")
        return cls(parts[0], parts[1], int(parts[2]))

    def __str__(self) -> str:
        base = f"{self.device}:{self.signal}"
        return base if self.index is None else f"{base}:{self.index}"


@dataclass(frozen=True)
class Series:
    """One signal over time.

    Attributes:
        ref: which signal.
        unit: its unit.
        times_ms: int64, shape (n,): device sample times, or starts of buckets; ascending.
        values: float64, shape (n,): the value, or the mean of the bucket; NaN = missing.
        quality: uint8, shape (n,), `contract.frame.Quality` (raw answers only).
        minimum, maximum: float64, shape (n,) (rollup answers only).
        last: float64, shape (n,): newest value of the bucket (rollups of scalar signals only).
        count: int64, shape (n,): usable samples in the bucket (rollups of scalar signals only).
        discharged_kwh, charged_kwh: float64, shape (n,): integral of positive and of negative
            values over the bucket, both as positive numbers (rollups of powers in kW only).
    """

    ref: SignalRef
    unit: str
    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    quality: NDArray[np.uint8] | None = None
    minimum: NDArray[np.float64] | None = None
    maximum: NDArray[np.float64] | None = None
    last: NDArray[np.float64] | None = None
    count: NDArray[np.int64] | None = None
    discharged_kwh: NDArray[np.float64] | None = None
    charged_kwh: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Note:
    """What of a range is no longer kept.

    Attributes:
        code: "gone".
        resolution: what is no longer kept, RAW standing for samples.
        before_ms: from when on it is kept.
        instead: resolution of the answer where it was chosen for that reason; None: the answer
            is of `resolution` and lacks what is gone.
        text: the same in English, with the remedy.
    """

    code: str
    resolution: Resolution
    before_ms: int
    instead: Resolution | None
    text: str


@dataclass(frozen=True)
class QueryResult:
    """Series of one station over [start_ms, end_ms).

    Attributes:
        resolution: of the answer, never AUTO.
        tiers: what it was read from, finest first.
        timezone: whose hours, days and months the buckets are.
        damaged: stored parts that could not be opened; their samples are left out.
        notes: what of the range is no longer kept, at this resolution or at the finer one that
            would have answered otherwise.
    """

    station: str
    start_ms: int
    end_ms: int
    resolution: Resolution
    series: tuple[Series, ...]
    tiers: tuple[Tier, ...] = ()
    timezone: str = "UTC"
    damaged: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def points(self) -> int:
        """Number of points in all series."""
        return sum(len(one.times_ms) for one in self.series)


@dataclass(frozen=True)
class CellsAt:
    """All cells of one rack at one sample time, for the heat map.

    `values`: by signal, float64, shape (cells,), NaN = missing; element 0 is cell 1. Where samples
    are no longer kept, the values are the means of the quarter hour `at_ms`, and `tier` says so.
    """

    station: str
    device: str
    at_ms: int
    values: Mapping[str, NDArray[np.float64]]
    tier: Tier = Tier.RAW


@dataclass(frozen=True)
class StoredSamples:
    """Sample times of one device and layout that are really in the store.

    Attributes:
        times_ms: int64, ascending, each time once.
        duplicated: how many more copies of these samples were stored than their number.
        damaged: stored parts that could not be opened.
    """

    times_ms: NDArray[np.int64]
    duplicated: int
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class LedgerCounts:
    """What the ledger and the disk say about a range of sample times.

    Attributes:
        batches, samples, values: accepted telemetry messages and their content.
        wire_bytes: their sealed size as received.
        disk_bytes: bytes of bodies on disk now (waiting batches and blocks of the range).
        disk_values: values in these bodies (blocks and batches of the range).
        duplicates: messages offered again with the same content.
        conflicts: messages refused because their key was taken by other content.
    """

    batches: int
    samples: int
    values: int
    wire_bytes: int
    disk_bytes: int
    disk_values: int
    duplicates: int
    conflicts: int
