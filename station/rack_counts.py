"""What racks have moved between one look at their cells and the next: charge, energy, time.

A rack tells its current each second, its cells perhaps every five. What the estimators take for
one step is therefore reckoned up here, second by second, and handed out with the cells.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_CLOCK_TOLERANCE_S = 5.0
"""A device's clock that runs further from ours between two samples has been set."""


class Since:
    """How much time has passed between the samples of each rack that were used.

    Told by the devices' own clocks, or by ours where a device's clock has been set.
    """

    def __init__(self, racks: int) -> None:
        """Start with none used."""
        self._time_ms = np.zeros(racks, np.int64)
        self._arrived_ms = np.zeros(racks, np.int64)

    def use(self, heard: Flags, time_ms: Ints, arrived_ms: Ints) -> tuple[Flags, Floats]:
        """Take samples for used; return which are new, and the seconds since those before.

        Args:
            heard: racks that have a sample to be believed.
            time_ms: device times of the samples.
            arrived_ms: when they came, on the steady clock.
        """
        new = heard & (time_ms > self._time_ms)
        by_device_s = (time_ms - self._time_ms) / 1000
        by_us_s = (arrived_ms - self._arrived_ms) / 1000
        was_set = np.abs(by_device_s - by_us_s) > _CLOCK_TOLERANCE_S
        passed = np.where(was_set, by_us_s, by_device_s)
        elapsed_s = np.where(new & (self._time_ms > 0), passed, 0.0)
        self._time_ms = np.where(new, time_ms, self._time_ms)
        self._arrived_ms = np.where(new, arrived_ms, self._arrived_ms)
        return new, elapsed_s


@dataclass(frozen=True)
class Counts:
    """Sums since the last look, shape (racks,) each.

    Attributes:
        elapsed_s: seconds.
        moved_as: ampere seconds, and `seen_s` seconds in which the current was seen.
        energy_kws: kilowatt seconds at the meter, and `powered_s` seconds in which they were known.
        good: a current was seen at all.
    """

    elapsed_s: Floats
    moved_as: Floats
    seen_s: Floats
    energy_kws: Floats
    powered_s: Floats
    good: Flags

    @classmethod
    def none(cls, racks: int) -> "Counts":
        """Return sums of nothing."""
        zero = np.zeros(racks)
        return cls(zero, zero, zero, zero, zero, np.zeros(racks, np.bool_))

    def plus(self, other: "Counts", of: Flags) -> "Counts":
        """Return the sums of both for some racks, of the first for the others."""
        return Counts(
            elapsed_s=np.where(of, self.elapsed_s + other.elapsed_s, self.elapsed_s),
            moved_as=np.where(of, self.moved_as + other.moved_as, self.moved_as),
            seen_s=np.where(of, self.seen_s + other.seen_s, self.seen_s),
            energy_kws=np.where(of, self.energy_kws + other.energy_kws, self.energy_kws),
            powered_s=np.where(of, self.powered_s + other.powered_s, self.powered_s),
            good=np.where(of, self.good | other.good, self.good),
        )

    def without(self, of: Flags) -> "Counts":
        """Return the sums begun anew for some racks."""
        return Counts.none(len(of)).plus(self, ~of)

    def mean_a(self, now_a: Floats) -> Floats:
        """Return the mean current; that of the moment where no time has passed."""
        return np.where(self.seen_s > 0, self.moved_as / np.maximum(self.seen_s, 1e-9), now_a)

    def mean_kw(self, now_kw: Floats) -> Floats:
        """Return the mean power; that of the moment where no time has passed."""
        known = self.powered_s > 0
        return np.where(known, self.energy_kws / np.maximum(self.powered_s, 1e-9), now_kw)


def counts_of(elapsed_s: Floats, new: Flags, current_a: Floats, power_kw: Floats) -> Counts:
    """Return the counts of one second; NaN is not known.

    Args:
        elapsed_s: since the sample before; 0 where there is no new one.
        new: which racks have a new one.
        current_a: what it tells.
        power_kw: the rack's share of the power at the meter.
    """
    good, powered = new & np.isfinite(current_a), new & np.isfinite(power_kw)
    return Counts(
        elapsed_s=elapsed_s,
        moved_as=np.where(good, current_a, 0) * elapsed_s,
        seen_s=np.where(good, elapsed_s, 0.0),
        energy_kws=np.where(powered, power_kw, 0) * elapsed_s,
        powered_s=np.where(powered, elapsed_s, 0.0),
        good=good,
    )
