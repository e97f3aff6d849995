"""The job that drafts bids.

Solvers and forecasts are loaded by the first draft: a cloud without desks does not need them.
"""

import time
from typing import TYPE_CHECKING

from cloud.config_desk import DeskSection
from cloud.config_market import MarketSection
from cloud.db import Pool
from cloud.live import Live
from cloud.market.station_battery import StationBattery
from cloud.market.wear import DEFAULT_WEAR, WearRule, read_wear
from cloud.sold import sold_now
from cloud.vault.vault import Vault

if TYPE_CHECKING:
    from cloud.market.desk.drafter import Drafter


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
            from cloud.market.desk.drafter import Drafter  # noqa: PLC0415 - solvers; see above

            self._drafter = Drafter(
                self._pool, self._vault, self._desks, sold=self._sold, clock=_now_ms
            )
        await self._drafter.run()

    async def _sold(self, section: DeskSection) -> StationBattery:
        """Return what a station can sell now: what it tells, or its plate when it is silent.

        Raises:
            NotFound: there is no such station.
        """
        rule = self._wear[section.wear_file]
        return await sold_now(self._pool, self._live, section.station, rule)


def _rule(section: DeskSection) -> WearRule:
    return read_wear(section.wear_file or DEFAULT_WEAR)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
