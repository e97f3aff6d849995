"""The estimators after an absence, and on another model of the same cells."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from station.estimators import anomaly, capacity, charge_health, soc
from station.estimators.anomaly import AnomalyState
from station.estimators.charge_health import Words
from station.estimators.estimator_state import EstimatorState, new_charging, new_memory, new_rests
from station.estimators.search import Search
from station.estimators.settings import Settings
from station.estimators.soc_filter import (
    OCV_ERROR,
    PAIRS,
    RESISTANCE_ERROR,
    SOC,
    FilterState,
)

_SELF_DISCHARGE_PER_S = 0.03 / (30 * 86_400)
"""Three percent in a month: what LFP cells lose at the most, and how far it may be off."""
_UNSEEN_C_RATE = 0.5
_LOST_SD = 0.1
"""Where SOC may be off by more (a standard deviation), it is searched for anew."""
_HOUR_S = 3600.0


def resume(
    settings: Settings,
    state: EstimatorState,
    away_s: float,
    unseen_c_rate: float = _UNSEEN_C_RATE,
) -> EstimatorState:
    """Return the state after an absence in which nothing was seen, as wide as is honest.

    Nobody knows what current flowed: SOC is taken to have moved by the stated rate, one standard
    deviation to either side, and to have lost some of its charge by itself. Of an absence that
    leaves SOC less certain than a tenth, SOC is searched for anew around what it was; capacity,
    resistance and efficiencies stay. The samples that follow must not count the absence again:
    the elapsed_s of the first is 0.

    Args:
        settings: of the station.
        state: before the absence.
        away_s: how long it was; less than 0 (a clock that was set back) counts as a day.
        unseen_c_rate: multiples of the capacity per hour that may have flowed unseen.
    """
    away_s = _absence_s(away_s)
    lost = _SELF_DISCHARGE_PER_S * away_s
    moved_sd = _moved_sd(away_s, unseen_c_rate)
    of_soc = state.soc
    if moved_sd > _LOST_SD:
        told = np.clip(of_soc.settled.soc, 0, 1).astype(np.float32)
        told = np.where(_is_forgotten(moved_sd), np.float32(np.nan), told)
        of_soc = soc.cold_start(settings.model, settings.rack, settings.racks, told)
        of_soc = replace(of_soc, screened=state.soc.screened)
    else:
        fade = np.exp(-np.float32(away_s) / np.maximum(settings.model.lag_s, np.float32(1e-6)))
        of_soc = replace(
            of_soc,
            settled=_widened(of_soc.settled, moved_sd, lost, fade),
            search=_each(of_soc.search, lambda each: _widened(each, moved_sd, lost, fade)),
        )
    watch = state.watch
    return replace(
        state,
        soc=of_soc,
        capacity=capacity.widened(state.capacity, moved_sd, away_s),
        resistance=replace(state.resistance, before_a=np.full(settings.racks, np.nan, np.float32)),
        meter=replace(state.meter, seconds=state.meter.seconds + away_s),
        network=new_memory(settings),
        charging=new_charging(settings),
        relaxing=new_rests(settings),
        anomaly=None
        if state.anomaly is None
        else anomaly.after_absence(state.anomaly, settings.place),
        watch=replace(watch, resumed=watch.heard.copy()),
        ticks=0,
    )


def forgets_soc(away_s: float) -> bool:
    """Return whether SOC may be any after such an absence: it is then searched for everywhere."""
    return _is_forgotten(_moved_sd(_absence_s(away_s), _UNSEEN_C_RATE))


def _absence_s(away_s: float) -> float:
    return away_s if away_s >= 0 else 86_400.0


def _moved_sd(away_s: float, unseen_c_rate: float) -> float:
    return float(np.hypot(unseen_c_rate * away_s / _HOUR_S, _SELF_DISCHARGE_PER_S * away_s))


def _is_forgotten(moved_sd: float) -> bool:
    return moved_sd > 4 * _LOST_SD


def adopt(settings: Settings, state: EstimatorState) -> EstimatorState:
    """Return a state that another model of the same racks and cells has made, for this model.

    What is known of charge, capacity and resistance stays; what was the other table's own error
    (of its OCV, of its overpotential) begins anew.

    Args:
        settings: with the model that is to go on.
        state: of a station of the same racks.
    """
    return replace(
        state,
        make=settings.model.make,
        soc=replace(
            state.soc,
            settled=_adopted(settings, state.soc.settled),
            search=_each(state.soc.search, lambda each: _adopted(settings, each)),
        ),
        network=new_memory(settings),
        anomaly=_anomaly(settings, state),
        charging=new_charging(settings),
        relaxing=new_rests(settings),
        words=_words(settings, state),
        ticks=0,
    )


def _words(settings: Settings, state: EstimatorState) -> Words | None:
    """Return what was said of the cells' SOH, of which a model of another make says nothing."""
    if settings.charge_health is None:
        return None
    if state.words is not None and state.make == settings.model.make:
        return state.words
    return charge_health.nothing_said(len(settings.rack), settings.racks)


def _anomaly(settings: Settings, state: EstimatorState) -> AnomalyState | None:
    """Return the detector's state anew: what it learnt of cells was against another model."""
    if settings.anomaly is None:
        return None
    same = state.anomaly is not None and state.make == settings.model.make
    return state.anomaly if same else anomaly.start(settings.model, settings.place)


def _each(search: Search, change: Callable[[FilterState], FilterState]) -> Search:
    """Return a search with the filters of all its portions changed; nobody has waited."""
    portions = tuple(replace(each, columns=change(each.columns)) for each in search.portions)
    nothing = np.zeros_like(search.waited_s)
    return Search(portions, nothing, nothing)


def _widened(columns: FilterState, by_sd: float, lost: float, fade: np.ndarray) -> FilterState:
    mean, covariance = columns.mean.copy(), columns.covariance.copy()
    mean[SOC] = np.maximum(mean[SOC] - np.float32(lost), np.minimum(mean[SOC], 0))
    covariance[PAIRS.index((SOC, SOC))] += np.float32(by_sd**2)
    return replace(
        columns,
        mean=mean,
        covariance=covariance,
        lagged_a=(columns.lagged_a * fade[:, None]).astype(np.float32),
    )


def _adopted(settings: Settings, columns: FilterState) -> FilterState:
    model = settings.model
    mean, covariance = columns.mean.copy(), columns.covariance.copy()
    for error, spread in (
        (OCV_ERROR, model.noise.ocv_v),
        (RESISTANCE_ERROR, model.noise.resistance),
    ):
        mean[error] = 0
        for number, pair in enumerate(PAIRS):
            if error in pair:
                covariance[number] = spread**2 if pair == (error, error) else 0
    lagged_a = columns.lagged_a
    if len(lagged_a) != len(model.lag_s):
        lagged_a = np.zeros((len(model.lag_s), lagged_a.shape[1]), np.float32)
    return replace(columns, mean=mean, covariance=covariance, lagged_a=lagged_a)
