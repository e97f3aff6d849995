"""A bid's part of a day's statement, and the same day settled here by the market's own rules.

What the market pays is what its statement says. Beside it the day is settled from what was cleared,
the meter and the published prices; every line that differs is named, with the money it is about.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from cloud.db import Pool, connection
from cloud.errors import CloudError
from cloud.market import bids, prices
from cloud.market.award import Award
from cloud.market.bids import Bid, Cleared, Differs, Explained, Settlement, State
from cloud.market.desk.metering import Metered, flag_zh
from cloud.market.exchanges import Market
from cloud.market.settlement import (
    Course,
    DayRecord,
    Deviation,
    Difference,
    Incomplete,
    Reading,
    Reconciliation,
    explain,
    reconcile,
    settle,
)
from cloud.market.statement import Item, Line, Statement
from cloud.vault.vault import Vault

_SHOWN: Final = 3
_CENT: Final = Decimal("0.01")
_UNEVEN: Final = frozenset({Item.IMBALANCE, Item.DEVIATION})
_CLEARED: Final = (State.CLEARED, State.SCHEDULED, State.DELIVERED, State.SETTLED)


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
    """

    station: str
    day: dt.date
    market: Market
    readings: Sequence[Metered] | None
    until_ms: int
    series: Mapping[str, str]
    now_ms: int


@dataclass(frozen=True)
class SettledDay:
    """A day as it was settled here, beside its statement.

    Attributes:
        words: how the two lie to one another, or why it could not be settled here.
        ours: our settlement; None: there is none.
        found: the comparison, line by line; None as `ours`.
        deviations: intervals that went otherwise than awarded.
    """

    words: str
    ours: Statement | None = None
    found: Reconciliation | None = None
    deviations: tuple[Deviation, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether any line of the day, or its total, is off by more than a cent."""
        if self.found is None:
            return False
        off = [self.found.money, *(one.money for one in self.found.differences)]
        return any(abs(money) > _CENT for money in off)


def part_of(bid: Bid, told: Statement, day: SettledDay) -> Settlement:
    """Return what a statement says of a bid's product in its time, and what we say of that time.

    Args:
        bid: the bid.
        told: the statement of its station's day.
        day: what came of settling the day here.
    """
    lines: dict[str, Decimal] = {}
    for line in told.lines:
        if line.detail == bid.product and _within(bid, line.start_ms):
            lines[line.item.value] = lines.get(line.item.value, Decimal(0)) + line.amount
    amount = sum(lines.values(), Decimal(0))
    rest = told.total - amount
    words = f"{rest} {told.currency} of the day's statement are for something else"
    found = () if day.found is None else day.found.differences
    return Settlement(
        amount,
        told.currency,
        lines,
        (*((words,) if rest else ()), day.words),
        theirs=_lines_of(bid, told),
        ours=None if day.ours is None else _lines_of(bid, day.ours),
        theirs_day=told.total,
        ours_day=None if day.ours is None else day.ours.total,
        differences=tuple(_named(one) for one in found if _within(bid, one.start_ms)),
        deviations=tuple(_explained(bid, day)),
        differs=day.differs,
    )


def _within(bid: Bid, start_ms: int | None) -> bool:
    return start_ms is None or bid.begin_ms <= start_ms < bid.end_ms


def _lines_of(bid: Bid, statement: Statement) -> tuple[Line, ...]:
    """Return the lines of a bid's product and of deviations in its time, and those of the day."""
    return tuple(
        one
        for one in statement.lines
        if _within(bid, one.start_ms)
        and (one.start_ms is None or one.detail == bid.product or one.item in _UNEVEN)
    )


def _named(one: Difference) -> Differs:
    return Differs(
        *(one.start_ms, one.item.value, one.detail, one.fault.value, one.ours, one.theirs),
        *(one.money, one.both_words),
    )


def _explained(bid: Bid, day: SettledDay) -> Iterator[Explained]:
    lines = () if day.ours is None else day.ours.lines
    prices = {one.start_ms: one.price for one in lines if one.item is Item.IMBALANCE}
    for one in day.deviations:
        if one.course is not Course.AS_AWARDED and _within(bid, one.start_ms):
            yield Explained(
                *(one.start_ms, one.minutes, one.awarded_mwh, one.delivered_mwh),
                *(one.imbalance_mwh, prices.get(one.start_ms), one.cost, one.course.value),
                one.both_words,
            )


async def checked(pool: Pool, vault: Vault, day: Day, told: Statement) -> SettledDay:
    """Settle the day here and say how that lies to the statement."""
    if day.readings is None:
        return SettledDay("not settled here: the meter has not told the whole day")
    causes = {
        one.start_ms: {"en": one.flag, "zh": flag_zh(one.flag)} for one in day.readings if one.flag
    }
    try:
        record = await _record(pool, vault, day, day.readings)
        lasts = day.until_ms < day.market.calendar.day_bounds_ms(day.day)[1]
        ours = settle(record, day.market, provisional=lasts)
        found = reconcile(ours, told)
        deviations = explain(record, day.market, ours.lines, causes)
    except CloudError as error:  # what is missing for it: a price, a profile's rule
        return SettledDay(f"not settled here: {error}")
    return SettledDay(_said(found, told.currency), ours, found, deviations)


async def _record(pool: Pool, vault: Vault, day: Day, readings: Sequence[Metered]) -> DayRecord:
    minutes = min(one.interval_min for one in day.market.products)
    return DayRecord(
        day.station,
        day.day,
        await _awards(pool, vault, day),
        tuple(Reading(one.start_ms, minutes, one.energy_mwh) for one in readings),
        {name: await _prices(pool, day, series) for name, series in day.series.items()},
    )


async def _awards(pool: Pool, vault: Vault, day: Day) -> tuple[Award, ...]:
    async with connection(pool) as conn:
        found = await conn.execute(
            "SELECT b.id::text, v.version FROM bids b JOIN bid_versions v ON v.bid = b.id"
            " WHERE b.station = %s AND b.market = %s AND b.day = %s AND v.state = ANY(%s)"
            " ORDER BY b.begin_ms, b.product",
            (day.station, day.market.id, day.day, list(_CLEARED)),
        )
        there = await found.fetchall()
    awards: list[Award] = []
    for name, number in there:
        bid = await bids.load(pool, vault, name)
        cleared = await bids.paper_of(pool, vault, bid, number, Cleared)
        for one in cleared.awards if cleared is not None else ():
            if one.start_ms >= day.until_ms:
                continue
            if one.price is None:
                raise Incomplete(f"{bid.product}: the price of an award is not told yet")
            awards.append(
                Award(
                    *(bid.product, one.start_ms, cleared.interval_min if cleared else 0),
                    *(one.direction, one.power_mw, one.price),
                )
            )
    return tuple(awards)


async def _prices(pool: Pool, day: Day, series: str) -> dict[int, Decimal]:
    begin_ms, end_ms = day.market.calendar.day_bounds_ms(day.day)
    read = await prices.read(pool, series, begin_ms, end_ms, day.now_ms)
    step_ms = min(one.interval_min for one in day.market.products) * 60_000
    found = {}
    for start, value in zip(read.start_ms.tolist(), read.value.tolist(), strict=True):
        if np.isfinite(value):  # a price holds over the finer intervals inside its own
            for at in range(start, start + read.step_min * 60_000, step_ms):
                found[at] = Decimal(repr(value))
    return found


def _said(found: Reconciliation, currency: str) -> str:
    if not found.differences:
        return f"settled here too: all {found.agreed} lines agree to the cent"
    shown = "; ".join(
        f"{_when(one.start_ms)} {one.item} {one.detail}: {one.words()}"
        for one in found.differences[:_SHOWN]
    )
    more = len(found.differences) - _SHOWN
    return (
        f"settled here too: {len(found.differences)} lines differ, {found.money} {currency} in all:"
        f" {shown}{f'; and {more} more' if more > 0 else ''}"
    )


def _when(start_ms: int | None) -> str:
    if start_ms is None:
        return "the day"
    return f"{dt.datetime.fromtimestamp(start_ms / 1000, dt.UTC):%H:%MZ}"
