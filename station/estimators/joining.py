"""Racks that go on beside racks that begin: rows of kept states among those of a fresh one.

Racks are added, renamed, removed and given other cells while a station is off. What is known of
every other rack are its own rows of arrays, and they move with it. Which axis of an array counts
racks, and which cells, is told by fresh states of two sizes; what counts neither is the group's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from station.estimators import search
from station.estimators.cell_model import Floats
from station.estimators.estimator_state import EstimatorState, start
from station.estimators.samples import Flags, Indices
from station.estimators.settings import Settings
from station.estimators.soc import SocState
from station.estimators.state_file import Arrays, filled, is_begun_anew, leaves

_SMALL, _LARGE = np.repeat([0, 1], [3, 4]), np.repeat([0, 1, 2], [3, 4, 4])
_RACKS, _CELLS = (2, 3), (7, 11)
"""How many of each the two sizes have: no other axis of a state grows so."""
_BEGUN_ANEW = "held."
"""What racks can be promised for: it names cells by their places, and the first tick tells it."""


@dataclass(frozen=True, eq=False)
class GoingOn:
    """Racks of a state that go on.

    Attributes:
        settings: of all racks of the state.
        state: as it goes on.
        racks: their numbers in the state, shape (n,).
        places: their numbers in the station, with as many cells each, shape (n,).
    """

    settings: Settings
    state: EstimatorState
    racks: Indices
    places: Indices


def of_racks(settings: Settings, rack: Indices) -> Settings:
    """Return settings of other racks of the same make: rack of each cell, ascending from 0."""
    racks = int(rack[-1]) + 1
    one = np.ones(racks, np.float32)
    size_ah = one * np.float32(settings.model.capacity_ah)
    return replace(
        settings, rack=rack, racks=racks, rack_capacity_ah=size_ah, rack_rated_kw=one, stack=None
    )


def joined(
    settings: Settings, told_soc: Floats, parts: Sequence[GoingOn], *, soc_forgotten: bool
) -> EstimatorState:
    """Return the state of a station some of whose racks go on.

    What belongs to no rack (the balance at the meter) is that of the first part.

    Args:
        settings: of the station.
        told_soc: of the cells that begin, as in `start`, shape (cells,).
        parts: the racks that go on, each once.
        soc_forgotten: whether those have been away for so long that their SOC may be any.
    """
    fresh = start(settings, told_soc)
    axes = _axes(settings)
    arrays = {name: value.copy() for name, value in leaves(fresh) if name in axes}
    goes_on = np.zeros(len(settings.rack), bool)
    for part in reversed(parts):
        rows = {"racks": (part.racks, part.places), "cells": _cells(settings, part)}
        goes_on[rows["cells"][1]] = True
        for name, value in leaves(part.state):
            if name in arrays and not name.startswith(_BEGUN_ANEW):
                _put(arrays, name, value, axes[name], rows)
    state = filled("", fresh, arrays)
    told_soc = np.where(goes_on, np.float32(np.nan), told_soc) if soc_forgotten else told_soc
    known = goes_on & (not soc_forgotten)
    return replace(state, soc=_searching(settings, state.soc, told_soc, known))


def _axes(settings: Settings) -> dict[str, tuple[str, int] | None]:
    """Return what each array has a row of, racks or cells, and on which axis; None: of neither."""
    small, large = (
        dict(leaves(start(of_racks(settings, rack), np.zeros(len(rack), np.float32))))
        for rack in (_SMALL, _LARGE)
    )
    axes: dict[str, tuple[str, int] | None] = {}
    for name, value in small.items():
        if is_begun_anew(name):
            continue
        sizes = list(zip(value.shape, large[name].shape, strict=True))
        counted = {_RACKS: "racks", _CELLS: "cells"}
        found = [(counted[size], axis) for axis, size in enumerate(sizes) if size in counted]
        axes[name] = found[0] if found else None
    return axes


def _cells(settings: Settings, part: GoingOn) -> tuple[Indices, Indices]:
    """Return the numbers of a part's cells in its own state and in the station."""
    theirs, ours = part.settings.by_rack, settings.by_rack
    counts = theirs.count[part.racks]
    within = np.concatenate([np.arange(count) for count in counts])
    first_then = np.repeat(theirs.first[part.racks], counts)
    first_now = np.repeat(ours.first[part.places], counts)
    return first_then + within, first_now + within


def _put(
    arrays: Arrays,
    name: str,
    value: np.ndarray,
    axis: tuple[str, int] | None,
    rows: dict[str, tuple[Indices, Indices]],
) -> None:
    """Put a part's rows of an array among the station's; without rows, all of it."""
    if axis is None:
        arrays[name] = value
        return
    what, number = axis
    theirs, ours = rows[what]
    np.moveaxis(arrays[name], number, 0)[ours] = np.moveaxis(value, number, 0)[theirs]


def _searching(settings: Settings, soc: SocState, told_soc: Floats, known: Flags) -> SocState:
    """Return the cells in their racks, those that are searched for with hypotheses.

    Around what is known of those that go on, else around what was told.
    """
    settled = replace(soc.settled, rack=settings.rack)
    cells = np.flatnonzero(soc.searching)
    about = np.where(known, settled.soc, told_soc)[cells]
    sd = np.sqrt(settled.soc_variance[cells])
    found = search.begin_search(
        settings.model, settings.rack, settings.racks, cells, about.astype(np.float32), sd
    )
    return replace(soc, rack=settings.rack, settled=settled, search=found)
