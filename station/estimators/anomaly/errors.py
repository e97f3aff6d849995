"""What the anomaly detector refuses."""

from pathlib import Path

from station.estimators.errors import EstimatorError


class AnomalyModelError(EstimatorError):
    """A file of an anomaly detector is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and how to make a good one."""
        super().__init__(
            f"{path}: {problem}; make the detector anew: "
            f"./stationmaster train anomaly --out {path.parent}"
        )
        self.path = path
