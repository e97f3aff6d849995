"""Small stations to try the estimators with."""

import numpy as np

from station.estimators import RackFacts, Samples, Settings


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
            "available": np.ones(settings.racks, bool),
        }
        | others
    )
