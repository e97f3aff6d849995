"""Between which voltages and temperatures a cell may be worked, and how fast.

The defaults are those that data sheets of stationary LFP cells and of NMC cells agree upon:
cut-off at 2.5 V, 3.65 V (LFP) and 4.2 V (NMC); no charge below 0 deg C, since lithium then plates
(Waldmann et al. 2018, J. Power Sources 384); none at all above 60 deg C. A station's own limits
are narrower and come as settings.
"""

from dataclasses import dataclass

import numpy as np

from station.estimators.cell_model import Floats


@dataclass(frozen=True)
class CellLimits:
    """What a cell must not leave.

    Attributes:
        voltage_min_v, voltage_max_v: at the terminals, under load.
        charge_c_rate, discharge_c_rate: the highest current, in multiples of the capacity per hour.
        temperature_c: rising bounds between which the shares below go linearly.
        charge_share, discharge_share: of the highest current, at those temperatures.
    """

    voltage_min_v: float = 2.5
    voltage_max_v: float = 3.65
    charge_c_rate: float = 1.0
    discharge_c_rate: float = 1.0
    temperature_c: tuple[float, ...] = (-20.0, -10.0, 0.0, 10.0, 45.0, 55.0, 60.0)
    charge_share: tuple[float, ...] = (0.0, 0.0, 0.0, 1.0, 1.0, 0.3, 0.0)
    discharge_share: tuple[float, ...] = (0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0)

    def share(self, temperature_c: Floats, *, charge: bool) -> Floats:
        """Return which share of the highest current a cell may take at its temperature."""
        shares = self.charge_share if charge else self.discharge_share
        return np.interp(temperature_c, self.temperature_c, shares).astype(np.float32)


LFP = CellLimits()
NMC = CellLimits(voltage_max_v=4.2)


def limits_of(chemistry: str) -> CellLimits:
    """Return the usual limits of cells with this positive electrode."""
    return LFP if chemistry == "LFP" else NMC
