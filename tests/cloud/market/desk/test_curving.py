"""Drafts within the day: curves of the policy that may bid, else of opportunity values."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import ValidationError

from cloud.config_desk import DeskSection, ProductSection
from cloud.keys import open_keys
from cloud.market import bids
from cloud.market.backtest.case import Case
from cloud.market.backtest.learnt import course_of
from cloud.market.backtest.prices import on_local_days
from cloud.market.backtest.rolling import roll_values
from cloud.market.battery import Battery
from cloud.market.bid import Direction
from cloud.market.bidding.policy_training.gate import Verdict
from cloud.market.bidding.policy_training.train import Options, Promoted, retrain
from cloud.market.bids import Award, Cleared
from cloud.market.desk.drafter import Drafter
from cloud.market.desk.judging import figures_of, forecast_of
from cloud.market.desk.price_view import View, seen_ahead, value_ahead
from cloud.market.desk.weighing import beside_of, worth_of
from cloud.market.exchanges import check, load_market
from cloud.market.prices import ACCEPTABLE, Kind, Publication, Row, Series, import_rows
from cloud.market.retraining import Wish, record, work
from cloud.market.retraining.courses import make_courses, read_stored
from cloud.market.retraining.shelf import working_folder
from cloud.market.station_battery import StationBattery
from cloud.vault.vault import Vault
from tests.cloud.market.bidding.made import made_prices
from tests.cloud.market.bidding.test_value import BANDS
from tests.cloud.market.desk.test_drafter import all_bids, clear
from tests.cloud.stations import create_station

MARKET = load_market("us-ercot")
PRODUCT = MARKET.product("real-time-energy")
FIRST, DAYS = dt.date(2024, 4, 1), 130
QUARTER_MS = 900_000
BEGIN_MS = MARKET.calendar.day_bounds_ms(FIRST)[0]
BATTERY = Battery(1.0, 1.0, 2.0, 0.93, 0.93, 8.0, soc=0.5)
DAY = FIRST + dt.timedelta(days=DAYS - 1)
EVENING_MS = MARKET.calendar.day_bounds_ms(DAY)[0] + 20 * 4 * QUARTER_MS
WISH = Wish(
    *("s1", MARKET.id, "tx.real_time", "tx.day_ahead"),
    unseen_weeks=4,
    steps=64 * 168,
    seeds=1,
    allow_short=True,
)


def desk(**more: object) -> DeskSection:
    product = {"id": PRODUCT.id, "ahead_min": 10.0, "lead_s": 60.0, "real_time": "tx.real_time"}
    return DeskSection.model_validate(
        {
            "station": "s1",
            "market": MARKET.id,
            "price": "tx.day_ahead",
            "members": "naive",
            "allow_short_history": True,
            "warm_up_days": 14,
            "products": [product | more],
        }
    )


async def sold(_: DeskSection) -> StationBattery:
    return StationBattery(BATTERY, 0.9, ())


@pytest.fixture
async def vault(pool, tmp_path) -> Vault:
    await create_station(pool, "s1")
    price, base = made_prices(DAYS, steps_a_day=96)
    hours = base.reshape(-1, 4).mean(axis=1)
    start = BEGIN_MS + QUARTER_MS * np.arange(len(price))
    for name, kind, step, times, values, published in (
        ("tx.real_time", Kind.REAL_TIME, 15, start, price, "after 2"),
        ("tx.day_ahead", Kind.DAY_AHEAD, 60, start[::4], hours, "day-1 13:30"),
    ):
        series = Series(
            *(name, kind, "USD/MWh", "HUB", MARKET.calendar.zone, step),
            publication=Publication(published),
        )
        rows = [Row(int(t), round(float(v), 2)) for t, v in zip(times, values, strict=True)]
        now_ms = int(start[-1]) + DAYS * QUARTER_MS
        await import_rows(pool, series, rows, source="made", now_ms=now_ms, accept=ACCEPTABLE)
    return Vault(pool, open_keys(tmp_path / "keys"))


async def drafted(
    pool, vault, section: DeskSection, policies: Path, *, later_ms: int = 0
) -> list[bids.Bid]:
    works = Drafter(
        pool,
        vault,
        (section,),
        sold=sold,
        clock=lambda: EVENING_MS + later_ms - 1_080_000,
        policies=policies,
    )
    await works.run()
    return await all_bids(pool, vault)


async def test_a_quarter_hour_is_bid_by_a_curve_that_the_market_takes(pool, vault, tmp_path):
    (bid,) = await drafted(pool, vault, desk(), tmp_path)

    content = bid.versions[0].content
    (interval,) = content.bid_set.intervals
    assert interval.start_ms == EVENING_MS
    ways = [one.direction for one in interval.segments]
    assert set(ways) == {Direction.CHARGE, Direction.DISCHARGE}
    assert len(ways) > 2
    assert check(content.bid_set, PRODUCT, BATTERY, now_ms=EVENING_MS - 1_080_000) == ()
    assert "opportunity values, Markov-SDP" in content.models
    told = {one.start_ms: one for one in content.explanation}
    least = min(s.price for s in interval.segments if s.direction is Direction.DISCHARGE)
    assert f"sold from {least:.2f}, where a MWh in store is worth" in told[EVENING_MS].en
    assert f"不低于 {least:.2f} 卖出" in told[EVENING_MS].zh
    for number, one in enumerate(interval.segments):
        way = ("from", "不低于") if one.direction is Direction.DISCHARGE else ("up to", "不高于")
        first = number == ways.index(one.direction)
        en = f": {one.power_mw} MW" if first else f", {one.power_mw} MW more {way[0]} {one.price}"
        assert en in told[EVENING_MS].en
        assert f"{way[1]} {one.price} {'' if first else '再加'}" in told[EVENING_MS].zh
    notes = [one for one in content.explanation if one.start_ms is None]
    assert any("no policy has passed the gate" in one.en for one in notes)
    assert any(one.zh == "按机会价值曲线申报：尚无策略通过准入" for one in notes)
    assert set(content.inputs["plan"]["beside_mw"]) == {0.0}
    figures = figures_of(
        *(content.bid_set, BATTERY, forecast_of(content.inputs)),
        beside=beside_of(content.inputs),
        worth=worth_of(content.inputs),
        seed=1,
    )
    assert figures["var"] <= figures["cvar"] <= figures["worst"]
    spare = bid.versions[1].content
    assert len(spare.bid_set.intervals[0].segments) <= 1


async def test_the_policy_that_passed_bids_and_altered_files_fall_back(pool, dsn, vault, tmp_path):
    model = await promoted(pool, dsn, tmp_path)
    (by_policy,) = await drafted(pool, vault, desk(), tmp_path)
    (tmp_path / "s1" / MARKET.id / model / "seed-0.onnx").write_bytes(b"other")
    _, by_value = await drafted(pool, vault, desk(), tmp_path, later_ms=QUARTER_MS)

    policy, value = (one.versions[0].content for one in (by_policy, by_value))
    assert f"policy {model[:12]} on opportunity values, Markov-SDP" in policy.models
    assert any(f"curves of policy {model[:12]}" in one.en for one in policy.explanation)
    assert any("the policy has moved these prices" in one.en for one in policy.explanation)
    assert check(policy.bid_set, PRODUCT, BATTERY) == ()
    assert "opportunity values, Markov-SDP" in value.models
    assert any("missing or altered" in one.en for one in value.explanation)


async def test_without_its_own_price_the_plan_bids_and_that_is_said(pool, vault, tmp_path):
    (bid,) = await drafted(pool, vault, desk(real_time="tx.day_ahead"), tmp_path)

    content = bid.versions[0].content
    assert content.models == content.models[:1]
    (note,) = [one for one in content.explanation if "no curve could be made" in one.en]
    assert "tx.day_ahead is by 60 minutes" in note.en
    assert note.zh.startswith("无法形成曲线，按计划申报")


async def test_what_was_sold_a_day_ahead_is_not_sold_again(pool, vault, tmp_path):
    ahead = desk(id="day-ahead-energy", real_time=None, ahead_min=120.0)
    morning_ms = MARKET.calendar.day_bounds_ms(DAY)[0] - 60 * QUARTER_MS
    works = Drafter(pool, vault, (ahead,), sold=sold, clock=lambda: morning_ms)
    await works.run()
    (sold_ahead,) = await all_bids(pool, vault)
    award = Award(EVENING_MS, Direction.DISCHARGE, Decimal("0.4"), Decimal(90))
    await clear(pool, vault, sold_ahead, Cleared(60, (award,), "USD"), morning_ms)

    _, bid = await drafted(pool, vault, desk(), tmp_path)

    content = bid.versions[0].content
    (interval,) = content.bid_set.intervals
    assert interval.power_mw(Direction.DISCHARGE) == Decimal("0.6")
    assert check(content.bid_set, PRODUCT, BATTERY) == ()
    assert beside_of(content.inputs)[EVENING_MS] == 0.4
    told = {one.start_ms: one for one in content.explanation}
    assert "+0.40 MW is promised already, and only what differs" in told[EVENING_MS].en
    assert "已成交 +0.40 MW" in told[EVENING_MS].zh


def test_energy_is_valued_and_the_market_seen_as_in_a_back_test():
    price, base = made_prices(60, steps_a_day=96)
    times = BEGIN_MS + QUARTER_MS * np.arange(len(price), dtype=np.int64)
    whole = on_local_days(times, price, 15, MARKET.calendar.zone, day_ahead=base)
    day = int(whole.day[0]) + 50
    begin, end = whole.first_of(day - 1) + 54, whole.first_of(day + 1)  # 13:30
    known = replace(
        whole,
        price=np.where(np.arange(end) < begin, price[:end], np.nan),
        day_ahead=base[:end],
        day=whole.day[:end],
        minutes=whole.minutes[:end],
    )
    case = Case(whole, whole, BATTERY, BANDS, 810, 600, day, day, day, (-1e3, 9e3))
    live, view = replace(case, prices=known, seen=known), View(known, begin, end)

    values, seen = value_ahead(view, live), seen_ahead(view, live, 30.0)

    rolled = roll_values(case, day, day)
    until = 54
    first = whole.first_of(day) - begin
    assert values.left[first : first + until] == pytest.approx(rolled.left[:until])
    assert values.base[first : first + until] == pytest.approx(rolled.base[:until])
    tried = replace(case, first=day - 1)
    course = course_of(tried, roll_values(tried, day - 1, day), 30.0)
    assert seen[begin] == pytest.approx(course.seen[54])


def test_what_is_bid_by_curves_has_nothing_held_beside_it():
    with pytest.raises(ValidationError, match="take out held and side"):
        ProductSection(id="x", real_time="tx.real_time", held={"regulation": "tx.regulation"})


async def promoted(pool, dsn, root: Path) -> str:
    """Train a policy and have it pass, whatever the gate says of so short a training."""
    stored = await read_stored(pool, WISH, MARKET, EVENING_MS)
    courses = make_courses(stored, WISH, MARKET, BATTERY)
    folder = working_folder(root, WISH)
    retrain(courses.learnt, courses.unseen, courses.days, folder, options=Options(WISH.steps, (0,)))
    verdict = Verdict(True, 1.0, 0.95, (1.0, 1.0), "earned +1")
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as conn:
        begun = record.begin(conn, WISH, "schedule", EVENING_MS)
        work.keep(conn, begun, Promoted(folder, verdict), root)
        found = conn.execute("SELECT model FROM policy_trainings").fetchone()
    return str(found["model"])
