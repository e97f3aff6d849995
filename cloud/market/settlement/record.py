"""What a day's settlement is made from: awards, meter readings, prices, contracts, regulation."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from cloud.market.award import Award
from cloud.market.errors import MarketError
from cloud.market.exchanges import Calendar
from contract.words import Words

IMBALANCE = "imbalance"
"""Name of the series of imbalance prices."""


class Incomplete(MarketError):  # noqa: N818 - says what is missing
    """A day cannot be settled, because something of it is not known; `words` in both languages."""

    def __init__(self, en: str, zh: str) -> None:
        self.words = Words(en, zh)
        super().__init__(en)


@dataclass(frozen=True, slots=True)
class Reading:
    """Metered energy of an interval at the point of connection, MWh to the grid positive."""

    start_ms: int
    minutes: int
    energy_mwh: Decimal


@dataclass(frozen=True, slots=True)
class Contract:
    """Energy of an interval sold by contract (positive) at a price per MWh."""

    start_ms: int
    minutes: int
    energy_mwh: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class RegulationRun:
    """What a station did for regulation in an interval.

    Attributes:
        start_ms: UTC epoch.
        minutes: length.
        offered_mw: capacity offered.
        won_mw: capacity won, at most what was offered.
        mileage_mw: sum of what the signal moved, MW.
        k: measured performance: response x rate x accuracy.
        price: per MW of mileage.
    """

    start_ms: int
    minutes: int
    offered_mw: Decimal
    won_mw: Decimal
    mileage_mw: Decimal
    k: Decimal
    price: Decimal


@dataclass(frozen=True)
class DayRecord:
    """A station's day in one market.

    Attributes:
        station: its id.
        day: delivery day, local.
        awards: all that was cleared, of every product.
        readings: the meter, without gaps, in intervals no longer than the market's.
        prices: per MWh by interval's beginning (UTC ms), by series: a product's id or
            "imbalance". A price holds until the next one of its series.
        contracts: what was sold by contract.
        regulation: what was done for regulation, where mileage is paid.
        mlf_generation, mlf_load: marginal loss factors.
    """

    station: str
    day: dt.date
    awards: tuple[Award, ...]
    readings: tuple[Reading, ...]
    prices: Mapping[str, Mapping[int, Decimal]]
    contracts: tuple[Contract, ...] = ()
    regulation: tuple[RegulationRun, ...] = ()
    mlf_generation: Decimal = field(default=Decimal(1))
    mlf_load: Decimal = field(default=Decimal(1))

    def price(self, series: str, start_ms: int, minutes: int) -> Decimal:
        """Return the price of a series at an interval that begins at `start_ms`.

        Settlement intervals lie on a grid of `minutes`; the price is that of the grid's cell.

        Raises:
            Incomplete: it is not known.
        """
        cell = start_ms - start_ms % (minutes * 60_000)
        try:
            return self.prices[series][cell]
        except KeyError:
            when = dt.datetime.fromtimestamp(cell / 1000, dt.UTC).isoformat()
            raise Incomplete(
                f"{self.station} {self.day}: the price {series!r} of {when} is not known; import "
                "it, and the day is settled again",
                f"{self.station} {self.day}：缺少 {when} 的价格 {series!r}；导入后将重新结算",
            ) from None


def check_readings(record: DayRecord, calendar: Calendar) -> None:
    """Make sure that the meter covers the delivery day once.

    Raises:
        Incomplete: names the first gap or overlap.
    """
    begin, end = calendar.day_bounds_ms(record.day)
    at = begin
    for one in sorted(record.readings, key=lambda reading: reading.start_ms):
        if one.start_ms != at:
            break
        at += one.minutes * 60_000
    if at != end:
        where = calendar.local(at).isoformat(timespec="minutes")
        raise Incomplete(
            f"{record.station} {record.day}: the meter's readings do not go on at {where}; fetch "
            "them from the meter or settle provisionally",
            f"{record.station} {record.day}：计量读数在 {where} 中断；请补采读数或先作暂估结算",
        )
