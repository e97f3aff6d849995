"""What telemetry of a realistic plant costs on the wire and at rest: the bounds of the plan."""

import pytest

from bench._plant import plant, values_of
from contract.frame import decode_batch, encode_batch, merge


@pytest.mark.parametrize(("seconds", "most"), [(2, 0.45), (10, 0.27), (60, 0.23)])
def test_a_batch_of_the_whole_plant_stays_small(seconds, most):
    frames = plant(seconds)

    blob = encode_batch(frames)

    assert decode_batch(blob) == frames
    assert len(blob) / values_of(frames) < most


@pytest.mark.parametrize(("layout", "most"), [("rack", 0.25), ("rack.cells/416", 0.22)])
def test_an_hour_block_stays_small(layout, most):
    frames = [f for f in plant(3600) if f.device == "C2-R04" and f.layout.name == layout]

    blob = encode_batch(frames)

    assert decode_batch(blob) == frames
    assert len(blob) / values_of(frames) < most


def test_constant_telemetry_costs_next_to_nothing():
    (frame,) = [f for f in plant(600) if f.device == "FIRE"]

    assert len(encode_batch([frame])) < 150


def test_a_gap_costs_next_to_nothing():
    (frame,) = [f for f in plant(600) if f.device == "METER"]
    early = frame.between(frame.t0_ms, frame.t0_ms + 200_000)
    late = frame.between(frame.t0_ms + 400_000, frame.end_ms)
    assert early is not None
    assert late is not None

    with_gap = merge([early, late])

    assert len(encode_batch([with_gap])) < len(encode_batch([frame])) * 0.75
