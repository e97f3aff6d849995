"""The job that moves bids and watches their gates; several clouds with jobs share the work.

Solvers and forecasts are loaded when the first bid is there: a cloud that trades nothing does
not need them.
"""

import time
from typing import Final

from cloud import alarms
from cloud.config_market import MarketSection
from cloud.db import Pool
from cloud.history.query import History
from cloud.keys import KeyStore
from cloud.market import bids
from cloud.market.bids import Times, Worker
from cloud.vault.vault import Vault

_MINUTE_MS: Final = 60_000


class BidJob:
    """Moves bids of one cloud."""

    def __init__(
        self, pool: Pool, vault: Vault, keys: KeyStore, history: History, section: MarketSection
    ) -> None:
        self._pool, self._vault, self._keys = pool, vault, keys
        self._history, self._section = history, section
        self._worker: Worker | None = None

    async def work(self) -> None:
        """Tell what people must know, then move every bid that is due."""
        times = times_of(self._section)
        standing = await bids.conditions(self._pool, _now_ms(), times)
        for code, stations in standing.items():
            await alarms.tell_condition(self._pool, code, stations, _now_ms())
        if self._worker is None:
            if not await bids.any_open(self._pool):
                return
            self._worker = self._made(times)
        await self._worker.run()

    def _made(self, times: Times) -> Worker:
        from cloud.trading import TradingDesk, open_exchanges  # noqa: PLC0415 - solvers; see above
        from cloud.trading.meter import StationMeter  # noqa: PLC0415 - as above

        meter = StationMeter(self._pool, self._history)
        rooms = self._pool, self._vault, self._keys, meter
        return Worker(
            self._pool,
            self._vault,
            exchanges=open_exchanges(self._section, self._pool, meter, _now_ms),
            desk=TradingDesk(*rooms, section=self._section, clock=_now_ms),
            clock=_now_ms,
            times=times,
        )


def times_of(section: MarketSection) -> Times:
    """Return when people are called and exchanges asked, as configured."""
    return Times(
        escalate_ms=round(section.escalate_min * _MINUTE_MS),
        fallback_ms=round(section.fallback_min * _MINUTE_MS),
        ask_again_ms=round(section.ask_again_s * 1_000),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
