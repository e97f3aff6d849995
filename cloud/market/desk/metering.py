"""What the meter says of each interval: energy out less energy in, from its two counters.

A counter is read at the ends of an interval. Where it goes back (the meter was replaced or reset)
it is taken to go on from where it stood. Where no sample lies near an end, the counter is taken to
run evenly between the samples around it. Either is said: such an interval is measured, but when in
the gap its energy flowed, or what the old meter counted last, is not known.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.market.forecast import Floats
from cloud.market.units import MINUTE_MS

Millis = npt.NDArray[np.int64]

NEAR_MS: Final = 90_000
"""A sample so near an end stands for it: minutes are kept for ever, samples only for a time."""
NOTHING_BEFORE: Final = "the meter had told nothing before the interval began"
_WENT_BACK: Final = "a counter of the meter went back: it was replaced or reset"
_GAP: Final = re.compile(r"no sample of the meter for (\d+) min")
_CHINESE: Final = {
    NOTHING_BEFORE: "时段开始前计量无数据",
    _WENT_BACK: "计量读数回退：电表被更换或清零",
}
_KWH: Final = Decimal("0.001")
_DIGITS: Final = Decimal("0.000001")


@dataclass(frozen=True)
class Counters:
    """Samples of a meter; all arrays of shape (n,), times ascending.

    Attributes:
        times_ms: UTC epoch.
        exported_kwh: energy given to the grid since ever.
        imported_kwh: energy taken from the grid since ever.
    """

    times_ms: Millis
    exported_kwh: Floats
    imported_kwh: Floats

    def known(self) -> "Counters":
        """Return the samples in which both counters are known."""
        both = np.isfinite(self.exported_kwh) & np.isfinite(self.imported_kwh)
        return Counters(self.times_ms[both], self.exported_kwh[both], self.imported_kwh[both])


@dataclass(frozen=True, slots=True)
class Metered:
    """One interval; energy in MWh, discharge positive; `flag` says what is uncertain."""

    start_ms: int
    energy_mwh: Decimal
    flag: str = ""


def metered(
    counters: Counters, starts_ms: Sequence[int], step_ms: int
) -> tuple[Metered, ...] | None:
    """Return the energy of intervals; None while the meter has not told their last end.

    Args:
        counters: samples that reach beyond both ends.
        starts_ms: beginnings of the intervals, ascending.
        step_ms: their length.
    """
    found = counters.known()
    end_ms = starts_ms[-1] + step_ms
    if not len(found.times_ms) or found.times_ms[-1] < end_ms:
        return None
    return tuple(_interval(found, start, start + step_ms) for start in starts_ms)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the meter says of an interval, or of the part of it that it has told.

    Attributes:
        begin_ms, end_ms: UTC epoch.
        energy_mwh: discharge positive.
        flag: what is uncertain.
    """

    begin_ms: int
    end_ms: int
    energy_mwh: Decimal
    flag: str = ""


def so_far(counters: Counters, begin_ms: int, end_ms: int, step_ms: int) -> tuple[Stretch, ...]:
    """Return the intervals of [begin_ms, end_ms) as far as the meter has told them.

    The one that lasts ends with the last minute that was told; one in which the meter began to
    tell begins there. An interval of which nothing was told is left out.

    Args:
        counters: samples; those around both ends should be among them.
        begin_ms: at which an interval begins.
        end_ms: the present.
        step_ms: length of an interval, whole minutes.
    """
    found = counters.known()
    if not len(found.times_ms):
        return ()
    last_ms = min(int(found.times_ms[-1]), end_ms)
    starts = range(begin_ms, last_ms - MINUTE_MS + 1, MINUTE_MS)
    minutes = metered(found, starts, MINUTE_MS) if starts else None
    told = [one for one in minutes or () if NOTHING_BEFORE not in one.flag]
    parts = [
        [one for one in told if 0 <= one.start_ms - at < step_ms]
        for at in range(begin_ms, last_ms, step_ms)
    ]
    return tuple(_stretch(part) for part in parts if part)


def _stretch(minutes: Sequence[Metered]) -> Stretch:
    flags = dict.fromkeys(part for one in minutes for part in one.flag.split("; ") if part)
    energy = sum((one.energy_mwh for one in minutes), Decimal(0))
    return Stretch(minutes[0].start_ms, minutes[-1].start_ms + MINUTE_MS, energy, "; ".join(flags))


def _interval(counters: Counters, start_ms: int, end_ms: int) -> Metered:
    before, first = _net(counters, start_ms)
    after, last = _net(counters, end_ms)
    gaps = [gap for gap in (first, last) if gap]
    went_back = _went_back(counters, start_ms, end_ms)
    energy = (Decimal(repr(round(after - before, 6))) * _KWH).quantize(_DIGITS)
    return Metered(start_ms, energy, "; ".join([*dict.fromkeys(gaps), *went_back]))


def _net(counters: Counters, at_ms: int) -> tuple[float, str]:
    """Return exported less imported energy at a time, kWh, and what is uncertain about it."""
    net = _risen(counters.exported_kwh) - _risen(counters.imported_kwh)
    value = float(np.interp(at_ms, counters.times_ms, net))
    if at_ms < counters.times_ms[0]:
        return value, NOTHING_BEFORE
    place = int(np.searchsorted(counters.times_ms, at_ms, side="right"))
    near = counters.times_ms[max(place - 1, 0) : place + 1]
    width_ms = int(near[-1] - near[0])
    if width_ms <= NEAR_MS:
        return value, ""
    return (
        value,
        f"no sample of the meter for {width_ms / 60_000:.0f} min: its energy is spread evenly",
    )


def _risen(counter: Floats) -> Floats:
    """Return how far a counter has risen since its first sample; a fall is no energy."""
    risen: Floats = np.concatenate([[0.0], np.cumsum(np.maximum(np.diff(counter), 0.0))])
    return risen


def _went_back(counters: Counters, start_ms: int, end_ms: int) -> list[str]:
    inside = (counters.times_ms >= start_ms) & (counters.times_ms <= end_ms)
    falls = (np.diff(counters.exported_kwh[inside]) < 0) | (
        np.diff(counters.imported_kwh[inside]) < 0
    )
    return [_WENT_BACK] if falls.any() else []


def flag_zh(flag: str) -> str:
    """Return in Chinese what is uncertain about an interval."""
    found = []
    for part in flag.split("; "):
        gap = _GAP.match(part)
        found.append(
            f"计量 {gap[1]} 分钟无样本，电量按均匀分摊" if gap else _CHINESE.get(part, part)
        )
    return "；".join(found)
