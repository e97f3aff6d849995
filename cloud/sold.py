"""What a station can sell now: read from its live image, or from its plate where it is silent."""

import time
from typing import Final

from cloud import fleet
from cloud.db import Pool
from cloud.live import Live
from cloud.market.battery import Battery
from cloud.market.station_battery import Plate, StationBattery, station_battery
from cloud.market.wear import Use, WearRule, price_of_wear

_DEVICE: Final = "STATION"
_KW_PER_MW: Final = 1_000
_OLD_MS: Final = 60_000
"""An image older than that is no promise: what it said may have been used meanwhile."""
_TYPICAL: Final = Use(
    years=1.0, full_cycles=300.0, soc=0.5, temperature_c=25.0, c_rate=0.5, depth=0.8
)
"""Use of a station whose own is not known: a cycle on most days of a first year."""


async def sold_now(pool: Pool, live: Live, name: str, rule: WearRule) -> StationBattery:
    """Return what a station can sell now.

    Args:
        pool: the store.
        live: newest images.
        name: id of the station.
        rule: what its use wears.

    Raises:
        NotFound: there is no such station.
    """
    plate = _plate(await fleet.find(pool, name))
    image = await live.latest(name)
    topology = fleet.from_devices(image.frames) if image is not None else None
    device = (topology.controller if topology is not None else None) or _DEVICE
    fresh = image is not None and time.time_ns() // 1_000_000 - image.at_ms <= _OLD_MS
    points = image.points if image is not None and fresh else {}
    return station_battery(points, device, plate, _wear_per_mwh(rule, plate))


async def plate_battery(pool: Pool, name: str, rule: WearRule) -> Battery:
    """Return the battery of a station's plate, whatever it can promise at present.

    Args:
        pool: the store.
        name: id of the station.
        rule: what its use wears.

    Raises:
        NotFound: there is no such station.
    """
    plate = _plate(await fleet.find(pool, name))
    return station_battery({}, _DEVICE, plate, _wear_per_mwh(rule, plate)).battery


def _plate(station: fleet.Station) -> Plate:
    return Plate(
        power_mw=station.rated_power_kw / _KW_PER_MW,
        energy_mwh=station.capacity_kwh / _KW_PER_MW,
        soc_min=station.soc_min,
        soc_max=station.soc_max,
    )


def _wear_per_mwh(rule: WearRule, plate: Plate) -> float:
    efficiency = fleet.ROUND_TRIP_EFFICIENCY**0.5
    return price_of_wear(rule, _TYPICAL, plate.energy_mwh, efficiency).per_mwh
