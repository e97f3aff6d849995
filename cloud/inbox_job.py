"""The job that takes bids from signed files, checked with what the station can sell now."""

import time
from typing import Final

from cloud.config_market import MarketSection
from cloud.db import Pool
from cloud.live import Live
from cloud.market.bid import BidSet
from cloud.market.desk.newest import newest_forecast
from cloud.market.exchanges import Market, Party, Role, check_everything
from cloud.market.inbox import Inbox, Judged
from cloud.market.wear import DEFAULT_WEAR, read_wear
from cloud.sold import sold_now
from cloud.vault.vault import Vault

EVERY_S: Final = 2.0


class InboxJob:
    """Looks into the folder of the configuration; without one there is nothing to do."""

    def __init__(self, pool: Pool, vault: Vault, live: Live, market: MarketSection) -> None:
        self._pool, self._vault = pool, vault
        self._live, self._market = live, market
        self._inbox = (
            None
            if market.inbox is None
            else Inbox(market.inbox, market.senders, pool, vault, self._judge)
        )

    async def work(self) -> None:
        """Take what is there."""
        if self._inbox is not None:
            await self._inbox.run(time.time_ns() // 1_000_000)

    async def _judge(self, offers: BidSet, market: Market, now_ms: int) -> Judged:
        """Check a file's offers by the market's rules, in the role that its station has there."""
        place = offers.station, offers.market
        sections = [one for one in self._market.desks if (one.station, one.market) == place]
        wear_file = sections[0].wear_file if sections else None
        role = Role(sections[0].role) if sections else Role.INDEPENDENT
        rule = read_wear(wear_file or DEFAULT_WEAR)
        sold = await sold_now(self._pool, self._live, offers.station, rule)
        exchange = next(
            (one for one in self._market.exchanges if one.market == offers.market), None
        )
        party = (
            Party(offers.station, offers.station)
            if exchange is None
            else Party(exchange.participant, exchange.unit or exchange.participant)
        )
        wrong = check_everything(
            *(offers, market, sold.battery), party=party, role=role, now_ms=now_ms
        )
        known = await newest_forecast(
            *(self._pool, self._vault, (*place, offers.day)),
            sections[0] if sections else None,
            now_ms,
        )
        return Judged(sold.battery, tuple(one.words("en") for one in wrong), known)
