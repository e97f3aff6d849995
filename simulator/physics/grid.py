"""The grid at the connection point: frequency and voltage wander a little around nominal."""

import math

import numpy as np

NOMINAL_HZ = 50.0
_SIGMA_HZ = 0.015
"""Standard deviation of the frequency of a large synchronous area."""
_RECALL_S = 90.0
_VOLTAGE_SIGMA = 0.004
_VOLTAGE_RECALL_S = 600.0
NOMINAL_VOLTAGE_V = 35_000.0
"""Line to line, at the meter: the usual collector voltage of Chinese stations (GB/T 36547)."""
_UNBALANCE = (1.0005, 0.9995, 1.0)


class Grid:
    """Ornstein-Uhlenbeck walks of frequency and voltage."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._frequency_deviation_hz = 0.0
        self._voltage_deviation = 0.0
        self.frequency_offset_hz = 0.0

    def advance(self, dt_s: float) -> None:
        """Advance both walks one step."""
        kick = self._rng.standard_normal(2)
        self._frequency_deviation_hz = _walk(
            self._frequency_deviation_hz, _SIGMA_HZ, _RECALL_S, dt_s, float(kick[0])
        )
        self._voltage_deviation = _walk(
            self._voltage_deviation, _VOLTAGE_SIGMA, _VOLTAGE_RECALL_S, dt_s, float(kick[1])
        )

    @property
    def frequency_hz(self) -> float:
        """Grid frequency, with a scenario's disturbance."""
        return NOMINAL_HZ + self._frequency_deviation_hz + self.frequency_offset_hz

    @property
    def voltage_pu(self) -> float:
        """Voltage per unit of nominal."""
        return 1.0 + self._voltage_deviation

    def line_voltages(self, nominal_v: float) -> tuple[float, float, float]:
        """Line-to-line voltages AB, BC, CA in volts at a point of the given nominal voltage."""
        a, b, c = (nominal_v * self.voltage_pu * part for part in _UNBALANCE)
        return a, b, c


def _walk(value: float, sigma: float, recall_s: float, dt_s: float, kick: float) -> float:
    keep = math.exp(-dt_s / recall_s)
    return value * keep + sigma * math.sqrt(1 - keep * keep) * kick
