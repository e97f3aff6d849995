"""Series and rows that tests of prices share."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cloud.market.prices import Kind, Publication, Series
from cloud.market.prices.table import Table

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 3_600_000
NOW_MS = 1_790_000_000_000


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    """Return a local time as UTC milliseconds."""
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def prices(start_ms: int, hours: int, seed: int = 1) -> Table:
    """Plausible hourly prices that were known a day before."""
    start = start_ms + HOUR_MS * np.arange(hours, dtype=np.int64)
    rng = np.random.default_rng(seed)
    value = 60 + 30 * np.sin(start / 86_400_000 * 2 * np.pi) + rng.normal(0, 8, hours)
    return Table(start, start - 24 * HOUR_MS, np.round(value, 2))


@pytest.fixture
def day_ahead() -> Series:
    return Series(
        *("de-lu.day_ahead", Kind.DAY_AHEAD, "EUR/MWh", "DE-LU", "Europe/Berlin", 60),
        publication=Publication("day-1 12:45"),
    )


@pytest.fixture
def load() -> Series:
    return Series(
        *("de.load", Kind.LOAD, "MW", "DE", "Europe/Berlin", 60),
        publication=Publication("after 60"),
    )
