"""From physical values with the station's quality to what an information object carries.

Of the quality descriptor (IEC 60870-5-101, clause 7.2.6.3) the station uses IV for what is not
known, NT for what is old or not to be trusted whole, and OV for what the type cannot hold.
"""

import math
from enum import IntFlag

from contract.frame import Quality
from station.iec104.types import Form

_RANGES = {
    Form.SINGLE: (0.0, 1.0),
    Form.DOUBLE: (0.0, 1.0),
    # NVA is a signed fixed-point number of 16 bits below 1 (clause 7.2.6.6), SVA one of whole
    # numbers (7.2.6.7), R32 a short float (7.2.6.8).
    Form.NORMALIZED: (-1.0, 1.0 - 2**-15),
    Form.SCALED: (-32768.0, 32767.0),
    Form.SHORT: (-3.4028234663852886e38, 3.4028234663852886e38),
}


class Flags(IntFlag):
    """Bits of the quality descriptor as they are transmitted."""

    GOOD = 0x00
    OVERFLOW = 0x01
    NOT_TOPICAL = 0x40
    INVALID = 0x80


def to_wire(
    value: float, form: Form, scale: float, quality: Quality, *, stale: bool
) -> tuple[float, Flags]:
    """Return what is transmitted for a value, and its quality descriptor.

    Args:
        value: in the unit of its signal; NaN where it is not known.
        form: of the point's type.
        scale: physical = transmitted * scale.
        quality: of the value where it comes from.
        stale: it is older than its limit, or its device is not heard.
    """
    if not math.isfinite(value) or quality >= Quality.INVALID:
        return 0.0, Flags.INVALID
    flags = Flags.NOT_TOPICAL if stale or quality is Quality.QUESTIONABLE else Flags.GOOD
    low, high = _RANGES[form]
    carried = value / scale
    if form in {Form.SINGLE, Form.DOUBLE}:
        return float(carried != 0), flags
    if form is Form.SCALED:
        carried = float(round(carried))
    if not low <= carried <= high:
        return min(max(carried, low), high), flags | Flags.OVERFLOW
    return carried, flags
