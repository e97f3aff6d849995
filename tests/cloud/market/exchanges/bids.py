"""Bids, batteries and stations that tests begin from."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.exchanges import Product, load_market

DAY = dt.date(2026, 3, 10)
BATTERY = Battery(
    charge_mw=10, discharge_mw=10, energy_mwh=20, charge_efficiency=0.93, discharge_efficiency=0.93
)

CHARGE, DISCHARGE = Direction.CHARGE, Direction.DISCHARGE


def segment(direction: Direction, mw: str, price: str | None) -> Segment:
    return Segment(direction, Decimal(mw), None if price is None else Decimal(price))


BOTH_WAYS = (
    segment(CHARGE, "4", "30"),
    segment(CHARGE, "6", "20"),
    segment(DISCHARGE, "5", "90"),
    segment(DISCHARGE, "5", "120.5"),
)


def product(market: str = "europe", name: str = "day-ahead-energy") -> Product:
    return load_market(market).product(name)


def bid(
    segments: Sequence[Segment] = BOTH_WAYS,
    *,
    market: str = "europe",
    name: str = "day-ahead-energy",
    day: dt.date = DAY,
    mode: OfferMode = OfferMode.QUANTITY_PRICE,
    intervals: int | None = None,
) -> BidSet:
    rules = product(market, name)
    return BidSet(
        station="s1",
        market=market,
        product=name,
        day=day,
        interval_min=rules.interval_min,
        mode=mode,
        intervals=tuple(
            BidInterval(start, tuple(segments)) for start in rules.intervals_ms(day)[:intervals]
        ),
    )
