"""What a trader may do with a battery: how much, how fast, at which loss and at which wear.

The same description serves bidding, back-tests and settlement's view of wear. It can be read
from a TOML file (`--battery FILE`) or made from what a station's estimators say at present.
"""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.market.errors import BadBattery

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_PLAIN: Final = {"missing": "is missing", "extra_forbidden": "there is no such key"}


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery at its point of connection.

    Attributes:
        charge_mw: greatest charging power, positive.
        discharge_mw: greatest discharging power, positive.
        energy_mwh: energy between empty and full, as stored in the cells.
        charge_efficiency: stored energy over energy taken from the grid, 0..1.
        discharge_efficiency: energy given to the grid over energy taken from the cells, 0..1.
        wear_per_mwh: cost of ageing in the market's currency per MWh discharged to the grid.
        soc_min: lower end of the SOC that may be planned with, 0..1.
        soc_max: upper end, 0..1.
        soc: SOC at the beginning, 0..1.
        cycles_per_day: most full equivalent cycles a day that the warranty allows; None: no limit.
    """

    charge_mw: float
    discharge_mw: float
    energy_mwh: float
    charge_efficiency: float
    discharge_efficiency: float
    wear_per_mwh: float = 0.0
    soc_min: float = 0.0
    soc_max: float = 1.0
    soc: float = 0.0
    cycles_per_day: float | None = None

    @property
    def round_trip(self) -> float:
        """Energy got back over energy taken, 0..1."""
        return self.charge_efficiency * self.discharge_efficiency

    @property
    def usable_mwh(self) -> float:
        """Energy between the ends of the SOC that may be planned with, as stored in the cells."""
        return (self.soc_max - self.soc_min) * self.energy_mwh


class _BatteryFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    charge_mw: float = Field(gt=0)
    discharge_mw: float = Field(gt=0)
    energy_mwh: float = Field(gt=0)
    round_trip_efficiency: float | None = Field(None, gt=0, le=1)
    charge_efficiency: float | None = Field(None, gt=0, le=1)
    discharge_efficiency: float | None = Field(None, gt=0, le=1)
    wear_per_mwh: float = Field(0.0, ge=0)
    soc_min: float = Field(0.0, ge=0, lt=1)
    soc_max: float = Field(1.0, gt=0, le=1)
    soc: float = Field(0.0, ge=0, le=1)
    cycles_per_day: float | None = Field(None, gt=0)


def read_battery(file: Path) -> Battery:
    """Read a battery's description.

    Raises:
        BadBattery: the file cannot be read, or a key is missing, unknown or out of range.
    """
    try:
        given: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise BadBattery(f"{file}: {error.strerror}: name a readable TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadBattery(f"{file}: not a TOML file: {error}") from error
    try:
        read = _BatteryFile.model_validate(given)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, one['loc']))}: {_PLAIN.get(one['type'], one['msg'])}"
            for one in sorted(error.errors(), key=_is_missing)
        ]
        raise BadBattery(f"{file}: {'; '.join(faults)}") from error
    return _battery(file, read)


def _is_missing(fault: "ErrorDetails") -> bool:
    """An unknown key is told before what is missing: it is often that, misspelt."""
    return fault["type"] == "missing"


def _battery(file: Path, read: _BatteryFile) -> Battery:
    both = (read.charge_efficiency, read.discharge_efficiency)
    if (read.round_trip_efficiency is None) == (None in both):
        raise BadBattery(
            f"{file}: name round_trip_efficiency, or both charge_efficiency and "
            "discharge_efficiency"
        )
    if read.soc_min >= read.soc_max:
        raise BadBattery(
            f"{file}: soc_min = {read.soc_min} lies not below soc_max = {read.soc_max}"
        )
    if not read.soc_min <= read.soc <= read.soc_max:
        raise BadBattery(
            f"{file}: soc = {read.soc} lies outside soc_min = {read.soc_min} .. "
            f"soc_max = {read.soc_max}"
        )
    half = math.sqrt(read.round_trip_efficiency or 1.0)
    return Battery(
        charge_mw=read.charge_mw,
        discharge_mw=read.discharge_mw,
        energy_mwh=read.energy_mwh,
        charge_efficiency=read.charge_efficiency or half,
        discharge_efficiency=read.discharge_efficiency or half,
        wear_per_mwh=read.wear_per_mwh,
        soc_min=read.soc_min,
        soc_max=read.soc_max,
        soc=read.soc,
        cycles_per_day=read.cycles_per_day,
    )
