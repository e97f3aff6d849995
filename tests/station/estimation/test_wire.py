import json
import math
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from station.estimation import wire
from station.processes import WireError
from tests.station.estimation.groups import group, moment, setup_of

MODEL = wire.ModelReport("/m", "lfp", 3, 1.25, math.nan, 0.03)


@pytest.mark.parametrize(
    "message",
    [
        wire.Arrange("shadow", "/models/2"),
        wire.Close(),
        wire.Began("resumed", 12.5, "", 2, ("C1-R03",)),
        wire.Waiting(7),
        wire.Failed("why"),
    ],
)
def test_a_message_without_arrays_arrives_as_it_left(message):
    assert wire.decode(wire.encode(message)) == message


def test_a_setup_arrives_as_it_left(tmp_path):
    setup = setup_of(tmp_path, group(), group(("C2-R01",), 8, parallel=2, stacks=(1,)))

    assert wire.decode(wire.encode(setup)) == setup


def test_a_moment_arrives_bit_by_bit(tmp_path):
    sent = moment(setup_of(tmp_path), 5000, bms_soc=math.nan)

    got = wire.decode(wire.encode(sent))

    assert isinstance(got, wire.Moment)
    assert got.at_ms == 5000
    for name, array in sent.arrays.items():
        assert got.arrays[name].tobytes() == array.tobytes()
        assert got.arrays[name].dtype == array.dtype


def test_an_answer_arrives_with_what_is_not_known_as_not_known():
    soc = np.array([0.5, math.nan], np.float32)
    finding = wire.Finding(1, 7, 4, 3, "short", "短路", 100)
    report = wire.Report(MODEL, None, 1000, 0.04, "")
    sent = wire.Answer(9, {"soc": math.nan, "x": 1.5}, {"soc": soc}, {}, report, (finding,))

    got = wire.decode(wire.encode(sent))

    assert isinstance(got, wire.Answer)
    assert math.isnan(got.station["soc"])
    assert got.station["x"] == 1.5
    assert got.racks["soc"].tobytes() == soc.tobytes()
    assert (dict(got.cells), got.findings) == ({}, (finding,))
    assert math.isnan(got.report.active.innovation_mv)
    assert got.report.active.ratio == 1.25


@given(st.binary(max_size=200))
@example(b"")
@example(struct.pack(">II", 6, 2) + b"[]")
def test_foreign_bytes_are_refused_and_nothing_else(data):
    with pytest.raises(WireError):
        wire.decode(data)


@pytest.mark.parametrize(
    "arrays", [[["a", "|O", 1]], [["a", "<f4", -1]], [["a", "<f4", 9]], [["a", "<f4", "1"]], [1]]
)
def test_arrays_outside_the_agreement_are_refused(arrays):
    header = json.dumps(["Moment", {"at_ms": 0, "arrays": arrays}]).encode()
    frame = struct.pack(">II", 4 + len(header) + 8, len(header)) + header + bytes(8)

    with pytest.raises(WireError):
        wire.decode(frame)
