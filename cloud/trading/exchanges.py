"""The exchanges that the configuration names, each with the rules of its market.

An exchange without a meter of its own (as the test exchange) is told the station's readings of a
day that is over, before its statement is asked for.
"""

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from cloud.config_market import ExchangeSection, MarketSection
from cloud.db import Pool
from cloud.market.bids import Document, Exchange, NotYet, Unclear
from cloud.market.desk.metering import Metered
from cloud.market.errors import BadProfile
from cloud.market.exchanges import FileDrop, Market, Party, load_market
from cloud.market.exchanges.client import ExchangeClient, Patience
from cloud.market.exchanges.port import MarketExchange
from cloud.market.units import MINUTE_MS
from cloud.trading.meter import StationMeter
from cloud.trading.published import PublishedPrices

_log = logging.getLogger(__name__)
_DAYS_TOLD: Final = 256
_LAG_MIN: Final = 5
"""Minutes that the store may be behind the present: a minute is rolled up when it is over."""


@lru_cache(maxsize=16)
def market_of(name: str) -> Market:
    """Return a market's rules; they are files of this version."""
    return load_market(name)


def open_exchanges(
    section: MarketSection, pool: Pool, meter: StationMeter, clock: Callable[[], int]
) -> Mapping[str, Exchange]:
    """Return the configured exchanges by their market.

    Raises:
        BadProfile: there is no such market.
        BadDocument: a token cannot be read.
    """
    return {one.market: _opened(one, pool, meter, clock) for one in section.exchanges}


def party_of(one: ExchangeSection) -> Party:
    """Return as whom a configured exchange knows us."""
    return Party(one.participant, one.unit or one.participant)


def shortest_min(market: Market) -> int:
    """Return the length of the shortest interval that a market settles, minutes."""
    return min(one.interval_min for one in market.products)


def _opened(
    one: ExchangeSection, pool: Pool, meter: StationMeter, clock: Callable[[], int]
) -> Exchange:
    market, party = market_of(one.market), party_of(one)
    line = _line(one)
    if one.report_meter:
        told = _Told(line, market, party, clock, meter)
        told.provisional = one.provisional
        if isinstance(line, ExchangeClient):
            told.published = PublishedPrices(pool, market, one.settlement_prices), line
        return told
    return MarketExchange(line, market, party, clock)


def _line(one: ExchangeSection) -> ExchangeClient | FileDrop:
    """Return how an exchange is reached: over HTTP, or by files."""
    if one.url is not None and one.token_file is not None:
        patience = Patience(timeout_s=one.timeout_s, attempts=1)  # the outbox tries again
        return ExchangeClient(one.url, one.token_file, patience)
    if one.folder is None:
        raise BadProfile(f"exchange of {one.market}: neither url nor folder is configured")
    return FileDrop(one.folder)


class _Told(MarketExchange):
    """An exchange that has to be told what the meter says.

    Attributes:
        published: keeps the prices that our own settlement takes, from where they are told; None:
            it takes none, or they are imported.
        provisional: statements are asked for while their day lasts.
    """

    published: tuple[PublishedPrices, ExchangeClient] | None = None
    provisional: bool = False

    def __init__(
        self,
        client: ExchangeClient | FileDrop,
        market: Market,
        party: Party,
        clock: Callable[[], int],
        meter: StationMeter,
    ) -> None:
        super().__init__(client, market, party, clock)
        self._to, self._of, self._clock, self._meter = client, market, clock, meter
        self._told: dict[tuple[str, dt.date], int] = {}
        self._said: set[str] = set()

    async def statement(
        self, station: str, product: str, day: dt.date
    ) -> Document | NotYet | Unclear:
        """Tell the day's readings, once as long as they stay the same; then ask for its statement.

        Prices that do not come keep no statement back: our own settlement says which are missing,
        and is made again when they are there.
        """
        begin_ms, end_ms = self._of.calendar.day_bounds_ms(day)
        now_ms = self._clock()
        if now_ms < end_ms and not self.provisional:
            return NotYet()
        minutes = shortest_min(self._of)
        step_ms = minutes * MINUTE_MS
        until_ms = min(end_ms, now_ms - now_ms % step_ms)
        readings = await self._known(station, begin_ms, until_ms, minutes)
        if readings is None:
            return NotYet()
        if self._told.get((station, day)) != hash(readings):
            rows = [(one.start_ms, minutes, one.energy_mwh) for one in readings]
            refused = await self._to.report_meter(self._of.id, station, rows)
            if refused is not None:
                return Unclear(f"the meter's readings were not taken: {refused}")
            if len(self._told) >= _DAYS_TOLD:
                self._told.clear()
            self._told[station, day] = hash(readings)
        if self.published is not None:
            kept, client = self.published
            wrong = await kept.keep(client, day, now_ms)
            if wrong and wrong not in self._said:
                self._said.add(wrong)
                _log.warning("%s", wrong)
        return await super().statement(station, product, day)

    async def _known(
        self, station: str, begin_ms: int, until_ms: int, minutes: int
    ) -> tuple[Metered, ...] | None:
        """Return the readings up to a time, or of a day that lasts, up to what is stored."""
        step_ms = minutes * MINUTE_MS
        tries = _LAG_MIN // minutes + 1 if self.provisional else 1
        for late in range(tries):
            end_ms = until_ms - late * step_ms
            if end_ms > begin_ms:
                found = await self._meter.energy(station, begin_ms, end_ms, minutes)
                if found is not None:
                    return found
        return None
