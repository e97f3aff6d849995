"""The samples that ship with the plant say what their documentation says."""

import csv

import pytest

from simulator.config import DATA

RATED_KW = 3450.0
CAPACITY_KWH = 7450.0


def table(name: str) -> list[dict[str, str]]:
    with (DATA / "market" / name).open() as file:
        return list(csv.DictReader(file))


def test_the_default_schedule_charges_in_the_valley_and_discharges_when_power_is_dear():
    rows = table("default_schedule.csv")
    hours = [int(row["start"][:2]) for row in rows]
    power = [float(row["power_kw"]) for row in rows]
    price = [float(row["price_eur_per_mwh"]) for row in rows]
    valley = [hour >= 23 or hour < 7 for hour in hours]
    day_prices = [p for p, v in zip(price, valley, strict=True) if not v]
    threshold = sum(day_prices) / len(day_prices)

    assert len(rows) == 96
    assert all(v for p, v in zip(power, valley, strict=True) if p < 0)
    assert all(c > threshold for p, c in zip(power, price, strict=True) if p > 0)
    assert max(map(abs, power)) <= RATED_KW
    assert 0.38 * CAPACITY_KWH < sum(p for p in power if p > 0) / 4 < 0.42 * CAPACITY_KWH
    assert 0.43 * CAPACITY_KWH < -sum(p for p in power if p < 0) / 4 < 0.47 * CAPACITY_KWH


def test_the_schedule_carries_the_prices_of_the_day():
    hourly = [float(row["price_eur_per_mwh"]) for row in table("day_ahead_price.csv")]
    quarters = [float(row["price_eur_per_mwh"]) for row in table("default_schedule.csv")]

    assert quarters[::4] == hourly
    assert len(hourly) == 24


def test_the_regulation_signal_is_four_hours_at_four_seconds_within_unity():
    rows = table("regulation_signal.csv")
    signal = [float(row["signal"]) for row in rows]

    assert [int(row["time_s"]) for row in rows] == list(range(0, 4 * 3600, 4))
    assert min(signal) >= -1
    assert max(signal) <= 1
    assert sum(signal) / len(signal) == pytest.approx(0, abs=0.02)
