"""From the process image to what the estimators look at: one moment of all racks.

How much time has passed is told by the devices' own clocks. What a rack has not said anew since
the last moment counts for nothing, so that no sample is taken for two. Cells may be told more
seldom than their racks: a moment is due when most racks have told theirs anew, and each rack's
current, voltage and power are then those of the second of its cells.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.frame import Quality
from contract.layouts import METER, RACK, cells_layout
from station.config import DeviceConfig, Role, StationConfig
from station.estimation import Moment
from station.estimation.wire import CELL_FLAGS, CELL_NUMBERS, RACK_NUMBERS
from station.image import Image, PointRow, Table
from station.plant import PcsState, fresh_number, pcs_state
from station.rack_counts import Counts, Floats, Since, counts_of

_FAULT = 4
_SECOND_MS = 1000
_COUNTED = ("elapsed_s", "mean_current_a", "power_kw")
_SAID = {name: name for name in RACK_NUMBERS if name not in _COUNTED} | {
    "bms_soc": "soc",
    "rack_power_kw": "power_kw",
}
"""Arrays of a moment, and the signals of a rack that they are made of."""
_WITH_CELLS = ("current_a", "voltage_v", "rack_power_kw")
"""Of these, those that belong to the second of the cells."""
_BESIDE = ("power_kw", "second")
"""What is kept of that second besides."""
_DISPATCHABLE = {PcsState.STANDBY, PcsState.RUNNING, PcsState.DERATED}
_MOST = 0.95
"""A moment is due when so many of the racks that are heard have told their cells anew."""
_LONGEST_MS = 5000
"""So long it waits for them: the slowest cells of a plant are told every five seconds."""
_INVALID = int(Quality.INVALID)
_REMEMBERED = 3
"""Pictures in which the rack's reading of the second of its cells is looked for: the cells of many
racks are read one after the other, and come a second later than the racks' own numbers."""


@dataclass(frozen=True)
class RackPlace:
    """A rack, the layout of its cells, and where they lie in the station's arrays."""

    device: DeviceConfig
    layout: str
    cells: slice


class EstimatorInputs:
    """Makes moments of pictures; remembers of each rack what was used and what is waiting."""

    def __init__(
        self, config: StationConfig, racks: Sequence[DeviceConfig], cells: Mapping[str, int]
    ) -> None:
        """Look at these racks, in this order; `cells` is how many each has, by tag."""
        self._config = config
        ends = np.cumsum([0, *(cells[rack.tag] for rack in racks)]).tolist()
        self._places = [
            RackPlace(rack, cells_layout(max(1, stop - start)).name, slice(start, stop))
            for rack, (start, stop) in zip(racks, pairwise(ends), strict=True)
        ]
        self._racks, self._cells = len(racks), ends[-1]
        containers = np.array([rack.container or "" for rack in racks])
        self._stacks = [np.flatnonzero(containers == one) for one in np.unique(containers)]
        self._converters = {pcs.container: pcs.tag for pcs in config.with_role(Role.PCS)}
        self._since, self._cells_since = Since(self._racks), Since(self._racks)
        self._open = self._waiting = Counts.none(self._racks)
        self._told = np.zeros(self._racks, np.bool_)
        self._listened = np.zeros(self._racks, np.bool_)
        self._then = {name: np.full(self._racks, np.nan) for name in (*_WITH_CELLS, *_BESIDE)}
        self._recent: tuple[Mapping[str, Floats], ...] = ()
        self._new_cells()
        self._last_ms = 0

    def note(self, image: Image) -> None:
        """Take the samples of a picture for used; call it each second."""
        now = self._now(image)
        table = image.table(RACK)
        heard, (time_ms, arrived_ms) = self._heard(table), self._times(table)
        new, elapsed_s = self._since.use(heard, time_ms, arrived_ms)
        counts = counts_of(elapsed_s, new, now["current_a"], now["power_kw"])
        self._open = self._open.plus(counts, new)
        self._recent = (now, *self._recent)[:_REMEMBERED]
        self._close(*self._take_cells(image))

    def is_due(self, second_ms: int) -> bool:
        """Whether enough has been told anew for another moment."""
        enough = self._told.sum() >= max(1.0, _MOST * self._listened.sum())
        return bool(enough) or second_ms - self._last_ms >= _LONGEST_MS

    def moment(
        self, image: Image, second_ms: int, allowed: Mapping[str, tuple[float, float]] | None = None
    ) -> Moment:
        """Return the moment of what was noted since the last one.

        Args:
            image: the picture that was noted last.
            second_ms: its second.
            allowed: what protection lets each rack be (charged, discharged) with, A, by tag; where
                that is less than what the BMS allows, it takes its place and is marked.
        """
        now = self._now(image)
        untold = ~self._told
        counts = self._waiting.plus(self._open, untold)
        self._open, self._waiting = self._open.without(untold), Counts.none(self._racks)
        then = {name: np.where(untold, now[name], values) for name, values in self._then.items()}
        arrays: dict[str, npt.NDArray[Any]] = {name: now[name].astype(np.float32) for name in _SAID}
        arrays |= {name: then[name].astype(np.float32) for name in _WITH_CELLS}
        arrays["elapsed_s"] = counts.elapsed_s.astype(np.float32)
        arrays["mean_current_a"] = counts.mean_a(then["current_a"]).astype(np.float32)
        arrays["power_kw"] = counts.mean_kw(then["power_kw"]).astype(np.float32)
        arrays["current_good"] = (counts.good & np.isfinite(then["current_a"])).astype(np.uint8)
        arrays["together"] = self._together(arrays["current_good"] > 0, then["second"])
        arrays["available"] = self._available(image, now)
        arrays |= self._pending
        self._narrow(arrays, allowed or {})
        self._told[:] = False
        self._new_cells()
        self._last_ms = second_ms
        return Moment(second_ms, arrays)

    def _new_cells(self) -> None:
        self._pending = {name: np.zeros(self._cells, np.float32) for name in CELL_NUMBERS}
        self._pending |= {name: np.zeros(self._cells, np.uint8) for name in CELL_FLAGS}

    def _close(self, told: npt.NDArray[np.bool_], second: npt.NDArray[np.int64]) -> None:
        """Let what was counted of racks wait together with the cells that they have just told.

        Args:
            told: which racks have.
            second: of the cells, by the rack's own clock.
        """
        if not told.any():
            return
        self._waiting = self._waiting.plus(self._open, told)
        self._open = self._open.without(told)
        self._told |= told
        for name, values in self._then.items():
            np.copyto(values, self._recent[0][name], where=told)
        met = np.zeros_like(told)
        for known in self._recent:
            same = told & ~met & (known["second"] == second)
            met |= same
            for name, values in self._then.items():
                np.copyto(values, known[name], where=same)
        # Of another second it says nothing of the sum of the cells' voltages.
        self._then["voltage_v"][told & ~met] = np.nan

    def _now(self, image: Image) -> dict[str, Floats]:
        """Return what racks tell, NaN where one is stale or was never heard, shape (racks,)."""
        table = image.table(RACK)
        heard, at = self._heard(table), self._at(table)
        names = {**_SAID, "contactor_closed": "contactor_closed", "rack_state": "rack_state"}
        if not table.place:
            now = {name: np.full(self._racks, np.nan) for name in names}
        else:
            now = {
                name: np.where(heard, table.column(signal)[at], np.nan)
                for name, signal in names.items()
            }
        now["power_kw"] = self._shared_kw(image, now["rack_power_kw"])
        now["second"] = (self._times(table)[0] // _SECOND_MS).astype(np.float64)
        return now

    def _at(self, table: Table) -> npt.NDArray[np.int64]:
        """Return the place of each rack in the table; 0 where it has none."""
        places = (table.place.get(place.device.tag, 0) for place in self._places)
        return np.fromiter(places, np.int64, self._racks)

    def _heard(self, table: Table) -> npt.NDArray[np.bool_]:
        known = np.array([place.device.tag in table.place for place in self._places], np.bool_)
        return known & ~table.stale[self._at(table)] if table.place else known

    def _times(self, table: Table) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        if not table.place:
            zero = np.zeros(self._racks, np.int64)
            return zero, zero
        at = self._at(table)
        return table.time_ms[at], table.arrived_ms[at]

    def _take_cells(self, image: Image) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Take the cells that are new; return of which racks, and the second of each rack's."""
        rows = [image.get(place.device.tag, place.layout) for place in self._places]
        self._listened = np.array([r is not None and not r.stale for r in rows], np.bool_)
        times = [(0, 0) if r is None else (r.sample.time_ms, r.arrived_ms) for r in rows]
        time_ms, arrived_ms = np.array(times, np.int64).reshape(-1, 2).T
        new, _ = self._cells_since.use(self._listened, time_ms, arrived_ms)
        for number in np.flatnonzero(new).tolist():
            row = rows[number]
            if row is not None:
                self._put_cells(self._places[number], row)
        return new, time_ms // _SECOND_MS

    def _put_cells(self, place: RackPlace, row: PointRow) -> None:
        quality = row.sample.quality.reshape(len(CELL_NUMBERS), -1)
        for column, name in enumerate(CELL_NUMBERS):
            scale = row.layout.columns[column].signal.scale
            into = self._pending[name][place.cells]
            np.multiply(row.sample.values[column], scale, out=into, casting="unsafe")
        self._pending["cell_good"][place.cells] = (quality < _INVALID).all(axis=0)

    def _together(self, good: npt.NDArray[np.bool_], second: Floats) -> npt.NDArray[np.uint8]:
        """Tell racks of the second that most of their converter's racks are of.

        Where a line is slow some are read later, and a step of the current lies between them.
        """
        together = np.zeros(self._racks, np.uint8)
        for rows in self._stacks:
            known = rows[good[rows]]
            if len(known):
                values, counts = np.unique(second[known], return_counts=True)
                together[known] = second[known] == values[counts.argmax()]
        return together

    def _available(self, image: Image, now: Mapping[str, Floats]) -> npt.NDArray[np.uint8]:
        works = {
            container: pcs_state(image, tag) in _DISPATCHABLE
            for container, tag in self._converters.items()
        }
        working = [works.get(place.device.container, False) for place in self._places]
        in_use = (now["contactor_closed"] == 1) & (now["rack_state"] != _FAULT)
        available: npt.NDArray[np.uint8] = (in_use & np.array(working, np.bool_)).astype(np.uint8)
        return available

    def _narrow(
        self, arrays: dict[str, npt.NDArray[Any]], allowed: Mapping[str, tuple[float, float]]
    ) -> None:
        unknown = (math.nan, math.nan)
        pairs = [allowed.get(place.device.tag, unknown) for place in self._places]
        for way, limits_a in zip(("charge", "discharge"), zip(*pairs, strict=True), strict=True):
            told_a = arrays[f"{way}_current_limit_a"]
            less = np.asarray(limits_a, np.float32) < told_a
            told_a[less] = np.asarray(limits_a, np.float32)[less]
            arrays[f"{way}_guarded"] = less.astype(np.uint8)

    def _shared_kw(self, image: Image, rack_kw: Floats) -> Floats:
        """Return each rack's share of the power at the meter: losses are shared out equally."""
        meters = self._config.with_role(Role.METER)
        meter_kw = (
            fresh_number(image, meters[0].tag, METER.name, "active_power_kw")
            if meters
            else math.nan
        )
        others_kw = meter_kw - float(np.nansum(rack_kw))
        shared: Floats = rack_kw + others_kw / rack_kw.size
        return shared


def rated_kw_of(config: StationConfig, rack: DeviceConfig) -> float:
    """Return a rack's share of its converter's power; racks of a container share it equally."""
    neighbours = sum(r.container == rack.container for r in config.with_role(Role.RACK))
    converter = next(p for p in config.with_role(Role.PCS) if p.container == rack.container)
    return float(converter.rated_kw or 0.0) / neighbours
