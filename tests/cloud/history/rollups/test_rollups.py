"""Rollups: whatever comes in whatever order, they are those of a rebuild from scratch."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.errors import BadQuery
from cloud.history import Resolution, SignalRef, Tier
from cloud.history.rollups.job import merge_spans
from cloud.history.rollups.rebuild import rebuild
from contract import layouts
from contract.frame import Frame, Quality
from contract.layouts import Column, Layout
from tests.cloud.stations import T0_MS, frame

POWER = SignalRef("METER", "active_power_kw")
CELLS = layouts.cells_layout(8)
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LATER_MS = 2**52


def meter(power_kw, t0_ms=T0_MS, step_ms=1_000, device="METER") -> Frame:
    """A meter with these powers, everything else 0."""
    layout = layouts.METER
    n = len(power_kw)
    values = [np.zeros((n, 1), dtype=dtype) for dtype in layout.dtypes]
    raw = np.rint(np.asarray(power_kw) / layout.signal(POWER.signal).scale)
    values[layout.column(POWER.signal)] = raw.astype("i4")[:, None]
    quality = np.zeros((n, layout.width), dtype="u1")
    return Frame(device, layout, t0_ms, step_ms, tuple(values), quality)


async def series(stored, ref=POWER, start=T0_MS, end=T0_MS + DAY_MS, **options: object):
    result = await stored.history.query("alpha", [ref], start, end, **options)
    return result.series[0]


_STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.integers(0, 3 * 86_400),
            st.integers(1, 400),
            st.sampled_from([1_000, 1_000, 1_000, 7_000]),
        ),
        st.tuples(
            st.sampled_from(["compact", "merge", "roll", "cells", "spans"]),
            *[st.just(0)] * 3,
        ),
    ),
    min_size=3,
    max_size=24,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=_STEPS)
async def test_late_doubled_and_overlapping_data_in_any_order_give_what_a_rebuild_gives(
    fresh_store, steps
):
    async with fresh_store() as stored:
        for number, (what, second, n, step_ms) in enumerate(steps):
            match what:
                case "put":
                    at_ms = T0_MS + second * 1_000 + (step_ms == 7_000) * 400
                    wide = frame("C1-R01", CELLS, t0_ms=at_ms, n=min(n, 60), seed=number)
                    await stored.put([frame(t0_ms=at_ms, n=n, seed=number, step_ms=step_ms), wide])
                case "compact":
                    await stored.compact()
                case "merge":
                    await stored.merge_hours()
                case "roll":
                    await stored.roll_up()
                case "cells":
                    await stored.roll_up_cells()
                case "spans":
                    await merge_spans(stored.pool, stored.reader, "alpha", LATER_MS)
        while await stored.roll_up():
            pass
        while await stored.roll_up_cells():
            pass

        report = await stored.check()

        assert report.findings == []
        assert report.days == len(
            {
                (second * 1000 + (step == 7_000) * 400 + k * step) // DAY_MS
                for what, second, n, step in steps
                if what == "put"
                for k in range(n)
            }
        ) or not any(step[0] == "put" for step in steps)


async def test_the_check_sees_a_rollup_that_is_not_its_rebuild(stored):
    await stored.put([meter([5.0] * 120)])
    await stored.roll_up()
    await stored.roll_up_cells()
    async with stored.pool.connection() as conn:
        await conn.execute(
            "UPDATE hot_batches SET quarantined = 'for the test'"  # its samples are gone
        )

    found = (await stored.check()).findings

    assert any("was set aside" in text for text in found)
    assert any("of which no sample is stored" in text for text in found)


async def test_a_rebuild_writes_what_the_job_wrote(stored):
    await stored.put([frame(n=900, t0_ms=T0_MS + 500_000), frame("C1-R01", layouts.RACK, n=77)])
    await stored.roll_up()
    before = await series(stored, resolution=Resolution.MINUTE)

    await rebuild(stored.pool, stored.reader, "alpha", T0_MS, T0_MS + DAY_MS)
    after = await series(stored, resolution=Resolution.MINUTE)
    await stored.roll_up_cells()

    for name in ("times_ms", "values", "minimum", "maximum", "last", "count"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert (await stored.check()).findings == []


async def test_energy_is_kept_apart_by_direction_and_adds_up_over_the_day(stored):
    power = np.r_[np.full(1_800, 100.0), np.full(900, -40.0), np.zeros(900)]
    await stored.put([meter(power)])
    await stored.roll_up()

    quarters = await series(stored, resolution=Resolution.QUARTER)
    day = await series(stored, resolution=Resolution.DAY)

    assert quarters.discharged_kwh.tolist() == pytest.approx([25.0, 25.0, 0.0, 0.0])
    assert quarters.charged_kwh.tolist() == pytest.approx([0.0, 0.0, 10.0, 0.0])
    assert day.discharged_kwh.tolist() == pytest.approx([50.0])
    assert day.charged_kwh.tolist() == pytest.approx([10.0])


async def test_where_no_sample_is_there_is_no_energy_and_the_count_says_so(stored):
    await stored.put([meter([60.0] * 60), meter([60.0] * 60, T0_MS + 600_000)])
    await stored.roll_up()

    quarter = await series(stored, resolution=Resolution.QUARTER)

    assert quarter.discharged_kwh.tolist() == pytest.approx([2.0])
    assert quarter.count.tolist() == [120]


async def test_two_grids_at_the_same_time_do_not_double_the_energy(stored):
    await stored.put([meter([60.0] * 60), meter([60.0] * 60, T0_MS + 500)])
    await stored.roll_up()

    minute = await series(stored, resolution=Resolution.MINUTE)

    assert minute.discharged_kwh.sum() == pytest.approx(1.0, rel=0.02)


async def test_a_signal_that_is_no_power_has_no_energy(stored):
    await stored.put([meter([60.0] * 60)])
    await stored.roll_up()

    found = await series(stored, SignalRef("METER", "frequency_hz"), resolution=Resolution.QUARTER)

    assert found.discharged_kwh is None
    assert found.count.tolist() == [60]


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        ("Asia/Shanghai", "2026-01-01T16:00", [24, 24]),
        ("Europe/Berlin", "2026-03-28T23:00", [23, 24]),  # clocks go forward on 29 March
        ("Europe/Berlin", "2026-10-24T22:00", [25, 24]),
    ],
)
async def test_days_are_those_of_the_market_place(stored, zone, start, hours):
    t0_ms = int(np.datetime64(start, "ms").astype("i8"))
    await stored.put([meter([4.0] * (sum(hours) * 4), t0_ms, 900_000)])
    while await stored.roll_up():
        pass

    found = await series(
        *(stored, POWER, t0_ms, t0_ms + sum(hours) * HOUR_MS),
        resolution=Resolution.DAY,
        timezone=zone,
    )

    assert found.times_ms.tolist() == [t0_ms, t0_ms + hours[0] * HOUR_MS]
    assert found.count.tolist() == [h * 4 for h in hours]
    assert found.discharged_kwh.tolist() == pytest.approx([4.0 * h for h in hours])


async def test_months_have_their_own_length(stored):
    for day in range(59):
        await stored.put([meter([1.0], T0_MS + day * DAY_MS)])
    while await stored.roll_up():
        pass

    found = await series(*(stored, POWER, T0_MS, T0_MS + 59 * DAY_MS), resolution=Resolution.MONTH)

    assert found.count.tolist() == [31, 28]


async def test_an_unknown_time_zone_is_refused_with_the_remedy(stored):
    await stored.put([meter([1.0])])

    with pytest.raises(BadQuery, match=r"Mars.*IANA name such as Asia/Shanghai"):
        await series(stored, resolution=Resolution.DAY, timezone="Mars/Olympus")


async def test_cells_have_mean_minimum_and_maximum_of_each_quarter_hour(stored):
    cells = frame("C1-R01", CELLS, n=1_500)
    await stored.put([cells])
    await stored.roll_up()
    await stored.roll_up_cells()

    result = await stored.history.query(
        *("alpha", [SignalRef("C1-R01", "cell_voltage_v", 3)], T0_MS, T0_MS + HOUR_MS),
        resolution=Resolution.QUARTER,
    )

    found, volts = result.series[0], cells.physical("cell_voltage_v")[:, 2]
    assert result.tiers == (Tier.QUARTER,)
    assert found.values.tolist() == pytest.approx(
        [volts[:900].mean(), volts[900:].mean()], abs=6e-4
    )
    assert found.minimum.tolist() == pytest.approx([volts[:900].min(), volts[900:].min()])
    assert found.maximum.tolist() == pytest.approx([volts[:900].max(), volts[900:].max()])


async def test_a_cell_map_of_a_time_without_samples_is_made_of_its_quarter_hour(stored):
    cells = frame("C1-R01", CELLS, n=900)
    await stored.put([cells])
    await stored.roll_up()
    await stored.roll_up_cells()
    async with stored.pool.connection() as conn:
        await conn.execute("DELETE FROM hot_batches")

    found = await stored.history.cells_at("alpha", "C1-R01", T0_MS + 600_000)

    assert found.tier is Tier.QUARTER
    assert found.at_ms == T0_MS
    expected = cells.physical("cell_voltage_v").mean(axis=0)
    np.testing.assert_allclose(found.values["cell_voltage_v"], expected, atol=6e-4)


async def test_values_that_are_invalid_do_not_count(stored):
    whole = meter([10.0] * 60)
    quality = whole.quality.copy()
    quality[:30, whole.layout.offset("active_power_kw")[0]] = Quality.INVALID
    await stored.put([Frame("METER", whole.layout, T0_MS, 1_000, whole.values, quality)])
    await stored.roll_up()

    minute = await series(stored, resolution=Resolution.MINUTE)

    assert minute.count.tolist() == [30]
    assert minute.values.tolist() == [10.0]


@pytest.mark.parametrize("name", ["meter.coarse", "meter"])
async def test_a_signal_that_changed_its_scale_is_one_series(stored, name):
    finer = layouts.METER
    columns = [
        Column(replace(c.signal, scale=1.0)) if c.signal.name == POWER.signal else c
        for c in finer.columns
    ]
    coarse = Layout(name, tuple(columns))
    await stored.history_layouts.store(coarse)
    old = meter([40.0] * 60)
    values = list(meter([8.0] * 60, T0_MS + 60_000).values)
    values[coarse.column(POWER.signal)] = np.full((60, 1), 90, dtype="i4")
    new = Frame("METER", coarse, T0_MS + 60_000, 1_000, tuple(values), old.quality)
    await stored.put([old])
    await stored.put([new])
    await stored.roll_up()

    minutes = await series(stored, resolution=Resolution.MINUTE)
    quarter = await series(stored, resolution=Resolution.QUARTER)
    raw = await series(stored, end=T0_MS + 120_000, resolution=Resolution.RAW)

    assert minutes.values.tolist() == [40.0, 90.0]
    assert (quarter.minimum.tolist(), quarter.maximum.tolist()) == ([40.0], [90.0])
    assert quarter.values.tolist() == [65.0]
    assert quarter.last.tolist() == [90.0]
    assert sorted(set(raw.values.tolist())) == [40.0, 90.0]
