"""What an SOH model must beat: one number for all cells, and a straight line."""

from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cell_lab.errors import TrainingError
from station.estimators.soh_features import Inputs, Series

BASELINES_FILE = "baselines.json"
_PENALTY = 10.0
_OUTSIDE = 0.003


class SohBaselines(BaseModel):
    """Fitted on the cells that the model was fitted on.

    Attributes:
        mean_soh: of the training rows.
        low, high: bounds that inputs are clipped at; slopes, level: of the ridge regression.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean_soh: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    slopes: tuple[float, ...]
    level: float

    @classmethod
    def fit(cls, inputs: Inputs, soh: Series) -> Self:
        """Fit both baselines; the ridge's penalty is on standardised inputs."""
        low, high = np.quantile(inputs, [_OUTSIDE, 1 - _OUTSIDE], axis=0)
        clipped = np.clip(inputs.astype(np.float64), low, high)
        mean, sd = clipped.mean(axis=0), clipped.std(axis=0)
        sd[sd == 0] = 1.0
        scaled = (clipped - mean) / sd
        normal = scaled.T @ scaled + _PENALTY * np.eye(len(mean))
        slopes = np.linalg.solve(normal, scaled.T @ (soh - soh.mean())) / sd
        return cls(
            mean_soh=float(soh.mean()),
            low=tuple(low.tolist()),
            high=tuple(high.tolist()),
            slopes=tuple(slopes.tolist()),
            level=float(soh.mean() - mean @ slopes),
        )

    def told(self, inputs: Inputs) -> dict[str, Series]:
        """Return the SOH that each baseline tells, by its name."""
        clipped = np.clip(inputs.astype(np.float64), self.low, self.high)
        return {
            "training mean": np.full(len(inputs), self.mean_soh),
            "ridge regression": clipped @ np.array(self.slopes) + self.level,
        }


_File = TypeAdapter(dict[str, SohBaselines])


def write_baselines(baselines: dict[str, SohBaselines], folder: Path) -> None:
    """Write the baselines of all sets beside their models."""
    (folder / BASELINES_FILE).write_bytes(_File.dump_json(baselines) + b"\n")


def read_baselines(folder: Path) -> dict[str, SohBaselines]:
    """Return the baselines that were written beside the models, by set; none without a file.

    Raises:
        TrainingError: the file is wrong.
    """
    path = folder / BASELINES_FILE
    try:
        return _File.validate_json(path.read_bytes()) if path.exists() else {}
    except (OSError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise TrainingError(
            f"{path}: {first}; delete it and train the sets of this folder again: "
            "./stationmaster train soh --data FOLDER --out FOLDER"
        ) from error


def baselines_of(name: str, folder: Path) -> SohBaselines:
    """Return the baselines of one set.

    Raises:
        TrainingError: they are missing or wrong.
    """
    if (found := read_baselines(folder).get(name)) is None:
        raise TrainingError(
            f"{folder / BASELINES_FILE}: no baselines of the set {name}; train it again: "
            "./stationmaster train soh --data FOLDER --out FOLDER"
        )
    return found
