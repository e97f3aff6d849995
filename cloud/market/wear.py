"""What cycling and standing cost in ageing: the price that a trade must beat.

Cells lose capacity by the calendar and by cycling, both by the square root (of time, of cycles).
The laws and their numbers are Naumann et al. 2018 (J. Energy Storage 17, 153-169) and 2020
(J. Power Sources 451, 227666) for an LFP cell; a file may name another make's. A battery that is
replaced at an end-of-life SOH costs, for each per cent that it loses, its share of that price.

The laws alone make cycling of LFP nearly free, because the calendar retires it first; a maker's
warranty does not. The price of a cycle is therefore the dearer of the two.
"""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.market.errors import BadBattery

DEFAULT_WEAR = Path(__file__).with_name("wear.toml")

_GAS: Final = 8.314462618
_KELVIN: Final = 273.15
_REFERENCE_K: Final = 298.15
_DAY_S: Final = 86_400.0
_YEAR_DAYS: Final = 365.25

Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AgeingLaw(_Strict):
    """Loss of capacity of a make of cell, as a share of the fresh one.

    Attributes:
        calendar_per_root_s: at 25 deg C, times the share by SOC.
        activation_j_per_mol: of the calendar's part.
        calendar_by_soc: (a, b) of a (SOC - 0.5)^3 + b.
        cycle_by_c_rate: (a, b) of a C + b, per cent by the root of full equivalent cycles.
        cycle_by_depth: (a, b) of a (DOD - 0.6)^3 + b.
    """

    calendar_per_root_s: Positive
    activation_j_per_mol: Positive
    calendar_by_soc: tuple[float, float]
    cycle_by_c_rate: tuple[float, float]
    cycle_by_depth: tuple[float, float]

    def calendar(self, soc: float, temperature_c: float) -> float:
        """Return the loss by the root of a second."""
        heat = 1 / (temperature_c + _KELVIN) - 1 / _REFERENCE_K
        a, b = self.calendar_by_soc
        by_soc = a * (soc - 0.5) ** 3 + b
        return (
            self.calendar_per_root_s * by_soc * math.exp(-self.activation_j_per_mol / _GAS * heat)
        )

    def cycling(self, c_rate: float, depth: float) -> float:
        """Return the loss by the root of a full equivalent cycle."""
        (a, b), (c, d) = self.cycle_by_c_rate, self.cycle_by_depth
        return (a * c_rate + b) * (c * (depth - 0.6) ** 3 + d) / 100


class WearRule(_Strict):
    """A file of wear.

    Attributes:
        replacement_per_mwh: what a MWh of new capacity costs, installed.
        end_of_life_soh: at which the battery is replaced, 0..1.
        warranted_cycles: full equivalent cycles that the maker warrants down to that SOH.
        warranted_years: and years.
        ageing: of the make.
    """

    replacement_per_mwh: Positive
    end_of_life_soh: Annotated[float, Field(gt=0, lt=1)]
    warranted_cycles: Positive
    warranted_years: Positive
    ageing: AgeingLaw

    @property
    def cycles_per_day(self) -> float:
        """Return the cycles a day that use the warranty up evenly."""
        return self.warranted_cycles / (self.warranted_years * _YEAR_DAYS)


@dataclass(frozen=True, slots=True)
class Use:
    """How a battery is used: age, means of SOC (0..1), deg C, C-rate, and depth of its cycles."""

    years: float
    full_cycles: float
    soc: float
    temperature_c: float
    c_rate: float
    depth: float


@dataclass(frozen=True, slots=True)
class WearPrice:
    """What ageing costs at present.

    Attributes:
        per_mwh: discharged to the grid; what a trade must beat.
        per_day: by the calendar for the whole battery, traded or not.
        bound_by: "warranty" or "ageing", whichever is dearer.
    """

    per_mwh: float
    per_day: float
    bound_by: str


def price_of_wear(
    rule: WearRule, use: Use, energy_mwh: float, discharge_efficiency: float
) -> WearPrice:
    """Return what the next cycle and the next day cost.

    A law by the root of n loses k / (2 sqrt(n)) with the next unit; the first one loses k.

    Args:
        rule: prices and laws.
        use: present age and stress.
        energy_mwh: of the battery, new.
        discharge_efficiency: energy to the grid over energy from the cells, 0..1.
    """
    life = 1 - rule.end_of_life_soh
    price_of_all = rule.replacement_per_mwh * energy_mwh
    per_cycle = rule.ageing.cycling(use.c_rate, use.depth) / (
        2 * math.sqrt(max(use.full_cycles, 0.25))
    )
    by_law = rule.replacement_per_mwh * per_cycle / life / discharge_efficiency
    by_warranty = rule.replacement_per_mwh / rule.warranted_cycles / discharge_efficiency
    seconds = max(use.years * _YEAR_DAYS, 1.0) * _DAY_S
    per_second = rule.ageing.calendar(use.soc, use.temperature_c) / (2 * math.sqrt(seconds))
    return WearPrice(
        per_mwh=max(by_law, by_warranty),
        per_day=price_of_all * per_second * _DAY_S / life,
        bound_by="ageing" if by_law > by_warranty else "warranty",
    )


def read_wear(file: Path = DEFAULT_WEAR) -> WearRule:
    """Read a file of wear.

    Raises:
        BadBattery: it cannot be read, or a key is missing, unknown or out of range.
    """
    try:
        return WearRule.model_validate(tomllib.loads(file.read_text("utf-8")))
    except OSError as error:
        raise BadBattery(f"{file}: {error.strerror}: name a readable TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadBattery(f"{file}: not a TOML file: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadBattery(f"{file}: {key}: {first['msg']}") from error
