"""The cell's tables: open-circuit voltage, entropy and resistance over SOC and temperature.

Published measurements of a small LFP cell are scaled to a large one: voltages stay, resistance
falls with the ratio of the capacities. Tables are resampled to a uniform SOC grid, so that a
look-up for thousands of cells is one index computation and a few takes.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import ConfigError

Floats = NDArray[np.float64]

KELVIN = 273.15
SECONDS_PER_HOUR = 3600.0
_SOC_STEPS = 1000
_RESISTANCE_TEMPERATURES_C = np.array([10.0, 25.0, 40.0, 60.0])
"""The temperatures of the columns of the published resistance table."""
_RESISTANCE_GRID_C = np.arange(-30.0, 91.0, 0.5)
_MV = 1e-3


@dataclass(frozen=True)
class CellParameters:
    """What is not a table: size, heat capacity, relaxation and spread of the cell."""

    capacity_ah: float
    heat_capacity_j_per_k: float
    ohmic_share: float
    relaxation_share: tuple[float, float]
    relaxation_time_s: tuple[float, float]
    reference_c: float
    capacity_spread: float
    resistance_spread: float
    start_soc_spread: float
    rack_capacity_spread: float


@dataclass(frozen=True)
class CellTables:
    """Tables on a uniform SOC grid of `_SOC_STEPS` intervals; resistance also on 0.5 K steps.

    Fields: `ocv_v` and `entropy_v_per_k` (soc,), `ocv_rise_v` (difference to the next grid
    point), `enthalpy_vh` (integral of the enthalpy voltage from 0 to each grid point, in volt
    times SOC), `charge_ohm` and `discharge_ohm` (soc, temperature) of the whole cell.
    """

    parameters: CellParameters
    ocv_v: Floats
    ocv_rise_v: Floats
    entropy_v_per_k: Floats
    enthalpy_rise_v: Floats
    enthalpy_v: Floats
    enthalpy_vh: Floats
    charge_ohm: Floats
    discharge_ohm: Floats

    def position(self, soc: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Split SOC into grid index and remainder; beyond 0..1 the last interval extrapolates."""
        scaled = soc * _SOC_STEPS
        index = np.clip(scaled, 0, _SOC_STEPS - 1).astype(np.intp)
        return index, scaled - index

    def open_circuit(self, soc: Floats, temperature_c: Floats) -> tuple[Floats, Floats, Floats]:
        """Return open-circuit voltage (V), its slope over SOC (V) and dU/dT (V/K) of each cell."""
        index, rest = self.position(soc)
        rise = self.ocv_rise_v[index]
        entropy = self.entropy_v_per_k[index]
        voltage = self.ocv_v[index] + rest * rise
        voltage += entropy * (temperature_c - self.parameters.reference_c)
        return voltage, rise * _SOC_STEPS, entropy

    def resistance(self, soc: Floats, temperature_c: Floats) -> tuple[Floats, Floats]:
        """Return the total resistance (ohm) of each cell when charging and when discharging."""
        row, _ = self.position(soc)
        step = _RESISTANCE_GRID_C[1] - _RESISTANCE_GRID_C[0]
        column = np.rint((temperature_c - _RESISTANCE_GRID_C[0]) / step).astype(np.intp)
        np.clip(column, 0, _RESISTANCE_GRID_C.size - 1, out=column)
        return self.charge_ohm[row, column], self.discharge_ohm[row, column]

    def stored_vh(self, soc: Floats) -> Floats:
        """Return the enthalpy stored per unit of capacity, in volts times SOC, from SOC 0.

        Energy of a cell in Wh is this times its capacity in Ah. The enthalpy voltage is
        U - T dU/dT, which does not depend on T here, so the energy is a function of SOC alone.
        """
        index, rest = self.position(soc)
        gain = rest * (self.enthalpy_v[index] + 0.5 * rest * self.enthalpy_rise_v[index])
        return self.enthalpy_vh[index] + gain / _SOC_STEPS


def load_cell(path: Path, capacity_ah: float | None = None) -> CellTables:
    """Read a cell description (TOML) and its published tables (CSV, beside it).

    Args:
        path: the description.
        capacity_ah: another size of the same cell; mass and resistance follow it.

    Raises:
        ConfigError: a key or a table is missing or malformed.
    """
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
        parameters = _parameters(text, capacity_ah)
        source = text["source"]
        ocv = np.loadtxt(path.parent / source["ocv"], delimiter=",", skiprows=1)
        resistance = np.genfromtxt(
            path.parent / source["resistance"], delimiter=",", skip_header=1, usecols=range(2, 10)
        )
        scale = float(source["capacity_ah"]) / parameters.capacity_ah
        entropy = np.interp(
            np.linspace(0, 1, _SOC_STEPS + 1), text["entropy"]["soc"], text["entropy"]["mv_per_k"]
        )
    except KeyError as error:
        raise ConfigError(path, str(error.args[0]), None, "add this key") from error
    except (OSError, ValueError) as error:
        raise ConfigError(path, "cell", None, f"{error}; mend the file or its tables") from error
    return _tabulate(parameters, ocv, resistance * scale, entropy * _MV)


def _parameters(text: dict[str, Any], capacity_ah: float | None) -> CellParameters:
    cell, polarisation, spread = text["cell"], text["polarisation"], text["spread"]
    first, second = polarisation["relaxation_share"]
    fast, slow = polarisation["relaxation_time_s"]
    described_ah = float(cell["capacity_ah"])
    mass_kg = float(cell["mass_kg"]) * (capacity_ah or described_ah) / described_ah
    return CellParameters(
        capacity_ah=capacity_ah or described_ah,
        heat_capacity_j_per_k=mass_kg * float(cell["heat_capacity_j_per_kg_k"]),
        ohmic_share=float(polarisation["ohmic_share"]),
        relaxation_share=(float(first), float(second)),
        relaxation_time_s=(float(fast), float(slow)),
        reference_c=float(text["entropy"]["reference_c"]),
        capacity_spread=float(spread["capacity"]),
        resistance_spread=float(spread["resistance"]),
        start_soc_spread=float(spread["start_soc"]),
        rack_capacity_spread=float(spread["rack_capacity"]),
    )


def _tabulate(
    parameters: CellParameters, ocv: Floats, resistance: Floats, entropy_v_per_k: Floats
) -> CellTables:
    soc = np.linspace(0, 1, _SOC_STEPS + 1)
    order = np.argsort(ocv[:, 0])
    ocv_v = np.interp(soc, ocv[order, 0], ocv[order, 1])
    # Per interval, the entropy is that of its lower grid point: the same value is used by the
    # voltage, the heat and the stored energy, so that energy balances to rounding.
    enthalpy_low = ocv_v[:-1] - (parameters.reference_c + KELVIN) * entropy_v_per_k[:-1]
    rise = np.diff(ocv_v)
    integral = np.concatenate(([0.0], np.cumsum(enthalpy_low + 0.5 * rise) / _SOC_STEPS))
    return CellTables(
        parameters=parameters,
        ocv_v=ocv_v[:-1],
        ocv_rise_v=rise,
        entropy_v_per_k=entropy_v_per_k[:-1],
        enthalpy_rise_v=rise,
        enthalpy_v=enthalpy_low,
        enthalpy_vh=integral[:-1],
        charge_ohm=_resistance_grid(resistance[:, :4]),
        discharge_ohm=_resistance_grid(resistance[:, 4:]),
    )


def _resistance_grid(table: Floats) -> Floats:
    """Resample (11 SOC, 4 temperatures) to the fine grid; below 10 deg C after Arrhenius."""
    soc = np.linspace(0, 1, _SOC_STEPS)
    by_soc = np.stack([np.interp(soc, np.linspace(0, 1, 11), column) for column in table.T])
    fine = np.empty((soc.size, _RESISTANCE_GRID_C.size))
    for k, temperature in enumerate(_RESISTANCE_GRID_C):
        j = int(np.searchsorted(_RESISTANCE_TEMPERATURES_C, temperature)) - 1
        j = min(max(j, 0), _RESISTANCE_TEMPERATURES_C.size - 2)
        low, high = _RESISTANCE_TEMPERATURES_C[j] + KELVIN, _RESISTANCE_TEMPERATURES_C[j + 1]
        part = (1 / (temperature + KELVIN) - 1 / low) / (1 / (high + KELVIN) - 1 / low)
        part = min(part, 1.0)
        fine[:, k] = np.exp((1 - part) * np.log(by_soc[j]) + part * np.log(by_soc[j + 1]))
    return fine
