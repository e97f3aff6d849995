import numpy as np
import pytest

from simulator.modbus.image import Registers, Table
from simulator.modbus.rows import RegisterRows, row_areas

VALUES = (0.0, 1.5, 2.5, -1.0, -0.4, 32767.0, 32768.0, 65534.0, 65535.0, 4e9, 5e9, np.nan, np.inf)


@pytest.mark.parametrize("value", VALUES)
def test_a_row_holds_what_one_device_alone_would_hold(value):
    alone = Registers(8)
    alone.u16(0, value)
    alone.s16(1, value)
    alone.u32(2, value)
    alone.s32(4, value, low_word_first=True)
    alone.s16(6, -value)
    rows = RegisterRows(3, 8)
    column = np.array([1.0, value, 2.0])

    rows.u16(0, column)
    rows.s16(1, column)
    rows.u32(2, column)
    rows.s32_low_first(4, column)
    rows.s16(6, -column)

    assert rows.areas(Table.INPUT)[1] == alone.area(Table.INPUT)


def test_cells_become_one_area_a_rack():
    areas = row_areas(Table.INPUT, 1000, np.array([[3301, 3302], [-5, -0x8000]], np.int16))

    assert [area.data.hex() for area in areas] == ["0ce50ce6", "fffb8000"]
    assert (areas[1].start, areas[1].count) == (1000, 2)
