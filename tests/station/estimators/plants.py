"""Racks of made cells whose true state is known, second by second."""

from dataclasses import dataclass

import numpy as np

from station.estimators import Samples
from station.estimators.cell_model import FIRST_TERM_COLUMN, HYSTERESIS_COLUMN, OCV_COLUMN


@dataclass
class Plant:
    """Cells that are as their model says, but for their capacity and resistance.

    Attributes:
        soc, soh, resistance: the truth, shape (cells,).
        out_wh, into_wh: at each cell's terminals.
        given_wh, taken_wh: out of and into each cell's store.
    """

    settings: object
    soc: np.ndarray
    soh: np.ndarray
    resistance: np.ndarray

    def __post_init__(self) -> None:
        model, cells = self.settings.model, len(self.settings.rack)
        self.lagged = np.zeros((len(model.lag_s), self.settings.racks))
        self.hysteresis = np.zeros(cells)
        self.random = np.random.default_rng(3)
        self.out_wh, self.into_wh = np.zeros(cells), np.zeros(cells)
        self.given_wh, self.taken_wh = np.zeros(cells), np.zeros(cells)

    def second(self, c_rate, elapsed_s=1.0, noise_v=0.001):
        """Return the samples after so long at a current, the same in all racks."""
        model, rack = self.settings.model, self.settings.rack
        current_a = np.full(self.settings.racks, c_rate * model.capacity_ah)
        kinetic = np.arcsinh(current_a / model.kinetic_a) * model.kinetic_a
        drive = np.where(model.kinetic[:, None], kinetic, current_a)
        fade = np.exp(-elapsed_s / np.maximum(model.lag_s, 1e-6))[:, None]
        self.lagged = fade * self.lagged + (1 - fade) * drive
        moved_ah = current_a[rack] * elapsed_s / 3600
        moved = moved_ah / (model.capacity_ah * self.soh)
        self.soc = self.soc - moved
        keep = np.exp(-np.abs(moved) * model.hysteresis_rate)
        self.hysteresis = keep * self.hysteresis + (1 - keep) * np.sign(c_rate)
        warm = np.full(len(rack), 25.0, np.float32)
        values, _ = model.look_up(self.soc.astype(np.float32), warm)
        drop = np.einsum("tc,tc->c", values[FIRST_TERM_COLUMN:], self.lagged[:, rack])
        volts = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * self.hysteresis
        volts = volts - drop * self.resistance
        self.out_wh += np.maximum(moved_ah, 0) * volts
        self.into_wh += np.maximum(-moved_ah, 0) * volts
        self.given_wh += np.maximum(moved_ah, 0) * values[OCV_COLUMN]
        self.taken_wh += np.maximum(-moved_ah, 0) * values[OCV_COLUMN]
        seen = volts + self.random.normal(0, noise_v, len(rack))
        return Samples(
            elapsed_s=np.full(self.settings.racks, elapsed_s, np.float32),
            current_a=current_a.astype(np.float32),
            current_good=np.ones(self.settings.racks, bool),
            voltage_v=seen.astype(np.float32),
            temperature_c=warm,
            voltage_good=np.ones(len(rack), bool),
        )
