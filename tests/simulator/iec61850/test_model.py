import pytest

from simulator.config import DATA
from simulator.errors import IcdError
from simulator.iec61850.model import ServerModel

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


def test_a_file_that_is_no_xml_is_refused(tmp_path):
    broken = tmp_path / "broken.icd"
    broken.write_text("<SCL")

    with pytest.raises(IcdError, match="XML"):
        ServerModel(broken, "X")


def test_the_copy_for_the_station_is_the_same_file():
    assert ICD.read_bytes() == (DATA / "profiles" / "pcs.icd").read_bytes()
