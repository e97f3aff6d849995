"""Small stations to try the estimators with."""

import numpy as np

from station.estimators import RackFacts, Samples, Settings
from station.estimators.by_rack import ByRack
from station.estimators.strings import Ageing
from station.estimators.visit import Visit


def settings_of(model, *, racks=2, cells=4, **others: object):
    """Return a station of equal racks, whose converters give one C."""
    volts = float(model.look_up(np.float32([0.5]), np.float32([25.0]))[0][0, 0])
    rated_kw = model.capacity_ah * volts * cells / 1000
    return Settings(
        model=model,
        rack=np.repeat(np.arange(racks), cells),
        racks=racks,
        rack_capacity_ah=np.full(racks, model.capacity_ah, np.float32),
        rack_rated_kw=np.full(racks, rated_kw, np.float32),
        **{"soc_min": 0.05, "soc_max": 0.95} | others,
    )


def samples_at(settings, second, *, c_rate=0.5, volts=3.25):
    """Return a second in which all racks discharge, with a little unrest in the voltages."""
    cells = len(settings.rack)
    return Samples(
        elapsed_s=np.ones(settings.racks, np.float32),
        current_a=np.full(settings.racks, c_rate * settings.model.capacity_ah, np.float32),
        current_good=np.ones(settings.racks, bool),
        voltage_v=np.linspace(volts, volts + 0.01, cells, dtype=np.float32)
        + np.float32(0.001 * np.sin(second)),
        temperature_c=np.full(cells, 25.0, np.float32),
        voltage_good=np.ones(cells, bool),
    )


def facts_of(settings, **others: object):
    """Return what is known of racks of which little is known but that they are there."""
    unknown = np.full(settings.racks, np.nan, np.float32)
    return RackFacts(
        **{
            "charge_current_limit_a": unknown,
            "discharge_current_limit_a": unknown,
            "bms_soc": unknown,
            "voltage_v": unknown,
            "power_kw": unknown,
            "rack_power_kw": unknown,
            "available": np.ones(settings.racks, bool),
        }
        | others
    )


def visit_of(model, soc, *, racks=1, sd=0.01, shared=0.5, temperature_c=25.0, seen_v=0.0):
    """Return a look at cells at rest of which SOC and its standard deviation are known.

    seen_v: measured less expected voltage.
    """
    soc = np.atleast_1d(np.asarray(soc, np.float32))
    cells = len(soc)
    turn = np.repeat(np.arange(racks), cells // racks)
    warm = np.full(cells, temperature_c, np.float32)
    values, slopes = model.look_up(soc, warm)
    none = np.zeros(cells, np.float32)
    return Visit(
        racks=np.arange(racks),
        cells=np.arange(cells),
        turn=turn,
        by_rack=ByRack.of(turn),
        soc=soc,
        soc_sd=np.broadcast_to(np.float32(sd), soc.shape).copy(),
        shared=np.full(cells, shared, np.float32),
        searching=np.zeros(cells, bool),
        temperature_c=warm,
        ocv_v=values[0],
        ocv_slope_v=slopes[0],
        hysteresis_v=values[1],
        hysteresis=none,
        resistance_ohm=values[2:],
        lagged_a=np.zeros((len(model.lag_s), racks), np.float32),
        overpotential_v=none,
        ocv_error_v=none,
        resistance_error=none,
        resistance_variance=np.full(cells, model.noise.resistance**2, np.float32),
        innovation_v=none + np.float32(seen_v),
        bias_c_rate=none,
        bias_variance=np.full(cells, 1e-8, np.float32),
    )


def as_new(cells, *, soh=1.0, soh_sd=0.01, resistance=1.0, resistance_sd=0.1):
    """Return cells of an age that is known with some error."""
    each = (np.full(cells, value, np.float32) for value in (soh, soh_sd, resistance, resistance_sd))
    return Ageing(*each)
