"""What a station's controller decided, interval by interval, read from its history."""

from collections import Counter
from decimal import Decimal
from typing import Final

import numpy as np

from cloud.errors import NotFound
from cloud.history.model import Resolution, Series, SignalRef
from cloud.history.query import History
from cloud.market.forecast import Floats
from cloud.market.settlement import Decided
from cloud.market.units import MINUTE_MS
from contract.states import DISPATCH_SOURCE, LIMIT_REASON, States
from contract.words import Words

_CONTROLLER: Final = "STATION"
_POWERS: Final = (
    "asked_power_kw",
    "granted_power_kw",
    "regulation_power_kw",
    "frequency_request_kw",
)
_STATES: Final = ("dispatch_source", "binding_limit")
_BY_SCHEDULE: Final = frozenset({0, 1})
"""Codes of "none" and "schedule"."""
_DIGITS: Final = Decimal("0.000001")


async def decided(
    history: History, station: str, begin_ms: int, end_ms: int, interval_min: int
) -> dict[int, Decided]:
    """Return what was decided in each interval of [begin_ms, end_ms), by its beginning.

    Intervals of which a minute is missing are left out; all of them where the station tells nothing
    of its controller.
    """
    names = (*_POWERS, *_STATES)
    try:
        told = await history.query(
            *(station, [SignalRef(_CONTROLLER, name) for name in names], begin_ms, end_ms),
            resolution=Resolution.MINUTE,
        )
    except NotFound:
        return {}
    step_ms = interval_min * MINUTE_MS
    powers = [_energies(one, begin_ms, end_ms) for one in told.series[: len(_POWERS)]]
    codes = [_codes(one, begin_ms, end_ms) for one in told.series[len(_POWERS) :]]
    found: dict[int, Decided] = {}
    for at in range(begin_ms, end_ms, step_ms):
        part = slice((at - begin_ms) // MINUTE_MS, (at - begin_ms + step_ms) // MINUTE_MS)
        asked, granted, regulation, frequency = (one[part].sum() for one in powers)
        if np.isfinite(asked) and np.isfinite(granted):
            response = np.nan_to_num(regulation) + np.nan_to_num(frequency)
            found[at] = Decided(
                *(_mwh(asked), _mwh(granted), _mwh(response)),
                _most(codes[0][part], DISPATCH_SOURCE, _BY_SCHEDULE),
                _most(codes[1][part], LIMIT_REASON, frozenset({0})),
            )
    return found


def _energies(told: Series, begin_ms: int, end_ms: int) -> Floats:
    """Return the energy of each minute, kWh, discharge positive; NaN where it is not told."""
    minutes = np.full((end_ms - begin_ms) // MINUTE_MS, np.nan)
    if told.discharged_kwh is not None and told.charged_kwh is not None:
        places = (told.times_ms - begin_ms) // MINUTE_MS
        minutes[places] = told.discharged_kwh - told.charged_kwh
    return minutes


def _codes(told: Series, begin_ms: int, end_ms: int) -> Floats:
    """Return the state at the end of each minute; NaN where it is not told."""
    minutes = np.full((end_ms - begin_ms) // MINUTE_MS, np.nan)
    last = told.values if told.last is None else told.last
    minutes[(told.times_ms - begin_ms) // MINUTE_MS] = last
    return minutes


def _most(codes: Floats, states: States, usual: frozenset[int]) -> Words | None:
    """Return the words of the state that is told most often besides the usual ones."""
    told = Counter(int(code) for code in codes[np.isfinite(codes)] if int(code) not in usual)
    if not told:
        return None
    words = {code: Words(en, zh) for code, en, zh in states}
    return words.get(told.most_common(1)[0][0])


def _mwh(energy_kwh: float) -> Decimal:
    return (Decimal(repr(round(float(energy_kwh), 6))) / 1000).quantize(_DIGITS)
