"""A series of the market: what it is, in which unit, for which zone, and what is absurd."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloud.market.errors import BadSeries
from cloud.market.prices.publication import AT_IMPORT, Publication
from cloud.market.units import DAY_MIN

_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Kind(StrEnum):
    """What a series tells."""

    DAY_AHEAD = "price.day_ahead"
    INTRADAY = "price.intraday"
    REAL_TIME = "price.real_time"
    CAPACITY = "price.capacity"  # reserve or regulation held, per MW and hour
    MILEAGE = "price.mileage"  # regulation used, per MW of movement
    LOAD = "load"
    WIND = "wind"
    SOLAR = "solar"
    INTERCONNECTOR = "interconnector"  # import positive
    TEMPERATURE = "weather.temperature"
    WIND_SPEED = "weather.wind_speed"
    IRRADIANCE = "weather.irradiance"

    @property
    def is_price(self) -> bool:
        """Whether it is money per something."""
        return self.value.startswith("price.")

    @property
    def is_power(self) -> bool:
        """Whether it is a power that cannot be negative."""
        return self in (Kind.LOAD, Kind.WIND, Kind.SOLAR)

    @property
    def is_told_before(self) -> bool:
        """Whether it is known before its interval begins, even where it is no forecast."""
        return self in (Kind.DAY_AHEAD, Kind.INTRADAY, Kind.CAPACITY, Kind.MILEAGE)


ABSURD: Final[dict[Kind, tuple[float, float]]] = {
    **{kind: (-30_000.0, 30_000.0) for kind in Kind if kind.is_price},
    **{kind: (-1_000.0, 2_000_000.0) for kind in Kind if kind.is_power},
    Kind.INTERCONNECTOR: (-200_000.0, 200_000.0),
    Kind.TEMPERATURE: (-70.0, 60.0),
    Kind.WIND_SPEED: (0.0, 75.0),
    Kind.IRRADIANCE: (-20.0, 1_600.0),
}
"""Outside these a value is no fact in any market. The highest cap anywhere is Australia's (20,300
AUD/MWh in 2025-26); the highest load is China's (1.5 TW)."""

_BASE: Final = {
    **{kind: "MW" for kind in Kind if kind.is_power},
    Kind.INTERCONNECTOR: "MW",
    Kind.TEMPERATURE: "degC",
    Kind.WIND_SPEED: "m/s",
    Kind.IRRADIANCE: "W/m2",
}
_PER: Final = {"MWh": 1.0, "kWh": 1_000.0, "GWh": 0.001, "MW": 1.0, "kW": 1_000.0}
_SCALES: Final[dict[str, tuple[str, float, float]]] = {
    "kW": ("MW", 0.001, 0.0),
    "GW": ("MW", 1_000.0, 0.0),
    "K": ("degC", 1.0, -273.15),
    "km/h": ("m/s", 1 / 3.6, 0.0),
    "kW/m2": ("W/m2", 1_000.0, 0.0),
}
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Series:
    """One series.

    Attributes:
        id: its name here, as "de-lu.day_ahead".
        kind: what it tells.
        unit: prices: currency per MWh, or per MW (capacity: and hour); powers: MW.
        zone: where it holds, in the market's words.
        timezone: the market's local time, IANA.
        step_min: minutes an interval.
        forecast: whether it tells what is expected, not what was.
        publication: when its values become known, where a file does not say it.

    Raises:
        BadSeries: a field cannot be used.
    """

    id: str
    kind: Kind
    unit: str
    zone: str
    timezone: str
    step_min: int
    forecast: bool = False
    publication: Publication = AT_IMPORT

    def __post_init__(self) -> None:
        """Refuse what would only show when it is too late."""
        if not _ID.fullmatch(self.id):
            raise BadSeries(
                f"series {self.id!r}: use up to 64 small letters, digits, dots, underscores and "
                "hyphens, as de-lu.day_ahead"
            )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise BadSeries(
                f"series {self.id}: timezone {self.timezone!r} is not in the IANA list; write e.g. "
                "Asia/Shanghai"
            ) from error
        if self.step_min < 1 or DAY_MIN % self.step_min:
            raise BadSeries(f"series {self.id}: a day is no multiple of {self.step_min} minutes")
        wanted = f"{self.unit[:3]}/{_energy(self.kind)}" if self.kind.is_price else _BASE[self.kind]
        if self.unit != wanted or (self.kind.is_price and not _CURRENCY.match(self.unit)):
            shown = f"e.g. CNY/{_energy(self.kind)}" if self.kind.is_price else wanted
            raise BadSeries(
                f"series {self.id}: {self.kind} is kept in {shown}, not in {self.unit!r}; a file "
                "in another unit is converted when its unit is named (--file-unit)"
            )

    @property
    def zone_info(self) -> ZoneInfo:
        """The market's local time."""
        return ZoneInfo(self.timezone)

    @property
    def step_ms(self) -> int:
        """Length of an interval."""
        return self.step_min * 60_000


def conversion(given: str, series: Series) -> tuple[float, float]:
    """Return factor and offset that turn a figure in unit `given` into the series' unit.

    Raises:
        BadSeries: they do not measure the same.
    """
    if given == series.unit:
        return 1.0, 0.0
    money, _, per = given.partition("/")
    kept_money, _, kept_per = series.unit.partition("/")
    alike = per in _PER and kept_per in _PER and per.endswith("h") == kept_per.endswith("h")
    if series.kind.is_price and money == kept_money and alike:
        return _PER[per] / _PER[kept_per], 0.0
    unit, factor, offset = _SCALES.get(given, ("", 0.0, 0.0))
    if not series.kind.is_price and unit == series.unit:
        return factor, offset
    raise BadSeries(f"series {series.id}: {given!r} cannot be turned into {series.unit}")


def _energy(kind: Kind) -> str:
    return "MW" if kind in (Kind.CAPACITY, Kind.MILEAGE) else "MWh"
