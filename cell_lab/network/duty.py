"""What made cells are driven by: pieces of measured drives, cycling, steady current, rest."""

from collections.abc import Sequence

import numpy as np

from cell_lab.recordings import Series

_SHORTEST_S, _LONGEST_S = 300, 2400
_LOW, _HIGH = 0.01, 1.0
_SHARES = (0.12, 0.22, 0.16, 0.5)
_HALF_PERIOD_S = (120.0, 1800.0)


def duty_c_rate(
    pool: Sequence[Series], start_soc: float, seconds: int, rng: np.random.Generator
) -> Series:
    """Return current in multiples of the capacity per hour, discharge positive, each second.

    Args:
        pool: pieces of measured drives, in the same unit.
        start_soc: a share of 1; the pieces are turned round where SOC would leave its range.
        seconds: how many.
        rng: chooses.
    """
    parts, soc, left = [], start_soc, seconds
    while left > 0:
        piece = _piece(pool, min(left, int(rng.integers(_SHORTEST_S, _LONGEST_S))), rng)
        for tried in (piece, -piece, 0 * piece):
            after = soc - np.cumsum(tried) / 3600
            if after.min() > _LOW and after.max() < _HIGH:
                break
        parts.append(tried)
        soc = float(after[-1])
        left -= len(piece)
    return np.concatenate(parts)[:seconds]


def _piece(pool: Sequence[Series], seconds: int, rng: np.random.Generator) -> Series:
    kind = rng.choice(["rest", "steady", "cycling", "drive"], p=_SHARES)
    if kind == "rest":
        return np.zeros(seconds)
    rate = float(rng.uniform(0.1, 1.0) * rng.choice([-1, 1]))
    if kind == "steady":
        return np.full(seconds, rate)
    if kind == "cycling":
        half_s = rng.uniform(*_HALF_PERIOD_S)
        sign: Series = np.where((np.arange(seconds) // half_s) % 2, -1.0, 1.0)
        return rate * sign
    source = pool[int(rng.integers(len(pool)))]
    at = int(rng.integers(max(len(source) - seconds, 1)))
    return source[at : at + seconds] * float(rng.uniform(0.3, 1.1) * rng.choice([-1, 1, 1]))
