"""A bundle: everything that the estimators need for one make of cell, as a folder.

``bundle.toml`` names it, counts its versions and holds the SHA-256 of every other file:
``cell.toml`` (the parameters), ``card.md`` (what it was made from, how good it is, where it is
weak), and perhaps ``network/`` and ``anomaly/``. A bundle is taken whole or refused.
"""

from dataclasses import dataclass
from pathlib import Path

from contract.errors import ContractError
from contract.model_package import CELL, check_files
from station.estimators.anomaly import Detector, load_detector
from station.estimators.cell_model import CellModel, build_cell_model
from station.estimators.cell_parameters import load_cell_parameters
from station.estimators.errors import BundleError
from station.estimators.network import Network, load_network

_NETWORK, _ANOMALY = "network", "anomaly"
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Bundle:
    """A bundle, loaded.

    Attributes:
        folder: where it lies.
        name, version: as its bundle.toml says.
        model: of the make of cell.
        network: what corrects the filter, None where there is none.
        anomaly: the detector of anomalies, None where there is none.
    """

    folder: Path
    name: str
    version: int
    model: CellModel
    network: Network | None = None
    anomaly: Detector | None = None


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle.

    Raises:
        BundleError: a file is missing, was altered, or is not named by bundle.toml.
        EstimatorError: a part of it is wrong.
    """
    try:
        manifest = check_files(_files(folder))
    except OSError as error:
        raise BundleError(folder, f"{error.filename}: {error.strerror}") from error
    except ContractError as error:
        raise BundleError(folder, str(error)) from error
    network, anomaly = folder / _NETWORK, folder / _ANOMALY
    return Bundle(
        folder=folder,
        name=manifest.name,
        version=manifest.version,
        model=build_cell_model(load_cell_parameters(folder / CELL)),
        network=load_network(network) if network.is_dir() else None,
        anomaly=load_detector(anomaly) if anomaly.is_dir() else None,
    )


def _files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file by its path in the bundle.

    Raises:
        BundleError: there is no such folder, or it is too large to be a bundle.
        OSError: a file cannot be read.
    """
    if not folder.is_dir():
        raise BundleError(folder, "is no folder")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if sum(path.stat().st_size for path in paths) > _MOST_BYTES:
        raise BundleError(folder, f"holds more than {_MOST_BYTES:,} bytes")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
