"""Anomalies of cells and racks before a limit is reached. The room's public face."""

from station.estimators.anomaly.card import Detector, DetectorCard, load_detector
from station.estimators.anomaly.detector import (
    Anomalies,
    AnomalyState,
    after_absence,
    judge,
    start,
    step,
)
from station.estimators.anomaly.errors import AnomalyModelError
from station.estimators.anomaly.findings import Finding
from station.estimators.anomaly.fuse import Kind
from station.estimators.anomaly.inputs import Block, Inputs, Place, place_of
from station.estimators.anomaly.reasons import Words

__all__ = [
    "Anomalies",
    "AnomalyModelError",
    "AnomalyState",
    "Block",
    "Detector",
    "DetectorCard",
    "Finding",
    "Inputs",
    "Kind",
    "Place",
    "Words",
    "after_absence",
    "judge",
    "load_detector",
    "place_of",
    "start",
    "step",
]
