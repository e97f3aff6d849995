"""The first stage: each second's readings go into sums; sixteen seconds later these are a block.

Sums are cheap, and what slow faults show is hidden in a single second's noise. What does show in
a single second is kept as the largest of the block: a rack's current against its peers.

A reading that stands still is judged by its neighbours: where nine of ten cells' readings change
from one second to the next, twenty seconds without a change have a chance of 1e-20 with a living
sensor; where hardly any reading changes (a rack at rest, a coarse sensor), they mean nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from station.estimators.anomaly.inputs import Block, Inputs, Place
from station.estimators.cell_model import Floats

_VOLTAGE_STEP_V = np.float32(1e-4)
_VOLTAGE_FROM_V = np.float32(3.0)
_TEMPERATURE_STEP_K = np.float32(1e-2)
_MOST_CODE = 32000
_LONGEST_STEP_S = 30.0
_MOST_STILL = 250.0
_CHANGE_MEMORY = np.float32(1 / 64)
"""The share of readings that change is a running mean over about a minute."""
_MOST_CHANGE = 0.98
_SHARE_MEMORY = np.float32(1 / 4096)
_LOADED = np.float32(0.1)
"""Of the capacity per hour: from here on a rack's current tells its share."""
_UNEQUAL = np.float32(0.5)
"""A rack that carries half as much as it should is no unequal share any more."""
_FIRST_SHARES = np.float32(16.0)
"""So many readings under load tell what share a rack has to begin with, and are not judged."""
_W_PER_KW = 1e3

Codes = npt.NDArray[np.int16]


@dataclass(frozen=True)
class GatherState:
    """Sums since the block began, and what the next second is compared with.

    Attributes:
        seconds, samples: shape (racks,); cell_samples: shape (cells,).
        current, current_square, sum_off_v, power_off, model_off: sums, shape (racks,).
        peer_off: the largest so far, shape (racks,).
        voltage_v, voltage_current, temperature_c: sums, shape (cells,).
        voltage_code, temperature_code: the last readings in steps, shape (cells,).
        still_voltage, still_temperature: -ln p, shape (cells,).
        voltage_change, temperature_change: share of readings that change, shape (racks,).
        peer_share: part of the stack's mean current that each rack carries, shape (racks,).
        peer_offset: its current when the stack's mean is 0, shape (racks,).
        peer_loads: readings under load that have told the share, up to the first few, (racks,).
    """

    seconds: Floats
    samples: Floats
    cell_samples: npt.NDArray[np.uint8]
    current: Floats
    current_square: Floats
    sum_off_v: Floats
    power_off: Floats
    model_off: Floats
    peer_off: Floats
    voltage_v: Floats
    voltage_current: Floats
    temperature_c: Floats
    voltage_code: Codes
    temperature_code: Codes
    still_voltage: npt.NDArray[np.float16]
    still_temperature: npt.NDArray[np.float16]
    voltage_change: Floats
    temperature_change: Floats
    peer_share: Floats
    peer_offset: Floats
    peer_loads: Floats


def nothing_gathered(place: Place) -> GatherState:
    """Return the state before the first second."""
    cells, racks = len(place.rack), place.racks

    def per_rack(value: float = 0.0) -> Floats:
        return np.full(racks, value, np.float32)

    def per_cell() -> Floats:
        return np.zeros(cells, np.float32)

    return GatherState(
        seconds=per_rack(),
        samples=per_rack(),
        cell_samples=np.zeros(cells, np.uint8),
        current=per_rack(),
        current_square=per_rack(),
        sum_off_v=per_rack(),
        power_off=per_rack(),
        model_off=per_rack(),
        peer_off=per_rack(),
        voltage_v=per_cell(),
        voltage_current=per_cell(),
        temperature_c=per_cell(),
        voltage_code=np.zeros(cells, np.int16),
        temperature_code=np.zeros(cells, np.int16),
        still_voltage=np.zeros(cells, np.float16),
        still_temperature=np.zeros(cells, np.float16),
        voltage_change=per_rack(),
        temperature_change=per_rack(),
        peer_share=per_rack(1.0),
        peer_offset=per_rack(),
        peer_loads=per_rack(),
    )


def add(state: GatherState, inputs: Inputs, place: Place, capacity_ah: float) -> GatherState:
    """Return the state after one second's readings."""
    rack = place.rack
    believed = inputs.current_good & np.isfinite(inputs.current_a)
    believed &= (inputs.elapsed_s > 0) & (inputs.elapsed_s <= _LONGEST_STEP_S)
    current = np.where(believed, inputs.current_a / np.float32(capacity_ah), 0).astype(np.float32)
    good = inputs.good & believed[rack] & np.isfinite(inputs.voltage_v)
    good &= np.isfinite(inputs.temperature_c)
    voltage_v = np.where(good, inputs.voltage_v, 0).astype(np.float32)
    temperature_c = np.where(good, inputs.temperature_c, 0).astype(np.float32)
    one = believed.astype(np.float32)
    beside = believed if inputs.together is None else believed & inputs.together
    state, peer_off = against_peers(state, current, beside, place)
    state = _stillness(state, voltage_v, temperature_c, good, place)
    innovation = np.where(good, np.clip(inputs.innovation, -10, 10), 0).astype(np.float32)
    return replace(
        state,
        seconds=state.seconds + np.where(believed, inputs.elapsed_s, 0),
        samples=state.samples + one,
        cell_samples=state.cell_samples + good,
        current=state.current + current,
        current_square=state.current_square + current * current,
        sum_off_v=state.sum_off_v + one * _sum_off_v(inputs, voltage_v, good, place),
        power_off=state.power_off + one * _power_off(inputs, capacity_ah),
        model_off=state.model_off + one * place.mean(innovation),
        peer_off=np.where(np.abs(peer_off) > np.abs(state.peer_off), peer_off, state.peer_off),
        voltage_v=state.voltage_v + voltage_v,
        voltage_current=state.voltage_current + voltage_v * current[rack],
        temperature_c=state.temperature_c + temperature_c,
    )


def close(state: GatherState, soc: Floats, place: Place) -> tuple[GatherState, Block]:
    """Return what the sums come to, and the state at the beginning of the next block.

    Args:
        state: with at least one second in it.
        soc: of each cell as estimated now, shape (cells,).
        place: of the cells.
    """
    samples = np.maximum(state.samples, 1)
    number = state.cell_samples.astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        voltage_v = state.voltage_v / number
        temperature_c = state.temperature_c / number
        product = state.voltage_current / number

    def mean(total: Floats) -> Floats:
        told: Floats = (total / samples).astype(np.float32)
        return told

    current = mean(state.current)
    block = Block(
        span_s=state.seconds,
        current=current,
        current_variance=np.maximum(mean(state.current_square) - current**2, 0),
        soc=place.median(soc),
        sum_off_v=mean(state.sum_off_v),
        peer_off=state.peer_off,
        power_off=mean(state.power_off),
        model_off=mean(state.model_off),
        voltage_v=voltage_v,
        temperature_c=temperature_c,
        voltage_on_current=(product - voltage_v * current[place.rack]).astype(np.float32),
        still_voltage=state.still_voltage.astype(np.float32),
        still_temperature=state.still_temperature.astype(np.float32),
    )
    return begun_anew(state, place), block


def begun_anew(state: GatherState, place: Place) -> GatherState:
    """Return the state at the beginning of a block, with what outlasts blocks."""
    return replace(
        nothing_gathered(place),
        voltage_code=state.voltage_code,
        temperature_code=state.temperature_code,
        still_voltage=state.still_voltage,
        still_temperature=state.still_temperature,
        voltage_change=state.voltage_change,
        temperature_change=state.temperature_change,
        peer_share=state.peer_share,
        peer_offset=state.peer_offset,
        peer_loads=state.peer_loads,
    )


def against_peers(
    state: GatherState, current: Floats, believed: npt.NDArray[np.bool_], place: Place
) -> tuple[GatherState, Floats]:
    """Return the state with shares and offsets, and each rack's distance from them now.

    Racks of a stack lie in parallel: a step of the converter's current moves all of them, each
    by its share. Both are followed by a slow gradient; the median of the stack's racks is what a
    rack is compared with. A rack alone in its stack has no peers, nor has one whose reading is of
    another second: a step of the current would look like a rack that leaves the others.

    Healthy racks do not share a current equally, and at first nobody knows how they do: the first
    readings under load tell the share, and are not judged by it.
    """
    middle = current.copy()
    peers = np.zeros(place.racks, bool)
    for stack in np.unique(place.stack):
        here = place.stack == stack
        heard = here & believed
        if heard.sum() > 2:  # noqa: PLR2004 - of two that differ nobody knows which is wrong
            middle[here] = np.median(current[heard])
            peers |= heard
    off = current - state.peer_share * middle - state.peer_offset
    off = np.where(peers, off, 0).astype(np.float32)
    pull = _SHARE_MEMORY * np.clip(off, -0.02, 0.02)
    share = state.peer_share + pull * middle / (middle**2 + np.float32(0.01))
    first = peers & (np.abs(middle) >= _LOADED) & (state.peer_loads < _FIRST_SHARES)
    loads = state.peer_loads + first
    told = off / np.where(first, middle * loads, 1)
    after = replace(
        state,
        peer_share=np.where(
            first, np.clip(state.peer_share + told, 1 - _UNEQUAL, 1 + _UNEQUAL), share
        ).astype(np.float32),
        peer_offset=np.where(first, state.peer_offset, state.peer_offset + pull),
        peer_loads=loads.astype(np.float32),
    )
    return after, np.where(first, np.float32(0), off)


def _stillness(
    state: GatherState,
    voltage_v: Floats,
    temperature_c: Floats,
    good: npt.NDArray[np.bool_],
    place: Place,
) -> GatherState:
    """Return the state with what is known of readings that stand still."""
    changes: dict[str, npt.NDArray[np.generic]] = {}
    for name, numbers, step, from_ in (
        ("voltage", voltage_v, _VOLTAGE_STEP_V, _VOLTAGE_FROM_V),
        ("temperature", temperature_c, _TEMPERATURE_STEP_K, np.float32(0)),
    ):
        code = np.rint(np.clip((numbers - from_) / step, -_MOST_CODE, _MOST_CODE)).astype(np.int16)
        before = getattr(state, f"{name}_code")
        moved = good & (code != before)
        change = getattr(state, f"{name}_change")
        now = place.mean(moved.astype(np.float32))
        change = change + _CHANGE_MEMORY * (now - change)
        unlikely = -np.log1p(-np.minimum(np.minimum(change, now), np.float32(_MOST_CHANGE)))
        still = getattr(state, f"still_{name}").astype(np.float32)
        still = np.where(moved, 0, np.minimum(still + unlikely[place.rack], _MOST_STILL))
        changes[f"{name}_code"] = np.where(good, code, before)
        changes[f"{name}_change"] = change.astype(np.float32)
        changes[f"still_{name}"] = np.where(good, still, 0).astype(np.float16)
    return replace(state, **changes)  # type: ignore[arg-type]


def _sum_off_v(
    inputs: Inputs, voltage_v: Floats, good: npt.NDArray[np.bool_], place: Place
) -> Floats:
    """Return the cells' voltages added up less the rack's, per cell; 0 where it is not known."""
    whole = np.logical_and.reduceat(good, place.first)
    with np.errstate(invalid="ignore"):
        off = place.mean(voltage_v) - inputs.rack_voltage_v / place.count
    return np.where(whole & np.isfinite(off), off, 0).astype(np.float32)


def _power_off(inputs: Inputs, capacity_ah: float) -> Floats:
    """Return power told less voltage times current, over that at 1 C; 0 where not known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        watts = inputs.rack_voltage_v * inputs.current_a
        off = (inputs.rack_power_kw * _W_PER_KW - watts) / (inputs.rack_voltage_v * capacity_ah)
    return np.where(np.isfinite(off), off, 0).astype(np.float32)
