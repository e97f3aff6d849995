"""The search for SOC at a cold start: a row of filters for each cell, in portions of racks.

On the flat middle of an LFP cell's voltage a single filter that starts at the wrong SOC can
settle at another flat place and be sure of it. A cell of unknown SOC therefore starts as a row
of filters over the SOC that is possible, each weighted by how well it foretells the voltage
(a Gaussian sum: Alspach and Sorenson 1972, IEEE Trans. Automatic Control 17).

A station of 160,000 cells has four million such filters. They stand in portions of some racks
each, so that a step works in the processor's caches, and portions take turns where all of them at
every moment would be too much: one that waits keeps count of the charge that passes meanwhile.
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators import soc_filter
from station.estimators.cell_model import CellModel, Floats
from station.estimators.samples import Flags, Indices, Samples
from station.estimators.soc_filter import FilterState

_OFFSETS = np.arange(-0.6, 0.61, 0.04, dtype=np.float32)
"""Where the hypotheses of a cold start lie about the SOC that it is told."""
_HYPOTHESIS_SD = np.float32(0.025)
"""Neighbouring hypotheses overlap at 0.8 of it, so that no SOC lies between two of them."""
_BEYOND = 0.02
"""Hypotheses may start so far beyond empty and full."""
_LARGEST_SQUARE = 25.0
"""One wild voltage rules out no hypothesis."""
_HOPELESS = -50.0
"""A hypothesis whose weight is e to this power of the best one's is given up: single precision
has not told it from nothing since e to -17, and four wild voltages cannot take it there."""
_WORTH_DROPPING = 1 / 8
"""Arrays are made anew when so many of their columns are given up."""
_PORTION_COLUMNS = 1 << 17
"""Half a megabyte an array: what a processor's second cache holds of a few."""
_MOST_COLUMNS = 1 << 20
"""So many are stepped at a moment, a quarter of a processor second. More take turns."""
_LONGEST_WAIT_S = 20.0
"""With the moment that follows below what the filter takes as one step of the current."""
_LEAST_TIME_S = np.float32(1e-3)


@dataclass(frozen=True)
class Portion:
    """The hypotheses of the searching cells of some racks.

    Attributes:
        racks: whose cells they are.
        owner: which cell each hypothesis belongs to, ascending.
        columns: the filters, one column a hypothesis.
        log_weight: of each hypothesis.
    """

    racks: Indices
    owner: Indices
    columns: FilterState
    log_weight: Floats


@dataclass(frozen=True)
class Search:
    """All hypotheses, and how long those that take turns have waited.

    Attributes:
        portions: of all racks.
        waited_s: since the last step of each rack's hypotheses, shape (racks,).
        waited_as: charge that has moved meanwhile, of one cell, A s; NaN where the current was
            not seen all the time.
    """

    portions: tuple[Portion, ...]
    waited_s: Floats
    waited_as: Floats


def begin_search(  # noqa: PLR0917 - the cells, and what is known of them
    model: CellModel, rack: Indices, racks: int, cells: Indices, soc: Floats, soc_sd: Floats
) -> Search:
    """Return the hypotheses of cells of whose SOC little is known.

    Args:
        model: the make of all cells.
        rack: of each cell of the station, ascending.
        racks: how many there are.
        cells: which of all cells are searched for, ascending, shape (n,).
        soc: about which, shape (n,); NaN: any is possible.
        soc_sd: how far that may be off: one standard deviation, shape (n,).
    """
    told = np.where(np.isnan(soc), 0.5, soc).astype(np.float32)[:, None] + _OFFSETS
    number, place = np.nonzero((told > -_BEYOND) & (told < 1 + _BEYOND))
    far = np.where(np.isnan(soc[number]), 0, _OFFSETS[place] / soc_sd[number])
    log_weight = (-0.5 * far**2).astype(np.float32)
    owner, start = cells[number], told[number, place].astype(np.float32)
    of_rack = np.cumsum(np.bincount(rack[owner], minlength=racks)) // _PORTION_COLUMNS
    numbers = np.unique(of_rack)
    ends = np.searchsorted(of_rack[rack[owner]], numbers, side="right")
    portions = []
    for each, begin, end in zip(numbers, [0, *ends[:-1]], ends, strict=True):
        mine = slice(begin, end)
        spread = np.full(end - begin, _HYPOTHESIS_SD)
        columns = soc_filter.start(model, rack[owner[mine]], racks, start[mine], spread)
        its_racks = np.flatnonzero(of_rack == each)
        portions.append(Portion(its_racks, owner[mine], columns, log_weight[mine]))
    nothing = np.zeros(racks, np.float32)
    return Search(tuple(portions), nothing, nothing)


def step_search(
    model: CellModel, search: Search, settled: FilterState, samples: Samples, capacity_ah: Floats
) -> tuple[Search, FilterState]:
    """Step and weigh the hypotheses whose turn it is, and tell each cell its mixture.

    Args:
        model: the make of all cells.
        search: before the moment.
        settled: one column a cell; those of searching cells become their mixture.
        samples: of the moment.
        capacity_ah: of each cell, shape (cells,).
    """
    moment_s = float(samples.elapsed_s.max())
    search, samples = _waited(search, samples)
    settled = replace(
        settled,
        mean=settled.mean.copy(),
        covariance=settled.covariance.copy(),
        hysteresis=settled.hysteresis.copy(),
        core_k=settled.core_k.copy(),
    )
    portions, waited_s, waited_as = [], search.waited_s.copy(), search.waited_as.copy()
    for portion, due in zip(search.portions, _due(search, moment_s), strict=True):
        if due:
            portions.append(_weighed(model, portion, settled, samples, capacity_ah))
        else:
            portions.append(portion)
        if due or not len(portion.owner):  # of those who have found their SOC nobody waits
            waited_s[portion.racks] = 0
            waited_as[portion.racks] = 0
    return Search(tuple(portions), waited_s, waited_as), settled


def left(search: Search, searching: Flags) -> Search:
    """Return the search of the cells that go on with it."""
    return replace(search, portions=tuple(_kept(p, searching[p.owner]) for p in search.portions))


def doubted(search: Search, variance: Floats) -> Search:
    """Return the search after SOC has become less sure by a variance, shape (cells,)."""
    portions = []
    for portion in search.portions:
        everyone = np.arange(len(portion.owner))
        columns = soc_filter.doubted(portion.columns, everyone, variance[portion.owner])
        portions.append(replace(portion, columns=columns))
    return replace(search, portions=tuple(portions))


def _waited(search: Search, samples: Samples) -> tuple[Search, Samples]:
    """Add a moment to those that were waited for; return its samples over all of that time."""
    moved_as = samples.moved_a * samples.elapsed_s
    lost = ~samples.current_good & (samples.elapsed_s > 0)
    together = replace(
        search,
        waited_s=search.waited_s + samples.elapsed_s,
        waited_as=search.waited_as + np.where(lost, np.float32(np.nan), moved_as),
    )
    if not search.waited_s.any():
        return together, samples
    passed_s = np.maximum(together.waited_s, _LEAST_TIME_S)
    seen = samples.current_good & np.isfinite(together.waited_as)
    mean_a = np.where(together.waited_s > 0, together.waited_as / passed_s, samples.current_a)
    return together, replace(
        samples,
        elapsed_s=together.waited_s,
        mean_a=np.where(seen, mean_a, samples.moved_a).astype(np.float32),
        current_good=seen,
    )


def _due(search: Search, moment_s: float) -> list[bool]:
    """Return whose turn it is: who has waited longest, as many as a moment can bear.

    The next moment is taken to come after as long a time as this one.
    """
    columns = np.array([len(p.owner) for p in search.portions])
    waited_s = np.array([search.waited_s[p.racks].max() for p in search.portions])
    waited_s[columns == 0] = -1.0
    first = np.argsort(-waited_s, kind="stable")
    due = np.empty(len(first), bool)
    due[first] = np.cumsum(columns[first]) <= _MOST_COLUMNS
    due |= waited_s + moment_s > _LONGEST_WAIT_S
    due[first[:1]] = True
    return [bool(each) for each in due & (columns > 0)]


def _weighed(
    model: CellModel,
    portion: Portion,
    settled: FilterState,
    samples: Samples,
    capacity_ah: Floats,
) -> Portion:
    """Step hypotheses, weigh them by their innovations, and put mixtures into `settled`."""
    owner = portion.owner
    columns, innovation = soc_filter.step(
        model, portion.columns, samples, owner, capacity_ah[owner]
    )
    square = np.minimum(innovation.volts**2 / innovation.variance, _LARGEST_SQUARE)
    log_weight = portion.log_weight - 0.5 * (square + np.log(innovation.variance))
    begins = np.diff(owner, prepend=-1) > 0
    first = np.flatnonzero(begins)
    number = np.cumsum(begins) - 1
    log_weight -= np.maximum.reduceat(log_weight, first)[number]
    weight = np.exp(log_weight)
    weight /= np.add.reduceat(weight, first)[number]
    _mix(settled, owner[first], columns, (weight, first, number))
    after = replace(portion, columns=columns, log_weight=log_weight)
    hopeful = log_weight > _HOPELESS
    dropped = len(owner) - np.count_nonzero(hopeful)
    return _kept(after, hopeful) if dropped > _WORTH_DROPPING * len(owner) else after


def _mix(
    settled: FilterState,
    owners: Indices,
    columns: FilterState,
    weights: tuple[Floats, Indices, Indices],
) -> None:
    """Put mean and spread of each owner's weighted hypotheses into its column, in place.

    Args:
        settled: changed at the owners.
        owners: shape (owners,).
        columns: the hypotheses.
        weights: of each hypothesis; where each owner's begin; whose each is, by number.
    """
    weight, first, number = weights
    mean = np.add.reduceat(columns.mean * weight, first, axis=1)
    away = columns.mean - mean[:, number]
    settled.mean[:, owners] = mean
    for pair, (i, j) in enumerate(soc_filter.PAIRS):
        spread = columns.covariance[pair] + away[i] * away[j]
        settled.covariance[pair, owners] = np.add.reduceat(spread * weight, first)
    settled.hysteresis[owners] = np.add.reduceat(columns.hysteresis * weight, first)
    settled.core_k[owners] = np.add.reduceat(columns.core_k * weight, first)


def _kept(portion: Portion, stays: Flags) -> Portion:
    """Return a portion with some of its hypotheses."""
    columns = portion.columns
    return replace(
        portion,
        owner=portion.owner[stays],
        columns=replace(
            columns,
            rack=columns.rack[stays],
            mean=columns.mean[:, stays],
            covariance=columns.covariance[:, stays],
            hysteresis=columns.hysteresis[stays],
            seen_s=columns.seen_s[stays],
            core_k=columns.core_k[stays],
        ),
        log_weight=portion.log_weight[stays],
    )
