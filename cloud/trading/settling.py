"""A day settled here by the market's own rules, beside the statement of its exchange.

What the market pays is what its statement says. Beside it the day is settled from what was cleared,
the meter and the published prices; every line that differs is named, with the money it is about.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import numpy as np

from cloud.db import Pool
from cloud.errors import CloudError
from cloud.market import bids, prices
from cloud.market.award import Award
from cloud.market.bids import Won
from cloud.market.desk.metering import Metered, flag_zh
from cloud.market.exchanges import Market
from cloud.market.settlement import (
    DayRecord,
    Decided,
    Deviation,
    Incomplete,
    Reading,
    Reconciliation,
    explain,
    reconcile,
    settle,
)
from cloud.market.statement import Statement
from cloud.market.units import MINUTE_MS
from cloud.vault.vault import Vault
from contract.words import Words

_SHOWN: Final = 3
_CENT: Final = Decimal("0.01")
_Prices = Mapping[str, Mapping[int, Decimal]]


@dataclass(frozen=True)
class Day:
    """One station's day in one market, and what its own settlement needs.

    Attributes:
        station: its id.
        day: of delivery.
        market: the rules.
        readings: of the meter up to `until_ms`; None: not told.
        until_ms: what is settled: the whole day, or as far as a provisional statement reaches.
        series: ids of the series of prices, by the name that the rules give them: "imbalance",
            or a product's id.
        now_ms: prices that became known later are not seen.
        decided: what the station's controller decided, by beginning of a reading.
    """

    station: str
    day: dt.date
    market: Market
    readings: Sequence[Metered] | None
    until_ms: int
    series: Mapping[str, str]
    now_ms: int
    decided: Mapping[int, Decided] = field(default_factory=dict)


@dataclass(frozen=True)
class SettledDay:
    """A day as it was settled here, beside its statement.

    Attributes:
        words: how the two lie to one another, or why it could not be settled here.
        ours: our settlement; None: there is none.
        found: the comparison, line by line; None as `ours`.
        deviations: intervals that went otherwise than awarded.
        record: awards, meter and prices that it was settled from; None: they are not all there.
        readings: of the meter with what is uncertain about them; empty: not told.
    """

    words: Words
    ours: Statement | None = None
    found: Reconciliation | None = None
    deviations: tuple[Deviation, ...] = ()
    record: DayRecord | None = None
    readings: tuple[Metered, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether any line of the day, or its total, is off by more than a cent."""
        if self.found is None:
            return False
        off = [self.found.money, *(one.money for one in self.found.differences)]
        return any(abs(money) > _CENT for money in off)


async def checked(pool: Pool, vault: Vault, day: Day, told: Statement) -> SettledDay:
    """Settle the day here and say how that lies to the statement."""
    if day.readings is None:
        return SettledDay(
            Words(
                "not settled here: the meter has not told the whole day",
                "未能在本方结算：电表尚未报完全天读数",
            )
        )
    readings = tuple(day.readings)
    causes = {
        one.start_ms: {"en": one.flag, "zh": flag_zh(one.flag)} for one in readings if one.flag
    }
    try:
        record = await _record(pool, vault, day, readings)
        lasts = day.until_ms < day.market.calendar.day_bounds_ms(day.day)[1]
        ours = settle(record, day.market, provisional=lasts)
        found = reconcile(ours, told)
        deviations = explain(record, day.market, ours.lines, causes, day.decided)
    except CloudError as error:  # what is missing for it: a price, a profile's rule
        why = error.words or Words(str(error), str(error))
        words = Words(f"not settled here: {why.en}", f"未能在本方结算：{why.zh}")
        return SettledDay(words, readings=readings)
    said = _said(found, told.currency)
    return SettledDay(said, ours, found, deviations, record, readings)


async def _record(pool: Pool, vault: Vault, day: Day, readings: Sequence[Metered]) -> DayRecord:
    minutes = min(one.interval_min for one in day.market.products)
    known = {name: await _prices(pool, day, series) for name, series in day.series.items()}
    won = await bids.won_on(pool, vault, day.station, day.market.id, day.day)
    return DayRecord(
        day.station,
        day.day,
        tuple(_awards(won, day, known)),
        tuple(Reading(one.start_ms, minutes, one.energy_mwh) for one in readings),
        known,
    )


def _awards(won: Sequence[Won], day: Day, known: _Prices) -> Iterator[Award]:
    """Return the day's awards; one whose price came later has that of its product's series."""
    for each in won:
        product, cleared = each.bid.product, each.cleared
        for one in cleared.awards:
            if one.start_ms >= day.until_ms:
                continue
            price = one.price
            if price is None:
                price = known.get(product, {}).get(one.start_ms)
            if price is None:
                raise Incomplete(
                    f"{product}: the price of an award is not told yet; import the product's"
                    " prices, or wait for the exchange",
                    f"{product}：中标价格尚未公布；请导入该品种价格或等待交易所公布",
                )
            yield Award(
                *(product, one.start_ms, cleared.interval_min, one.direction, one.power_mw, price)
            )


async def _prices(pool: Pool, day: Day, series: str) -> dict[int, Decimal]:
    begin_ms, end_ms = day.market.calendar.day_bounds_ms(day.day)
    read = await prices.read(pool, series, begin_ms, end_ms, day.now_ms)
    step_ms = min(one.interval_min for one in day.market.products) * MINUTE_MS
    found = {}
    for start, value in zip(read.start_ms.tolist(), read.value.tolist(), strict=True):
        if np.isfinite(value):  # a price holds over the finer intervals inside its own
            for at in range(start, start + read.step_min * MINUTE_MS, step_ms):
                found[at] = Decimal(repr(value))
    return found


def _said(found: Reconciliation, currency: str) -> Words:
    if not found.differences:
        return Words(
            f"settled here too: all {found.agreed} lines agree to the cent",
            f"本方同步结算：{found.agreed} 行全部一致到分",
        )
    shown = found.differences[:_SHOWN]
    en, zh = (
        "; ".join(
            f"{_when(one.start_ms, language)} {one.item} {one.detail}: {one.words(language)}"
            for one in shown
        )
        for language in ("en", "zh")
    )
    count, more = len(found.differences), len(found.differences) - _SHOWN
    return Words(
        f"settled here too: {count} lines differ, {found.money} {currency} in all: "
        f"{en}{f'; and {more} more' if more > 0 else ''}",
        f"本方同步结算：{count} 行不一致，合计 {found.money} {currency}："
        f"{zh}{f'；另有 {more} 行' if more > 0 else ''}",
    )


def _when(start_ms: int | None, language: str) -> str:
    if start_ms is None:
        return "the day" if language == "en" else "全天"
    return f"{dt.datetime.fromtimestamp(start_ms / 1000, dt.UTC):%H:%MZ}"
