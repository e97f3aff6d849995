"""The jobs that tell steps of bids to other systems, one for each receiver."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from cloud import alarms
from cloud.config_market import MarketSection, WebhookSection
from cloud.db import Pool
from cloud.market import webhooks
from cloud.vault.vault import Vault

_EVERY_S: Final = 1.0


class HookJobs:
    """What is due at the receivers of one installation."""

    def __init__(self, pool: Pool, vault: Vault, market: MarketSection) -> None:
        self._pool, self._vault, self._hooks = pool, vault, market.webhooks

    async def hand_over(self) -> None:
        """Queue new steps for every receiver, and tell where steps were given up."""
        now_ms = _now_ms()
        await webhooks.hand_over(self._pool, [hook.name for hook in self._hooks], now_ms)
        failed = await webhooks.failed_stations(self._pool, now_ms)
        places = {(station, "") for station in failed}
        await alarms.tell_condition(self._pool, webhooks.FAILED, places, now_ms)

    def jobs(self) -> list[tuple[str, Callable[[], Awaitable[None]], float]]:
        """Return a job for each receiver, so that a dead one delays no other."""

        def job(hook: WebhookSection) -> Callable[[], Awaitable[None]]:
            async def send() -> None:
                await webhooks.send_due(self._pool, self._vault, hook, _now_ms)

            return send

        sending = [(f"webhook {hook.name}", job(hook), _EVERY_S) for hook in self._hooks]
        return [("webhooks", self.hand_over, _EVERY_S), *sending]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
