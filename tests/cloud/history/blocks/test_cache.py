"""What was opened lately is held, bounded, and never shown for something that has changed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cloud.history import Resolution, SignalRef
from cloud.history.blocks.cache import DecodedCache
from tests.cloud.stations import T0_MS, frame

POWER = SignalRef("METER", "active_power_kw")


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 40)), max_size=60),
    st.integers(8, 200),
)
def test_the_cache_never_holds_more_than_its_bytes_and_keeps_the_latest(puts, limit):
    cache = DecodedCache(limit)
    sizes: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, (key, size), size)
        if size * 8 <= limit:
            sizes[key] = size
            assert cache.get(key) == (key, size)
        held = [k for k in sizes if cache.get(k) is not None]
        assert sum(cache.get(k)[1] for k in held) <= limit


async def test_an_answer_from_the_cache_is_the_same_and_follows_what_is_written(stored):
    async def power(resolution: Resolution) -> list[float]:
        result = await stored.history.query(
            "alpha", [POWER], T0_MS, T0_MS + 3_600_000, resolution=resolution
        )
        return result.series[0].values.tolist()

    first, late = frame(n=120), frame(t0_ms=T0_MS + 600_000, n=60)
    await stored.put([first])
    await stored.compact()
    await stored.roll_up()
    once = [await power(Resolution.RAW), await power(Resolution.MINUTE)]
    again = [await power(Resolution.RAW), await power(Resolution.MINUTE)]
    await stored.put([late])
    await stored.compact()
    await stored.merge_hours()
    await stored.roll_up()
    after = [await power(Resolution.RAW), await power(Resolution.MINUTE)]

    assert once == again
    assert after[0] == once[0] + late.physical("active_power_kw")[:, 0].tolist()
    assert after[1][:2] == once[1]
    assert len(after[1]) == 3


async def test_what_is_held_cannot_be_changed_by_who_got_it(stored):
    await stored.put([frame(n=10)])
    await stored.compact()
    asked = ("alpha", [POWER], T0_MS, T0_MS + 60_000)
    result = await stored.history.query(*asked, resolution=Resolution.RAW)
    before = result.series[0].values.copy()
    if result.series[0].values.flags.writeable:
        result.series[0].values[:] = 0

    again = await stored.history.query(*asked, resolution=Resolution.RAW)

    np.testing.assert_array_equal(again.series[0].values, before)
