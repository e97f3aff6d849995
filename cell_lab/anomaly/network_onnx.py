"""The contrastive network as ONNX: windows in, distance from healthy windows out."""

from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cell_lab.anomaly.contrastive import SCALES, VIEW, Floats, Trained, distances
from cell_lab.errors import TrainingError
from station.estimators.anomaly.card import load_network
from station.estimators.anomaly.windows import FIGURES, POINTS

_OPSET, _IR_VERSION = 18, 8
_NEARNESS = 1e-5


def write_network(trained: Trained, path: Path, windows: Floats) -> float:
    """Write the network and return by how much the written one differs, relatively.

    Raises:
        TrainingError: the written network is not the trained one.
    """
    model = to_onnx(trained)
    path.write_bytes(model.SerializeToString())
    wanted = distances(trained, windows)
    told = load_network(path)(windows)
    off = float((np.abs(told - wanted) / np.maximum(wanted, 1)).max())
    if off > _NEARNESS:
        raise TrainingError(f"{path}: differs from the trained network by {off:.1e}; train anew")
    return off


def to_onnx(trained: Trained) -> onnx.ModelProto:
    """Return the network with its healthy centre as one graph."""
    constants = {
        name.replace(".", "_"): value.detach().numpy()
        for name, value in trained.encoder.state_dict().items()
    }
    constants |= {
        "centre": trained.centre,
        "whiten": trained.whiten,
        "least": np.array(1e-12, np.float32),
        "short": np.array(1e-12, np.float32),
    }
    shapes = {
        "to_flat": [-1, FIGURES, POINTS],
        "to_views": [-1, SCALES * VIEW],
        "points_axis": [2],
        "features_axis": [1],
    }
    node = helper.make_node
    conv = partial(node, "Conv", kernel_shape=[3], pads=[1, 1])
    nodes = [
        node("Reshape", ["windows", "to_flat"], ["flat"]),
        conv(["flat", "first_weight", "first_bias"], ["c1"]),
        node("Relu", ["c1"], ["r1"]),
        conv(["r1", "second_weight", "second_bias"], ["c2"]),
        node("Relu", ["c2"], ["r2"]),
        node("ReduceMean", ["r2", "points_axis"], ["mean"], keepdims=0),
        node("ReduceMax", ["r2", "points_axis"], ["most"], keepdims=0),
        node("Concat", ["mean", "most"], ["pooled"], axis=1),
        node("Gemm", ["pooled", "view_weight", "view_bias"], ["view"], transB=1),
        node("Relu", ["view"], ["viewed"]),
        node("Reshape", ["viewed", "to_views"], ["views"]),
        node("Gemm", ["views", "join_weight", "join_bias"], ["joined"], transB=1),
        node("Relu", ["joined"], ["j"]),
        node("Gemm", ["j", "last_weight", "last_bias"], ["raw"], transB=1),
        node("ReduceL2", ["raw", "features_axis"], ["length"], keepdims=1),
        node("Max", ["length", "short"], ["safe"]),
        node("Div", ["raw", "safe"], ["embedding"]),
        node("Sub", ["embedding", "centre"], ["off"]),
        node("MatMul", ["off", "whiten"], ["white"]),
        node("ReduceSumSquare", ["white", "features_axis"], ["square"], keepdims=0),
        node("Add", ["square", "least"], ["positive"]),
        node("Sqrt", ["positive"], ["distance"]),
    ]
    initialisers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    initialisers += [
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in shapes.items()
    ]
    graph = helper.make_graph(
        nodes,
        "anomaly",
        [
            helper.make_tensor_value_info(
                "windows", TensorProto.FLOAT, ["cells", SCALES, FIGURES, POINTS]
            )
        ],
        [helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["cells"])],
        initialisers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(model)
    return model
