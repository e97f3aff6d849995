"""What the laboratory refuses."""

from pathlib import Path


class LabError(Exception):
    """Root of all refusals of the laboratory."""


class RecordingError(LabError):
    """A file of recordings is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and what to do."""
        super().__init__(f"{path}: {problem}")


class RecordingColumnsError(RecordingError):
    """A file is no table of recordings."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and what such a file holds."""
        super().__init__(
            path,
            f"{problem}; a file of recordings is Parquet with the columns profile, time_s, "
            "voltage_v, current_a (charging positive), temperature_c and soc, and may have cell, "
            "t_chamber_c and q_ref_ah (the capacity that SOC refers to, in Ah)",
        )


class OcvFileError(LabError):
    """A file named for its open-circuit voltage does not hold one."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and what it may be."""
        super().__init__(
            f"{path}: {problem}; --ocv-from takes a file of cell parameters (TOML), or a CSV table "
            "with the columns soc (a share of 1) and ocv_v"
        )


class IdentifyError(LabError):
    """A make of cell cannot be identified from the recordings that were given."""


class DisturbanceError(LabError):
    """A disturbance is not known, or its size is no number."""


class NoParametersError(LabError):
    """There is no file of parameters for a cell."""

    def __init__(self, cell: str, known: list[str]) -> None:
        """Name the cell and the makes that are at hand."""
        super().__init__(
            f"no cell parameters for {cell!r}: at hand are {', '.join(known) or 'none'}; name a "
            "file by --cell-params, or make one: "
            f"./stationmaster identify --data FILE --cell {cell} --make NAME --out FILE"
        )


class ChargeEndsError(LabError):
    """A file of the ends of charges is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and what such a file holds."""
        super().__init__(
            f"{path}: {problem}; such a file is Parquet with the columns batch, cell, "
            "cycle_index, the sixteen numbers of docs/soh.md, and capacity in Ah, one row a cycle"
        )


class UnknownBatchError(LabError):
    """No shipped model knows the cells of a file."""

    def __init__(self, path: Path, batch: str, known: list[str], what: str = "soh") -> None:
        """Name the file, its batch, the models that are at hand, and how they are trained."""
        super().__init__(
            f"{path}: no {what} model knows the batch {batch!r}; the models are "
            f"{', '.join(known) or 'none'}: let the file's name begin with one of these, or train "
            f"a model: ./stationmaster train {what} --data FOLDER --out FOLDER"
        )


class CellSetsError(LabError):
    """The file that names the sets of cells is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and where a good one is."""
        super().__init__(f"{path}: {problem}; data/models/soh/sets.toml shows what it holds")


class PublishedFiguresError(LabError):
    """The file of others' figures is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and what an entry holds."""
        super().__init__(
            f"{path}: {problem}; each [[figure]] holds cells, profiles, disturbances, rmse_pct, "
            "method, conditions and source"
        )


class TrainingError(LabError):
    """A model cannot be trained from what was given, or is not what it was exported from."""


class KeptCountError(LabError):
    """A folder holds what another detector has shown."""


class SimulationError(LabError):
    """Cells cannot be simulated as was asked."""


class NumbaMissingError(LabError):
    """The cell simulator is compiled by numba, and that is not installed."""

    def __init__(self) -> None:
        """Say how to install it."""
        super().__init__("the cell simulator needs numba: pip install -e '.[train]'")


class EarlyLifeError(LabError):
    """A file of early cycles, or the model of early life, is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and what such a file holds."""
        super().__init__(
            f"{path}: {problem}; a file of early cycles is NPZ with qd_ah (cells, 99, 200): charge "
            "over voltage of cycles 2 to 100, and cycle_life (cells,); a model is made by "
            "./stationmaster train life --data FOLDER --out FOLDER"
        )
