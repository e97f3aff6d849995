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


def request_of(folder: Path, step_min: int) -> Request:
    """Ninety-eight days with hourly day-ahead prices in a second file."""
    per_hour = 60 // step_min
    price, base = made_prices(98, steps_a_day=24 * per_hour)
    battery = folder / "battery.toml"
    battery.write_text(BATTERY_TOML, "utf-8")
    return Request(
        prices=(
            write(folder / "rt.parquet", step_min, spp=price),
            write(folder / "da.parquet", 60, ahead=base[::per_hour]),
        ),
        columns="rt=spp,da=ahead",
        battery=battery,
        market="us-ercot",
        train_until=dt.date(2024, 3, 10),
        first=dt.date(2024, 3, 11),
        last=dt.date(2024, 3, 24),
        policy_steps=64 * 168,  # one round: what learns a policy shows that it does
    )


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Request:
    """By the quarter hour; whoever asks something else replaces what differs."""
    return request_of(tmp_path_factory.mktemp("quarters"), 15)


@pytest.fixture(scope="session")
def asked_hourly(tmp_path_factory: pytest.TempPathFactory) -> Request:
    """By the hour, for whoever runs every strategy: a quarter of the steps to learn from."""
    return request_of(tmp_path_factory.mktemp("hours"), 60)
