import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cloud.health.worst import By, worst
from cloud.history import CellsAt

NAMES = (
    "cell_soc",
    "cell_soh",
    "cell_soc_half_width",
    "cell_soh_half_width",
    "cell_resistance_half_width",
    "cell_resistance_ratio",
    "cell_anomaly_score",
)


def rack(name: str, **values: list[float]) -> CellsAt:
    count = len(next(iter(values.values())))
    usual = dict.fromkeys(NAMES, np.full(count, 0.9))
    return CellsAt("alpha", name, 0, usual | {k: np.array(v) for k, v in values.items()})


def test_the_worst_of_all_racks_come_first_whichever_figure_is_asked_for():
    one = rack("R1", cell_soh=[0.9, 0.8], cell_resistance_ratio=[1.0, 1.1])
    other = rack("R2", cell_soh=[0.85, 0.95], cell_resistance_ratio=[1.3, 1.0])

    by_soh = worst([one, other], By.SOH, 3).cells
    by_resistance = worst([one, other], By.RESISTANCE, 1).cells

    assert [(c.rack, c.cell) for c in by_soh] == [("R1", 2), ("R2", 1), ("R1", 1)]
    assert [(c.rack, c.cell) for c in by_resistance] == [("R2", 1)]


def test_soc_is_judged_against_the_cells_own_rack_in_both_directions():
    full = rack("R1", cell_soc=[0.9, 0.9, 0.97])
    low = rack("R2", cell_soc=[0.1, 0.12, 0.1])

    found = worst([full, low], By.SOC, 2).cells

    assert [(c.rack, c.cell, c.soc_off) for c in found] == [("R1", 3, 0.07), ("R2", 2, 0.02)]


def test_cells_of_which_nothing_is_known_are_left_out():
    silent = rack("R1", cell_soc=[np.nan, np.nan], cell_soh=[np.nan, 0.9])

    assert [c.cell for c in worst([silent], By.SOH, 5).cells] == [2]
    assert worst([silent], By.SOC, 5).cells == []
    assert worst([silent], By.SOH, 5).cells[0].soc_off is None


def test_a_cell_stands_out_when_it_differs_by_more_than_is_uncertain_of_it():
    soh = [0.98, 0.98, 0.90, 0.97, 0.98]
    sure = rack("R1", cell_soh=soh, cell_soh_half_width=[0.02] * 5)
    unsure = rack("R2", cell_soh=soh, cell_soh_half_width=[0.1] * 5)

    one, both = worst([unsure], By.SOH, 5), worst([sure, unsure], By.SOH, 5)

    assert (one.standing_out, one.half_width) == (0, 0.1)
    assert not any(cell.stands_out for cell in one.cells)
    assert both.standing_out == 1
    assert {(c.rack, c.cell) for c in both.cells if c.stands_out} == {("R1", 3)}


def test_a_rack_of_equal_cells_has_none_that_stands_out_whatever_else_the_station_has():
    low = rack("R1", cell_soc=[0.2] * 4, cell_soh=[0.8] * 4, cell_resistance_ratio=[1.5] * 4)
    low.values["cell_anomaly_score"][:] = 0.1

    assert [worst([low], by, 4).standing_out for by in By] == [0, 0, 0, 0]


def test_an_anomaly_stands_out_by_its_score_and_what_has_no_interval_never():
    odd = rack("R1", cell_anomaly_score=[0.1, 0.8, np.nan])
    unknown = rack("R2", cell_soh=[0.5, 1.0, 1.0], cell_soh_half_width=[np.nan] * 3)

    found = worst([odd], By.ANOMALY, 3)

    assert (found.standing_out, found.half_width) == (1, None)
    assert [c.stands_out for c in found.cells] == [True, False]
    assert worst([unknown], By.SOH, 3).standing_out == 0


@given(arrays(float, 12, elements=st.floats(0, 1) | st.just(np.nan)), st.integers(1, 15))
def test_the_list_is_sorted_and_nothing_worse_is_left_out(soh, limit):
    found = worst([rack("R1", cell_soh=list(soh))], By.SOH, limit).cells

    known = np.sort(soh[np.isfinite(soh)])
    assert [c.soh for c in found] == [round(v, 4) for v in known[:limit].tolist()]
