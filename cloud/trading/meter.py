"""The station's meter, as settlement and exchanges ask for it: energy by interval."""

from typing import Final

import numpy as np

from cloud import fleet
from cloud.db import Pool
from cloud.history.model import Resolution, SignalRef
from cloud.history.query import History
from cloud.market.desk.metering import Counters, Metered, Stretch, metered, so_far
from cloud.market.errors import MarketError
from cloud.market.settlement import Decided
from cloud.market.units import MINUTE_MS
from cloud.trading.decided import decided

_AROUND_MS: Final = 10 * MINUTE_MS
"""The meter's counters are read so long beyond both ends of what is asked."""
_COUNTERS: Final = ("energy_discharged_kwh", "energy_charged_kwh")
_METER: Final = "meter"


class StationMeter:
    """Reads meters of stations from their history."""

    def __init__(self, pool: Pool, history: History) -> None:
        self._pool, self._history = pool, history

    async def energy(
        self, station: str, begin_ms: int, end_ms: int, interval_min: int
    ) -> tuple[Metered, ...] | None:
        """Return the energy of the intervals of [begin_ms, end_ms); None: not told to the end yet.

        Raises:
            MarketError: the station has no meter.
        """
        counters = await self._counters(station, begin_ms, end_ms)
        step_ms = interval_min * MINUTE_MS
        return metered(counters, range(begin_ms, end_ms, step_ms), step_ms)

    async def so_far(
        self, station: str, begin_ms: int, end_ms: int, interval_min: int
    ) -> tuple[Stretch, ...]:
        """Return the intervals of [begin_ms, end_ms) as far as the meter has told them.

        Raises:
            MarketError: the station has no meter.
        """
        counters = await self._counters(station, begin_ms, end_ms)
        return so_far(counters, begin_ms, end_ms, interval_min * MINUTE_MS)

    async def decided(
        self, station: str, begin_ms: int, end_ms: int, interval_min: int
    ) -> dict[int, Decided]:
        """Return what the station's controller decided in each interval, by its beginning."""
        return await decided(self._history, station, begin_ms, end_ms, interval_min)

    async def _counters(self, station: str, begin_ms: int, end_ms: int) -> Counters:
        tags = sorted(
            device
            for device, layout in (await fleet.devices(self._pool)).get(station, set())
            if layout == _METER
        )
        if not tags:
            raise MarketError(
                f"station {station} has sent nothing of a meter; what it delivers cannot be told"
            )
        told = await self._history.query(
            station,
            [SignalRef(tags[0], name) for name in _COUNTERS],
            begin_ms - _AROUND_MS,
            end_ms + _AROUND_MS,
            resolution=Resolution.MINUTE,
        )
        out, taken = told.series
        # The newest minute may still be filling: what it holds is not its end.
        times = np.union1d(out.times_ms, taken.times_ms)[:-1]
        values = np.full((2, len(times)), np.nan)
        for row, series in enumerate((out, taken)):
            last = series.values if series.last is None else series.last
            over = np.isin(series.times_ms, times)
            values[row, np.searchsorted(times, series.times_ms[over])] = last[over]
        return Counters(times + MINUTE_MS, values[0], values[1])
