"""The market of a demo: recorded prices moved to today, and the test exchange that clears them.

The prices are real ones of Germany, 2014 to 2017 (data/README.md), so tomorrow's are known to the
exchange and to nobody else. They are moved by whole weeks to a day of the same season; the console
says "Test exchange" wherever they are shown.
"""

import asyncio
import datetime as dt
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import tomli_w

from launcher.demo_config import CONTAINERS, PCS_RATED_KW, REGULATION_KW
from launcher.errors import LauncherError
from launcher.paths import DATA

if TYPE_CHECKING:
    import pyarrow as pa

    from cloud.market.prices import Row, Series

MARKET: Final = "test-exchange"
PRICE: Final = "demo.day_ahead"
TIMEZONE: Final = "Asia/Shanghai"
PARTICIPANT: Final = "demo-desk"
DESK: Final = "demo"
_RECORDING: Final = DATA / "market" / "epf_de.parquet"
_EXCHANGE: Final = DATA / "simulator" / "exchange.toml"
_PLAYED: Final = {"column": "price", "at": "start"}
_BESIDE: Final = {
    "load": ("demo.load_forecast", "load_forecast_mw", "load"),
    "renewables": ("demo.renewables_forecast", "renewables_forecast_mw", "wind"),
}
"""Name to the forecaster: id of the series, column of the recording, kind."""
REGULATION: Final = "demo.regulation"
LOCAL: Final = "demo.local"
_LOCAL_MW: Final = 0.5
"""What the neighbours of the demo's region take or give at most."""
_REGULATION_USED: Final = 0.26
"""MWh that a MW gives to the grid in an hour: by data/market/regulation_signal.csv, on average."""
_ROLLS_ON: Final = dt.timedelta(weeks=52)
"""After its end the recording goes on with its own last year: the same season and weekday."""
_LAST_TODAY: Final = dt.date(2017, 12, 17)
"""The latest recorded day that may be today: two weeks of the recording are left for the future."""
_PUBLISHED_AT: Final = dt.time(12, 45)
_PUBLISHED: Final = f"day-1 {_PUBLISHED_AT:%H:%M}"


@dataclass(frozen=True)
class MarketPlace:
    """Where the demo's exchange is reached, and what it plays."""

    address: str
    token_file: Path
    recording: Path


def recorded_day(today: dt.date) -> dt.date:
    """Return the recorded day that is played as today: same season, same day of the week."""
    year = _LAST_TODAY.year
    leap = (today.month, today.day) == (2, 29)
    near = dt.date(year, 3, 1) if leap else today.replace(year=year)
    near += dt.timedelta(days=(today.weekday() - near.weekday()) % 7)
    while near > _LAST_TODAY:
        near -= dt.timedelta(days=7)
    return near


def write_recording(folder: Path, today: dt.date) -> Path:
    """Write the recording with today's times; hours of its days become hours of ours."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(_RECORDING)
    shift = today - recorded_day(today) - _ahead_of_utc(today)
    times = pc.add(
        table.column("time").cast(pa.timestamp("ms")), pa.scalar(shift, pa.duration("ms"))
    )
    moved = table.drop_columns(["time"]).append_column(
        "start", times.cast(pa.timestamp("ms", "UTC"))
    )
    moved = pa.concat_tables([moved, _once_more(moved)])
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recording.parquet"
    pq.write_table(moved, file)
    return file


def _once_more(table: "pa.Table") -> "pa.Table":
    """Return the last year of a recording once more, after its end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    start = table.column("start")
    rows_of_it = round(_ROLLS_ON / dt.timedelta(hours=1))
    last = table.slice(table.num_rows - rows_of_it)
    later = pc.add(last.column("start"), pa.scalar(_ROLLS_ON, pa.duration("ms")))
    return last.set_column(table.column_names.index("start"), "start", later.cast(start.type))


def _ahead_of_utc(day: dt.date) -> dt.timedelta:
    noon = dt.datetime.combine(day, dt.time(12), tzinfo=ZoneInfo(TIMEZONE))
    return noon.utcoffset() or dt.timedelta()


def write_exchange(folder: Path, recording: Path, port: int) -> Path:
    """Write the configuration of the test exchange: the shipped one, playing this recording."""
    config = tomllib.loads(_EXCHANGE.read_text("utf-8"), parse_float=str)
    (market,) = config["markets"]
    for plays in (market, *market["products"]):
        for name in ("price", "imbalance"):
            if name in plays:
                plays[name] = _PLAYED | {"file": str(recording)} | _kept(plays[name])
    config |= {"port": port, "token_file": "token", "folder": "exchange"}
    file = folder / "exchange.toml"
    file.write_text(tomli_w.dumps(config), "utf-8")
    return file


def _kept(price: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in price.items() if name in {"scale", "ripple"}}


def limits() -> dict[str, float]:
    """Return what the demo's desk may do: a trader alone up to the station's power.

    The sums are those of a station whose good day brings some hundred EUR.
    """
    power_mw = CONTAINERS * PCS_RATED_KW / 1e3
    return {
        "max_power_mw": power_mw,
        "max_cvar": 2_000.0,
        "trader_power_mw": power_mw,
        "trader_cvar": 500.0,
    }


def section(place: MarketPlace, station: str) -> dict[str, Any]:
    """Return the section `[market]` of the cloud's configuration."""
    return {
        "escalate_min": 1.0,  # bids by the minute are drafted four minutes before their gate
        "fallback_min": 0.25,
        "exchanges": [
            {
                "market": MARKET,
                "url": place.address,
                "participant": PARTICIPANT,
                "token_file": str(place.token_file),
                "report_meter": True,
                "provisional": True,
                "settlement_prices": {
                    name: f"{MARKET}.{name}"
                    for name in (
                        "imbalance",
                        "day-ahead-energy",
                        "intraday-energy",
                        "minute-energy",
                        "local-energy",
                        "regulation",
                    )
                },
            }
        ],
        "desks": [
            {
                "desk": DESK,
                "station": station,
                "market": MARKET,
                "price": PRICE,
                "exogenous": {name: series for name, (series, _, _) in _BESIDE.items()},
                "members": "quick",
                "warm_up_days": 14,
                "end_soc": 0.5,
                "products": [
                    {
                        "id": "day-ahead-energy",
                        "held": {"regulation": REGULATION},
                        "held_most_mw": REGULATION_KW / 1e3,
                        "used": {"regulation": _REGULATION_USED},
                        "side": {"local-energy": LOCAL},
                        "side_most_mw": _LOCAL_MW,
                    },
                    {
                        "id": "minute-energy",
                        "ahead_min": 4.0,
                        "lead_s": 20.0,
                    },
                ],
            }
        ],
    }


def import_recording(config: Path, place: MarketPlace, from_ms: int = 0) -> int:
    """Import what is known by now of the recording into the running cloud; return the rows.

    Args:
        config: of the cloud.
        place: the exchange, with its recording.
        from_ms: hours that begin earlier are there already.

    Raises:
        LauncherError: the store refused them.
    """
    return asyncio.run(_import(config, place.recording, from_ms))


def known_until_ms(now_ms: int) -> int:
    """Return until when the market has published its prices: to the end of today, or tomorrow."""
    zone = ZoneInfo(TIMEZONE)
    now = dt.datetime.fromtimestamp(now_ms / 1e3, zone)
    published = dt.datetime.combine(now.date(), _PUBLISHED_AT, zone)
    days = 2 if now >= published else 1
    end = dt.datetime.combine(now.date() + dt.timedelta(days=days), dt.time(), zone)
    return round(end.timestamp() * 1e3)


async def _import(config: Path, recording: Path, from_ms: int) -> int:
    import pyarrow.parquet as pq

    from cloud.config import load
    from cloud.db import create_pool
    from cloud.db.running import running_dsn
    from cloud.market import prices

    loaded = load(config)
    table = pq.read_table(recording)
    now_ms = time.time_ns() // 1_000_000
    pool = create_pool(running_dsn(loaded), 2, loaded.database.pool_timeout_s)
    await pool.open()
    try:
        count = 0
        for series, column, scale in demo_series():
            rows = known_rows(table, column, scale, series, now_ms, from_ms)
            if not rows:
                continue
            report = await prices.import_rows(
                *(pool, series, rows),
                source="recorded German market, moved to today",
                now_ms=now_ms,
                accept=prices.ACCEPTABLE,
            )
            if report.refused:
                raise LauncherError(f"the demo's prices were refused: {' '.join(report.lines())}")
            count += report.added
        return count
    finally:
        await pool.close()


def demo_series() -> "list[tuple[Series, str, float]]":
    """Return the demo's series, each with its column of the recording and what scales it."""
    from cloud.market.prices import Kind, Publication, Series

    published = Publication(_PUBLISHED)
    found = []
    for name, column, kind in _BESIDE.values():
        beside = Series(
            *(name, Kind(kind), "MW", "test exchange", TIMEZONE, 60),
            forecast=True,
            publication=published,
        )
        found.append((beside, column, 1.0))
    prices = (
        (REGULATION, Kind.CAPACITY, "EUR/MW", _scale_of("regulation")),
        (LOCAL, Kind.DAY_AHEAD, "EUR/MWh", _scale_of("local-energy")),
        (PRICE, Kind.DAY_AHEAD, "EUR/MWh", 1.0),  # the last one: with it the desk begins to draft
    )
    for name, kind, unit, scale in prices:
        one = Series(*(name, kind, unit, "test exchange", TIMEZONE, 60), publication=published)
        found.append((one, "price", scale))
    return found


def _scale_of(product: str) -> float:
    """Return by what the exchange multiplies the recorded price for a product."""
    (market,) = tomllib.loads(_EXCHANGE.read_text("utf-8"))["markets"]
    (price,) = (one["price"] for one in market["products"] if one["id"] == product)
    return float(price.get("scale", 1))


def known_rows(  # noqa: PLR0917 - a table, what of it, and the time
    table: "pa.Table", column: str, scale: float, series: "Series", now_ms: int, from_ms: int
) -> "list[Row]":
    """Return the rows that are known by now by the series' own rule."""
    import numpy as np

    from cloud.market.prices import Row

    start = table.column("start").to_numpy().astype("datetime64[ms]").astype(np.int64)
    far_ms = int(start[-1]) + 1
    known = series.publication.known_ms(start, series.step_ms, series.zone_info, far_ms)
    value = np.round(table.column(column).to_numpy() * scale, 2)
    return [
        Row(int(begin), float(one))
        for begin, one, at in zip(start, value, known, strict=True)
        if at <= now_ms and begin >= from_ms
    ]
