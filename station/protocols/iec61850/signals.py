"""From leaves to signals: scaling, states, bits, plausible range and quality, for all at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contract.layouts import Layout
from station.protocols.columns import Columns
from station.protocols.iec61850.ber import INVALID, MISSING, QUESTIONABLE, Codes, Floats
from station.protocols.iec61850.mapping import BoundSignal, Leaf, SignalSource

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Single:
    """A signal of states, bits or flags: its place, its leaves and their qualities."""

    place: int
    value: Places
    quality: Places
    source: SignalSource

    def number(self, leaves: Sequence[float]) -> float | None:
        """Return the signal's number, None when the device says nothing that it knows."""
        if self.source.bits:
            return float(sum(1 << n for n, bit in enumerate(leaves) if bit))
        if self.source.flags:
            codes = self.source.flags.values()
            return next((float(c) for c, flag in zip(codes, leaves, strict=True) if flag), None)
        return (self.source.states or {}).get(int(leaves[0]))


class SignalTable:
    """Some signals of a layout, ready to be worked out of the leaves of a device.

    Leaves are numbered; the last place of the arrays given to `evaluate` stands for a quality
    that the device does not send.
    """

    def __init__(
        self, layout: Layout, signals: Sequence[BoundSignal], places: Mapping[Leaf, int]
    ) -> None:
        """Prepare."""
        self._layout = layout
        rows: list[tuple[float, ...]] = []
        self._singles: list[_Single] = []
        for signal in signals:
            first = layout.offset(layout.columns[signal.column].signal.name)[0]
            value = [places[point.value] for point in signal.points]
            quality = [
                len(places) if point.quality is None else places[point.quality]
                for point in signal.points
            ]
            source = signal.source
            if source.bits or source.flags:
                single = _Single(first, np.array(value), np.array(quality), source)
                self._singles.append(single)
                continue
            for k, (leaf, told) in enumerate(zip(value, quality, strict=True)):
                if source.states is not None:
                    single = _Single(first + k, np.array([leaf]), np.array([told]), source)
                    self._singles.append(single)
                    continue
                low = -math.inf if source.low is None else source.low
                high = math.inf if source.high is None else source.high
                rows.append((first + k, leaf, told, source.scale, source.offset, low, high))
        table = np.array(rows, np.float64).reshape(-1, 7).T
        self._place, self._leaf, self._told = (column.astype(np.intp) for column in table[:3])
        self._scale, self._offset, self._low, self._high = table[3:]
        self._columns = Columns(layout)
        self._units = np.repeat(
            [column.signal.scale for column in layout.columns],
            [column.repeat for column in layout.columns],
        )

    def evaluate(self, numbers: Floats, status: Codes) -> tuple[Floats, Codes]:
        """Return physical values (0 where there is none) and qualities, shape (width,) each."""
        values = np.zeros(self._layout.width)
        quality = np.full(self._layout.width, MISSING, np.uint8)
        worst = _worst(numbers, status, self._leaf, self._told)
        physical = numbers[self._leaf] * self._scale + self._offset
        outside = (physical < self._low) | (physical > self._high)
        worst = np.where(outside, np.maximum(worst, QUESTIONABLE), worst)
        values[self._place] = physical
        quality[self._place] = worst
        for single in self._singles:
            place = single.place
            found = int(_worst(numbers, status, single.value, single.quality).max())
            number = single.number(numbers[single.value].tolist())
            values[place] = 0.0 if number is None else number
            if number is None:
                found = max(found, INVALID)
            quality[place] = found
        values[quality >= INVALID] = 0.0
        return values, quality

    def raw(
        self, values: Floats, quality: Codes
    ) -> tuple[tuple[npt.NDArray[np.generic], ...], Codes]:
        """Return the layout's columns of scaled integers; what they cannot hold is invalid."""
        quality = quality.copy()
        return self._columns.of(values / self._units, quality), quality


def _worst(numbers: Floats, status: Codes, value: Places, quality: Places) -> Codes:
    """Return the worse of what came of each value and of what the device says of it.

    A quality that cannot be read leaves its value questionable; one that is not sent says
    nothing.
    """
    told = numbers[quality].astype(np.uint8)
    told[status[quality] == INVALID] = QUESTIONABLE
    worst: Codes = np.maximum(status[value], told)
    return worst
