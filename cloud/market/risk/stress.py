"""Stress: what a bid set earns on days that no history promises.

It is weighed as possible days are: what clears at those prices within the limits of the bids, what
the battery can follow, the rest bought back at the same price.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.bid import BidSet
from cloud.market.risk.scenarios import follow

Floats = npt.NDArray[np.float64]
_SHOCK: Final = 0.3
"""The shock that strategies are tried with (guide on storage stations, annex 1, 8.1)."""
_SPIKE_SHARE: Final = 0.05
"""A spike day of ERCOT's real-time market has its dearest prices in about an hour of the day."""


@dataclass(frozen=True, slots=True)
class Stressed:
    """One case.

    Attributes:
        name: as "price_up", for pages and limits.
        en: what happens, in words.
        zh: the same in Chinese.
        revenue: in the market's currency.
        missed_mwh: energy that cleared and could not be followed.
    """

    name: str
    en: str
    zh: str
    revenue: float
    missed_mwh: float


def stress(
    bids: BidSet,
    prices: Floats,
    battery: Battery,
    *,
    spike_price: float,
    end_value: float = 0.0,
    beside_mw: Floats | None = None,
) -> tuple[Stressed, ...]:
    """Return what each case makes of a bid set; the first is the day as it is expected.

    Args:
        bids: what is offered.
        prices: expected, shape (intervals,).
        battery: what the station can do.
        spike_price: of the dearest twentieth of the day in the spike case: the market's cap.
        end_value: of a MWh left in the cells, whatever the day was; see `follow`.
        beside_mw: what is promised beside the bids, shape (intervals,); see `follow`.
    """
    half = replace(battery, charge_mw=battery.charge_mw / 2, discharge_mw=battery.discharge_mw / 2)
    cases: tuple[tuple[str, str, str, Floats, Battery], ...] = (
        ("expected", "the day as forecast", "按预测", prices, battery),
        (
            *("price_up", f"prices {_SHOCK:.0%} higher", f"电价上涨{_SHOCK:.0%}"),
            *(prices + _SHOCK * np.abs(prices), battery),
        ),
        (
            *("price_down", f"prices {_SHOCK:.0%} lower", f"电价下跌{_SHOCK:.0%}"),
            *(prices - _SHOCK * np.abs(prices), battery),
        ),
        (
            "spike",
            f"a spike to {spike_price:,g} per MWh",
            f"尖峰至每 MWh {spike_price:,g}",
            _spike(prices, spike_price),
            battery,
        ),
        ("negative_day", "negative prices all day", "全天负电价", -np.abs(prices), battery),
        ("outage", "half of the power is out", "一半功率停运", prices, half),
    )
    return tuple(_stressed(bids, cases, end_value, beside_mw))


def _stressed(
    bids: BidSet,
    cases: tuple[tuple[str, str, str, Floats, Battery], ...],
    end_value: float,
    beside_mw: Floats | None,
) -> Iterator[Stressed]:
    for name, en, zh, path, power in cases:
        paths = path[None, :]
        followed = follow(bids, paths, power, end_value=end_value, beside_mw=beside_mw)
        yield Stressed(name, en, zh, float(followed.revenue[0]), float(followed.missed_mwh[0]))


def _spike(prices: Floats, spike_price: float) -> Floats:
    count = max(1, round(_SPIKE_SHARE * len(prices)))
    spiked = prices.copy()
    spiked[np.argsort(prices, kind="stable")[-count:]] = spike_price
    return spiked


def greatest_power(bids: BidSet) -> Decimal:
    """Return the most that any interval offers in one direction, MW."""
    return max(
        (
            one.power_mw(direction)
            for one in bids.intervals
            for direction in {segment.direction for segment in one.segments}
        ),
        default=Decimal(0),
    )
