"""What the detector is measured against: plain thresholds, and an isolation forest.

The thresholds are those of the station's protection that compare cells: spread of voltages and
temperatures within a rack, and a fast rise of temperature. The isolation forest (Liu, Ting and Zhou
2008, IEEE ICDM) sees what the detector sees of a cell, a quarter hour at a time, without models of
cells or of tails.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from station.estimators.anomaly.inputs import Block, Place

Floats = npt.NDArray[np.float32]

_SPREAD_V, _SPREAD_K = 0.3, 10.0
_RISE_K_PER_MIN = 2.0
_QUARTER_BLOCKS = 56
_TREES = 100
_LEARN_FROM = 40_000


class Thresholds:
    """The largest of value over limit, for each rack and block."""

    def __init__(self) -> None:
        """Begin with no minute of temperatures."""
        self._minute: list[Floats] = []

    def look(self, block: Block, place: Place) -> Floats:
        """Return 1 and more where a threshold is passed, shape (racks,)."""
        volts = block.voltage_v.reshape(place.racks, -1)
        warm = block.temperature_c.reshape(place.racks, -1)
        self._minute = [*self._minute[-4:], warm]
        rise = (warm - self._minute[0]).max(axis=1) * (60 / 16) / max(len(self._minute) - 1, 1)
        ratios = [
            np.ptp(volts, axis=1) / _SPREAD_V,
            np.ptp(warm, axis=1) / _SPREAD_K,
            rise / _RISE_K_PER_MIN,
        ]
        highest: Floats = np.max(ratios, axis=0).astype(np.float32)
        return highest


@dataclass
class _Quarter:
    volts: list[Floats]
    warm: list[Floats]
    moves: list[Floats]


class Forest:
    """Figures of each cell over a quarter hour, and a forest that is grown on healthy ones."""

    def __init__(self) -> None:
        """Begin with no quarter."""
        self._quarter = _Quarter([], [], [])
        self.figures: list[Floats] = []
        self.ends: list[int] = []
        self._blocks = 0

    def look(self, block: Block, place: Place) -> None:
        """Take a block."""
        self._blocks += 1
        rack = place.rack
        quarter = self._quarter
        quarter.volts.append(block.voltage_v - place.median(block.voltage_v)[rack])
        quarter.warm.append(block.temperature_c - place.median(block.temperature_c)[rack])
        moves = block.voltage_on_current
        quarter.moves.append(moves - place.median(moves)[rack])
        if len(quarter.volts) < _QUARTER_BLOCKS:
            return
        volts, warm = np.stack(quarter.volts), np.stack(quarter.warm)
        current = block.current[rack]
        self.figures.append(
            np.stack(
                [
                    volts.mean(axis=0),
                    volts.std(axis=0),
                    np.abs(np.diff(volts, axis=0)).max(axis=0),
                    volts[-8:].mean(axis=0) - volts[:8].mean(axis=0),
                    warm.mean(axis=0),
                    np.abs(np.diff(warm, axis=0)).max(axis=0),
                    warm[-8:].mean(axis=0) - warm[:8].mean(axis=0),
                    np.stack(quarter.moves).mean(axis=0),
                    current,
                ],
                axis=1,
            ).astype(np.float32)
        )
        self.ends.append(self._blocks)
        self._quarter = _Quarter([], [], [])

    def scores(self, healthy: npt.NDArray[np.bool_], place: Place, seed: int) -> Floats:
        """Return the strangest cell of each rack in each quarter, shape (quarters, racks).

        Args:
            healthy: cells that the forest is grown on.
            place: of the cells.
            seed: of the forest.
        """
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - only this rival needs it

        rng = np.random.default_rng(seed)
        every = np.concatenate([each[healthy] for each in self.figures])
        chosen = every[rng.integers(0, len(every), min(_LEARN_FROM, len(every)))]
        forest = IsolationForest(n_estimators=_TREES, random_state=seed).fit(chosen)
        return np.stack(
            [np.maximum.reduceat(-forest.score_samples(each), place.first) for each in self.figures]
        ).astype(np.float32)
