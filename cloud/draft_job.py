"""The jobs that draft bids, two for each desk: what is wrong with one is told for itself.

Products whose gates close within the day have a job of their own: they do not wait until a whole
day is planned. A desk whose series are not there yet waits for their first import for some minutes;
after that it is told as a failure.

Solvers and forecasts are loaded by the first draft: a cloud without desks does not need them.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloud.config_desk import DeskSection
from cloud.config_market import MarketSection
from cloud.db import Pool, connection
from cloud.live import Live
from cloud.market.station_battery import StationBattery
from cloud.market.units import MINUTE_MS
from cloud.market.wear import DEFAULT_WEAR, WearRule, read_wear
from cloud.sold import sold_now
from cloud.vault.vault import Vault

if TYPE_CHECKING:
    from cloud.market.desk.drafter import Drafter

Job = Callable[[], Awaitable[None]]
_log = logging.getLogger(__name__)

_FIRST_PRICES_MS: Final = 300_000
"""A new cloud is given its first prices within minutes; longer than that something is wrong."""


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
        self._begun_ms, self._waiting = _now_ms(), set[int]()
        self._desks, self._every_s = market.desks, market.draft_every_s
        self._limit_ms = round(market.draft_limit_min * MINUTE_MS)
        self._spare_ms = round(market.escalate_min * MINUTE_MS)
        self._wear = {one.wear_file: _rule(one) for one in market.desks}
        self._drafters: dict[int, Drafter] = {}

    def jobs(self) -> list[tuple[str, Job, float]]:
        """Return the jobs of each desk, so that the error of one is not lost behind another's."""

        def job(number: int, *, within_day: bool) -> Job:
            async def work() -> None:
                await self.work(number, within_day=within_day)

            return work

        found = []
        for number, one in enumerate(self._desks, 1):
            name = f"drafts {one.desk} {one.station} {one.market} {number}"
            found += [
                (name, job(number, within_day=False), self._every_s),
                (f"{name} within the day", job(number, within_day=True), self._every_s),
            ]
        return found

    async def work(self, number: int, *, within_day: bool | None = None) -> None:
        """Draft what is due at a desk, counted from 1; see `Drafter.run`.

        Raises:
            BadProfile: the desk names a market that is not known.
        """
        if await self._waits(number):
            return
        if number not in self._drafters:
            from cloud.market.desk.drafter import (  # noqa: PLC0415 - solvers; see above
                Drafter,
                Haste,
            )

            desks = (self._desks[number - 1],)
            self._drafters[number] = Drafter(
                *(self._pool, self._vault, desks),
                sold=self._sold,
                clock=_now_ms,
                policies=self._policies,
                haste=Haste(self._limit_ms, self._spare_ms),
            )
        await self._drafters[number].run(within_day=within_day)

    async def _waits(self, number: int) -> bool:
        """Whether the first prices of a desk are still to come; that is told once."""
        if number in self._drafters or _now_ms() - self._begun_ms > _FIRST_PRICES_MS:
            return False
        section = self._desks[number - 1]
        wanted = {section.price, *section.exogenous.values()}
        wanted |= {s for one in section.products for s in (*one.held.values(), *one.side.values())}
        async with connection(self._pool) as conn:
            rows = await (await conn.execute("SELECT id FROM market_series")).fetchall()
        lacking = sorted(wanted - {row[0] for row in rows})
        if lacking and number not in self._waiting:
            self._waiting.add(number)
            _log.info(
                "desk waits for its first prices desk=%s station=%s series=%s",
                *(section.desk, section.station, ",".join(lacking)),
            )
        return bool(lacking)

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
