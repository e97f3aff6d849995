"""A battery and made prices: two peaks a day, a residual that stays for a while, rare spikes."""

import numpy as np

from cloud.market.battery import Battery

BATTERY = Battery(1.0, 1.0, 2.0, 0.927, 0.927, 8.0)
STEPS_A_DAY = 24


def made_prices(days: int, seed: int = 1, steps_a_day: int = STEPS_A_DAY):
    """Return real-time and day-ahead prices, shape (steps,) each."""
    rng = np.random.default_rng(seed)
    hour = np.arange(days * steps_a_day) % steps_a_day * 24 / steps_a_day
    level = np.repeat(rng.uniform(0.7, 1.5, days), steps_a_day)
    base = level * (30 + 15 * np.cos((hour - 8) * np.pi / 6) + 20 * (np.abs(hour - 19) < 2))
    noise, spike = np.zeros(len(base)), np.zeros(len(base))
    for t in range(1, len(base)):
        noise[t] = 0.8 * noise[t - 1] + rng.normal(0, 5)
        started = rng.random() < 0.004
        spike[t] = rng.uniform(100, 400) if started else spike[t - 1] * (rng.random() < 0.6)
    return base + noise + spike, base


def made_minutes(steps: int, steps_a_day: int = STEPS_A_DAY):
    return np.arange(steps, dtype=np.int64) % steps_a_day * (1440 // steps_a_day)
