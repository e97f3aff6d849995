"""Samples as drivers publish them, made of physical values."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from contract import layouts


@dataclass(frozen=True, eq=False)
class MadeSample:
    device: str
    layout: str
    time_ms: int
    received_ms: int
    values: tuple[np.ndarray, ...]
    quality: np.ndarray


def sample(
    device: str, layout: str, time_ms: int, values: Mapping[str, float] | None = None, **more: float
) -> MadeSample:
    """One row; signals that are not given are 0, NaN makes a signal invalid."""
    given = {**(values or {}), **more}
    found = layouts.get(layout)
    columns, quality = [], np.zeros(found.width, dtype=np.uint8)
    for column in found.columns:
        value = given.pop(column.signal.name, 0.0)
        start, stop = found.offset(column.signal.name)
        known = math.isfinite(value)
        raw = np.full(column.repeat, round(value / column.signal.scale) if known else 0)
        quality[start:stop] = 0 if known else 2
        columns.append(raw.astype(column.signal.dtype))
    assert not given, f"layout {layout} has no {sorted(given)}"
    return MadeSample(device, layout, time_ms, time_ms + 50, tuple(columns), quality)


def healthy_rack(device: str, time_ms: int, **changes: float) -> MadeSample:
    """A rack of 416 cells at half charge that allows 280 A both ways."""
    values = {
        "voltage_v": 1372.8,
        "soc": 0.5,
        "soh": 1.0,
        "cell_voltage_max_v": 3.32,
        "cell_voltage_min_v": 3.28,
        "cell_voltage_mean_v": 3.3,
        "cell_voltage_max_index": 7,
        "cell_voltage_min_index": 9,
        "cell_temperature_max_c": 28,
        "cell_temperature_min_c": 24,
        "cell_temperature_max_index": 11,
        "cell_temperature_min_index": 13,
        "charge_current_limit_a": 280,
        "discharge_current_limit_a": 280,
        "contactor_closed": 1,
        "rack_state": 1,
    }
    return sample(device, "rack", time_ms, {**values, **changes})


def running_pcs(device: str, time_ms: int, power_kw: float = 0.0, **changes: float) -> MadeSample:
    """A converter on the grid that follows its set-point."""
    values = {
        "active_power_kw": power_kw,
        "active_power_setpoint_kw": power_kw,
        "pcs_state": 2,
        "breaker_closed": 1,
        "remote_control": 1,
    }
    return sample(device, "pcs", time_ms, {**values, **changes})


def whole_second_ms() -> int:
    """The second that runs now."""
    return int(time.time()) * 1000
