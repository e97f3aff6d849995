"""How each kind of market settles a day; all pure, all exact until a line is rounded.

- Two settlements (ERCOT): the day-ahead award at the day-ahead price; what the meter says beside
  it at the real-time price.
- Imbalance (Europe): all that was bought and sold ahead at its own prices, called balancing
  energy at its price; what the meter says beside their sum at the imbalance price.
- Gross (Australia): all metered energy x loss factor x price of its five minutes; enabled
  services x price / 12.
- Chinese spot: contracts by difference to the day-ahead price, the day-ahead award at that
  price, the meter beside it at the real-time price, a charge on what leaves the deviation band,
  regulation by K x mileage x price and by capacity, peak shaving by the energy that it moved.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from cloud.market.award import Award
from cloud.market.exchanges import Kind, Market, Stage
from cloud.market.exchanges.settlement_file import ChinaFile
from cloud.market.settlement.lines import capacity_lines, hours, is_activation, line, sold
from cloud.market.settlement.money import Rounding, as_decimal
from cloud.market.settlement.record import IMBALANCE, DayRecord, Reading
from cloud.market.statement import Item, Line
from cloud.market.units import MINUTE_MS

_AHEAD = {Stage.DAY_AHEAD, Stage.INTRADAY}


def two_settlements(record: DayRecord, market: Market, rounding: Rounding) -> Iterator[Line]:
    """Settle as ERCOT does; one line an award, one a reading."""
    real_time = _product(market, Stage.REAL_TIME)
    ahead = _ahead(record, market)
    for award in ahead:
        yield _award_line(award, rounding)
    for reading in record.readings:
        rest = Fraction(reading.energy_mwh) - sum(mwh for *_, mwh in sold(ahead, reading))
        if rest:
            minutes = market.product(real_time).interval_min
            price = record.price(real_time, reading.start_ms, minutes)
            what = (Item.IMBALANCE, real_time, "MWh")
            yield line(reading.start_ms, what, rest, price, rounding)
    yield from capacity_lines(record, market, rounding)


def imbalance(record: DayRecord, market: Market, rounding: Rounding) -> Iterator[Line]:
    """Settle as European balance groups are; lines by reading."""
    ahead = _ahead(record, market)
    grid = _grid(record, min(one.interval_min for one in market.products))
    for reading in record.readings:
        position = Fraction(0)
        for award, begins, mwh in sold(ahead, reading):
            what = (Item.ENERGY, award.product, "MWh")
            yield line(begins, what, mwh, award.price, rounding)
            position += mwh
        rest = Fraction(reading.energy_mwh) - position
        if rest:
            price = record.price(IMBALANCE, reading.start_ms, grid)
            what = (Item.IMBALANCE, "", "MWh")
            yield line(reading.start_ms, what, rest, price, rounding)
    yield from capacity_lines(record, market, rounding)


def gross(record: DayRecord, market: Market, rounding: Rounding) -> Iterator[Line]:
    """Settle as the Australian market does."""
    energy = next(one for one in market.products if one.kind is Kind.ENERGY)
    for reading in record.readings:
        if not reading.energy_mwh:
            continue
        factor = record.mlf_generation if reading.energy_mwh > 0 else record.mlf_load
        quantity = Fraction(reading.energy_mwh) * Fraction(factor)
        price = record.price(energy.id, reading.start_ms, energy.interval_min)
        what = (Item.ENERGY, energy.id, "MWh")
        yield line(reading.start_ms, what, quantity, price, rounding)
    yield from capacity_lines(record, market, rounding)


def china_spot(
    record: DayRecord, market: Market, rounding: Rounding, rules: ChinaFile
) -> Iterator[Line]:
    """Settle as Chinese spot markets do, by the parameters of the province's file."""
    day_ahead, real_time = _product(market, Stage.DAY_AHEAD), _product(market, Stage.REAL_TIME)
    minutes = market.product(day_ahead).interval_min
    for contract in record.contracts:
        spot = record.price(day_ahead, contract.start_ms, minutes)
        what = (Item.CONTRACT, day_ahead, "MWh")
        quantity = Fraction(contract.energy_mwh)
        yield line(contract.start_ms, what, quantity, contract.price - spot, rounding)
    ahead = [one for one in record.awards if one.product == day_ahead]
    orders = [one for one in record.awards if one.product == real_time] or ahead
    for award in ahead:
        yield _award_line(award, rounding)
    for award in record.awards:
        if market.product(award.product).kind is Kind.PEAK:  # paid for moving, either way
            what = (Item.CAPACITY, award.product, "MWh")
            quantity = hours(award.power_mw, award.minutes)
            yield line(award.start_ms, what, quantity, award.price, rounding)
    for reading in record.readings:
        metered = Fraction(reading.energy_mwh)
        rest = metered - sum(mwh for *_, mwh in sold(ahead, reading))
        scheduled = sum((mwh for *_, mwh in sold(orders, reading)), Fraction(0))
        if not rest and metered == scheduled:
            continue
        price = record.price(real_time, reading.start_ms, minutes)
        if rest:
            what = (Item.IMBALANCE, real_time, "MWh")
            yield line(reading.start_ms, what, rest, price, rounding)
        free = abs(scheduled) * Fraction(rules.deviation_free_share.value)
        excess = abs(metered - scheduled) - free
        charge = abs(price) * rules.deviation_factor.value
        if excess > 0 and charge:
            what = (Item.DEVIATION, real_time, "MWh")
            yield line(reading.start_ms, what, -excess, charge, rounding)
    yield from _regulation(record, rules, rounding)


def _regulation(record: DayRecord, rules: ChinaFile, rounding: Rounding) -> Iterator[Line]:
    won, lost = rules.regulation_capacity_won.value, rules.regulation_capacity_lost.value
    for run in record.regulation:
        k = min(run.k, rules.regulation_k_max.value)
        if run.mileage_mw:
            paid = Fraction(run.mileage_mw) * Fraction(k)
            what = (Item.MILEAGE, "regulation", "MW")
            yield line(run.start_ms, what, paid, run.price, rounding)
        for name, mw, price in (
            ("regulation", run.won_mw, won),
            ("regulation-not-won", run.offered_mw - run.won_mw, lost),
        ):
            if mw and price:
                what = (Item.CAPACITY, name, "MW.h")
                yield line(run.start_ms, what, hours(mw, run.minutes), price, rounding)


def _product(market: Market, stage: Stage) -> str:
    return next(one.id for one in market.products if one.kind is Kind.ENERGY and one.stage is stage)


def _ahead(record: DayRecord, market: Market) -> list[Award]:
    """Return the awards that are energy sold before delivery, or called by the operator."""
    found = []
    for one in record.awards:
        product = market.product(one.product)
        sold_ahead = product.kind is Kind.ENERGY and product.stage in _AHEAD
        if sold_ahead or is_activation(product):
            found.append(one)
    return found


def _award_line(award: Award, rounding: Rounding) -> Line:
    what = (Item.ENERGY, award.product, "MWh")
    quantity = hours(award.signed_mw, award.minutes)
    return line(award.start_ms, what, quantity, award.price, rounding)


def _grid(record: DayRecord, shortest: int) -> int:
    """Return the step of the imbalance prices, minutes: the least between two that are known."""
    known = sorted(record.prices.get(IMBALANCE, {}))
    steps = (later - one for one, later in pairwise(known))
    return min(steps, default=shortest * MINUTE_MS) // MINUTE_MS


def scheduled_mwh(record: DayRecord, market: Market, start_ms: int, minutes: int) -> Decimal:
    """Return the energy that a station was to deliver in an interval, MWh.

    Where a real-time product awards how a unit is to run, that counts; else what was sold ahead.
    """
    orders = [
        one
        for one in record.awards
        if market.product(one.product).kind is Kind.ENERGY
        and market.product(one.product).stage is Stage.REAL_TIME
    ]
    reading = Reading(start_ms, minutes, Decimal(0))
    covering = sold(orders, reading) or sold(_ahead(record, market), reading)
    return as_decimal(sum((mwh for *_, mwh in covering), Fraction(0)))
