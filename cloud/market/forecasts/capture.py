"""What a forecast is worth: the share of perfect foresight that a day's plan made on it earns.

The plan of a day is the best for the forecast, found by dynamic programming over the stored energy;
it is then paid at what the prices were. Both ends of the day are empty.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.market.battery import Battery
from cloud.market.forecasts.history import Floats

YARDSTICK: Final = Battery(
    charge_mw=1.0,
    discharge_mw=1.0,
    energy_mwh=2.0,
    charge_efficiency=0.86**0.5,
    discharge_efficiency=0.86**0.5,
    wear_per_mwh=8.0,
)
"""1 MW and 2 MWh with a round trip of 86 % and wear of 8 per MWh: what forecasts are tried with."""

_LEVELS: Final = 65  # of stored energy
_SHARES: Final = np.linspace(-1.0, 1.0, 9)  # of full power that a plan may use
_FINE: Final = np.linspace(-1.0, 1.0, 17)


@dataclass(frozen=True)
class _Steps:
    """A battery's moves: which energy an interval at a share of power ends with."""

    battery: Battery
    hours: float

    def moved(self, energy: Floats, share: float) -> tuple[Floats, Floats]:
        """Return power at the grid and energy after an interval, from energies of any shape."""
        own = self.battery
        if share > 0:
            most = energy * own.discharge_efficiency / self.hours
            power = np.minimum(share * own.discharge_mw, most)
            return power, energy - power * self.hours / own.discharge_efficiency
        room = (own.usable_mwh - energy) / (own.charge_efficiency * self.hours)
        power = -np.minimum(-share * own.charge_mw, room)
        return power, energy - power * self.hours * own.charge_efficiency

    def earned(self, price: Floats, power: Floats) -> Floats:
        """Return what an interval earns, wear paid."""
        wear = self.battery.wear_per_mwh * np.maximum(power, 0.0)
        return np.asarray((price * power - wear) * self.hours)


def earnings(forecast: Floats, price: Floats, battery: Battery = YARDSTICK) -> Floats:
    """Return what each day's plan on a forecast earns at the prices.

    Args:
        forecast: what the plans are made on, shape (days, points).
        price: what they are paid at, shape (days, points), per MWh.
        battery: begins and ends every day empty.

    Returns:
        Money a day, shape (days,).
    """
    days, points = forecast.shape
    steps = _Steps(battery, 24.0 / points)
    grid = np.linspace(0.0, battery.usable_mwh, _LEVELS)
    worth = np.zeros((points + 1, days, _LEVELS))
    for point in range(points - 1, -1, -1):
        best = np.full((days, _LEVELS), -np.inf)
        for share in _SHARES:
            power, after = steps.moved(grid, float(share))
            low, part = _place(after, battery.usable_mwh)
            kept = worth[point + 1][:, low] * (1 - part) + worth[point + 1][:, low + 1] * part
            best = np.maximum(best, steps.earned(forecast[:, point, None], power) + kept)
        worth[point] = best
    return _followed(worth[1:], forecast, price, steps)


def _followed(worth: Floats, forecast: Floats, price: Floats, steps: _Steps) -> Floats:
    """Return what the days earn that do the best by the worth of energy after each interval."""
    days, points = forecast.shape
    energy, earned, rows = np.zeros(days), np.zeros(days), np.arange(days)
    for point in range(points):
        powers, afters, values = [], [], []
        for share in _FINE:
            power, after = steps.moved(energy, float(share))
            low, part = _place(after, steps.battery.usable_mwh)
            ahead = worth[point]
            kept = ahead[rows, low] * (1 - part) + ahead[rows, low + 1] * part
            idle_first = 1e-9 * np.abs(power)
            values.append(steps.earned(forecast[:, point], power) + kept - idle_first)
            powers.append(power)
            afters.append(after)
        pick = np.stack(values).argmax(axis=0)
        energy = np.stack(afters)[pick, rows]
        earned += steps.earned(price[:, point], np.stack(powers)[pick, rows])
    return earned


def _place(energy: Floats, top: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the level below an energy and how far it is above it, 0..1."""
    at = np.clip(energy / top, 0.0, 1.0) * (_LEVELS - 1)
    low = np.minimum(at.astype(np.int64), _LEVELS - 2)
    return low, at - low
