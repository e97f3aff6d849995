"""What the life of bids asks: rules, risk and limits, the station, its meter, settlement."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from cloud.access import Action, Resource, authorize, users
from cloud.config_market import MarketSection
from cloud.db import Pool
from cloud.keys import KeyStore
from cloud.market.bids import (
    Bid,
    Cleared,
    Delivery,
    Document,
    Judgement,
    Measured,
    NotYet,
    Scheduled,
    Settlement,
    Version,
)
from cloud.market.desk.judging import judge
from cloud.market.exchanges.statements import read_statement
from cloud.market.statement import Statement
from cloud.trading.context import context_of
from cloud.trading.exchanges import market_of, shortest_min
from cloud.trading.meter import StationMeter
from cloud.trading.orders import order_schedules
from cloud.trading.parts import part_of
from cloud.trading.settling import Day, SettledDay, checked
from cloud.vault.vault import Vault

_DAYS_KEPT: Final = 64


class TradingDesk:
    """The other rooms, as the life of bids asks for them (`cloud.market.bids.Desk`)."""

    def __init__(
        self,
        pool: Pool,
        vault: Vault,
        keys: KeyStore,
        meter: StationMeter,
        *,
        section: MarketSection,
        clock: Callable[[], int],
    ) -> None:
        self._pool, self._vault, self._keys = pool, vault, keys
        self._meter, self._clock, self._section = meter, clock, section
        self._checked: dict[tuple[str, str, dt.date, bytes], SettledDay] = {}
        self._series: Mapping[str, Mapping[str, str]] = {
            one.market: one.settlement_prices for one in section.exchanges
        }

    async def judge(self, bid: Bid, version: Version, now_ms: int) -> Judgement:
        """Check a version by the market's rules and the desk's limits as they are now."""
        context = await context_of(self._pool, self._vault, self._section, bid, now_ms)
        return judge(bid, version, context)

    async def may_approve(self, who: str, station: str, *, large: bool) -> bool:
        """Whether a person may approve bids of a station now; large: above a trader's limits."""
        account = await users.find(self._pool, who)
        wanted = Action.APPROVE_LARGE_BID if large else Action.APPROVE_BID
        user = None if account is None else account.user
        return authorize(user, wanted, Resource("station", station)).allowed

    async def schedule(self, bid: Bid, results: Sequence[Cleared], now_ms: int) -> Scheduled:
        """Have the station work, in the bid's time, by all that is cleared for it then."""
        return await order_schedules(
            *(self._pool, self._vault, self._keys, bid, results), now_ms=now_ms
        )

    async def measure(self, bid: Bid, cleared: Cleared, now_ms: int) -> Delivery | NotYet:
        """Return what the station's meter says of each interval of the bid's time."""
        del cleared, now_ms
        minutes = bid.versions[0].content.bid_set.interval_min
        found = await self._meter.energy(bid.station, bid.begin_ms, bid.end_ms, minutes)
        if found is None:
            return NotYet()
        flags = dict.fromkeys(one.flag for one in found if one.flag)
        return Delivery(
            tuple(Measured(one.start_ms, one.energy_mwh) for one in found), tuple(flags)
        )

    async def settle(
        self, bid: Bid, cleared: Cleared, delivery: Delivery, statement: Document
    ) -> Settlement | NotYet:
        """Return the bid's part of the statement, and whether our own settlement agrees with it."""
        del cleared, delivery
        market, now_ms = market_of(bid.market), self._clock()
        told = read_statement(statement.body, market)
        if now_ms < _end_of(bid) and _reaches(told) < bid.end_ms:
            return NotYet()
        place = bid.station, bid.market, bid.day, sha256(statement.body).digest()
        day = self._checked.get(place)  # many bids share a day
        if day is None:
            day = await self.settle_day(bid.station, bid.day, told)
            if len(self._checked) >= _DAYS_KEPT:
                self._checked.clear()
            if day.ours is not None:  # what is missing may have come when the next bid asks
                self._checked[place] = day
        part = part_of(bid, told, day, market)
        return replace(part, final=now_ms >= market.final_ms(bid.day))

    async def settle_day(self, station: str, day: dt.date, told: Statement) -> SettledDay:
        """Settle a station's day here and say how that lies to its statement."""
        market = market_of(told.market)
        begin_ms, end_ms = market.calendar.day_bounds_ms(day)
        if self._clock() < end_ms:  # the statement of a day that lasts
            end_ms = _reaches(told)
        asked = Day(
            station=station,
            day=day,
            market=market,
            readings=await self._meter.energy(station, begin_ms, end_ms, shortest_min(market)),
            decided=await self._meter.decided(station, begin_ms, end_ms, shortest_min(market)),
            until_ms=end_ms,
            series=self._series.get(market.id, {}),
            now_ms=self._clock(),
        )
        return await checked(self._pool, self._vault, asked, told)


def _end_of(bid: Bid) -> int:
    return market_of(bid.market).calendar.day_bounds_ms(bid.day)[1]


def _reaches(told: Statement) -> int:
    """Return the end of the last interval that a statement has a line of; 0: it has none."""
    starts = [line.start_ms for line in told.lines if line.start_ms is not None]
    return max(starts) + shortest_min(market_of(told.market)) * 60_000 if starts else 0
