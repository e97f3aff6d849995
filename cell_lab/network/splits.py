"""What is kept from a network while it is trained: read from a file that is written before."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cell_lab.errors import TrainingError
from cell_lab.recordings import Recording

SPLITS_FILE = "splits.toml"


class Splits(BaseModel):
    """The file; cells and cycles are named by how their names begin, or a part of them.

    Attributes:
        held_out_cells, held_out_cycles: never trained on.
        validation_cycles: they choose the best weights, and are not trained on either.
        folds: temperatures held out of each fold, by cell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    held_out_cells: tuple[str, ...] = ()
    held_out_cycles: tuple[str, ...] = ()
    validation_cycles: tuple[str, ...] = ()
    folds: dict[str, dict[str, tuple[float, ...]]]

    def role(self, recording: Recording, fold: str) -> str:
        """Return `train`, `validate` or `test`: what a recording is for in a fold."""
        if any(recording.cell.startswith(cell) for cell in self.held_out_cells):
            return "test"
        if recording.chamber_c in self.held_out_c(recording.cell, fold):
            return "test"
        if any(part in recording.profile for part in self.held_out_cycles):
            return "test"
        validates = any(part in recording.profile for part in self.validation_cycles)
        return "validate" if validates else "train"

    def held_out_c(self, cell: str, fold: str) -> Sequence[float]:
        """Return the temperatures of a cell that a fold holds out."""
        named = self.folds[fold].items()
        return next((held for name, held in named if cell.startswith(name)), ())


def read_splits(path: Path) -> Splits:
    """Return the splits of a file.

    Raises:
        TrainingError: it is missing or wrong.
    """
    try:
        return Splits.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise TrainingError(f"{path}: {error.strerror}; data/models/network has one") from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise TrainingError(f"{path}: is no file of splits ({error})") from error
