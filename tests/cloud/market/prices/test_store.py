"""Imports into the real store, and what a back-test sees of them."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from cloud.market import prices as room
from cloud.market.errors import BadSeries
from cloud.market.prices import Code, Kind, Layout, Publication, Row, Series
from cloud.market.prices.files import read_file
from tests.cloud.market.prices.conftest import BERLIN, HOUR_MS, NOW_MS, at, prices

DAY_MS = 24 * HOUR_MS
BEGIN_MS = at("2024-06-01T00:00")


def rows_of(table):
    return [
        Row(int(start), float(value), int(known))
        for start, known, value in zip(table.start_ms, table.known_ms, table.value, strict=True)
    ]


async def bring(pool, series, table, accept=frozenset()):
    return await room.import_rows(
        pool, series, rows_of(table), source="test", now_ms=NOW_MS, accept=accept
    )


async def test_what_was_imported_is_read_back_with_its_known_times(pool, day_ahead):
    table = prices(BEGIN_MS, 240)

    report = await bring(pool, day_ahead, table)
    read = await room.read(pool, day_ahead.id, BEGIN_MS, BEGIN_MS + 10 * DAY_MS, NOW_MS)

    assert (report.refused, report.added) == (False, 240)
    assert (read.start_ms == table.start_ms).all()
    assert (read.value == table.value).all()
    assert (read.known_ms == table.known_ms).all()
    assert read.days == 10


async def test_a_reader_sees_only_what_was_known_then(pool, load):
    table = prices(BEGIN_MS, 48)
    first = type(table)(table.start_ms, table.start_ms + 2 * HOUR_MS, table.value * 900)
    corrected = type(table)(first.start_ms, first.start_ms + DAY_MS, first.value + 100)

    await bring(pool, load, first)
    await bring(pool, load, corrected)
    noon_ms = BEGIN_MS + 12 * HOUR_MS
    early = await room.read(pool, load.id, BEGIN_MS, BEGIN_MS + 2 * DAY_MS, noon_ms)
    late = await room.read(pool, load.id, BEGIN_MS, BEGIN_MS + 2 * DAY_MS, NOW_MS)

    assert np.isfinite(early.value).sum() == 11
    assert (early.value[:11] == first.value[:11]).all()
    assert (late.value == corrected.value).all()


async def test_every_interval_may_have_its_own_known_time(pool, load):
    table = prices(BEGIN_MS, 48)
    first = type(table)(table.start_ms, table.start_ms + 2 * HOUR_MS, table.value * 900)
    corrected = type(table)(first.start_ms, first.start_ms + DAY_MS, first.value + 100)
    await bring(pool, load, first)
    await bring(pool, load, corrected)

    gates = np.where(np.arange(48) < 24, BEGIN_MS + 3 * DAY_MS, BEGIN_MS + DAY_MS + 12 * HOUR_MS)
    read = await room.read(pool, load.id, BEGIN_MS, BEGIN_MS + 2 * DAY_MS, gates)

    assert (read.value[:24] == corrected.value[:24]).all()
    assert (read.value[24:35] == first.value[24:35]).all()
    assert np.isnan(read.value[35:]).all()
    with pytest.raises(BadSeries, match="2 known times for 48 intervals"):
        await room.read(pool, load.id, BEGIN_MS, BEGIN_MS + 2 * DAY_MS, gates[:2])


async def test_a_second_import_of_the_same_is_no_news(pool, day_ahead):
    table = prices(BEGIN_MS, 240)
    await bring(pool, day_ahead, table)

    again = await bring(pool, day_ahead, table)
    later = type(table)(table.start_ms, table.known_ms + HOUR_MS, table.value)
    unchanged = await bring(pool, day_ahead, later)

    assert (again.added, unchanged.added) == (0, 0)


async def test_history_is_not_rewritten(pool, day_ahead):
    table = prices(BEGIN_MS, 240)
    await bring(pool, day_ahead, table)
    table.value[7] += 1

    report = await bring(pool, day_ahead, table)
    read = await room.read(pool, day_ahead.id, BEGIN_MS, BEGIN_MS + 10 * DAY_MS, NOW_MS)

    assert {one.code for one in report.findings if one.refuses} == {Code.REWRITTEN}
    assert read.value[7] == table.value[7] - 1


async def test_a_refused_import_stores_nothing(pool, load):
    table = prices(BEGIN_MS, 240)
    rows = type(table)(table.start_ms, table.start_ms + 2 * HOUR_MS, table.value * 900)
    rows.value[100] = -5.0

    refused = await bring(pool, load, rows)
    nothing = await room.read(pool, load.id, BEGIN_MS, BEGIN_MS + 10 * DAY_MS, NOW_MS)
    accepted = await bring(pool, load, rows, accept={Code.NEGATIVE})

    assert refused.refused
    assert "refused, nothing was stored" in refused.lines()[0]
    assert np.isnan(nothing.value).all()
    assert accepted.added == 240
    assert "accepted: negative" in "\n".join(accepted.lines())


async def test_what_cannot_be_right_cannot_be_accepted(pool, day_ahead):
    with pytest.raises(BadSeries, match="conflict cannot be accepted, only corrected"):
        await bring(pool, day_ahead, prices(BEGIN_MS, 24), accept={Code.CONFLICT})


async def test_an_id_stands_for_one_series(pool, day_ahead):
    await room.define(pool, day_ahead)
    other = Series("de-lu.day_ahead", Kind.DAY_AHEAD, "EUR/MWh", "AT", "Europe/Berlin", 60)

    with pytest.raises(BadSeries, match="has zone = DE-LU, not AT"):
        await room.define(pool, other)
    with pytest.raises(BadSeries, match="there is no series 'nothing'"):
        await room.read(pool, "nothing", 0, 1, 1)


async def test_what_is_older_than_is_kept_is_forgotten(pool, day_ahead):
    await bring(pool, day_ahead, prices(BEGIN_MS, 240))

    gone = await room.forget(pool, BEGIN_MS + DAY_MS)
    read = await room.read(pool, day_ahead.id, BEGIN_MS, BEGIN_MS + 10 * DAY_MS, NOW_MS)

    assert gone == 24
    assert np.isnan(read.value[:24]).all()
    assert np.isfinite(read.value[24:]).all()


def local_csv(path, begin: str, hours: int, *, skip: tuple[int, ...] = ()):
    start = dt.datetime.fromisoformat(begin).replace(tzinfo=BERLIN)
    lines = ["Zeit;Preis"]
    for hour in range(hours):
        if hour not in skip:
            moment = dt.datetime.fromtimestamp(start.timestamp() + hour * 3_600, BERLIN)
            price = f"{0.05 + hour % 24 / 1_000:.3f}".replace(".", ",")
            lines.append(f"{moment:%d.%m.%Y %H:%M};{price}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


LOCAL = Layout(
    *("Preis", "Zeit"),
    timezone="Europe/Berlin",
    unit="EUR/kWh",
    time_format="%d.%m.%Y %H:%M",
    delimiter=";",
    decimal=",",
)


@pytest.mark.parametrize(("day", "hours"), [("2023-03-26", 23), ("2023-10-29", 25)])
async def test_a_file_in_local_time_has_days_of_23_and_25_hours(
    pool, day_ahead, tmp_path, day, hours
):
    file = local_csv(tmp_path / "prices.csv", f"{day}T00:00", hours + 24)

    report = await room.import_file(pool, day_ahead, file, LOCAL, now_ms=NOW_MS)
    begin = at(f"{day}T00:00")
    read = await room.read(pool, day_ahead.id, begin, begin + hours * HOUR_MS, NOW_MS)

    assert report.findings == ()
    assert len(read.value) == hours
    assert np.allclose(read.value[:3], [50.0, 51.0, 52.0])
    assert int(read.known_ms[0]) == begin - 11 * HOUR_MS - HOUR_MS // 4


async def test_a_file_with_an_hour_that_the_clock_skipped_is_refused(pool, day_ahead, tmp_path):
    file = tmp_path / "prices.csv"
    hours = "\n".join(f"26.03.2023 {hour:02d}:00;0,05{hour}" for hour in range(24))
    file.write_text(f"Zeit;Preis\n{hours}\n", "utf-8")

    report = await room.import_file(pool, day_ahead, file, LOCAL, now_ms=NOW_MS)

    assert [one.code for one in report.findings] == [Code.NEVER_SHOWN]
    assert "2023-03-26 02:00: the clock of Europe/Berlin skipped this hour" in report.lines()[1]


async def test_parquet_with_an_index_in_utc_is_read_without_naming_it(pool, tmp_path):
    table = prices(BEGIN_MS, 96)
    index = pd.to_datetime(table.start_ms, unit="ms", utc=True)
    frame = pd.DataFrame({"price": table.value.astype("float32")}, index=index)
    frame.to_parquet(tmp_path / "prices.parquet")
    series = Series(
        *("a", Kind.REAL_TIME, "USD/MWh", "HB_HUBAVG", "America/Chicago", 60),
        publication=Publication("after 5"),
    )

    report = await room.import_file(
        pool, series, tmp_path / "prices.parquet", Layout("price"), now_ms=NOW_MS
    )
    read = await room.read(pool, "a", BEGIN_MS, BEGIN_MS + 4 * DAY_MS, NOW_MS)

    assert report.added == 96
    assert np.allclose(read.value, table.value)
    assert (read.known_ms == read.start_ms + 65 * 60_000).all()


async def test_a_label_at_the_end_of_the_interval_is_moved_to_its_beginning(pool, tmp_path):
    file = tmp_path / "load.csv"
    lines = [f"2024-06-01T{hour:02d}:00:00Z,{50_000 + hour}" for hour in range(1, 24)]
    file.write_text("end,mw\n" + "\n".join(lines) + "\n", "utf-8")
    series = Series("load", Kind.LOAD, "MW", "DE", "Europe/Berlin", 60)

    await room.import_file(pool, series, file, Layout("mw", "end", label="end"), now_ms=NOW_MS)
    midnight = at("2024-06-01T02:00")
    read = await room.read(pool, "load", midnight, midnight + HOUR_MS, NOW_MS)

    assert read.value.tolist() == [50_001.0]
    assert read.known_ms.tolist() == [NOW_MS]


@pytest.mark.parametrize(
    ("text", "layout", "wrong"),
    [
        ("a,b\n1,2\n", Layout("b"), "0 of its columns"),
        ("time,b\n2024-01-01T00:00:00Z,2\n", Layout("c"), "there is no column 'c'"),
        ("time,b\n2024-01-01T00:00:00Z,x\n", Layout("b"), "holds no numbers"),
        ("time,b\n1st of May,2\n", Layout("b", "time"), "column 'time' holds no times"),
        ("time,b\n2024-01-01T00:00:00Z,2\n2024-01-01T01:00:00Z,51,7\n", Layout("b"), "line 3 has"),
        ("time,b\n,2\n2024-01-01T00:00:00Z,2\n", Layout("b"), "1 empty fields"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_is_wrong(day_ahead, tmp_path, text, layout, wrong):
    file = tmp_path / "prices.csv"
    file.write_text(text, "utf-8")

    with pytest.raises(BadSeries, match=wrong):
        read_file(file, layout, day_ahead, NOW_MS)


@pytest.mark.parametrize("cell", ["n/a", "NaN", '"51,7"', "-"])
def test_a_cell_that_is_no_number_refuses_the_file_with_its_line(day_ahead, tmp_path, cell):
    file = tmp_path / "prices.csv"
    file.write_text(
        f"time,b\n2024-01-01T00:00:00Z,2\n\n2024-01-01T01:00:00Z,{cell}\n2024-01-01T02:00:00Z,\n",
        "utf-8",
    )

    table, (found,) = read_file(file, Layout("b"), day_ahead, NOW_MS)

    assert (len(table), found.code, found.count) == (3, Code.NOT_A_NUMBER, 1)
    assert found.refuses
    told = cell.strip('"')
    assert f"1 of 3 cells of 'b' are no numbers: line 4 has '{told}'" in found.text


def test_an_empty_cell_is_a_gap_and_a_decimal_comma_that_is_named_a_number(day_ahead, tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text("time;b\n2024-01-01T00:00:00Z;51,7\n2024-01-01T01:00:00Z;\n", "utf-8")

    table, found = read_file(file, Layout("b", delimiter=";", decimal=","), day_ahead, NOW_MS)

    assert found == []
    assert table.value[0] == 51.7
    assert np.isnan(table.value[1])


def test_a_file_that_is_not_there_is_said_to_be_missing(day_ahead, tmp_path):
    with pytest.raises(BadSeries, match=r"none\.csv: does not exist; name a file"):
        read_file(tmp_path / "none.csv", Layout("b"), day_ahead, NOW_MS)
