"""The history page: any signal of a station over any range, and links that open it at one."""

from typing import Any
from urllib.parse import quote, urlencode

from cloud.fleet import Station
from cloud.web.look import StationLook
from cloud.web.visit import Visit

_USUAL = ("delivered_power_kw", "soc")
_OF_RACK = ("cell_temperature_max_c", "cell_voltage_max_v", "cell_voltage_min_v", "soc")


def view(visit: Visit) -> dict[str, Any]:
    """Choices of the page's controls, in the reader's language, in the order shown."""
    t = visit.t
    return {
        "presets": [
            ("hour", "1 h"),
            ("day", "24 h"),
            ("week", "7 d"),
            ("month", "30 d"),
            ("year", "365 d"),
            ("all", t("All")),
        ],
        "resolutions": [
            ("auto", t("Auto")),
            ("raw", t("samples")),
            ("1min", "1 min"),
            ("15min", "15 min"),
            ("1h", "1 h"),
            ("1d", "1 d"),
            ("1mo", t("month")),
        ],
        "formats": [("csv", "CSV"), ("parquet", "Parquet"), ("arrow", "Arrow"), ("json", "JSON")],
    }


def usual(look: StationLook) -> list[str]:
    """What an address without signals shows: power and state of charge of the station."""
    controller = look.topology.controller
    return [] if controller is None else [f"{controller}:{signal}" for signal in _USUAL]


def address(station: Station, signals: list[str], preset: str = "day") -> str:
    """The history page with these signals over a range that ends now."""
    query = urlencode([*(("signal", one) for one in signals), ("range", preset)], safe=":")
    return f"/stations/{quote(station.id)}/history?{query}"


def of_station(look: StationLook) -> str:
    """The last 24 h of a station's power, schedule and state of charge."""
    controller = look.topology.controller or "STATION"
    names = ("delivered_power_kw", "scheduled_power_kw", "soc")
    return address(look.station, [f"{controller}:{name}" for name in names])


def of_rack(look: StationLook, rack: str) -> str:
    """The last 24 h of a rack's extreme cells and its state of charge."""
    return address(look.station, [f"{rack}:{name}" for name in _OF_RACK])


def against_bms(look: StationLook, device: str) -> str:
    """The last 24 h of the SOC that the BMS tells, with the estimate over it."""
    return address(look.station, [f"{device}:soc", f"{device}:soc_estimate"])
