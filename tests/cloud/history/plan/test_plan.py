"""The plan says what is really stored, and what will be by the policy."""

import dataclasses
import datetime as dt
import json
import subprocess
import sys

import pytest
import tomli_w

from cloud.history.blocks.counts import BLOCK_ROW_BYTES
from cloud.history.plan.estimate import DAYS_OF_YEAR, Prices, TierName, goes_on, make_plan
from cloud.history.plan.measure import imagine, measure
from cloud.history.retention import policy
from cloud.history.retention.policy import FOREVER, Keep
from cloud.history.rollups.job import merge_spans
from contract import layouts
from launcher.paths import ROOT
from tests.cloud.history.archives import CELLS, HOUR_MS, fill, open_past
from tests.cloud.stations import T0_MS, frame

LARGE = imagine(17_200, 50_000, 600)


def row(plan, name: str, tier: TierName):
    return next(one for one in plan.rows if (one.name, one.tier) == (name, tier))


def test_a_tier_grows_until_its_time_has_passed_and_then_stays():
    plan = make_plan(LARGE, policy.load(), Prices())

    cells = row(plan, "cells", TierName.RAW)
    minutes = row(plan, "pcs-ac", TierName.MINUTES)
    quarters = row(plan, "pcs-ac", TierName.QUARTERS)
    assert cells.full_bytes == cells.year_bytes == pytest.approx(cells.day_bytes * 91.3, rel=0.01)
    assert minutes.full_bytes == pytest.approx(minutes.year_bytes * 3, rel=0.01)
    assert quarters.full_bytes == pytest.approx(quarters.day_bytes * 15 * DAYS_OF_YEAR)
    assert plan.full_bytes == sum(one.full_bytes for one in plan.rows)


def test_a_station_of_100_megawatts_stays_within_what_was_measured_for_one():
    plan = make_plan(LARGE, policy.load(), Prices())

    assert 200e9 < plan.full_bytes < 400e9
    assert 3e12 < plan.archive_full_bytes < 4e12


def test_a_layout_of_several_classes_is_split_by_values_and_nothing_is_counted_twice():
    plan = make_plan(LARGE, policy.load(), Prices())

    raw = [one for one in plan.rows if one.tier is TierName.RAW]
    assert sum(one.day_bytes for one in raw) == pytest.approx(
        sum(one.raw_bytes for one in LARGE.layouts)
    )
    assert sum(one.day_values for one in raw) == pytest.approx(
        sum(one.values for one in LARGE.layouts)
    )


def test_costs_follow_the_prices():
    dear = make_plan(LARGE, policy.load(), Prices(disk=1.0, archive=0.5, currency="CNY"))

    assert dear.monthly_cost(3e9, 4e9) == pytest.approx(5.0)
    assert dear.to_json()["cost"]["currency"] == "CNY"


def test_the_day_on_which_a_month_goes_is_counted_from_its_end():
    assert goes_on(Keep(months=6), dt.date(2026, 7, 15)) == dt.date(2027, 2, 1)
    assert goes_on(Keep(months=3), dt.date(2026, 11, 30)) == dt.date(2027, 3, 1)
    assert goes_on(Keep(days=10), dt.date(2026, 12, 1)) == dt.date(2027, 1, 11)
    assert goes_on(FOREVER, dt.date(2026, 7, 1)) is None


async def test_bytes_are_those_that_are_stored(stored, tmp_path):
    past = open_past(stored, tmp_path, tmp_path / "archive")
    for hour in range(26):
        at = T0_MS + hour * HOUR_MS
        await stored.put(
            [
                frame("METER", layouts.METER, at, 3_600),
                frame("C1-R01", CELLS, at, 360, step_ms=10_000),
            ]
        )
    await stored.compact()
    await stored.merge_hours()
    await past.roll_up()
    await merge_spans(stored.pool, stored.reader, "alpha", T0_MS + 40 * 86_400_000)

    load = await measure(stored.pool, stored.reader, "alpha", policy.load())

    meter = next(one for one in load.layouts if one.layout == layouts.METER)
    cells = next(one for one in load.layouts if one.layout == CELLS)
    ((size, n),) = await past.rows(
        "SELECT sum(octet_length(body)), sum(n) FROM blocks WHERE device = 'METER'"
    )
    assert (meter.devices, meter.samples) == (1, 86_400)
    assert meter.raw_bytes == pytest.approx((int(size) + 26 * BLOCK_ROW_BYTES) / int(n) * 86_400)
    assert (cells.samples, cells.values) == (8_640, 8_640 * 24)
    assert meter.measured
    assert cells.measured
    spans = await past.rows(
        "SELECT sum(octet_length(body) + 200) FROM rollup_blocks WHERE tier_ms = 60000"
    )
    assert meter.minute_bytes == pytest.approx(int(spans[0][0]) / 26 * 24)
    assert load.batches == pytest.approx(24, rel=0.01)
    sent = await past.rows("SELECT sum(size) FROM batches")
    assert load.sent_bytes == pytest.approx(int(sent[0][0]) / 26 * 24, rel=0.01)
    assert "measured on 1.08 days" in load.sources[0]


async def test_what_the_archive_takes_is_measured_on_its_months(stored, tmp_path):
    await fill(stored)
    past = open_past(stored, tmp_path, tmp_path / "archive")
    before = await measure(stored.pool, stored.reader, "alpha", policy.load())
    manifest = await past.archive()

    load = await measure(stored.pool, stored.reader, "alpha", policy.load())

    daily = sum(one.samples for one in load.layouts)
    expected = manifest.size / manifest.samples * daily
    assert sum(one.archive_bytes for one in load.layouts) == pytest.approx(expected)
    assert sum(one.archive_bytes for one in before.layouts) != pytest.approx(expected)


async def test_hours_around_events_are_counted_on_the_last_year(stored, tmp_path):
    await fill(stored)
    async with stored.pool.connection() as conn:
        for day in range(0, 100, 10):
            await conn.execute(
                "INSERT INTO events (station, id, device, code, severity, active, at_ms, sealed)"
                " VALUES ('alpha', %s, 'C1', 'pcs.alarm', 3, true, %s, '')",
                [str(day), T0_MS + day * 86_400_000 + 600_000],
            )

    load = await measure(
        stored.pool, stored.reader, "alpha", policy.load(), T0_MS + 100 * 86_400_000
    )

    hours = 10 * 4 - 1  # a window of three hours touches four; the hour before the first is cut
    assert load.event_hours == pytest.approx(hours * DAYS_OF_YEAR / 100, rel=0.01)


async def test_a_station_without_history_has_no_plan(stored):
    assert await measure(stored.pool, stored.reader, "alpha", policy.load()) is None


async def test_the_command_prints_a_table_and_json(stored, dsn, tmp_path):
    await fill(stored)
    file = tmp_path / "cloud.toml"
    config = {"data_dir": "cloud", "database": {"dsn": dsn}, "keys": {"dir": "."}}
    file.write_text(tomli_w.dumps(config))

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "launcher", "history", "plan", str(file), *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={"COLUMNS": "200", "PATH": ""},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    table = run("--station", "alpha", "--disk-price", "0.5", "--currency", "CNY")
    told = json.loads(run("--json"))[0]
    large = json.loads(run("--points", "17200", "--cells", "50000", "--racks", "600", "--json"))[0]

    assert "GB, 15 years" in table
    assert "0.5 CNY a GB-month on disk" in table
    assert "as the devices give it" in table
    assert "no [archive] is configured" in table
    assert told["station"] == "alpha"
    assert {one["tier"] for one in told["rows"]} >= {"raw", "1 min", "15 min", "ledger"}
    assert told["day"]["raw_bytes"] > told["day"]["stored_bytes"] > 0
    assert large["day"]["values"] == 17_200 * 86_400 + 100_000 * 8_640
    assert dataclasses.asdict(Prices())["currency"] == large["cost"]["currency"]
