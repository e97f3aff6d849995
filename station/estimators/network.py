"""A trained SOC network as the station loads it: two ONNX graphs and what must be known of them.

The folder holds `network.json` (sizes, how far to trust it), `cells.onnx` (one second of cells) and
`racks.onnx` (one token of racks, with their cache).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from station.estimators.errors import NetworkError
from station.estimators.model_files import open_graph, read_card
from station.estimators.network_inputs import INPUTS

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

LEAST_SD = 0.001
"""No network tells of itself that it is so sure (network_run.LOG_SD_RANGE)."""
FACTS_FILE, CELLS_FILE, RACKS_FILE = "network.json", "cells.onnx", "racks.onnx"


class Trust(BaseModel):
    """How far the filter goes along with the network; found on recordings not trained on.

    Attributes:
        sd_times: by how much errors exceed what the network expects of itself.
        lasts_s: for so long an error of the network lasts: seconds within it are one witness.
        most_sd: a network that is less sure than this is not asked, a share of 1.
        coloured: the filter's innovations must lean so far to one side, in standard deviations
            of what white ones would, before the network is asked; 0 asks always.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sd_times: Annotated[float, Field(gt=0)] = 1.5
    lasts_s: Annotated[float, Field(gt=0)] = 1800.0
    most_sd: Annotated[float, Field(gt=0)] = 0.03
    coloured: Annotated[float, Field(ge=0)] = 0.0

    @property
    def is_nothing(self) -> bool:
        """Whether the network can never be sure enough to be asked."""
        return self.most_sd <= LEAST_SD


NOTHING = Trust(most_sd=LEAST_SD)
"""The trust in a network that has not been shown to help."""


class NetworkFacts(BaseModel):
    """What `network.json` says.

    Attributes:
        inputs: names and order; a network made for others is refused.
        hidden, context, layers, heads, key, window, patch_s, least_variance: its sizes.
        slopes: by how much each head prefers younger tokens.
        parameters: how many numbers it consists of.
        trust: how far the filter goes along with it, at cells whose chemistry is not named below.
        by_chemistry: the same, at cells of a chemistry that it was tried on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    inputs: tuple[str, ...]
    hidden: int
    context: int
    layers: int
    heads: int
    key: int
    window: int
    patch_s: int
    least_variance: float
    slopes: tuple[float, ...]
    parameters: int
    trust: Trust = Trust()
    by_chemistry: dict[str, Trust] = {}

    def trust_in(self, chemistry: str) -> Trust:
        """Return how far the filter goes along with it at cells of a chemistry."""
        return self.by_chemistry.get(chemistry, self.trust)


@dataclass(frozen=True)
class Network:
    """A loaded network.

    Attributes:
        facts: what its file says.
        cells: session of one second of cells.
        racks: session of one token of racks; None where the network has no Transformer.
    """

    facts: NetworkFacts
    cells: "InferenceSession"
    racks: "InferenceSession | None"


def load_network(folder: Path, inputs: tuple[str, ...] = INPUTS) -> Network:
    """Load a network for one thread.

    Raises:
        NetworkError: a file is missing or wrong, or the network is made for other inputs.
    """
    path = folder / FACTS_FILE
    facts = read_card(path, NetworkFacts, NetworkError)
    if facts.inputs != inputs:
        raise NetworkError(path, f"is of a network for the inputs {', '.join(facts.inputs)}")
    cells = open_graph(folder / CELLS_FILE, NetworkError)
    racks = open_graph(folder / RACKS_FILE, NetworkError) if facts.context else None
    return Network(facts, cells, racks)
