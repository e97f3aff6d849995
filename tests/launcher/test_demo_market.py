import datetime as dt
import tomllib

import numpy as np
import pyarrow.parquet as pq
import pytest

from cloud.market.exchanges.market import PROFILES
from launcher.demo_market import MARKET, recorded_day, write_exchange, write_recording
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
