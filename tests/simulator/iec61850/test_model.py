import pytest

from simulator.config import DATA
from simulator.errors import IcdError
from simulator.iec61850.model import ServerModel
from simulator.iec61850.server import PcsServer
from station.protocols.iec61850.connection import Association

ICD = DATA / "simulator" / "pcs.icd"


def test_the_icd_becomes_a_model_under_the_name_given():
    model = ServerModel(ICD, "C7PCS")

    assert "C7PCSPCS1/DRCC1.OutWSet" in model.objects
    assert model.leaves["C7PCSPCS1/MMXU1.PPV.phsAB.cVal.mag.f"].basic_type == "FLOAT32"
    assert model.leaves["C7PCSPCS1/ZINV1.GridModSt.stVal"].type_name == "PcsState"


def test_an_undefined_type_is_named(tmp_path):
    broken = tmp_path / "broken.icd"
    broken.write_text(ICD.read_text().replace('<DOType id="DEL"', '<DOType id="OTHER"'))

    with pytest.raises(IcdError, match="DEL"):
        ServerModel(broken, "X")


def test_booleans_may_be_written_as_numbers(tmp_path):
    numbers = tmp_path / "numbers.icd"
    text = ICD.read_text().replace('="true"', '="1"').replace('="false"', '="0"')
    numbers.write_text(text)
    server = PcsServer(
        *("C1-PCS", numbers, "C1PCS", 1e6),
        ask=lambda point, value: None,
        accept=lambda point, value: None,
        deny=lambda point, value, denial: None,
        on_served=lambda tick: None,
    )
    server.start("127.0.0.1", 0)
    association = Association("127.0.0.1", server.port, lambda: None)
    found = [
        association.report_blocks.state(f"C1PCSPCS1/LLN0.{name}").data_set
        for name in ("BR.brStat", "BR.brMeas", "RP.urMeas01")
    ]
    association.retire()
    association.close()
    server.close()

    assert found == [f"C1PCSPCS1/LLN0.{name}" for name in ("dsStat", "dsMeas", "dsMeas")]


def test_a_file_that_is_no_xml_is_refused(tmp_path):
    broken = tmp_path / "broken.icd"
    broken.write_text("<SCL")

    with pytest.raises(IcdError, match="XML"):
        ServerModel(broken, "X")


def test_the_copy_for_the_station_is_the_same_file():
    assert ICD.read_bytes() == (DATA / "profiles" / "pcs.icd").read_bytes()
