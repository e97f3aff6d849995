"""Errors that are put into a recording are there, and nothing else."""

import numpy as np
import pytest

from cell_lab.disturb import DEFAULT, Disturbance, disturb, parse_disturbances
from cell_lab.errors import DisturbanceError
from cell_lab.parameter_files import parameters_of
from station.estimators import build_cell_model
from tests.cell_lab.made import made_recording


@pytest.fixture(scope="module")
def recording():
    return made_recording(build_cell_model(parameters_of("esc26650")), 3600, 0.95, 0.5)


def test_no_disturbance_changes_nothing(recording):
    disturbed = disturb(recording, Disturbance("none"))

    assert np.array_equal(disturbed.recording.voltage_v, recording.voltage_v)
    assert np.array_equal(disturbed.recording.current_a, recording.current_a)
    assert disturbed.told_soc == recording.soc[0]
    assert not disturbed.lost.any()


def test_each_sensor_error_has_its_size(recording):
    error = Disturbance(
        "all", soc=-0.2, current_offset=0.005, current_gain=0.01, voltage_offset=0.003
    )

    disturbed = disturb(recording, error)

    assert disturbed.told_soc == pytest.approx(recording.soc[0] - 0.2)
    assert disturbed.recording.voltage_v - recording.voltage_v == pytest.approx(0.003)
    expected = recording.current_a * 1.01 - 0.005 * recording.capacity_ah
    assert disturbed.recording.current_a == pytest.approx(expected)
    assert np.array_equal(disturbed.recording.soc, recording.soc)


def test_a_coarse_sensor_knows_only_its_steps(recording):
    disturbed = disturb(recording, Disturbance("step", voltage_step=0.005))

    steps = disturbed.recording.voltage_v / 0.005
    assert steps == pytest.approx(np.round(steps), abs=1e-6)


def test_gaps_last_a_minute_and_have_their_share(recording):
    lost = disturb(recording, Disturbance("gaps", gaps=0.2)).lost

    assert 0.1 < lost.mean() < 0.3
    assert len(np.unique(lost.reshape(-1, 60).sum(axis=1))) == 2


def test_a_frozen_voltage_stands_still_in_the_middle(recording):
    voltage = disturb(recording, Disturbance("frozen", frozen=300.0)).recording.voltage_v

    still = np.flatnonzero(np.diff(voltage) == 0)
    assert {1900, 2000} <= set(still)


def test_a_cold_start_begins_where_it_is_asked_to(recording):
    disturbed = disturb(recording, Disturbance("cold", start=0.65))

    assert disturbed.recording.soc[0] == pytest.approx(0.65, abs=0.001)
    assert len(disturbed.recording.soc) < len(recording.soc)


def test_the_default_is_a_set_and_each_of_it_has_a_name():
    assert parse_disturbances("default") == DEFAULT
    assert parse_disturbances("cold start")[0].start == 0.65


def test_sizes_can_be_given_one_by_one():
    (found,) = parse_disturbances("soc=-0.1, current_offset=0.002")

    assert (found.soc, found.current_offset) == (-0.1, 0.002)


@pytest.mark.parametrize(
    "text", ["soc=", "colour=1", "soc=much", "", "soc=5", "soc=nan", "gaps=3, soc=0"]
)
def test_what_is_no_disturbance_is_refused_with_what_is(text):
    with pytest.raises(DisturbanceError, match="soc"):
        parse_disturbances(text)
