"""Whether the cells go on behaving as the model in force expects.

Nothing runs beside a model that has proved itself, so it is compared with its own first day: the
logarithm of its voltage innovation, averaged over ten minutes, against the average of that day. A
one-sided CUSUM (Page 1954, Biometrika 41; the form that learns its mean is Hinkley 1971,
Biometrika 58) adds up what is beyond a tolerance. A bad hour passes; what stays is drift: the
cells have aged, or the model did not fit in the first place.
"""

import math
from dataclasses import dataclass, replace

BLOCK_S = 600
LEARN_BLOCKS = 144
"""One day: full and empty, cold and warm."""
_TOLERANCE = 0.1
"""Innovations 10 % above those of the first day are no drift."""
_LIMIT = 3.0
"""An innovation that stays 25 % above the first day's is told after some four hours."""
_LEAST_MV = 1.0
_LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Drift:
    """What is known of the model in force.

    Attributes:
        seconds, told: of this block; those in which there was an innovation.
        log_sum: of the block's logarithms.
        blocks: learnt from, at most a day's.
        usual: average logarithm of those blocks.
        excess: CUSUM.
        drifts: told, and not yet over.
    """

    seconds: int = 0
    told: int = 0
    log_sum: float = 0.0
    blocks: int = 0
    usual: float = 0.0
    excess: float = 0.0
    drifts: bool = False


def watch(drift: Drift, innovation_mv: float) -> Drift:
    """Return the watch with one more second; NaN where there is no innovation."""
    known = math.isfinite(innovation_mv) and innovation_mv > 0
    drift = replace(
        drift,
        seconds=drift.seconds + 1,
        told=drift.told + known,
        log_sum=drift.log_sum + (math.log(max(innovation_mv, _LEAST_MV)) if known else 0.0),
    )
    return drift if drift.seconds < BLOCK_S else _close_block(drift)


def _close_block(drift: Drift) -> Drift:
    fresh = replace(drift, seconds=0, told=0, log_sum=0.0)
    if drift.told < _LEAST_SHARE * BLOCK_S:
        return fresh
    mean = drift.log_sum / drift.told
    if drift.blocks < LEARN_BLOCKS:
        blocks = drift.blocks + 1
        return replace(fresh, blocks=blocks, usual=drift.usual + (mean - drift.usual) / blocks)
    excess = drift.excess + mean - drift.usual - _TOLERANCE
    excess = min(max(excess, 0.0), 2 * _LIMIT)
    drifts = excess > (_LIMIT / 2 if drift.drifts else _LIMIT)
    return replace(fresh, excess=excess, drifts=drifts)
