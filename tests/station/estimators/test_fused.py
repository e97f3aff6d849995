"""The network as a witness of the filter: what it changes, when it is asked, what it costs."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from cell_lab.parameter_files import parameters_of
from station.estimators import Samples, build_cell_model, fused, known_start, soc_filter, step
from station.estimators.errors import NetworkError
from station.estimators.network import CELLS_FILE, FACTS_FILE, Network, Trust, load_network
from station.estimators.network_inputs import (
    INPUTS,
    Ambient,
    Believed,
    Readings,
    network_inputs,
)
from station.estimators.network_run import run_second, start_network

SHIPPED = Path(__file__).parents[3] / "data" / "models" / "network"
MODEL = build_cell_model(parameters_of("esc26650"))
CELLS, RACKS = 6, 2
RACK = np.arange(CELLS) * RACKS // CELLS
CAPACITY = np.full(CELLS, MODEL.capacity_ah, np.float32)


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network(SHIPPED)


def trusting(network: Network, **changes: float) -> Network:
    trust = Trust(**(network.facts.trust.model_dump() | changes))
    trusts = {"trust": trust, "by_chemistry": {}}
    return replace(network, facts=network.facts.model_copy(update=trusts))


def samples(current_a: float = 1.0, *, heard: bool = True) -> Samples:
    """Return a moment whose voltage follows the current: one that stands still is not believed."""
    voltage_v = 3.27 - 0.02 * current_a
    return Samples(
        elapsed_s=np.ones(RACKS, np.float32),
        current_a=np.full(RACKS, current_a, np.float32),
        current_good=np.full(RACKS, heard),
        voltage_v=np.linspace(voltage_v, voltage_v + 0.01, CELLS, dtype=np.float32),
        temperature_c=np.full(CELLS, 25.0, np.float32),
        voltage_good=np.full(CELLS, heard),
    )


def started(network: Network | None) -> fused.FusedState:
    filter_state = known_start(MODEL, RACK, RACKS, np.full(CELLS, 0.5, np.float32), 0.05)
    return fused.start(network, filter_state, RACKS)


def run(network: Network | None, seconds: int):
    state = started(network)
    for second in range(seconds):
        moment = samples(float(np.sin(second) * 2))
        state, estimate = fused.step(MODEL, network, state, moment, CAPACITY)
    return state, estimate


def test_without_a_network_the_fused_estimate_is_the_filters():
    state, estimate = run(None, 40)

    alone = started(None).soc
    for second in range(40):
        alone, expected = step(MODEL, alone, samples(float(np.sin(second) * 2)), CAPACITY)

    assert np.array_equal(estimate.soc, expected.soc)
    assert np.array_equal(state.soc.settled.covariance, alone.settled.covariance)


def test_the_network_speaks_every_16_seconds_and_not_before(network):
    eager = trusting(network, most_sd=1.0, lasts_s=16.0)

    before, _ = run(eager, 15)
    after, _ = run(eager, 16)

    without_15, _ = run(None, 15)
    without_16, _ = run(None, 16)
    assert np.array_equal(before.soc.settled.mean, without_15.soc.settled.mean)
    assert not np.array_equal(after.soc.settled.mean, without_16.soc.settled.mean)


def test_a_network_that_is_not_sure_is_not_asked(network):
    unsure = trusting(network, most_sd=1e-6)

    state, _ = run(unsure, 64)

    expected, _ = run(None, 64)
    assert np.array_equal(state.soc.settled.mean, expected.soc.settled.mean)


def test_a_network_is_asked_of_cells_of_the_chemistry_that_it_is_trusted_at(network):
    facts = trusting(network, most_sd=1e-6).facts
    eager = trusting(network, most_sd=1.0, lasts_s=16.0).facts.trust
    elsewhere, here = (
        replace(network, facts=facts.model_copy(update={"by_chemistry": {chemistry: eager}}))
        for chemistry in ("NMC", "LFP")
    )
    expected, _ = run(None, 16)

    not_asked, _ = run(elsewhere, 16)
    asked, _ = run(here, 16)

    assert np.array_equal(not_asked.soc.settled.mean, expected.soc.settled.mean)
    assert not np.array_equal(asked.soc.settled.mean, expected.soc.settled.mean)


def test_while_innovations_are_white_a_network_that_waits_for_coloured_ones_is_not_asked(network):
    waiting = trusting(network, most_sd=1.0, coloured=1e6)

    state, _ = run(waiting, 64)

    expected, _ = run(None, 64)
    assert np.array_equal(state.soc.settled.mean, expected.soc.settled.mean)


def test_cells_that_are_not_heard_are_not_corrected(network):
    eager = trusting(network, most_sd=1.0, lasts_s=16.0)
    state = started(eager)
    alone = started(None).soc
    for _ in range(32):
        state, _ = fused.step(MODEL, eager, state, samples(heard=False), CAPACITY)
        alone, _ = step(MODEL, alone, samples(heard=False), CAPACITY)

    assert np.array_equal(state.soc.settled.mean, alone.settled.mean)


def test_a_correction_moves_soc_towards_what_was_told_and_makes_it_surer():
    state = started(None).soc
    told = np.full(CELLS, 0.56, np.float32)
    asked = np.array([True, False] * 3)

    after = fused.correct(state, told, np.full(CELLS, 0.05**2, np.float32), asked)

    moved = after.settled.soc - state.settled.soc
    assert np.allclose(moved[asked], 0.03, atol=1e-4)
    assert np.array_equal(moved[~asked], np.zeros(3))
    assert np.all(after.settled.soc_variance[asked] < state.settled.soc_variance[asked])
    assert np.array_equal(state.settled.soc, np.full(CELLS, 0.5, np.float32))


def test_a_covariance_stays_positive_under_many_corrections():
    state = started(None).soc
    told = np.full(CELLS, 0.5, np.float32)
    small = np.full(CELLS, 1e-6, np.float32)

    for _ in range(200):
        state = fused.correct(state, told, small, np.ones(CELLS, bool))

    variances = [state.settled.covariance[soc_filter.PAIRS.index((i, i))] for i in range(4)]
    assert np.all(np.array(variances) > 0)


def test_hypotheses_of_a_cold_start_are_weighed_by_what_the_network_tells():
    state = fused.cold_start(MODEL, None, RACK, RACKS, np.full(CELLS, 0.5, np.float32)).soc
    told = np.full(CELLS, 0.7, np.float32)

    after = fused.correct(state, told, np.full(CELLS, 0.02**2, np.float32), np.ones(CELLS, bool))

    (portion,) = after.search.portions
    weight = np.exp(portion.log_weight - portion.log_weight.max())
    mean = (weight * portion.columns.soc).sum() / weight.sum()
    assert mean == pytest.approx(0.7, abs=0.04)


def test_a_racks_context_does_not_depend_on_other_racks(network):
    rng = np.random.default_rng(1)
    together = start_network(network, CELLS, RACKS)
    first_alone = start_network(network, 3, 1)
    for _ in range(40):
        inputs = rng.normal(0, 1, (len(INPUTS), CELLS)).astype(np.float32)
        together, error, _ = run_second(network, together, inputs, RACK)
        first_alone, expected, _ = run_second(
            network, first_alone, np.ascontiguousarray(inputs[:, :3]), np.zeros(3, np.intp)
        )

    assert np.allclose(error[:3], expected, atol=1e-6)
    assert np.any(together.context[0] != together.context[1])


def test_cells_in_any_order_of_racks_are_told_the_same(network):
    rng = np.random.default_rng(2)
    order = np.array([3, 0, 4, 1, 5, 2])
    straight, mixed = (start_network(network, CELLS, RACKS) for _ in range(2))
    for _ in range(40):
        inputs = rng.normal(0, 1, (len(INPUTS), CELLS)).astype(np.float32)
        straight, error, _ = run_second(network, straight, inputs, RACK)
        turned = np.ascontiguousarray(inputs[:, order])
        mixed, found, _ = run_second(network, mixed, turned, RACK[order])

    assert np.allclose(found, error[order], atol=1e-6)


def test_what_a_sensor_does_not_tell_is_masked():
    believed = Believed(
        np.full(CELLS, 0.5, np.float32),
        np.zeros(CELLS, np.float32),
        np.zeros((len(MODEL.lag_s), CELLS), np.float32),
        np.zeros(CELLS, np.float32),
    )
    one = np.ones(CELLS, np.float32)
    readings = Readings(one, np.full(CELLS, np.nan, np.float32), 25 * one, np.zeros(CELLS, bool))

    inputs = network_inputs(MODEL, believed, readings, CAPACITY, Ambient(humidity=0.4))

    by_name = dict(zip(INPUTS, inputs, strict=True))
    assert np.isfinite(inputs).all()
    assert not by_name["heard"].any()
    assert not by_name["residual"].any()
    assert not by_name["illuminance_known"].any()
    assert np.all(by_name["humidity_known"] == 1)
    assert np.allclose(by_name["humidity"], 0.4)


def test_a_cell_costs_at_most_75_bytes_beside_the_filter(network):
    racks, per_rack = 20, 416
    cells = racks * per_rack
    state = start_network(network, cells, racks)

    arrays = [getattr(state, field.name) for field in fields(state)]
    taken = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    lean = np.float32().nbytes

    assert taken / cells + lean <= 75


def test_a_folder_without_a_network_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(NetworkError, match="train network"):
        load_network(tmp_path)


def test_a_network_for_other_inputs_is_refused(tmp_path):
    text = (SHIPPED / FACTS_FILE).read_text("utf-8").replace('"residual"', '"colour"')
    (tmp_path / FACTS_FILE).write_text(text, "utf-8")

    with pytest.raises(NetworkError, match="colour"):
        load_network(tmp_path)


def test_a_broken_graph_is_refused(tmp_path):
    (tmp_path / FACTS_FILE).write_bytes((SHIPPED / FACTS_FILE).read_bytes())
    (tmp_path / CELLS_FILE).write_bytes(b"not a graph")

    with pytest.raises(NetworkError, match="ONNX"):
        load_network(tmp_path)


def test_a_station_runs_the_network_where_pytorch_cannot_be_imported():
    script = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path\n"
        "from station.estimators.network import load_network\n"
        f"network = load_network(Path({str(SHIPPED)!r}))\n"
        "from station.estimators import fused\n"
        "print(network.facts.parameters <= 200_000)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "True"
