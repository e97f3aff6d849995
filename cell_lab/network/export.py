"""A trained network as two small ONNX graphs, so that a station needs nothing that trained it.

`cells.onnx` takes one second of cells, `racks.onnx` one token of racks with their cache of keys
and values. Before they are put in place they run over whole sequences, second by second as a
station would; what they tell must be what PyTorch tells of the whole sequence at once.
"""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from cell_lab.errors import TrainingError
from cell_lab.network.architecture import TransformerGru
from cell_lab.network.graphs import cells_graph, racks_graph
from station.estimators.network import (
    CELLS_FILE,
    FACTS_FILE,
    RACKS_FILE,
    NetworkFacts,
    Trust,
    load_network,
)
from station.estimators.network_inputs import INPUTS
from station.estimators.network_run import run_second, start_network

MOST_DIFFERENCE = 1e-5
Array = npt.NDArray[np.float32]


def export(network: TransformerGru, facts: NetworkFacts, inputs: Array, folder: Path) -> float:
    """Write a network for stations and return how far at most it is from PyTorch's.

    Args:
        network: trained.
        facts: what the station must know of it.
        inputs: sequences to prove it on, shape (cells, seconds, inputs).
        folder: where the three files go; it is left as it was if the proof fails.

    Raises:
        TrainingError: the graphs do not tell the same as the network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = network.cpu().eval()
    with tempfile.TemporaryDirectory(prefix=".network-", dir=folder) as beside:
        place = Path(beside)
        (place / CELLS_FILE).write_bytes(cells_graph(network))
        if network.shape.context:
            (place / RACKS_FILE).write_bytes(racks_graph(network))
        (place / FACTS_FILE).write_text(facts.model_dump_json(indent=1) + "\n", "utf-8")
        difference = streaming_difference(network, place, inputs)
        if not difference <= MOST_DIFFERENCE:  # also where it is no number
            raise TrainingError(
                f"{folder}: not written, for second by second it would differ by {difference:.1e} "
                f"from the whole sequence, and {MOST_DIFFERENCE:.0e} is allowed; report this with "
                "the versions of torch, onnx and onnxruntime"
            )
        for path in sorted(place.iterdir()):
            path.replace(folder / path.name)
    return difference


def streaming_difference(network: TransformerGru, folder: Path, inputs: Array) -> float:
    """Return the largest difference between streaming ONNX and PyTorch over whole sequences."""
    loaded = load_network(folder, facts_of(network).inputs)
    cells, seconds, _ = inputs.shape
    rack = np.arange(cells)
    state = start_network(loaded, cells, cells)
    with torch.no_grad():
        told, _ = network(torch.from_numpy(inputs))
    most = 0.0
    for second in range(seconds):
        state, error, log_sd = run_second(
            loaded, state, np.ascontiguousarray(inputs[:, second].T), rack
        )
        most = max(
            most,
            float(np.abs(error - told.error[:, second].numpy()).max()),
            float(np.abs(log_sd - told.log_sd[:, second].numpy()).max()),
        )
    return most


def facts_of(network: TransformerGru, trust: Trust | None = None) -> NetworkFacts:
    """Return what a station must know of a network."""
    shape = network.shape
    return NetworkFacts(
        inputs=INPUTS[: shape.inputs],
        hidden=shape.hidden,
        context=shape.context,
        layers=shape.layers,
        heads=shape.heads,
        key=shape.key,
        window=shape.window,
        patch_s=shape.patch_s,
        least_variance=shape.least_variance,
        slopes=tuple(shape.slopes),
        parameters=sum(weight.numel() for weight in network.parameters()),
        trust=trust or Trust(),
    )
