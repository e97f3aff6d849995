"""What an import finds by itself."""

from dataclasses import replace

import numpy as np
import pytest

from cloud.market.errors import BadSeries
from cloud.market.prices import Code, Kind, Publication, Series
from cloud.market.prices.checks import Past, check
from cloud.market.prices.series import conversion
from cloud.market.prices.table import Table
from tests.cloud.market.prices.conftest import BERLIN, HOUR_MS, NOW_MS, at, prices

SUMMER_MS = at("2024-06-01T00:00")


def codes(series, table, past=None):
    _, found = check(series, table, past or Past(), NOW_MS)
    return {one.code: one for one in found}


def test_a_clean_month_has_no_finding(day_ahead):
    table = prices(SUMMER_MS, 720)

    kept, found = check(day_ahead, table, Past(), NOW_MS)

    assert found == []
    assert len(kept) == 720


def test_gaps_are_counted_and_their_places_named(day_ahead):
    table = prices(SUMMER_MS, 240)
    there = np.ones(240, np.bool_)
    there[[30, 31, 100]] = False

    found = codes(day_ahead, table.only(there))

    assert set(found) == {Code.GAP}
    assert found[Code.GAP].count == 3
    assert "3 of 240 intervals are missing" in found[Code.GAP].text
    assert "from 2024-06-02 06:00+02:00 to 2024-06-02 08:00+02:00 (2)" in found[Code.GAP].text
    assert not found[Code.GAP].refuses


def test_an_empty_field_is_a_gap_too(day_ahead):
    table = prices(SUMMER_MS, 240)
    table.value[7] = np.nan

    assert codes(day_ahead, table)[Code.GAP].count == 1


def test_a_row_that_stands_twice_is_taken_once_and_two_values_are_refused(day_ahead):
    table = prices(SUMMER_MS, 48)
    double = Table(
        np.append(table.start_ms, table.start_ms[[3, 9]]),
        np.append(table.known_ms, table.known_ms[[3, 9]]),
        np.append(table.value, [table.value[3], table.value[9] + 1]),
    )

    kept, _ = check(day_ahead, double, Past(), NOW_MS)
    found = codes(day_ahead, double)

    assert len(kept) == 48
    assert (found[Code.DUPLICATE].count, found[Code.DUPLICATE].refuses) == (1, False)
    assert (found[Code.CONFLICT].count, found[Code.CONFLICT].refuses) == (1, True)


def test_a_later_publication_of_the_same_interval_is_no_double(load):
    table = prices(SUMMER_MS, 48)
    known = table.start_ms + 2 * HOUR_MS
    first = Table(table.start_ms, known, table.value * 1_000)
    both = Table(
        np.tile(first.start_ms, 2),
        np.concatenate((known, known + 86_400_000)),
        np.concatenate((first.value, first.value + 50)),
    )

    kept, found = check(load, both, Past(), NOW_MS)

    assert found == []
    assert len(kept) == 96


def test_a_day_of_25_hours_that_has_24_is_named(day_ahead):
    start = at("2023-10-28T00:00")
    table = prices(start, 72)
    missing = table.only(table.start_ms != at("2023-10-29T00:00") + 3 * HOUR_MS)

    found = codes(day_ahead, missing)

    assert "2023-10-29 has 25 hours" in found[Code.CLOCK_CHANGE].text
    assert "0 of 1 values" in found[Code.CLOCK_CHANGE].text
    assert Code.CLOCK_CHANGE not in codes(day_ahead, table)


@pytest.mark.parametrize("factor", [0.001, 1_000.0])
def test_prices_in_another_unit_than_the_series_are_refused(day_ahead, factor):
    table = prices(SUMMER_MS, 240)

    found = codes(day_ahead, replace(table, value=table.value * factor))

    assert found[Code.UNIT].refuses
    assert "--file-unit" in found[Code.UNIT].text


@pytest.mark.parametrize("factor", [0.001, 1_000.0])
def test_a_unit_is_also_told_from_what_the_series_has(load, factor):
    table = prices(SUMMER_MS, 240)
    table = Table(table.start_ms, table.start_ms + 2 * HOUR_MS, table.value * 900 * factor)

    found = codes(load, table, Past(median=54_000.0))

    assert found[Code.UNIT].count == 240


def test_a_single_day_in_another_unit_is_named(day_ahead):
    table = prices(SUMMER_MS, 240)
    table.value[48:72] /= 1_000

    found = codes(day_ahead, table)

    assert found[Code.UNIT].count == 1
    assert found[Code.UNIT].text.startswith("2024-06-03 00:00+02:00 differs")


def test_a_cheap_day_and_a_dear_one_are_no_mistake_of_units(day_ahead):
    table = prices(SUMMER_MS, 240)
    table.value[48:72] = np.linspace(-4, 3, 24)
    table.value[120:144] = 3_000.0

    assert codes(day_ahead, table) == {}


def test_negative_load_and_absurd_values_are_refused(load, day_ahead):
    rows = prices(SUMMER_MS, 240)
    table = Table(rows.start_ms, rows.start_ms + 2 * HOUR_MS, rows.value * 900)
    table.value[5] = -100.0
    table.value[6] = 900_000.0
    dear = prices(SUMMER_MS, 240)
    dear.value[9] = 99_999.0

    found = codes(load, table)

    assert (found[Code.NEGATIVE].count, found[Code.ABSURD].count) == (1, 1)
    assert codes(day_ahead, dear)[Code.ABSURD].refuses


def test_a_price_may_be_negative(day_ahead):
    table = prices(SUMMER_MS, 240)
    table.value[5] = -499.0

    assert codes(day_ahead, table) == {}


def test_rows_off_the_grid_or_of_another_step_are_refused(day_ahead):
    table = prices(SUMMER_MS, 48)
    off = replace(table, start_ms=table.start_ms + np.where(np.arange(48) == 5, 60_000, 0))
    quarter = replace(table, start_ms=SUMMER_MS + np.arange(48, dtype=np.int64) * 900_000)

    assert codes(day_ahead, off)[Code.OFF_GRID].refuses
    assert "15 minutes apart" in codes(day_ahead, quarter)[Code.WRONG_STEP].text
    assert codes(day_ahead, table, Past(phase_ms=1_800_000))[Code.OFF_GRID].count == 48


def test_a_measured_value_cannot_be_known_before_its_interval(load):
    table = prices(SUMMER_MS, 48)

    found = codes(load, table)
    forecast = codes(replace(load, forecast=True), table)

    assert found[Code.KNOWN_TOO_EARLY].count == 48
    assert forecast == {}


def test_nothing_is_known_in_the_future(day_ahead):
    table = prices(NOW_MS - NOW_MS % HOUR_MS, 48)
    late = replace(table, known_ms=table.known_ms + 10 * 86_400_000)

    assert codes(day_ahead, late)[Code.KNOWN_IN_FUTURE].refuses


@pytest.mark.parametrize(
    ("given", "series_unit", "kind", "factor"),
    [
        ("EUR/kWh", "EUR/MWh", Kind.DAY_AHEAD, 1_000.0),
        ("CNY/kW", "CNY/MW", Kind.CAPACITY, 1_000.0),
        ("kW", "MW", Kind.LOAD, 0.001),
        ("GW", "MW", Kind.WIND, 1_000.0),
    ],
)
def test_units_are_converted_by_name(given, series_unit, kind, factor):
    series = Series("a", kind, series_unit, "A", "UTC", 60)

    assert conversion(given, series) == (factor, 0.0)


@pytest.mark.parametrize("given", ["USD/kWh", "EUR/MW", "MW", "", "kWh"])
def test_what_does_not_measure_the_same_is_not_converted(day_ahead, given):
    with pytest.raises(BadSeries, match="cannot be turned into EUR/MWh"):
        conversion(given, day_ahead)


@pytest.mark.parametrize("text", ["day-1 25:00", "after", "tomorrow", "day-1"])
def test_a_rule_of_publication_is_one_of_three(text):
    with pytest.raises(BadSeries, match=r"write e\.g\. 'day-1 12:45'"):
        Publication(text)


def test_a_day_ahead_price_is_known_at_a_local_time_of_the_day_before():
    rule = Publication("day-1 12:45")
    start = np.array([at("2024-03-31T00:00"), at("2024-03-31T23:00"), at("2024-04-01T00:00")])

    known = rule.known_ms(start, HOUR_MS, BERLIN, NOW_MS)

    assert known.tolist() == [
        *(at("2024-03-30T12:45"), at("2024-03-30T12:45"), at("2024-03-31T12:45")),
    ]
