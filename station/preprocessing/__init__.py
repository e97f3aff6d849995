"""Preprocessing: what is done to cells before anybody uses them. The public face of this room."""

from station.preprocessing.check import NO_MISTAKE, Found
from station.preprocessing.preprocess import SIGNALS, Memory, Preprocessed, preprocess
from station.preprocessing.settings import CellChecks, Checks, Mistake, load_checks

__all__ = [
    "NO_MISTAKE",
    "SIGNALS",
    "CellChecks",
    "Checks",
    "Found",
    "Memory",
    "Mistake",
    "Preprocessed",
    "load_checks",
    "preprocess",
]
