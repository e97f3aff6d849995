"""What is cleared as signed orders of the station.

A day's order is sent only where it says something else than the one in force, so a step that is
repeated after a crash sends nothing a second time.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from cloud import fleet
from cloud.db import Pool
from cloud.keys import KeyStore
from cloud.market.bids import Bid, Cleared, Scheduled
from cloud.market.desk.awards import Traded, energy_trades, schedules
from cloud.vault.vault import Vault
from contract.schedule import Schedule

SENDER: Final = "market desk"
"""Who the orders of the desk are sent by, for the audit and the station."""


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

    Days that are over get no order.

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
