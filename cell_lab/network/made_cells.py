"""Cells that nobody has measured: makes between and beyond the known ones, and their spread.

A make at hand is bent along SOC and its resistances are scaled: that is another make, and a
station would know its table. A cell of that make differs from the table in turn: in its
open-circuit voltage (smoothly over SOC), resistances, lags, hysteresis and capacity. The sizes
are those that identification finds between temperatures and cells.
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators.cell_model import (
    FIRST_TERM_COLUMN,
    HYSTERESIS_COLUMN,
    OCV_COLUMN,
    CellModel,
    Floats,
)

_BEND = 0.05
_MAKE_RESISTANCE, _CELL_RESISTANCE, _TERM_RESISTANCE = 0.3, 0.12, 0.12
_LAG, _HYSTERESIS, _CAPACITY = 0.15, 0.25, 0.02
_OCV_WAVES = 12


@dataclass(frozen=True)
class MadeCell:
    """A cell: what the station knows of its make, and what it is.

    Attributes:
        model: the make's table as the station has it.
        truth: the cell's own.
        capacity_ah: the cell's own; the station takes the model's.
    """

    model: CellModel
    truth: CellModel
    capacity_ah: float


def make_cell(known: CellModel, rng: np.random.Generator) -> MadeCell:
    """Return a cell of a random make like a known one."""
    model = _another_make(known, rng)
    return MadeCell(
        model, differing(model, rng), model.capacity_ah * float(np.exp(rng.normal(0, _CAPACITY)))
    )


def differing(model: CellModel, rng: np.random.Generator) -> CellModel:
    """Return a cell of a make: the make's table with a cell's own differences."""
    table = model.table.copy()
    table[..., OCV_COLUMN] += _smooth(table.shape[1], rng) * model.noise.ocv_v * rng.uniform(0.2, 1)
    table[..., HYSTERESIS_COLUMN] *= np.exp(rng.normal(0, _HYSTERESIS))
    terms = table.shape[2] - FIRST_TERM_COLUMN
    scale = np.exp(rng.normal(0, _CELL_RESISTANCE) + rng.normal(0, _TERM_RESISTANCE, terms))
    table[..., FIRST_TERM_COLUMN:] *= scale.astype(np.float32)
    return replace(
        model,
        table=table,
        lag_s=(model.lag_s * np.exp(rng.normal(0, _LAG, terms))).astype(np.float32),
        hysteresis_rate=model.hysteresis_rate * float(np.exp(rng.normal(0, _HYSTERESIS))),
    )


def _another_make(known: CellModel, rng: np.random.Generator) -> CellModel:
    places = np.linspace(0, 1, known.table.shape[1])
    bent = places.copy()
    for wave in (1, 2, 3):
        bent += rng.normal(0, _BEND / wave**1.5) * np.sin(np.pi * wave * places)
    bent = np.maximum.accumulate(np.clip(bent, 0, 1)) * (len(places) - 1)
    low = np.minimum(bent.astype(np.intp), len(places) - 2)
    share = (bent - low)[:, None].astype(np.float32)
    table = known.table[:, low] * (1 - share) + known.table[:, low + 1] * share
    table[..., OCV_COLUMN] += np.float32(rng.normal(0, 0.01))
    table[..., FIRST_TERM_COLUMN:] *= np.float32(np.exp(rng.normal(0, _MAKE_RESISTANCE)))
    table[..., HYSTERESIS_COLUMN] *= np.float32(np.exp(rng.normal(0, _HYSTERESIS)))
    return replace(known, table=table.astype(np.float32))


def _smooth(count: int, rng: np.random.Generator) -> Floats:
    """Return a smooth random function of unit variance."""
    places = np.linspace(0, 1, count)
    waves = np.arange(1, _OCV_WAVES + 1)
    phase = rng.uniform(0, 2 * np.pi, _OCV_WAVES)
    size = rng.normal(0, 1, _OCV_WAVES) * np.sqrt(2 / _OCV_WAVES)
    out: Floats = (size @ np.sin(np.pi * waves[:, None] * places + phase[:, None])).astype(
        np.float32
    )
    return out
