"""Which racks of a group go on with what was kept of them, and which begin cold.

A rack goes on that has the tag, the cells and the make it had; whatever else has changed at the
station is no concern of it. What cannot be read costs the racks in it their state, and no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from station.estimation.keeping import Kept, KeptGroup
from station.estimation.running import Model, Running, begin_cold
from station.estimators import (
    GoingOn,
    Settings,
    StateError,
    forgets_soc,
    joined,
    of_racks,
    rack_of_cells,
    resume,
    state_from_bytes,
)
from station.estimators.cell_model import Floats
from station.estimators.samples import Flags


@dataclass(frozen=True, eq=False)
class Recalled:
    """What is known of a group's racks from before.

    Attributes:
        parts: the racks that go on, as they were kept, most of them first.
        cold: which racks begin cold, shape (racks,).
        reasons: why states could not be used.
    """

    parts: tuple[GoingOn, ...]
    cold: Flags
    reasons: tuple[str, ...]


def nothing_known(racks: int) -> Recalled:
    """Return what is known where nothing was kept."""
    return Recalled((), np.ones(racks, bool), ())


def recalled(model: Model, racks: Sequence[str], kept: Kept) -> Recalled:
    """Return what was kept of racks, by their tags."""
    settings = model.settings
    left = {tag: place for place, tag in enumerate(racks)}
    parts: list[GoingOn] = []
    reasons: list[str] = []
    for group in kept.groups:
        if not left.keys() & set(group.racks):
            continue
        try:
            part = _part(settings, left, group)
        except StateError as error:
            reasons.append(str(error))
            continue
        if part is not None:
            parts.append(part)
            left = {tag: place for tag, place in left.items() if place not in part.places}
    cold = np.zeros(len(racks), bool)
    cold[list(left.values())] = True
    parts.sort(key=lambda part: -len(part.racks))
    return Recalled(tuple(parts), cold, tuple(reasons))


def begin_from(model: Model, known: Recalled, told_soc: Floats, away_s: float) -> Running:
    """Return a model whose racks go on with states of `away_s` ago, or begin cold.

    Args:
        model: of the group.
        known: of its racks.
        told_soc: by each rack's BMS, for those that begin cold, shape (racks,).
        away_s: since the states were kept.
    """
    settings = model.settings
    if not known.parts:
        return begin_cold(model, told_soc)
    parts = [replace(part, state=resume(part.settings, part.state, away_s)) for part in known.parts]
    if len(parts) == 1 and _is_whole(settings, parts[0]):
        return Running(model, parts[0].state)
    told = told_soc[settings.rack]
    return Running(model, joined(settings, told, parts, soc_forgotten=forgets_soc(away_s)))


def _part(settings: Settings, places: dict[str, int], group: KeptGroup) -> GoingOn | None:
    """Return the racks of a kept group that go on at these places; None where none does.

    Raises:
        StateError: the state cannot be read, or is of another make.
    """
    rack = rack_of_cells(group.state)
    counts = np.bincount(rack)
    if len(counts) != len(group.racks):
        raise StateError(f"is of {len(counts)} racks, and {len(group.racks)} are named")
    pairs = [
        (number, places[tag])
        for number, tag in enumerate(group.racks)
        if tag in places and counts[number] == settings.by_rack.count[places[tag]]
    ]
    if not pairs:
        return None
    is_same = np.array_equal(rack, settings.rack)
    theirs = settings if is_same else of_racks(settings, rack)
    numbers, ours = np.array(pairs, np.intp).T
    return GoingOn(theirs, state_from_bytes(theirs, group.state), numbers, ours)


def _is_whole(settings: Settings, part: GoingOn) -> bool:
    """Return whether a part is all racks of the group in their order, and no others."""
    everyone = np.arange(settings.racks)
    return (
        part.settings.racks == settings.racks
        and np.array_equal(part.racks, everyone)
        and np.array_equal(part.places, everyone)
    )
