"""Queries over waiting batches, blocks and rollups."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest

from cloud.errors import BadQuery, NotFound, TooManyPoints
from cloud.history import Resolution, SignalRef
from cloud.history.render import to_arrow, to_json
from cloud.history.rollups import job as rollups
from contract import layouts
from contract.frame import Quality
from tests.cloud.stations import T0_MS, frame

CELLS = layouts.cells_layout(8)
POWER = SignalRef("METER", "active_power_kw")
DAY_MS = 86_400_000


async def series(stored, ref=POWER, start=T0_MS, end=T0_MS + 3_600_000, **options: object):
    result = await stored.history.query("alpha", [ref], start, end, **options)
    return result.series[0]


async def test_raw_values_are_the_same_before_and_after_compaction(stored):
    for part in range(6):
        await stored.put([frame(t0_ms=T0_MS + part * 10_000, n=10)])
    whole = frame(n=60)

    for step in ("waiting", "parts", "hour"):
        if step == "parts":
            assert await stored.compact() == 1
        if step == "hour":
            assert await stored.merge_hours() == 1
        found = await series(stored, resolution=Resolution.RAW)

        np.testing.assert_array_equal(found.times_ms, whole.times_ms)
        np.testing.assert_array_equal(found.values, whole.physical("active_power_kw")[:, 0])
        assert (found.quality == Quality.GOOD).all()
        assert found.unit == "kW"


async def test_the_range_is_half_open(stored):
    await stored.put([frame(n=10)])
    for move in (None, stored.compact, stored.merge_hours):
        if move is not None:
            await move()

        found = await series(stored, start=T0_MS + 2_000, end=T0_MS + 5_000)

        assert found.times_ms.tolist() == [T0_MS + 2_000, T0_MS + 3_000, T0_MS + 4_000]


async def test_many_signals_come_in_the_order_asked_and_a_cell_is_named_by_its_number(stored):
    rack = frame("C1-R01", layouts.RACK, n=4)
    cells = frame("C1-R01", CELLS, n=4)
    await stored.put([rack, cells, frame(n=4)])
    refs = [
        SignalRef.parse("C1-R01:cell_voltage_v:3"),
        SignalRef.parse("METER:frequency_hz"),
        SignalRef.parse("C1-R01:soc"),
    ]

    result = await stored.history.query("alpha", refs, T0_MS, T0_MS + 60_000)

    assert [str(one.ref) for one in result.series] == [str(ref) for ref in refs]
    np.testing.assert_array_equal(result.series[0].values, cells.physical("cell_voltage_v")[:, 2])
    np.testing.assert_array_equal(result.series[2].values, rack.physical("soc")[:, 0])


async def test_a_missing_value_is_null_and_a_missing_sample_has_no_point(stored):
    bad = frame(n=3)
    quality = bad.quality.copy()
    quality[1, bad.layout.offset("active_power_kw")[0]] = Quality.INVALID
    quality[2, :] = Quality.MISSING
    await stored.put([type(bad)(bad.device, bad.layout, bad.t0_ms, 1000, bad.values, quality)])

    result = await stored.history.query("alpha", [POWER], T0_MS, T0_MS + 10_000)
    shown = json.loads(to_json(result))["series"][0]
    table = pa.ipc.open_stream(io.BytesIO(to_arrow(result))).read_all()

    assert shown["times_ms"] == [T0_MS, T0_MS + 1_000]
    assert shown["values"][1] is None
    assert shown["quality"] == [0, 2]
    assert table.column("value").null_count == 1
    assert table.num_rows == 2
    assert table.schema.metadata[b"resolution"] == b"raw"


async def test_rollups_are_those_of_the_raw_values(stored):
    whole = frame(n=3_000)
    await stored.put([whole])
    await stored.roll_up()
    values, times = whole.physical("active_power_kw")[:, 0], whole.times_ms

    for resolution, bucket in ((Resolution.MINUTE, 60_000), (Resolution.QUARTER, 900_000)):
        found = await series(stored, resolution=resolution)

        starts = np.unique(times - times % bucket)
        groups = [values[(times >= start) & (times < start + bucket)] for start in starts]
        np.testing.assert_array_equal(found.times_ms, starts)
        np.testing.assert_allclose(found.values, [g.mean() for g in groups], rtol=1e-12)
        np.testing.assert_array_equal(found.minimum, [g.min() for g in groups])
        np.testing.assert_array_equal(found.maximum, [g.max() for g in groups])
        np.testing.assert_array_equal(found.last, [g[-1] for g in groups])
        np.testing.assert_array_equal(found.count, [len(g) for g in groups])


async def test_a_late_frame_changes_only_its_own_buckets(stored):
    await stored.put([frame(n=60), frame(t0_ms=T0_MS + 1_800_000, n=60)])
    await stored.compact()
    await stored.merge_hours()
    await stored.roll_up()
    before = await series(stored, resolution=Resolution.MINUTE)

    await stored.put([frame(t0_ms=T0_MS + 60_000, n=60)])
    assert await stored.roll_up() == 1
    await stored.compact()
    await stored.merge_hours()
    after = await series(stored, resolution=Resolution.MINUTE)
    quarters = await series(stored, resolution=Resolution.QUARTER)

    assert after.times_ms.tolist() == [T0_MS, T0_MS + 60_000, T0_MS + 1_800_000]
    assert after.values[[0, 2]].tolist() == before.values.tolist()
    assert quarters.count.tolist() == [120, 60]
    assert await stored.roll_up() == 0


async def test_data_that_comes_while_a_minute_is_computed_keeps_it_dirty(stored, monkeypatch):
    await stored.put([frame(n=10)])
    write = rollups.write_spans

    async def interrupted(*arguments: object) -> None:
        monkeypatch.undo()
        await stored.put([frame(t0_ms=T0_MS + 10_000, n=10)])
        await write(*arguments)

    monkeypatch.setattr(rollups, "write_spans", interrupted)
    await stored.roll_up()
    stale = await series(stored, resolution=Resolution.MINUTE)
    await stored.roll_up()
    fresh = await series(stored, resolution=Resolution.MINUTE)

    assert stale.count.tolist() == [10]
    assert fresh.count.tolist() == [20]


async def test_a_cell_is_aggregated_from_its_samples(stored):
    cells = frame("C1-R01", CELLS, n=120)
    await stored.put([cells])

    found = await series(
        stored, SignalRef("C1-R01", "cell_temperature_c", 8), resolution=Resolution.MINUTE
    )

    expected = cells.physical("cell_temperature_c")[:60, 7]
    assert found.count.tolist() == [60, 60]
    assert found.values[0] == pytest.approx(expected.mean())


async def test_auto_takes_the_finest_resolution_that_fits(stored):
    await stored.put([frame()])
    for span, resolution in (
        (3_600_000, Resolution.RAW),
        (DAY_MS, Resolution.MINUTE),
        (60 * DAY_MS, Resolution.QUARTER),
    ):
        result = await stored.history.query("alpha", [POWER], T0_MS, T0_MS + span)
        assert result.resolution is resolution


async def test_too_large_a_question_is_refused_with_what_would_fit(stored):
    await stored.put([frame()])

    with pytest.raises(TooManyPoints, match=r"at most 27\.78 h at once"):
        await series(stored, end=T0_MS + 30 * DAY_MS, resolution=Resolution.RAW)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("METER", BadQuery, "DEVICE:signal"),
        ("METER:x:0", BadQuery, "from 1"),
        ("NOBODY:soc", NotFound, "no data of a device 'NOBODY'"),
        ("METER:soc", NotFound, "it has active_power_kw"),
        ("METER:active_power_kw:2", BadQuery, "ends at 1"),
        ("C1-R01:cell_voltage_v", BadQuery, "cell_voltage_v:1 to C1-R01:cell_voltage_v:8"),
    ],
)
async def test_a_wrong_question_is_answered_with_the_remedy(stored, text, error, words):
    await stored.put([frame(), frame("C1-R01", CELLS)])

    with pytest.raises(error, match=words):
        await series(stored, SignalRef.parse(text))


async def test_an_empty_range_is_refused(stored):
    with pytest.raises(BadQuery, match="empty"):
        await stored.history.query("alpha", [POWER], T0_MS, T0_MS)


async def test_the_heat_map_is_the_newest_row_at_or_before_a_time(stored):
    cells = frame("C1-R01", CELLS, n=100)
    await stored.put([cells])
    for compacted in (False, True):
        if compacted:
            await stored.compact()
        at = await stored.history.cells_at("alpha", "C1-R01", T0_MS + 41_500)
        newest = await stored.history.cells_at("alpha", "C1-R01")

        assert at.at_ms == T0_MS + 41_000
        volts = cells.physical("cell_voltage_v")[41]
        np.testing.assert_array_equal(at.values["cell_voltage_v"], volts)
        assert newest.at_ms == T0_MS + 99_000
    with pytest.raises(NotFound):
        await stored.history.cells_at("alpha", "C1-R01", T0_MS - 1)
    with pytest.raises(NotFound):
        await stored.history.cells_at("alpha", "METER")


async def test_the_newest_cells_are_found_although_other_devices_went_on(stored):
    await stored.put([frame("C1-R01", CELLS, n=5)])
    await stored.compact()
    await stored.put([frame(t0_ms=T0_MS + 3 * 3_600_000, n=5)])

    newest = await stored.history.cells_at("alpha", "C1-R01")

    assert newest.at_ms == T0_MS + 4_000
