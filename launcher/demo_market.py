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

from launcher.demo_config import CONTAINERS, PCS_RATED_KW
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
_LAST_TODAY: Final = dt.date(2017, 12, 17)
"""The latest recorded day that may be today: two weeks of the recording are left for the future."""
_PUBLISHED: Final = "day-1 12:45"


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
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recording.parquet"
    pq.write_table(moved, file)
    return file


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
                    {"id": "day-ahead-energy"},
                    {
                        "id": "minute-energy",
                        "ahead_min": 4.0,
                        "lead_s": 20.0,
                    },
                ],
            }
        ],
    }


def import_recording(config: Path, place: MarketPlace) -> int:
    """Import what is known by now of the recording into the running cloud; return the rows.

    Raises:
        LauncherError: the store refused them.
    """
    return asyncio.run(_import(config, place.recording))


async def _import(config: Path, recording: Path) -> int:
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
        for series, column in _series():
            rows = _known_rows(table, column, series, now_ms)
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


def _series() -> "list[tuple[Series, str]]":
    from cloud.market.prices import Kind, Publication, Series

    published = Publication(_PUBLISHED)
    found = []
    for name, column, kind in _BESIDE.values():
        beside = Series(
            *(name, Kind(kind), "MW", "test exchange", TIMEZONE, 60),
            forecast=True,
            publication=published,
        )
        found.append((beside, column))
    price = Series(
        *(PRICE, Kind.DAY_AHEAD, "EUR/MWh", "test exchange", TIMEZONE, 60), publication=published
    )
    return [*found, (price, "price")]  # the last one: with it the desk begins to draft


def _known_rows(table: "pa.Table", column: str, series: "Series", now_ms: int) -> "list[Row]":
    """Return the rows that are known by now by the series' own rule."""
    import numpy as np

    from cloud.market.prices import Row

    start = table.column("start").to_numpy().astype("datetime64[ms]").astype(np.int64)
    far_ms = int(start[-1]) + 1
    known = series.publication.known_ms(start, series.step_ms, series.zone_info, far_ms)
    value = table.column(column).to_numpy()
    return [
        Row(int(begin), float(one))
        for begin, one, at in zip(start, value, known, strict=True)
        if at <= now_ms
    ]
