"""The network's graphs, node by node: one second of cells, and one token of racks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from cell_lab.network.architecture import Layer, TransformerGru

_OPSET, _IR_VERSION = 17, 8
Form = Sequence[str | int]


class _Graph:
    """Nodes and weights as they are added."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]] = {}

    def weight(self, value: Tensor) -> str:
        """Add numbers of the network and return their name."""
        return self._constant(np.ascontiguousarray(value.detach().numpy(), np.float32))

    def whole(self, *values: int) -> str:
        """Add whole numbers, as sizes and places are, and return their name."""
        return self._constant(np.array(values, np.int64))

    def add(self, kind: str, *given: str, name: str = "", **how: Any) -> str:
        """Add a node and return the name of what it tells."""
        told = name or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(given), [told], **how))
        return told

    def split(self, given: str, first: int, second: int, axis: int) -> tuple[str, str]:
        """Cut along an axis and return the names of both parts."""
        number = len(self._nodes)
        told = (f"n{number}a", f"n{number}b")
        sizes = self.whole(first, second)
        self._nodes.append(helper.make_node("Split", [given, sizes], list(told), axis=axis))
        return told

    def linear(self, layer: nn.Linear, given: str, name: str = "") -> str:
        """Add a linear layer."""
        weight, bias = self.weight(layer.weight.T), self.weight(layer.bias)
        return self.add("Gemm", given, weight, bias, name=name)

    def norm(self, layer: nn.LayerNorm, given: str) -> str:
        """Add a normalisation of the last axis."""
        weight, bias = self.weight(layer.weight), self.weight(layer.bias)
        return self.add("LayerNormalization", given, weight, bias, axis=-1, epsilon=layer.eps)

    def serialized(self, name: str, given: Mapping[str, Form], told: Mapping[str, Form]) -> bytes:
        """Return the checked graph; the racks of cells are whole numbers, all else single."""
        graph = helper.make_graph(
            self._nodes,
            name,
            [_described(key, form) for key, form in given.items()],
            [_described(key, form) for key, form in told.items()],
            [numpy_helper.from_array(value, key) for key, value in self._weights.items()],
        )
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _constant(self, value: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> str:
        name = f"w{len(self._weights)}"
        self._weights[name] = value
        return name


def _described(name: str, form: Form) -> onnx.ValueInfoProto:
    kind = TensorProto.INT64 if name == "rack" else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, list(form))


def cells_graph(network: TransformerGru) -> bytes:
    """Return the step of a second: the GRU of each cell, and what it tells.

    The equations are those of torch.nn.GRU (Cho 2014, with the reset after the product). A rack's
    context goes through its weights once for the rack, not once for each cell.
    """
    shape, graph = network.shape, _Graph()
    hidden, gru = shape.hidden, dict(network.gru.named_parameters())
    weight_in, bias = gru["weight_ih_l0"], graph.weight(gru["bias_ih_l0"])
    own = graph.weight(weight_in[:, : shape.inputs].T)
    driven = graph.add("Gemm", "inputs", own, bias, transA=1)
    given: dict[str, Form] = {"inputs": [shape.inputs, "cells"], "hidden": ["cells", hidden]}
    if shape.context:
        given |= {"context": ["racks", shape.context], "rack": ["cells"]}
        shared = graph.add("MatMul", "context", graph.weight(weight_in[:, shape.inputs :].T))
        driven = graph.add("Add", driven, graph.add("Gather", shared, "rack", axis=0))
    state, bias = graph.weight(gru["weight_hh_l0"].T), graph.weight(gru["bias_hh_l0"])
    kept = graph.add("Gemm", "hidden", state, bias)
    driven_gates, driven_new = graph.split(driven, 2 * hidden, hidden, axis=1)
    kept_gates, kept_new = graph.split(kept, 2 * hidden, hidden, axis=1)
    gates = graph.add("Sigmoid", graph.add("Add", driven_gates, kept_gates))
    reset, update = graph.split(gates, hidden, hidden, axis=1)
    new = graph.add("Tanh", graph.add("Add", driven_new, graph.add("Mul", reset, kept_new)))
    stays = graph.add("Mul", update, graph.add("Sub", "hidden", new))
    after = graph.add("Add", new, stays, name="hidden_after")
    told = graph.linear(network.head, after, name="told")
    return graph.serialized("cells", given, {told: ["cells", 2], after: ["cells", hidden]})


def racks_graph(network: TransformerGru) -> bytes:
    """Return the step of a token: the Transformer over a rack's cache, and the context it tells."""
    shape, graph = network.shape, _Graph()
    token, caches = graph.linear(network.embed, "token"), []
    for number, layer in enumerate(network.layers):
        assert isinstance(layer, Layer)  # noqa: S101 - the list holds nothing else
        token, cache = _layer(graph, layer, token, number)
        caches.append(cache)
    context = graph.linear(network.tell, graph.norm(network.norm, token), name="context")
    after = graph.add("Concat", *caches, name="cache_after", axis=1)
    form: Form = ["racks", shape.layers, shape.window, 2 * shape.key]
    given: dict[str, Form] = {
        "token": ["racks", 2 * shape.inputs],
        "cache": form,
        "mask": ["racks", shape.heads, 1, shape.window],
    }
    return graph.serialized("racks", given, {context: ["racks", shape.context], after: form})


def _layer(graph: _Graph, layer: Layer, token: str, number: int) -> tuple[str, str]:
    """Add a layer; return its token and its part of the cache, shape (racks, 1, window, 2 key)."""
    shape, key = layer.shape, layer.shape.key
    normed = graph.norm(layer.norm, token)
    query = graph.linear(layer.query, normed)
    query = graph.add("Reshape", query, graph.whole(-1, shape.heads, 1, key))
    fresh = graph.linear(layer.key_value, normed)
    fresh = graph.add("Reshape", fresh, graph.whole(-1, 1, 1, 2 * key))
    low, high = graph.whole(number, 1), graph.whole(number + 1, shape.window)
    old = graph.add("Slice", "cache", low, high, graph.whole(1, 2))
    cache = graph.add("Concat", old, fresh, axis=2)
    keys, values = graph.split(cache, key, key, axis=3)
    products = graph.add("MatMul", query, graph.add("Transpose", keys, perm=[0, 1, 3, 2]))
    scale = graph.weight(torch.tensor([key**-0.5]))
    scores = graph.add("Add", graph.add("Mul", products, scale), "mask")
    heard = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), values)
    heard = graph.add("Reshape", heard, graph.whole(-1, shape.heads * key))
    token = graph.add("Add", token, graph.linear(layer.back, heard))
    wide = graph.add("Relu", graph.linear(layer.wide, graph.norm(layer.norm2, token)))
    return graph.add("Add", token, graph.linear(layer.narrow, wide)), cache
