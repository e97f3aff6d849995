"""What the network is told of each cell: readings, and what the make expects of them.

A voltage alone means something else in every make of cell. Beside the raw readings stand
therefore what a make's own table says at the SOC that the filter believes: by how much the
voltage is off, how steep the open-circuit voltage is there, and how large the overpotential
is. One network can so serve every make. The table's lasting errors that the filter has
learned are left out of the expectation: the network is to see them.
"""

from dataclasses import dataclass

import numpy as np

from station.estimators.cell_model import (
    FIRST_TERM_COLUMN,
    HYSTERESIS_COLUMN,
    OCV_COLUMN,
    CellModel,
    Floats,
)
from station.estimators.samples import Flags

INPUTS = (
    "voltage",
    "c_rate",
    "temperature",
    "soc",
    "residual",
    "rise",
    "overpotential",
    "hysteresis",
    "newton",
    "slow_c_rate",
    "heard",
    "illuminance",
    "illuminance_known",
    "humidity",
    "humidity_known",
)
"""In the order of the network's first axis; all of the size of 1."""
PLAIN = INPUTS[:3]
"""What a plain network, which knows no make, is told."""
_MIDDLE_V, _SPAN_V = 3.3, 0.4
_RESIDUAL_V, _OVERPOTENTIAL_V = 0.02, 0.05
_RISE_V, _FLAT_V = 0.3, 0.15
_MIDDLE_C, _SPAN_C = 20.0, 20.0
_NEWTON, _MOST_NEWTON = 0.05, 0.3
_DAYLIGHT_LX = 50_000.0


@dataclass(frozen=True)
class Ambient:
    """What a station's sensors say of the place; NaN where there is no such sensor.

    Attributes:
        illuminance_lx: light on the container.
        humidity: relative, a share of 1.
    """

    illuminance_lx: float = float("nan")
    humidity: float = float("nan")


@dataclass(frozen=True)
class Believed:
    """What the filter believes of cells, shape (cells,) or (terms, cells).

    Attributes:
        soc: a share of 1.
        hysteresis: -1..1.
        lagged_a: current behind each term's lag, shape (terms, cells).
        core_k: how much warmer than its thermometer a cell is inside.
    """

    soc: Floats
    hysteresis: Floats
    lagged_a: Floats
    core_k: Floats


@dataclass(frozen=True)
class Readings:
    """What was read of each cell, shape (cells,).

    Attributes:
        current_a: discharge positive.
        voltage_v, temperature_c: of the cell.
        heard: whether voltage and current can be believed.
    """

    current_a: Floats
    voltage_v: Floats
    temperature_c: Floats
    heard: Flags


def network_inputs(
    model: CellModel, believed: Believed, readings: Readings, capacity_ah: Floats, ambient: Ambient
) -> Floats:
    """Return the inputs of the network, shape (INPUTS, cells).

    Args:
        model: the make.
        believed: by the filter, at this moment.
        readings: of this moment.
        capacity_ah: of each cell, shape (cells,).
        ambient: of the place.
    """
    heard = readings.heard
    values, slopes = model.look_up(believed.soc, readings.temperature_c + believed.core_k)
    resistances, rises = values[FIRST_TERM_COLUMN:], slopes[FIRST_TERM_COLUMN:]
    overpotential = np.einsum("tc,tc->c", resistances, believed.lagged_a)
    rise = slopes[OCV_COLUMN] - slopes[HYSTERESIS_COLUMN] * believed.hysteresis
    rise = rise - np.einsum("tc,tc->c", rises, believed.lagged_a)
    expected = values[OCV_COLUMN] - values[HYSTERESIS_COLUMN] * believed.hysteresis - overpotential
    residual = np.where(heard, readings.voltage_v - expected, np.float32(0))
    newton = residual * rise / (rise * rise + np.float32(_FLAT_V**2))
    inputs = np.zeros((len(INPUTS), len(believed.soc)), np.float32)
    c_rate = np.where(heard, readings.current_a / capacity_ah, np.float32(0))
    inputs[: len(PLAIN)] = plain_inputs(expected + residual, c_rate, readings.temperature_c)
    inputs[3] = 2 * believed.soc - 1
    inputs[4] = np.arcsinh(residual / _RESIDUAL_V)
    inputs[5] = np.arcsinh(rise / _RISE_V)
    inputs[6] = np.arcsinh(overpotential / _OVERPOTENTIAL_V)
    inputs[7] = believed.hysteresis
    inputs[8] = np.arcsinh(np.clip(newton, -_MOST_NEWTON, _MOST_NEWTON) / _NEWTON)
    inputs[9] = np.arcsinh(believed.lagged_a[model.slowest] / capacity_ah)
    inputs[10] = heard
    for row, value, scale in (
        (11, ambient.illuminance_lx, _DAYLIGHT_LX),
        (13, ambient.humidity, 1.0),
    ):
        if np.isfinite(value):
            inputs[row], inputs[row + 1] = value / scale, 1
    return inputs


def plain_inputs(voltage_v: Floats, c_rate: Floats, temperature_c: Floats) -> Floats:
    """Return the readings alone, scaled, shape (3, cells)."""
    return np.stack(
        [
            (voltage_v - _MIDDLE_V) / _SPAN_V,
            np.arcsinh(c_rate),
            (temperature_c - _MIDDLE_C) / _SPAN_C,
        ]
    ).astype(np.float32)
