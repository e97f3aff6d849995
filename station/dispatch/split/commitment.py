"""Which converters should run at all, so that the station loses least energy.

A running converter loses something even without load, so at small power fewer should run; but
each loses more than in proportion as its load grows. Few units: every set is tried. Many: the
units are ranked by what a kilowatt of theirs costs, every beginning of that ranking is tried,
and the best is improved by adding, dropping and exchanging single units. For each set the
division of load is exact (`waterfill`). Bringing in a unit that does not run already has a
price, so that units are not started and stopped by every small change.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from station.dispatch.split.units import Flags, Floats, Indices
from station.dispatch.split.water_fill import water_fill

_EXACT_KW = 1e-7
_GAIN_KW = 1e-9
_ROUNDS = 20
"""Each round improves the set by one unit; from a good ranking few are needed."""
_EXHAUSTIVE = 10
"""So few units have few enough sets (1024) to try them all."""
_UNABLE = 1e12
"""Cost beyond that of any set that can carry the load."""
_IMPROVED = 2
"""So many of the best beginnings are improved: one alone may lead to a local optimum."""
_PAIRED = 12
"""Pairs are tried among so many of the units that are cheapest at their best load."""
_EXCHANGED = 8
"""Exchanges are tried between this many of the dearest inside and cheapest outside."""


@dataclass(frozen=True)
class Choice:
    """What commitment chooses from; arrays over units that may take load.

    Attributes:
        least: load below which a unit is not worth running. high: limit.
        marginal, slope: marginal loss, tilts included. standing: loss for being in the set.
    """

    least: Floats
    high: Floats
    marginal: Floats
    slope: Floats
    standing: Floats


def commit(choice: Choice, load_kw: float) -> tuple[Flags, Floats]:
    """Return the units that should run and their loads, both (units,).

    A load beyond all limits runs everything at its limit. Where no set can keep every unit at
    its least load, as few units as possible run and the least loads do not count.
    """
    count = len(choice.high)
    if load_kw <= _EXACT_KW or count == 0:
        return np.zeros(count, dtype=np.bool_), np.zeros(count)
    if choice.high.sum() <= load_kw + _EXACT_KW:
        return np.ones(count, dtype=np.bool_), choice.high.copy()
    found = _search(choice, load_kw)
    if found is None:
        # Any loss is below the load itself, so the number of units counts before the loss.
        fewest = choice.standing + load_kw
        found = _search(
            Choice(np.zeros(count), choice.high, choice.marginal, choice.slope, fewest), load_kw
        )
    if found is None:  # pragma: no cover - all units together were found able above
        return np.ones(count, dtype=np.bool_), choice.high.copy()
    return found


def _search(choice: Choice, load_kw: float) -> tuple[Flags, Floats] | None:
    count = len(choice.high)
    if count <= _EXHAUSTIVE:
        mask, loads, cost = _best(choice, _all_sets(count), load_kw)
        return (mask, loads) if cost < _UNABLE else None
    rankings = _rankings(choice)
    starts = [_prefixes(order) for order in rankings]
    starts.append(_pairs(rankings[1][:_PAIRED], count))
    best = [_best(choice, masks, load_kw) for masks in starts]
    different = {found[0].tobytes(): found for found in best}.values()
    promising = sorted(different, key=lambda one: one[2])[:_IMPROVED]
    found = [_improved(choice, start, load_kw) for start in promising]
    mask, loads, cost = min(found, key=lambda one: one[2])
    return (mask, loads) if cost < _UNABLE else None


def _improved(
    choice: Choice, start: tuple[Flags, Floats, float], load_kw: float
) -> tuple[Flags, Floats, float]:
    """Go on from a set while one unit more, one less or another one is better."""
    mask, loads, cost = start
    for _ in range(_ROUNDS if np.isfinite(cost) else 0):
        better, better_loads, better_cost = _best(choice, _neighbours(choice, mask), load_kw)
        if better_cost >= cost - _GAIN_KW:
            break
        mask, loads, cost = better, better_loads, better_cost
    return mask, loads, cost


def _pairs(order: Indices, count: int) -> Flags:
    """Return every set of one or two of these units: small loads need no more."""
    first, second = np.triu_indices(len(order))
    sets = np.zeros((len(first), count), dtype=np.bool_)
    rows = np.arange(len(first))
    sets[rows, order[first]] = sets[rows, order[second]] = True
    return sets


@lru_cache(maxsize=_EXHAUSTIVE + 1)
def _all_sets(count: int) -> Flags:
    """Return every set of so many units, (2^count, count)."""
    numbers = np.arange(2**count)[:, None] >> np.arange(count)[None, :]
    sets: Flags = (numbers & 1).astype(np.bool_)
    return sets


def _rankings(choice: Choice) -> list[Indices]:
    """Order units by cost per kW at full load, at their best load, and by size."""
    best = np.clip(np.sqrt(2.0 * choice.standing / choice.slope), choice.least, choice.high)
    full = choice.standing / choice.high + choice.marginal + choice.slope * choice.high / 2.0
    best = np.maximum(best, _EXACT_KW)
    at_best = choice.standing / best + choice.marginal + choice.slope * best / 2.0
    keys = (full, at_best, -choice.high, choice.high, choice.least)
    return [np.argsort(key, kind="stable") for key in keys]


def _prefixes(order: Indices) -> Flags:
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    found: Flags = place[None, :] <= np.arange(len(order))[:, None]
    return found


def _best(choice: Choice, masks: Flags, load_kw: float) -> tuple[Flags, Floats, float]:
    weights = masks.astype(np.float64)
    able = weights @ choice.high >= load_kw - _EXACT_KW
    excess = np.maximum(0.0, weights @ choice.least - load_kw - _EXACT_KW)
    loads = water_fill(masks, choice.least, choice.high, choice.marginal, choice.slope, load_kw)
    costs = weights @ choice.standing
    costs += (loads * (choice.marginal + 0.5 * choice.slope * loads)).sum(axis=1)
    # Too many least loads rank behind every able set, the nearest first: the search leaves them.
    costs = np.where(excess > 0, _UNABLE + excess, costs)
    costs = np.where(able, costs, np.inf)
    index = int(np.argmin(costs))
    return masks[index], loads[index], float(costs[index])


def _neighbours(choice: Choice, mask: Flags) -> Flags:
    """Return the sets that differ by one unit more, one less, or one exchanged."""
    count = len(mask)
    single = mask[None, :] ^ np.eye(count, dtype=np.bool_)
    cost = choice.standing / choice.high + choice.marginal
    order = np.argsort(cost, kind="stable")
    outside = order[~mask[order]][:_EXCHANGED]
    inside = order[mask[order]][-_EXCHANGED:]
    exchanged = np.repeat(mask[None, :], len(outside) * len(inside), axis=0)
    pairs = np.arange(len(exchanged))
    exchanged[pairs, np.repeat(outside, len(inside))] = True
    exchanged[pairs, np.tile(inside, len(outside))] = False
    return np.concatenate((single, exchanged))
