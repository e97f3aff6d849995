import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from cloud.market.backtest import Request
from tests.cloud.market.bidding.made import made_prices

FIRST = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
BATTERY_TOML = (
    "charge_mw = 1\ndischarge_mw = 1\nenergy_mwh = 2\n"
    "round_trip_efficiency = 0.86\nwear_per_mwh = 8\n"
)


def write(file: Path, step_min: int, *, tz: str | None = "UTC", **columns: np.ndarray) -> Path:
    count = len(next(iter(columns.values())))
    first = int(FIRST.timestamp() * 1000)
    times = pa.array(
        first + np.arange(count, dtype=np.int64) * step_min * 60_000, pa.timestamp("ms", tz=tz)
    )
    parquet.write_table(pa.table({"at": times, **columns}), file)
    return file


@pytest.fixture(scope="session")
def asked_once(tmp_path_factory: pytest.TempPathFactory) -> Request:
    """Ninety-eight days by quarter hour with hourly day-ahead prices in a second file."""
    folder = tmp_path_factory.mktemp("backtest")
    price, base = made_prices(98, steps_a_day=96)
    battery = folder / "battery.toml"
    battery.write_text(BATTERY_TOML, "utf-8")
    return Request(
        prices=(
            write(folder / "rt.parquet", 15, spp=price),
            write(folder / "da.parquet", 60, ahead=base[::4]),
        ),
        columns="rt=spp,da=ahead",
        battery=battery,
        market="us-ercot",
        train_until=dt.date(2024, 3, 10),
        first=dt.date(2024, 3, 11),
        last=dt.date(2024, 3, 24),
    )


@pytest.fixture
def asked(asked_once: Request) -> Request:
    """The same; whoever asks something else replaces what differs."""
    return asked_once
