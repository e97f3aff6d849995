"""The battery management of all racks: current limits, warnings, trips and contactors.

A limit falls linearly as a cell nears a bound of voltage, temperature or SOC. A cell beyond a
hard bound opens the contactors of its rack; they stay open until a close command finds the
cause gone.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from simulator.physics.tables import Floats

Bits = NDArray[np.uint32]
Flags = NDArray[np.bool_]

CELL_OVERVOLTAGE = 1 << 0
CELL_UNDERVOLTAGE = 1 << 1
CELL_OVERTEMPERATURE = 1 << 2
CELL_UNDERTEMPERATURE = 1 << 3
CHARGE_OVERCURRENT = 1 << 4
DISCHARGE_OVERCURRENT = 1 << 5
VOLTAGE_SPREAD = 1 << 6
TEMPERATURE_SPREAD = 1 << 7
RAPID_TEMPERATURE_RISE = 1 << 13


class RackState(IntEnum):
    """Operating state of a rack as published."""

    OFF = 0
    IDLE = 1
    CHARGING = 2
    DISCHARGING = 3
    FAULT = 4
    ISOLATED = 5


@dataclass(frozen=True)
class BmsParameters:
    """Bounds of a 280 Ah LFP system: (hard, limit falls from, limit zero at) by quantity.

    0.6 C continuous; voltages and temperatures as in makers' manuals of 0.5P systems.
    """

    rated_c_rate: float = 0.6
    over_current: float = 1.25
    voltage_max_v: tuple[float, float, float] = (3.70, 3.52, 3.62)
    voltage_min_v: tuple[float, float, float] = (2.50, 2.95, 2.80)
    charge_cold_c: tuple[float, float] = (0.0, 12.0)
    charge_hot_c: tuple[float, float] = (45.0, 55.0)
    discharge_cold_c: tuple[float, float] = (-20.0, -5.0)
    discharge_hot_c: tuple[float, float] = (48.0, 58.0)
    hot_c: tuple[float, float] = (50.0, 60.0)
    cold_c: tuple[float, float] = (0.0, -25.0)
    soc_full: tuple[float, float] = (0.97, 1.0)
    soc_empty: tuple[float, float] = (0.03, 0.0)
    full_floor: float = 0.05
    spread_v: float = 0.30
    spread_k: float = 15.0
    rise_k_per_min: float = 3.0
    rise_window_s: float = 20.0
    close_difference_v: float = 60.0
    idle_current_a: float = 1.0


class Bms:
    """State of the management of all racks; arrays (racks,)."""

    def __init__(
        self, racks: int, capacity_ah: float, parameters: BmsParameters | None = None
    ) -> None:
        self.parameters = parameters or BmsParameters()
        self.rated_a = self.parameters.rated_c_rate * capacity_ah
        self.closed: Flags = np.ones(racks, dtype=np.bool_)
        self.welded: Flags = np.zeros(racks, dtype=np.bool_)
        self.feedback_stuck: Flags = np.zeros(racks, dtype=np.bool_)
        self.locked_open = False
        self.warnings: Bits = np.zeros(racks, dtype=np.uint32)
        self.alarms: Bits = np.zeros(racks, dtype=np.uint32)
        self.charge_limit_a: Floats = np.zeros(racks)
        self.discharge_limit_a: Floats = np.zeros(racks)
        self._standing: Bits = np.zeros(racks, dtype=np.uint32)
        self._over_s: Floats = np.zeros(racks)
        self._rise: Floats = np.zeros(racks)
        self._rise_age_s = 0.0
        self._reference_c: Floats | None = None

    def advance(
        self, voltage_v: Floats, temperature_c: Floats, soc: Floats, current_a: Floats, dt_s: float
    ) -> None:
        """Judge one step: cells (racks, cells), SOC and current (racks,)."""
        v_max, v_min = voltage_v.max(axis=1), voltage_v.min(axis=1)
        t_max, t_min = temperature_c.max(axis=1), temperature_c.min(axis=1)
        self._watch_rise(temperature_c, dt_s)
        self._limit(v_max, v_min, t_max, t_min, soc)
        self._standing = self._hard(v_max, v_min, t_max, t_min) | self._over_current(
            current_a, dt_s
        )
        self.alarms |= self._standing
        self.closed &= self.alarms == 0
        self.warnings = self._warn(v_max, v_min, t_max, t_min)

    @property
    def conducting(self) -> Flags:
        """Racks whose contacts touch, whether they should or are welded, (racks,)."""
        return self.closed | self.welded

    @property
    def feedback_closed(self) -> Flags:
        """What the auxiliary contacts say, (racks,): a stuck one follows a welded contact."""
        return self.closed | (self.welded & self.feedback_stuck)

    def command_close(self, rack: int, difference_v: float) -> bool:
        """Close a rack's contactors; False while a cause stands or the voltages differ."""
        if self.locked_open:
            return False
        if self.closed[rack]:
            return True
        if self._standing[rack] or abs(difference_v) > self.parameters.close_difference_v:
            return False
        self.alarms[rack] = 0
        self.closed[rack] = True
        return True

    def command_open(self, rack: int) -> None:
        """Open a rack's contactors."""
        self.closed[rack] = False

    def open_all(self) -> None:
        """Open the contactors of every rack."""
        self.closed[:] = False

    def states(self, current_a: Floats) -> NDArray[np.int64]:
        """Published state of every rack, (racks,) of RackState."""
        idle = self.parameters.idle_current_a
        state = np.full(self.closed.size, int(RackState.IDLE))
        state[current_a > idle] = RackState.DISCHARGING
        state[current_a < -idle] = RackState.CHARGING
        state[~self.feedback_closed] = RackState.ISOLATED
        state[self.alarms != 0] = RackState.FAULT
        return state

    def _limit(
        self, v_max: Floats, v_min: Floats, t_max: Floats, t_min: Floats, soc: Floats
    ) -> None:
        p = self.parameters
        full = np.maximum(_falling(soc, *p.soc_full), p.full_floor)
        charge = np.minimum.reduce(
            [
                _falling(v_max, p.voltage_max_v[1], p.voltage_max_v[2]),
                _falling(t_max, *p.charge_hot_c),
                1 - _falling(t_min, *p.charge_cold_c),
                full,
            ]
        )
        discharge = np.minimum.reduce(
            [
                _falling(-v_min, -p.voltage_min_v[1], -p.voltage_min_v[2]),
                _falling(t_max, *p.discharge_hot_c),
                1 - _falling(t_min, *p.discharge_cold_c),
                _falling(-soc, -p.soc_empty[0], -p.soc_empty[1]),
            ]
        )
        self.charge_limit_a = np.where(self.closed, charge * self.rated_a, 0.0)
        self.discharge_limit_a = np.where(self.closed, discharge * self.rated_a, 0.0)

    def _hard(self, v_max: Floats, v_min: Floats, t_max: Floats, t_min: Floats) -> Bits:
        p = self.parameters
        return _bits(
            [
                (v_max > p.voltage_max_v[0], CELL_OVERVOLTAGE),
                (v_min < p.voltage_min_v[0], CELL_UNDERVOLTAGE),
                (t_max > p.hot_c[1], CELL_OVERTEMPERATURE),
                (t_min < p.cold_c[1], CELL_UNDERTEMPERATURE),
            ]
        )

    def _over_current(self, current_a: Floats, dt_s: float) -> Bits:
        over = np.abs(current_a) > self.parameters.over_current * self.rated_a
        self._over_s = np.where(over, self._over_s + dt_s, 0.0)
        long = self._over_s >= _OVER_CURRENT_S
        return _bits(
            [
                (long & (current_a < 0), CHARGE_OVERCURRENT),
                (long & (current_a > 0), DISCHARGE_OVERCURRENT),
            ]
        )

    def _warn(self, v_max: Floats, v_min: Floats, t_max: Floats, t_min: Floats) -> Bits:
        p = self.parameters
        return _bits(
            [
                (v_max > p.voltage_max_v[2], CELL_OVERVOLTAGE),
                (v_min < p.voltage_min_v[2], CELL_UNDERVOLTAGE),
                (t_max > p.hot_c[0], CELL_OVERTEMPERATURE),
                (t_min < p.cold_c[0], CELL_UNDERTEMPERATURE),
                (v_max - v_min > p.spread_v, VOLTAGE_SPREAD),
                (t_max - t_min > p.spread_k, TEMPERATURE_SPREAD),
                (self._rise > p.rise_k_per_min, RAPID_TEMPERATURE_RISE),
            ]
        )

    def _watch_rise(self, temperature_c: Floats, dt_s: float) -> None:
        self._rise_age_s += dt_s
        if self._reference_c is None:
            self._reference_c = temperature_c.copy()
            self._rise_age_s = 0.0
        elif self._rise_age_s >= self.parameters.rise_window_s:
            rise = (temperature_c - self._reference_c).max(axis=1)
            self._rise = rise * (60.0 / self._rise_age_s)
            self._reference_c = temperature_c.copy()
            self._rise_age_s = 0.0


_OVER_CURRENT_S = 10.0
"""A rack stands a quarter more than its rated current for this long."""


def _falling(x: Floats, start: float, end: float) -> Floats:
    """1 up to `start`, falling linearly to 0 at `end` (start < end)."""
    fall: Floats = np.clip((end - x) / (end - start), 0.0, 1.0)
    return fall


def _bits(conditions: list[tuple[Flags, int]]) -> Bits:
    out = np.zeros(conditions[0][0].size, dtype=np.uint32)
    for condition, bit in conditions:
        out |= np.where(condition, np.uint32(bit), np.uint32(0))
    return out
