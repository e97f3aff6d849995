"""An SOH model as ONNX, so that a station needs nothing that trained it.

ONNX compares in single precision. Each threshold of a tree is therefore rounded down to the
next single-precision number: `input <= threshold` then says the same of every
single-precision input as before.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neural_network import MLPRegressor

from cell_lab.soh_fit import SohFit
from station.estimators.soh_features import INPUTS

Constants = dict[str, npt.NDArray[np.float32]]

_OPSET, _ML_OPSET, _IR_VERSION = 18, 3, 8


def to_onnx(fit: SohFit) -> bytes:
    """Return the model: inputs (cycles, INPUTS) in single precision, SOH (cycles, 1) out."""
    constants: Constants = {
        "low": fit.low,
        "high": fit.high,
        "mean": fit.mean.astype(np.float32),
        "sd": fit.sd.astype(np.float32),
        "soh_mean": np.array([fit.soh_mean], np.float32),
    }
    nodes = [
        helper.make_node("Max", ["inputs", "low"], ["raised"]),
        helper.make_node("Min", ["raised", "high"], ["clipped"]),
        helper.make_node("Sub", ["clipped", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "sd"], ["scaled"]),
        trees_node(fit.trees, fit.soh_sd * fit.trees_share),
    ]
    outputs = ["soh_mean", "trees"]
    share = fit.soh_sd * (1 - fit.trees_share) / len(fit.nets)
    for number, net in enumerate(fit.nets):
        layers, output = _net(net, f"net{number}", share, constants)
        nodes += layers
        outputs.append(output)
    nodes.append(helper.make_node("Sum", outputs, ["soh"]))
    return graph_bytes("soh", nodes, "soh", constants)


def graph_bytes(
    name: str, nodes: Sequence[onnx.NodeProto], told: str, constants: Constants
) -> bytes:
    """Return a checked graph that takes inputs (cycles, INPUTS) and tells (cycles, 1).

    Args:
        name: of the graph.
        nodes: from `inputs` to what is told.
        told: name of what the last node tells.
        constants: by their names in the nodes.
    """
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["cycles", INPUTS])],
        [helper.make_tensor_value_info(told, TensorProto.FLOAT, ["cycles", 1])],
        [numpy_helper.from_array(value, each) for each, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _net(
    net: MLPRegressor, name: str, share: float, constants: Constants
) -> tuple[list[onnx.NodeProto], str]:
    """Return the nodes of a network and the name of what they tell; add its weights."""
    nodes, told, last = [], "scaled", len(net.coefs_) - 1
    for layer, (weights, bias) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
        scale, key = (share if layer == last else 1.0), f"{name}_{layer}"
        constants[f"{key}_w"] = (scale * weights).astype(np.float32)
        constants[f"{key}_b"] = (scale * bias).astype(np.float32)
        nodes.append(helper.make_node("Gemm", [told, f"{key}_w", f"{key}_b"], [key]))
        told = key
        if layer != last:
            told = f"{key}_relu"
            nodes.append(helper.make_node("Relu", [key], [told]))
    return nodes, told


def trees_node(fitted: HistGradientBoostingRegressor, scale: float) -> onnx.NodeProto:
    """Return the node of all trees; scikit-learn tells of their nodes only in private."""
    trees = [predictor.nodes for (predictor,) in fitted._predictors]  # noqa: SLF001
    nodes = np.concatenate(trees)
    tree = np.repeat(np.arange(len(trees)), [len(each) for each in trees])
    node = np.concatenate([np.arange(len(each)) for each in trees])
    leaf = nodes["is_leaf"].astype(bool)
    base = float(np.ravel(fitted._baseline_prediction)[0])  # noqa: SLF001
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["clipped"],
        ["trees"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[scale * base],
        nodes_treeids=tree.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_featureids=np.where(leaf, 0, nodes["feature_idx"]).tolist(),
        nodes_values=_rounded_down(np.where(leaf, 0.0, nodes["num_threshold"])).tolist(),
        nodes_modes=["LEAF" if is_leaf else "BRANCH_LEQ" for is_leaf in leaf.tolist()],
        nodes_truenodeids=np.where(leaf, 0, nodes["left"]).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, nodes["right"]).tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=node[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=(scale * nodes["value"][leaf]).astype(np.float32).tolist(),
    )


def _rounded_down(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    nearest = values.astype(np.float32)
    down = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest > values, down, nearest)
