"""From the process image to what the estimators look at: one moment of all racks.

How much time has passed is told by the devices' own clocks. What a rack has not said anew since
the last moment counts for nothing, so that no sample is taken for two.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from contract.layouts import METER, RACK, Layout, cells_layout
from station.config import DeviceConfig, Role, StationConfig
from station.estimation import Moment
from station.estimation.wire import CELL_FLAGS, CELL_NUMBERS, RACK_FLAGS, RACK_NUMBERS
from station.image import Image, PointRow
from station.plant import PcsState, fresh_number, pcs_state

_CLOCK_TOLERANCE_S = 5.0
"""A device's clock that runs further from ours between two samples has been set."""
_FAULT = 4
_SAID = {name: name for name in RACK_NUMBERS if name != "elapsed_s"} | {
    "bms_soc": "soc",
    "rack_power_kw": "power_kw",
}
"""Arrays of a moment, and the signals of a rack that they are made of."""
_DISPATCHABLE = {PcsState.STANDBY, PcsState.RUNNING, PcsState.DERATED}


@dataclass(frozen=True)
class RackPlace:
    """A rack and where its cells lie in the station's arrays."""

    device: DeviceConfig
    cells: slice


class EstimatorInputs:
    """Makes moments of pictures; remembers of each rack the sample that was used last."""

    def __init__(
        self, config: StationConfig, racks: Sequence[DeviceConfig], cells: Mapping[str, int]
    ) -> None:
        """Look at these racks, in this order; `cells` is how many each has, by tag."""
        self._config = config
        ends = np.cumsum([0, *(cells[rack.tag] for rack in racks)]).tolist()
        self._places = [
            RackPlace(rack, slice(start, stop))
            for rack, (start, stop) in zip(racks, pairwise(ends), strict=True)
        ]
        self._cells = ends[-1]
        self._converters = {pcs.container: pcs.tag for pcs in config.with_role(Role.PCS)}
        self._used: dict[tuple[str, str], tuple[int, int]] = {}

    def moment(
        self, image: Image, second_ms: int, allowed: Mapping[str, tuple[float, float]] | None = None
    ) -> Moment:
        """Return the moment of a picture, and take its samples for used.

        Args:
            image: the picture.
            second_ms: its second.
            allowed: what protection lets each rack be (charged, discharged) with, A, by tag; where
                that is less than what the BMS allows, it takes its place and is marked.
        """
        racks = len(self._places)
        arrays = {name: np.full(racks, np.nan, np.float32) for name in RACK_NUMBERS}
        arrays |= {name: np.zeros(racks, np.uint8) for name in RACK_FLAGS}
        arrays |= {name: np.zeros(self._cells, np.float32) for name in CELL_NUMBERS}
        arrays |= {name: np.zeros(self._cells, np.uint8) for name in CELL_FLAGS}
        arrays["elapsed_s"][:] = 0
        working = {
            container: pcs_state(image, tag) in _DISPATCHABLE
            for container, tag in self._converters.items()
        }
        for number, place in enumerate(self._places):
            self._put_rack(arrays, number, place, image)
            self._put_cells(arrays, place, image)
            works = working.get(place.device.container, False)
            arrays["available"][number] &= works
        arrays["power_kw"][:] = self._shared_kw(image, arrays["power_kw"])
        self._narrow(arrays, allowed or {})
        return Moment(second_ms, arrays)

    def _narrow(
        self, arrays: dict[str, npt.NDArray[Any]], allowed: Mapping[str, tuple[float, float]]
    ) -> None:
        unknown = (math.nan, math.nan)
        pairs = [allowed.get(place.device.tag, unknown) for place in self._places]
        for way, limits_a in zip(("charge", "discharge"), zip(*pairs, strict=True), strict=True):
            told_a = arrays[f"{way}_current_limit_a"]
            less = np.asarray(limits_a, np.float32) < told_a
            told_a[less] = np.asarray(limits_a, np.float32)[less]
            arrays[f"{way}_guarded"][:] = less

    def _put_rack(
        self, arrays: dict[str, npt.NDArray[Any]], number: int, place: RackPlace, image: Image
    ) -> None:
        row = image.get(place.device.tag, RACK.name)
        if row is None or row.stale:
            return
        values = _numbers(row, RACK)
        for name, signal in _SAID.items():
            arrays[name][number] = values[signal]
        elapsed_s = self._elapsed_s(row)
        is_new = elapsed_s is not None
        arrays["elapsed_s"][number] = elapsed_s or 0.0
        arrays["current_good"][number] = is_new and math.isfinite(values["current_a"])
        in_use = values["contactor_closed"] == 1 and values["rack_state"] != _FAULT
        arrays["available"][number] = in_use

    def _put_cells(
        self, arrays: dict[str, npt.NDArray[Any]], place: RackPlace, image: Image
    ) -> None:
        layout = cells_layout(place.cells.stop - place.cells.start)
        row = image.get(place.device.tag, layout.name)
        if row is None or row.stale or self._elapsed_s(row) is None:
            return
        quality = row.sample.quality.reshape(len(CELL_NUMBERS), -1)
        for column, name in enumerate(CELL_NUMBERS):
            scale = layout.columns[column].signal.scale
            np.multiply(
                row.sample.values[column], scale, out=arrays[name][place.cells], casting="unsafe"
            )
        arrays["cell_good"][place.cells] = (quality < Quality.INVALID).all(axis=0)

    def _elapsed_s(self, row: PointRow) -> float | None:
        """Return the seconds since the sample used before, None where there is no other one.

        0 for the first. Samples count as used with that.
        """
        key = (row.sample.device, row.sample.layout)
        time_ms, arrived_ms = row.sample.time_ms, row.arrived_ms
        before = self._used.get(key)
        if before is not None and time_ms <= before[0]:
            return None
        self._used[key] = time_ms, arrived_ms
        if before is None:
            return 0.0
        by_device_s, by_us_s = (time_ms - before[0]) / 1000, (arrived_ms - before[1]) / 1000
        return by_device_s if abs(by_device_s - by_us_s) <= _CLOCK_TOLERANCE_S else by_us_s

    def _shared_kw(self, image: Image, rack_kw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return each rack's share of the power at the meter: losses are shared out equally."""
        meters = self._config.with_role(Role.METER)
        meter_kw = (
            fresh_number(image, meters[0].tag, METER.name, "active_power_kw")
            if meters
            else math.nan
        )
        others_kw = meter_kw - float(np.nansum(rack_kw))
        return rack_kw + np.float32(others_kw / rack_kw.size)


def _numbers(row: PointRow, layout: Layout) -> dict[str, float]:
    """Return all values of a row of single values in their units, NaN where not usable."""
    quality = row.sample.quality.tolist()
    return {
        column.signal.name: raw.item(0) * column.signal.scale if q < Quality.INVALID else math.nan
        for column, raw, q in zip(layout.columns, row.sample.values, quality, strict=True)
    }


def rated_kw_of(config: StationConfig, rack: DeviceConfig) -> float:
    """Return a rack's share of its converter's power; racks of a container share it equally."""
    neighbours = sum(r.container == rack.container for r in config.with_role(Role.RACK))
    converter = next(p for p in config.with_role(Role.PCS) if p.container == rack.container)
    return float(converter.rated_kw or 0.0) / neighbours
