"""The make of a cell is found by its name or by its voltage, and a wrong one is told."""

from dataclasses import replace

import pytest

from cell_lab.choose import choose_make, given
from cell_lab.counting import counting
from cell_lab.parameter_files import parameters_of
from cell_lab.published import best_published, read_published
from launcher.lab import run_evaluate_soc
from station.estimators import build_cell_model
from station.estimators.cell_parameters import Counting
from tests.cell_lab.made import REAL, made_recording


@pytest.fixture(scope="module")
def recording():
    model = replace(build_cell_model(parameters_of("esc26650")), counting=Counting())
    return made_recording(model, 3600, 0.9, 0.3)


def test_a_cell_that_is_named_as_a_make_is_of_it(recording):
    choice = choose_make("esc26650_7", [recording])

    assert choice.by_name
    assert choice.fits
    assert choice.parameters.make == parameters_of("esc26650").make


def test_a_cell_of_an_unknown_name_is_of_the_make_that_fits_best(recording):
    choice = choose_make("block 3", [recording])

    assert not choice.by_name
    assert choice.fits
    assert choice.parameters.make == parameters_of("esc26650").make


def test_parameters_of_another_chemistry_do_not_fit(recording):
    assert not given(parameters_of("lg_hg2"), [recording]).fits


def test_the_table_says_when_the_parameters_are_those_of_another_chemistry(
    tmp_path, capsys, recording
):
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = tmp_path / "block.parquet"
    short = 1500
    columns = {
        "profile": ["drive"] * short,
        "time_s": recording.time_s[:short],
        "voltage_v": recording.voltage_v[:short],
        "current_a": -recording.current_a[:short],
        "temperature_c": recording.temperature_c[:short],
        "soc": recording.soc[:short],
    }
    pq.write_table(pa.table(columns), data)
    wrong = REAL.parents[2] / "cells" / "lg_hg2.toml"

    assert run_evaluate_soc(data, str(wrong), "none", None) == 0
    told = capsys.readouterr().out
    assert run_evaluate_soc(data, "auto", "none", None) == 0
    found = capsys.readouterr().out

    assert "another chemistry" in told
    assert "taken is what fits best: A123 ANR26650" in found
    assert "another chemistry" not in found


def test_the_capacity_in_use_is_found_from_what_soc_says(recording):
    less = replace(recording, soc=recording.soc[0] + (recording.soc - recording.soc[0]) / 0.985)

    assert counting([less] * 40).capacity == pytest.approx(0.985, abs=0.003)
    assert counting([recording]).capacity == pytest.approx(1.0, abs=0.001)


def test_a_published_figure_stands_only_beside_what_it_can_be_compared_with():
    figures = read_published()

    beside = best_published(figures, "lg_hg2_1hz_dev", "589_Mixed1", "soc")

    assert beside is not None
    assert beside.rmse_pct == pytest.approx(0.90)
    assert best_published(figures, "lg_hg2_1hz_dev", "589_Mixed1", "cold start") is None
    assert best_published(figures, "block", "drive", "soc") is None
