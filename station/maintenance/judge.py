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
        compared_mv, square_mv, reference_square_mv: the same of the innovations in mV.
        excess, excess_mv: CUSUM of the ratios, and of the mV.
        tick_s: computing time, smoothed over some ten seconds.
        memory_mb: as last told.
        slow_s: seconds in a row beyond the bounds of computing.
    """

    seconds: int = 0
    compared: int = 0
    square: float = 0.0
    reference_square: float = 0.0
    compared_mv: int = 0
    square_mv: float = 0.0
    reference_square_mv: float = 0.0
    excess: float = 0.0
    excess_mv: float = 0.0
    tick_s: float = 0.0
    memory_mb: float = 0.0
    slow_s: int = 0

    @property
    def ratios(self) -> tuple[float, float]:
        """Root mean square ratios of candidate and reference; NaN before there are any."""
        return _root(self.square, self.compared), _root(self.reference_square, self.compared)

    @property
    def mv(self) -> tuple[float, float]:
        """Root mean square innovations in mV of candidate and reference, likewise."""
        count = self.compared_mv
        return _root(self.square_mv, count), _root(self.reference_square_mv, count)


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
    if seconds <= settle_s:
        return trial
    return _in_mv(_in_ratios(trial, second, bounds), second, bounds)


def fault(trial: Trial, bounds: Bounds) -> Fault | None:
    """Return why the candidate cannot stay, None while nothing speaks against it."""
    if trial.slow_s >= bounds.slow_s:
        return Fault("model_too_slow", _too_much_words(trial, bounds))
    if max(trial.excess, trial.excess_mv) >= bounds.patience:
        return Fault("model_worse", figures(trial))
    return None


def final_fault(trial: Trial, bounds: Bounds) -> Fault | None:
    """Return why a candidate is turned down at the end of its trial, None when it has passed."""
    found = fault(trial, bounds)
    if found is not None:
        return found
    passed = [
        value <= max(reference, plain) * (1 + bounds.worse_by)
        for (value, reference), plain in ((trial.ratios, _PLAIN_RATIO), (trial.mv, _PLAIN_MV))
        if math.isfinite(value)
    ]
    return None if all(passed) else Fault("model_worse", figures(trial))


def figures(trial: Trial) -> Words:
    """Return the innovations of candidate and reference in words; empty before there are any."""
    ratio, in_mv = (
        f"{value:.2f} / {reference:.2f}" for value, reference in (trial.ratios, trial.mv)
    )
    parts_en, parts_zh = [], []
    if trial.compared_mv:
        parts_en.append(f"voltage innovation {in_mv} mV")
        parts_zh.append(f"电压新息 {in_mv} mV")
    if trial.compared:
        parts_en.append(f"innovation ratio {ratio}")
        parts_zh.append(f"新息比 {ratio}")
    if not parts_en:
        return Words("", "")
    return Words(
        f"{', '.join(parts_en)} (model / reference)", f"{'，'.join(parts_zh)}（模型/参照）"
    )


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


def _in_ratios(trial: Trial, second: Second, bounds: Bounds) -> Trial:
    if not (_is_told(second.ratio) and _is_told(second.reference_ratio)):
        return trial
    beyond = _excess(second.ratio, second.reference_ratio, _PLAIN_RATIO, bounds)
    return replace(
        trial,
        compared=trial.compared + 1,
        square=trial.square + second.ratio**2,
        reference_square=trial.reference_square + second.reference_ratio**2,
        excess=max(0.0, trial.excess + beyond),
    )


def _in_mv(trial: Trial, second: Second, bounds: Bounds) -> Trial:
    if not (_is_told(second.mv) and _is_told(second.reference_mv)):
        return trial
    beyond = _excess(second.mv, second.reference_mv, _PLAIN_MV, bounds)
    return replace(
        trial,
        compared_mv=trial.compared_mv + 1,
        square_mv=trial.square_mv + second.mv**2,
        reference_square_mv=trial.reference_square_mv + second.reference_mv**2,
        excess_mv=max(0.0, trial.excess_mv + beyond),
    )


def _excess(value: float, reference: float, plain: float, bounds: Bounds) -> float:
    """Return the logarithm by which a value is beyond the reference and its margin."""
    against = max(value, plain) / max(reference, plain)
    beyond = math.log(against) - math.log1p(bounds.worse_by)
    return max(-_MOST_A_SECOND, min(_MOST_A_SECOND, beyond))


def _is_told(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _root(square: float, count: int) -> float:
    return math.sqrt(square / count) if count else math.nan


def _too_much_words(trial: Trial, bounds: Bounds) -> Words:
    tick = f"{trial.tick_s * 1000:.0f} / {bounds.tick_most_s * 1000:.0f} ms"
    memory = f"{trial.memory_mb:.0f} / {bounds.memory_most_mb:.0f} MB"
    return Words(
        f"computing {tick} a second, memory {memory} (taken / allowed)",
        f"每秒计算 {tick}，内存 {memory}（占用/允许）",
    )
