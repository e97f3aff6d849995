import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contract.layouts import FIRE
from station.device_clocks import DeviceClocks
from station.image import ProcessImage
from station.protocols import FastReading
from station.protocols.bundle import bundled
from station.protocols.driver import Reading

T0 = 1_750_000_000_000


def reading(time_ms, received_ms, device="FIRE"):
    values = tuple(np.zeros(1, kind) for kind in FIRE.dtypes)
    return Reading(device, FIRE.name, time_ms, received_ms, values, np.zeros(FIRE.width, np.uint8))


def taken(clocks: DeviceClocks, *readings: Reading) -> list[Reading]:
    """Return what becomes of readings that came together."""
    (bundle,) = bundled(readings)
    return list(clocks.take(bundle).readings())


def test_data_that_stopped_grow_old_though_the_devices_clock_lay_ahead():
    clocks, image = DeviceClocks(), ProcessImage({"fire": 5.0})
    for second in range(7):
        now_ms = T0 + 1000 * second
        (row,) = taken(clocks, reading(now_ms + 300_000, now_ms + 80))
        image.update(row)

    (newest,) = image.newest()

    assert T0 + 5000 < newest.time_ms <= newest.received_ms
    assert image.freeze(T0 + 60_000, T0 + 60_000).get("FIRE", "fire").age_s > 50


@given(
    st.integers(2000, 10**10), st.lists(st.integers(0, 900), min_size=2, max_size=20), st.booleans()
)
def test_seconds_of_a_clock_ahead_keep_their_steps_and_lie_not_in_the_future(lead, delays, mends):
    clocks = DeviceClocks()
    told = []
    for second, delay_ms in enumerate(delays):
        now_ms = T0 + 1000 * second
        time_ms = now_ms if mends and second > len(delays) // 2 else now_ms + lead
        told += taken(clocks, reading(time_ms, now_ms + delay_ms))

    assert all(row.time_ms <= row.received_ms + 1000 for row in told)
    steps = np.diff([row.time_ms for row in told])
    ahead = len(delays) // 2 if mends else len(delays)
    assert set(steps[: ahead - 1].tolist()) <= {1000}


def test_a_clock_that_is_right_and_its_neighbours_change_nothing():
    clocks = DeviceClocks()
    right = [reading(T0, T0 + 100, "A"), reading(T0 + 900, T0, "B"), reading(T0 - 9000, T0, "C")]

    times = [row.time_ms for row in taken(clocks, *right, reading(T0 + 20_000, T0, "D"))]

    assert times == [T0, T0 + 900, T0 - 9000, T0]
    assert [(c.device, c.value) for c in clocks.conditions(T0)] == [("D", 20.0)]
    assert list(clocks.conditions(T0 + 4000)) == []


def test_a_fast_reading_of_the_future_is_of_its_arrival():
    fast = FastReading("METER", "meter", T0 + 9000, T0, {})

    assert DeviceClocks().take_fast(fast).time_ms == T0
