"""What is learned of healthy racks: windows for the network, tails of figures, levels of scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cell_lab.anomaly.duties import Duty
from cell_lab.anomaly.extremes import fit_tail
from cell_lab.anomaly.racks import BLOCK, Racks
from station.estimators.anomaly import channels, detector, fuse
from station.estimators.anomaly.card import PATTERN, Detector, DetectorCard, Levels
from station.estimators.anomaly.channels import CELL_CHANNELS, RACK_CHANNELS
from station.estimators.anomaly.tails import Tail
from station.estimators.anomaly.windows import network_input
from station.estimators.cell_model import CellModel, Floats
from station.estimators.samples import Samples
from station.estimators.soc import known_start, step

SETTLE_S = float(fuse.LEARNING_S)
"""Nothing is learned of the first hours, when the differences of cells are being learned."""
_HOUR_S = 3600.0
_CELL_REACHED, _RACK_REACHED, _DAY_REACHED = 1.5, 0.75, 0.5
_DAYS_OF = {"notice": 7.0, "warning": 730.5 / 24, "alarm": 365.25}
_MARGIN = 4.0
"""Levels are set for so much longer: a real station scatters in more ways than a made one, and
that a budget is kept can only be shown in good time if it is not used up."""
_WINDOWS_A_BLOCK = 24
_KNOWN_SOC_SD = 0.01
_INNOVATIONS_S = 3 * 3600

Progress = Callable[[float], None]


@dataclass
class Learned:
    """Samples of healthy racks.

    Attributes:
        cells: of each cell channel and of the network, the most in each cell's day.
        racks: of each rack channel, the most in each rack's day.
        windows: for the network.
        daily: highest score of each rack in its day.
        rack_hours: how many.
    """

    cells: dict[str, list[Floats]] = field(default_factory=dict)
    racks: dict[str, list[Floats]] = field(default_factory=dict)
    windows: list[Floats] = field(default_factory=list)
    daily: list[Floats] = field(default_factory=list)
    rack_hours: float = 0.0


def sized(figures: channels.Figures) -> Floats:
    """Return the figures as they are judged: one-sided where better is no anomaly."""
    judged = np.abs(figures.cells)
    for row, sign in fuse.ONE_SIDED.items():
        judged[row] = sign * figures.cells[row]
    return judged


def learn(
    learned: Learned,
    racks: Racks,
    known: Detector,
    rng: np.random.Generator,
    progress: Progress | None = None,
    *,
    scored: bool,
) -> None:
    """Run healthy racks for a day and add what they show.

    Args:
        learned: is added to.
        racks: healthy.
        known: the detector so far; its network counts only where scored.
        rng: chooses what windows are kept.
        progress: told the share that is done.
        scored: whether to learn the scores, or figures, distances and windows.
    """
    place, model = racks.place, racks.model
    state = detector.start(model, place)
    warmup = int(SETTLE_S / BLOCK)
    highest = np.full(place.racks, -np.inf, np.float32)
    of_cells = np.zeros((len(CELL_CHANNELS) + 1, len(place.rack)), np.float32)
    of_racks = np.zeros((len(RACK_CHANNELS), place.racks), np.float32)
    for number in range(racks.blocks):
        block = racks.advance()
        differing, figures, (channelled, pushed), distance = detector.observe(
            known, model, place, state, block
        )
        scores = None
        if scored:
            before = state.before.astype(np.float32)
            scores = fuse.fuse(
                known.card,
                figures,
                distance.astype(np.float32),
                block,
                before,
                watched_s=channelled.seen_s,
                warm_s=channelled.warm_s,
                place=place,
            )
        state = replace(
            state,
            differences=differing,
            channels=channelled,
            windows=pushed,
            distance=distance,
            before=state.before if scores is None else scores.cell.astype(np.float16),
        )
        if number < warmup:
            continue
        if scores is None:
            np.maximum(of_cells[:-1], sized(figures), out=of_cells[:-1])
            np.maximum(of_cells[-1], distance, out=of_cells[-1])
            np.maximum(of_racks, np.abs(figures.racks), out=of_racks)
            chosen = rng.integers(0, len(place.rack), _WINDOWS_A_BLOCK)
            learned.windows.append(network_input(pushed, chosen))
        else:
            worst = np.maximum.reduceat(scores.twice, place.first)
            highest = np.maximum(highest, np.maximum(worst, scores.rack))
        if progress and number % 50 == 0:
            progress(number / racks.blocks)
    if scored:
        learned.daily.append(highest)
        learned.rack_hours += place.racks * (racks.blocks - warmup) * BLOCK / _HOUR_S
        return
    for name, most in zip((*CELL_CHANNELS, PATTERN), of_cells, strict=True):
        learned.cells.setdefault(name, []).append(most)
    for name, most in zip(RACK_CHANNELS[:-1], of_racks, strict=False):
        learned.racks.setdefault(name, []).append(most)


def innovations(model: CellModel, duty: Duty) -> Floats:
    """Return what the rack's innovation comes to on a recorded cell, one figure a block.

    A single cell's innovation scatters more than the mean of a rack's, so that the tail is on
    the safe side.
    """
    seconds = min(len(duty.current), _INNOVATIONS_S) // BLOCK * BLOCK
    one = np.zeros(1, np.intp)
    state = known_start(model, one, 1, duty.soc[:1], _KNOWN_SOC_SD)
    capacity_ah = np.full(1, model.capacity_ah, np.float32)
    yes, second = np.ones(1, bool), np.ones(1, np.float32)
    assert duty.voltage_v is not None  # noqa: S101 - only recorded duties are asked for
    found = np.empty(seconds, np.float32)
    for at in range(seconds):
        samples = Samples(
            second,
            duty.current[at : at + 1] * capacity_ah,
            yes,
            duty.voltage_v[at : at + 1],
            duty.temperature_c[at : at + 1],
            yes,
        )
        state, estimate = step(model, state, samples, capacity_ah)
        off = estimate.innovation
        found[at] = float(off.volts[0] / np.sqrt(off.variance[0]))
    blocks: Floats = found.reshape(-1, BLOCK).mean(axis=1)
    return blocks


def tails_of(learned: Learned) -> tuple[dict[str, Tail], dict[str, Tail]]:
    """Return the tails of cell and of rack figures."""
    cells = {
        name: fit_tail(np.concatenate(parts), _CELL_REACHED)
        for name, parts in learned.cells.items()
    }
    racks = {
        name: fit_tail(np.concatenate(parts), _RACK_REACHED)
        for name, parts in learned.racks.items()
    }
    return cells, racks


def levels_of(daily: Sequence[Floats]) -> tuple[Levels, Tail]:
    """Return the scores for a rack's week, month and year, with a margin."""
    tail = fit_tail(np.concatenate(daily), _DAY_REACHED)
    found = {
        name: round(tail.figure(float(np.log10(_MARGIN * days))), 3)
        for name, days in _DAYS_OF.items()
    }
    return Levels(**found), tail


def unlearned(distance: Callable[[Floats], Floats] | None = None) -> Detector:
    """Return a detector that knows nothing, for the first run."""
    flat = Tail(quantiles=(0.0, 1.0), threshold=1.0, reached=0.25, shape=0.0, scale=1.0)
    card = DetectorCard(
        name="none",
        version=1,
        source="nothing",
        cells=dict.fromkeys((*CELL_CHANNELS, PATTERN), flat),
        racks=dict.fromkeys(RACK_CHANNELS, flat),
        levels=Levels(notice=1, warning=1, alarm=1),
    )

    def nothing(windows: Floats) -> Floats:
        return np.zeros(len(windows), np.float32)

    return Detector(card, distance or nothing)
