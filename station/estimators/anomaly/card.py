"""The files of a detector: detector.json (tails, levels) and network.onnx beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from station.estimators.anomaly.channels import CELL_CHANNELS, RACK_CHANNELS
from station.estimators.anomaly.errors import AnomalyModelError
from station.estimators.anomaly.tails import Tail
from station.estimators.anomaly.windows import FIGURES, POINTS, SCALES_S
from station.estimators.cell_model import Floats
from station.estimators.model_files import open_graph, read_card

CARD_FILE, NETWORK_FILE = "detector.json", "network.onnx"
PATTERN = "pattern"
TOGETHER = "together"


class Levels(BaseModel):
    """Scores that healthy racks reach so often by chance: the budget of false alarms.

    Attributes:
        notice: once a rack-week; warning: once a rack-month; alarm: once a rack-year.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    notice: Annotated[float, Field(gt=0)]
    warning: Annotated[float, Field(gt=0)]
    alarm: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _rise(self) -> "Levels":
        if not self.notice <= self.warning <= self.alarm:
            raise ValueError("notice, warning and alarm must rise")
        return self


class DetectorCard(BaseModel):
    """What the detector has learned of healthy cells.

    Attributes:
        cells: tails of the cell channels and of the network's distance, by name.
        racks: tails of the rack channels, by name.
        levels: of the fused score.
        source: what it was learned from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: Annotated[int, Field(ge=1)]
    source: str
    cells: dict[str, Tail]
    racks: dict[str, Tail]
    levels: Levels

    @model_validator(mode="after")
    def _is_whole(self) -> "DetectorCard":
        for known, wanted in (
            (self.cells, (*CELL_CHANNELS, PATTERN)),
            (self.racks, RACK_CHANNELS),
        ):
            if missing := sorted(set(wanted) - set(known)):
                raise ValueError(f"has no tail of {', '.join(missing)}")
        return self


@dataclass(frozen=True)
class Detector:
    """A detector that has been loaded.

    Attributes:
        card: tails and levels.
        distance: from windows (cells, scales, figures, points) to the distance from healthy
            ones, (cells,).
    """

    card: DetectorCard
    distance: Callable[[Floats], Floats]


def load_detector(folder: Path) -> Detector:
    """Return the detector of a folder; it computes in one thread.

    Raises:
        AnomalyModelError: a file is missing or is none of a detector.
    """
    card = read_card(folder / CARD_FILE, DetectorCard, AnomalyModelError)
    return Detector(card, load_network(folder / NETWORK_FILE))


def load_network(path: Path) -> Callable[[Floats], Floats]:
    """Return the network of a file as a function of windows.

    Raises:
        AnomalyModelError: the file is missing or holds no such network.
    """
    session = open_graph(path, AnomalyModelError)
    given = session.get_inputs()[0]
    wanted = [len(SCALES_S), FIGURES, POINTS]
    if list(given.shape[1:]) != wanted:
        raise AnomalyModelError(path, f"takes windows {given.shape[1:]}, not {wanted}")

    def distance(windows: Floats) -> Floats:
        found: Floats = session.run(None, {given.name: windows})[0].ravel().astype(np.float32)
        return found

    return distance
