"""What the estimators refuse."""

from pathlib import Path

from station.errors import StationError


class EstimatorError(StationError):
    """Root of all refusals of the estimators."""


class CellParametersError(EstimatorError):
    """A file of cell parameters is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and how to make a good one."""
        super().__init__(
            f"{path}: {problem}; make the file anew from a commissioning test: "
            "./stationmaster identify --data FILE --make NAME --out FILE"
        )
        self.path = path


class SohModelError(EstimatorError):
    """A file of an SOH model is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and how to make a good one."""
        super().__init__(
            f"{path}: {problem}; make the model anew: "
            f"stationmaster train soh --data FOLDER --out {path.parent}"
        )
        self.path = path


class NetworkError(EstimatorError):
    """A file of an SOC network is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and how to make a good one."""
        super().__init__(
            f"{path}: {problem}; make the network anew: "
            f"./stationmaster train network --data FOLDER --out {path.parent}"
        )
        self.path = path
