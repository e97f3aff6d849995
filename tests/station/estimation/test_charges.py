"""From a charge of made cells, through the real engine, to the SOH of the rack."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from cell_lab.soh_onnx import graph_bytes
from contract.model_package import MANIFEST, digests_of, read_manifest, write_manifest
from station.estimation import Setup
from station.estimation.charge_book import ChargeBook, ChargeBookError
from station.estimation.engine import Engine
from station.estimation.running import load_model
from station.estimators.charge_ends import ChargeEndRule, start_charge_ends, step_charge_ends
from station.estimators.charge_history import ChargeRecord
from station.estimators.errors import SohModelError
from station.estimators.soh import Make, SohCard, Zone
from station.estimators.soh_features import CHARGE_END, INPUTS
from tests.station.estimation.groups import group, kept, moment, settled, setup_of
from tests.station.estimation.plant_site import BUNDLE
from tests.station.estimators.plants import Plant

RULE = ChargeEndRule(upper_v=3.5, from_a=56.0, to_a=14.0)
PLANT_MAKE = Make(cell="Virtual plant, LFP 280 Ah", chemistry="LFP", nominal_ah=280.0)
NOW_MS = 1_700_000_000_000
STEP_S, BEGIN_SOC = 10.0, 0.7
CELLS = 4


def bundle(folder: Path, make: Make = PLANT_MAKE, charge: ChargeEndRule | None = RULE) -> Path:
    """The shipped model of the plant's cell with an SOH model beside it: so much charge, so large.

    The model is a straight line through the charge that cells of full size and of 0.8 of it take
    in the last window.
    """
    to = folder / "bundle"
    shutil.copytree(BUNDLE, to, ignore=shutil.ignore_patterns("network", "anomaly"))
    (to / "soh").mkdir()
    card = SohCard(
        name="plant",
        makes={"plant": make},
        before_first=(0.0,) * 16,
        zones=(Zone(below=9, low=-0.01, high=0.01),),
        charge=charge,
    )
    (to / "soh" / "soh.json").write_text(card.model_dump_json(), "utf-8")
    (to / "soh" / "soh.onnx").write_bytes(straight_line())
    files = {p.relative_to(to).as_posix(): p.read_bytes() for p in to.rglob("*") if p.is_file()}
    manifest = replace(read_manifest(files[MANIFEST]), sha256=digests_of(files))
    (to / MANIFEST).write_bytes(write_manifest(manifest))
    return to


def straight_line() -> bytes:
    small, full = (window_ah(soh) for soh in (0.8, 1.0))
    slope = 0.2 / (full - small)
    weights = np.zeros((INPUTS, 1), np.float32)
    weights[CHARGE_END.index("CC_Q")] = slope
    constants = {"w": weights, "b": np.array([1.0 - slope * full], np.float32)}
    nodes = [
        helper.make_node("MatMul", ["inputs", "w"], ["line"]),
        helper.make_node("Add", ["line", "b"], ["soh"]),
    ]
    assert onnx.__version__
    return graph_bytes("line", nodes, "soh", constants)


def plant_of(setup: Setup, soh: float) -> Plant:
    settings = load_model(Path(setup.groups[0].bundle), setup.groups[0], setup).settings
    cells = len(settings.rack)
    return Plant(settings, np.full(cells, BEGIN_SOC), np.full(cells, soh), np.ones(cells))


def charge(plant: Plant):
    """Yield the samples of a charge: constant current, then as much as the full cell takes."""
    c_rate = 0.5
    while c_rate > 0.03:
        samples = plant.second(-c_rate, STEP_S, noise_v=0.0003)
        yield samples
        if samples.voltage_v.max() >= RULE.upper_v:
            c_rate *= 0.97
    for _ in range(3):
        yield plant.second(0.0, STEP_S, noise_v=0.0003)


def window_ah(soh: float) -> float:
    plant = plant_of(setup_of(Path(), group(("R",), CELLS)), soh)
    state, told = start_charge_ends(plant.settings.rack, 1), []
    for samples in charge(plant):
        state, numbers = step_charge_ends(RULE, state, samples)
        told += [] if numbers is None else [numbers]
    return float(told[0][:, CHARGE_END.index("CC_Q")].mean())


def charged(engine: Engine, setup: Setup, soh: float, at_ms: int = NOW_MS):
    """Take a whole charge; return what was made of its first and of its last second."""
    made = []
    for number, samples in enumerate(charge(plant_of(setup, soh)), 1):
        arrays = dict(moment(setup, at_ms, bms_soc=BEGIN_SOC).arrays)
        arrays |= {
            "elapsed_s": samples.elapsed_s,
            "current_a": samples.current_a,
            "cell_voltage_v": samples.voltage_v,
            "cell_temperature_c": samples.temperature_c,
        }
        now = moment(setup, at_ms + round(1000 * STEP_S * number))
        made.append(engine.take(replace(now, arrays=arrays)))
    return made[0], made[-1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A station of one rack of cells that have lost a tenth, after its first charge."""
    folder = tmp_path_factory.mktemp("charged")
    setup = setup_of(folder, group(("C1/R01",), CELLS, bundle=str(bundle(folder))))
    engine = Engine(setup)
    engine.begin(
        moment(setup, NOW_MS), kept(setup.groups[0], NOW_MS, settled(setup.groups[0], BEGIN_SOC))
    )
    before, after = charged(engine, setup, 0.9)
    return folder, setup, engine, before, after


def test_a_charge_tells_the_soh_of_the_racks_cells(site):
    _, _, _, before, after = site

    assert before.racks["soh_estimate"][0] == pytest.approx(1.0, abs=0.01)
    assert after.racks["soh_estimate"][0] == pytest.approx(0.9, abs=0.01)
    assert after.racks["soh_half_width"][0] < before.racks["soh_half_width"][0] / 3
    np.testing.assert_allclose(after.cells["cell_soh"], 0.9, atol=0.015)


def test_what_a_charge_told_outlives_a_restart(site):
    folder, setup, engine, _, after = site
    again = Engine(setup)

    again.begin(moment(setup, engine.at_ms + 60_000), engine.kept())
    made = again.take(moment(setup, engine.at_ms + 61_000, elapsed_s=0.0, cell_good=0))

    assert made.racks["soh_estimate"][0] == pytest.approx(after.racks["soh_estimate"][0], abs=2e-3)
    record = ChargeBook(folder / "estimators" / "charges").read("C1/R01", CELLS, RULE)
    assert record.count == 1
    assert record.tells.all()


def test_between_charges_a_cell_takes_two_bytes_more(site):
    _, _, engine, _, _ = site
    (one,) = engine._groups
    state = one.running.state

    assert state.charging.window.voltage_s.size == 0
    assert state.words.soh.nbytes == 2 * CELLS


def test_a_model_of_another_make_is_not_used_and_says_why(tmp_path):
    other = bundle(tmp_path, Make(cell="A123 APR18650M1A", chemistry="LFP", nominal_ah=1.1))
    setup = setup_of(tmp_path, group(("R",), CELLS, bundle=str(other)))
    engine = Engine(setup)
    engine.begin(moment(setup, NOW_MS), None)
    made = engine.take(moment(setup, NOW_MS + 1000))

    assert "A123 APR18650M1A (LFP, 1.1 Ah)" in engine.soh_unused.en
    assert "Virtual plant, LFP 280 Ah" in engine.soh_unused.zh
    assert made.racks["soh_estimate"][0] == pytest.approx(1.0)
    assert not (tmp_path / "estimators" / "charges").exists()


def test_a_model_that_does_not_say_what_a_charge_is_is_not_used(tmp_path):
    setup = setup_of(tmp_path, group(("R",), CELLS, bundle=str(bundle(tmp_path, charge=None))))

    assert "end of a charge" in Engine(setup).soh_unused.en


def test_a_bundle_whose_soh_model_is_damaged_is_refused(tmp_path):
    setup = setup_of(tmp_path, group(("R",), CELLS, bundle=str(bundle(tmp_path))))
    folder = Path(setup.groups[0].bundle)
    (folder / "soh" / "soh.onnx").write_bytes(b"nonsense")
    files = {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
    manifest = replace(read_manifest(files[MANIFEST]), sha256=digests_of(files))
    (folder / MANIFEST).write_bytes(write_manifest(manifest))

    with pytest.raises(SohModelError):
        Engine(setup)


def test_kept_charges_come_back_and_are_refused_when_damaged_or_of_another_rule(tmp_path):
    book = ChargeBook(tmp_path)
    record = ChargeRecord.empty(2)
    for number in range(7):
        record = record.after(np.full((2, 16), float(number)))
    book.write("R", record, RULE)

    found = book.read("R", 2, RULE)
    assert (found.count, len(found.first), len(found.last)) == (7, 5, 7)
    np.testing.assert_array_equal(found.last, record.last)
    with pytest.raises(ChargeBookError, match="another end of charge"):
        book.read("R", 2, replace(RULE, upper_v=3.65))
    file = tmp_path / "R.bin"
    whole = file.read_bytes()
    for place in range(0, len(whole), len(whole) // 53):
        broken = bytearray(whole)
        broken[place] ^= 0x10
        file.write_bytes(bytes(broken))
        with pytest.raises(ChargeBookError):
            book.read("R", 2, RULE)
    assert book.read("another", 3, RULE).count == 0
