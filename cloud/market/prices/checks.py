"""Checks of rows before they are stored: holes, doubles, clock changes, units, absurd figures."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.market.prices.findings import Code, Finding
from cloud.market.prices.local_time import local_days, shown
from cloud.market.prices.series import ABSURD, Kind, Series
from cloud.market.prices.table import Floats, Mask, Table

Millis = npt.NDArray[np.int64]
_SHOWN: Final = 5
"""Places that a text names; the count tells of the others."""
_TOO_SMALL: Final = 5.0
"""A market whose dearest hours cost less than this per MWh has prices per kWh: power is cheap
below 20 of any larger currency per MWh, and dear above 0.2 per kWh."""
_TOO_LARGE: Final = 5_000.0
"""A price whose median is above this was already per MWh when it was multiplied by 1,000."""
_THOUSAND: Final = (300.0, 3_000.0)
"""A factor between these is taken for a mistake of 1,000."""
_TIMES_USUAL: Final = 5.0
"""A load or feed-in so many times the 99th percentile is a slip of a digit."""
_NIGHT: Final = 0.01
"""Of the largest value: at night solar plants draw a little, which is slightly negative feed-in."""
_STUCK_H: Final = 24.0
_FEW: Final = 24
"""Of fewer values nothing is said about their unit."""


@dataclass(frozen=True)
class Past:
    """What the series has already.

    Attributes:
        median: of |value|; None without values.
        phase_ms: where its intervals begin within their step; None without values.
    """

    median: float | None = None
    phase_ms: int | None = None


def check(series: Series, table: Table, past: Past, now_ms: int) -> tuple[Table, list[Finding]]:
    """Return the rows to store, in order and without doubles, and what was found."""
    found: list[Finding] = []
    empty = np.isnan(table.value)
    wrong = np.isinf(table.value)
    if wrong.any():
        found.append(_at(series, Code.NOT_A_NUMBER, table.start_ms[wrong], "is infinite"))
    kept = table.only(~empty & ~wrong).in_order()
    if not len(kept):
        text = "there is no row with a value; check file and columns"
        return kept, [*found, Finding(Code.EMPTY, 0, 0, 0, text)]
    kept = _doubles(series, kept, found)
    starts = np.unique(kept.start_ms)
    found.extend(_grid(series, starts, past))
    found.extend(_values(series, kept, past))
    found.extend(_known(series, kept, now_ms))
    return kept, found


def clock_changes(series: Series, start_ms: Millis) -> list[Finding]:
    """Name the days with a doubled or a skipped hour, and whether the rows have them right.

    Args:
        series: what the rows belong to.
        start_ms: the intervals that are there, rising, without doubles, shape (n,).
    """
    found = []
    zone = series.zone_info
    for change_ms, gained_ms in _changes(series, int(start_ms[0]), int(start_ms[-1])):
        if gained_ms <= 0:
            continue
        doubled = np.arange(change_ms, change_ms + gained_ms, series.step_ms, dtype=np.int64)
        there = int(np.isin(doubled, start_ms).sum())
        if there < len(doubled):
            day = dt.datetime.fromtimestamp(change_ms / 1000, zone).date()
            text = (
                f"{day} has {24 + gained_ms // 3_600_000} hours, and of the hour that the clock "
                f"shows twice the second has {there} of {len(doubled)} values"
            )
            found.append(
                Finding(
                    Code.CLOCK_CHANGE, len(doubled) - there, change_ms, change_ms + gained_ms, text
                )
            )
    return found


def _changes(series: Series, first_ms: int, last_ms: int) -> Iterator[tuple[int, int]]:
    """Yield when clocks change between two times, and by how much a day becomes longer."""
    zone = series.zone_info
    day = dt.datetime.fromtimestamp(first_ms / 1000, zone).date()
    end = dt.datetime.fromtimestamp(last_ms / 1000, zone).date()
    while day <= end:
        begin = dt.datetime.combine(day, dt.time(), tzinfo=zone)
        after = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=zone)
        gained = (begin.utcoffset() or dt.timedelta()) - (after.utcoffset() or dt.timedelta())
        if gained:
            low, high = round(begin.timestamp()), round(after.timestamp())
            before = begin.utcoffset()
            while high - low > 1:
                middle = (low + high) // 2
                same = dt.datetime.fromtimestamp(middle, zone).utcoffset() == before
                low, high = (middle, high) if same else (low, middle)
            yield high * 1000, round(gained.total_seconds() * 1000)
        day += dt.timedelta(days=1)


def _doubles(series: Series, rows: Table, found: list[Finding]) -> Table:
    same = np.zeros(len(rows), np.bool_)
    same[1:] = (np.diff(rows.start_ms) == 0) & (np.diff(rows.known_ms) == 0)
    equal = np.zeros(len(rows), np.bool_)
    equal[1:] = same[1:] & (np.diff(rows.value) == 0)
    if equal.any():
        found.append(
            _at(series, Code.DUPLICATE, rows.start_ms[equal], "stands there more than once")
        )
    other = same & ~equal
    if other.any():
        words = "has two values that became known at the same time; say which one is right"
        found.append(_at(series, Code.CONFLICT, rows.start_ms[other], words))
    return rows.only(~same)


def _grid(series: Series, starts: Millis, past: Past) -> Iterator[Finding]:
    phase = starts % series.step_ms
    values, counts = np.unique(phase, return_counts=True)
    usual = int(values[counts.argmax()]) if past.phase_ms is None else past.phase_ms
    off = phase != usual
    if len(starts) > 2 and (steps := np.diff(starts)).size:  # noqa: PLR2004 - two tell no step
        lengths, counts = np.unique(steps, return_counts=True)
        common = int(lengths[counts.argmax()])
        if common != series.step_ms:
            text = (
                f"rows are {common / 60_000:g} minutes apart, the series has intervals of "
                f"{series.step_min}; name the right step, or import it as another series"
            )
            yield Finding(Code.WRONG_STEP, len(starts), int(starts[0]), int(starts[-1]), text)
            return
    if off.any():
        yield _at(series, Code.OFF_GRID, starts[off], "begins beside the grid of the others")
    else:
        yield from _gaps(series, starts)
    yield from clock_changes(series, starts)


def _gaps(series: Series, starts: Millis) -> Iterator[Finding]:
    steps = np.diff(starts) // series.step_ms - 1
    holes = np.flatnonzero(steps > 0)
    if not holes.size:
        return
    zone = series.zone_info
    names = [
        f"from {shown(int(starts[i]) + series.step_ms, zone)} to {shown(int(starts[i + 1]), zone)}"
        f" ({int(steps[i])})"
        for i in holes[:_SHOWN]
    ]
    count, all_there = int(steps[holes].sum()), int((starts[-1] - starts[0]) // series.step_ms) + 1
    more = f" and {len(holes) - _SHOWN} more" if len(holes) > _SHOWN else ""
    text = f"{count:,} of {all_there:,} intervals are missing: {', '.join(names)}{more}"
    first = int(starts[holes[0]]) + series.step_ms
    yield Finding(Code.GAP, count, first, int(starts[holes[-1] + 1]) - series.step_ms, text)


def _values(series: Series, rows: Table, past: Past) -> Iterator[Finding]:
    value = rows.value
    low, high = ABSURD[series.kind]
    unit = _unit(series, rows, past)
    absurd = (value < low) | (value > high)
    if series.kind.is_power and len(value) >= _FEW and unit is None:
        usual = float(np.percentile(value, 99))
        absurd |= value > max(_TIMES_USUAL * usual, 1.0)
    if unit is not None:
        yield unit
    elif absurd.any():
        worst = value[np.abs(value).argmax()]
        words = f"is no possible {series.kind} ({worst:,.6g} {series.unit} is the worst)"
        yield _at(series, Code.ABSURD, rows.start_ms[absurd], words)
    if series.kind.is_power:
        allowed = -_NIGHT * float(value.max(initial=0.0)) if series.kind is Kind.SOLAR else 0.0
        negative = value < allowed
        if negative.any():
            words = f"is negative ({value.min():,.6g} {series.unit} is the lowest)"
            yield _at(series, Code.NEGATIVE, rows.start_ms[negative], words)
    if series.kind is Kind.LOAD:
        yield from _stuck(series, rows)


def _unit(series: Series, rows: Table, past: Past) -> Finding | None:
    """Look for a factor of 1,000: in all rows, against what is stored, on single days."""
    size = np.abs(rows.value)
    first, last = int(rows.start_ms[0]), int(rows.start_ms[-1])
    if len(size) < _FEW or not size.any():
        return None
    median, dearest = float(np.median(size)), float(np.percentile(size, 99))

    def whole(text: str) -> Finding:
        remedy = "name the file's unit (--file-unit), or accept it by name (--accept unit)"
        return Finding(Code.UNIT, len(size), first, last, f"{text}; {remedy}")

    if past.median and median and (factor := _thousand(median / past.median)):
        return whole(f"values are {factor} what the series has ({past.median:,.4g} {series.unit})")
    if series.kind in (Kind.DAY_AHEAD, Kind.INTRADAY, Kind.REAL_TIME) and not past.median:
        if dearest < _TOO_SMALL:
            return whole(
                f"the dearest hours cost {dearest:,.4g} {series.unit}: these are prices per kWh"
            )
        if median > _TOO_LARGE:
            return whole(
                f"the median is {median:,.6g} {series.unit}: these prices were per MWh already"
            )
    return _mixed(series, rows, size)


def _mixed(series: Series, rows: Table, size: Floats) -> Finding | None:
    """Name days that are a thousandth or a thousand times of what the others are."""
    days, place = local_days(rows.start_ms, series.zone_info)
    if len(days) < 3:  # noqa: PLR2004 - of two days nobody knows which is right
        return None
    by_day = np.split(size, np.flatnonzero(np.diff(place)) + 1)
    figures = np.array([(day.max(), float(np.median(day))) for day in by_day])
    usual = np.median(figures, axis=0)
    if not usual.all() or len(by_day) != len(days):
        return None
    words_of = [
        {_thousand(one / whole) for one, whole in zip(day, usual, strict=True)} for day in figures
    ]
    wrong = [len(words) == 1 and "" not in words for words in words_of]
    if not any(wrong):
        return None
    words = "differs from the other days by a factor of about 1,000; correct its unit in the file"
    first = np.unique(place, return_index=True)[1]
    return _at(series, Code.UNIT, rows.start_ms[first[np.array(wrong)[place[first]]]], words)


def _thousand(ratio: float) -> str:
    low, high = _THOUSAND
    if not ratio:
        return ""
    if low <= ratio <= high:
        return "about 1,000 times"
    return "about a thousandth of" if low <= 1 / ratio <= high else ""


def _stuck(series: Series, rows: Table) -> Iterator[Finding]:
    edges = np.flatnonzero(np.diff(rows.value) != 0)
    begins = np.concatenate(([0], edges + 1))
    ends = np.concatenate((edges, [len(rows) - 1]))
    hours = (rows.start_ms[ends] - rows.start_ms[begins]) / 3_600_000
    long = hours >= _STUCK_H
    if long.any():
        words = f"has one value for {hours.max():.0f} hours at most"
        yield _at(series, Code.STUCK, rows.start_ms[begins[long]], words)


def _known(series: Series, rows: Table, now_ms: int) -> Iterator[Finding]:
    future = rows.known_ms > now_ms
    if future.any():
        words = "would become known in the future; check the column and its time zone"
        yield _at(series, Code.KNOWN_IN_FUTURE, rows.start_ms[future], words)
    if not series.forecast and not series.kind.is_told_before:
        early: Mask = rows.known_ms < rows.start_ms
        if early.any():
            words = (
                "would be known before its interval begins, which only a forecast is; check the "
                "column or the rule of publication"
            )
            yield _at(series, Code.KNOWN_TOO_EARLY, rows.start_ms[early], words)


def _at(series: Series, code: Code, starts: Millis, words: str) -> Finding:
    """Make a finding that names its first places."""
    zone = series.zone_info
    names = ", ".join(shown(int(one), zone) for one in starts[:_SHOWN])
    more = f" and {len(starts) - _SHOWN:,} more" if len(starts) > _SHOWN else ""
    return Finding(code, len(starts), int(starts[0]), int(starts[-1]), f"{names}{more} {words}")
