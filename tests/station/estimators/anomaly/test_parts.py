import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.states import ANOMALY_KIND
from station.estimators.anomaly import AnomalyModelError, Kind, load_detector, place_of
from station.estimators.anomaly import reasons as reasons_module
from station.estimators.anomaly.card import CARD_FILE
from station.estimators.anomaly.channels import CELL_CHANNELS, RACK_CHANNELS, SOC, UNITS, Figures
from station.estimators.anomaly.fuse import fuse
from station.estimators.anomaly.reasons import reason
from station.estimators.anomaly.tails import Tail
from station.estimators.anomaly.windows import no_windows, pack, push, unpack
from tests.station.estimators.anomaly.made import detector

TAIL = Tail(quantiles=(0.0, 1.0, 2.0), threshold=2.0, reached=0.5, shape=0.2, scale=1.0)


def test_every_kind_has_its_number_in_the_contract_and_its_reason_in_both_languages():
    assert [int(kind) for kind in Kind] == [number for number, _, _ in ANOMALY_KIND]

    for kind in Kind:
        if kind is not Kind.NONE:
            words = reason(kind, "none", 1.5, "K", 4)
            assert words.en.endswith(".")
            assert words.zh.endswith("。")


def test_reasons_speak_of_channels_that_exist():
    texts = tomllib.loads(
        Path(reasons_module.__file__).with_name("reasons.toml").read_text("utf-8")
    )
    channels = {*CELL_CHANNELS, *RACK_CHANNELS, "still_voltage", "still_temperature"}

    for kind, words in texts.items():
        assert kind.upper() in Kind.__members__
        assert set(words) - {"en", "zh"} <= channels
    assert len(UNITS) == len(CELL_CHANNELS)


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=20))
def test_what_is_larger_is_never_called_less_rare(figures):
    ordered = np.sort(np.array(figures, np.float32))

    rarity = TAIL.rarity(ordered)

    assert (np.diff(rarity) >= 0).all()
    assert (rarity >= 0).all()


def test_from_more_cells_a_rarer_figure_is_expected():
    scores = {}
    for cells in (10, 100):
        place = place_of(np.zeros(cells, np.intp), 1)
        none = np.zeros(cells, np.float32)
        figures = Figures(
            *(np.zeros((rows, cells), np.float32) for rows in (len(CELL_CHANNELS),) * 2),
            racks=np.zeros((len(RACK_CHANNELS), 1), np.float32),
            surprise=none,
            warmth=none,
        )
        figures.cells[SOC, 0] = 30.0
        block = SimpleNamespace(still_voltage=none, still_temperature=none)
        hours = np.full(1, 9000, np.float32)
        known = {"watched_s": hours, "warm_s": hours, "place": place}
        fused = fuse(detector().card, figures, none, block, none, **known)
        scores[cells] = fused.cell[0]

    assert scores[10] - scores[100] == pytest.approx(1.0, abs=1e-5)


@given(st.floats(0.6, 12))
def test_a_figure_has_the_rarity_that_it_was_asked_for(rarity):
    figure = np.array([TAIL.figure(rarity)], np.float32)

    assert TAIL.rarity(figure)[0] == pytest.approx(rarity, rel=1e-3)


@given(st.floats(-90, 90))
def test_a_figure_comes_back_from_its_byte_within_three_percent(figure):
    back = float(unpack(pack(np.array([figure], np.float32)))[0])

    assert back == pytest.approx(figure, rel=0.03, abs=0.03)


def test_a_point_of_a_longer_scale_is_the_mean_of_eight_of_the_shorter():
    state = no_windows(1, 1)
    for number in range(8):
        figures = np.array([[float(number)], [0.0]], np.float32)
        state = push(state, figures, np.array([0.1 * number], np.float32))

    assert unpack(state.points[1, 0, -1, 0]) == pytest.approx(3.5, rel=0.05)
    assert state.current[1, -1, 0] == pytest.approx(0.35)
    assert unpack(state.points[2]).max() == 0


def test_the_median_of_a_rack_leaves_out_what_is_no_number():
    place = place_of(np.array([0, 0, 0, 1, 1]), 2)

    found = place.median(np.array([1, np.nan, 3, np.nan, np.nan], np.float32))

    assert found[0] == 2
    assert np.isnan(found[1])


def test_a_folder_without_a_detector_is_refused_with_its_remedy(tmp_path):
    with pytest.raises(AnomalyModelError, match="train anomaly"):
        load_detector(tmp_path)

    (tmp_path / CARD_FILE).write_text("{}")
    with pytest.raises(AnomalyModelError, match="Field required"):
        load_detector(tmp_path)
