"""The estimators' state as bytes: the same comes back, and nothing else is taken."""

from dataclasses import replace

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import (
    StateError,
    build_cell_model,
    known_start,
    resume,
    start,
    state_file,
    state_from_bytes,
    state_to_bytes,
    tick,
)
from tests.station.estimators.anomaly.made import arrays_of, detector
from tests.station.estimators.stations import facts_of, samples_at, settings_of


@pytest.fixture(scope="module")
def settings():
    return settings_of(build_cell_model(parameters_of("esc26650")), racks=3, cells=4)


def after_seconds(settings, seconds, state=None):
    state = start(settings, np.full(12, 0.6, np.float32)) if state is None else state
    for second in range(seconds):
        state, estimates = tick(settings, state, samples_at(settings, second), facts_of(settings))
    return state, estimates


def test_a_state_that_was_bytes_goes_on_as_if_it_never_was(settings):
    begun = start(settings, np.full(12, 0.6, np.float32))
    soc = known_start(settings.model, settings.rack, 3, np.full(12, 0.6, np.float32), 0.01)
    state, _ = after_seconds(settings, 30, replace(begun, soc=soc))

    restored = state_from_bytes(settings, state_to_bytes(state))

    _, expected = after_seconds(settings, 30, state)
    _, found = after_seconds(settings, 30, restored)
    for name, values in expected.cells.items():
        np.testing.assert_array_equal(found.cells[name], values, err_msg=name)
    for name, values in expected.racks.items():
        np.testing.assert_array_equal(found.racks[name], values, err_msg=name)


def test_what_the_detector_of_anomalies_learnt_is_kept_with_the_rest(settings):
    watched = replace(settings, anomaly=detector())
    state, _ = after_seconds(watched, 40)

    restored = state_from_bytes(watched, state_to_bytes(state))

    kept, fresh = arrays_of(restored.anomaly), arrays_of(start(watched, np.zeros(12)).anomaly)
    found = arrays_of(state.anomaly)
    assert any(not np.array_equal(found[name], fresh[name]) for name in found)
    for name, value in found.items():
        np.testing.assert_array_equal(kept[name], value, err_msg=name)


def test_a_damaged_byte_anywhere_is_refused(settings):
    blob = state_to_bytes(after_seconds(settings, 1)[0])

    for place in range(0, len(blob), len(blob) // 97):
        broken = bytearray(blob)
        broken[place] ^= 0x10
        with pytest.raises(StateError):
            state_from_bytes(settings, bytes(broken))


@pytest.mark.parametrize("length", [0, 5, 40, 300, -1])
def test_a_state_that_was_cut_off_is_refused(settings, length):
    blob = state_to_bytes(after_seconds(settings, 1)[0])

    with pytest.raises(StateError):
        state_from_bytes(settings, blob[:length])


def test_the_state_of_another_station_is_refused_by_what_differs(settings):
    blob = state_to_bytes(after_seconds(settings, 1)[0])

    other = settings_of(settings.model, racks=4, cells=3)
    with pytest.raises(StateError, match="racks 3, the station has 4"):
        state_from_bytes(other, blob)

    other = replace(settings, rack=np.array([0] * 3 + [1] * 5 + [2] * 4))
    with pytest.raises(StateError, match="other racks"):
        state_from_bytes(other, blob)


def test_the_state_of_another_make_is_refused(settings):
    blob = state_to_bytes(after_seconds(settings, 1)[0])

    other = replace(settings, model=build_cell_model(parameters_of("lg_hg2")))

    with pytest.raises(StateError, match="make"):
        state_from_bytes(other, blob)


def test_a_search_goes_on_from_where_its_mixtures_stood(settings):
    state, before = after_seconds(settings, 60)

    restored = state_from_bytes(settings, state_to_bytes(state))
    _, after = after_seconds(settings, 1, restored)

    assert restored.soc.searching.all()
    assert after.cells["cell_soc"] == pytest.approx(before.cells["cell_soc"], abs=0.02)
    width, narrowest = after.cells["cell_soc_half_width"], 0.8 * before.cells["cell_soc_half_width"]
    assert np.all(width > narrowest), "a restart makes nobody surer"


def test_a_state_of_before_temperatures_were_followed_anew_is_taken(settings, monkeypatch):
    watched = replace(settings, anomaly=detector())
    state, _ = after_seconds(watched, 40)
    monkeypatch.setattr(state_file, "_NEVER_KEPT", (*state_file._NEVER_KEPT, *state_file._MAY_LACK))

    restored = state_from_bytes(watched, state_to_bytes(state))

    assert restored.anomaly.channels.seen_s.tolist() == state.anomaly.channels.seen_s.tolist()
    assert not restored.anomaly.channels.warm_s.any()


def test_after_an_absence_what_was_learnt_of_cells_stays_and_temperatures_begin_anew(settings):
    watched = replace(settings, anomaly=detector())
    state, _ = after_seconds(watched, 40)

    back = resume(watched, state, 80.0).anomaly

    assert back.channels.seen_s.tolist() == state.anomaly.channels.seen_s.tolist()
    assert not back.channels.warm_s.any()
    assert not back.gathered.seconds.any()
