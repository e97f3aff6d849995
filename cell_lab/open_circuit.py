"""The open-circuit voltage of a make, from recordings so slow that they show it."""

from collections.abc import Callable, Sequence

import numpy as np

from cell_lab.recordings import Recording, Series
from station.estimators.cell_parameters import OcvTable

Ocv = Callable[[Series, Series], Series]
"""From SOC and temperature in deg C to volts."""


def ocv_table(slow: Sequence[Recording]) -> OcvTable:
    """Return the mean of the slow branches at each temperature, or the one that there is."""
    soc = np.linspace(0, 1, 101)
    rows: dict[float, Series] = {}
    for chamber_c in sorted({recording.chamber_c for recording in slow}):
        at = [recording for recording in slow if recording.chamber_c == chamber_c]
        discharge = [_branch(r, soc) for r in at if np.mean(r.current_a) > 0]
        charge = [_branch(r, soc) for r in at if np.mean(r.current_a) < 0]
        if discharge and charge:
            half = (np.mean(charge, axis=0) - np.mean(discharge, axis=0)) / 2
            # A charge that ends early leaves no upper branch there: its last distance stays.
            reach = min(float(r.soc.max()) for r in at if np.mean(r.current_a) < 0)
            half = np.where(soc > reach, np.interp(reach - 0.02, soc, half), half)
            rows[chamber_c] = np.mean(discharge, axis=0) + half
        else:
            rows[chamber_c] = np.mean(discharge or charge, axis=0)
    return OcvTable(
        soc=rounded(soc, 3),
        temperature_c=rounded(sorted(rows), 1),
        voltage_v=tuple(rounded(rows[c], 5) for c in sorted(rows)),
    )


def ocv_function(table: OcvTable) -> Ocv:
    """Return the table as a function, linear between its values."""
    soc, temperatures = np.asarray(table.soc), np.asarray(table.temperature_c)
    rows = np.asarray(table.voltage_v)

    def ocv(at: Series, temperature_c: Series) -> Series:
        values = np.stack([np.interp(at, soc, row) for row in rows], axis=1)
        if len(temperatures) == 1:
            return values[:, 0]
        weighted: Series = (values * hats(temperature_c, temperatures)).sum(axis=1)
        return weighted

    return ocv


def rising(values: Series) -> Series:
    """Return values that never fall: the mean of the nearest such above and below."""
    above = np.maximum.accumulate(values)
    below = np.minimum.accumulate(values[::-1])[::-1]
    mean: Series = (above + below) / 2
    return mean


def hats(values: Series, knots: Series) -> Series:
    """Return the share of each knot in each value: linear interpolation as a matrix."""
    clipped = np.clip(values, knots[0], knots[-1])
    place = np.clip(np.searchsorted(knots, clipped, "right") - 1, 0, len(knots) - 2)
    share = (clipped - knots[place]) / (knots[place + 1] - knots[place])
    matrix = np.zeros((len(values), len(knots)))
    rows = np.arange(len(values))
    matrix[rows, place], matrix[rows, place + 1] = 1 - share, share
    return matrix


def rounded(values: Sequence[float] | Series, digits: int) -> tuple[float, ...]:
    """Return the values as a file should hold them."""
    return tuple(round(float(value), digits) for value in values)


def _branch(recording: Recording, soc: Series) -> Series:
    order = np.argsort(recording.soc, kind="stable")
    return np.interp(soc, recording.soc[order], recording.voltage_v[order])
