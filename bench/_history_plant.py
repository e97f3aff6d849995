"""A day of a small station as its devices report it: two converters, four racks, 500 cells.

Each 1 MW converter feeds ten racks of 400 LFP cells in series (280 Ah); two of its racks are
recorded, and of each rack the cells of its first modules. The station charges and discharges
twice a day and follows a regulation signal meanwhile. What happens is seeded; measured values
carry the noise of their sensor and are quantised as the device quantises them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench._history_layouts import CELLS, CONVERTER, RACK, RACK_CELLS
from bench._history_noise import settle, wander
from contract.frame import Frame
from contract.layout import Layout

T0_MS = 1_767_225_600_000
"""2026-01-01 00:00 UTC, the first second of the day."""
DAY_S = 86_400
CELL_STEP_S = 10

_Values = NDArray[np.float64]
_RATED_KW = 1_000.0
_RACKS_OF_CONVERTER = 10
_CELLS_IN_SERIES = 400
_CAPACITY_AH = 280.0
_CHUNK_S = 3_600
_HOURS = ((0.0, 2.2, -1.0), (8.0, 10.0, 1.0), (12.0, 14.2, -1.0), (18.0, 20.0, 1.0))
"""Two cycles: from hour, to hour, and charge (-1) or discharge (+1)."""


@dataclass(frozen=True)
class Day:
    """What was recorded: `seconds` at 1 s, `cells` every 10 s; one frame a device each."""

    seconds: list[Frame]
    cells: list[Frame]


def record_day(length_s: int = DAY_S, seed: int = 7) -> Day:
    """Return the first `length_s` seconds of the day, a multiple of 10."""
    rng = np.random.default_rng(seed)
    seconds, cells = [], []
    for number in (1, 2):
        duty = _duty(rng, length_s)
        seconds.append(_converter(rng, f"pcs-{number}", duty))
        for side in (1, 2):
            rack, inside = _rack(rng, f"rack-{number}-{side}", duty)
            seconds.append(rack)
            cells.append(inside)
    return Day(seconds, cells)


def frame_of(
    device: str,
    layout: Layout,
    t0_ms: int,
    step_ms: int,
    physical: Mapping[str, NDArray[Any] | float],
) -> Frame:
    """Quantise physical values, (n,), (n, repeat) or constant; signals not given are 0."""
    rows = max(len(value) for value in physical.values() if isinstance(value, np.ndarray))
    columns = []
    for column in layout.columns:
        value = np.asarray(physical.get(column.signal.name, 0.0), dtype=np.float64)
        wide = value[:, None] if value.ndim == 1 else value
        raw = np.rint(wide / column.signal.scale).astype(column.signal.dtype)
        columns.append(np.broadcast_to(raw, (rows, column.repeat)))
    quality = np.zeros((rows, layout.width), dtype=np.uint8)
    return Frame(device, layout, t0_ms, step_ms, tuple(columns), quality)


@dataclass(frozen=True)
class _Duty:
    """What a converter does, per second: the truth behind its own and its racks' readings."""

    time_s: _Values
    command: _Values
    setpoint_kw: _Values
    power_kw: _Values
    running: NDArray[np.bool_]
    soc: _Values
    ambient_c: _Values


def _duty(rng: np.random.Generator, n: int) -> _Duty:
    time_s = np.arange(n, dtype=np.float64)
    command = np.zeros(n)
    for first_h, last_h, direction in _HOURS:
        command[int(first_h * 3600) : int(last_h * 3600)] = direction
    ramp = np.convolve(command, np.ones(30) / 30, "same")
    running = np.abs(ramp) > 0.01
    offers = np.repeat(rng.normal(0, 30, n // 60 + 1), 60)[:n]
    setpoint = np.round((command * _RATED_KW + offers * (command != 0)) / 10) * 10
    regulation = wander(rng, n, 20, 30) + rng.normal(0, 0.8, n)
    power = ramp * _RATED_KW + running * regulation
    full_kwh = _RACKS_OF_CONVERTER * _CELLS_IN_SERIES * 3.25 * _CAPACITY_AH / 1_000
    used = np.cumsum(power) / 3600 / full_kwh
    ambient = 18 + 8 * np.sin((time_s / 3600 - 9) / 24 * 2 * np.pi)
    return _Duty(time_s, command, setpoint, power, running, used.max() + 0.1 - used, ambient)


def _converter(rng: np.random.Generator, device: str, duty: _Duty) -> Frame:
    n, power = len(duty.time_s), duty.power_kw

    def noise(sigma: float) -> _Values:
        return rng.normal(0, sigma, n)

    reactive = noise(0.4) + 12 * duty.running
    apparent = np.hypot(power, reactive)
    volts = 690 + wander(rng, n, 120, 1.2)
    dc_volts = 1_300 + 200 * (duty.soc - 0.5) - power * 0.012 + noise(0.1)
    heat = settle(np.abs(power) / _RATED_KW * 35, 900)
    warm = {
        name: duty.ambient_c + heat * share + noise(0.06)
        for name, share in (
            ("heatsink_temperature_c", 1.0),
            ("igbt_temperature_a_c", 0.95),
            ("igbt_temperature_b_c", 0.9),
            ("igbt_temperature_c_c", 0.85),
            ("cabinet_temperature_c", 0.4),
        )
    }
    measured = {
        "active_power_kw": power,
        "reactive_power_kvar": reactive,
        "apparent_power_kva": apparent,
        "power_factor": np.where(apparent > 1, power / np.maximum(apparent, 1), 1),
        "frequency_hz": np.round(50 + wander(rng, n, 60, 0.012), 2),
        "dc_voltage_v": dc_volts,
        "dc_current_a": power * 1_000 / dc_volts + noise(0.2),
        "dc_power_kw": power * 1.015,
        **{f"voltage_{p}_v": volts + noise(0.15) for p in ("ab", "bc", "ca")},
        **{f"current_{p}_a": apparent * 1_000 / volts / 3**0.5 + noise(0.25) for p in "abc"},
        "active_power_setpoint_kw": duty.setpoint_kw,
        "reactive_power_setpoint_kvar": 12.0 * (duty.command != 0),
        "energy_discharged_kwh": 1_134_567 + np.cumsum(np.maximum(power, 0)) / 3600,
        "energy_charged_kwh": 1_234_567 + np.cumsum(np.maximum(-power, 0)) / 3600,
        "insulation_kohm": 1_800 + wander(rng, n, 300, 15),
        "pcs_state": 1 + (duty.command != 0) + 2 * (duty.command > 0),
        "breaker_closed": 1.0,
        "remote_control": 1.0,
        **warm,
    }
    return frame_of(device, CONVERTER, T0_MS, 1_000, measured)


def _rack(rng: np.random.Generator, device: str, duty: _Duty) -> tuple[Frame, Frame]:
    n = len(duty.time_s)

    def noise(sigma: float) -> _Values:
        return rng.normal(0, sigma, n)

    share = duty.power_kw / _RACKS_OF_CONVERTER * rng.normal(1, 0.01)
    current = share * 1_000 / (_CELLS_IN_SERIES * 3.25) + noise(0.05) + noise(0.14) * duty.running
    heat = settle(np.abs(current) / 80 * 6, 1_500)
    temperature = 22 + 0.25 * (duty.ambient_c - 18) + heat
    volts, extremes = _cell_voltages(rng, duty, current)
    rack_volts = extremes["cell_voltage_mean_v"] * _CELLS_IN_SERIES + noise(0.06)
    every = slice(None, None, CELL_STEP_S)
    warm = temperature[every, None] + rng.normal(0, 0.9, CELLS) + rng.normal(0, 0.04, volts.shape)
    step_ms = CELL_STEP_S * 1_000
    inside = {"cell_voltage_v": volts, "cell_temperature_c": warm}
    cells = frame_of(device, RACK_CELLS, T0_MS, step_ms, inside)
    measured = {
        **extremes,
        **_cooling(rng, duty, heat),
        "voltage_v": rack_volts,
        "current_a": current,
        "power_kw": rack_volts * current / 1_000,
        "soc": np.round(duty.soc, 3),
        "soh": 0.987,
        "cell_temperature_max_c": temperature + 2.2 + noise(0.04),
        "cell_temperature_min_c": temperature - 2.1 + noise(0.04),
        "cell_temperature_mean_c": temperature,
        "cell_temperature_spread_c": 4.3 + noise(0.05),
        "cell_temperature_max_index": 17.0 + 4 * (rng.random(n) < 0.02),
        "cell_temperature_min_index": 101.0,
        "charge_current_limit_a": np.where(duty.soc > 0.9, 60.0, 120.0),
        "discharge_current_limit_a": np.where(duty.soc < 0.12, 60.0, 120.0),
        "rack_warnings": _spells(rng, n, bit=4),
        "resistance_positive_kohm": 4_200 + wander(rng, n, 600, 20),
        "resistance_negative_kohm": 4_180 + wander(rng, n, 600, 20),
        "charged_ah": 123_456 + np.cumsum(np.maximum(-current, 0)) / 3600,
        "discharged_ah": 121_456 + np.cumsum(np.maximum(current, 0)) / 3600,
        "balancing_cell": extremes["cell_voltage_max_index"] * (duty.time_s % 60 < 30),
        "heartbeat": duty.time_s % 256,
        "cycles": 812.0,
        "rack_state": 3.0,
        **dict.fromkeys(("contactor_closed", "contactor_positive", "contactor_negative"), 1.0),
    }
    return frame_of(device, RACK, T0_MS, 1_000, measured), cells


def _cell_voltages(
    rng: np.random.Generator, duty: _Duty, current: _Values
) -> tuple[_Values, dict[str, _Values]]:
    """Return the cells every 10 s, (n / 10, CELLS) volts, and what a BMS tells each second.

    Open-circuit voltage of LFP: a plain, a knee below 15 % and a rise above 95 %; 0.35 mOhm a
    cell, offsets of some mV, 0.6 mV noise before the 1 mV steps of the converter chip.
    """
    n = len(current)
    curve = 3.29 + 0.11 * (duty.soc - 0.5) + 0.06 * np.tanh((duty.soc - 0.97) * 30)
    curve -= 0.1 * np.exp(-duty.soc * 18)
    offset, ohms = rng.normal(0, 0.004, CELLS), rng.normal(3.5e-4, 3e-5, CELLS)
    sampled, told = np.empty((n // CELL_STEP_S, CELLS)), np.empty((5, n))
    for first in range(0, n, _CHUNK_S):
        part = slice(first, min(first + _CHUNK_S, n))
        shape = (part.stop - first, CELLS)
        volts = curve[part, None] + offset - current[part, None] * ohms
        volts += 6e-4 * rng.standard_normal(shape, dtype=np.float32)
        volts = np.round(volts, 3)
        sampled[first // CELL_STEP_S : part.stop // CELL_STEP_S] = volts[::CELL_STEP_S]
        told[:, part] = (
            *(volts.max(axis=1), volts.min(axis=1), volts.mean(axis=1)),
            *(volts.argmax(axis=1) + 1, volts.argmin(axis=1) + 1),
        )
    highest, lowest, mean, at_highest, at_lowest = told
    return sampled, {
        "cell_voltage_max_v": highest,
        "cell_voltage_min_v": lowest,
        "cell_voltage_mean_v": mean,
        "cell_voltage_spread_v": highest - lowest,
        "cell_voltage_max_index": at_highest,
        "cell_voltage_min_index": at_lowest,
    }


def _cooling(rng: np.random.Generator, duty: _Duty, heat: _Values) -> dict[str, _Values | float]:
    n = len(heat)
    return {
        "coolant_supply_c": 18 + rng.normal(0, 0.15, n) + 0.5 * np.sin(duty.time_s / 400),
        "coolant_return_c": 20 + heat * 0.4 + rng.normal(0, 0.12, n),
        "coolant_pressure_bar": 2.1 + wander(rng, n, 30, 0.02),
        "pump_running": (duty.time_s // 900) % 2,
        "fan_level": np.where(heat > 3, 2.0, 1.0),
    }


def _spells(rng: np.random.Generator, n: int, bit: int) -> _Values:
    """A warning bit that comes and goes four times a day, for some minutes."""
    word = np.zeros(n)
    for first in rng.integers(0, n, 4):
        word[first : first + rng.integers(20, 500)] = bit
    return word
