"""What goes wrong between a cell and its estimate, put into a recording on purpose."""

from dataclasses import dataclass, fields, replace

import numpy as np

from cell_lab.errors import DisturbanceError
from cell_lab.recordings import Recording, Series

_ANY = 1e6
_RANGES = {
    "soc": (-1.0, 1.0),
    "voltage_step": (0.0, 1.0),
    "gaps": (0.0, 1.0),
    "frozen": (0.0, _ANY),
    "start": (0.0, 1.0),
}
_GAP_S = 60.0
_SEED = 20260101
"""Gaps lie at the same places in every run."""


@dataclass(frozen=True)
class Disturbance:
    """Errors of sensors and of what is told; all 0 is the recording as it is.

    Attributes:
        soc: error of the SOC that the estimator is told at the start, a share of 1.
        current_offset: of the current sensor, in multiples of the capacity per hour; positive
            reads too much charging.
        current_gain: of the current sensor: 0.005 reads 0.5 % too much.
        voltage_offset, voltage_step: offset and resolution of the voltage sensor in V.
        temperature_offset: of the temperature sensor in K.
        gaps: share of the samples that are lost, a minute at a time.
        frozen: for so many seconds in the middle the voltage does not change.
        start: the recording begins when SOC has first fallen to this share; 0: at its start.
    """

    name: str
    soc: float = 0.0
    current_offset: float = 0.0
    current_gain: float = 0.0
    voltage_offset: float = 0.0
    voltage_step: float = 0.0
    temperature_offset: float = 0.0
    gaps: float = 0.0
    frozen: float = 0.0
    start: float = 0.0


DEFAULT = (
    Disturbance("none"),
    Disturbance("soc", soc=-0.2),
    Disturbance("current offset", soc=-0.2, current_offset=0.005),
    Disturbance("current gain", soc=-0.2, current_gain=0.005),
    Disturbance("voltage offset", soc=-0.2, voltage_offset=0.003),
    Disturbance("voltage step", soc=-0.2, voltage_step=0.005),
    Disturbance("temperature offset", soc=-0.2, temperature_offset=3.0),
    Disturbance("gaps", soc=-0.2, gaps=0.05),
    Disturbance("frozen", soc=-0.2, frozen=600.0),
    Disturbance("cold start", soc=-0.2, start=0.65),
    Disturbance("cold start, current offset", soc=-0.2, start=0.65, current_offset=0.005),
)
"""Of the size that data sheets of rack sensors and experience of stations allow."""


def parse_disturbances(text: str) -> tuple[Disturbance, ...]:
    """Return what `--disturb` asks for.

    Args:
        text: `default`; a name of the default set; or `key=value` pairs with commas between.

    Raises:
        DisturbanceError: a name or key is unknown, or a value is no number.
    """
    if text == "default":
        return DEFAULT
    named = {disturbance.name: disturbance for disturbance in DEFAULT}
    if text in named:
        return (named[text],)
    keys = [field.name for field in fields(Disturbance) if field.name != "name"]
    sizes: dict[str, float] = {}
    for pair in text.split(","):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or key not in keys:
            raise DisturbanceError(
                f"--disturb {text!r}: {pair.strip()!r} is neither default, one of "
                f"{', '.join(map(repr, named))}, nor KEY=NUMBER with a key of {', '.join(keys)}"
            )
        try:
            sizes[key] = float(value)
        except ValueError as error:
            raise DisturbanceError(
                f"--disturb {text!r}: {value!r} is no number for {key}"
            ) from error
    for key, size in sizes.items():
        least, most = _RANGES.get(key, (-_ANY, _ANY))
        if not least <= size <= most:  # false for not-a-number, too
            raise DisturbanceError(
                f"--disturb {text!r}: {key} must be between {least:g} and {most:g}"
            )
    return (Disturbance(text, **sizes),)


@dataclass(frozen=True)
class Disturbed:
    """A recording as sensors with these errors tell it.

    Attributes:
        recording: with the errors in it; its SOC is the true one.
        told_soc: what the estimator is told at the start.
        lost: samples that never arrive.
    """

    recording: Recording
    told_soc: float
    lost: Series


def disturb(recording: Recording, disturbance: Disturbance) -> Disturbed:
    """Put the errors into a recording."""
    first = 0
    if disturbance.start and (recording.soc <= disturbance.start).any():
        first = int(np.argmax(recording.soc <= disturbance.start))
    cut = slice(first, None)
    current_a = recording.current_a[cut] * (1 + disturbance.current_gain)
    current_a = current_a - disturbance.current_offset * recording.capacity_ah
    voltage_v = recording.voltage_v[cut] + disturbance.voltage_offset
    if disturbance.voltage_step:
        voltage_v = np.round(voltage_v / disturbance.voltage_step) * disturbance.voltage_step
    time_s = recording.time_s[cut]
    if disturbance.frozen:
        middle_s = (time_s[0] + time_s[-1]) / 2
        still = (time_s >= middle_s) & (time_s < middle_s + disturbance.frozen)
        if still.any():
            voltage_v = np.where(still, voltage_v[int(np.argmax(still))], voltage_v)
    minutes = ((time_s - time_s[0]) / _GAP_S).astype(int)
    chance = np.random.default_rng(_SEED).random(minutes[-1] + 1)
    lost = chance[minutes] < disturbance.gaps
    soc = recording.soc[cut]
    return Disturbed(
        replace(
            recording,
            time_s=time_s,
            elapsed_s=recording.elapsed_s[cut],
            voltage_v=voltage_v,
            current_a=current_a,
            temperature_c=recording.temperature_c[cut] + disturbance.temperature_offset,
            soc=soc,
        ),
        told_soc=float(np.clip(soc[0] + disturbance.soc, 0, 1)),
        lost=lost,
    )
