"""A day of the test exchange that lies ahead, and a bid for it as the desk's drafts are."""

import dataclasses
import datetime as dt
import functools
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, BidSet, Direction, OfferMode, Segment
from cloud.market.bids import Content, NewBid, Reason
from cloud.market.exchanges import load_market
from cloud.market.forecast import LEVELS, Forecast
from cloud.market.forecasts import as_record
from cloud.market.risk import Limits

MARKET = load_market("test-exchange")
PRODUCT = MARKET.product("day-ahead-energy")
BATTERY = Battery(3.45, 3.45, 7.0, 0.95, 0.94, wear_per_mwh=4.0, soc=0.2)
LIMITS = Limits(
    max_power_mw=3.45,
    max_cvar=2_000.0,
    rule_power_mw=0.0,
    rule_cvar=0.0,
    trader_power_mw=3.0,
    trader_cvar=1_000.0,
)
DESK = "east"


@functools.cache
def day_ahead() -> dt.date:
    """A delivery day whose gate is at least a day away: one for all tests of a process."""
    return dt.datetime.now(ZoneInfo(MARKET.calendar.zone)).date() + dt.timedelta(days=2)


def content(station: str, day: dt.date, *, power: str = "2") -> Content:
    """Charge in four hours of the night, discharge in three of the evening."""
    starts = PRODUCT.intervals_ms(day)
    hours = [(start - starts[0]) // 3_600_000 for start in starts]
    offered = tuple(
        BidInterval(start, _segments(hour, Decimal(power)))
        for start, hour in zip(starts, hours, strict=True)
    )
    mean = np.array([60 + 40 * np.sin((hour - 13) / 24 * 2 * np.pi) for hour in hours])
    spread = np.linspace(-25, 25, len(LEVELS))
    forecast = Forecast(
        *("demo.day_ahead", starts[0], PRODUCT.interval_min, starts[0] - 43_200_000, mean),
        quantiles=mean[:, None] + spread,
        version="ensemble/3",
        flags=("short history: 200 of 1,095 days",),
    )
    powers = [
        sum(
            float(one.power_mw) * (1 if one.direction is Direction.DISCHARGE else -1)
            for one in interval.segments
        )
        for interval in offered
    ]
    stored = BATTERY.soc - np.cumsum(powers) * 0.25 / BATTERY.energy_mwh
    plan = {
        "starts_ms": list(starts),
        "step_h": 0.25,
        "price": mean.tolist(),
        "power_mw": powers,
        "soc": [BATTERY.soc, *stored.tolist()],
        "revenue": 300.0,
        "wear": 20.0,
    }
    bid_set = BidSet(
        *(station, MARKET.id, PRODUCT.id, day, PRODUCT.interval_min),
        OfferMode.QUANTITY_PRICE,
        offered,
    )
    reasons = tuple(
        Reason(
            interval.start_ms,
            interval.segments[0].why if interval.segments else "stands still",
            "充电或放电" if interval.segments else "静置",
        )
        for interval in offered
    )
    return Content(
        bid_set,
        {
            "battery": dataclasses.asdict(BATTERY),
            "forecast": as_record(forecast),
            "plan": plan,
            "notes": ["the meter is new"],
        },
        ("ensemble/3 known 2026-03-01T11:00Z",),
        ("plans, HiGHS 1.11.0",),
        (Reason(None, "the meter is new", "电表为新装"), *reasons),
    )


def _segments(hour: int, power: Decimal) -> tuple[Segment, ...]:
    if 2 <= hour < 4:
        half = power / 2
        return (
            Segment(Direction.CHARGE, half, Decimal("50.00"), "charges at 50.00 or less"),
            Segment(Direction.CHARGE, half, Decimal("40.00"), "charges at 40.00 or less"),
        )
    if 18 <= hour < 20:
        return (Segment(Direction.DISCHARGE, power, Decimal("62.50"), "sells at 62.50 or more"),)
    return ()


def new_bid(station: str, *, power: str = "2") -> NewBid:
    """The bid, with a careful one beside it."""
    day = day_ahead()
    gate_ms = PRODUCT.gate_closure_ms(PRODUCT.intervals_ms(day)[0])
    spare = content(station, day, power=str(Decimal(power) / 2))
    return NewBid(DESK, gate_ms, content(station, day, power=power), spare)


def held_bid(station: str) -> NewBid:
    """Regulation of 0.3 MW in every hour, paid 10 per MW and hour, without a fall-back."""
    day, product = day_ahead(), MARKET.product("regulation")
    starts = product.intervals_ms(day)
    offer = Segment(Direction.BOTH, Decimal("0.3"), Decimal("3.00"), "holding it ready wears 3.00")
    bid_set = BidSet(
        *(station, MARKET.id, product.id, day, product.interval_min),
        OfferMode.QUANTITY_PRICE,
        tuple(BidInterval(start, (offer,)) for start in starts),
    )
    energy = content(station, day)
    plan = energy.inputs["plan"]
    paid = {"held_price": {product.id: [10.0] * len(plan["starts_ms"])}}
    made = dataclasses.replace(
        energy, bid_set=bid_set, inputs={**energy.inputs, "plan": plan | paid}, explanation=()
    )
    return NewBid(DESK, product.gate_closure_ms(starts[0]), made, None)
