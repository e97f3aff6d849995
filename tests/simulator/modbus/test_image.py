import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from simulator.modbus.image import Registers, Table


@given(value=st.floats() | st.integers(-(2**40), 2**40))
def test_a_value_out_of_range_becomes_the_invalid_marker(value):
    r = Registers(8)
    r.u16(0, value)
    r.s16(1, value)
    r.s32(2, value)
    r.u32(4, value)
    u16, s16, s32, u32 = struct.unpack(">HhiI", r.area(Table.INPUT).data[:12])

    whole = round(value) if math.isfinite(value) else None
    assert u16 == (whole if whole is not None and 0 <= whole < 0xFFFF else 0xFFFF)
    assert s16 == (whole if whole is not None and -0x8000 < whole <= 0x7FFF else -0x8000)
    assert s32 == (whole if whole is not None and -(2**31) < whole < 2**31 else -(2**31))
    assert u32 == (whole if whole is not None and 0 <= whole < 2**32 - 1 else 2**32 - 1)


def test_word_orders_differ_by_register_not_by_byte():
    r = Registers(4)
    r.u32(0, 0x01020304)
    r.u32(2, 0x01020304, low_word_first=True)

    assert r.area(Table.HOLDING).data.hex() == "0102030403040102"


def test_registers_not_set_are_invalid():
    assert Registers(2).area(Table.INPUT).data == b"\xff" * 4
