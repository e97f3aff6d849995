"""SOH of a cell from the ends of its charges, with an interval that holds nine times in ten.

A model is two files that the laboratory writes: NAME.onnx, the mean of boosted trees and small
networks, and NAME.json, which tells for which cells it is good and how wide the intervals are
in each zone of SOH (split conformal prediction: Vovk et al. 2005; measured on cells that the
model had not seen).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from station.estimators.charge_ends import ChargeEndRule
from station.estimators.errors import EstimatorError, SohModelError
from station.estimators.model_files import open_graph, read_card
from station.estimators.soh_features import (
    CHARGE_END,
    INPUTS,
    ChargeHistory,
    Inputs,
    Series,
    causal_inputs,
)

NOMINAL_COVERAGE = 0.9

Sixteen = Annotated[tuple[float, ...], Field(min_length=len(CHARGE_END), max_length=16)]


class Make(BaseModel):
    """Cells of one type plate: SOH is a capacity as a share of the nominal one, in Ah."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: str
    chemistry: str
    nominal_ah: Annotated[float, Field(gt=0)]


class Zone(BaseModel):
    """How far the true SOH lies from an estimate in this zone, nine times in ten.

    Attributes:
        below: estimates below this belong to the zone, if to none before it.
        low, high: what is added to the estimate for the ends of its interval.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    below: float
    low: float
    high: float


class SohCard(BaseModel):
    """What the model is good for.

    Attributes:
        makes: by the name of their batch in recordings.
        before_first: stands in for the numbers of a charge that were never measured.
        zones: rising by their bounds.
        charge: what the end of a charge is, so that a station finds the numbers in its own
            samples; None: not stated, and then no station uses the model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    makes: dict[str, Make]
    before_first: Sixteen
    zones: Annotated[tuple[Zone, ...], Field(min_length=1)]
    charge: ChargeEndRule | None = None


@dataclass(frozen=True)
class SohModel:
    """A model that has been loaded; run takes inputs (cycles, INPUTS) and returns SOH."""

    card: SohCard
    run: Callable[[Inputs], Series]


@dataclass(frozen=True)
class SohEstimate:
    """A cell's SOH after each of its cycles, shares of the nominal capacity, shape (cycles,)."""

    soh: Series
    low: Series
    high: Series


def load_soh_model(path: Path) -> SohModel:
    """Return the model of NAME.json and the NAME.onnx beside it; it computes in one thread.

    Raises:
        SohModelError: a file is missing or is no such model.
    """
    card = read_card(path, SohCard, SohModelError)
    return SohModel(card, load_onnx(path.with_suffix(".onnx"), INPUTS, SohModelError))


def load_onnx(
    path: Path, inputs: int, refusal: Callable[[Path, str], EstimatorError]
) -> Callable[[Inputs], Series]:
    """Return a model that takes so many numbers a row and tells one; it computes in one thread.

    Raises:
        EstimatorError: what refusal makes of the file and its fault.
    """
    session = open_graph(path, refusal)
    given = session.get_inputs()[0]
    if given.shape[-1] != inputs:
        raise refusal(path, f"takes {given.shape[-1]} numbers a row, not {inputs}")

    def run(rows: Inputs) -> Series:
        told: Series = session.run(None, {given.name: rows})[0].ravel().astype(np.float64)
        return told

    return run


def estimate_soh(model: SohModel, history: ChargeHistory) -> SohEstimate:
    """Return a cell's SOH after each cycle of its history, from that and earlier cycles only."""
    before_first = np.array(model.card.before_first)
    soh = model.run(causal_inputs(history, before_first))
    low, high = interval(model.card.zones, soh)
    return SohEstimate(soh, low, high)


def interval(zones: tuple[Zone, ...], soh: Series) -> tuple[Series, Series]:
    """Return the lower and upper ends of the intervals about estimates."""
    bounds = [zone.below for zone in zones[:-1]]
    place = np.searchsorted(bounds, soh, side="right")
    low = np.array([zone.low for zone in zones])[place]
    high = np.array([zone.high for zone in zones])[place]
    return soh + low, soh + high
