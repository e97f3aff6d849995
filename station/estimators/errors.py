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
            f"./stationmaster train soh --data FOLDER --out {path.parent}"
        )
        self.path = path


class SettingsError(EstimatorError):
    """The estimators were given settings that they cannot compute with."""

    def __init__(self, name: str, problem: str) -> None:
        """Name the setting and what it must be."""
        super().__init__(f"settings of the estimators: {name} {problem}")
        self.name = name


class StateError(EstimatorError):
    """A stored state of the estimators is damaged, or is another station's."""

    def __init__(self, problem: str) -> None:
        """Tell what does not fit, and what to do without it."""
        super().__init__(
            f"stored state of the estimators: {problem}; delete it: the estimators then search "
            "for the SOC anew, which takes half an hour or more"
        )


class BundleError(EstimatorError):
    """A bundle of a model of cells is missing or wrong."""

    def __init__(self, folder: Path, problem: str) -> None:
        """Name the folder, what is wrong in it, and where a good one is described."""
        super().__init__(f"{folder}: {problem}; docs/estimators.md says what a bundle consists of")
        self.folder = folder


class NetworkError(EstimatorError):
    """A file of an SOC network is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and how to make a good one."""
        super().__init__(
            f"{path}: {problem}; make the network anew: "
            f"./stationmaster train network --data FOLDER --out {path.parent}"
        )
        self.path = path


class HealthCurveError(EstimatorError):
    """A file of health curves is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and where a good one is."""
        super().__init__(
            f"{path}: {problem}; copy data/battery/health-derating.toml and change its numbers"
        )
        self.path = path


class LifeModelError(EstimatorError):
    """A file of a model of remaining life is missing or wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        """Name the file, what is wrong in it, and how to make a good one."""
        super().__init__(
            f"{path}: {problem}; make the model anew: "
            f"./stationmaster train life --data FOLDER --out {path.parent}"
        )
        self.path = path
