"""Whether a model does as well as the one beside it: judged second by second, on the same cells.

Two models run side by side. The measure is the voltage innovation: how far the measured voltage
lies from the one that a model foretells, as a ratio to what the model itself expects, and in mV.
A candidate may be worse than the reference by a stated margin. Beyond it a one-sided CUSUM (Page
1954, Continuous inspection schemes, Biometrika 41) adds up the logarithm of the excess: a model
that is far off is found in seconds, one that is a little off in minutes, a passing disturbance
that meets both not at all. Computing time and memory have bounds of their own.
"""

import math
from dataclasses import dataclass, replace

from contract.words import Words

SETTLE_MOST_S = 120
_PLAIN_RATIO = 0.5
"""Below this ratio to its expectation an innovation is as good as none."""
_PLAIN_MV = 1.0
"""No sensor of cells resolves better: below it, models are equals."""
_MOST_A_SECOND = 1.0
"""What one second may add: no single wild second decides."""
_TICK_WEIGHT = 0.1


@dataclass(frozen=True)
class Second:
    """What the estimators told of one second in which two models ran. NaN: not known.

    Attributes:
        ratio, reference_ratio: root mean square of the cells' innovations against what the
            candidate and the reference expected of them.
        mv, reference_mv: the same innovations in mV.
        tick_s: computing time of the candidate for this second.
        memory_mb: resident memory of the process that runs both.
    """

    ratio: float = math.nan
    reference_ratio: float = math.nan
    mv: float = math.nan
    reference_mv: float = math.nan
    tick_s: float = math.nan
    memory_mb: float = math.nan


@dataclass(frozen=True)
class Bounds:
    """What a candidate may do.

    Attributes:
        worse_by: share by which its innovations may be larger than the reference's.
        patience: CUSUM at which it is worse beyond doubt; seconds of large excess.
        tick_most_s: computing time of one second's estimates.
        memory_most_mb: of the process.
        slow_s: so many seconds in a row beyond those two, and it takes too much.
    """

    worse_by: float = 0.15
    patience: float = 20.0
    tick_most_s: float = 0.25
    memory_most_mb: float = 1024.0
    slow_s: int = 10


@dataclass(frozen=True)
class Trial:
    """What is known of a candidate so far.

    Attributes:
        seconds: in which it ran.
        compared: of them, those in which both models had an innovation.
        square, reference_square: sums of squared ratios over the compared seconds.
        excess, excess_mv: CUSUM of the ratios, and of the mV.
        tick_s: computing time, smoothed over some ten seconds.
        memory_mb: as last told.
        slow_s: seconds in a row beyond the bounds of computing.
    """

    seconds: int = 0
    compared: int = 0
    square: float = 0.0
    reference_square: float = 0.0
    excess: float = 0.0
    excess_mv: float = 0.0
    tick_s: float = 0.0
    memory_mb: float = 0.0
    slow_s: int = 0

    @property
    def ratio(self) -> float:
        """Root mean square ratio of the candidate; NaN before there is one."""
        return math.sqrt(self.square / self.compared) if self.compared else math.nan

    @property
    def reference_ratio(self) -> float:
        """Root mean square ratio of the reference; NaN before there is one."""
        return math.sqrt(self.reference_square / self.compared) if self.compared else math.nan


@dataclass(frozen=True)
class Fault:
    """Why a candidate is turned down: a code of receipts, and words with the figures."""

    reason_code: str
    words: Words


def watch(trial: Trial, second: Second, bounds: Bounds, settle_s: int = 0) -> Trial:
    """Return the trial with one more second.

    Args:
        trial: so far.
        second: what was told of it.
        bounds: of the candidate.
        settle_s: innovations of the first so many seconds do not count: a model that has just
            taken over another one's state still has to find its own.
    """
    seconds = trial.seconds + 1
    trial = _resources(replace(trial, seconds=seconds), second, bounds)
    if seconds <= settle_s or not (_is_told(second.ratio) and _is_told(second.reference_ratio)):
        return trial
    ratio = _excess(second.ratio, second.reference_ratio, _PLAIN_RATIO, bounds)
    in_mv = 0.0
    if _is_told(second.mv) and _is_told(second.reference_mv):
        in_mv = _excess(second.mv, second.reference_mv, _PLAIN_MV, bounds)
    return replace(
        trial,
        compared=trial.compared + 1,
        square=trial.square + second.ratio**2,
        reference_square=trial.reference_square + second.reference_ratio**2,
        excess=max(0.0, trial.excess + ratio),
        excess_mv=max(0.0, trial.excess_mv + in_mv),
    )


def fault(trial: Trial, bounds: Bounds) -> Fault | None:
    """Return why the candidate cannot stay, None while nothing speaks against it."""
    if trial.slow_s >= bounds.slow_s:
        return Fault("model_too_slow", _too_much_words(trial, bounds))
    if trial.excess >= bounds.patience:
        return Fault("model_worse", _worse_words(trial))
    if trial.excess_mv >= bounds.patience:
        words = Words(
            "its voltage innovations in mV are beyond those of the reference model",
            "电压新息（mV）超出参照模型",
        )
        return Fault("model_worse", words)
    return None


def final_fault(trial: Trial, bounds: Bounds) -> Fault | None:
    """Return why a candidate is turned down at the end of its trial, None when it has passed."""
    found = fault(trial, bounds)
    if found is not None or not trial.compared:
        return found
    allowed = max(trial.reference_ratio, _PLAIN_RATIO) * (1 + bounds.worse_by)
    return None if trial.ratio <= allowed else Fault("model_worse", _worse_words(trial))


def is_enough(trial: Trial, wanted_s: int, settle_s: int = 0) -> bool:
    """Whether the trial has lasted long enough, and half of it could be compared."""
    return trial.seconds >= wanted_s and trial.compared >= (wanted_s - settle_s) / 2


def settle_s(shadow_s: int) -> int:
    """How long a model that runs in shadow for so long may take to find its own state."""
    return min(SETTLE_MOST_S, shadow_s // 4)


def _resources(trial: Trial, second: Second, bounds: Bounds) -> Trial:
    tick_s, memory_mb = trial.tick_s, trial.memory_mb
    if math.isfinite(second.tick_s):
        tick_s += _TICK_WEIGHT * (second.tick_s - tick_s)
    if math.isfinite(second.memory_mb):
        memory_mb = second.memory_mb
    over = tick_s > bounds.tick_most_s or memory_mb > bounds.memory_most_mb
    slow_s = trial.slow_s + 1 if over else 0
    return replace(trial, tick_s=tick_s, memory_mb=memory_mb, slow_s=slow_s)


def _excess(value: float, reference: float, plain: float, bounds: Bounds) -> float:
    """Return the logarithm by which a value is beyond the reference and its margin."""
    against = max(value, plain) / max(reference, plain)
    beyond = math.log(against) - math.log1p(bounds.worse_by)
    return max(-_MOST_A_SECOND, min(_MOST_A_SECOND, beyond))


def _is_told(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _worse_words(trial: Trial) -> Words:
    figures = f"{trial.ratio:.2f} / {trial.reference_ratio:.2f}"
    return Words(
        f"voltage innovation ratio {figures} (model / reference)",
        f"电压新息比 {figures}（模型/参照）",
    )


def _too_much_words(trial: Trial, bounds: Bounds) -> Words:
    tick = f"{trial.tick_s * 1000:.0f} / {bounds.tick_most_s * 1000:.0f} ms"
    memory = f"{trial.memory_mb:.0f} / {bounds.memory_most_mb:.0f} MB"
    return Words(
        f"computing {tick} a second, memory {memory} (taken / allowed)",
        f"每秒计算 {tick}，内存 {memory}（占用/允许）",
    )
