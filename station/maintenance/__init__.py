"""Changes to what the station itself runs: models of the estimators, with their way back.

A model is kept by `ModelStore`, tried and judged by pure functions (`life`, `judge`, `drift`), and
run by the estimator process, which this room does not know.
"""

from station.maintenance.errors import ModelError, NoRoom, PackageRefused
from station.maintenance.judge import Bounds, Second
from station.maintenance.life import Change, Life, Model, Rules, Running, Stage, Told
from station.maintenance.store import ModelStore

__all__ = [
    "Bounds",
    "Change",
    "Life",
    "Model",
    "ModelError",
    "ModelStore",
    "NoRoom",
    "PackageRefused",
    "Rules",
    "Running",
    "Second",
    "Stage",
    "Told",
]
