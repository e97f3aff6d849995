import pytest

from simulator.config import DATA, load_config
from simulator.errors import ConfigError
from simulator.plant import Plant
from simulator.scenario_file import Kind, load_scenario


def test_the_default_configuration_is_the_default_plant():
    config = load_config(DATA / "simulator" / "plant.toml")

    parameters = config.plant_parameters()

    assert parameters.racks * parameters.cells_per_rack == 8320
    assert parameters.pcs_rated_kw == 1725
    assert Plant(parameters).mean_soc() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("start_soc = 1.5", "start_soc"),
        ("[plant]\ncontainers = 0", "plant.containers"),
        ("[ports]\nhost = '0.0.0.0'", "ports.host"),
        ("spede = 2", "spede"),
        ("cell = 'nowhere.toml'", "cell"),
        ("speed = ", "TOML"),
    ],
)
def test_a_wrong_key_is_named_with_its_file_and_a_remedy(tmp_path, text, key):
    path = tmp_path / "plant.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert caught.value.key == key
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_what_the_parser_says_stands_in_the_place_of_the_remedy(tmp_path):
    path = tmp_path / "plant.toml"
    path.write_text("speed = ")

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value).startswith(f"{path}: TOML: Invalid value (at")


def test_paths_are_relative_to_the_configuration(tmp_path):
    path = tmp_path / "plant.toml"
    path.write_text('record = "out/record.sqlite"')

    assert load_config(path).record == tmp_path / "out" / "record.sqlite"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        load_config(tmp_path / "nothing.toml")


def test_an_unknown_scenario_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match="cable-pull"):
        load_scenario("sunny-day", tmp_path)


def test_the_agreed_scenarios_are_there(tmp_path):
    kinds = {
        name: {event.kind for event in load_scenario(name, tmp_path).events}
        for name in ("normal-day", "cable-pull", "bms-silent", "pcs-trip", "hot-cell")
    }

    assert kinds["normal-day"] == set()
    assert kinds["cable-pull"] == {Kind.UPLINK_CUT}
    assert Kind.DEVICE_SILENT in kinds["bms-silent"]
    assert kinds["pcs-trip"] == {Kind.PCS_TRIP}
    assert kinds["hot-cell"] == {Kind.CELL_HEAT}
