"""Files of cell parameters and the tables made of them."""

import re
import tomllib

import numpy as np
import pytest
import tomli_w

from cell_lab.parameter_files import CELLS, parameters_of
from station.estimators import CellParametersError, build_cell_model, load_cell_parameters
from station.estimators.cell_model import FIRST_TERM_COLUMN, OCV_COLUMN
from station.estimators.cell_parameters import Intervals


@pytest.mark.parametrize("path", sorted(CELLS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_file_of_the_house_makes_a_cell_that_behaves_like_one(path):
    parameters = load_cell_parameters(path)
    model = build_cell_model(parameters)
    soc = np.linspace(0.02, 0.98, 49, dtype=np.float32)

    values, _slopes = model.look_up(soc, np.full(49, 25.0, np.float32))

    ocv = values[OCV_COLUMN]
    assert (ocv > 2.0).all()
    assert (ocv < 4.3).all()
    assert (np.diff(ocv) > -0.001).all()
    steady = values[FIRST_TERM_COLUMN:].sum(axis=0)
    assert (steady > 0).all()
    assert re.search("licence|CC BY|University", parameters.source)


def test_the_slope_is_that_of_the_values():
    model = build_cell_model(parameters_of("esc26650"))
    soc, at_25 = np.float32([0.2025, 0.5025, 0.9525]), np.full(3, 25.0, np.float32)

    below, _ = model.look_up(soc - 0.0005, at_25)
    above, _ = model.look_up(soc + 0.0005, at_25)
    _, slopes = model.look_up(soc, at_25)

    assert (above - below) / 0.001 == pytest.approx(slopes, rel=0.1, abs=0.01)


def test_intervals_are_those_of_the_temperature_the_group_and_the_zone():
    parameters = parameters_of("esc26650").model_copy(
        update={
            "intervals": Intervals(
                temperature_c=(0.0, 20.0),
                settled=((12.0, 6.0), (4.0, 2.0), (2.0, 1.0)),
                searching=((8.0, 3.0),) * 3,
                anchored=((1.0, 0.5),) * 3,
            )
        }
    )
    model = build_cell_model(parameters)
    group = np.array([0, 0, 0, 1, 2, 0])
    soc = np.float32([0.5, 0.5, 0.5, 0.5, 0.5, 0.1])
    at_c = np.float32([-10.0, 10.0, 30.0, 30.0, 0.0, 30.0])

    factor = model.interval_factor(group, soc, at_c)

    assert factor == pytest.approx([4.0, 3.0, 2.0, 3.0, 1.0, 6.0])


def test_cold_costs_voltage():
    model = build_cell_model(parameters_of("esc26650"))
    half = np.full(2, 0.5, np.float32)

    values, _ = model.look_up(half, np.float32([-15.0, 35.0]))

    total = values[FIRST_TERM_COLUMN:].sum(axis=0)
    assert total[0] > 2 * total[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.pop("ocv"), "ocv: Field required"),
        (lambda file: file.update(capacity_ah=-1), "capacity_ah: Input should be greater than 0"),
        (lambda file: file["ocv"]["voltage_v"].pop(), "voltage_v has"),
        (lambda file: file["ocv"]["soc"].reverse(), "its axes must rise"),
        (lambda file: file.update(colour="blue"), "colour: Extra inputs"),
    ],
)
def test_a_wrong_file_is_refused_with_its_fault_and_the_remedy(tmp_path, change, said):
    file = tomllib.loads((CELLS / "esc26650.toml").read_text("utf-8"))
    change(file)
    wrong = tmp_path / "cell.toml"
    wrong.write_text(tomli_w.dumps(file), "utf-8")

    with pytest.raises(CellParametersError) as refused:
        load_cell_parameters(wrong)

    assert said in str(refused.value)
    assert str(wrong) in str(refused.value)
    assert "stationmaster identify" in str(refused.value)
