"""What a megawatt of regulation asks of a battery: energy each way, mileage, band of SOC.

The grid operator's signal (share of the capacity sold, -1..1, every few seconds) is summed up by
interval; its use is then forecast like any series. Measured on the CAISO signal, a megawatt moves
about 30 MW an hour.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from cloud.market.errors import BadSeries
from cloud.market.forecasts.history import Floats

_HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class RegulationUse:
    """Use of one megawatt of regulation by interval; NaN where the signal has too many gaps.

    Attributes:
        step_min: minutes an interval.
        up_mwh: energy given to the grid, shape (intervals,).
        down_mwh: energy taken from it, positive, shape (intervals,).
        mileage_mw: way that the set-point went, shape (intervals,).
        reach_mwh: greatest excursion of the energy since the interval began, either way, shape
            (intervals,).
    """

    step_min: int
    up_mwh: Floats
    down_mwh: Floats
    mileage_mw: Floats
    reach_mwh: Floats

    @property
    def net_mwh(self) -> Floats:
        """Energy given less energy taken."""
        return self.up_mwh - self.down_mwh

    def soc_band_mwh(self, confidence: float) -> float:
        """Return the energy that must be free on both sides for one megawatt and interval.

        Args:
            confidence: share of intervals in which it suffices, 0..1.
        """
        return float(np.nanquantile(self.reach_mwh, confidence))


def regulation_use(
    signal: Floats, sample_s: float, *, step_min: int = 60, least_known: float = 0.9
) -> RegulationUse:
    """Sum up a regulation signal by interval; a last part of an interval is left out.

    Args:
        signal: share of capacity, up positive, shape (samples,); NaN where not known.
        sample_s: seconds between samples.
        step_min: minutes an interval.
        least_known: share of an interval's samples that must be known.

    Raises:
        BadSeries: the signal does not fill one interval, or is no share of a capacity.
    """
    samples = round(step_min * 60 / sample_s)
    count = len(signal) // samples
    if not count:
        raise BadSeries(f"the signal has {len(signal)} samples; {samples} make one interval")
    if np.nanmax(np.abs(signal)) > 1.5:  # noqa: PLR2004 - a share; 1.5 leaves room for overshoot
        raise BadSeries("the signal goes beyond 1.5 of capacity: give it as a share, -1..1")
    rows = signal[: count * samples].reshape(count, samples)
    known = np.isfinite(rows)
    enough = known.mean(axis=1) >= least_known
    held = np.where(known, rows, 0.0)
    hours = sample_s / _HOUR_S
    steps = np.abs(np.diff(held, axis=1)) * (known[:, 1:] & known[:, :-1])

    def told(values: Floats) -> Floats:
        return np.where(enough, values, np.nan)

    return RegulationUse(
        step_min,
        told(np.maximum(held, 0).sum(axis=1) * hours),
        told(np.maximum(-held, 0).sum(axis=1) * hours),
        told(steps.sum(axis=1)),
        told(np.abs(np.cumsum(held, axis=1)).max(axis=1) * hours),
    )
