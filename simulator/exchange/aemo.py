"""Reads the Australian JSON: LOAD and GEN sides of energy, and frequency services."""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from simulator.exchange.config import MarketConfig, ProductConfig
from simulator.exchange.orders import Order, Orders, Unreadable
from simulator.exchange.timetable import MIN_MS, day_ms

_BANDS = 10
_NEEDED = ("enablementMin", "lowBreakPoint", "highBreakPoint", "enablementMax")


def read_aemo(body: bytes, market: MarketConfig) -> Orders:
    """Read a submission.

    Raises:
        Unreadable: it is no JSON, lacks a field, bands or periods, or its prices fall.
    """
    try:
        whole = json.loads(body, parse_float=Decimal, parse_int=Decimal)
        energy, services = whole.get("energyBids", []), whole.get("fcasBids", [])
        orders: list[Order] = []
        reasons = []
        for block in [*energy, *services]:
            product = _product(market, str(block.get("service", "ENERGY")))
            orders += _block(block, product, market)
            reasons.append(str(block.get("rebidExplanation", {}).get("reason", "")))
        _rises(energy)
        reason = min(reasons, key=len, default="")
        return Orders(tuple(orders), str(whole["referenceId"]), reason)
    except (KeyError, TypeError, AttributeError, ValueError, InvalidOperation) as error:
        raise Unreadable(f"no submission: {error!r}") from error


def _product(market: MarketConfig, code: str) -> ProductConfig:
    for one in market.products:
        if one.code == code:
            return one
    raise Unreadable(f"service {code} is not traded")


def _block(block: dict[str, Any], product: ProductConfig, market: MarketConfig) -> Iterator[Order]:
    prices = block["prices"]
    if len(prices) != _BANDS or prices != sorted(prices):
        raise Unreadable(f"{product.code}: {_BANDS} rising prices are needed, got {prices}")
    day = dt.date.fromisoformat(str(block["tradingDate"])[:10])
    begin, end = day_ms(market, day)
    energy = product.code == "ENERGY"
    periods = block["energyPeriods" if energy else "fcasPeriods"]
    ids = [int(period["periodId"]) for period in periods]
    count = (end - begin) // (product.interval_min * MIN_MS)
    if ids != list(range(1, count + 1)):
        raise Unreadable(f"{product.code}: periods 1 to {count} are needed, in order")
    side = {"LOAD": "charge", "GEN": "discharge"}[block["direction"]] if energy else ""
    side = side or ("up" if product.code.startswith("RAISE") else "down")
    for period in periods:
        bands = period["bandAvail"]
        if len(bands) != _BANDS or any(mw < 0 or mw % 1 for mw in bands):
            raise Unreadable(f"{product.code}: {_BANDS} bands of whole MW are needed")
        if sum(bands) > period["maxAvail"]:
            raise Unreadable(f"{product.code}: bands add up to more than maxAvail")
        if not energy and sorted(period[key] for key in _NEEDED) != [
            period[key] for key in _NEEDED
        ]:
            raise Unreadable(f"{product.code}: the trapezium's corners do not rise")
        start = begin + (int(period["periodId"]) - 1) * product.interval_min * MIN_MS
        for mw, price in zip(bands, prices, strict=True):
            if mw:
                yield Order(str(block["duid"]), product.id, day, start, side, mw, price)


def _rises(energy: list[dict[str, Any]]) -> None:
    """Check that what a unit uses of its LOAD prices lies below what it uses of its GEN prices."""
    used: dict[tuple[str, str], dict[str, list[Decimal]]] = {}
    for block in energy:
        live = [
            price
            for price, *mws in zip(
                block["prices"], *(p["bandAvail"] for p in block["energyPeriods"]), strict=True
            )
            if any(mws)
        ]
        key = (str(block["duid"]), str(block["tradingDate"]))
        used.setdefault(key, {}).setdefault(str(block["direction"]), []).extend(live)
    for (unit, day), sides in used.items():
        load, gen = sides.get("LOAD", []), sides.get("GEN", [])
        if load and gen and max(load) >= min(gen):
            raise Unreadable(f"{unit} {day}: LOAD {max(load)} is not below GEN {min(gen)}")
