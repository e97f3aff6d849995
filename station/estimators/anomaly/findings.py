"""What is made of scores: findings that begin, become more severe, and end after an hour.

A finding begins when a cell has scored in two blocks in a row, or a rack's own channel in one. It
stands until an hour has passed below the level of a notice, so that one fault is one event.

At first sight a leak, a lost contact and a shifted sensor are all a voltage that was not expected,
and a source of heat looks like a jump. So a finding is looked at again after a quarter of an hour,
and told again if it turns out to be of another kind.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators.anomaly import channels as ch
from station.estimators.anomaly.card import Levels
from station.estimators.anomaly.channels import UNITS, Figures
from station.estimators.anomaly.fuse import (
    PATTERN_ROW,
    ROWS,
    SHORT_ROW,
    STILL_TEMPERATURE_ROW,
    SUM_ROW,
    Kind,
    Scores,
    kind_of_cell,
    kind_of_rack,
)
from station.estimators.anomaly.inputs import Block, Place
from station.estimators.anomaly.reasons import Words, reason
from station.estimators.anomaly.windows import POINTS, SCALES_S, WindowState, unpack
from station.estimators.cell_model import Floats

STANDS_S = np.float32(3600.0)
AGAIN_S = np.float32(900.0)
_FEW_CELLS = 8
_STILL_RISES = 1.0
_FIRST_SIGHT = (Kind.TEMPERATURE_JUMP, Kind.BIASED_SENSOR)


@dataclass(frozen=True)
class FindingState:
    """The standing finding of each rack; arrays (racks,).

    Attributes:
        level: 0 none, 1 notice, 2 warning, 3 alarm.
        kind, cell: -1 is the rack itself.
        quiet_s: since a score was last at the level of a notice.
        age_s: since it began.
        rack_score: of the rack's own channels in the last block.
    """

    level: npt.NDArray[np.int8]
    kind: npt.NDArray[np.int8]
    cell: npt.NDArray[np.int32]
    quiet_s: Floats
    age_s: Floats
    rack_score: Floats


@dataclass(frozen=True)
class Begun:
    """A finding that begins, becomes more severe or is renamed, before it is told in words."""

    rack: int
    cell: int
    kind: Kind
    level: int
    row: int
    cells: tuple[int, ...]
    renamed: bool = False


@dataclass(frozen=True)
class Finding:
    """One finding, ready for an event.

    Attributes:
        rack: number of the rack.
        cell: within the rack, from 0; -1: the rack itself.
        cells: all cells of the rack that score now, the first few.
        kind, level: numbers of ANOMALY_KIND and ANOMALY_LEVEL.
        channel: what shows it; value: of it now, in its unit (amount), for people.
        window_end_s: before now; window_start_s: before now, where the window that shows it
            begins and ends.
        values: over that window, in multiples of what healthy cells scatter.
        reason: in words.
        renamed: whether it was told before as another kind.
    """

    rack: int
    cell: int
    cells: tuple[int, ...]
    kind: Kind
    level: int
    channel: str
    value: float
    window_start_s: float
    window_end_s: float
    values: tuple[float, ...]
    reason: Words
    renamed: bool = False


def nothing_found(place: Place) -> FindingState:
    """Return the state of racks without findings."""
    racks = place.racks
    return FindingState(
        level=np.zeros(racks, np.int8),
        kind=np.zeros(racks, np.int8),
        cell=np.full(racks, -1, np.int32),
        quiet_s=np.zeros(racks, np.float32),
        age_s=np.zeros(racks, np.float32),
        rack_score=np.zeros(racks, np.float32),
    )


def latch(
    state: FindingState,
    levels: Levels,
    scores: Scores,
    figures: Figures,
    *,
    block: Block,
    place: Place,
) -> tuple[FindingState, tuple[Begun, ...]]:
    """Return the standing findings after a block, and those that began or grew.

    Args:
        state: before the block.
        levels: from which a score is a notice, a warning, an alarm.
        scores: of the block.
        figures: behind the scores.
        block: the block.
        place: of the cells.
    """
    of_cells = np.maximum.reduceat(scores.twice, place.first)
    top = np.maximum(of_cells, scores.rack)
    steps = np.array([levels.notice, levels.warning, levels.alarm])
    reached = (top[:, None] >= steps).sum(axis=1).astype(np.int8)
    quiet_s = np.where(reached > 0, 0, state.quiet_s + block.span_s).astype(np.float32)
    ended = quiet_s >= STANDS_S
    level = np.where(ended, 0, state.level).astype(np.int8)
    kind = np.where(ended, 0, state.kind).astype(np.int8)
    cell = np.where(ended, -1, state.cell).astype(np.int32)
    age_s = np.where(level > 0, state.age_s + block.span_s, 0).astype(np.float32)
    again = (reached > 0) & (reached <= level) & (state.age_s < AGAIN_S) & (age_s >= AGAIN_S)
    begun = []
    for rack in np.flatnonzero((reached > level) | again):
        top_level = max(int(reached[rack]), int(level[rack]))
        found = _begun(
            int(rack),
            top_level,
            scores,
            figures,
            levels.notice,
            place=place,
            again=bool(again[rack]),
        )
        if again[rack]:
            if not _is_another(found, int(kind[rack]), int(cell[rack]), figures, place=place):
                continue
            found = replace(found, renamed=True)
        level[rack], kind[rack], cell[rack] = found.level, found.kind, found.cell
        begun.append(found)
    return FindingState(level, kind, cell, quiet_s, age_s, scores.rack), tuple(begun)


def _is_another(found: Begun, kind: int, cell: int, figures: Figures, *, place: Place) -> bool:
    """Return whether a finding that was told is of another kind, now that more is known.

    A temperature that jumped stands or falls again; only one that still rises has a source of
    heat.
    """
    same = found.cell == cell and cell >= 0
    if not same or kind not in _FIRST_SIGHT or found.kind in (kind, Kind.UNUSUAL_PATTERN):
        return False
    if kind != Kind.TEMPERATURE_JUMP:
        return found.kind != Kind.TEMPERATURE_JUMP
    rises = figures.cells[ch.TEMPERATURE_JUMP, int(place.first[found.rack]) + cell]
    return bool(rises > _STILL_RISES)


def _begun(
    rack: int,
    level: int,
    scores: Scores,
    figures: Figures,
    notice: float,
    *,
    place: Place,
    again: bool,
) -> Begun:
    first = int(place.first[rack])
    own = scores.twice[first : first + int(place.count[rack])]
    worst = int(own.argmax())
    # A sensor that is off moves the sum, too: where a cell stands out, that one is told.
    of_a_cell = scores.rack_row[rack] == SUM_ROW and own[worst] >= notice
    if scores.rack[rack] >= own[worst] and not of_a_cell:
        row = int(scores.rack_row[rack])
        return Begun(rack, -1, kind_of_rack(row), level, row, ())
    row = int(scores.cell_row[first + worst])
    kind = kind_of_cell(row, figures, scores, first + worst, again=again)
    others = np.flatnonzero(own >= notice)
    order = others[np.argsort(own[others])[::-1]][:_FEW_CELLS]
    return Begun(rack, worst, kind, level, row, tuple(int(each) for each in order))


def describe(begun: Begun, figures: Figures, windows: WindowState, place: Place) -> Finding:
    """Return a finding with the window that shows it and its reason in words."""
    if begun.cell < 0:
        channel = ch.RACK_CHANNELS[begun.row]
        value = float(figures.racks[begun.row, begun.rack])
        scale, unit = 0, ""
        values = windows.current[scale, :, begun.rack]
    else:
        at = int(place.first[begun.rack]) + begun.cell
        channel, value, unit = _amount(begun.row, figures, at)
        thermal = begun.kind == Kind.TEMPERATURE_JUMP or begun.row == STILL_TEMPERATURE_ROW
        scale = 0 if begun.row in (ch.VOLTAGE_STEP, ch.TEMPERATURE_JUMP) else 2
        scale = 1 if begun.row in (ch.VOLTAGE_SHIFT, ch.CONTACT, PATTERN_ROW) else scale
        values = unpack(windows.points[scale, int(thermal), :, at])
    return Finding(
        rack=begun.rack,
        cell=begun.cell,
        cells=begun.cells,
        kind=begun.kind,
        level=begun.level,
        channel=channel,
        value=value,
        window_start_s=POINTS * SCALES_S[scale],
        window_end_s=0.0,
        values=tuple(round(float(each), 3) for each in values),
        reason=reason(begun.kind, channel, value, unit, begun.cell),
        renamed=begun.renamed,
    )


def _amount(row: int, figures: Figures, cell: int) -> tuple[str, float, str]:
    """Return the name of what shows a finding, its figure and its unit."""
    if row == SHORT_ROW:
        row = ch.LEAK
    if row < len(UNITS):
        unit, factor = UNITS[row]
        return ROWS[row], float(figures.amounts[row, cell]) * factor, unit
    return ROWS[row], 0.0, ""
