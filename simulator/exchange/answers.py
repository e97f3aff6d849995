"""What the exchange sends: acknowledgements, clearing, statements, in each market's dress."""

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from simulator.exchange.book import Arrival, Held
from simulator.exchange.clearing import Award, Line
from simulator.exchange.config import MarketConfig
from simulator.exchange.iec import acknowledgement
from simulator.exchange.timetable import MIN_MS, day_ms, shown

_ITEMS_ZH = {"energy": "电能量", "imbalance": "偏差", "capacity": "容量", "total": "合计"}
_HEAD = (
    "statement,market,station,delivery_day,currency,start_utc,"
    "item,detail,quantity,unit,price,amount"
)
_HEAD_ZH = "结算单号,市场,电站,运行日,币种,时段,项目,明细,数量,单位,价格,金额"
_HEAD_AU = (
    "I,SETTLEMENTS,STATION,1,STATEMENTID,MARKETID,STATIONID,TRADINGDATE,CURRENCY,INTERVAL_START,"
    "ITEM,DETAIL,QUANTITY,UNIT,PRICE,AMOUNT"
)
_Row = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer over HTTP or into a file."""

    status: int
    content_type: str
    body: bytes


def as_json(status: int, value: object) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, "application/json", json.dumps(value, ensure_ascii=False).encode())


def told(held: Held, status: int, *, pending: bool = False) -> Answer:
    """Return a submission's acknowledgement, in XML if it came so."""
    if held.format == "iec-62325" and not pending:
        taken = held.status in {"accepted", "withdrawn"}
        places = [("", words) for _, words in held.faults]
        return Answer(
            status, "application/xml", acknowledgement(held.key, held.at_ms, places, taken=taken)
        )
    one: dict[str, Any] = {
        "submission": held.id,
        "key": held.key,
        "status": "pending" if pending else held.status,
        "at": shown(held.at_ms),
        "reasons": [
            {"start": shown(start) if start else None, "text": words}
            for start, words in ([] if pending else held.faults)
        ],
    }
    return as_json(status, [one, one] if held.twice else one)


def clearing(held: Held, won: Iterable[Award], *, complete: bool) -> Answer:
    """Return what a submission has got."""
    rows = [
        {
            "product": one.product,
            "start": shown(one.start_ms),
            "minutes": one.minutes,
            "direction": one.side,
            "power_mw": format(one.mw, "f"),
            "price": format(one.price, "f"),
        }
        for one in won
    ]
    whole = {"submission": held.id, "complete": complete, "awards": rows * (1 + held.twice)}
    return as_json(200, whole)


def log(arrivals: Sequence[Arrival], held: Sequence[Held]) -> Answer:
    """Return what has arrived, and how many submissions are held."""
    taken = [one.key for one in held if one.status in {"accepted", "partial", "withdrawn"}]
    lines = [asdict(one) for one in arrivals]
    return as_json(200, {"arrivals": lines, "taken": taken, "count": len(taken)})


def statement(
    market: MarketConfig, station: str, day: dt.date, lines: Sequence[Line], written: str
) -> Answer:
    """Return a day's statement as the market prints it, with its total."""
    name = f"{market.id}/{station}/{day}"
    total = sum((line.amount for line in lines), Decimal(0))
    rows: list[_Row] = [(line.start_ms, _cells(line)) for line in lines]
    rows.append((0, ("total", "", "", "", "", format(total, "f"))))
    head = (name, market.id, station, day.isoformat(), market.currency)
    match written:
        case "china-96":
            body = _china(head, rows, market, day)
        case "aemo-json":
            body = _australia(head, rows)
        case _:
            table = [(*head, shown(at) if at else "", *cells) for at, cells in rows]
            body = _table(_HEAD, table).encode()
    return Answer(200, "text/csv; charset=utf-8", body)


def _cells(line: Line) -> tuple[str, ...]:
    numbers = [format(v, "f") for v in (line.quantity, line.price, line.amount)]
    return line.item, line.detail, numbers[0], line.unit, numbers[1], numbers[2]


def _china(head: tuple[str, ...], rows: list[_Row], market: MarketConfig, day: dt.date) -> bytes:
    begin = day_ms(market, day)[0]
    step = min(one.interval_min for one in market.products)
    table = []
    for at, (item, *cells) in rows:
        minutes = (at - begin) // MIN_MS + step
        label = f"{minutes // 60:02d}:{minutes % 60:02d}" if at else ""
        table.append((*head, label, _ITEMS_ZH[item], *cells))
    return _table(_HEAD_ZH, table).encode("utf-8-sig")


def _australia(head: tuple[str, ...], rows: list[_Row]) -> bytes:
    """Return a report as the operator's: C comment, I headings, D data, market time."""
    marks = ("SETTLEMENTS", "STATION", "1")
    zone = ZoneInfo("Australia/Brisbane")
    table = []
    for at, cells in rows:
        local = dt.datetime.fromtimestamp(at / 1000, zone).strftime("%Y/%m/%d %H:%M:%S")
        table.append(("D", *marks, *head, local if at else "", *cells))
    comment = "C,TEST EXCHANGE,STATEMENT\r\n"
    return (comment + _table(_HEAD_AU, table)).encode()


def _table(head: str, rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    out.write(head + "\r\n")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
