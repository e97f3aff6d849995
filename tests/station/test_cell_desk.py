"""The desk of cells: bundles in, marked bundles and summaries out, conditions for people."""

import numpy as np

from contract.frame import Quality
from contract.layouts import cells_layout
from station.cell_desk import CellDesk
from station.protocols.bundle import Bundle, bundled
from station.protocols.driver import Reading
from tests.station.plant_samples import healthy_rack

CELLS = 4
LAYOUT = cells_layout(CELLS)
T0_MS = 1_795_000_000_000


def reading(device: str, time_ms: int, volts: list[float]) -> Reading:
    raw = np.rint(np.array(volts) / 0.001).astype(LAYOUT.dtypes[0])
    degrees = np.array([250, 251, 252, 253], LAYOUT.dtypes[1])
    quality = np.zeros(2 * CELLS, np.uint8)
    return Reading(device, LAYOUT.name, time_ms, time_ms + 40, (raw, degrees), quality)


def cells(*told: Reading) -> Bundle:
    (bundle,) = bundled(told)
    return bundle


def usual(second: int = 0) -> list[float]:
    return [3.3 + 0.003 * second + 0.001 * cell for cell in range(CELLS)]


def test_every_rack_of_a_bundle_gets_a_row_of_its_second():
    made = []
    desk = CellDesk(made.append)

    desk.take(cells(reading("R1", T0_MS + 120, usual()), reading("R2", T0_MS + 990, usual())))

    assert [(row.device, row.layout, row.time_ms) for row in made] == [
        ("R1", "estimate.summary", T0_MS),
        ("R2", "estimate.summary", T0_MS),
    ]
    assert len(desk.took_ms) == 1


def test_what_are_no_cells_passes_as_it_is():
    made = []
    rack = healthy_rack("R1", T0_MS)
    told = Reading(
        *(rack.device, rack.layout, rack.time_ms, rack.received_ms), rack.values, rack.quality
    )
    (bundle,) = bundled([told])

    assert CellDesk(made.append).take(bundle) is bundle
    assert made == []


def test_a_rack_that_tells_twice_in_a_bundle_is_looked_at_in_order():
    desk = CellDesk([].append)
    desk.take(cells(reading("R1", T0_MS, usual())))
    away = [3.3, 3.9, 3.302, 3.303]

    taken = desk.take(
        cells(reading("R1", T0_MS + 1000, away), reading("R1", T0_MS + 2000, usual()))
    )

    assert taken.quality[0].tolist() == [0, Quality.QUESTIONABLE, 0, 0, 0, 0, 0, 0]
    assert not taken.quality[1].any()


def test_cells_that_stand_still_are_told_until_they_move():
    desk = CellDesk([].append)
    for second in range(0, 70, 5):
        still = [*usual(second)[:3], 3.2]
        desk.take(cells(reading("R1", T0_MS + 1000 * second, still)))
    (told,) = desk.conditions()
    desk.take(cells(reading("R1", T0_MS + 80_000, usual(80))))

    assert (told.code, told.device, told.tag) == ("data.frozen_cells", "R1", "cell_voltage_v")
    assert told.detail.en == "voltage of 1 cells, the first is cell 4"
    assert list(desk.conditions()) == []


def test_a_rack_in_another_unit_is_told_in_words_and_its_neighbours_are_not():
    desk = CellDesk([].append)

    taken = desk.take(cells(reading("R1", T0_MS, usual()), reading("R2", T0_MS, [0.003] * CELLS)))

    (told,) = desk.conditions()
    assert (told.code, told.device) == ("data.unit_mistake", "R2")
    assert "1000 times too small" in told.detail.en
    assert "1000" in told.detail.zh
    assert taken.quality[:, :CELLS].tolist() == [[0] * CELLS, [Quality.INVALID] * CELLS]


def test_racks_that_are_new_join_those_that_are_known():
    made = []
    desk = CellDesk(made.append)
    desk.take(cells(reading("R1", T0_MS, usual())))
    desk.take(cells(reading("R2", T0_MS + 1000, usual()), reading("R1", T0_MS + 1000, usual())))

    assert [row.device for row in made] == ["R1", "R2", "R1"]
