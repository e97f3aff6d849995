"""A learnt bidding policy at run time: ONNX networks and a card; no training library is needed.

The policy scales the opportunity values and asks for a margin; the bid stays a curve of values,
and at an action of nought it is the Markov-SDP's. Networks of several seeds are averaged.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cloud.market.errors import MarketError

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

CARD_FILE = "card.json"
FORMAT = 1


class BadPolicy(MarketError):  # noqa: N818 - says what is wrong with files
    """A folder holds no policy that may bid."""


@dataclass(frozen=True)
class Policy:
    """Networks that answer alike questions, averaged.

    Attributes:
        card: what is known of the policy: training, gate, versions.
        sessions: of ONNX Runtime.
    """

    card: Mapping[str, Any]
    sessions: tuple[Any, ...]

    @property
    def promoted(self) -> bool:
        """Whether it has passed the gate: only then may it bid."""
        return bool(self.card["gate"]["promoted"])

    @property
    def measure(self) -> float:
        """Prices are looked at in this, money per MWh."""
        return float(self.card["measure"])

    def actions(self, seen: Floats32) -> Floats:
        """Return actions for what is seen.

        Args:
            seen: shape (questions, features).

        Returns:
            In -1..1, shape (questions, 2): log of the scaling, margin.
        """
        told = [one.run(None, {"seen": seen})[0] for one in self.sessions]
        return np.asarray(np.clip(np.mean(told, axis=0), -1, 1), np.float64)


def load_policy(folder: Path) -> Policy:
    """Load a policy.

    Raises:
        BadPolicy: the card or a network is missing, altered or of another format.
    """
    import onnxruntime  # noqa: PLC0415 - heavy, and only who bids by a policy needs it

    card, contents = read_files(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        for content in contents
    ]
    return Policy(card, tuple(sessions))


def read_files(folder: Path) -> tuple[dict[str, Any], list[bytes]]:
    """Return the card and the networks that it names, checked but not loaded.

    Raises:
        BadPolicy: as `load_policy`.
    """
    try:
        card = json.loads((folder / CARD_FILE).read_text("utf-8"))
    except OSError as error:
        raise BadPolicy(f"{folder / CARD_FILE}: {error.strerror}; train it anew") from error
    except ValueError as error:
        raise BadPolicy(f"{folder / CARD_FILE}: cannot be read: {error}; train it anew") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise BadPolicy(f"{folder / CARD_FILE}: is not of format {FORMAT}; train it anew")
    contents = []
    for name, digest in card["networks"].items():
        try:
            contents.append((folder / name).read_bytes())
        except OSError as error:
            raise BadPolicy(f"{folder / name}: {error.strerror}; train it anew") from error
        if hashlib.sha256(contents[-1]).hexdigest() != digest:
            raise BadPolicy(f"{folder / name}: is not what the card names; train it anew")
    return card, contents
