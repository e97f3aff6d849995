"""Cells of racks: sums, extremes and where they are, for cells that stand rack after rack."""

from dataclasses import dataclass

import numpy as np

from station.estimators.cell_model import Floats
from station.estimators.samples import Indices


@dataclass(frozen=True)
class ByRack:
    """Where each rack's cells begin, and how many there are; shape (racks,) each."""

    first: Indices
    count: Indices

    @classmethod
    def of(cls, rack: Indices) -> "ByRack":
        """Return the places of racks, of which each cell tells its own in ascending order."""
        first = np.flatnonzero(np.diff(rack, prepend=-1))
        return cls(first, np.diff(first, append=len(rack)))

    def total(self, values: Floats) -> Floats:
        """Return each rack's sum."""
        total: Floats = np.add.reduceat(values, self.first, axis=-1)
        return total

    def mean(self, values: Floats) -> Floats:
        """Return each rack's mean."""
        return (self.total(values) / self.count).astype(np.float32)

    def least(self, values: Floats) -> Floats:
        """Return each rack's least value."""
        least: Floats = np.minimum.reduceat(values, self.first, axis=-1)
        return least

    def most(self, values: Floats) -> Floats:
        """Return each rack's largest value."""
        most: Floats = np.maximum.reduceat(values, self.first, axis=-1)
        return most

    def place_of_least(self, values: Floats) -> Indices:
        """Return which of all cells has its rack's least value, the first of equals."""
        number = np.repeat(np.arange(len(self.first)), self.count)
        hit = values == self.least(values)[number]
        places = np.where(hit, np.arange(len(values)), len(values))
        found: Indices = np.minimum.reduceat(places, self.first)
        return np.minimum(found, len(values) - 1)

    def from_one(self, places: Indices) -> Floats:
        """Return the numbers, from 1 in each rack, of cells that are told by their place."""
        return (places - self.first + 1).astype(np.float32)
