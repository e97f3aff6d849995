"""The job that drafts bids, and what a station can sell: read from its live image.

Solvers and forecasts are loaded by the first draft: a cloud without desks does not need them.
"""

import time
from typing import TYPE_CHECKING, Final

from cloud import fleet
from cloud.config_desk import DeskSection
from cloud.config_market import MarketSection
from cloud.db import Pool
from cloud.live import Live
from cloud.market.station_battery import Plate, StationBattery, station_battery
from cloud.market.wear import DEFAULT_WEAR, Use, WearRule, price_of_wear, read_wear
from cloud.vault.vault import Vault

if TYPE_CHECKING:
    from cloud.market.desk import Drafter

_DEVICE: Final = "STATION"
_KW_PER_MW: Final = 1_000
_OLD_MS: Final = 60_000
"""An image older than that is no promise: what it said may have been used meanwhile."""
_TYPICAL: Final = Use(
    years=1.0, full_cycles=300.0, soc=0.5, temperature_c=25.0, c_rate=0.5, depth=0.8
)
"""Use of a station whose own is not known: a cycle on most days of a first year."""


class DraftJob:
    """Drafts the bids of all desks that are configured."""

    def __init__(self, pool: Pool, vault: Vault, live: Live, market: MarketSection) -> None:
        """Make the job.

        Raises:
            BadBattery: a file of wear is wrong.
        """
        self._pool, self._vault, self._live = pool, vault, live
        self._desks = market.desks
        self._wear = {one.wear_file: _rule(one) for one in market.desks}
        self._drafter: Drafter | None = None

    async def work(self) -> None:
        """Draft all that is due.

        Raises:
            BadProfile: a desk names a market that is not known.
        """
        if not self._desks:
            return
        if self._drafter is None:
            from cloud.market.desk import Drafter  # noqa: PLC0415 - solvers; see above

            self._drafter = Drafter(
                self._pool, self._vault, self._desks, sold=self._sold, clock=_now_ms
            )
        await self._drafter.run()

    async def _sold(self, section: DeskSection) -> StationBattery:
        """Return what a station can sell now: what it tells, or its plate when it is silent.

        Raises:
            NotFound: there is no such station.
        """
        station = await fleet.find(self._pool, section.station)
        plate = Plate(
            power_mw=station.rated_power_kw / _KW_PER_MW,
            energy_mwh=station.capacity_kwh / _KW_PER_MW,
            soc_min=station.soc_min,
            soc_max=station.soc_max,
        )
        image = await self._live.latest(section.station)
        topology = fleet.from_devices(image.frames) if image is not None else None
        device = (topology.controller if topology is not None else None) or _DEVICE
        fresh = image is not None and _now_ms() - image.at_ms <= _OLD_MS
        points = image.points if image is not None and fresh else {}
        wear = price_of_wear(
            self._wear[section.wear_file],
            _TYPICAL,
            plate.energy_mwh,
            fleet.ROUND_TRIP_EFFICIENCY**0.5,
        )
        return station_battery(points, device, plate, wear.per_mwh)


def _rule(section: DeskSection) -> WearRule:
    return read_wear(section.wear_file or DEFAULT_WEAR)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
