"""From a command's value to registers, refused when it lies outside what the profile allows."""

import numpy as np

from station.protocols.errors import ProtocolError
from station.protocols.modbus.place import MAX_POWER_OF_TEN, RegisterType, Space
from station.protocols.modbus.write import Write

_STEP_SLACK = 1e-9
"""Share of a step by which arithmetic may miss a bound of the range."""


class OutOfRange(ProtocolError):  # noqa: N818 - reads as a fact: out of range
    """A command's value is not allowed or cannot be expressed in the register."""


def registers_for(write: Write, value: float, power_of_ten: float = 0.0) -> list[int]:
    """Return the registers (or the coil's bit) of a command, in the order of their addresses.

    They begin at the write's address, less what it has `before` it.

    Args:
        write: the command point.
        value: in the signal's unit; ignored by verbs, whose value the profile fixes.
        power_of_ten: what the device's scale-factor register says.

    Raises:
        OutOfRange: the value is outside the allowed range, the register cannot hold it, or the
            device's power of ten is none.
    """
    if write.value is not None:
        return [*write.before, *_words(write, float(write.value))]
    granted = allowed(write, value)
    if not abs(power_of_ten) <= MAX_POWER_OF_TEN:  # true for not-a-number, too
        raise OutOfRange(_no_power(write, power_of_ten))
    register_value = (granted - write.offset) / (write.scale * 10.0**power_of_ten)
    return [*write.before, *_words(write, register_value)]


def allowed(write: Write, value: float) -> float:
    """Return the value that is written for a command's value: inside the range, on a step.

    Raises:
        OutOfRange: the value is no number or outside the allowed range.
    """
    if not np.isfinite(value):
        raise OutOfRange(f"{value} is no number")
    low = -np.inf if write.low is None else write.low
    high = np.inf if write.high is None else write.high
    if not low <= value <= high:
        raise OutOfRange(f"{value:g} is outside the allowed range {low:g}..{high:g}")
    return value if write.step is None else _stepped(value, write.step, low, high)


def _stepped(value: float, step: float, low: float, high: float) -> float:
    """Return the nearest multiple of the step that lies inside the range.

    Raises:
        OutOfRange: no multiple does.
    """
    count = np.rint(value / step)
    count = min(count, np.floor(high / step + _STEP_SLACK))
    count = max(count, np.ceil(low / step - _STEP_SLACK))
    if not low - step * _STEP_SLACK <= count * step <= high + step * _STEP_SLACK:
        raise OutOfRange(f"no multiple of the step {step:g} lies in {low:g}..{high:g}")
    return float(count * step)


def _no_power(write: Write, power_of_ten: float) -> str:
    place = write.scale_factor
    where = "" if place is None else f" at {place.space or Space.HOLDING} {place.address}"
    most = MAX_POWER_OF_TEN
    return (
        f"the scale factor{where} is {power_of_ten:g}, not -{most}..{most}: the value cannot be "
        "expressed; see whether the device offers this point"
    )


def _words(write: Write, register_value: float) -> list[int]:
    if write.type is RegisterType.BIT:
        return [int(register_value != 0.0)]
    dtype = np.dtype(write.type.dtype)
    if dtype.kind != "f":
        register_value = float(np.rint(register_value))
        bounds = np.iinfo(dtype)
        if not float(bounds.min) <= register_value <= float(bounds.max):
            raise OutOfRange(f"a {write.type} register cannot hold {register_value:g}")
    words = np.array([register_value]).astype(dtype).view(">u2")
    ordered = words if write.word_order == "hi-lo" else words[::-1]
    if write.byte_order == "lo-hi":
        ordered = ordered.byteswap()
    return [int(word) for word in ordered]
