import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contract import frame
from station.samples import Sample
from station.uplink.slabs import slabs_of
from tests.station.plant_samples import MadeSample, running_pcs, sample

T0 = 1_795_000_000_000


def frames_of(samples: list[Sample]) -> list[frame.Frame]:
    return [made for slab in slabs_of(samples) for made in slab.frames()]


def test_consecutive_seconds_of_a_device_become_one_frame():
    frames = frames_of([running_pcs("C1-PCS", T0 + s * 1000, float(s)) for s in range(5)])

    (found,) = frames
    assert (found.t0_ms, found.step_ms, found.n) == (T0, 1000, 5)
    assert list(found.physical("active_power_kw")[:, 0]) == [0, 1, 2, 3, 4]
    assert found.jitter_ms is None


def test_a_gap_begins_another_frame_so_that_no_row_is_invented():
    times = [T0, T0 + 1000, T0 + 5000]

    frames = frames_of([running_pcs("C1-PCS", t) for t in times])

    assert [list(f.times_ms) for f in frames] == [times[:2], times[2:]]


def test_a_device_time_off_the_second_keeps_its_milliseconds():
    frames = frames_of([running_pcs("C1-PCS", T0 + 137), running_pcs("C1-PCS", T0 + 1142)])

    assert list(frames[0].times_ms) == [T0 + 137, T0 + 1142]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 60)), unique=True, min_size=1))
def test_frames_hold_exactly_the_samples_that_went_in(keys):
    samples = [running_pcs(device, T0 + second * 1000) for device, second in keys]

    frames = frame.decode_batch(frame.encode_slabs(slabs_of(samples)))

    found = [(f.device, int(ms)) for f in frames for ms in f.times_ms]
    assert sorted(found) == sorted((d, T0 + s * 1000) for d, s in keys)


def test_samples_are_structural():
    made: MadeSample = running_pcs("C1-PCS", T0)

    assert frames_of([made])[0].device == "C1-PCS"


def test_like_devices_of_one_second_are_one_slab():
    racks = [sample(f"R{n}", "rack", T0, soc=n / 10) for n in range(4)]
    converter = running_pcs("C1-PCS", T0, 10.0)

    slabs = {slab.layout.name: slab for slab in slabs_of([racks[0], converter, *racks[1:]])}

    assert slabs["rack"].devices == ("R0", "R1", "R2", "R3")
    assert slabs["pcs"].devices == ("C1-PCS",)
    assert slabs["rack"].quality is None
    np.testing.assert_allclose(
        [made.physical("soc")[0, 0] for made in slabs["rack"].frames()], [0, 0.1, 0.2, 0.3]
    )
