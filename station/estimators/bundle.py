"""A bundle: everything that the estimators need for one make of cell, as a folder.

``bundle.toml`` names it, counts its versions and holds the SHA-256 of every other file:
``cell.toml`` (the parameters), ``card.md`` (what it was made from, how good it is, where it is
weak), and perhaps ``network/``, ``anomaly/`` and ``soh/``. A bundle is taken whole or refused.
An SOH model of another make than the bundle's is left aside, and why is told.
"""

from dataclasses import dataclass
from pathlib import Path

from contract.errors import ContractError
from contract.model_package import CELL, check_files
from contract.words import Words
from station.estimators.anomaly import Detector, load_detector
from station.estimators.cell_model import CellModel, build_cell_model
from station.estimators.cell_parameters import CellParameters, load_cell_parameters
from station.estimators.charge_health import ChargeHealth
from station.estimators.errors import BundleError
from station.estimators.network import Network, load_network
from station.estimators.soh import Make, SohCard, load_soh_model

_NETWORK, _ANOMALY, _SOH = "network", "anomaly", "soh"
_SOH_CARD = "soh.json"
_SAME_CAPACITY = 0.005
"""Type plates of one make that differ by a smaller share mean the same."""
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
        charge_health: the SOH model, None where there is none for these cells.
        soh_unused: why the bundle's SOH model is not used; None where it is, or has none.
    """

    folder: Path
    name: str
    version: int
    model: CellModel
    network: Network | None = None
    anomaly: Detector | None = None
    charge_health: ChargeHealth | None = None
    soh_unused: Words | None = None


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
    cell = load_cell_parameters(folder / CELL)
    health, unused = _health(folder / _SOH, cell)
    return Bundle(
        folder=folder,
        name=manifest.name,
        version=manifest.version,
        model=build_cell_model(cell),
        network=load_network(network) if network.is_dir() else None,
        anomaly=load_detector(anomaly) if anomaly.is_dir() else None,
        charge_health=health,
        soh_unused=unused,
    )


def _health(folder: Path, cell: CellParameters) -> tuple[ChargeHealth | None, Words | None]:
    """Return the SOH model of a folder, or why there is none to be used; none without a folder.

    Raises:
        SohModelError: a file is missing or wrong.
    """
    if not folder.is_dir():
        return None, None
    soh = load_soh_model(folder / _SOH_CARD)
    if not any(_is_same(make, cell) for make in soh.card.makes.values()):
        return None, _other_make(soh.card, cell)
    if soh.card.charge is None:
        return None, Words(
            f"the SOH model {soh.card.name} does not say what the end of a charge is",
            f"SOH 模型 {soh.card.name} 未说明充电末端的定义",
        )
    return ChargeHealth(soh, soh.card.charge), None


def _is_same(make: Make, cell: CellParameters) -> bool:
    off = abs(make.nominal_ah / cell.capacity_ah - 1)
    return make.cell == cell.make and make.chemistry == cell.chemistry and off < _SAME_CAPACITY


def _other_make(card: SohCard, cell: CellParameters) -> Words:
    plates = sorted({f"{m.cell} ({m.chemistry}, {m.nominal_ah:g} Ah)" for m in card.makes.values()})
    theirs = ", ".join(plates)
    ours = f"{cell.make} ({cell.chemistry}, {cell.capacity_ah:g} Ah)"
    return Words(
        f"the SOH model {card.name} is of {theirs}; the cells are {ours}",
        f"SOH 模型 {card.name} 适用于 {theirs}；本站电芯为 {ours}",
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
