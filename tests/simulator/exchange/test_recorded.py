import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.errors import ConfigError
from simulator.exchange.config import PriceConfig
from simulator.exchange.recorded import load

HOUR_MS = 3_600_000


def _ms(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) * 1000


def _hours(first: str, count: int) -> tuple[list[dt.datetime], list[float]]:
    start = dt.datetime.fromisoformat(first)
    return [start + dt.timedelta(hours=n) for n in range(count)], [float(n) for n in range(count)]


def test_a_day_of_clock_times_repeats_every_day(tmp_path: Path):
    file = tmp_path / "p.csv"
    file.write_text("start,price\n00:00,10\n12:00,20.123\n")
    recorded = load(PriceConfig(file=file, column="price"))

    assert recorded.at(_ms("2026-03-10T11:59:00Z")) == 10
    assert recorded.at(_ms("2027-01-01T12:00:00Z")) == Decimal("20.12")


def test_a_recorded_year_is_mapped_on_today_and_begins_again_on_the_same_weekday(tmp_path: Path):
    times, prices = _hours("2020-01-01T00:00:00+00:00", 24 * 17)  # 17 days: two whole weeks
    file = tmp_path / "p.parquet"
    pq.write_table(pa.table({"time": times, "price": prices}), file)
    offset = (dt.date(2026, 1, 7) - dt.date(2020, 1, 1)).days

    recorded = load(PriceConfig(file=file, column="price", at="time", offset_days=offset))

    assert recorded.at(_ms("2026-01-07T05:30:00Z")) == 5
    assert recorded.at(_ms("2026-01-20T23:00:00Z")) == 24 * 14 - 1
    assert recorded.at(_ms("2026-01-21T00:00:00Z")) == 0


def test_an_index_of_times_serves_as_the_column_of_times(tmp_path: Path):
    pandas = pytest.importorskip("pandas")
    times, prices = _hours("2020-01-01T00:00:00+00:00", 24)
    file = tmp_path / "p.parquet"
    pandas.DataFrame({"price": prices}, index=pandas.DatetimeIndex(times)).to_parquet(file)

    recorded = load(PriceConfig(file=file, column="price", scale=Decimal(2)))

    assert recorded.at(_ms("2020-01-05T03:00:00Z")) == 6


def test_a_ripple_moves_a_price_by_so_much_at_most_and_hours_may_be_shifted(tmp_path: Path):
    file = tmp_path / "p.csv"
    file.write_text("start,price\n00:00,10\n12:00,20\n")
    plain = load(PriceConfig(file=file, column="price", offset_hours=-8))
    moved = load(PriceConfig(file=file, column="price", offset_hours=-8, ripple=Decimal(3)))

    moments = range(_ms("2026-03-10T00:00:00Z"), _ms("2026-03-11T00:00:00Z"), 300_000)
    gaps = [moved.at(at) - plain.at(at) for at in moments]

    assert plain.at(_ms("2026-03-10T03:59:00Z")) == 10
    assert plain.at(_ms("2026-03-10T04:00:00Z")) == 20
    assert max(map(abs, gaps)) <= 3
    assert len(set(gaps)) > 100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("start,cost\n00:00,1\n12:00,2\n", "price"),
        ("start,price\n00:00,1\n", "two rows"),
        ("start,price\n00:00,1\n12:00,dear\n", "line 3"),
    ],
)
def test_a_recording_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str):
    file = tmp_path / "p.csv"
    file.write_text(text)

    with pytest.raises(ConfigError, match=words):
        load(PriceConfig(file=file, column="price"))
