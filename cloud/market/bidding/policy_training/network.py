"""A trained policy's network as ONNX: what is seen goes in, actions in -1..1 come out."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from cloud.market.errors import MarketError

Floats32 = npt.NDArray[np.float32]

_OPSET, _IR_VERSION = 18, 8
_NEARNESS = 1e-5


class ExportFailed(MarketError):  # noqa: N818 - says what happened
    """The written network does not answer as the trained one."""


def write_network(policy: Any, path: Path, questions: Floats32) -> float:
    """Write a policy of stable-baselines3 and return by how much its answers differ at most.

    Args:
        policy: an `MlpPolicy`.
        path: the file.
        questions: on which both are compared, shape (questions, features).

    Raises:
        ExportFailed: they differ by more than rounding.
    """
    import onnxruntime  # noqa: PLC0415 - only to compare

    content = to_onnx(policy).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    told = session.run(None, {"seen": questions})[0]
    off = float(np.abs(told - trained_actions(policy, questions)).max())
    if off > _NEARNESS:
        raise ExportFailed(f"{path}: differs from the trained policy by {off:.1e}; train anew")
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)  # what is there is whole: a training that goes on takes it as it is
    return off


def trained_actions(policy: Any, questions: Floats32) -> Floats32:
    """Return the trained policy's actions without chance, shape (questions, actions)."""
    told, _ = policy.predict(questions, deterministic=True)
    return np.clip(np.asarray(told, np.float32), -1, 1)


def to_onnx(policy: Any) -> onnx.ModelProto:
    """Return the policy's network as a graph: Gemm and Tanh, cut to -1..1."""
    layers = [one for one in policy.mlp_extractor.policy_net if hasattr(one, "weight")]
    layers.append(policy.action_net)
    constants, nodes, flowing = [], [], "seen"
    for number, layer in enumerate(layers):
        weight, bias, summed = f"weight_{number}", f"bias_{number}", f"sum_{number}"
        constants += [
            numpy_helper.from_array(layer.weight.detach().cpu().numpy(), weight),
            numpy_helper.from_array(layer.bias.detach().cpu().numpy(), bias),
        ]
        nodes.append(helper.make_node("Gemm", [flowing, weight, bias], [summed], transB=1))
        flowing = summed
        if number < len(layers) - 1:
            flowing = f"bent_{number}"
            nodes.append(helper.make_node("Tanh", [summed], [flowing]))
    ends = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("least", -1.0), ("most", 1.0))
    ]
    nodes.append(helper.make_node("Clip", [flowing, "least", "most"], ["actions"]))
    features, actions = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    graph = helper.make_graph(
        nodes,
        "bidding-policy",
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, ["n", features])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, ["n", actions])],
        [*constants, *ends],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model)
    return model
