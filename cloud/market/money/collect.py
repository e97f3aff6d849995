"""Settled days from the store: statements, plans and meters of the bids that are settled."""

import datetime as dt
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np

from cloud.db import Pool, connection
from cloud.market import bids, prices
from cloud.market.battery import Battery
from cloud.market.bid import BidInterval, Direction, Segment
from cloud.market.bids import Bid, Cleared, Content, Delivery, Document, Judgement, Settlement
from cloud.market.desk.weighing import worth_of
from cloud.market.errors import MarketError
from cloud.market.exchanges import Market, load_market
from cloud.market.exchanges.settlement_file import AemoFile
from cloud.market.exchanges.statements import read_statement
from cloud.market.forecast import Floats
from cloud.market.money.ledger import StationDay
from cloud.market.money.waterfall import Offer, waterfall
from cloud.market.settlement import Reading
from cloud.market.units import HOUR_MIN, MINUTE_MS
from cloud.vault.vault import Vault

_SETTLED: Final = """
SELECT b.station, b.market, b.day, b.id::text, v.version FROM bids b
JOIN bid_versions v ON v.bid = b.id
JOIN bid_papers p ON p.bid = b.id AND p.version = v.version AND p.kind = 'settlement'
WHERE v.state = 'settled' AND b.day BETWEEN %s AND %s
AND (%s::text IS NULL OR b.station = %s) AND (%s::text IS NULL OR b.market = %s)
ORDER BY b.station, b.market, b.day, p.at_ms, b.id
"""
_NEWEST: Final = """
SELECT b.id::text, v.version FROM bids b JOIN bid_versions v ON v.bid = b.id
WHERE v.state = 'settled' AND b.station = %s AND b.market = %s AND b.product = %s
ORDER BY b.begin_ms DESC, b.id LIMIT %s
"""
_WANTED: Final = (Cleared, Delivery, Document, Settlement, Judgement)
_WHOLE: Final = frozenset(_WANTED) - {Judgement}
_SIGNS: Final = {Direction.DISCHARGE: 1, Direction.CHARGE: -1}


@dataclass(frozen=True)
class Kept:
    """A settled bid with its papers."""

    bid: Bid
    content: Content
    cleared: Cleared
    delivery: Delivery
    document: Document
    settlement: Settlement
    judgement: Judgement | None = None


async def settled_days(
    pool: Pool,
    vault: Vault,
    span: tuple[dt.date, dt.date],
    *,
    station: str | None = None,
    market: str | None = None,
    series: Mapping[tuple[str, str], str] | None = None,
) -> list[StationDay]:
    """Return the settled days of a span of market days, both ends in it.

    Args:
        pool: the store.
        vault: keys of stations.
        span: first and last day.
        station: only this one.
        market: only this one.
        series: of the energy price, by station and market, for perfect foresight.
    """
    async with connection(pool) as conn:
        given = (*span, station, station, market, market)
        rows = await (await conn.execute(_SETTLED, given)).fetchall()
    days: dict[tuple[str, str, dt.date], list[tuple[str, int]]] = {}
    for where, traded, day, name, version in rows:
        days.setdefault((where, traded, day), []).append((name, version))
    found = []
    for (where, traded, _), names in days.items():
        group = await _kept(pool, vault, names)
        if group:
            named = (series or {}).get((where, traded))
            found.append(await _with_prices(pool, station_day(group, load_market(traded)), named))
    return found


async def newest_weighed(
    pool: Pool, vault: Vault, station: str, product: tuple[str, str], most: int
) -> list[tuple[float, float]]:
    """Return VaR and earnings of the newest settled bids of a product, the newest first.

    Args:
        pool: the store.
        vault: keys of stations.
        station: whose.
        product: market and product.
        most: of so many bids at the most; those that were not weighed are left out.
    """
    async with connection(pool) as conn:
        rows = await (await conn.execute(_NEWEST, (station, *product, most))).fetchall()
    pairs = [weighed(one) for one in await _kept(pool, vault, rows)]
    return [pair for pair in pairs if pair is not None]


async def _kept(pool: Pool, vault: Vault, settled: Sequence[Sequence[Any]]) -> list[Kept]:
    """Return settled bids with their papers, of ids and settled versions; the whole ones alone."""
    names = [name for name, _ in settled]
    papers = await bids.papers_of_many(pool, vault, names, _WANTED)
    found = []
    for bid, (name, version) in zip(await bids.load_many(pool, vault, names), settled, strict=True):
        told = papers[name].get(version, {})
        if told.keys() >= _WHOLE:
            found.append(
                Kept(
                    *(bid, bid.of(version).content, told[Cleared], told[Delivery]),
                    *(told[Document], told[Settlement], told.get(Judgement)),
                )
            )
    return found


def station_day(group: Sequence[Kept], market: Market) -> StationDay:
    """Return one station's day from its settled bids, the latest settled last.

    The statement is of the whole day; the newest one counts, once, however many bids it settles.
    """
    told = read_statement(group[-1].document.body, market)
    offers = [offer for kept in group for offer in offers_of(kept)]
    first = min(group, key=lambda kept: kept.bid.begin_ms)
    battery = _battery(first.content.inputs)
    out = sum((max(one.planned_mw * _hours(one), Decimal(0)) for one in offers), Decimal(0))
    traded = tuple((kept.bid.begin_ms, kept.bid.end_ms) for kept in group)
    gross = isinstance(market.settlement, AemoFile)
    return StationDay(
        statement=told,
        zone=market.calendar.zone,
        waterfall=waterfall(offers, told, gross=gross, traded=traded),
        readings=readings_of(group),
        wear_per_mwh=Decimal(repr(battery.wear_per_mwh if battery else 0.0)),
        planned_out_mwh=out,
        battery=battery,
        ours=group[-1].settlement.ours_day,
        differs=any(kept.settlement.differs for kept in group),
        weighed=tuple(one for one in map(weighed, group) if one is not None),
        traded=traded,
    )


def weighed(kept: Kept) -> tuple[float, float] | None:
    """Return the VaR that a bid was weighed at and what it has earned; None: it was not weighed.

    Wear and the cost of imbalance in its time are taken off; where bids overlap, each bears it.
    What its awards left in store counts as it was weighed, since the VaR counts it too.
    """
    var = None if kept.judgement is None else kept.judgement.figures.get("var")
    battery = _battery(kept.content.inputs)
    if var is None or battery is None:
        return None
    out = sum((max(one.energy_mwh, Decimal(0)) for one in kept.delivery.measured), Decimal(0))
    missed = sum((one.cost for one in kept.settlement.deviations), Decimal(0))
    earned = kept.settlement.amount - missed
    left = left_mwh(kept.cleared, battery) * (worth_of(kept.content.inputs) or 0.0)
    return var, float(earned) - float(out) * battery.wear_per_mwh + left


def left_mwh(cleared: Cleared, battery: Battery) -> float:
    """Return how much energy in the cells awards of energy leave; negative: they take from it."""
    hours = cleared.interval_min / HOUR_MIN
    left = 0.0
    for one in cleared.awards:
        if one.direction is Direction.CHARGE:
            left += float(one.power_mw) * hours * battery.charge_efficiency
        elif one.direction is Direction.DISCHARGE:
            left -= float(one.power_mw) * hours / battery.discharge_efficiency
    return left


def _hours(one: Offer) -> Decimal:
    return Decimal(one.hours.numerator) / Decimal(one.hours.denominator)


def offers_of(kept: Kept) -> list[Offer]:
    """Return every interval of a bid as planned and as cleared."""
    offers = kept.content.bid_set
    awards: dict[int, list[Any]] = {}
    for award in kept.cleared.awards:
        awards.setdefault(award.start_ms, []).append(award)
    believed = believed_prices(kept.content.inputs)
    hours = Fraction(offers.interval_min, HOUR_MIN)
    found = []
    for one in offers.intervals:
        won = awards.get(one.start_ms, [])
        power = sum((_SIGNS.get(a.direction, 1) * a.power_mw for a in won), Decimal(0))
        paid = next((a.price for a in won if a.price is not None), None)
        price = believed.get(one.start_ms) if _is_energy(one) else None
        price = price if price is not None else paid if paid is not None else _asked(one)
        found.append(
            Offer(hours, cleared_at(one, price), price, power, price if paid is None else paid)
        )
    return found


def cleared_at(one: BidInterval, price: Decimal) -> Decimal:
    """Return the power of an interval that clears at a price, MW; energy: discharge positive."""

    def clears(part: Segment) -> bool:
        if part.price is None:
            return True
        return part.price >= price if part.direction is Direction.CHARGE else part.price <= price

    return sum(
        (_SIGNS.get(p.direction, 1) * p.power_mw for p in one.segments if clears(p)), Decimal(0)
    )


def believed_prices(inputs: Mapping[str, Any]) -> dict[int, Decimal]:
    """Return the prices that a version was made on, by interval; empty: it brings none."""
    plan = inputs.get("plan")
    if not isinstance(plan, dict) or "price" not in plan or "starts_ms" not in plan:
        return {}
    pairs = zip(plan["starts_ms"], plan["price"], strict=False)
    return {int(at): Decimal(repr(round(float(value), 6))) for at, value in pairs}


def _is_energy(one: BidInterval) -> bool:
    return all(part.direction in _SIGNS for part in one.segments)


def _asked(one: BidInterval) -> Decimal:
    return next((p.price for p in one.segments if p.price is not None), Decimal(0))


def _battery(inputs: Mapping[str, Any]) -> Battery | None:
    given = inputs.get("battery")
    try:
        return None if given is None else Battery(**given)
    except TypeError:
        return None


def readings_of(group: Sequence[Kept]) -> tuple[Reading, ...]:
    """Return the meter in the time of bids: of the product that covers most of it, then others."""
    by_product: dict[str, list[Reading]] = {}
    for kept in group:
        minutes = kept.content.bid_set.interval_min
        by_product.setdefault(kept.bid.product, []).extend(
            Reading(one.start_ms, minutes, one.energy_mwh) for one in kept.delivery.measured
        )
    taken: list[Reading] = []
    covered: set[int] = set()
    for readings in sorted(by_product.values(), key=lambda r: -sum(one.minutes for one in r)):
        free = [one for one in readings if covered.isdisjoint(_minutes(one))]
        covered.update(minute for one in free for minute in _minutes(one))
        taken += free
    return tuple(sorted(taken, key=lambda one: one.start_ms))


def _minutes(one: Reading) -> range:
    first = one.start_ms // MINUTE_MS
    return range(first, first + one.minutes)


async def _with_prices(pool: Pool, day: StationDay, series: str | None) -> StationDay:
    if series is None:
        return day
    span = load_market(day.statement.market).calendar.day_bounds_ms(day.statement.day)
    try:
        read = await prices.read(pool, series, *span, sys.maxsize)
    except MarketError:
        return day
    return replace(day, series=series, prices=traded_prices(read, day.traded))


def traded_prices(read: prices.Reading, traded: Sequence[tuple[int, int]]) -> tuple[Floats, int]:
    """Return a day's prices in the time that was traded, one after the other, and their step.

    Args:
        read: of the day.
        traded: beginning and end of each settled bid, UTC epoch ms; empty: the whole day.

    Returns:
        Prices, shape (steps,), and minutes a step: as many as let every bid begin and end at one.
    """
    if not traded or not len(read.start_ms):
        return read.value, read.step_min
    first = int(read.start_ms[0])
    offs = [(at - first) // MINUTE_MS for ends in traded for at in ends]
    step_min = math.gcd(read.step_min, *offs)
    value = np.repeat(read.value, read.step_min // step_min)
    at_ms = first + np.arange(len(value)) * step_min * MINUTE_MS
    inside = np.zeros(len(value), bool)
    for begin, end in traded:
        inside |= (at_ms >= begin) & (at_ms < end)
    return (read.value, read.step_min) if inside.all() else (value[inside], step_min)
