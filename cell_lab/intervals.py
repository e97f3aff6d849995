"""The intervals of a make, from how far its estimates lay off at temperatures it had not seen.

Errors come from trials. In each the make was identified without one temperature and then tried at
it; one more trial is of the whole make, at the temperatures that it has seen. Errors grow with the
distance of a temperature from those of the identification (`cell_lab.stretch`): how fast, the
trials tell, and the file says what that comes to at, between and beyond its temperatures. So a
make's intervals are those of the distances that a station meets, not of the longer ones that a
hold-out makes. Errors at a temperature like the one in question weigh more than those of others.

Every temperature of a trial counts alike, and in it every case (a recording with a disturbance),
however long it is: errors of one recording are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cell_lab.evaluate_soc import SETTLE_S, Case
from cell_lab.grid import Floats, Grid
from cell_lab.recordings import Series
from cell_lab.stretch import nearness, stretch, told_at
from station.estimators import soc as soc_estimator
from station.estimators.cell_model import CellModel
from station.estimators.cell_parameters import INTERVAL_ZONES, IntervalGroup, Intervals
from station.estimators.trust import expected_half_width, groups_of

_NOMINAL = 0.9
_POINTS = 200
"""So many moments of each case, at the most."""
_ALL_GROW, _ALL_ERR = 0.5, 0.05
"""What the errors of all groups weigh beside those of one, as a share of a temperature's: of how
errors grow a group alone tells little, of how large they are more."""
_FLOOR = 0.002
"""Benches count SOC no better."""
_GROWTH = tuple(float(growth) for growth in np.geomspace(0.05, 5.0, 13))
_USUAL_GROWTH = 1.0
"""Of the LFP and the NMC cell that the house has tried: 0.1 to 2."""
_STEEPNESS = 1.5
"""Found with the growth on the same two: of 1, 1.5 and 2 the one whose intervals held best."""
_ZONES = len(INTERVAL_ZONES) + 1
_LEAST_TIMES, _MOST_TIMES = 0.5, 50.0
"""A make is tried on one cell, and the cells of a delivery differ: half of what the filter expects
is the least. Far beyond its temperatures a make is not known at all."""
_TINY = 1e-12


@dataclass(frozen=True)
class Errors:
    """Errors of SOC and what the filter expected of itself, one entry a moment of a case.

    Attributes:
        error, expected: absolute error, and half the width that was expected, a share of 1.
        chamber_c: of the case.
        stretch: how far that is from the temperatures of the identification.
        member: number of the group and zone: `IntervalGroup` times the zones, plus the zone.
        weight: of the moment.
    """

    error: Series
    expected: Series
    chamber_c: Series
    stretch: Series
    member: npt.NDArray[np.intp]
    weight: Series


def errors_of(model: CellModel, known_c: Sequence[float], cases: Sequence[Case]) -> Errors:
    """Return the errors of cases, each temperature of which counts alike.

    Args:
        model: identified at some temperatures.
        known_c: these.
        cases: what it is tried on.
    """
    grid = Grid([case.disturbed for case in cases])
    capacity_ah = np.array([case.recording.capacity_ah for case in cases], np.float32)
    soc, expected, group = _followed(model, grid, capacity_ah)
    chambers = [case.recording.chamber_c for case in cases]
    parts = []
    for column, case in enumerate(cases):
        recording = case.disturbed.recording
        counts = np.flatnonzero(recording.time_s - recording.time_s[0] >= SETTLE_S)
        rows = counts[:: max(1, len(counts) // _POINTS)]
        zone = np.digitize(soc[rows, column], INTERVAL_ZONES)
        parts.append(
            Errors(
                error=np.abs(soc[rows, column] - recording.soc[rows]),
                expected=expected[rows, column].astype(np.float64),
                chamber_c=np.full(len(rows), chambers[column]),
                stretch=np.full(len(rows), stretch(known_c, chambers[column])),
                member=group[rows, column] * _ZONES + zone,
                weight=np.full(len(rows), 1 / len(rows) / chambers.count(chambers[column])),
            )
        )
    return _together(parts)


def intervals_of(seen: Errors, unseen: Sequence[Errors], known_c: Sequence[float]) -> Intervals:
    """Return the intervals that hold nine in ten of the errors, by temperature, group and zone.

    Args:
        seen: of the make itself, at its own temperatures.
        unseen: of the make as it would be without a temperature, at that one. Where there are
            none, the filter's own word is the least, and errors grow as those of the house's
            makes did.
        known_c: temperatures of the make.
    """
    found = _together([seen, *unseen])
    beyond_floor = np.sqrt(np.maximum(found.error**2 - _FLOOR**2, _TINY))
    log_times = np.log(beyond_floor / found.expected)
    at_c = told_at(known_c)
    distances = np.array([stretch(known_c, c) for c in at_c])
    near = [nearness(c, found.chamber_c) for c in at_c]
    of_all = found.weight / found.weight.sum()

    def row(group: IntervalGroup, zone: int) -> tuple[float, ...]:
        own = np.where(found.member == group * _ZONES + zone, found.weight, 0)
        growth = _USUAL_GROWTH
        if unseen:
            weights = own + of_all * (_ALL_GROW * len(known_c))
            growth = _growth(log_times, found.stretch, weights)
        level = log_times - np.log(_grown(found.stretch, growth))
        quantiles = np.array([_quantile(level, _near(own, of_all, each)) for each in near])
        if not unseen:
            quantiles = np.maximum(quantiles, 0)
        return _rounded(np.exp(quantiles) * _grown(distances, growth))

    def rows(group: IntervalGroup) -> tuple[tuple[float, ...], ...]:
        return tuple(row(group, zone) for zone in range(_ZONES))

    return Intervals(
        temperature_c=tuple(at_c),
        settled=rows(IntervalGroup.LOCATED),
        searching=rows(IntervalGroup.SEARCHING),
        anchored=rows(IntervalGroup.ANCHORED),
        floor=_FLOOR,
    )


def _near(own: Series, of_all: Series, near: Series) -> Series:
    """Return weights of errors at a temperature: of a group's own, and a little of all."""
    everyone = of_all * near
    weights: Series = own * near + everyone * (_ALL_ERR / everyone.sum())
    return weights


def _growth(log_times: Series, stretches: Series, weights: Series) -> float:
    """Return how fast errors grow: so that one quantile fits all distances best.

    Least is the loss whose minimum a quantile is (Koenker and Bassett 1978, Econometrica 46).
    """
    losses = []
    for growth in _GROWTH:
        apart = log_times - np.log(_grown(stretches, growth))
        apart -= _quantile(apart, weights)
        loss = np.where(apart > 0, _NOMINAL * apart, (_NOMINAL - 1) * apart)
        losses.append(float((weights * loss).sum()))
    return float(_GROWTH[int(np.argmin(losses))])


def _grown(stretches: Series, growth: float) -> Series:
    """Return by what errors are multiplied at a distance."""
    times: Series = np.sqrt(1 + (growth * stretches**_STEEPNESS) ** 2)
    return times


def _followed(
    model: CellModel, grid: Grid, capacity_ah: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.int8]]:
    """Return SOC, the half width that the filter expects, and the group, (samples, cases)."""
    rows, cases = grid.good.shape
    state = soc_estimator.cold_start(model, np.arange(cases), cases, grid.told)
    soc, expected = np.zeros((rows, cases), np.float32), np.zeros((rows, cases), np.float32)
    group = np.zeros((rows, cases), np.int8)
    for row in range(rows):
        state, estimate = soc_estimator.step(model, state, grid.samples(row), capacity_ah)
        soc[row] = estimate.soc
        expected[row] = expected_half_width(model, state.settled)
        group[row] = groups_of(state.trust, state.searching)
    return soc, expected, group


def _quantile(values: Series, weights: Series) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    place = int(np.searchsorted(share, _NOMINAL))
    return float(values[order][min(place, len(values) - 1)])


def _together(parts: Sequence[Errors]) -> Errors:
    names = ("error", "expected", "chamber_c", "stretch", "member", "weight")
    return Errors(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _rounded(values: Series) -> tuple[float, ...]:
    return tuple(round(float(value), 2) for value in np.clip(values, _LEAST_TIMES, _MOST_TIMES))
