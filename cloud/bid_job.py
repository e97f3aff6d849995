"""The job that moves bids and watches their gates; several clouds with jobs share the work.

Solvers and forecasts are loaded when the first bid is there: a cloud that trades nothing does
not need them.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud import alarms
from cloud.config_market import MarketSection
from cloud.db import Pool
from cloud.history.query import History
from cloud.keys import KeyStore
from cloud.market import bids
from cloud.market.bids import Times, Worker
from cloud.market.exchanges.drop import statements_in
from cloud.market.units import MINUTE_MS
from cloud.vault.vault import Vault

if TYPE_CHECKING:
    from cloud.trading.resettling import Resettler


@dataclass(frozen=True)
class _Rooms:
    """What moves bids, and what settles days again."""

    worker: Worker
    resettler: "Resettler"


class BidJob:
    """Moves bids of one cloud."""

    def __init__(
        self, pool: Pool, vault: Vault, keys: KeyStore, history: History, section: MarketSection
    ) -> None:
        self._pool, self._vault, self._keys = pool, vault, keys
        self._history, self._section = history, section
        self._rooms: _Rooms | None = None
        self._seen = bids.FROM_THE_FIRST

    async def work(self) -> None:
        """Tell what people must know, then move every bid that is due."""
        times = times_of(self._section)
        standing = await bids.conditions(self._pool, _now_ms(), times)
        for code, places in standing.items():
            await alarms.tell_condition(self._pool, code, places, _now_ms())
        if self._rooms is None:
            if not await bids.any_open(self._pool):
                return
            self._rooms = self._made(times)
        await self._rooms.worker.run()

    async def settle_again(self) -> None:
        """Settle anew the days whose statement, prices or meter have changed."""
        await self._reopen()
        if self._rooms is None:
            if not await bids.any_day_due(self._pool, _now_ms()):
                return
            self._rooms = self._made(times_of(self._section))
        await self._rooms.resettler.run()

    async def _reopen(self) -> None:
        """Open closed days again of which prices or a statement have come since."""
        exchanges = self._section.exchanges
        series = {one.market: tuple(one.settlement_prices.values()) for one in exchanges}
        self._seen = await bids.reopen_days(self._pool, series, self._seen)
        for one in exchanges:
            if one.folder is not None:
                found = await asyncio.to_thread(statements_in, one.folder, one.market)
                told = [(each.station, each.day, each.at_ms) for each in found]
                await bids.reopen_corrected(self._pool, one.market, told)

    def _made(self, times: Times) -> "_Rooms":
        from cloud.trading import TradingDesk, open_exchanges  # noqa: PLC0415 - solvers; see above
        from cloud.trading.meter import StationMeter  # noqa: PLC0415 - as above
        from cloud.trading.resettling import Resettler  # noqa: PLC0415 - as above

        meter = StationMeter(self._pool, self._history)
        given = self._pool, self._vault, self._keys, meter
        exchanges = open_exchanges(self._section, self._pool, meter, _now_ms)
        desk = TradingDesk(*given, section=self._section, clock=_now_ms)
        worker = Worker(
            *(self._pool, self._vault),
            exchanges=exchanges,
            desk=desk,
            clock=_now_ms,
            times=times,
        )
        return _Rooms(worker, Resettler(self._pool, self._vault, exchanges, desk, _now_ms))


def times_of(section: MarketSection) -> Times:
    """Return when people are called and exchanges asked, as configured."""
    return Times(
        escalate_ms=round(section.escalate_min * MINUTE_MS),
        fallback_ms=round(section.fallback_min * MINUTE_MS),
        ask_again_ms=round(section.ask_again_s * 1_000),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
