"""From many figures to one score and to the kind of anomaly.

Each figure becomes its rarity. A cell's score is the largest rarity of its figures, or that of
two that together mean more than each alone: a cell that leaks and is warmer has an internal short.
The kind is that of the figure that gave the score.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from station.estimators.anomaly import channels as ch
from station.estimators.anomaly.card import PATTERN, DetectorCard
from station.estimators.anomaly.channels import CELL_CHANNELS, RACK_CHANNELS, Figures
from station.estimators.anomaly.inputs import Block
from station.estimators.cell_model import Floats
from station.estimators.samples import Indices


class Kind(IntEnum):
    """Numbers of contract.states.ANOMALY_KIND."""

    NONE = 0
    TEMPERATURE_JUMP = 1
    CURRENT_PULSE = 2
    SOC_DRIFT = 3
    INTERNAL_SHORT = 4
    LOOSE_CONNECTION = 5
    FROZEN_SENSOR = 6
    BIASED_SENSOR = 7
    LOW_CAPACITY = 8
    HIGH_RESISTANCE = 9
    UNUSUAL_PATTERN = 10


PATTERN_ROW = len(CELL_CHANNELS)
STILL_VOLTAGE_ROW, STILL_TEMPERATURE_ROW, SHORT_ROW = (PATTERN_ROW + each for each in (1, 2, 3))
ROWS = (*CELL_CHANNELS, PATTERN, "still_voltage", "still_temperature", "short")
_KIND_OF_ROW = np.array(
    [
        Kind.BIASED_SENSOR,
        Kind.BIASED_SENSOR,
        Kind.TEMPERATURE_JUMP,
        Kind.TEMPERATURE_JUMP,
        Kind.BIASED_SENSOR,
        Kind.SOC_DRIFT,
        Kind.SOC_DRIFT,
        Kind.LOW_CAPACITY,
        Kind.HIGH_RESISTANCE,
        Kind.LOOSE_CONNECTION,
        Kind.BIASED_SENSOR,
        Kind.UNUSUAL_PATTERN,
        Kind.FROZEN_SENSOR,
        Kind.FROZEN_SENSOR,
        Kind.INTERNAL_SHORT,
    ]
)
_KIND_OF_RACK_ROW = np.array(
    [Kind.BIASED_SENSOR, Kind.CURRENT_PULSE, Kind.BIASED_SENSOR, Kind.UNUSUAL_PATTERN]
)
_PER_NAT = np.float32(1 / np.log(10))
_STILL_TESTS = np.float32(4.0)
"""-log10 of how many times a day a reading may begin to stand still."""
ONE_SIDED = {ch.CAPACITY: -1.0, ch.RESISTANCE: 1.0, ch.CONTACT: 1.0}
"""A cell that is better than its rack is no anomaly."""
_SHORT_NEEDS = np.float32(1.3)


@dataclass(frozen=True)
class Scores:
    """What a block comes to.

    Attributes:
        rarity: of every figure of every cell, shape (rows, cells).
        cell, cell_row: the cells' scores and the row that gave them, shape (cells,).
        twice: the lesser of the cells' scores in this block and the one before, shape (cells,).
        rack, rack_row: of the rack channels, shape (racks,).
    """

    rarity: Floats
    cell: Floats
    cell_row: Indices
    twice: Floats
    rack: Floats
    rack_row: Indices


def fuse(
    card: DetectorCard, figures: Figures, distance: Floats, block: Block, before: Floats
) -> Scores:
    """Return rarities and scores of a block.

    Args:
        card: tails.
        figures: of the block.
        distance: of the network, shape (cells,).
        block: the block.
        before: the cells' scores in the block before, shape (cells,).
    """
    rarity = np.empty((len(ROWS), len(distance)), np.float32)
    for row, name in enumerate(CELL_CHANNELS):
        figure = (
            figures.cells[row] * ONE_SIDED[row] if row in ONE_SIDED else abs(figures.cells[row])
        )
        rarity[row] = card.cells[name].rarity(figure)
    rarity[PATTERN_ROW] = card.cells[PATTERN].rarity(distance)
    rarity[STILL_VOLTAGE_ROW] = np.maximum(block.still_voltage * _PER_NAT - _STILL_TESTS, 0)
    rarity[STILL_TEMPERATURE_ROW] = np.maximum(block.still_temperature * _PER_NAT - _STILL_TESTS, 0)
    rarity[SHORT_ROW] = _short(figures, rarity)
    row = rarity.argmax(axis=0)
    racks = np.stack(
        [card.racks[name].rarity(abs(figures.racks[i])) for i, name in enumerate(RACK_CHANNELS)]
    )
    score = rarity.max(axis=0)
    return Scores(
        rarity=rarity,
        cell=score,
        cell_row=row,
        twice=np.minimum(score, before),
        rack=racks.max(axis=0),
        rack_row=racks.argmax(axis=0),
    )


def _short(figures: Figures, rarity: Floats) -> Floats:
    """Return how rare it is that a cell loses charge and warms at once.

    Two independent chances p, q come to p q (1 - ln(p q)) (Fisher 1932, Statistical Methods for
    Research Workers, sec. 21.1).
    """
    losing = (figures.cells[ch.LEAK] < 0) | (figures.cells[ch.SOC] < 0)
    warm = np.maximum(
        np.where(figures.cells[ch.TEMPERATURE_DRIFT] > 0, rarity[ch.TEMPERATURE_DRIFT], 0),
        np.where(figures.cells[ch.TEMPERATURE_JUMP] > 0, rarity[ch.TEMPERATURE_JUMP], 0),
    )
    leak = np.maximum(rarity[ch.LEAK], rarity[ch.SOC])
    both = leak + warm
    joint = both - np.log10(1 + np.log(10) * both)
    wanted = losing & (leak > _SHORT_NEEDS) & (warm > _SHORT_NEEDS)
    return np.where(wanted, joint, 0).astype(np.float32)


def kind_of_cell(row: int, figures: Figures, scores: Scores, cell: int) -> Kind:
    """Return the kind that a cell's figures speak for.

    One fault moves several figures. What explains the most of them goes first: a loose contact
    also looks like a large resistance and an offset, a short like a leak and warmth.
    """
    rarity = scores.rarity[:, cell]
    strong = 0.5 * float(scores.cell[cell])
    if max(rarity[STILL_VOLTAGE_ROW], rarity[STILL_TEMPERATURE_ROW]) > strong:
        return Kind.FROZEN_SENSOR
    if rarity[SHORT_ROW] > strong:
        return Kind.INTERNAL_SHORT
    if row in (ch.VOLTAGE_STEP, ch.VOLTAGE_SHIFT, PATTERN_ROW) and rarity[ch.CONTACT] > strong:
        return Kind.LOOSE_CONNECTION
    if row == ch.CAPACITY and figures.cells[ch.CAPACITY, cell] > 0:
        return Kind.SOC_DRIFT
    return Kind(int(_KIND_OF_ROW[row]))


def kind_of_rack(row: int) -> Kind:
    """Return the kind that a rack channel speaks for."""
    return Kind(int(_KIND_OF_RACK_ROW[row]))
