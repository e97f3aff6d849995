"""The intervals of a make, from how far its estimates lay off at temperatures it had not seen.

Every case (a recording with a disturbance) counts alike, however long it is: its errors are not
independent. A temperature's own cases count fully, those of others a quarter, so that a few cases
do not decide alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cell_lab.evaluate_soc import SETTLE_S, Case
from cell_lab.grid import Floats, Grid
from cell_lab.recordings import Series
from station.estimators import soc as soc_estimator
from station.estimators.cell_model import CellModel
from station.estimators.cell_parameters import INTERVAL_ZONES, IntervalGroup, Intervals
from station.estimators.trust import expected_half_width, groups_of

_NOMINAL = 0.9
_OTHERS = 0.25
_POINTS = 400
"""So many moments of each case, at the most."""
_FEWEST = 600
"""So many errors, at the least, make a figure of their own."""
_ZONE_RANGE = (0.4, 3.0)


@dataclass(frozen=True)
class Errors:
    """Errors of SOC over what the filter expected of itself, one entry a moment of a case."""

    chamber_c: Series
    times: Series
    group: npt.NDArray[np.intp]
    zone: npt.NDArray[np.intp]


def errors_of(model: CellModel, chamber_c: float, cases: Sequence[Case]) -> Errors:
    """Return the errors of cases that the model had not seen."""
    grid = Grid([case.disturbed for case in cases])
    capacity_ah = np.array([case.recording.capacity_ah for case in cases], np.float32)
    soc, expected, group = _followed(model, grid, capacity_ah)
    times, groups, zones = [], [], []
    for column, case in enumerate(cases):
        recording = case.disturbed.recording
        counts = np.flatnonzero(recording.time_s - recording.time_s[0] >= SETTLE_S)
        rows = counts[:: max(1, len(counts) // _POINTS)]
        times.append(np.abs(soc[rows, column] - recording.soc[rows]) / expected[rows, column])
        groups.append(group[rows, column])
        zones.append(np.digitize(soc[rows, column], INTERVAL_ZONES))
    found = np.concatenate(times)
    return Errors(
        np.full(len(found), chamber_c), found, np.concatenate(groups), np.concatenate(zones)
    )


def intervals_of(found: Sequence[Errors]) -> Intervals:
    """Return the intervals that hold nine in ten of the errors, by temperature, group and zone."""
    chamber_c, times, group, zone = (
        np.concatenate([getattr(errors, name) for errors in found])
        for name in ("chamber_c", "times", "group", "zone")
    )
    zones = np.ones(len(INTERVAL_ZONES) + 1)
    temperatures = sorted({float(c) for c in chamber_c})
    by_group: dict[IntervalGroup, list[float]] = {}
    for _ in range(2):  # the zones' shares need the groups' factors, and these the zones'
        by_group = {
            member: [
                _quantile(times / zones[zone], group == member, chamber_c == c)
                for c in temperatures
            ]
            for member in IntervalGroup
        }
        factors = np.array([by_group[IntervalGroup(member)] for member in range(len(by_group))])
        factor = factors[group, np.searchsorted(temperatures, chamber_c)]
        for number in range(len(zones)):
            inside = zone == number
            if inside.sum() >= _FEWEST:
                share = np.quantile((times / factor)[inside], _NOMINAL)
                zones[number] = np.clip(share, *_ZONE_RANGE)
    low, middle, high = (round(float(share), 2) for share in zones)
    return Intervals(
        temperature_c=tuple(temperatures),
        settled=_rounded(by_group[IntervalGroup.LOCATED]),
        searching=_rounded(by_group[IntervalGroup.SEARCHING]),
        anchored=_rounded(by_group[IntervalGroup.ANCHORED]),
        zones=(low, middle, high),
    )


def _followed(
    model: CellModel, grid: Grid, capacity_ah: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Return SOC, the half width that the filter expects, and the group, (samples, cases)."""
    rows, cases = grid.good.shape
    state = soc_estimator.cold_start(model, np.arange(cases), cases, grid.told)
    soc, expected = np.zeros((rows, cases), np.float32), np.zeros((rows, cases), np.float32)
    group = np.zeros((rows, cases), np.intp)
    for row in range(rows):
        state, estimate = soc_estimator.step(model, state, grid.samples(row), capacity_ah)
        soc[row] = estimate.soc
        expected[row] = expected_half_width(model, state.settled)
        group[row] = groups_of(state.trust, state.searching)
    return soc, expected, group


def _quantile(times: Series, member: npt.NDArray[np.bool_], here: npt.NDArray[np.bool_]) -> float:
    """Return what nine in ten of a group's errors stay below, weighed by where they are from."""
    if member.sum() < _FEWEST:
        member = np.ones_like(member)
    values, weights = times[member], np.where(here[member], 1.0, _OTHERS)
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(share, _NOMINAL)])


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(max(round(value, 2), 0.01) for value in values)
