"""Reads bids from tables: curves with times in UTC, and the Chinese 96 points."""

import csv
import datetime as dt
import io
from decimal import Decimal, InvalidOperation

from simulator.exchange.config import MarketConfig
from simulator.exchange.orders import Order, Orders, Unreadable
from simulator.exchange.timetable import MIN_MS, day_ms

_SIDES_ZH = {"充电": "charge", "放电": "discharge", "上调": "up", "下调": "down", "调频": "both"}
_UNPRICED = {"quantity_only", "self_schedule", "报量不报价", "自调度"}


def read_curves(body: bytes, market: MarketConfig) -> Orders:
    """Read a curve table.

    Raises:
        Unreadable: it is none, or of another market.
    """
    orders = []
    for line, row in _rows(body):
        try:
            if row["market"] != market.id:
                raise Unreadable(f"line {line}: market {row['market']} is not {market.id}")
            if not row["direction"]:
                continue
            orders.append(
                Order(
                    row["station"],
                    row["product"],
                    dt.date.fromisoformat(row["delivery_day"]),
                    _utc_ms(row["start_utc"]),
                    row["direction"],
                    Decimal(row["power_mw"]),
                    _price(row["price"], row["mode"]),
                )
            )
        except (KeyError, ValueError, InvalidOperation) as error:
            raise Unreadable(f"line {line}: {error!r}") from error
    return Orders(tuple(orders))


def read_china(body: bytes, market: MarketConfig) -> Orders:
    """Read a table of 时段; each is named by its end.

    Raises:
        Unreadable: it is none, or of another market.
    """
    orders = []
    for line, row in _rows(body):
        try:
            if row["市场"] != market.id:
                raise Unreadable(f"line {line}: 市场 {row['市场']} is not {market.id}")
            product = market.product(row["品种"])
            if product is None:
                raise Unreadable(f"line {line}: 品种 {row['品种']} is not traded")
            if not row["方向"]:
                continue
            day = dt.date.fromisoformat(row["运行日"])
            hours, minutes = row["时段"].split(":")
            end = int(hours) * 60 + int(minutes)
            start = day_ms(market, day)[0] + (end - product.interval_min) * MIN_MS
            side = _SIDES_ZH[row["方向"]]
            mw, price = Decimal(row["容量(MW)"]), _price(row["报价"], row["申报方式"])
            orders.append(Order(row["电站"], product.id, day, start, side, mw, price))
        except (KeyError, ValueError, InvalidOperation) as error:
            raise Unreadable(f"line {line}: {error!r}") from error
    return Orders(tuple(orders))


def _rows(body: bytes) -> list[tuple[int, dict[str, str]]]:
    try:
        text = body.decode("utf-8-sig")
        return list(enumerate(csv.DictReader(io.StringIO(text), strict=True), 2))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"no table in UTF-8: {error}") from error


def _price(text: str, mode: str) -> Decimal | None:
    if bool(text) == (mode in _UNPRICED):
        raise ValueError(f"price {text!r} does not go with {mode}")
    return Decimal(text) if text else None


def _utc_ms(text: str) -> int:
    if not text.endswith("Z"):
        raise ValueError(f"{text} is not in UTC")
    return int(dt.datetime.fromisoformat(text).timestamp()) * 1000
