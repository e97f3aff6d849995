"""Whatever a SunSpec device says: a chain is walked to its end or refused, and values are exact."""

import contextlib

import numpy as np
import pytest
import sunspec2.device as sunspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.frame import Quality
from contract.signals import SIGNALS
from station.protocols.errors import ProtocolError
from station.protocols.modbus import profile as profiles
from station.protocols.modbus.plan import plan_for, spans_of
from station.protocols.modbus.sunspec.chain import MARKER, Chain, discover
from station.protocols.modbus.sunspec.document import compose, section_of
from station.protocols.modbus.sunspec.model import known_models, model
from tests.station.protocols.sunspec_device import model_data, words
from tests.station.protocols.test_decode import decode

SLOW = settings(deadline=None, max_examples=40)
COUNTED = {803: "NStr", 804: "NMod", 805: "NCell"}
BASE = 40000


def chain_of(registers: np.ndarray) -> Chain:
    """Run a discovery on registers from `BASE` on, without a loop or a socket."""

    async def read(address: int, count: int) -> np.ndarray:
        found = registers[address - BASE : address - BASE + count]
        if address < BASE or len(found) < count:
            raise ProtocolError("illegal data address")
        return found

    walking = discover(read)
    try:
        walking.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited for something")


def registers_of(chain: list[tuple[int, int]], string: int = 1) -> np.ndarray:
    """Return a chain of models with so many repetitions each."""
    found = [MARKER >> 16, MARKER & 0xFFFF]
    for number, count in chain:
        definition = model(number)
        size = 0 if definition.group is None else definition.group.words
        block = [0] * (definition.words + count * size)
        block[:2] = [number, len(block) - 2]
        if number in COUNTED:
            block[definition.points[COUNTED[number]].offset] = count
        if number == 804:
            block[definition.points["Idx"].offset] = string
        if number == 805:
            block[definition.points["StrIdx"].offset] = string
        found += block
    return np.array([*found, 0xFFFF, 0], np.uint16)


chains = st.lists(
    st.sampled_from(known_models()).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(1, 5) if n in COUNTED else st.just(0))
    ),
    min_size=1,
    max_size=8,
)


@SLOW
@given(st.lists(st.integers(0, 0xFFFF), max_size=60))
def test_a_chain_of_any_numbers_is_walked_to_its_end_or_refused(garbage):
    registers = np.array([MARKER >> 16, MARKER & 0xFFFF, *garbage], np.uint16)

    with contextlib.suppress(ProtocolError):
        assert chain_of(registers).base == BASE


@SLOW
@given(chains)
def test_any_chain_of_known_models_is_found_as_it_is_and_makes_a_profile(chain):
    registers = registers_of(chain)

    found = chain_of(registers)
    document = compose("device", {"title": "t", "sunspec": section_of(found)})
    profile, problems = profiles.of_document("device", document)

    assert [(one.id, one.count) for one in found.models] == chain
    assert found.notes == ()
    assert problems == []
    assert profile is not None
    end = BASE + len(registers)
    for points in profile.layout_points().values():
        for point in points.values():
            for span in spans_of(profile, point):
                assert span.address >= BASE + 2
                assert span.address + span.count <= end
    for block in plan_for(profile).blocks:
        assert block.address + block.count <= end


@SLOW
@given(st.integers(-32767, 32767), st.integers(-3, 3), st.sampled_from(["W", "VAr", "VA"]))
def test_values_are_those_of_the_alliances_library(raw, power, name):
    factor = f"{name}_SF"
    theirs = sunspec.Model(103, data=model_data(103, {name: raw, factor: power}, None))
    document = compose("d", {"title": "t", "sunspec": {"models": [{"id": 103, "length": 50}]}})
    signal = {"W": "active_power_kw", "VAr": "reactive_power_kvar", "VA": "apparent_power_kva"}
    registers = dict(enumerate(words(theirs.get_mb()), BASE + 2))

    point = {signal[name]: document["layouts"]["pcs"][signal[name]]}
    values, quality = decode("pcs", point, registers)[signal[name]]

    scale = SIGNALS[signal[name]].scale
    assert quality == [Quality.GOOD]
    assert values[0] * scale == pytest.approx(theirs.points[name].cvalue / 1000, abs=scale)
