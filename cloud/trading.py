"""Where the market desk meets the rest of the cloud: limits, exchanges, the station, its meter.

`TradingDesk` is what the worker of bids asks; `open_exchanges` makes the exchanges that the
configuration names.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final

import numpy as np

from cloud import fleet
from cloud.config_market import MarketSection
from cloud.db import Pool, connection
from cloud.history.model import Resolution, SignalRef
from cloud.history.query import History
from cloud.keys import KeyStore
from cloud.market import bids
from cloud.market.bids import (
    Bid,
    Cleared,
    Delivery,
    Document,
    Exchange,
    Judgement,
    Measured,
    NotYet,
    Scheduled,
    Settlement,
    State,
    Version,
)
from cloud.market.desk.awards import Traded, energy_trades, schedules
from cloud.market.desk.judging import Context, judge
from cloud.market.desk.limits import limits_of
from cloud.market.desk.metering import Counters, metered
from cloud.market.errors import MarketError
from cloud.market.exchanges import Market, Party, load_market
from cloud.market.exchanges.client import ExchangeClient, Patience
from cloud.market.exchanges.port import MarketExchange
from cloud.market.exchanges.statements import read_statement
from cloud.vault.vault import Vault
from contract.schedule import Schedule

SENDER: Final = "market desk"
"""Who the orders of the desk are sent by, for the audit and the station."""
_MINUTE_MS: Final = 60_000
_AROUND_MS: Final = 10 * _MINUTE_MS
"""The meter's counters are read so long beyond both ends of what is asked."""
_COUNTERS: Final = ("energy_discharged_kwh", "energy_charged_kwh")
_METER: Final = "meter"
_WEIGHED: Final = (
    *(State.CHECKED, State.APPROVED, State.SUBMITTED, State.ACCEPTED),
    *(State.CLEARED, State.SCHEDULED),
)


class TradingDesk:
    """Checks, risk, the station and settlement, as the life of bids asks for them."""

    def __init__(self, pool: Pool, vault: Vault, keys: KeyStore, history: History) -> None:
        self._pool, self._vault, self._keys, self._history = pool, vault, keys, history

    async def judge(self, bid: Bid, version: Version, now_ms: int) -> Judgement:
        """Check a version by the market's rules and the desk's limits as they are now."""
        limits = await limits_of(self._pool, bid.desk)
        others = await self._others_cvar(bid) if limits.max_book_cvar is not None else 0.0
        return judge(bid, version, Context(market_of(bid.market), limits, others, now_ms))

    async def schedule(self, bid: Bid, results: Sequence[Cleared], now_ms: int) -> Scheduled:
        """Have the station work, in the bid's time, by all that is cleared for it then."""
        return await order_schedules(
            *(self._pool, self._vault, self._keys, bid, results), now_ms=now_ms
        )

    async def measure(self, bid: Bid, cleared: Cleared, now_ms: int) -> Delivery | NotYet:
        """Return what the station's meter says of each interval of the bid."""
        del cleared, now_ms
        offers = bid.versions[0].content.bid_set
        counters = await self._counters(bid)
        starts = [one.start_ms for one in offers.intervals]
        found = metered(counters, starts, offers.interval_min * _MINUTE_MS)
        if found is None:
            return NotYet()
        flags = dict.fromkeys(one.flag for one in found if one.flag)
        return Delivery(
            tuple(Measured(one.start_ms, one.energy_mwh) for one in found), tuple(flags)
        )

    async def settle(
        self, bid: Bid, cleared: Cleared, delivery: Delivery, statement: Document
    ) -> Settlement | NotYet:
        """Return what the exchange's statement says of the bid's product on its day."""
        del delivery
        told = read_statement(statement.body, market_of(bid.market))
        starts = {one.start_ms for one in bid.versions[0].content.bid_set.intervals}
        lines: dict[str, Decimal] = {}
        for line in told.lines:
            if line.detail == bid.product and (line.start_ms is None or line.start_ms in starts):
                name = line.item.value
                lines[name] = lines.get(name, Decimal(0)) + line.amount
        rest = told.total - sum(lines.values(), Decimal(0))
        notes = (f"{rest} {told.currency} of the day's statement are for other products",)
        return Settlement(
            sum(lines.values(), Decimal(0)),
            cleared.currency,
            lines,
            notes if rest else (),
        )

    async def _others_cvar(self, bid: Bid) -> float:
        """Return the sum of what the other bids of the desk and day were weighed at."""
        async with connection(self._pool) as conn:
            found = await conn.execute(
                "SELECT DISTINCT ON (b.id) b.id::text, v.version FROM bids b"
                " JOIN bid_versions v ON v.bid = b.id WHERE b.desk = %s AND b.day = %s"
                " AND b.id <> %s AND v.state = ANY(%s) ORDER BY b.id, v.version DESC",
                (bid.desk, bid.day, bid.id, list(_WEIGHED)),
            )
            there = await found.fetchall()
        total = 0.0
        for name, number in there:
            other = await bids.load(self._pool, self._vault, name)
            judged = await bids.paper_of(self._pool, self._vault, other, number, Judgement)
            if judged is not None:
                total += max(judged.figures.get("cvar", 0.0), 0.0)
        return total

    async def _counters(self, bid: Bid) -> Counters:
        tags = sorted(
            device
            for device, layout in (await fleet.devices(self._pool)).get(bid.station, set())
            if layout == _METER
        )
        if not tags:
            raise MarketError(
                f"bid {bid.id}: station {bid.station} has sent nothing of a meter; what it "
                "delivers cannot be told"
            )
        told = await self._history.query(
            bid.station,
            [SignalRef(tags[0], name) for name in _COUNTERS],
            bid.begin_ms - _AROUND_MS,
            bid.end_ms + _AROUND_MS,
            resolution=Resolution.MINUTE,
        )
        out, taken = told.series
        times = np.union1d(out.times_ms, taken.times_ms)
        values = np.full((2, len(times)), np.nan)
        for row, series in enumerate((out, taken)):
            last = series.values if series.last is None else series.last
            values[row, np.searchsorted(times, series.times_ms)] = last
        return Counters(times + _MINUTE_MS, values[0], values[1])


async def order_schedules(
    pool: Pool,
    vault: Vault,
    keys: KeyStore,
    bid: Bid,
    results: Sequence[Cleared],
    *,
    now_ms: int,
) -> Scheduled:
    """Have the station work, in the bid's time, by what is cleared; return the orders that say so.

    A day's order is sent only where it says something else than the one in force, so a step that is
    repeated after a crash sends nothing a second time. Days that are over get no order.

    Raises:
        MarketError: no schedule can follow what is cleared.
        ScheduleRefused: it lies beyond the station's rating, or too far ahead.
    """
    station = await fleet.find(pool, bid.station)
    orders, in_force = [], {}
    for day in _days(bid, station):
        seen = await fleet.schedule_in_force(pool, vault, station.id, day)
        if seen is not None:
            in_force[day] = seen
    there = {day: Schedule.from_payload(seen.payload) for day, seen in in_force.items()}
    span = bid.begin_ms, bid.end_ms
    for wanted in schedules(_trades(results), span, station.timezone, there):
        if wanted == there.get(wanted.date):
            orders.append(in_force[wanted.date].id)
        elif now_ms < wanted.end_ms:
            now = fleet.Now(now_ms, None)
            planned = await fleet.plan(pool, vault, station, wanted, now)
            sent = await fleet.send(
                pool, vault, keys, station, planned, now_ms=now_ms, sender=SENDER
            )
            orders.append(sent.id)
    return Scheduled(tuple(orders))


def open_exchanges(section: MarketSection, clock: Callable[[], int]) -> Mapping[str, Exchange]:
    """Return the configured exchanges by their market.

    Raises:
        BadProfile: there is no such market.
        BadDocument: a token cannot be read.
    """
    made: dict[str, Exchange] = {}
    for one in section.exchanges:
        client = ExchangeClient(
            one.url, one.token_file, Patience(timeout_s=one.timeout_s, attempts=1)
        )
        party = Party(one.participant, one.unit or one.participant)
        made[one.market] = MarketExchange(client, market_of(one.market), party, clock)
    return made


@lru_cache(maxsize=16)
def market_of(name: str) -> Market:
    """Return a market's rules; they are files of this version."""
    return load_market(name)


def _days(bid: Bid, station: fleet.Station) -> list[dt.date]:
    first, last = (
        dt.datetime.fromtimestamp(at / 1000, station.zone).date()
        for at in (bid.begin_ms, bid.end_ms - 1)
    )
    return [first + dt.timedelta(days=d) for d in range((last - first).days + 1)]


def _trades(results: Sequence[Cleared]) -> tuple[Traded, ...]:
    return tuple(
        trade
        for result in results
        for trade in energy_trades(
            ((one.start_ms, one.direction, float(one.power_mw)) for one in result.awards),
            result.interval_min,
        )
    )
