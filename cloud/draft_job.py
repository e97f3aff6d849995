"""The jobs that draft bids, one for each desk: what is wrong with one is told for itself.

Solvers and forecasts are loaded by the first draft: a cloud without desks does not need them.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
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

Job = Callable[[], Awaitable[None]]


class DraftJobs:
    """Drafts the bids of all desks that are configured."""

    def __init__(
        self, pool: Pool, vault: Vault, live: Live, market: MarketSection, policies: Path
    ) -> None:
        """Make the jobs.

        Raises:
            BadBattery: a file of wear is wrong.
        """
        self._pool, self._vault, self._live, self._policies = pool, vault, live, policies
        self._desks, self._every_s = market.desks, market.draft_every_s
        self._wear = {one.wear_file: _rule(one) for one in market.desks}
        self._drafters: dict[int, Drafter] = {}

    def jobs(self) -> list[tuple[str, Job, float]]:
        """Return a job for each desk, so that the error of one is not lost behind another's."""

        def job(number: int) -> Job:
            async def work() -> None:
                await self.work(number)

            return work

        return [
            (f"drafts {one.desk} {one.station} {one.market} {number}", job(number), self._every_s)
            for number, one in enumerate(self._desks, 1)
        ]

    async def work(self, number: int) -> None:
        """Draft all that is due at a desk, counted from 1.

        Raises:
            BadProfile: the desk names a market that is not known.
        """
        if number not in self._drafters:
            from cloud.market.desk.drafter import Drafter  # noqa: PLC0415 - solvers; see above

            desks = (self._desks[number - 1],)
            self._drafters[number] = Drafter(
                *(self._pool, self._vault, desks),
                sold=self._sold,
                clock=_now_ms,
                policies=self._policies,
            )
        await self._drafters[number].run()

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
