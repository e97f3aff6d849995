"""Telemetry of a small station, for pages that need something to show.

Frames have the real layouts, scales and sizes; values follow a day's schedule closely enough that
a page looks as it does at work: two containers of ten racks of 416 cells, one with a warm cell.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract import layouts
from contract.frame import Frame, Quality
from contract.layouts import Layout
from contract.limits import LimitReason
from tests.cloud.web import estimates

Array = NDArray[np.float64]

RATED_KW = 3450.0
CAPACITY_KWH = 7454.7
CELLS = 416
CONTAINERS = ("C1", "C2")
RACKS = tuple(f"{c}-R{r:02d}" for c in CONTAINERS for r in range(1, 11))
WARM_RACK, WARM_CELL = estimates.ODD_RACK, estimates.ODD_CELL
_RACK_KWH = CAPACITY_KWH / len(RACKS)
_QUARTER_MS = 900_000
_DAY_MS = 86_400_000
SELDOM_MS = 10_000
# Charge in the small hours and at noon, discharge in the morning and in the evening (MW by hour).
_HOURLY_MW = (
    0,
    -1.8,
    -1.8,
    -1.8,
    0,
    0,
    0,
    0,
    0,
    1.2,
    3,
    0,
    -2,
    -2,
    0,
    0,
    0,
    0,
    1.6,
    1.6,
    0,
    0,
    0,
    0,
)


def day_schedule_kw() -> list[float]:
    """The 96 powers of the plant's usual day, kW."""
    return [float(_HOURLY_MW[q // 4] * 1000) for q in range(96)]


class Plant:
    """Makes frames of any moment; `midnight_ms` is the local midnight that begins the day.

    `estimating`: its estimators run.
    """

    def __init__(
        self,
        midnight_ms: int,
        schedule_kw: list[float] | None = None,
        *,
        estimating: bool = True,
    ) -> None:
        self.estimating = estimating
        self._midnight_ms = midnight_ms
        self._schedule = np.array(schedule_kw or day_schedule_kw())
        energy = np.cumsum(np.where(self._schedule > 0, 1 / 0.94, 0.94) * self._schedule) / 4
        self._soc_at_quarter = np.concatenate([[0.15], 0.15 - energy / CAPACITY_KWH])

    def frames(
        self, t0_ms: int, n: int = 1, step_ms: int = 1000, racks: Sequence[str] = RACKS
    ) -> list[Frame]:
        """Frames of all devices, of the racks only `racks`, over `n` samples from `t0_ms` on."""
        times = t0_ms + step_ms * np.arange(n)
        frames = [
            frame_of(device, layouts.get(layout), t0_ms, step_ms, columns)
            for device, layout, columns in self._devices(times, racks)
        ]
        return [*frames, *self._of_cells(times, step_ms, racks)]

    def _of_cells(
        self, times: NDArray[np.int64], step_ms: int, racks: Sequence[str]
    ) -> list[Frame]:
        """Estimates of cells, every ten seconds; of longer ranges those of one rack are enough."""
        seldom = times[times % SELDOM_MS == 0] if step_ms < SELDOM_MS else times
        if not self.estimating or not len(seldom):
            return []
        shown = [r for r in racks if len(times) == 1 or r == WARM_RACK]
        power, soc = self._power_and_soc(seldom)
        layout, every_ms = layouts.estimate_cells_layout(CELLS), max(step_ms, SELDOM_MS)
        return [
            frame_of(rack, layout, int(seldom[0]), every_ms, columns)
            for rack in shown
            for columns in [estimates.of_cells(rack, RACKS.index(rack), CELLS, power / 20, soc)]
        ]

    def _power_and_soc(self, times: NDArray[np.int64]) -> tuple[Array, Array]:
        """Delivered power in kW and SOC at `times`."""
        into_day = (times - self._midnight_ms) % _DAY_MS
        quarter = into_day // _QUARTER_MS
        planned = self._schedule[quarter]
        noise = 6 * np.sin(times / 7000) + 4 * np.sin(times / 1900 + 1)
        power = planned + np.where(planned == 0, 0.0, noise - 12)
        share = (into_day % _QUARTER_MS) / _QUARTER_MS
        before, after = self._soc_at_quarter[quarter], self._soc_at_quarter[quarter + 1]
        return power, before * (1 - share) + after * share

    def _devices(
        self, times: NDArray[np.int64], racks: Sequence[str]
    ) -> list[tuple[str, str, Mapping[str, Array]]]:
        planned = self._schedule[(times - self._midnight_ms) % _DAY_MS // _QUARTER_MS]
        power, soc = self._power_and_soc(times)
        devices = [
            ("STATION", "station", _station(times, planned, power, soc)),
            ("METER", "meter", _meter(times, power)),
            ("FIRE", "fire", _fire(times)),
            ("STATION", layouts.DISPATCH.name, _dispatch(planned, power)),
            ("STATION", layouts.LIMITS.name, _origins(soc)),
            ("PANEL", "panel", {"remote_control": np.ones(len(times))}),
        ]
        for c, container in enumerate(CONTAINERS):
            own = power / 2 + (20 if c == 0 else -20) * (planned != 0)
            devices.append((f"{container}-PCS", "pcs", _pcs(own, planned / 2)))
            devices.append((f"{container}-CHL", "chiller", _chiller(times, c)))
            devices.append((f"{container}-IMD", "insulation", _insulation(times, c)))
            devices.append((f"{container}-FIRE", "fire", _fire(times)))
            devices.append((f"{container}-VENT", "ventilation", {"ventilation_state": 0 * own}))
            for rack in (r for r in racks if r.startswith(container)):
                cells = _cells(rack, times, own, soc)
                devices.append((rack, "rack", _rack(rack, own, soc, cells)))
                devices.append((rack, f"rack.cells/{CELLS}", cells))
                if self.estimating and (len(times) == 1 or rack in estimates.RACKS_WITH_PAST):
                    told = estimates.of_rack(rack, RACKS.index(rack), CELLS, soc)
                    devices.append((rack, "estimate", told))
                    devices.append(
                        (rack, layouts.ESTIMATE_LIMIT.name, estimates.of_limit(rack, soc))
                    )
        if self.estimating:
            told = estimates.of_station(soc, RATED_KW, CAPACITY_KWH)
            devices.append(("STATION", "estimate.station", told))
        return devices


def frame_of(
    device: str, layout: Layout, t0_ms: int, step_ms: int, columns: Mapping[str, Array]
) -> Frame:
    """A frame of these physical values; what `columns` lack is 0, NaN is missing."""
    values: list[NDArray[Any]] = []
    known: list[NDArray[np.bool_]] = []
    n = max(len(np.atleast_1d(column)) for column in columns.values())
    for column in layout.columns:
        physical = np.asarray(columns.get(column.signal.name, 0.0), dtype=np.float64)
        if physical.ndim < 2:
            physical = np.broadcast_to(np.atleast_1d(physical)[:, None], (n, column.repeat))
        known.append(np.isfinite(physical))
        raw = np.round(np.nan_to_num(physical) / column.signal.scale).astype(column.signal.dtype)
        values.append(np.ascontiguousarray(raw))
    quality = np.where(np.hstack(known), Quality.GOOD, Quality.MISSING).astype(np.uint8)
    return Frame(device, layout, t0_ms, step_ms, tuple(values), quality)


def _dispatch(planned: Array, power: Array) -> Mapping[str, Array]:
    return {
        "dispatch_source": np.ones(len(planned)),
        "asked_power_kw": power,
        "granted_power_kw": power,
        "regulation_power_kw": np.zeros(len(planned)),
        "frequency_request_kw": power - planned,
        "frequency_response_kw": power - planned,
        "fast_loop_p99_ms": np.full(len(planned), 3.4),
    }


def _origins(soc: Array) -> Mapping[str, Array]:
    """The first rack's cell 7 keeps a full station from charging; the odd one is the emptiest."""
    rows = np.ones(len(soc))
    odd = rows * (RACKS.index(estimates.ODD_RACK) + 1)
    return {
        "charge_limit_rack": np.where(soc > 0.8, 1.0, np.nan),
        "charge_limit_cell": np.where(soc > 0.8, 7.0, np.nan),
        "discharge_limit_rack": rows * np.nan,
        "discharge_limit_cell": rows * np.nan,
        "charge_bound_rack": odd,
        "discharge_bound_rack": odd,
    }


def _station(
    times: NDArray[np.int64], planned: Array, power: Array, soc: Array
) -> Mapping[str, Array]:
    full = soc > 0.8
    return {
        "scheduled_power_kw": planned,
        "target_power_kw": planned,
        "delivered_power_kw": power,
        "charge_limit_kw": np.where(full, 2100.0, RATED_KW),
        "discharge_limit_kw": np.full(len(times), RATED_KW),
        "charge_limit_reason": np.where(full, float(LimitReason.CELL_VOLTAGE), 0.0),
        "discharge_limit_reason": np.zeros(len(times)),
        "soc": soc,
        "stored_energy_kwh": (soc - 0.05) * CAPACITY_KWH,
        "capacity_kwh": np.full(len(times), CAPACITY_KWH),
        "control_mode": np.ones(len(times)),
        "link_state": np.ones(len(times)),
        "cycle_ms": 11 + 3 * np.sin(times / 5000),
    }


def _meter(times: NDArray[np.int64], power: Array) -> Mapping[str, Array]:
    return {
        "active_power_kw": power,
        "reactive_power_kvar": 120 + 5 * np.sin(times / 9000),
        "voltage_ab_v": np.full(len(times), 35_400.0),
        "frequency_hz": 50.01 + 0.012 * np.sin(times / 13_000),
        "power_factor": np.full(len(times), 0.99),
    }


def _fire(times: NDArray[np.int64]) -> Mapping[str, Array]:
    return {
        "hydrogen_ppm": np.full(len(times), 3.0),
        "carbon_monoxide_ppm": np.full(len(times), 2.0),
    }


def _pcs(power: Array, planned: Array) -> Mapping[str, Array]:
    return {
        "active_power_kw": power,
        "dc_voltage_v": np.full(len(power), 1368.0),
        "dc_current_a": power / 1.368,
        "frequency_hz": np.full(len(power), 50.01),
        "active_power_setpoint_kw": planned,
        "pcs_state": np.full(len(power), 2.0),
        "breaker_closed": np.ones(len(power)),
        "remote_control": np.ones(len(power)),
    }


def _chiller(times: NDArray[np.int64], c: int) -> Mapping[str, Array]:
    return {
        "coolant_supply_c": 18.3 - 0.2 * c + 0.2 * np.sin(times / 60_000),
        "coolant_return_c": np.full(len(times), 22.5),
        "coolant_setpoint_c": np.full(len(times), 18.0),
        "ambient_c": np.full(len(times), 24.0),
        "auxiliary_power_kw": np.full(len(times), 7.4 + c),
        "chiller_state": np.ones(len(times)),
    }


def _insulation(times: NDArray[np.int64], c: int) -> Mapping[str, Array]:
    return {
        "resistance_positive_kohm": np.full(len(times), 2310.0 + 90 * c),
        "resistance_negative_kohm": np.full(len(times), 2440.0),
    }


def _cells(rack: str, times: NDArray[np.int64], power: Array, soc: Array) -> Mapping[str, Array]:
    number = RACKS.index(rack)
    draw = np.random.default_rng(number)
    place = np.arange(CELLS)
    pack, column = place // 52, place % 52
    temperature = 29.2 + 0.9 * np.exp(-(((column - 28) / 14) ** 2)) - 0.12 * np.abs(pack - 2.5)
    temperature = temperature + draw.normal(0, 0.18, CELLS)
    if rack == WARM_RACK:
        temperature[WARM_CELL] += 6.1
    voltage = 3.18 + 0.14 * soc[:, None] - 0.00002 * power[:, None] + draw.normal(0, 0.003, CELLS)
    ripple = 0.05 * np.sin(times / 30_000)[:, None]
    return {"cell_voltage_v": voltage, "cell_temperature_c": temperature[None, :] + ripple}


def _rack(rack: str, power: Array, soc: Array, cells: Mapping[str, Array]) -> Mapping[str, Array]:
    voltage, temperature = cells["cell_voltage_v"], cells["cell_temperature_c"]
    number = RACKS.index(rack)
    volts = voltage.sum(axis=1)
    ones = np.ones(len(power))
    return {
        "voltage_v": volts,
        "current_a": power * 1000 / 10 / volts,
        "power_kw": power / 10,
        "soc": soc + 0.002 * np.sin(number),
        "soh": ones * (0.961 + 0.002 * np.cos(number)),
        "cell_voltage_max_v": voltage.max(axis=1),
        "cell_voltage_min_v": voltage.min(axis=1),
        "cell_voltage_mean_v": voltage.mean(axis=1),
        "cell_voltage_max_index": voltage.argmax(axis=1) + 1.0,
        "cell_voltage_min_index": voltage.argmin(axis=1) + 1.0,
        "cell_temperature_max_c": temperature.max(axis=1),
        "cell_temperature_min_c": temperature.min(axis=1),
        "cell_temperature_mean_c": temperature.mean(axis=1),
        "cell_temperature_max_index": temperature.argmax(axis=1) + 1.0,
        "cell_temperature_min_index": temperature.argmin(axis=1) + 1.0,
        "charge_current_limit_a": ones * 280,
        "discharge_current_limit_a": ones * 280,
        "contactor_closed": ones,
        "rack_state": np.where(power > 1, 3.0, np.where(power < -1, 2.0, 1.0)),
    }
