"""From many figures to one score and to the kind of anomaly.

Each figure becomes its rarity: how seldom a healthy cell shows as much in a day. So a figure that
scatters anew each block is held to more than one that stands for months. A cell's score is the
largest rarity of its figures, or that of two that together mean more than each alone: a cell that
leaks and is warmer has an internal short. From many cells more is to be expected of the rarest: the
score is less by the decimal logarithm of the rack's cells (Sidak 1967, JASA 62). So the scores of
cells, of small and large racks, and of what belongs to the rack itself mean the same.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from station.estimators.anomaly import channels as ch
from station.estimators.anomaly.card import PATTERN, DetectorCard
from station.estimators.anomaly.channels import CELL_CHANNELS, RACK_CHANNELS, Figures
from station.estimators.anomaly.inputs import Block, Place
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
SUM_ROW = RACK_CHANNELS.index("sum_of_voltages")
MODEL_ROW = RACK_CHANNELS.index("model")
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
LEARNING_S = np.float32(7200.0)
LEARNED_ROWS = [
    *(ch.VOLTAGE_SHIFT, ch.LEAK, ch.SOC),
    *(ch.CAPACITY, ch.RESISTANCE, ch.CONTACT, ch.OFFSET),
]
WARM_ROWS = [ch.TEMPERATURE_DRIFT, ch.TEMPERATURE_LEVEL]
"""How healthy cells differ is learned in the first hours; till then it counts for less."""
_PER_NAT = np.float32(1 / np.log(10))
_STILL_TESTS = np.float32(4.0)
"""-log10 of how many times a day a reading may begin to stand still."""
ONE_SIDED = {ch.CAPACITY: -1.0, ch.RESISTANCE: 1.0, ch.CONTACT: 1.0}
"""A cell that is better than its rack is no anomaly."""
_SHORT_NEEDS = np.float32(1.3)
_SHOWS = 1.0
"""A figure that one healthy cell in ten reaches in a day says what kind a fault is of."""
_SUDDEN = 0.7


@dataclass(frozen=True)
class Scores:
    """What a block comes to.

    Attributes:
        rarity: of every figure of every cell, shape (rows, cells).
        cell, cell_row: the cells' scores and the row that gave them, shape (cells,); a score
            below 0 is what every day shows.
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
    card: DetectorCard,
    figures: Figures,
    distance: Floats,
    block: Block,
    before: Floats,
    *,
    watched_s: Floats,
    warm_s: Floats,
    place: Place,
) -> Scores:
    """Return rarities and scores of a block.

    Args:
        card: tails.
        figures: of the block.
        distance: of the network, shape (cells,).
        block: the block.
        before: the cells' scores in the block before, shape (cells,).
        watched_s: how long each rack has been watched, shape (racks,).
        warm_s: how long its temperatures have been followed without an absence, shape (racks,).
        place: of the cells.
    """
    rarity = np.empty((len(ROWS), len(distance)), np.float32)
    for row, name in enumerate(CELL_CHANNELS):
        figure = (
            figures.cells[row] * ONE_SIDED[row] if row in ONE_SIDED else abs(figures.cells[row])
        )
        rarity[row] = card.cells[name].rarity(figure)
    for learned, since_s in ((LEARNED_ROWS, watched_s), (WARM_ROWS, warm_s)):
        rarity[learned] *= np.minimum(since_s / LEARNING_S, 1).astype(np.float32)[place.rack]
    rarity[PATTERN_ROW] = card.cells[PATTERN].rarity(distance)
    rarity[STILL_VOLTAGE_ROW] = np.maximum(block.still_voltage * _PER_NAT - _STILL_TESTS, 0)
    rarity[STILL_TEMPERATURE_ROW] = np.maximum(block.still_temperature * _PER_NAT - _STILL_TESTS, 0)
    rarity[SHORT_ROW] = _short(figures, rarity)
    row = rarity.argmax(axis=0)
    racks = np.stack(
        [card.racks[name].rarity(abs(figures.racks[i])) for i, name in enumerate(RACK_CHANNELS)]
    )
    score = rarity.max(axis=0) - np.log10(place.count.astype(np.float32))[place.rack]
    # The model of a make errs by itself: that alone is worth a look, and no warning.
    racks[MODEL_ROW] = np.minimum(racks[MODEL_ROW], 0.999 * card.levels.warning)
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


def kind_of_cell(
    row: int, figures: Figures, scores: Scores, cell: int, *, again: bool = False
) -> Kind:
    """Return the kind that a cell's figures speak for.

    One fault moves several figures, and what moves most is not what tells faults apart: a lost
    contact, a leak and a shifted sensor all begin as a voltage that was not expected. So the kinds
    with a signature of their own are asked first. Looked at again, what still moves is no jump.
    """
    rarity = scores.rarity[:, cell]
    strong = 0.5 * float(rarity.max())
    if max(rarity[STILL_VOLTAGE_ROW], rarity[STILL_TEMPERATURE_ROW]) > strong:
        return Kind.FROZEN_SENSOR
    if row == ch.TEMPERATURE_LEVEL:
        return Kind.BIASED_SENSOR
    resists = rarity[ch.RESISTANCE] > max(_SHOWS, rarity[ch.LEAK], rarity[ch.OFFSET])
    if row in (ch.TEMPERATURE_JUMP, ch.TEMPERATURE_DRIFT, SHORT_ROW):
        sudden = rarity[ch.TEMPERATURE_JUMP] > _SUDDEN * rarity[ch.TEMPERATURE_DRIFT]
        if sudden and not again:
            return Kind.TEMPERATURE_JUMP
        return _warm_kind(figures, cell, resists=resists)
    sudden = max(rarity[ch.VOLTAGE_STEP], rarity[ch.VOLTAGE_SHIFT], rarity[ch.CONTACT])
    kind = Kind(int(_KIND_OF_ROW[row]))
    if resists:
        kind = Kind.LOOSE_CONNECTION if sudden > strong else Kind.HIGH_RESISTANCE
    elif rarity[ch.CAPACITY] > max(_SHOWS, rarity[ch.LEAK], rarity[ch.OFFSET]):
        kind = Kind.LOW_CAPACITY
    elif rarity[ch.LEAK] > _SHOWS:
        losing = figures.cells[ch.LEAK, cell] < 0
        warm = figures.cells[ch.TEMPERATURE_DRIFT, cell] > 0
        hot = losing and warm and rarity[ch.TEMPERATURE_DRIFT] > _SHOWS
        kind = Kind.INTERNAL_SHORT if hot else Kind.SOC_DRIFT
    elif row == PATTERN_ROW and rarity[ch.VOLTAGE_STEP] > strong:
        kind = Kind.BIASED_SENSOR
    return kind


def _warm_kind(figures: Figures, cell: int, *, resists: bool) -> Kind:
    """Return what makes a temperature leave the rack's for longer than a minute.

    Heat warms a cell's five kilograms over minutes. A reading that leaves within one is the
    sensor's, or comes from outside. A cell that goes on warming has a source of heat: a
    resistance, which the voltage shows, or current that flows inside it, which it does not.
    """
    if resists:
        return Kind.HIGH_RESISTANCE
    warm = figures.cells[ch.TEMPERATURE_DRIFT, cell] > 0
    return Kind.INTERNAL_SHORT if warm else Kind.TEMPERATURE_JUMP


def kind_of_rack(row: int) -> Kind:
    """Return the kind that a rack channel speaks for."""
    return Kind(int(_KIND_OF_RACK_ROW[row]))
