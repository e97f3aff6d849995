"""A batch of cells: what is marked, what is named, and what it comes to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contract.frame import Quality
from contract.layouts import ESTIMATE_SUMMARY, cells_layout
from station.config_errors import ConfigError
from station.preprocessing import NO_MISTAKE, Memory, load_checks, preprocess
from station.preprocessing.settings import FILE as CHECKS_FILE

CELLS = 8
LAYOUT = cells_layout(CELLS)
CHECKS = load_checks()
VOLTS, DEGREES = 0, 1


class Rack:
    """Racks that tell sample after sample, five seconds apart."""

    def __init__(self, racks: int = 1) -> None:
        self.racks = racks
        self.memory = Memory.nothing(racks, CELLS)
        self.second = 1_795_000_000.0
        self.volts = np.full((racks, CELLS), 3.3) + np.arange(CELLS) * 0.001
        self.degrees = np.full((racks, CELLS), 25.0) + np.arange(CELLS) * 0.1

    def tell(self, quality: np.ndarray | None = None, step_s: float = 5.0):
        self.second += step_s
        raw = (
            np.rint(self.volts / 0.001).astype(LAYOUT.dtypes[0]),
            np.rint(self.degrees / 0.1).astype(LAYOUT.dtypes[1]),
        )
        marks = np.zeros((self.racks, 2 * CELLS), np.uint8) if quality is None else quality
        times = np.full(self.racks, self.second)
        done, self.memory = preprocess(CHECKS, self.memory, (LAYOUT, raw, marks), times)
        return done


def test_a_batch_comes_to_extremes_with_their_cells_mean_and_deviation():
    rack = Rack()

    summary = rack.tell().summary

    assert {column.signal.name for column in ESTIMATE_SUMMARY.columns} == set(summary)
    assert summary["cells_voltage_max_v"][0] == pytest.approx(3.307, abs=1e-5)
    assert (summary["cells_voltage_max_index"][0], summary["cells_voltage_min_index"][0]) == (8, 1)
    assert summary["cells_voltage_mean_v"][0] == pytest.approx(3.3035, abs=1e-5)
    assert summary["cells_voltage_deviation_v"][0] == pytest.approx(
        np.std(np.arange(8)) / 1000, rel=1e-4
    )
    assert summary["cells_temperature_min_c"][0] == pytest.approx(25.0, abs=1e-5)
    assert summary["cells_usable"][0] == CELLS


def test_cells_that_are_not_usable_have_no_part_in_what_a_rack_comes_to():
    rack = Rack()
    quality = np.zeros((1, 2 * CELLS), np.uint8)
    quality[0, CELLS - 1] = Quality.INVALID
    quality[0, CELLS:] = Quality.MISSING

    done = rack.tell(quality)

    assert done.summary["cells_voltage_max_index"][0] == CELLS - 1
    assert np.isnan(done.summary["cells_temperature_max_c"][0])
    assert done.summary["cells_temperature_max_index"][0] == 0
    assert done.summary["cells_usable"][0] == 0
    assert (done.quality == quality).all()


def test_a_cell_that_jumps_and_comes_back_is_marked_once():
    rack = Rack()
    rack.tell()
    rack.volts[0, 2] += 0.5
    jumped = rack.tell()
    rack.volts[0, 2] -= 0.5
    back = rack.tell()

    assert np.flatnonzero(jumped.quality[0]).tolist() == [2]
    assert jumped.quality[0, 2] == Quality.QUESTIONABLE
    assert jumped.summary["cells_spiking"][0] == 1
    assert not back.quality.any()


def test_a_cell_that_stays_where_it_jumped_to_is_believed_from_the_second_sample_on():
    rack = Rack()
    rack.tell()
    rack.volts[0, 2] -= 0.9
    fallen = rack.tell()
    stays = rack.tell()

    assert fallen.quality[0, 2] == Quality.QUESTIONABLE
    assert not stays.quality.any()
    assert stays.summary["cells_voltage_min_index"][0] == 3


def test_what_all_cells_do_together_is_no_spike():
    rack = Rack()
    rack.tell()
    rack.volts -= 0.3

    assert not rack.tell().quality.any()


def test_a_cell_that_stands_still_while_the_others_move_is_frozen_and_lives_again_when_it_moves():
    rack = Rack()
    for _ in range(13):
        rack.volts += 0.002
        rack.volts[0, 5] = 3.2
        told = rack.tell()
    rack.volts[0, 5] = 3.201
    moved = rack.tell()

    assert np.flatnonzero(told.quality[0]).tolist() == [5]
    assert told.found[VOLTS].frozen[0].tolist() == [False] * 5 + [True] + [False] * 2
    assert told.summary["cells_frozen"][0] == 1
    assert not moved.quality.any()


def test_a_rack_at_rest_may_stand_still_for_hours():
    rack = Rack()

    for _ in range(20):
        told = rack.tell(step_s=600.0)

    assert not told.quality.any()


@pytest.mark.parametrize(
    ("volts", "words"), [(0.0033, "1000 times too small"), (32.5, "10 times too large")]
)
def test_a_rack_in_a_wrong_unit_is_named_and_not_believed(volts, words):
    rack = Rack(racks=2)
    rack.volts[1] = volts

    done = rack.tell()

    assert done.found[VOLTS].mistake[0] == NO_MISTAKE
    number = int(done.found[VOLTS].mistake[1])
    assert words in CHECKS.cell_voltage_v.mistakes[number].en
    assert (done.quality[1, :CELLS] == Quality.INVALID).all()
    assert not done.quality[0].any()
    assert not done.quality[1, CELLS:].any()


def test_temperatures_in_kelvin_are_named_so():
    rack = Rack()
    rack.degrees += 273.15

    mistake = int(rack.tell().found[DEGREES].mistake[0])

    assert "kelvin" in CHECKS.cell_temperature_c.mistakes[mistake].en


def test_a_burning_cell_is_told_as_it_is():
    rack = Rack()
    rack.tell()
    for _ in range(4):
        rack.degrees[0, 3] += 80.0
        told = rack.tell()

    assert told.quality[0].max() <= Quality.QUESTIONABLE
    assert told.found[DEGREES].mistake[0] == NO_MISTAKE
    assert told.summary["cells_temperature_max_index"][0] == 4


def test_the_memory_of_racks_outside_a_batch_is_as_it_was():
    rack = Rack(racks=3)
    rack.tell()
    some = np.array([2, 0])
    raw = tuple(np.full((2, CELLS), 7, kind) for kind in LAYOUT.dtypes)
    quality = np.zeros((2, 2 * CELLS), np.uint8)
    batch = (LAYOUT, raw, quality)

    _, after = preprocess(CHECKS, rack.memory.of(some), batch, np.full(2, rack.second + 5))
    whole = rack.memory.with_racks(some, after)

    for before, now in zip(rack.memory.seen, whole.seen, strict=True):
        assert (before.value[1] == now.value[1]).all()
        assert not (before.value[0] == now.value[0]).any()


@settings(max_examples=30)
@given(
    hnp.arrays(np.int16, (2, 3, CELLS)),
    hnp.arrays(np.uint8, (3, 2 * CELLS), elements=st.integers(0, 3)),
)
def test_no_value_becomes_better_than_its_driver_said(raw, quality):
    memory = Memory.nothing(3, CELLS)
    batch = (LAYOUT, (raw[0], raw[1]), quality)

    for second in (5.0, 10.0):
        done, memory = preprocess(CHECKS, memory, batch, np.full(3, second))

        assert (done.quality >= quality).all()
        high, low = done.summary["cells_voltage_max_v"], done.summary["cells_voltage_min_v"]
        known = ~np.isnan(high)
        assert (high[known] >= low[known]).all()


def test_a_wrong_file_of_checks_is_refused_with_its_key(tmp_path):
    file = tmp_path / "checks.toml"
    text = CHECKS_FILE.read_text(encoding="utf-8")
    file.write_text(text.replace("spike = 0.11", "spike = -1.0"), encoding="utf-8")

    with pytest.raises(ConfigError, match=r"cell_voltage_v\.spike"):
        load_checks(file)
