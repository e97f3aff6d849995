"""A trained network as two small ONNX graphs, so that a station needs nothing that trained it.

`cells.onnx` takes one second of cells, `racks.onnx` one token of racks with their cache of keys
and values. The graphs are written node by node. Before they are put in place they run over whole
sequences, second by second as a station would; what they tell must be what PyTorch tells of the
whole sequence at once.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from cell_lab.errors import TrainingError
from cell_lab.network.architecture import Layer, TransformerGru
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
_OPSET, _IR_VERSION = 17, 8
_EPSILON = 1e-5
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


class _Graph:
    """Nodes and weights as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]] = {}
        self.count = 0

    def weight(self, value: torch.Tensor | npt.NDArray[np.float32] | Sequence[int]) -> str:
        self.count += 1
        name = f"w{self.count}"
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy()
        is_array = isinstance(value, np.ndarray)
        self.weights[name] = (
            np.ascontiguousarray(value, np.float32) if is_array else np.array(value, np.int64)
        )
        return name

    def add(self, kind: str, *given: str, name: str = "", **how: object) -> str:
        self.count += 1
        out = name or f"n{self.count}"
        self.nodes.append(helper.make_node(kind, list(given), [out], **how))
        return out

    def linear(self, layer: torch.nn.Linear, given: str) -> str:
        return self.add("Gemm", given, self.weight(layer.weight.T), self.weight(layer.bias))

    def norm(self, layer: torch.nn.LayerNorm, given: str) -> str:
        return self.add(
            "LayerNormalization",
            given,
            self.weight(layer.weight),
            self.weight(layer.bias),
            axis=-1,
            epsilon=_EPSILON,
        )

    def serialized(
        self, name: str, given: dict[str, Sequence[str | int]], told: dict[str, Sequence[str | int]]
    ) -> bytes:
        def described(values: dict[str, Sequence[str | int]]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(
                    key, TensorProto.INT64 if key == "rack" else TensorProto.FLOAT, list(form)
                )
                for key, form in values.items()
            ]

        graph = helper.make_graph(
            self.nodes,
            name,
            described(given),
            described(told),
            [numpy_helper.from_array(value, key) for key, value in self.weights.items()],
        )
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def cells_graph(network: TransformerGru) -> bytes:
    """Return the step of a second: the GRU of each cell, and what it tells.

    The reset and the update gate share one product with the inputs and one with the state; a
    rack's context goes through its weights once for the rack, not once for each cell.
    """
    shape, gru = network.shape, network.gru
    hidden, graph = shape.hidden, _Graph()
    weight_in, weight_state = gru.weight_ih_l0, gru.weight_hh_l0
    bias_in, bias_state = gru.bias_ih_l0, gru.bias_hh_l0
    parts = graph.add(
        "Gemm",
        "inputs",
        graph.weight(weight_in[:, : shape.inputs].T),
        graph.weight(bias_in),
        transA=1,
    )
    if shape.context:
        of_rack = graph.add("MatMul", "context", graph.weight(weight_in[:, shape.inputs :].T))
        parts = graph.add("Add", parts, graph.add("Gather", of_rack, "rack", axis=0))
    state = graph.add("Gemm", "hidden", graph.weight(weight_state.T), graph.weight(bias_state))
    split = graph.weight([2 * hidden, hidden])
    for given, name in ((parts, "in"), (state, "state")):
        graph.nodes.append(
            helper.make_node("Split", [given, split], [f"{name}_gates", f"{name}_new"], axis=1)
        )
    gates = graph.add("Sigmoid", graph.add("Add", "in_gates", "state_gates"))
    halves = graph.weight([hidden, hidden])
    graph.nodes.append(helper.make_node("Split", [gates, halves], ["reset", "update"], axis=1))
    new = graph.add("Tanh", graph.add("Add", "in_new", graph.add("Mul", "reset", "state_new")))
    kept = graph.add("Mul", "update", graph.add("Sub", "hidden", new))
    graph.add("Add", new, kept, name="hidden_after")
    graph.nodes.append(
        helper.make_node(
            "Gemm",
            ["hidden_after", graph.weight(network.head.weight.T), graph.weight(network.head.bias)],
            ["told"],
        )
    )
    given: dict[str, Sequence[str | int]] = {
        "inputs": [shape.inputs, "cells"],
        "hidden": ["cells", hidden],
    }
    if shape.context:
        given |= {"context": ["racks", shape.context], "rack": ["cells"]}
    told: dict[str, Sequence[str | int]] = {"told": ["cells", 2], "hidden_after": ["cells", hidden]}
    return graph.serialized("cells", given, told)


def racks_graph(network: TransformerGru) -> bytes:
    """Return the step of a token: the Transformer over a rack's cache, and the context it tells."""
    shape, graph = network.shape, _Graph()
    token = graph.linear(network.embed, "token")
    caches = []
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, Layer)  # noqa: S101 - the list holds nothing else
        token, cache = _layer(graph, layer, token, number)
        caches.append(cache)
    context = graph.linear(network.tell, graph.norm(network.norm, token))
    graph.nodes.append(helper.make_node("Identity", [context], ["context"]))
    graph.nodes.append(helper.make_node("Concat", caches, ["cache_after"], axis=1))
    form: Sequence[str | int] = ["racks", shape.layers, shape.window, 2 * shape.key]
    return graph.serialized(
        "racks",
        {
            "token": ["racks", 2 * shape.inputs],
            "cache": form,
            "mask": ["racks", shape.heads, 1, shape.window],
        },
        {"context": ["racks", shape.context], "cache_after": form},
    )


def _layer(graph: _Graph, layer: Layer, token: str, number: int) -> tuple[str, str]:
    """Add a layer; return its token and its part of the cache, shape (racks, 1, window, 2 key)."""
    shape = layer.shape
    key, window = shape.key, shape.window
    normed = graph.norm(layer.norm, token)
    query = graph.add(
        "Reshape", graph.linear(layer.query, normed), graph.weight([-1, shape.heads, 1, key])
    )
    fresh = graph.add(
        "Reshape", graph.linear(layer.key_value, normed), graph.weight([-1, 1, 1, 2 * key])
    )
    old = graph.add(
        "Slice",
        "cache",
        graph.weight([number, 1]),
        graph.weight([number + 1, window]),
        graph.weight([1, 2]),
    )
    cache = graph.add("Concat", old, fresh, axis=2)
    split = graph.weight([key, key])
    graph.nodes.append(
        helper.make_node("Split", [cache, split], [f"keys{number}", f"values{number}"], axis=3)
    )
    turned = graph.add("Transpose", f"keys{number}", perm=[0, 1, 3, 2])
    scale = graph.weight(np.array([key**-0.5], np.float32))
    scores = graph.add("Mul", graph.add("MatMul", query, turned), scale)
    weights = graph.add("Softmax", graph.add("Add", scores, "mask"), axis=-1)
    heard = graph.add(
        "Reshape",
        graph.add("MatMul", weights, f"values{number}"),
        graph.weight([-1, shape.heads * key]),
    )
    token = graph.add("Add", token, graph.linear(layer.back, heard))
    wide = graph.add("Relu", graph.linear(layer.wide, graph.norm(layer.norm2, token)))
    return graph.add("Add", token, graph.linear(layer.narrow, wide)), cache
