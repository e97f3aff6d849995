"""How many cycles a cell has left, from the ends of its charges, with an interval.

A model is two files that the laboratory writes: NAME.onnx, boosted trees, and NAME.json, which
tells where a life ends and how wide the intervals are. The trees tell the logarithm of the cycles
left: an error of fifty cycles counts little in the middle of a life, and much at its end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from station.estimators.errors import LifeModelError
from station.estimators.model_files import read_card
from station.estimators.soh import Make, Sixteen, Zone, interval, load_onnx
from station.estimators.soh_features import INPUTS, ChargeHistory, Inputs, Series, causal_inputs

_SHIFT_CYCLES = 30.0
"""Below so many cycles the logarithm goes on nearly straight."""


class LifeCard(BaseModel):
    """What the model is good for.

    Attributes:
        makes: by the name of their batch in recordings.
        end_soh: where a life ends.
        mean_life: cycles of the lives it was trained on.
        before_first: stands in for the numbers of a charge that were never measured.
        zones: of the logarithm that the model tells, rising.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    makes: dict[str, Make]
    end_soh: float
    mean_life: float
    before_first: Sixteen
    zones: Annotated[tuple[Zone, ...], Field(min_length=1)]


@dataclass(frozen=True)
class LifeModel:
    """A model that has been loaded; run takes inputs (cycles, INPUTS) and returns logarithms."""

    card: LifeCard
    run: Callable[[Inputs], Series]


@dataclass(frozen=True)
class LifeEstimate:
    """Cycles that are left after each cycle of a cell, shape (cycles,) each."""

    remaining: Series
    low: Series
    high: Series


def load_life_model(path: Path) -> LifeModel:
    """Return the model of NAME.json and the NAME.onnx beside it; it computes in one thread.

    Raises:
        LifeModelError: a file is missing or is no such model.
    """
    card = read_card(path, LifeCard, LifeModelError)
    return LifeModel(card, load_onnx(path.with_suffix(".onnx"), INPUTS, LifeModelError))


def predict_life(model: LifeModel, history: ChargeHistory) -> LifeEstimate:
    """Return what a cell has left after each cycle, from that and earlier cycles only."""
    told = model.run(causal_inputs(history, np.array(model.card.before_first)))
    low, high = interval(model.card.zones, told)
    return LifeEstimate(*(to_cycles(value) for value in (told, low, high)))


def to_logarithm(cycles: Series) -> Series:
    """Return what the model tells of so many cycles left."""
    logarithm: Series = np.log(np.asarray(cycles, np.float64) + _SHIFT_CYCLES)
    return logarithm


def to_cycles(logarithm: Series) -> Series:
    """Return the cycles left, never below 0."""
    return np.maximum(np.exp(logarithm) - _SHIFT_CYCLES, 0.0)
