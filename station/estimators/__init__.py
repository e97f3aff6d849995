"""State of every cell from what its rack tells. The room's public face."""

from station.estimators.cell_model import CellModel, build_cell_model
from station.estimators.cell_parameters import CellParameters, load_cell_parameters
from station.estimators.errors import (
    CellParametersError,
    EstimatorError,
    SettingsError,
    SohModelError,
    StateError,
)
from station.estimators.joining import GoingOn, joined, of_racks
from station.estimators.resume import forgets_soc
from station.estimators.samples import Samples
from station.estimators.soc import SocEstimate, SocState, cold_start, known_start, step
from station.estimators.soh import SohEstimate, SohModel, estimate_soh, load_soh_model
from station.estimators.soh_features import ChargeHistory
from station.estimators.state_file import rack_of_cells, state_from_bytes, state_to_bytes
from station.estimators.tick import (
    Estimates,
    EstimatorState,
    RackFacts,
    Settings,
    adopt,
    resume,
    start,
    tick,
)

__all__ = [
    "CellModel",
    "CellParameters",
    "CellParametersError",
    "ChargeHistory",
    "Estimates",
    "EstimatorError",
    "EstimatorState",
    "GoingOn",
    "RackFacts",
    "Samples",
    "Settings",
    "SettingsError",
    "SocEstimate",
    "SocState",
    "SohEstimate",
    "SohModel",
    "SohModelError",
    "StateError",
    "adopt",
    "build_cell_model",
    "cold_start",
    "estimate_soh",
    "forgets_soc",
    "joined",
    "known_start",
    "load_cell_parameters",
    "load_soh_model",
    "of_racks",
    "rack_of_cells",
    "resume",
    "start",
    "state_from_bytes",
    "state_to_bytes",
    "step",
    "tick",
]
