"""A make is tried at temperatures that its parameters have not seen."""

import pytest

from cell_lab.disturb import Disturbance
from cell_lab.errors import IdentifyError
from cell_lab.hold_out import held_out, identify_calibrated
from cell_lab.identify import identify
from cell_lab.parameter_files import parameters_of
from cell_lab.recordings import read_recordings
from station.estimators import build_cell_model
from tests.cell_lab.made import REAL, made_recording

TOLD_LESS = Disturbance("soc", soc=-0.2)


@pytest.fixture(scope="module")
def drives():
    """A made cell at three temperatures, from full to nearly empty."""
    model = build_cell_model(parameters_of("esc26650"))
    return [
        made_recording(model, 1600, 0.99, 1.9, seed=number, temperature_c=temperature_c)
        for number, temperature_c in enumerate((5.0, 25.0, 45.0))
    ]


def test_only_temperatures_between_others_are_held_out(drives):
    ocv = parameters_of("esc26650").ocv

    trials = list(held_out(drives, [TOLD_LESS], "LFP", ocv))

    assert [trial.chamber_c for trial in trials] == [25.0]
    assert {case.recording.chamber_c for case in trials[0].cases} == {25.0}


def test_what_is_to_be_kept_out_is_not_identified_from(drives):
    ocv = parameters_of("esc26650").ocv

    with pytest.raises(IdentifyError, match="add pulses or a drive cycle"):
        list(held_out(drives, [TOLD_LESS], "LFP", ocv, without=["drive"]))


def test_what_names_no_profile_is_refused_with_the_profiles_that_there_are(drives):
    ocv = parameters_of("esc26650").ocv

    with pytest.raises(IdentifyError, match=r"'US06'.*the profiles are drive 0, drive 1"):
        list(held_out(drives, [TOLD_LESS], "LFP", ocv, without=["US06"]))


def test_one_temperature_cannot_be_held_out():
    with pytest.raises(IdentifyError, match="only where there are three"):
        list(held_out(read_recordings(REAL), [TOLD_LESS], "LFP"))


def test_a_make_at_one_temperature_has_no_narrower_intervals_than_the_filters_own(drives):
    ocv = parameters_of("esc26650").ocv

    fit = identify_calibrated(drives[:1], "one", "LFP", "one", ocv, disturbances=[TOLD_LESS])

    intervals = fit.parameters.intervals
    assert intervals is not None
    assert intervals.temperature_c == (-15.0, -5.0, 5.0, 15.0, 25.0)
    for row in intervals.anchored:
        assert min(row) == row[2] >= 1
        assert row[0] > row[1] > row[2] < row[3] < row[4]


def test_a_make_at_three_temperatures_gets_intervals(drives):
    ocv = parameters_of("esc26650").ocv
    shares = []

    fit = identify_calibrated(
        drives, "made", "LFP", "made", ocv, disturbances=[TOLD_LESS], progress=shares.append
    )

    intervals = fit.parameters.intervals
    assert intervals is not None
    assert intervals.temperature_c == (-15, -5, 5, 15, 25, 35, 45, 55, 65)
    assert 0 < intervals.anchored[1][4] < 10
    assert fit.parameters.ocv == identify(drives, "made", "LFP", "made", ocv).parameters.ocv
    assert shares[-1] == 1.0
