"""Telemetry of the default plant as a plant of its kind gives it, for benchmarks of size.

Two converters of 1.725 MW, twenty racks of 416 LFP cells, one second a row. The load follows a
set-point that changes every few seconds, as under frequency regulation; cell voltages spread a
few mV, carry 1 mV of noise and sag with the current; temperatures creep. Quantised as a BMS
quantises: 1 mV, 0.1 deg C, 0.1 A.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from contract import layouts
from contract.frame import Frame
from contract.layouts import Layout

CELLS = 416
RACKS = 10
T0_MS = 1_767_225_600_000

_Values = NDArray[np.float64]
_START_SOC = 0.55
_CAPACITY_AH = 280.0


def plant(rows: int, seed: int = 7) -> list[Frame]:
    """Return one frame of `rows` seconds for each of the plant's 46 devices and layouts."""
    rng = np.random.default_rng(seed)
    frames, total = [], np.zeros(rows)
    for container in ("C1", "C2"):
        power = _load(rng, rows)
        total += power
        frames.append(_pcs(rng, f"{container}-PCS", power))
        for rack in range(1, RACKS + 1):
            frames += _rack(rng, f"{container}-R{rack:02d}", power / RACKS)
        frames.append(_chiller(rng, f"{container}-CHL", rows))
        frames.append(_insulation(rng, f"{container}-IMD", rows))
    frames.append(_meter(rng, total))
    frames.append(_frame("FIRE", layouts.FIRE, rows, {"hydrogen_ppm": 2, "carbon_monoxide_ppm": 1}))
    frames.append(_station(rng, total))
    return frames


def values_of(frames: list[Frame]) -> int:
    """Return how many values the frames hold."""
    return sum(f.n * f.layout.width for f in frames)


def _load(rng: np.random.Generator, rows: int) -> _Values:
    steps = np.repeat(rng.normal(0, 60, rows // 4 + 1), 4)[:rows]
    smooth = np.convolve(np.pad(900 + steps, (3, 0), "edge"), np.ones(4) / 4, "valid")
    return smooth + rng.normal(0, 0.8, rows)


def _rack(rng: np.random.Generator, device: str, power_kw: _Values) -> list[Frame]:
    rows = len(power_kw)
    current = power_kw * 1000 / (CELLS * 3.3) + rng.normal(0, 0.1, rows)
    soc = _START_SOC + rng.normal(0, 0.01) - current.cumsum() / 3600 / _CAPACITY_AH
    offset, resistance = rng.normal(0, 0.003, CELLS), rng.normal(3e-4, 2.4e-5, CELLS)
    open_circuit = 3.29 + 0.11 * (soc - 0.5)
    voltage = open_circuit[:, None] + offset - current[:, None] * resistance
    voltage = np.round(voltage + rng.normal(0, 0.001, voltage.shape), 3)
    creep = 26 + np.sin(np.arange(rows) / 2000 + rng.normal())
    temperature = creep[:, None] + rng.normal(0, 0.8, CELLS)
    temperature = np.round(temperature + rng.normal(0, 0.01, temperature.shape), 1)
    rack = {
        "voltage_v": voltage.sum(axis=1),
        "current_a": current,
        "power_kw": voltage.sum(axis=1) * current / 1000,
        "soc": np.round(soc, 3),
        "soh": 0.987,
        "cell_voltage_max_v": voltage.max(axis=1),
        "cell_voltage_min_v": voltage.min(axis=1),
        "cell_voltage_mean_v": voltage.mean(axis=1),
        "cell_voltage_max_index": voltage.argmax(axis=1) + 1,
        "cell_voltage_min_index": voltage.argmin(axis=1) + 1,
        "cell_temperature_max_c": temperature.max(axis=1),
        "cell_temperature_min_c": temperature.min(axis=1),
        "cell_temperature_mean_c": temperature.mean(axis=1),
        "cell_temperature_max_index": temperature.argmax(axis=1) + 1,
        "cell_temperature_min_index": temperature.argmin(axis=1) + 1,
        "charge_current_limit_a": 140.0,
        "discharge_current_limit_a": 140.0,
        "contactor_closed": 1,
        "rack_state": 3,
    }
    cells = {"cell_voltage_v": voltage, "cell_temperature_c": temperature}
    return [
        _frame(device, layouts.RACK, rows, rack),
        _frame(device, layouts.cells_layout(CELLS), rows, cells),
    ]


def _pcs(rng: np.random.Generator, device: str, power_kw: _Values) -> Frame:
    rows = len(power_kw)

    def noise(sigma: float) -> _Values:
        return rng.normal(0, sigma, rows)

    reactive = 12 + noise(0.4)
    apparent = np.hypot(power_kw, reactive)
    volts = 690 + noise(0.5).cumsum() * 0.05
    dc = 1370 - power_kw * 0.01 + noise(0.1)
    return _frame(
        device,
        layouts.PCS,
        rows,
        {
            "active_power_kw": power_kw,
            "reactive_power_kvar": reactive,
            "apparent_power_kva": apparent,
            "power_factor": power_kw / apparent,
            "frequency_hz": 50 + noise(0.002).cumsum() * 0.2,
            "dc_voltage_v": dc,
            "dc_current_a": power_kw * 1015 / dc,
            **{f"voltage_{p}_v": volts + noise(0.15) for p in ("ab", "bc", "ca")},
            **{f"current_{p}_a": apparent * 1000 / volts / 3**0.5 + noise(0.25) for p in "abc"},
            "heatsink_temperature_c": 48 + noise(0.05),
            "active_power_setpoint_kw": np.round(power_kw, -1),
            "pcs_state": 2,
            "breaker_closed": 1,
            "remote_control": 1,
        },
    )


def _chiller(rng: np.random.Generator, device: str, rows: int) -> Frame:
    def noise(sigma: float) -> _Values:
        return rng.normal(0, sigma, rows)

    values: dict[str, _Values | float] = {
        "coolant_supply_c": 20 + noise(0.05),
        "coolant_return_c": 24 + noise(0.05),
        "coolant_setpoint_c": 20.0,
        "ambient_c": 30.0,
        "coolant_flow_lpm": 180 + noise(0.4),
        "coolant_pressure_kpa": 150 + noise(0.3),
        "auxiliary_power_kw": 14 + noise(0.05),
        "chiller_state": 1,
    }
    return _frame(device, layouts.CHILLER, rows, values)


def _insulation(rng: np.random.Generator, device: str, rows: int) -> Frame:
    values: dict[str, _Values | float] = {
        "resistance_positive_kohm": 1800 + rng.normal(0, 1, rows).cumsum(),
        "resistance_negative_kohm": 1760 + rng.normal(0, 1, rows).cumsum(),
    }
    return _frame(device, layouts.INSULATION, rows, values)


def _meter(rng: np.random.Generator, power_kw: _Values) -> Frame:
    rows = len(power_kw)
    values: dict[str, _Values | float] = {
        "active_power_kw": np.round(power_kw, 1),
        "reactive_power_kvar": 20 + rng.normal(0, 1, rows),
        **{f"voltage_{p}_v": 35_000 + rng.normal(0, 5, rows) for p in ("ab", "bc", "ca")},
        **{f"current_{p}_a": power_kw / 60 + rng.normal(0, 0.1, rows) for p in "abc"},
        "frequency_hz": 50 + rng.normal(0, 0.002, rows).cumsum() * 0.2,
        "power_factor": 0.999,
        "energy_discharged_kwh": 123_456 + power_kw.cumsum() / 3600,
        "energy_charged_kwh": 130_456.0,
    }
    return _frame("METER", layouts.METER, rows, values)


def _station(rng: np.random.Generator, power_kw: _Values) -> Frame:
    rows = len(power_kw)
    values: dict[str, _Values | float] = {
        "scheduled_power_kw": 1800.0,
        "target_power_kw": np.round(power_kw, -1),
        "delivered_power_kw": power_kw,
        "charge_limit_kw": 3450.0,
        "discharge_limit_kw": 3450.0,
        "soc": _START_SOC - power_kw.cumsum() / 3600 / 7450,
        "stored_energy_kwh": 4000 - power_kw.cumsum() / 3600,
        "capacity_kwh": 7450.0,
        "control_mode": 1,
        "link_state": 1,
        "cycle_ms": rng.gamma(9, 2, rows),
    }
    return _frame("STATION", layouts.STATION, rows, values)


def _frame(
    device: str, layout: Layout, rows: int, physical: Mapping[str, _Values | float]
) -> Frame:
    columns = []
    for column in layout.columns:
        value = np.asarray(physical.get(column.signal.name, 0.0), dtype=np.float64)
        shaped = value.reshape(rows, -1) if value.ndim else value
        raw = np.rint(np.broadcast_to(shaped, (rows, column.repeat)) / column.signal.scale)
        columns.append(raw.astype(column.signal.dtype))
    quality = np.zeros((rows, layout.width), dtype=np.uint8)
    return Frame(device, layout, T0_MS, 1000, tuple(columns), quality)
