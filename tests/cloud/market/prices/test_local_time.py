"""Local times of files over days of 23 and 25 hours."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.market.prices.local_time import to_utc

ZONES = ("Europe/Berlin", "America/Chicago", "Australia/Melbourne", "Asia/Shanghai", "Asia/Beirut")
QUARTER_MS = 900_000


def wall_ms(utc_ms: int, zone: ZoneInfo) -> int:
    shown = dt.datetime.fromtimestamp(utc_ms / 1000, zone).replace(tzinfo=dt.UTC)
    return round(shown.timestamp() * 1000)


@given(
    st.sampled_from(ZONES),
    st.integers(0, 365 * 12 * 24),
    st.integers(1, 400),
    st.sampled_from((1, 2, 4)),
)
def test_what_the_clock_showed_in_order_is_turned_back_to_the_same_times(zone, hour, count, step):
    info = ZoneInfo(zone)
    begin = 1_420_070_400_000 + hour * 3_600_000
    utc = begin + QUARTER_MS * step * np.arange(count, dtype=np.int64)
    doubled = info.utcoffset(dt.datetime.fromtimestamp(begin / 1000, info))
    hour_before = dt.datetime.fromtimestamp(begin / 1000 - 3_600, info).utcoffset()
    if doubled is not None and hour_before is not None and doubled < hour_before:
        return  # a file that begins with the second showing cannot know it

    back = to_utc(np.array([wall_ms(int(one), info) for one in utc], np.int64), info)

    assert not back.never.any()
    assert (back.utc_ms == utc).all()


@pytest.mark.parametrize(
    ("zone", "shown", "never"),
    [
        ("Europe/Berlin", "2023-03-26T02:15", True),
        ("Europe/Berlin", "2023-03-26T03:00", False),
        ("America/Chicago", "2024-03-10T02:59", True),
        ("Asia/Shanghai", "2023-03-26T02:15", False),
    ],
)
def test_a_time_that_the_clock_skipped_is_marked(zone, shown, never):
    found = to_utc(np.array([shown], "M8[ms]").astype(np.int64), ZoneInfo(zone))

    assert found.never[0] == never
