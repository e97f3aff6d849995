"""What the battery management measures: true values with noise, offset and quantisation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.physics.tables import SECONDS_PER_HOUR, Floats
from simulator.plant import Plant

Integers = NDArray[np.int16]

_POOL = 1 << 18
"""Noise is drawn once and read from a random place each tick: drawing 17,000 normal numbers a
tick would cost more than the physics."""
_CELL_VOLTAGE_NOISE_MV = 0.8
_CELL_TEMPERATURE_NOISE_DC = 0.8
_CURRENT_NOISE_A = 0.15
_CURRENT_OFFSET_A = 0.12
"""One standard deviation of the offset of a 300 A Hall sensor, some 0.05 % of range."""
_RACK_VOLTAGE_NOISE_V = 0.15
_ANCHOR_V = (2.90, 3.45)
"""Outside these cell voltages the steep ends of the OCV curve tell the SOC: the count is reset."""
_INVALID_TEMPERATURE = -0x8000


@dataclass(frozen=True)
class RackReadings:
    """Readings of all racks. Cells: (racks, cells) in mV and 0.1 deg C; racks: (racks,)."""

    cell_mv: Integers
    cell_dc: Integers
    voltage_v: Floats
    current_a: Floats
    power_kw: Floats
    soc: Floats


class RackSensors:
    """The sensors of all racks, with their own SOC count."""

    def __init__(self, plant: Plant, rng: np.random.Generator) -> None:
        self._rng = rng
        racks = plant.parameters.racks
        self._pool = rng.standard_normal(_POOL)
        self._offset_a: Floats = _CURRENT_OFFSET_A * rng.standard_normal(racks)
        self._soc: Floats = plant.cells.rack_soc()
        self._counted_as: Floats = plant.rack_charge_as.copy()
        self._capacity_ah: Floats = plant.cells.capacity_ah.min(axis=1)
        self.failed_temperature: set[tuple[int, int]] = set()

    def read(self, plant: Plant, dt_s: float) -> RackReadings:
        """Take one set of readings after a step of `dt_s`."""
        shape = plant.cell_voltage_v.shape
        millivolt = plant.dangers.sensed_v(
            plant.cell_voltage_v
        ) * 1e3 + _CELL_VOLTAGE_NOISE_MV * self._noise(shape)
        tenths = plant.thermal.temperature_c * 10 + _CELL_TEMPERATURE_NOISE_DC * self._noise(shape)
        cell_dc = np.rint(tenths).astype(np.int16)
        for rack, cell in self.failed_temperature:
            cell_dc[rack, cell] = _INVALID_TEMPERATURE
        racks = shape[0]
        carrying = plant.bms.conducting
        current = plant.rack_current_a + self._offset_a + _CURRENT_NOISE_A * self._noise((racks,))
        current = np.where(carrying, current, 0.0)
        voltage = plant.rack_voltage_v() + _RACK_VOLTAGE_NOISE_V * self._noise((racks,))
        self._count(plant, dt_s)
        return RackReadings(
            cell_mv=np.rint(millivolt).astype(np.int16),
            cell_dc=cell_dc,
            voltage_v=voltage,
            current_a=current,
            power_kw=voltage * current / 1e3,
            soc=self._soc.copy(),
        )

    def _count(self, plant: Plant, dt_s: float) -> None:
        """Count charge: the management samples its current far more often than it publishes."""
        passed = plant.rack_charge_as - self._counted_as
        passed += np.where(plant.bms.conducting, self._offset_a * dt_s, 0.0)
        self._counted_as = plant.rack_charge_as.copy()
        self._soc = self._soc - passed / SECONDS_PER_HOUR / self._capacity_ah
        low, high = _ANCHOR_V
        at_end = (plant.cell_voltage_v.max(axis=1) > high) | (
            plant.cell_voltage_v.min(axis=1) < low
        )
        self._soc = np.where(at_end, plant.cells.rack_soc(), np.clip(self._soc, 0.0, 1.0))

    def _noise(self, shape: tuple[int, ...]) -> Floats:
        size = int(np.prod(shape))
        start = int(self._rng.integers(0, _POOL - size))
        return self._pool[start : start + size].reshape(shape)
