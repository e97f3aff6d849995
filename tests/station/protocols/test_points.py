"""Orders, strides, units and words of points: what lies how on a device becomes the signal."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.frame import Quality
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.encode import OutOfRange, allowed, registers_for
from station.protocols.modbus.plan import plan_for
from station.protocols.modbus.profile import Profile, Write
from tests.station.protocols.test_decode import decode

ORDERS = st.sampled_from(["hi-lo", "lo-hi"])
KINDS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q",
         "f32": ">f", "f64": ">d"}  # fmt: skip


def words_of(kind, value, word_order, byte_order):
    """Return registers as a device with these orders holds a value."""
    data = struct.pack(KINDS[kind], value)
    pairs = [data[i : i + 2] for i in range(0, len(data), 2)]
    pairs = pairs if word_order == "hi-lo" else pairs[::-1]
    return [int.from_bytes(p, "big" if byte_order == "hi-lo" else "little") for p in pairs]


def good(*values: int):
    return list(values), [Quality.GOOD] * len(values)


@settings(deadline=None)
@given(st.sampled_from(list(KINDS)), ORDERS, ORDERS, st.integers(0, 30_000))
def test_every_type_arrives_in_every_word_and_byte_order(kind, word_order, byte_order, value):
    point = {"address": 7, "type": kind, "word_order": word_order, "byte_order": byte_order}
    registers = dict(enumerate(words_of(kind, value, word_order, byte_order), 7))

    assert decode("fire", {"hydrogen_ppm": point}, registers)["hydrogen_ppm"] == good(value)


@settings(deadline=None)
@given(st.sampled_from(list(KINDS)), ORDERS, ORDERS, st.integers(-3000, 3000), st.data())
def test_what_is_written_is_what_a_device_of_any_order_reads(kind, words, order, tenths, data):
    value = (abs(tenths) if kind[0] == "u" else tenths) / 10
    place = {"address": 0, "type": kind, "word_order": words, "byte_order": order}
    offset = data.draw(st.sampled_from([0, -100]))
    write = Write.model_validate({**place, "scale": 0.1, "offset": offset - 300})

    registers = registers_for(write, value + offset)

    expected = value + 300 if kind[0] == "f" else round((value + 300) * 10) / 10
    raw = expected / 0.1 if kind[0] == "f" else round(expected * 10)
    assert registers == words_of(kind, raw, words, order)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 4), st.integers(0, 9), st.data())
def test_cells_spread_over_modules_arrive_in_the_order_of_cells(modules, cells, gap, rest, data):
    kind = data.draw(st.sampled_from(["u16", "u32"]))
    width = 1 if kind == "u16" else 2
    stride = width + gap
    module_stride = stride * cells + rest
    values = data.draw(
        st.lists(st.integers(0, 5000), min_size=modules * cells, max_size=modules * cells)
    )
    registers = {}
    for number, value in enumerate(values):
        at = 100 + number // cells * module_stride + number % cells * stride
        registers |= dict(enumerate(words_of(kind, value, "hi-lo", "hi-lo"), at))
    point = {
        "address": 100, "type": kind, "unit": "mV",
        "repeat": [modules, cells], "stride": [module_stride, stride],
    }  # fmt: skip

    layout = f"rack.cells/{len(values)}"

    assert decode(layout, {"cell_voltage_v": point}, registers)["cell_voltage_v"] == good(*values)


def test_a_stride_of_nothing_lets_one_sensor_stand_for_several_cells():
    point = {"address": 0, "type": "u16", "scale": 0.05, "unit": "K"}
    point |= {"repeat": [2, 3], "stride": [1, 0]}

    found = decode("rack.cells/6", {"cell_temperature_c": point}, {0: 5863, 1: 6063})

    assert found["cell_temperature_c"] == good(200, 200, 200, 300, 300, 300)


def test_interleaved_voltages_and_temperatures_are_read_in_one_request():
    points = {
        "cell_voltage_v": {"address": 10, "type": "u16", "repeat": 40, "stride": 2},
        "cell_temperature_c": {"address": 11, "type": "s16", "repeat": 40, "stride": 2},
    }
    profile = Profile.model_validate({"title": "t", "layouts": {"rack.cells/40": points}})

    blocks = plan_for(profile).blocks

    assert [(block.address, block.count) for block in blocks] == [(10, 80)]


def test_an_offset_belongs_to_the_devices_unit():
    point = {"address": 0, "type": "u16", "scale": 1.8, "offset": -40, "unit": "degF"}

    found = decode("chiller", {"ambient_c": point}, {0: 65})

    assert found["ambient_c"] == good(250)  # 65 * 1.8 - 40 = 77 degF = 25.0 degC


def test_a_scale_factor_in_a_byte_swapped_device_is_read_in_its_order():
    order = {"byte_order": "lo-hi"}
    factor = {"address": 1, "type": "s16", **order}
    point = {"address": 0, "type": "u16", "scale_factor": factor, "unit": "V", **order}

    found = decode("pcs", {"dc_voltage_v": point}, {0: 0x3930, 1: 0xFFFF})  # 12345, -1

    assert found["dc_voltage_v"] == good(12345)


@pytest.mark.parametrize("marker", [9999.9, -1.0])
def test_a_floating_point_marker_is_recognised_as_the_device_rounds_it(marker):
    point = {"address": 0, "type": "f32", "invalid": [9999.9, -1]}
    registers = dict(enumerate(words_of("f32", marker, "hi-lo", "hi-lo")))

    found = decode("chiller", {"ambient_c": point}, registers)

    assert found["ambient_c"] == ([0], [Quality.INVALID])


def test_codes_may_lie_in_some_bits_and_be_given_as_words_of_the_signal():
    point = {
        "address": 0, "type": "u16", "mask": 0x0F00,
        "states": {1: "idle", 2: "charging", 3: "discharging", 9: 4},
    }  # fmt: skip

    for raw, state in ((0x52FF, 2), (0x03AA, 3), (0x0900, 4)):
        assert decode("rack", {"rack_state": point}, {0: raw})["rack_state"] == good(state)
    assert decode("rack", {"rack_state": point}, {0: 0x0400})["rack_state"][1] == [Quality.INVALID]


def test_bits_may_be_given_as_words_of_the_signal():
    point = {"address": 0, "type": "u16", "bits": {3: "low coolant flow", 15: "pump fault"}}

    found = decode("chiller", {"chiller_alarms": point}, {0: 0x8008})

    assert found["chiller_alarms"] == good(1 << 1 | 1 << 4)


def test_two_temperatures_share_a_register():
    point = {
        "address": 5, "type": "u16", "offset": -40, "repeat": [2, 2], "stride": [1, 0],
        "mask": [0xFF00, 0x00FF], "invalid": [255], "low": -40, "high": 100,
    }  # fmt: skip

    found = decode("rack.cells/4", {"cell_temperature_c": point}, {5: 0x4142, 6: 0xFFF0})

    assert found["cell_temperature_c"] == (
        [250, 260, 0, 2000],
        [Quality.GOOD, Quality.GOOD, Quality.INVALID, Quality.QUESTIONABLE],
    )


@settings(deadline=None)
@given(st.integers(-128, 127), st.integers(-128, 127), ORDERS)
def test_packed_numbers_keep_their_sign(high, low, byte_order):
    register = words_of("u16", (high & 0xFF) << 8 | (low & 0xFF), "hi-lo", byte_order)[0]
    place = {"address": 0, "type": "s16", "byte_order": byte_order, "invalid": []}
    points = {
        "ambient_c": {**place, "mask": 0xFF00},
        "coolant_supply_c": {**place, "mask": 0x00FF},
    }

    found = decode("chiller", points, {0: register})

    assert found["ambient_c"] == good(high * 10)
    assert found["coolant_supply_c"] == good(low * 10)


def test_an_unfitted_register_makes_its_packed_values_invalid():
    point = {"address": 0, "type": "u16", "mask": 0x00F0}

    assert decode("fire", {"hydrogen_ppm": point}, {0: 0x1270})["hydrogen_ppm"] == good(7)
    assert decode("fire", {"hydrogen_ppm": point}, {0: 0xFFFF})["hydrogen_ppm"][1] == [
        Quality.INVALID
    ]


def test_alarms_come_together_from_registers_that_lie_apart():
    point = {
        "address": 0, "type": "u16", "bits": {0: "cell overvoltage"},
        "also": [
            {"address": 300, "type": "u16", "invalid": [], "bits": {15: "cell undervoltage"}},
            {"space": "discrete", "address": 9, "type": "bit", "bits": {1: "contactor fault"}},
        ],
    }  # fmt: skip

    for registers, alarms in (
        ({0: 1}, 1), ({300: 0x8000}, 2), ({0: 1, 300: 0x8001, 9: 1, 10: 1}, 1 << 9 | 3),
    ):  # fmt: skip
        assert decode("rack", {"rack_alarms": point}, registers)["rack_alarms"] == good(alarms)
    assert decode("rack", {"rack_alarms": point}, {0: 0xFFFF})["rack_alarms"][1] == [
        Quality.INVALID
    ]


INSTANCES = """
title = "Three racks behind one unit"
space = "input"
word_order = "lo-hi"
byte_order = "lo-hi"
[instances]
count = 3
stride = 100
[time]
address = 0
type = "u32"
shared = true
[[expect]]
address = 2
type = "u16"
equals = 7
meaning = "model"
shared = true
[layouts.rack]
voltage_v = { address = 10, type = "u16", scale_factor = { address = 5, type = "s16", shared = true } }
power_kw = { address = 11, type = "s32", word_order = "hi-lo", unit = "W" }
[writes]
close_contactor = { address = 20, type = "u16", value = 1 }
"""  # noqa: E501


def test_the_instances_of_a_device_lie_a_stride_apart_and_share_what_is_marked(tmp_path):
    path = tmp_path / "three.toml"
    path.write_text(INSTANCES)

    first, third = profiles.load(str(path)), profiles.load(f"{path}#3")

    points = third.layout_points()["rack"]
    assert first.layout_points()["rack"]["voltage_v"].address == 10
    assert (points["voltage_v"].address, points["power_kw"].address) == (210, 211)
    assert points["voltage_v"].scale_factor is not None
    assert points["voltage_v"].scale_factor.address == 5
    assert (third.time.address, third.expect[0].address) == (0, 2)
    assert third.writes["close_contactor"].address == 220
    with pytest.raises(profiles.ProfileError, match="no instance 4"):
        profiles.load(f"{path}#4")


def test_orders_said_once_hold_for_every_point_that_says_nothing_else(tmp_path):
    path = tmp_path / "three.toml"
    path.write_text(INSTANCES)

    profile = profiles.load(str(path))

    points = profile.layout_points()["rack"]
    assert (points["voltage_v"].word_order, points["voltage_v"].byte_order) == ("lo-hi", "lo-hi")
    assert (points["power_kw"].word_order, points["power_kw"].byte_order) == ("hi-lo", "lo-hi")
    assert points["voltage_v"].scale_factor.byte_order == "lo-hi"
    assert profile.time.word_order == "lo-hi"


@given(st.floats(-100, 100), st.sampled_from([0.5, 1, 2.5, 7]))
def test_a_step_is_kept_inside_the_range(value, step):
    write = Write.model_validate(
        {"address": 0, "type": "s16", "step": step, "low": -100, "high": 100}
    )

    granted = allowed(write, value)

    assert -100 <= granted <= 100
    assert granted / step == round(granted / step)
    assert abs(granted - value) <= step


def test_a_range_without_a_step_in_it_is_refused():
    write = Write.model_validate({"address": 0, "type": "u16", "step": 10, "low": 1, "high": 9})

    with pytest.raises(OutOfRange, match="step"):
        allowed(write, 5)


def test_a_command_is_written_in_the_devices_unit(tmp_path):
    path = tmp_path / "pcs.toml"
    path.write_text(
        'title = "t"\n[layouts.pcs]\ndc_voltage_v = { address = 0, type = "u16" }\n[writes]\n'
        'active_power_setpoint_kw = { address = 1, type = "s16", scale = 100, unit = "W" }\n'
        'coolant_setpoint_c = { address = 2, type = "u16", scale = 0.1, unit = "K" }\n'
    )

    writes = profiles.load(str(path)).writes

    assert registers_for(writes["active_power_setpoint_kw"], -12.5) == [0x10000 - 125]
    assert registers_for(writes["coolant_setpoint_c"], 20.05) == [2932]
