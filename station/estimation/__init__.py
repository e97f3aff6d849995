"""The estimator process and its host: how the station's controller keeps its estimators at work.

The maths lie in `station.estimators`; only the process imports them. The public face of this room
is the controller's side.
"""

from station.estimation.host import EstimatorHost, HostPorts
from station.estimation.wire import (
    Answer,
    Began,
    Doubt,
    Finding,
    GroupSetup,
    ModelReport,
    Moment,
    Report,
    Setup,
)

__all__ = [
    "Answer",
    "Began",
    "Doubt",
    "EstimatorHost",
    "Finding",
    "GroupSetup",
    "HostPorts",
    "ModelReport",
    "Moment",
    "Report",
    "Setup",
]
