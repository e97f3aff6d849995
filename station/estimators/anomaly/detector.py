"""The detector: seconds go in, scores of cells and findings of racks come out.

Pure: the state goes in and comes back; what the network and the tails know is in the Detector.
Readings are gathered each second and judged every sixteen; the network looks at a quarter of the
racks each time.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators.anomaly import channels, differences, gather, windows
from station.estimators.anomaly.card import Detector
from station.estimators.anomaly.findings import (
    Finding,
    FindingState,
    describe,
    latch,
    nothing_found,
)
from station.estimators.anomaly.fuse import fuse
from station.estimators.anomaly.inputs import BLOCK_S, Block, Inputs, Place
from station.estimators.cell_model import CellModel, Floats
from station.estimators.samples import Indices

_NETWORK_TURNS = 4


@dataclass(frozen=True)
class AnomalyState:
    """All that is kept between seconds; about a hundred bytes a cell.

    Attributes:
        gathered, differences, channels, windows, findings: of the parts.
        distance: of the network, when it looked last, shape (cells,).
        before: scores of the block before, shape (cells,).
        score: what is told until the next block, shape (cells,).
    """

    gathered: gather.GatherState
    differences: differences.DifferenceState
    channels: channels.ChannelState
    windows: windows.WindowState
    findings: FindingState
    distance: npt.NDArray[np.float16]
    before: npt.NDArray[np.float16]
    score: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Anomalies:
    """What is told of a moment.

    Attributes:
        score: of each cell; 1 is the level of a warning, shape (cells,).
        rack_score: the largest of its cells and of the rack's own, shape (racks,).
        kind, level: numbers of ANOMALY_KIND and ANOMALY_LEVEL, shape (racks,).
        cell: number of the cell within its rack, from 0; -1: the rack itself, or none, (racks,).
        findings: what began or became more severe at this moment.
    """

    score: Floats
    rack_score: Floats
    kind: Indices
    level: Indices
    cell: Indices
    findings: tuple[Finding, ...]


def start(model: CellModel, place: Place) -> AnomalyState:
    """Return the state of racks of which nothing is known."""
    cells = len(place.rack)
    return AnomalyState(
        gathered=gather.nothing_gathered(place),
        differences=differences.no_differences(place, len(model.lag_s)),
        channels=channels.no_channels(place),
        windows=windows.no_windows(cells, place.racks),
        findings=nothing_found(place),
        distance=np.zeros(cells, np.float16),
        before=np.zeros(cells, np.float16),
        score=np.zeros(cells, np.float16),
    )


def after_absence(state: AnomalyState, place: Place) -> AnomalyState:
    """Return the state after an absence in which nothing was seen.

    What was found stands, and what is known of cells stays; seconds of before are not judged
    with those of after, and temperatures are compared with one another anew.
    """
    return replace(
        state,
        gathered=gather.begun_anew(state.gathered, place),
        channels=channels.after_absence(state.channels),
        before=np.zeros_like(state.before),
    )


def step(
    detector: Detector, model: CellModel, place: Place, state: AnomalyState, inputs: Inputs
) -> tuple[AnomalyState, Anomalies]:
    """Take one second of all racks.

    Args:
        detector: as loaded.
        model: the make of all cells.
        place: where they stand.
        state: before the second; it is left as it is.
        inputs: of the second.
    """
    gathered = gather.add(state.gathered, inputs, place, model.capacity_ah)
    state = replace(state, gathered=gathered)
    if float(gathered.seconds.max()) < BLOCK_S:
        return state, _told(state, place, detector, ())
    gathered, block = gather.close(gathered, inputs.soc, place)
    return judge(detector, model, place, replace(state, gathered=gathered), block)


def judge(
    detector: Detector, model: CellModel, place: Place, state: AnomalyState, block: Block
) -> tuple[AnomalyState, Anomalies]:
    """Take one block of all racks."""
    differing, figures, moved, distance = observe(detector, model, place, state, block)
    scores = fuse(
        detector.card,
        figures,
        distance.astype(np.float32),
        block,
        state.before.astype(np.float32),
        watched_s=moved[0].seen_s,
        warm_s=moved[0].warm_s,
        place=place,
    )
    findings, begun = latch(
        state.findings, detector.card.levels, scores, figures, block=block, place=place
    )
    warning = detector.card.levels.warning
    after = AnomalyState(
        gathered=state.gathered,
        differences=differing,
        channels=moved[0],
        windows=moved[1],
        findings=findings,
        distance=distance,
        before=scores.cell.astype(np.float16),
        score=np.maximum(scores.twice / warning, 0).astype(np.float16),
    )
    told = tuple(describe(each, figures, after.windows, place) for each in begun)
    return after, _told(after, place, detector, told)


Moved = tuple[channels.ChannelState, windows.WindowState]


def observe(
    detector: Detector, model: CellModel, place: Place, state: AnomalyState, block: Block
) -> tuple[differences.DifferenceState, channels.Figures, Moved, npt.NDArray[np.float16]]:
    """Return differences, figures, windows and the network's distance after a block."""
    differing, surprise = differences.follow(model, state.differences, block, place)
    channelled, figures = channels.look(state.channels, differing, surprise, block, place)
    pushed = windows.push(
        state.windows, np.stack([figures.surprise, figures.warmth]), block.current
    )
    distance = state.distance
    turn = int(pushed.blocks) % _NETWORK_TURNS
    due = np.flatnonzero(place.rack % _NETWORK_TURNS == turn)
    if len(due):
        distance = distance.copy()
        distance[due] = np.minimum(detector.distance(windows.network_input(pushed, due)), 6e4)
    return differing, figures, (channelled, pushed), distance


def _told(
    state: AnomalyState, place: Place, detector: Detector, begun: tuple[Finding, ...]
) -> Anomalies:
    score = state.score.astype(np.float32)
    found = state.findings
    of_cells = np.maximum.reduceat(score, place.first)
    return Anomalies(
        score=score,
        rack_score=np.maximum(
            of_cells, found.rack_score / np.float32(detector.card.levels.warning)
        ),
        kind=found.kind.astype(np.intp),
        level=found.level.astype(np.intp),
        cell=found.cell.astype(np.intp),
        findings=begun,
    )
