from station.config import StationConfig
from station.devices import Devices
from station.protocols import wire
from station.protocols.driver import ResumePoint
from tests.station.site import site_document

POINT = "C1-PCS/LLN0.BR.brMeas01"
IED = {"driver": "iec61850", "mapping": "pcs-iec61850.toml", "profile": "pcs.icd", "ied": "C1PCS"}
SENSOR = {
    "tag": "C1-H2",
    "driver": "mqtt",
    "role": "room",
    "container": "C1",
    "profile": "mqtt-room.toml",
    "port": 1883,
    "topic": "c1",
}


def test_a_driver_without_resume_points_holds_back_no_others(tmp_path):
    document = site_document(tmp_path)
    converter = next(one for one in document["devices"] if one["role"] == "pcs")
    converter |= IED
    document["devices"].append(SENSOR)
    config = StationConfig.model_validate(document)
    kept = {POINT: "0a@1", "GONE/brStat": "0b@1", "commands": "7"}
    devices = Devices(config, kept, lambda _bundle: None, lambda _status: None)

    devices.hosts["iec61850"].hear(wire.encode(ResumePoint(POINT, "0c@2")))

    assert devices.resume_points() == {POINT: "0c@2"}
