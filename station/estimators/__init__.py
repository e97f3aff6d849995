"""State of every cell from what its rack tells. The room's public face."""

from station.estimators.errors import EstimatorError, SohModelError
from station.estimators.soh import SohEstimate, SohModel, estimate_soh, load_soh_model
from station.estimators.soh_features import ChargeHistory

__all__ = [
    "ChargeHistory",
    "EstimatorError",
    "SohEstimate",
    "SohModel",
    "SohModelError",
    "estimate_soh",
    "load_soh_model",
]
