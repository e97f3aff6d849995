import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.frame import Quality
from station.protocols.modbus.decode import LayoutDecoder
from station.protocols.modbus.encode import OutOfRange, registers_for
from station.protocols.modbus.plan import plan_for
from station.protocols.modbus.profile import Profile, Write

STRUCTS = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f"}


def decode(layout, points, registers):
    """Decode points of a layout from {address: register}; return (value, quality) by signal."""
    profile = Profile.model_validate({"title": "t", "layouts": {layout: points}})
    plan = plan_for(profile)
    vector = np.zeros(plan.size, np.uint16)
    for block in plan.blocks:
        for i in range(block.count):
            vector[block.start + i] = registers.get(block.address + i, 0)
    decoder = LayoutDecoder(profile, plan, layout, profile.layout_points()[layout])
    columns, quality = decoder.decode(vector)
    found = {}
    for column, array in zip(decoder.layout.columns, columns, strict=True):
        start, stop = decoder.layout.offset(column.signal.name)
        assert array.dtype == np.dtype(column.signal.dtype)
        found[column.signal.name] = (array.tolist(), [Quality(q) for q in quality[start:stop]])
    return found


def words_of(kind, value, order="hi-lo"):
    data = struct.pack(STRUCTS[kind], value)
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    return words if order == "hi-lo" else words[::-1]


@pytest.mark.parametrize("kind", ["u16", "s16", "u32", "s32"])
@given(data=st.data(), order=st.sampled_from(["hi-lo", "lo-hi"]))
def test_whole_numbers_of_each_type_and_word_order_arrive_as_the_device_meant(kind, data, order):
    bits, signed = int(kind[1:]), kind[0] == "s"
    low, high = (-(1 << bits - 1) + 1, (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 2)
    value = data.draw(st.integers(low, high))
    point = {"address": 10, "type": kind, "word_order": order}
    registers = dict(enumerate(words_of(kind, value, order), 10))

    values, quality = decode("insulation", {"resistance_positive_kohm": point}, registers)[
        "resistance_positive_kohm"
    ]

    if abs(value) <= 2**31 - 1:
        assert (values, quality) == ([value], [Quality.GOOD])
    else:
        assert (values, quality) == ([0], [Quality.INVALID])


@pytest.mark.parametrize(
    ("kind", "marker"),
    [("u16", [0xFFFF]), ("s16", [0x8000]), ("u32", [0xFFFF] * 2), ("s32", [0x8000, 0])],
)
def test_an_invalid_marker_makes_an_invalid_zero(kind, marker):
    point = {"address": 0, "type": kind}

    found = decode("pcs", {"active_power_kw": point}, dict(enumerate(marker)))

    assert found["active_power_kw"] == ([0], [Quality.INVALID])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_is_invalid(value):
    point = {"address": 0, "type": "f32"}

    found = decode("pcs", {"active_power_kw": point}, dict(enumerate(words_of("f32", value))))

    assert found["active_power_kw"] == ([0], [Quality.INVALID])


def test_a_marker_of_its_own_replaces_the_usual_one():
    point = {"address": 0, "type": "u16", "invalid": [9999]}

    assert decode("fire", {"hydrogen_ppm": point}, {0: 9999})["hydrogen_ppm"][1] == [
        Quality.INVALID
    ]
    assert decode("pcs", {"dc_voltage_v": point}, {0: 0xFFFF})["dc_voltage_v"] == (
        [655350],
        [Quality.GOOD],
    )


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (0, ([12345 * 10], [Quality.GOOD])),
        (-2, ([1234], [Quality.GOOD])),
        (2, ([12345 * 1000], [Quality.GOOD])),
        (-0x8000, ([0], [Quality.INVALID])),
        (11, ([0], [Quality.INVALID])),
    ],
)
def test_a_scale_factor_register_multiplies_by_its_power_of_ten(power, expected):
    points = {
        "active_power_kw": {
            "address": 0,
            "type": "u16",
            "scale_factor": {"address": 5, "type": "s16"},
        },
        "dc_voltage_v": {"address": 1, "type": "u16"},
    }

    found = decode("pcs", points, {0: 12345, 1: 7, 5: power & 0xFFFF})

    assert found["active_power_kw"] == expected
    assert found["dc_voltage_v"] == ([70], [Quality.GOOD])


def test_values_outside_the_plausible_range_stay_but_are_questionable():
    point = {"address": 0, "type": "u16", "scale": 0.1, "low": 10, "high": 100}

    for register, quality in ((99, Quality.QUESTIONABLE), (100, Quality.GOOD), (1000, Quality.GOOD),
                              (1001, Quality.QUESTIONABLE)):  # fmt: skip
        found = decode("pcs", {"dc_voltage_v": point}, {0: register})
        assert found["dc_voltage_v"] == ([register], [quality])


def test_state_codes_are_translated_and_an_unknown_code_is_invalid():
    point = {"address": 0, "type": "u16", "states": {4: 2, 7: 4}}

    assert decode("pcs", {"pcs_state": point}, {0: 7})["pcs_state"] == ([4], [Quality.GOOD])
    assert decode("pcs", {"pcs_state": point}, {0: 5})["pcs_state"] == ([0], [Quality.INVALID])


def test_bits_are_moved_to_the_signals_bits_and_several_may_share_one():
    point = {"address": 0, "type": "u32", "bits": {8: 4, 9: 4, 1: 0}}

    for raw, expected in ((0x300, 0x10), (0x102, 0x11), (0x1, 0)):
        found = decode("pcs", {"pcs_alarms": point}, {0: 0, 1: raw})
        assert found["pcs_alarms"] == ([expected], [Quality.GOOD])


def test_a_contactor_is_closed_only_when_all_its_bits_are_set():
    point = {"address": 0, "type": "u16", "all_bits": [0, 1]}

    for raw, closed in ((0, 0), (1, 0), (2, 0), (3, 1), (7, 1)):
        assert decode("rack", {"contactor_closed": point}, {0: raw})["contactor_closed"][0] == [
            closed
        ]


def test_what_a_device_does_not_offer_is_missing():
    found = decode("pcs", {"dc_voltage_v": {"address": 0, "type": "u16"}}, {0: 1})

    assert found["frequency_hz"] == ([0], [Quality.MISSING])


def test_a_value_that_the_layout_cannot_hold_is_invalid():
    point = {"address": 0, "type": "u16", "scale": 10}

    found = decode("chiller", {"coolant_flow_lpm": point}, {0: 60000})

    assert found["coolant_flow_lpm"] == ([0], [Quality.INVALID])


@given(st.lists(st.integers(0, 0xFFFF), min_size=130, max_size=130))
def test_an_array_longer_than_one_request_arrives_in_order(registers):
    points = {
        "cell_voltage_v": {"address": 1000, "type": "u16", "scale": 0.001, "repeat": 130},
        "cell_temperature_c": {"address": 2000, "type": "s16", "scale": 0.1, "repeat": 130},
    }

    found = decode("rack.cells/130", points, dict(enumerate(registers, 1000)))

    valid = [r <= 0x7FFF for r in registers]
    assert found["cell_voltage_v"][0] == [
        r if ok else 0 for r, ok in zip(registers, valid, strict=True)
    ]
    assert [q is Quality.GOOD for q in found["cell_voltage_v"][1]] == valid


@pytest.mark.parametrize("kind", ["u16", "s16", "u32", "s32"])
@settings(deadline=None)
@given(data=st.data(), order=st.sampled_from(["hi-lo", "lo-hi"]))
def test_a_written_value_reads_back_as_the_same(kind, data, order):
    low, high = (-3000, 3000) if kind[0] == "s" else (0, 3000)
    value = data.draw(st.integers(low, high)) / 10
    write = Write.model_validate(
        {"address": 0, "type": kind, "word_order": order, "scale": 0.1, "low": -500, "high": 500}
    )

    registers = registers_for(write, value)

    point = {"address": 0, "type": kind, "word_order": order, "scale": 0.1}
    found = decode("pcs", {"dc_voltage_v": point}, dict(enumerate(registers)))
    assert found["dc_voltage_v"] == ([round(value * 10)], [Quality.GOOD])


@pytest.mark.parametrize("value", [9.9, 30.1, math.nan, math.inf, -1e9])
def test_a_command_outside_its_range_is_refused(value):
    write = Write.model_validate({"address": 5, "type": "s16", "scale": 0.1, "low": 10, "high": 30})

    with pytest.raises(OutOfRange):
        registers_for(write, value)


@pytest.mark.parametrize("power", [-32768, -11, 11, 400, float("nan")])
def test_a_power_of_ten_that_is_none_lets_no_set_point_be_written(power):
    factor = {"address": 40, "type": "s16"}
    write = Write.model_validate({"address": 0, "type": "s16", "scale_factor": factor})

    with pytest.raises(OutOfRange, match=r"scale factor at holding 40 is .*not -10\.\.10"):
        registers_for(write, 100.0, power)


@pytest.mark.parametrize(("power", "register"), [(-2, 10000), (0, 100), (2, 1)])
def test_a_power_of_ten_scales_what_is_written(power, register):
    factor = {"address": 40, "type": "s16"}
    write = Write.model_validate({"address": 0, "type": "s16", "scale_factor": factor})

    assert registers_for(write, 100.0, power) == [register]


def test_a_verb_writes_its_own_value_whatever_is_asked():
    write = Write.model_validate({"address": 0, "type": "u16", "value": 2})

    assert registers_for(write, 77.0) == [2]
