import datetime as dt
import tomllib

import numpy as np
import pyarrow.parquet as pq
import pytest

from cloud.config_desk import DeskSection
from cloud.market.bid import Direction
from cloud.market.exchanges import load_market
from cloud.market.exchanges.market import PROFILES
from launcher.demo_market import (
    MARKET,
    MarketPlace,
    demo_series,
    known_rows,
    known_until_ms,
    recorded_day,
    section,
    write_exchange,
    write_recording,
)
from launcher.paths import DATA
from simulator.exchange.config import load_config
from simulator.exchange.recorded import load


@pytest.mark.parametrize(
    "today",
    [dt.date(2026, 11, 26), dt.date(2028, 2, 29), dt.date(2026, 12, 31), dt.date(2027, 1, 1)],
)
def test_today_is_played_by_a_day_of_the_same_weekday_with_three_years_before_it(today: dt.date):
    played = recorded_day(today)

    assert played.weekday() == today.weekday()
    assert dt.date(2017, 1, 1) <= played <= dt.date(2017, 12, 17)
    season = (played.timetuple().tm_yday - today.timetuple().tm_yday) % 365
    assert min(season, 365 - season) <= 20


def test_hours_of_the_recorded_day_become_hours_of_ours(tmp_path):
    today = dt.date(2026, 11, 26)

    table = pq.read_table(write_recording(tmp_path, today))

    starts = table.column("start").to_numpy().astype("datetime64[ms]")
    ours = np.datetime64("2026-11-25T16:00")  # midnight in Shanghai
    theirs = np.datetime64(recorded_day(today).isoformat())
    source = pq.read_table(DATA / "market" / "epf_de.parquet")
    wanted = source.column("price").to_numpy()[
        source.column("time").to_numpy().astype("datetime64[ms]") == theirs
    ]
    assert table.column("price").to_numpy()[starts == ours] == wanted
    assert np.unique(np.diff(starts)) == np.timedelta64(1, "h")


def test_the_exchange_plays_the_recording_by_the_rules_of_its_profile(tmp_path):
    today = dt.date(2026, 11, 26)
    recording = write_recording(tmp_path, today)

    config = load_config(write_exchange(tmp_path, recording, 0))

    market = config.market(MARKET)
    assert market is not None
    profile = tomllib.loads((PROFILES / "test-exchange.toml").read_text("utf-8"))
    by_id = {one["id"]: one for one in profile["products"]}
    assert market.zone == profile["zone"]
    for product in market.products:
        rules = by_id[product.id]
        assert product.interval_min == rules["interval_min"]["value"]
        assert product.price.file == recording
        gate = rules["gate"]["value"]
        assert product.due_minutes_before == gate.get("minutes_before")
        assert product.due_together_min == gate.get("together_min", 0)
        assert product.due_at == gate.get("at")
        assert product.due_days_before == gate.get("days_before")
    prices = load(market.products[0].price)
    table = pq.read_table(recording)
    start = table.column("start").to_numpy().astype("datetime64[ms]").astype(np.int64)
    assert float(prices.at(int(start[-300]) + 60_000)) == pytest.approx(
        table.column("price").to_numpy()[-300], abs=0.005
    )


def test_after_its_end_the_recording_goes_on_with_the_same_season_and_weekday(tmp_path):
    table = pq.read_table(write_recording(tmp_path, dt.date(2026, 11, 26)))

    start = table.column("start").to_numpy().astype("datetime64[ms]")
    price = table.column("price").to_numpy()
    year = 52 * 7 * 24
    assert start[-1] > np.datetime64("2027-11-26")
    assert (price[-year:] == price[-2 * year : -year]).all()
    assert np.unique(np.diff(start)) == np.timedelta64(1, "h")


@pytest.mark.parametrize(
    ("utc", "day_after_the_last"),
    [("2026-11-26T04:44:59", "2026-11-27"), ("2026-11-26T04:45:00", "2026-11-28")],
)
def test_prices_of_tomorrow_are_published_at_a_quarter_to_one(utc, day_after_the_last):
    now_ms = round(dt.datetime.fromisoformat(f"{utc}+00:00").timestamp() * 1e3)

    until_ms = known_until_ms(now_ms)

    midnight = dt.datetime.fromisoformat(f"{day_after_the_last}T00:00:00+08:00")
    assert until_ms == midnight.timestamp() * 1e3


def test_the_demos_desk_bids_energy_regulation_and_local_energy_together(tmp_path):
    given = section(MarketPlace("http://127.0.0.1:1", tmp_path, tmp_path), "demo")

    (desk,) = (DeskSection.model_validate(one) for one in given["desks"])
    ahead = desk.products[0]
    market = load_market(MARKET)
    assert (ahead.id, set(ahead.held), set(ahead.side)) == (
        "day-ahead-energy",
        {"regulation"},
        {"local-energy"},
    )
    assert market.product("regulation").directions == (Direction.BOTH,)
    asked_of = set(given["exchanges"][0]["settlement_prices"])
    assert asked_of == {"imbalance", *(one.id for one in market.products)}


def test_what_rolls_on_begins_where_the_last_import_ended(tmp_path):
    table = pq.read_table(write_recording(tmp_path, dt.date(2026, 11, 26)))
    shanghai = dt.timezone(dt.timedelta(hours=8))
    noon = dt.datetime(2026, 11, 28, 13, tzinfo=shanghai)
    now_ms = round(noon.timestamp() * 1e3)
    from_ms = known_until_ms(now_ms - 86_400_000)
    by_id = {one.id: (one, column, scale) for one, column, scale in demo_series()}

    found = {
        name: known_rows(table, column, scale, one, now_ms, from_ms)
        for name, (one, column, scale) in by_id.items()
    }

    hours = [from_ms + hour * 3_600_000 for hour in range(24)]
    assert all([row.start_ms for row in rows] == hours for rows in found.values())
    paid = [row.value for row in found["demo.regulation"]]
    traded = [row.value for row in found["demo.day_ahead"]]
    assert paid == pytest.approx([0.25 * price for price in traded], abs=0.01)
    assert known_until_ms(now_ms) == hours[-1] + 3_600_000
