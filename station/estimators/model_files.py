"""Files of models, read in one way: a card (JSON), a table (TOML), a graph (ONNX).

Whoever reads says which error a wrong file becomes, so that its text names the right remedy.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from station.estimators.errors import EstimatorError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Refusal = Callable[[Path, str], EstimatorError]
_Read = TypeVar("_Read", bound=BaseModel)
_ONNX_ERRORS_ONLY = 3
"""ONNX Runtime's own log: warnings about a graph are for who makes it, not for a station."""


def read_card(path: Path, kind: type[_Read], refusal: Refusal) -> _Read:
    """Return what a JSON file says.

    Raises:
        EstimatorError: what refusal makes of the file and its first fault.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise refusal(path, error.strerror or "cannot be read") from error
    except ValidationError as error:
        raise refusal(path, _faults(error)[0]) from error


def read_table(path: Path, kind: type[_Read], refusal: Refusal) -> _Read:
    """Return what a TOML file says.

    Raises:
        EstimatorError: what refusal makes of the file and of all its faults.
    """
    try:
        return kind.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise refusal(path, error.strerror or "cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise refusal(path, f"is no TOML: {error}") from error
    except ValidationError as error:
        raise refusal(path, "; ".join(_faults(error))) from error


def open_graph(path: Path, refusal: Refusal) -> "InferenceSession":
    """Return the graph of an ONNX file, ready to run in one thread.

    Raises:
        EstimatorError: what refusal makes of the file and its fault.
    """
    import onnxruntime as ort  # noqa: PLC0415 - half a second that a station without models spares
    from onnxruntime.capi import onnxruntime_pybind11_state as refused  # noqa: PLC0415

    options = ort.SessionOptions()
    options.enable_cpu_mem_arena = False  # it would keep what the largest batch once needed
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ONNX_ERRORS_ONLY
    try:
        content = path.read_bytes()
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise refusal(path, error.strerror or "cannot be read") from error
    except (
        refused.Fail,
        refused.InvalidArgument,
        refused.InvalidGraph,
        refused.InvalidProtobuf,
    ) as error:
        raise refusal(path, f"is no ONNX model ({error})") from error


def _faults(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
        for fault in error.errors()
    ]
