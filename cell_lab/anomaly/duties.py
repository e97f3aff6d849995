"""What racks are asked for: recordings of real cells, and days of a station made up at random."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cell_lab.recordings import Recording
from station.estimators.cell_model import CellModel

Series = npt.NDArray[np.float32]
Wave = npt.NDArray[np.floating]

_HOUR_S = 3600
_FEWEST_S = 5400
_SOC_BAND = (0.1, 0.93)
_SOC_FARTHEST = (0.05, 0.96)
_DEPTHS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
_HOW_OFTEN = (0.3, 0.2, 0.2, 0.15, 0.1, 0.05)
"""Of the regulation signal upon a plateau, in multiples of the capacity per hour."""


@dataclass(frozen=True)
class Duty:
    """What the middle cell of a rack goes through, once a second; discharge is positive.

    Attributes:
        name: of the recording, or of the made-up day.
        current: in multiples of the capacity per hour.
        soc: a share of 1.
        voltage_v: measured, or None for a duty without a real cell.
        temperature_c: measured of the cell, or the coolant's where there is no real cell.
    """

    name: str
    current: Series
    soc: Series
    voltage_v: Series | None
    temperature_c: Series

    @property
    def hours(self) -> float:
        """How long it lasts."""
        return len(self.current) / _HOUR_S


def duty_of(recording: Recording) -> Duty | None:
    """Return a recording as a duty; None if it is slow, short, or not sampled each second."""
    if recording.slow or len(recording.time_s) < _FEWEST_S:
        return None
    if np.median(np.diff(recording.time_s)) > 1.5:  # noqa: PLR2004 - once a second, some lost
        return None
    second = np.arange(recording.time_s[0], recording.time_s[-1], 1.0)

    def each_second(values: npt.NDArray[np.float64]) -> Series:
        return np.interp(second, recording.time_s, values).astype(np.float32)

    return Duty(
        name=f"{recording.cell} {recording.name}",
        current=each_second(recording.current_a / recording.capacity_ah),
        soc=each_second(recording.soc),
        voltage_v=each_second(recording.voltage_v),
        temperature_c=each_second(recording.temperature_c),
    )


def made_up(hours: float, seed: int, regulation: Series) -> Duty:
    """Return days of a station: plateaus of a schedule, a regulation signal upon them, rests.

    Args:
        hours: how long.
        seed: of all that is random.
        regulation: -1..1 every 4 s, as long as one likes; it begins at a random place.
    """
    rng = np.random.default_rng(seed)
    seconds = int(hours * _HOUR_S)
    current = np.zeros(seconds, np.float32)
    at, soc = 0, float(rng.uniform(0.3, 0.7))
    start_soc = soc
    while at < seconds:
        length = min(int(rng.uniform(0.25, 2.5) * _HOUR_S), seconds - at)
        level = 0.0 if rng.random() < 0.25 else float(rng.uniform(-0.5, 0.5))  # noqa: PLR2004
        room = soc - _SOC_BAND[0] if level > 0 else _SOC_BAND[1] - soc
        moved = abs(level) * length / _HOUR_S
        if moved > room:
            level *= max(room, 0.0) / max(moved, 1e-9)
        depth = float(rng.choice(_DEPTHS, p=_HOW_OFTEN))
        first = int(rng.integers(0, len(regulation) - 1))
        places = (first + np.arange(length) // 4) % len(regulation)
        swing = depth * (regulation[places] - regulation[places].mean())
        wave = _kept_inside(swing, level, soc)
        if abs(level) + depth > 0.02 or rng.random() < 0.5:  # noqa: PLR2004
            wave = wave + 0.002 * rng.standard_normal(length)
        current[at : at + length] = level + wave
        soc -= level * length / _HOUR_S
        at += length
    counted = start_soc - np.cumsum(current, dtype=np.float64) / _HOUR_S
    day = 2 * np.pi * (np.arange(seconds) / _HOUR_S + rng.uniform(0, 24)) / 24
    coolant_c = rng.uniform(10, 36) + rng.uniform(0.5, 3) * np.sin(day)
    return Duty(
        name=f"made up {seed}",
        current=current,
        soc=np.clip(counted, 0, 1).astype(np.float32),
        voltage_v=None,
        temperature_c=coolant_c.astype(np.float32),
    )


def _kept_inside(wave: Wave, level: float, soc: float) -> Wave:
    """Return a wave so small that SOC stays in its band: a station does not overcharge cells."""
    for _ in range(12):
        soc_then = soc - np.cumsum(level + wave, dtype=np.float64) / _HOUR_S
        if soc_then.min() >= _SOC_FARTHEST[0] and soc_then.max() <= _SOC_FARTHEST[1]:
            return wave
        wave = wave / 2
    return 0 * wave


def fitting(duties: Sequence[Duty | None], hours: float) -> list[Duty]:
    """Return those that last so long."""
    return [duty for duty in duties if duty is not None and duty.hours >= hours]


def check_model(model: CellModel, duty: Duty) -> bool:
    """Return whether a duty's voltages are those of the make, give or take a tenth of a volt."""
    if duty.voltage_v is None:
        return True
    values, _ = model.look_up(duty.soc[::600], duty.temperature_c[::600])
    return bool(np.median(np.abs(values[0] - duty.voltage_v[::600])) < 0.1)  # noqa: PLR2004
