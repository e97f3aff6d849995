"""A make of cell is found again in recordings of it."""

from dataclasses import replace

import numpy as np
import pytest

from cell_lab.drives import lag
from cell_lab.errors import IdentifyError, OcvFileError, RecordingError
from cell_lab.identify import identify
from cell_lab.open_circuit import hats
from cell_lab.parameter_files import read_ocv, write_parameters
from cell_lab.recordings import read_recordings
from station.estimators import load_cell_parameters
from tests.cell_lab.made import REAL


@pytest.fixture(scope="module")
def recordings():
    return read_recordings(REAL, "esc26650")


def test_a_file_holds_its_recordings_with_discharge_positive(recordings):
    drive = next(recording for recording in recordings if not recording.slow)

    assert sorted(recording.profile for recording in recordings) == ["ocvchg", "ocvdis", "udds"]
    assert drive.capacity_ah == pytest.approx(2.06)
    assert drive.soc[0] > drive.soc[-1]
    counted = drive.soc[0] - np.cumsum(drive.current_a * drive.elapsed_s) / 3600 / 2.06
    assert np.abs(counted - drive.soc).max() < 0.03


def test_the_voltage_of_a_real_cell_is_repeated_within_ten_millivolts(recordings, tmp_path):
    fit = identify(recordings, "A123 26650", "LFP", "a test, MIT licence")

    assert max(fit.residual_v.values()) < 0.010
    assert fit.parameters.hysteresis is not None
    written = tmp_path / "cell.toml"
    write_parameters(fit.parameters, written)
    assert load_cell_parameters(written) == fit.parameters


def test_without_a_slow_test_the_open_circuit_voltage_must_be_named(recordings):
    fast = [recording for recording in recordings if not recording.slow]

    with pytest.raises(IdentifyError, match=r"no recording is as slow as C/15.*--ocv-from"):
        identify(fast, "A123 26650", "LFP", "test")


def test_without_a_loaded_test_nothing_can_be_found(recordings):
    slow = [recording for recording in recordings if recording.slow]

    with pytest.raises(IdentifyError, match="add pulses or a drive cycle"):
        identify(slow, "A123 26650", "LFP", "test")


def test_an_open_circuit_table_is_read_from_csv(tmp_path):
    table = tmp_path / "ocv.csv"
    rows = [f"{number / 20},{3 + number / 20}" for number in range(20, -1, -1)]
    table.write_text("\n".join(["SOC,OCV", *rows]), "utf-8")

    ocv = read_ocv(table)

    assert ocv.voltage_v[0][0] == 3.0
    assert ocv.voltage_v[0][75] == pytest.approx(3.75)


@pytest.mark.parametrize(
    "text",
    [
        "soc,ocv_v\n",
        "soc,ocv_v\n" + "\n".join(f"{number},3.3" for number in range(0, 100, 4)),
        "soc,ocv_v\n0.1,3.2,9\n",
        "soc,ocv_v\n0.1,much\n",
    ],
)
def test_a_csv_that_is_no_curve_is_refused(tmp_path, text):
    table = tmp_path / "ocv.csv"
    table.write_text(text, "utf-8")

    with pytest.raises(OcvFileError, match=r"ocv\.csv: (needs|is no table).*--ocv-from takes"):
        read_ocv(table)


def test_two_cells_are_not_identified_as_one(recordings):
    other = replace(recordings[0], cell="other")

    with pytest.raises(IdentifyError, match=r"esc26650 of 2\.06 Ah, other.*--cell"):
        identify([*recordings, other], "both", "LFP", "test")


def written(tmp_path, columns):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {
        "profile": ["drive"] * 100,
        "time_s": np.arange(100.0),
        "voltage_v": np.full(100, 3.3),
        "current_a": np.full(100, -280.0),
        "temperature_c": np.linspace(24.0, 29.0, 100),
        "soc": np.linspace(0.9, 0.87, 100),
    }
    path = tmp_path / "maker-x.parquet"
    pq.write_table(pa.table(rows | columns), path)
    return path


def test_without_a_capacity_in_the_file_it_must_be_named(tmp_path):
    path = written(tmp_path, {})

    with pytest.raises(RecordingError, match=r"no column q_ref_ah; name the capacity by"):
        read_recordings(path)
    (recording,) = read_recordings(path, capacity_of=lambda cell: 280.0)

    assert recording.cell == "maker-x"
    assert recording.capacity_ah == 280.0


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"soc": np.linspace(90, 87, 100)}, "looks like percent"),
        ({"voltage_v": np.full(100, 3300.0)}, "must be that of one cell, in V"),
        ({"voltage_v": np.full(100, np.nan)}, "a value is missing"),
        (
            {"soc": np.linspace(0.9, 0.5, 100), "current_a": np.full(100, 4000.0)},
            "charging must be positive: turn it",
        ),
    ],
)
def test_another_unit_or_sign_is_refused_with_what_it_looks_like(tmp_path, columns, said):
    path = written(tmp_path, columns | {"q_ref_ah": np.full(100, 280.0)})

    with pytest.raises(RecordingError, match=said):
        read_recordings(path)


def test_a_file_that_is_not_there_is_told_so(tmp_path):
    with pytest.raises(RecordingError, match="there is no such file"):
        read_recordings(tmp_path / "nope.parquet")


def test_a_cell_that_warms_is_one_recording_at_its_middle_temperature(tmp_path):
    (recording,) = read_recordings(written(tmp_path, {"q_ref_ah": np.full(100, 280.0)}))

    assert recording.chamber_c == pytest.approx(26, abs=1)
    assert len(recording.soc) == 100


def test_a_csv_without_its_columns_is_refused(tmp_path):
    table = tmp_path / "ocv.csv"
    table.write_text("charge,volts\n1.0,4.2\n", "utf-8")

    with pytest.raises(OcvFileError, match="has no such columns"):
        read_ocv(table)


def test_a_file_that_is_no_recording_is_refused_with_what_one_holds(tmp_path):
    wrong = tmp_path / "wrong.parquet"
    wrong.write_bytes(b"PAR")

    with pytest.raises(RecordingError, match=r"wrong\.parquet.*profile, time_s"):
        read_recordings(wrong)


def test_a_cell_that_is_not_in_the_file_is_refused_with_those_that_are():
    with pytest.raises(RecordingError, match=r"no cell 'other', only esc26650"):
        read_recordings(REAL, "other")


def test_a_lag_comes_to_its_drive():
    out = lag(np.ones(1000), np.ones(1000), 100.0)

    assert out[99] == pytest.approx(1 - np.exp(-1), abs=1e-9)
    assert out[-1] == pytest.approx(1, abs=1e-4)


def test_hats_interpolate():
    knots = np.array([0.0, 0.5, 1.0])

    assert hats(np.array([0.25, 1.5]), knots) @ np.array([0.0, 1.0, 3.0]) == pytest.approx([0.5, 3])
