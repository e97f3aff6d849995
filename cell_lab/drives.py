"""What drives the overpotentials and the hysteresis of a cell over a recording."""

import numpy as np

from cell_lab.recordings import Recording, Series


def kinetic(current_a: Series, scale_a: float) -> Series:
    """Return the kinetic current: that of the linearised inverse of the Butler-Volmer law."""
    driven: Series = np.arcsinh(current_a / scale_a) * scale_a
    return driven


def lag(drive: Series, elapsed_s: Series, lag_s: float) -> Series:
    """Return a first-order lag of a series that starts at rest."""
    if lag_s == 0:
        return drive
    keep = np.exp(-elapsed_s / lag_s)
    out = np.empty_like(drive)
    value = 0.0
    for number, (share, now) in enumerate(zip(keep.tolist(), drive.tolist(), strict=True)):
        value = share * value + (1 - share) * now
        out[number] = value
    return out


def hysteresis(recording: Recording, rate: float) -> Series:
    """Return the hysteresis state, -1..1, of a recording that starts between its branches."""
    moved = np.abs(recording.current_a) * recording.elapsed_s / 3600 / recording.capacity_ah
    keep = np.exp(-rate * moved)
    out = np.empty_like(keep)
    value = 0.0
    signs = np.sign(recording.current_a)
    for number, (share, sign) in enumerate(zip(keep.tolist(), signs.tolist(), strict=True)):
        value = share * value + (1 - share) * sign
        out[number] = value
    return out
