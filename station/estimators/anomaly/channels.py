"""In how many ways a cell may differ from its rack, each in multiples of healthy cells' scatter.

A cell's figure is compared with its rack's median and divided by the scatter of the rack's other
cells (their median absolute deviation, remembered for hours, and never less than what sensors
and cells of a delivered system differ by). What happens to all cells alike is no anomaly of one.
"""

from dataclasses import dataclass, replace

import numpy as np

from station.estimators.anomaly import differences
from station.estimators.anomaly.differences import DifferenceState, Surprise
from station.estimators.anomaly.inputs import Block, Place
from station.estimators.cell_model import Floats
from station.estimators.samples import Halves

CELL_CHANNELS = (
    "voltage_step",
    "voltage_shift",
    "temperature_jump",
    "temperature_drift",
    "temperature_level",
    "leak",
    "soc",
    "capacity",
    "resistance",
    "contact",
    "offset",
)
RACK_CHANNELS = ("sum_of_voltages", "peer_current", "power", "model")
(
    VOLTAGE_STEP,
    VOLTAGE_SHIFT,
    TEMPERATURE_JUMP,
    TEMPERATURE_DRIFT,
    TEMPERATURE_LEVEL,
    LEAK,
    SOC,
    CAPACITY,
    RESISTANCE,
    CONTACT,
    OFFSET,
) = range(len(CELL_CHANNELS))
LEAST_SCATTER = np.array([0.5, 0.2, 0.05, 0.06, 0.4, 2e-4, 4e-3, 4e-3, 0.02, 1.0, 5e-4], np.float32)
"""In the unit of each channel: 1, 1, K, K, K, 1/h, 1, 1, 1, 1, V."""
UNITS = (
    (("", 1.0),) * 2
    + (("K", 1.0),) * 3
    + (
        ("%/h", 100.0),
        ("%", 100.0),
        ("%", 100.0),
        ("%", 100.0),
        ("", 1.0),
        ("mV", 1000.0),
    )
)
"""In which unit people are told a channel's figure, and the factor to it."""
RACK_SCATTER = np.array([5e-4, 4e-3, 1e-3, 1.0], np.float32)
"""Of rack channels: V a cell, 1/h, share of the power at 1 C, 1."""
_GAIN_SCATTER = np.float32(5e-3)
"""Sensors of power, voltage and current differ by such a share of what they measure."""
FAST_S, SLOW_S = np.float32(256.0), np.float32(16384.0)
_SCATTER_MEMORY_S = np.array(
    [512, 512, 4096, 4096, 4096, 4096, 4096, 4096, 4096, 512, 4096], np.float32
)
"""Of voltages it changes with the place on the open-circuit curve, and is remembered shorter."""
_MAD_TO_SD = np.float32(1.4826)
_MOST = np.float32(1e3)
_MOST_RATIO = np.float32(30.0)


@dataclass(frozen=True)
class ChannelState:
    """Running means over several spans of time.

    Attributes:
        fast_c, slow_c: distance of the temperature from the rack's median, mean of the last
            four minutes and of the last hours, shape (cells,).
        shift: mean of the voltage's surprises over four minutes, shape (cells,).
        contact: sum of those that go with the current, fading likewise, shape (cells,).
        contact_weight: its variance over healthy cells, shape (racks,).
        scatter: of each channel, shape (channels, racks).
        offset: means of the rack channels, which sensors' offsets shift, shape (4, racks).
        seen_s: how long the rack has been watched in all, shape (racks,).
        warm_s: how long its temperatures have been followed without an absence, shape (racks,).
    """

    fast_c: Floats
    slow_c: Floats
    shift: Halves
    contact: Halves
    contact_weight: Floats
    scatter: Floats
    offset: Floats
    seen_s: Floats
    warm_s: Floats


@dataclass(frozen=True)
class Figures:
    """What a block shows.

    Attributes:
        cells: multiples of healthy scatter, with sign, shape (channels, cells).
        amounts: the same in the channels' units, shape (channels, cells).
        racks: multiples of scatter, shape (rack channels, racks).
        surprise: of the voltage in this block, shape (cells,).
        warmth: of the temperature against four minutes before, shape (cells,).
    """

    cells: Floats
    amounts: Floats
    racks: Floats
    surprise: Floats
    warmth: Floats


def no_channels(place: Place) -> ChannelState:
    """Return the state before the first block."""
    cells = len(place.rack)
    return ChannelState(
        fast_c=np.zeros(cells, np.float32),
        slow_c=np.zeros(cells, np.float32),
        shift=np.zeros(cells, np.float16),
        contact=np.zeros(cells, np.float16),
        contact_weight=np.full(place.racks, 1e-3, np.float32),
        scatter=np.repeat(LEAST_SCATTER[:, None], place.racks, axis=1),
        offset=np.zeros((len(RACK_CHANNELS), place.racks), np.float32),
        seen_s=np.zeros(place.racks, np.float32),
        warm_s=np.zeros(place.racks, np.float32),
    )


def after_absence(state: ChannelState) -> ChannelState:
    """Return the state after an absence: temperatures are followed anew.

    What cells of a rack are warmer than one another by depends on loads and cooling that nobody
    saw meanwhile; compared with the time before it would look like a jump. What cells are like
    (scatter, offsets, all that the filter knows) stays.
    """
    return replace(state, warm_s=np.zeros_like(state.warm_s))


def look(
    state: ChannelState,
    differences_: DifferenceState,
    surprise: Surprise,
    block: Block,
    place: Place,
) -> tuple[ChannelState, Figures]:
    """Return every cell's and rack's figures of a block."""
    rack = place.rack
    span_s = block.span_s
    fast = (1 - np.exp(-span_s / FAST_S))[rack]
    good = np.isfinite(block.temperature_c) & (span_s > 0)[rack]
    off_c = block.temperature_c - np.nan_to_num(place.median(block.temperature_c))[rack]
    new = (state.warm_s == 0)[rack]
    off_c = np.where(good, off_c, state.fast_c).astype(np.float32)
    before_c = np.where(new, off_c, state.fast_c)
    # At first means of all that was seen, later of the last minutes or hours.
    early = (span_s / (state.warm_s + np.maximum(span_s, 1e-3)))[rack]
    fast_c = before_c + np.maximum(fast, early) * (off_c - before_c)
    slow = (span_s / np.minimum(state.warm_s + np.maximum(span_s, 1e-3), SLOW_S))[rack]
    slow_c = state.slow_c + slow * (off_c - state.slow_c)

    ratio = surprise.volts / surprise.expected_v
    before = state.shift.astype(np.float32)
    shift = before + fast * (np.clip(ratio, -_MOST_RATIO, _MOST_RATIO) - before)
    contact, contact_weight = _contact(state, surprise, fast, place)
    mean = differences_.mean
    amounts = np.stack(
        [
            ratio - before,
            shift,
            off_c - before_c,
            fast_c - slow_c,
            slow_c,
            mean[differences.LEAK],
            mean[differences.SOC],
            mean[differences.CAPACITY],
            mean[differences.RESISTANCE],
            contact / np.sqrt(contact_weight)[rack],
            mean[differences.OFFSET],
        ]
    ).astype(np.float32)
    amounts -= np.stack([place.median(each) for each in amounts])[:, rack]
    scatter = _scatter(state, amounts, span_s, place)
    cells = np.clip(amounts / scatter[:, rack], -_MOST, _MOST)
    offset, racks = _rack_figures(state, block)
    after = ChannelState(
        fast_c=fast_c.astype(np.float32),
        slow_c=slow_c.astype(np.float32),
        shift=shift.astype(np.float16),
        contact=contact.astype(np.float16),
        contact_weight=contact_weight,
        scatter=scatter,
        offset=offset,
        seen_s=state.seen_s + span_s,
        warm_s=state.warm_s + span_s,
    )
    warmth = cells[TEMPERATURE_JUMP]
    return after, Figures(cells, amounts, racks, cells[VOLTAGE_STEP], warmth)


def _contact(
    state: ChannelState, surprise: Surprise, fast: Floats, place: Place
) -> tuple[Floats, Floats]:
    """Return the fading sum of surprises that go with the current, and its variance.

    A contact that becomes loose adds a resistance: least squares of the surprises upon the
    overpotential, and of the covariances within a block upon the current's variance.
    """
    rack = place.rack
    keep = 1 - fast
    slow_move = np.clip(-surprise.drop_v, -0.2, 0.2)
    noise_v = np.sqrt(place.median(surprise.expected_v.astype(np.float32) ** 2))
    slow_gain = slow_move / noise_v
    quick = surprise.ohmic_v / (surprise.ohmic_sd + 1e-9)[rack]
    ratio = surprise.volts / surprise.expected_v
    push = slow_gain[rack] * np.clip(ratio, -_MOST_RATIO, _MOST_RATIO) - np.clip(
        quick, -_MOST_RATIO, _MOST_RATIO
    )
    total = keep * state.contact.astype(np.float32) + np.clip(push, -3e3, 3e3)
    total = np.clip(total, -6e4, 6e4)
    weight = keep[place.first] ** 2 * state.contact_weight + slow_gain**2 + 1
    return total, weight.astype(np.float32)


def _scatter(state: ChannelState, amounts: Floats, span_s: Floats, place: Place) -> Floats:
    """Return the scatter of each channel over the rack's cells, remembered for an hour.

    At first it is that of all that was seen: where cells are read seldom, a block is the mean of
    few readings, and their noise must not look like a difference until an hour has passed.
    """
    now = _MAD_TO_SD * np.stack([place.median(np.abs(each)) for each in amounts])
    seen_s = state.seen_s + np.maximum(span_s, np.float32(1e-3))
    share = np.minimum(span_s / np.minimum(seen_s, _SCATTER_MEMORY_S[:, None]), 1)
    scatter = np.sqrt((1 - share) * state.scatter**2 + share * now**2)
    least: Floats = np.maximum(scatter, LEAST_SCATTER[:, None]).astype(np.float32)
    return least


def _rack_figures(state: ChannelState, block: Block) -> tuple[Floats, Floats]:
    """Return the means of the rack channels and how far they are from them now."""
    now = np.stack([block.sum_off_v, block.peer_off, block.power_off, block.model_off])
    slow = block.span_s / np.minimum(state.seen_s + np.maximum(block.span_s, 1e-3), SLOW_S)
    first = (state.seen_s == 0).astype(np.float32)
    # Offsets of good sensors stay: what is told is how far a figure moves from its own mean.
    offset = np.clip(state.offset, -4 * RACK_SCATTER[:, None], 4 * RACK_SCATTER[:, None])
    moved = now - offset * (1 - first)
    offset = state.offset + slow * np.clip(
        now - state.offset, -2 * RACK_SCATTER[:, None], 2 * RACK_SCATTER[:, None]
    )
    offset[1] = 0
    scatter = np.repeat(RACK_SCATTER[:, None], moved.shape[1], axis=1)
    power = RACK_CHANNELS.index("power")
    scatter[power] = np.hypot(scatter[power], _GAIN_SCATTER * block.current)
    racks = np.where(block.span_s > 0, moved / scatter, 0)
    return offset.astype(np.float32), racks.astype(np.float32)
