"""What is learned of healthy racks: windows for the network, tails of figures, levels of scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from cell_lab.anomaly.extremes import fit_tail
from cell_lab.anomaly.racks import BLOCK, Racks
from station.estimators.anomaly import channels, detector, fuse
from station.estimators.anomaly.card import PATTERN, Detector, DetectorCard, Levels
from station.estimators.anomaly.channels import CELL_CHANNELS, RACK_CHANNELS
from station.estimators.anomaly.tails import Tail
from station.estimators.anomaly.windows import network_input
from station.estimators.cell_model import Floats

SETTLE_S = 2 * 3600.0
"""Nothing is learned of the first hours, when the differences of cells are being learned."""
_HOUR_S = 3600.0
_CELL_REACHED, _RACK_REACHED, _HOUR_REACHED = 4.0, 2.0, 1.0
_HOURS_OF = {"notice": 7 * 24.0, "warning": 730.5, "alarm": 8766.0}
_EVERY = 8
_WINDOWS_A_BLOCK = 24

Progress = Callable[[float], None]


@dataclass
class Learned:
    """Samples of healthy racks.

    Attributes:
        cells: of each cell channel and of the network, lists of arrays.
        racks: of each rack channel.
        windows: for the network.
        hourly: highest score of each rack in each hour.
        rack_hours: how many.
    """

    cells: dict[str, list[npt.NDArray[np.float16]]] = field(default_factory=dict)
    racks: dict[str, list[Floats]] = field(default_factory=dict)
    windows: list[Floats] = field(default_factory=list)
    hourly: list[Floats] = field(default_factory=list)
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
    """Run healthy racks and add what they show.

    Args:
        learned: is added to.
        racks: healthy.
        known: the detector so far; its network counts only where scored.
        rng: chooses what windows are kept.
        progress: told the share that is done.
        scored: whether to learn the network's distance and the scores, or figures and windows.
    """
    place, model = racks.place, racks.model
    state = detector.start(model, place)
    warmup = int(SETTLE_S / BLOCK)
    an_hour = int(_HOUR_S / BLOCK)
    highest = np.zeros(place.racks, np.float32)
    for number in range(racks.blocks):
        block = racks.advance()
        differing, figures, (channelled, pushed), distance = detector.observe(
            known, model, place, state, block
        )
        scores = None
        if scored:
            before = state.before.astype(np.float32)
            scores = fuse.fuse(known.card, figures, distance.astype(np.float32), block, before)
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
            _keep_figures(learned, figures, number)
            chosen = rng.integers(0, len(place.rack), _WINDOWS_A_BLOCK)
            learned.windows.append(network_input(pushed, chosen))
        else:
            if number % (_EVERY * 4) == 0:
                learned.cells.setdefault(PATTERN, []).append(distance)
            of_cells = np.maximum.reduceat(scores.twice, place.first)
            highest = np.maximum(highest, np.maximum(of_cells, scores.rack))
            if (number - warmup) % an_hour == an_hour - 1:
                learned.hourly.append(highest)
                learned.rack_hours += place.racks
                highest = np.zeros(place.racks, np.float32)
        if progress and number % 50 == 0:
            progress(number / racks.blocks)


def _keep_figures(learned: Learned, figures: channels.Figures, number: int) -> None:
    for row, name in enumerate(RACK_CHANNELS):
        learned.racks.setdefault(name, []).append(np.abs(figures.racks[row]))
    if number % _EVERY:
        return
    judged = sized(figures)
    for row, name in enumerate(CELL_CHANNELS):
        learned.cells.setdefault(name, []).append(judged[row].astype(np.float16))


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


def levels_of(hourly: Sequence[Floats]) -> tuple[Levels, Tail]:
    """Return the scores that a rack reaches once a week, a month and a year."""
    tail = fit_tail(np.concatenate(hourly), _HOUR_REACHED)
    found = {name: round(tail.figure(float(np.log10(h))), 3) for name, h in _HOURS_OF.items()}
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
