import pytest

from station.protocols.errors import ProfileError
from station.protocols.iec61850 import mapping as mappings
from station.protocols.iec61850 import scl
from station.protocols.iec61850.scl import Member
from tests.station.protocols.iec61850_peer import ICD

TEXT = ICD.read_text("utf-8")


@pytest.fixture
def ied():
    return scl.load(ICD, "C2PCS")


def test_a_template_stands_for_the_device_of_any_name(ied):
    assert ied.name == "C2PCS"
    assert [d.reference for d in ied.data_sets] == [
        "C2PCSPCS1/LLN0.dsMeas",
        "C2PCSPCS1/LLN0.dsStat",
    ]


def test_report_blocks_are_numbered_only_when_they_are_indexed(ied):
    names = [name for block in ied.report_blocks for name in block.references]

    assert names == [
        "C2PCSPCS1/LLN0.BR.brStat",
        "C2PCSPCS1/LLN0.BR.brMeas",
        "C2PCSPCS1/LLN0.RP.urMeas01",
        "C2PCSPCS1/LLN0.RP.urMeas02",
    ]


def test_booleans_may_be_written_as_numbers(tmp_path):
    path = tmp_path / "numbers.icd"
    text = TEXT.replace('="true"', '="1"').replace('="false"', '="0"')
    path.write_text(text, "utf-8")

    assert '="1"' in text
    assert scl.load(path, "C2PCS").report_blocks == scl.load(ICD, "C2PCS").report_blocks


def test_a_members_structure_follows_the_templates_for_its_constraint(ied):
    members = {member.path: member for member in ied.data_sets[0].members}

    total = members["PCS1/MMXU1.TotW"].node
    assert total.find("mag.f") == ((0, 0), total.children[0].children[0])
    assert [child.name for child in total.children] == ["mag", "q", "t"]
    phases = members["PCS1/MMXU1.PPV"].node
    assert phases.find("phsCA.cVal.mag.f")[0] == (2, 0, 0, 0)
    setpoint = members["PCS1/DRCC1.OutWSet"].node
    assert [child.name for child in setpoint.children] == ["mxVal", "q", "t"]
    assert total.find("mag.i") is None


def test_controllable_objects_are_those_with_oper(ied):
    assert ied.controls == {
        "PCS1/DRCC1.OutWSet",
        "PCS1/DRCC1.OutVarSet",
        "PCS1/DRCC1.DERStr",
        "PCS1/DRCC1.DERStop",
    }


def test_a_member_may_be_a_single_attribute(tmp_path):
    path = tmp_path / "leaf.icd"
    path.write_text(TEXT.replace('doName="Hz" fc', 'doName="Hz" daName="mag.f" fc'), "utf-8")

    member = scl.load(path).data_sets[0].members[4]

    assert member == Member("PCS1/MMXU1.Hz.mag.f", "MX", member.node)
    assert member.node.basic_type == "FLOAT32"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("<SCL ", "<SCL <", "is no XML"),
        ('lnClass="MMXU" inst="1"', 'lnClass="MMXU" inst="9"', "names no logical node"),
        ('doName="Hz"', 'doName="Zh"', "has no such type"),
        ('<DOType id="DEL"', '<DOType id="LED"', "DOType 'DEL'"),
    ],
)
def test_a_wrong_scl_file_is_refused_naming_the_element(tmp_path, old, new, words):
    path = tmp_path / "wrong.icd"
    path.write_text(TEXT.replace(old, new), "utf-8")

    with pytest.raises(ProfileError, match=words) as caught:
        scl.load(path)

    assert str(path) in str(caught.value)


def test_an_ied_that_is_not_in_the_file_is_refused_with_those_that_are(tmp_path):
    path = tmp_path / "two.icd"
    start, end = TEXT.index("<IED "), TEXT.index("</IED>") + len("</IED>")
    second = TEXT[start:end].replace("TEMPLATE", "OTHER")
    path.write_text(TEXT[:end] + second + TEXT[end:], "utf-8")

    assert scl.load(path, "OTHER").name == "OTHER"
    with pytest.raises(ProfileError, match="TEMPLATE, OTHER"):
        scl.load(path, "C1PCS")


def test_the_standard_mapping_binds_and_prefers_buffered_reports(ied):
    binding = mappings.bind("pcs-iec61850.toml", mappings.load(""), ied)

    assert len(binding.signals) == len(binding.layout.columns)
    assert list(binding.reports) == ["C2PCSPCS1/LLN0.dsStat", "C2PCSPCS1/LLN0.dsMeas"]
    assert [b.buffered for b in binding.reports["C2PCSPCS1/LLN0.dsMeas"]] == [True, False]
    assert binding.controls["start"] == "C2PCSPCS1/DRCC1.DERStr"


MAPPING = (mappings.find(mappings.STANDARD)).read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('layout = "pcs"', 'layout = "ups"', "ups"),
        ("frequency_hz", "frequency_khz", "no signal of pcs"),
        ('"MMXU1.Hz"', '"MMXU1.Frq"', "is in no data set that is reported"),
        ('object = "MMXU1.Hz"', 'objekt = "MMXU1.Hz"', "objekt"),
        ('"DRCC1.DERStr"', '"XCBR1.Pos"', "cannot be controlled"),
        ("title =", "title", "is no TOML"),
        ('time = "MMXU1.TotW"', 'time = "MMXU1.TotW"\nsilence_s = 0', "silence_s"),
    ],
)
def test_a_wrong_mapping_is_refused_naming_the_key(tmp_path, ied, old, new, words):
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING.replace(old, new), "utf-8")

    with pytest.raises(ProfileError, match=words) as caught:
        mappings.bind(str(path), mappings.load(str(path)), ied)

    assert str(path) in str(caught.value)
