"""A device without an SCL file: what it tells of itself binds as the file would."""

import pytest

from station.protocols.errors import ProfileError
from station.protocols.iec61850 import discovery, lib, scl
from station.protocols.iec61850 import mapping as mappings
from station.protocols.iec61850.connection import Association
from station.protocols.iec61850.discovery import discover
from station.protocols.iec61850.services import ServiceFailed
from tests.station.protocols.iec61850_peer import ICD, Converter
from tests.station.protocols.test_iec61850_simulator import Converter as Simulated


@pytest.fixture(params=["open61850", "libiec61850"])
def association(request, tmp_path):
    if request.param == "open61850":
        peer = Converter(tmp_path).start()
        port, stop = peer.port, peer.stop
    else:
        simulated = Simulated()
        port, stop = simulated.server.port, simulated.server.close
    opened = Association("127.0.0.1", port, lambda: None)
    yield opened
    opened.retire()
    opened.close()
    stop()


def places(binding: mappings.Binding) -> dict[int, list[tuple[object, ...]]]:
    """Where each signal's value, quality and time lie."""
    return {
        signal.column: [
            (leaf.data_set, leaf.member, leaf.way) if leaf is not None else ()
            for point in signal.points
            for leaf in (point.value, point.quality, point.time)
        ]
        for signal in binding.signals
    }


def test_what_a_device_tells_of_itself_binds_as_its_scl_file_does(association):
    signal_map = mappings.load("")
    by_file = mappings.bind("file", signal_map, scl.load(ICD, "C1PCS"))

    found = discover(association, "PCS1")
    on_line = mappings.bind("line", signal_map, found)

    assert found.name == "C1PCS"
    assert places(on_line) == places(by_file)
    assert on_line.time == by_file.time
    assert on_line.controls == by_file.controls
    for data_set, blocks in by_file.reports.items():
        expected = {
            (rcb, block.conf_rev, block.buffered) for block in blocks for rcb in block.references
        }
        told = on_line.reports[data_set]
        assert {(b.references[0], b.conf_rev, b.buffered) for b in told} == expected
        assert told[0].buffered


def test_a_device_without_the_logical_device_says_what_it_has(association):
    with pytest.raises(ProfileError, match="C1PCSPCS1"):
        discover(association, "BESS7")


def test_an_attribute_that_is_not_there_is_told_in_the_devices_words(association):
    with pytest.raises(ServiceFailed, match=r"does not exist|undefined"):
        association.read("C1PCSPCS1/MMXU1.Nothing.setMag.f", "SP")


def test_every_mms_type_that_values_need_has_its_name():
    binary_time = 10  # mms_common.h, MmsType

    assert discovery._node(lib.Type("t", binary_time, 6, ()), "t") == scl.Node("t", "EntryTime")
