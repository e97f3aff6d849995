"""Signals with a memory: noise that wanders, and what follows a cause with delay."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def wander(rng: np.random.Generator, n: int, tau_s: float, sigma: float) -> Values:
    """Noise of standard deviation `sigma` that forgets itself within `tau_s` (AR(1))."""
    keep = np.exp(-1 / tau_s)
    return _remember(rng.normal(0, sigma * np.sqrt(1 - keep**2), n), keep)


def settle(target: Values, tau_s: float) -> Values:
    """What follows `target` with the time constant `tau_s`, from 0 (first-order lag)."""
    return _remember(target / tau_s, 1 - 1 / tau_s)


def _remember(pushed: Values, keep: float) -> Values:
    """y[i] = keep * y[i - 1] + pushed[i], as one convolution by Fourier transform."""
    n = len(pushed)
    size = 1 << (2 * n - 1).bit_length()
    answer = keep ** np.arange(n)
    spectrum = np.fft.rfft(pushed, size) * np.fft.rfft(answer, size)
    found: Values = np.fft.irfft(spectrum, size)[:n]
    return found
