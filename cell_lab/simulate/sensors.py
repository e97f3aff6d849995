"""What sensors make of the truth: noise, steps, offsets, and faults that are put in on purpose."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cell_lab.simulate.run import Floats, Trace

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sensors:
    """How readings differ from the truth, for each string or cell by chance.

    Attributes:
        voltage_sd_v, voltage_offset_v: noise of a sample, spread of the cells' offsets.
        voltage_step_v, temperature_step_c, current_step_a: resolutions; 0 is none.
        temperature_sd_c, temperature_offset_c: as for the voltage.
        current_sd_a, current_offset_a, current_gain: of a string's one sensor; gain relative.
        gaps: share of the minutes that are lost.
    """

    voltage_sd_v: float = 0.0005
    voltage_offset_v: float = 0.001
    voltage_step_v: float = 0.001
    temperature_sd_c: float = 0.1
    temperature_offset_c: float = 0.5
    temperature_step_c: float = 0.1
    current_sd_a: float = 0.0
    current_offset_a: float = 0.0
    current_gain: float = 0.0
    current_step_a: float = 0.0
    gaps: float = 0.0


class SensorFaultKind(StrEnum):
    """Size: V, deg C or A for offset and noise; so much per hour for drift; a share for gain."""

    OFFSET = "offset"
    DRIFT = "drift"
    GAIN = "gain"
    NOISE = "noise"
    FROZEN = "frozen"
    LOST = "lost"


@dataclass(frozen=True)
class SensorFault:
    """A fault of one sensor from a time on, to the end or for a while.

    Attributes:
        signal: voltage, temperature (of the cell) or current (of the cell's string).
        index: number of the cell, or of the string for the current.
    """

    signal: str
    index: int
    kind: SensorFaultKind
    at_s: float
    for_s: float = np.inf
    size: float = 0.0


@dataclass(frozen=True)
class Readings:
    """What a station sees; discharge is positive.

    Attributes:
        elapsed_s: from one sample to the next.
        voltage_v, temperature_c: shape (samples, cells).
        current_a: shape (samples, strings).
        good: whether the sample arrived, shape (samples, cells); current_good: (samples, strings).
    """

    elapsed_s: float
    voltage_v: Floats
    temperature_c: Floats
    current_a: Floats
    good: Flags
    current_good: Flags


def sense(
    trace: Trace,
    string: npt.NDArray[np.int64],
    seed: int,
    sensors: Sensors | None = None,
    faults: Sequence[SensorFault] = (),
) -> Readings:
    """Return what sensors read of a run; the same seed gives the same readings.

    Args:
        trace: the truth.
        string: of each cell, from 0 on without holes, shape (cells,).
        seed: of noise, offsets and gaps.
        sensors: how good they are.
        faults: put in on top.
    """
    kind = sensors or Sensors()
    rng = np.random.default_rng(seed)
    rows = len(trace.voltage_v)
    first = np.unique(string, return_index=True)[1]
    voltage = _read(rng, trace.voltage_v, kind.voltage_sd_v, kind.voltage_offset_v)
    temperature = _read(rng, trace.temperature_c, kind.temperature_sd_c, kind.temperature_offset_c)
    gain = 1 + rng.normal(0, kind.current_gain, len(first))
    current = _read(rng, trace.current_a[:, first] * gain, kind.current_sd_a, kind.current_offset_a)
    minute = (np.arange(rows) * trace.elapsed_s // 60).astype(np.intp)
    lost = (rng.random((minute[-1] + 1, len(first))) < kind.gaps)[minute]
    read = {"voltage": voltage, "temperature": temperature, "current": current}
    good = {"voltage": ~lost[:, string], "current": ~lost, "temperature": ~lost[:, string]}
    for fault in faults:
        _break(rng, fault, read[fault.signal], good[fault.signal], trace.elapsed_s)
    return Readings(
        elapsed_s=trace.elapsed_s,
        voltage_v=_rounded(voltage, kind.voltage_step_v),
        temperature_c=_rounded(temperature, kind.temperature_step_c),
        current_a=_rounded(current, kind.current_step_a),
        good=good["voltage"] & good["temperature"],
        current_good=good["current"],
    )


def _read(
    rng: np.random.Generator, truth: npt.NDArray[np.floating], sd: float, offset_sd: float
) -> Floats:
    offset = np.asarray(rng.normal(0, offset_sd, (truth.shape[1],)), np.float32)
    noise = rng.standard_normal(truth.shape, np.float32) * np.float32(sd)
    return np.ascontiguousarray(truth + offset + noise, np.float32)


def _rounded(values: Floats, step: float) -> Floats:
    if step == 0:
        return values
    counts: Floats = np.round(values / np.float32(step))
    return counts * np.float32(step)


def _break(
    rng: np.random.Generator, fault: SensorFault, values: Floats, good: Flags, elapsed_s: float
) -> None:
    """Put a fault into its sensor's column."""
    begin = round(fault.at_s / elapsed_s)
    end = min(len(values), begin + int(min(fault.for_s / elapsed_s, len(values))))
    here = values[begin:end, fault.index]
    match fault.kind:
        case SensorFaultKind.OFFSET:
            here += fault.size
        case SensorFaultKind.DRIFT:
            hours = np.arange(len(here), dtype=np.float32) * np.float32(elapsed_s / 3600)
            here += np.float32(fault.size) * hours
        case SensorFaultKind.GAIN:
            here *= 1 + fault.size
        case SensorFaultKind.NOISE:
            here += rng.normal(0, fault.size, len(here)).astype(np.float32)
        case SensorFaultKind.FROZEN:
            here[:] = here[:1]
        case SensorFaultKind.LOST:
            good[begin:end, fault.index] = False
